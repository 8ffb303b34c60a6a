"""Where the tables of a result live: in memory as the journal left them, on disk as Arrow IPC files."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backtest.errors import ConfigError
from backtest.tables import FORMAT, OWNED_ROLES, TABLES, VERSION, Table, empty_meta, table

if TYPE_CHECKING:
    import pyarrow as pa

Columns = Mapping[str, NDArray[Any]]
BATCH_ROWS = 65_536  # fixed, so that the bytes do not depend on how the journal was cut into blocks


class LazyColumns(Columns):
    """The columns of a table, each made when it is first asked for and kept."""

    __slots__ = ("_made", "_make", "_names")

    def __init__(self, names: Sequence[str], make: Callable[[str], NDArray[Any]]) -> None:
        self._names = tuple(names)
        self._make = make
        self._made: dict[str, NDArray[Any]] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a column."""
        if name not in self._made:
            if name not in self._names:
                raise KeyError(name)
            self._made[name] = self._make(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._names)

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self._names)


class Filed:
    """A table in an Arrow IPC file that stays open: what replaces the file does not change what is read.

    Attributes
    ----------
    column_names : list of str
    num_rows : int
    """

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self._file = pa.OSFile(str(path))
        reader = pa.ipc.open_file(self._file)
        self.column_names: list[str] = reader.schema.names
        # One column is enough to count the rows.
        empty = pa.ipc.open_file(self._file, options=pa.ipc.IpcReadOptions(included_fields=[0]))
        self.num_rows = sum(empty.get_batch(number).num_rows for number in range(empty.num_record_batches))

    def column(self, name: str, kind: "np.dtype[Any]") -> NDArray[Any]:
        """Read one column as an array of a type."""
        import pyarrow as pa

        options = pa.ipc.IpcReadOptions(included_fields=[self.column_names.index(name)])
        # Not Arrow's own pool, which keeps what is given back to it. Batch by batch into one array: what several
        # threads read at once, and what is put together afterwards, leaves holes in the heap as large as itself.
        reader = pa.ipc.open_file(self._file, options=options, memory_pool=pa.system_memory_pool())
        made, end = np.empty(self.num_rows, dtype=kind), 0
        for number in range(reader.num_record_batches):
            part = _from_arrow(reader.get_batch(number).column(0), kind)
            made[end : end + len(part)] = part
            end += len(part)
        return made


class Store:
    """Meta data and tables of one run.

    Parameters
    ----------
    meta : mapping
        Keys of `backtest.tables.META_KEYS`; JSON values only. Missing keys get their neutral value.
    tables : mapping of str to structured ndarray, sequence of structured ndarrays, pyarrow.Table, or Filed
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
        columns = self.columns(name)
        return len(columns[next(iter(columns))])

    def final_orders(self) -> NDArray[np.int64]:
        """Return the row of the orders table that holds the final state of each order, in order of their numbers."""
        if "final orders" not in self.memo:
            numbers = self.columns("orders")["order"]
            highest = int(numbers.max(initial=0))
            if highest <= 4 * len(numbers):
                last = np.full(highest + 1, -1, dtype=np.int64)
                last[numbers] = np.arange(len(numbers))  # of several rows the last one stays
                self.memo["final orders"] = last[last >= 0]
            else:
                # The last row of each order; np.unique gives the first of the reversed.
                _, back = np.unique(numbers[::-1], return_index=True)
                self.memo["final orders"] = len(numbers) - 1 - back
        rows: NDArray[np.int64] = self.memo["final orders"]
        return rows

    def labels(self) -> list[str]:
        """Return a name for each instrument: its symbol, with the venue where two venues share it."""
        rows = self.meta["instruments"]
        symbols = [row["symbol"] for row in rows]
        return [
            row["symbol"] if symbols.count(row["symbol"]) == 1 else f"{row['symbol']}@{row['venue']}" for row in rows
        ]


def grouped(*columns: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the combinations of values that occur, in order, and which of them each row has.

    Much quicker than `numpy.unique` along an axis: the columns of a row, small whole numbers, become one number.

    Returns
    -------
    keys : ndarray of int64, shape (columns, combinations)
    which : ndarray of int64, shape (rows,)
    """
    packed = np.zeros(len(columns[0]), dtype=np.int64)
    spans = []
    for column in columns:
        low, high = int(column.min(initial=0)), int(column.max(initial=0))
        spans.append((low, high - low + 1))
        packed = packed * (high - low + 1) + (column.astype(np.int64) - low)
    found, which = np.unique(packed, return_inverse=True)
    keys = []
    for low, span in reversed(spans):
        keys.append(found % span + low)
        found = found // span
    return np.array(keys[::-1], dtype=np.int64).reshape(len(columns), -1), which.ravel()


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
    """Open a result directory; columns are read when they are first needed.

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
    tables: dict[str, Filed] = {}
    for name, rows in content["tables"].items():
        if name not in TABLES:
            continue  # of a newer minor version
        file = source / f"{name}.arrow"
        if not file.is_file():
            raise ConfigError(f"{source} is not complete: {name}.arrow is missing")
        try:
            tables[name] = Filed(file)
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
    types = {column.name: definition.dtype[column.name] for column in definition.columns}
    if isinstance(source, np.ndarray):
        source = [source]
    if isinstance(source, Sequence):
        blocks = source if len(source) else [definition.empty()]

        def joined(name: str) -> NDArray[Any]:
            return np.concatenate([block[name] for block in blocks]).astype(types[name], copy=False)

        return LazyColumns(definition.names, joined)
    if isinstance(source, Filed):
        return LazyColumns(definition.names, lambda name: source.column(name, types[name]))
    return LazyColumns(definition.names, lambda name: _from_arrow(source.column(name), types[name]))


def _from_arrow(column: Any, kind: np.dtype[Any]) -> NDArray[Any]:
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return np.asarray(column.to_numpy(zero_copy_only=False)).astype(kind, copy=False)
