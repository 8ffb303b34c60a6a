"""The workload on disk: a catalog, canonical tables for runs in memory, flat Parquet for peers, flat structs for C."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import data

if TYPE_CHECKING:
    import pyarrow as pa

    from feeds.dataset import Dataset

VENUE = "binance_usdm"
PERPETUAL = "BTC/USDT:USDT"
STRUCT = np.dtype([("ts", "i8"), ("price", "f8"), ("size", "f8"), ("side", "i8")])
FUNDING_INTERVAL_S = 28_800


def bar_symbol(number: int) -> str:
    """Return the name of an instrument of T4."""
    return f"B{number:02d}/USDT:USDT"


def scale_of(root: Path) -> float:
    """Return the scale that a folder of data is named after: ``data-0.2``."""
    return float(root.name.partition("-")[2])


def prepare(root: Path, instruments: int = data.BAR_INSTRUMENTS) -> None:
    """Write the workload of a scale into its folder, unless it is there."""
    if (root / "done").exists():
        return
    scale = scale_of(root)
    shutil.rmtree(root, ignore_errors=True)
    for folder in ("flat", "tables"):
        (root / folder).mkdir(parents=True)
    _tape(root, scale)
    for number in range(instruments):
        _bars(root, number, scale)
    (root / "done").touch()


def _tape(root: Path, scale: float) -> None:
    from feeds.catalog import Catalog

    streams = data.tape(scale)
    catalog = Catalog(root / "catalog")
    for name, columns in streams.items():
        write_flat(root, name, columns)
        _structs(columns).tofile(root / "flat" / f"{name}.bin")
    save(root, "book", book(streams["book_snapshot"], streams["book"]))
    for kind in ("trades", "mark", "funding"):
        table = canonical(kind, streams[kind])
        save(root, kind, table)
        catalog.write(VENUE, PERPETUAL, kind, table, source="benchmarks")


def _bars(root: Path, number: int, scale: float) -> None:
    columns = data.bars(number, scale)
    write_flat(root, f"bars_{number:02d}", columns)
    save(root, f"bars_{number:02d}", canonical("bars:1m", columns))
    marks = {name: column for name, column in columns.items() if name != "volume"}
    save(root, f"mark_{number:02d}", canonical("mark:1m", marks))
    rng = np.random.Generator(np.random.PCG64(9000 + number))
    rates = data.funding(rng, data.START_NS, len(columns["ts"]) * data.MINUTE_NS)
    save(root, f"funding_{number:02d}", canonical("funding", rates))


def canonical(kind: str, columns: data.Columns) -> "pa.Table":
    """Return a canonical table of columns of decimals."""
    from feeds.tables import build

    renamed = {"quantity" if name == "size" else name: column for name, column in columns.items()}
    if kind == "trades":
        renamed["id"] = np.arange(len(columns["ts"]))
    if kind == "funding":
        renamed["interval_s"] = np.full(len(columns["ts"]), FUNDING_INTERVAL_S)
    return build(kind, renamed)


def book(snapshot: data.Columns, deltas: data.Columns) -> "pa.Table":
    """Return the canonical book: the first levels as a snapshot, then messages numbered by their last rows."""
    message = np.concatenate([[0], np.cumsum(deltas["last"][:-1])]) + 1
    first = len(snapshot["ts"])
    columns = {name: np.concatenate([snapshot[name], deltas[name]]) for name in ("ts", "side", "price", "size")}
    columns["seq"] = np.concatenate([np.zeros(first, np.int64), message])
    columns["prev_seq"] = columns["seq"] - 1
    columns["is_snapshot"] = np.repeat(np.array([1, 0], np.int8), [first, len(message)])
    return canonical("book", columns)


def write_flat(root: Path, name: str, columns: data.Columns) -> None:
    """Write columns as one Parquet file, zstd, as a user of a peer would have them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), root / "flat" / f"{name}.parquet", compression="zstd", row_group_size=1 << 20)


def _structs(columns: data.Columns) -> np.ndarray:
    rows = np.zeros(len(columns["ts"]), STRUCT)
    for name in STRUCT.names or ():
        if name in columns:
            rows[name] = columns[name]
    return rows


def save(root: Path, name: str, table: "pa.Table") -> None:
    """Write a table as an uncompressed Arrow file, which `load` maps."""
    import pyarrow as pa

    with pa.OSFile(str(root / "tables" / f"{name}.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def open_table(root: Path, name: str) -> "pa.Table":
    """Return a table that was kept, mapped into memory."""
    import pyarrow as pa

    with pa.memory_map(str(root / "tables" / f"{name}.arrow")) as source:
        return pa.ipc.open_file(source).read_all()


def load(root: Path, streams: Iterable[tuple[str, str, str]]) -> "Dataset":
    """Return saved tables as a dataset in memory, its pages touched and hashed.

    Parameters
    ----------
    root : Path
    streams : iterable of (str, str, str)
        Symbol, kind and name of the table.
    """
    from feeds.dataset import Dataset
    from feeds.stream import Stream

    found = [Stream.from_table(VENUE, symbol, kind, open_table(root, name)) for symbol, kind, name in streams]
    dataset = Dataset(found)
    dataset.fingerprint  # noqa: B018  what it costs belongs to the loading
    return dataset
