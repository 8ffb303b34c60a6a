"""Where the tables of a result live: in memory as the journal left them, on disk as Arrow IPC files."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backtest.errors import ConfigError
from backtest.tables import FORMAT, OWNED_ROLES, TABLES, VERSION, Table, empty_meta, table

if TYPE_CHECKING:
    import pyarrow as pa

Columns = dict[str, NDArray[Any]]
BATCH_ROWS = 65_536  # fixed, so that the bytes do not depend on how the journal was cut into blocks


class Store:
    """Meta data and tables of one run.

    Parameters
    ----------
    meta : mapping
        Keys of `backtest.tables.META_KEYS`; JSON values only. Missing keys get their neutral value.
    tables : mapping of str to structured ndarray, sequence of structured ndarrays, or pyarrow.Table
        By the names of `backtest.tables.TABLES`; a missing one is empty.
    owner : object, optional
        Kept alive as long as the store, for arrays that look into its memory.

    Raises
    ------
    ConfigError
        If a table is unknown or a column is missing.
    """

    def __init__(self, meta: Mapping[str, Any], tables: Mapping[str, Any], *, owner: object = None) -> None:
        filled = empty_meta() | dict(meta)
        # Through JSON and back, so that a result in memory equals the same one loaded.
        self.meta: dict[str, Any] = json.loads(_dump(filled))
        self._owner = owner
        self._sources: dict[str, Any] = {}
        self._columns: dict[str, Columns] = {}
        self.memo: dict[str, Any] = {}  # what is made of the tables and used more than once
        for name, source in tables.items():
            definition = table(name)
            missing = [column for column in definition.names if column not in _names_of(source, definition)]
            if missing:
                raise ConfigError(f"table {name!r} of a result: no column {', '.join(missing)}")
            self._sources[name] = source
        # One more entry at the end, so that index -1 ("none") finds a neutral value.
        self.assets: list[str | None] = [*(row["name"] for row in self.meta["assets"]), None]
        self.asset_scales = np.array([*(row["scale"] for row in self.meta["assets"]), 0], dtype=np.int64)
        rows = self.meta["instruments"]
        self.symbols: list[str | None] = [*(row["symbol"] for row in rows), None]
        self.price_scales = np.array([*(row["price_scale"] for row in rows), 0], dtype=np.int64)
        self.quantity_scales = np.array([*(row["quantity_scale"] for row in rows), 0], dtype=np.int64)
        self.contracts: list[str] = [row["contract"] for row in rows]
        self.sizes = np.array([row["size"] / 10 ** row["size_scale"] for row in rows], dtype=np.float64)
        # The asset of its profit: the quote of spot, the settle asset of a contract.
        paid = [row["quote" if row["contract"] == "spot" else "settle"] for row in rows]
        self.settle = np.array([*(self.assets.index(name) for name in paid), -1], dtype=np.int64)
        self.accounts: list[str | None] = [*(row["name"] for row in self.meta["accounts"]), None]
        self.is_owned = np.array([*(row["role"] in OWNED_ROLES for row in self.meta["accounts"]), False])

    def columns(self, name: str) -> Columns:
        """Return the columns of a table as contiguous arrays, times as int64 ns; read-only by convention."""
        if name not in self._columns:
            self._columns[name] = _columns_of(self._sources.get(name), table(name))
        return self._columns[name]

    def rows(self, name: str) -> int:
        """Return the number of rows of a table."""
        return len(next(iter(self.columns(name).values())))

    def labels(self) -> list[str]:
        """Return a name for each instrument: its symbol, with the venue where two venues share it."""
        rows = self.meta["instruments"]
        symbols = [row["symbol"] for row in rows]
        return [
            row["symbol"] if symbols.count(row["symbol"]) == 1 else f"{row['symbol']}@{row['venue']}" for row in rows
        ]


def save(store: Store, path: str | Path) -> Path:
    """Write a result directory, whole or not at all.

    Parameters
    ----------
    store : Store
    path : path
        New, or an earlier result, which is replaced.

    Returns
    -------
    Path
        The directory: ``meta.json`` and one Arrow IPC file for each table. The same run gives the same bytes.

    Raises
    ------
    ConfigError
        If the path exists and is not a result.
    """
    import pyarrow as pa

    target = Path(path)
    if target.exists() and not (target / "meta.json").is_file():
        raise ConfigError(f"{target} exists and is not a result of levdyn; give a new path, or remove it")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        for name, definition in TABLES.items():
            columns = store.columns(name)
            schema = arrow_schema(definition)
            arrays = [pa.array(columns[field.name]).cast(field.type) for field in schema]
            with pa.ipc.new_file(str(partial / f"{name}.arrow"), schema) as writer:
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema), max_chunksize=BATCH_ROWS)
        content = {
            "format": FORMAT,
            "version": list(VERSION),
            "tables": {name: store.rows(name) for name in TABLES},
            "meta": store.meta,
        }
        (partial / "meta.json").write_text(_dump(content) + "\n", encoding="utf-8")
        if target.exists():
            old = target.with_name(f".{target.name}.{os.getpid()}.old")
            target.rename(old)
            partial.rename(target)
            shutil.rmtree(old)
        else:
            partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def load(path: str | Path) -> Store:
    """Open a result directory; the tables are mapped, not read.

    Raises
    ------
    ConfigError
        If it is not a result, was written by a newer major version, or is not complete.
    """
    import pyarrow as pa

    source = Path(path)
    if not (source / "meta.json").is_file():
        raise ConfigError(f"{source} is not a result of levdyn: it has no meta.json (half-written, or another folder)")
    try:
        content = json.loads((source / "meta.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{source / 'meta.json'} is damaged: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ConfigError(f"{source / 'meta.json'} does not describe a result of levdyn")
    if content["version"][0] > VERSION[0]:
        raise ConfigError(
            f"{source} was written in version {content['version'][0]} of the format; this levdyn reads up to "
            f"{VERSION[0]}: install a newer levdyn to read it"
        )
    tables: dict[str, pa.Table] = {}
    for name, rows in content["tables"].items():
        if name not in TABLES:
            continue  # of a newer minor version
        file = source / f"{name}.arrow"
        if not file.is_file():
            raise ConfigError(f"{source} is not complete: {name}.arrow is missing")
        try:
            tables[name] = pa.ipc.open_file(pa.memory_map(str(file))).read_all()
        except pa.ArrowInvalid as error:
            raise ConfigError(f"{file} is damaged: {error}") from error
        if tables[name].num_rows != rows:
            raise ConfigError(f"{source} is not complete: {name}.arrow has {tables[name].num_rows} of {rows} rows")
    return Store(content["meta"], tables)


def arrow_schema(definition: Table) -> "pa.Schema":
    """Return the Arrow schema of a table: types of `backtest.tables`, times as UTC ns, units in the field meta data."""
    import pyarrow as pa

    types = {"i8": pa.int64(), "f8": pa.float64(), "i4": pa.int32(), "i1": pa.int8(), "u1": pa.uint8()}
    return pa.schema(
        [
            pa.field(
                column.name,
                pa.timestamp("ns", tz="UTC") if column.unit == "time" else types[column.type],
                nullable=False,
                metadata={"unit": column.unit, "doc": column.doc},
            )
            for column in definition.columns
        ]
    )


def _dump(content: object) -> str:
    return json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)


def _names_of(source: Any, definition: Table) -> Sequence[str]:
    if isinstance(source, np.ndarray):
        return source.dtype.names or ()
    if isinstance(source, Sequence):
        return source[0].dtype.names if len(source) else definition.names
    return list(source.column_names)


def _columns_of(source: Any, definition: Table) -> Columns:
    if source is None:
        source = definition.empty()
    if isinstance(source, np.ndarray):
        source = [source]
    types = {column.name: definition.dtype[column.name] for column in definition.columns}
    if isinstance(source, Sequence):
        blocks = source if len(source) else [definition.empty()]
        return {
            name: np.concatenate([block[name] for block in blocks]).astype(kind, copy=False)
            for name, kind in types.items()
        }
    return {name: _from_arrow(source.column(name), kind) for name, kind in types.items()}


def _from_arrow(column: Any, kind: np.dtype[Any]) -> NDArray[Any]:
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return np.asarray(column.to_numpy()).astype(kind, copy=False)
