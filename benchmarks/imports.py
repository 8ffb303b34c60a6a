"""Importing and reading trades beside plain readers: `python -m benchmarks.imports [ROWS] [FOLDER]`.

One day of synthetic aggregates as CSV.gz is imported into a catalog, and read back as a stream. Beside it, in processes
of their own: `pandas.read_csv` and, where it is installed, `polars.read_csv` of the same file (the floor of an import,
which in addition keeps exact decimals, checks every row, compresses and hashes), and `pyarrow` iterating over the
Parquet file that the import wrote (the floor of a stream). Times and memory are those of this machine, now.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MS = 1_704_067_200_000
DAY_MS = 86_400_000
BATCH = 131_072


def write_trades(path: Path, rows: int) -> None:
    """Write a day of Binance aggregates: bursts, a walk of a tenth, log-normal sizes."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv as pacsv

    random = np.random.default_rng(0)
    numbers = np.arange(rows)
    values = {
        "agg_trade_id": numbers + 10**9,
        "price": (420_000 + np.cumsum(random.integers(-1, 2, rows))) / 10,
        "quantity": np.maximum(1, np.exp(random.normal(2, 1.5, rows)).astype(np.int64)) / 1000,
        "first_trade_id": numbers * 2,
        "last_trade_id": numbers * 2 + 1,
        "transact_time": MS + np.sort(random.integers(0, DAY_MS, rows)),
        "is_buyer_maker": random.integers(0, 2, rows).astype(bool),
    }
    with pa.output_stream(path, compression="gzip") as stream:
        pacsv.write_csv(pa.table(values), stream)


def import_trades(folder: Path) -> int:
    from feeds.importing import import_file

    return import_file(folder / "BTCUSDT-aggTrades-2024-01-01.csv.gz", catalog=folder / "catalog").rows_out


def read_stream(folder: Path) -> int:
    from feeds.catalog import Catalog

    (stream,) = Catalog(folder / "catalog").dataset("binance_usdm", "BTC/USDT:USDT").streams
    names = ["ts", "price", "quantity", "side"]
    return sum(batch.num_rows for part in stream.parts for batch in part.batches(names, BATCH, None, None))


def read_pyarrow(folder: Path) -> int:
    import pyarrow.parquet as parquet

    (path,) = (folder / "catalog").rglob("data.parquet")
    names = ["ts", "price", "quantity", "side"]
    file = parquet.ParquetFile(path)
    return sum(batch.num_rows for batch in file.iter_batches(batch_size=BATCH, columns=names, use_threads=False))


def validate_catalog(folder: Path) -> int:
    from feeds.validation import validate

    return validate(folder / "catalog").checked_rows


def read_pandas(folder: Path) -> int:
    import pandas as pd

    return len(pd.read_csv(folder / "BTCUSDT-aggTrades-2024-01-01.csv.gz"))


def read_polars(folder: Path) -> int:
    import polars as pl  # type: ignore[import-not-found]

    return len(pl.read_csv(folder / "BTCUSDT-aggTrades-2024-01-01.csv.gz"))


TASKS = {
    "import": import_trades,
    "pandas.read_csv": read_pandas,
    "polars.read_csv": read_polars,
    "stream": read_stream,
    "pyarrow iter_batches": read_pyarrow,
    "validate": validate_catalog,
}


def measure(name: str, folder: Path) -> None:
    """Run one task in this process and print what it took."""
    import resource

    start, ticks = time.perf_counter(), os.times()
    rows = TASKS[name](folder)
    taken, after = time.perf_counter() - start, os.times()
    cpu = after.user + after.system - ticks.user - ticks.system
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows": rows, "seconds": taken, "cpu": cpu, "peak_mb": peak}))


def main(rows: int, folder: Path) -> None:
    """Write the file once, run every task in a process of its own, print a table."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "BTCUSDT-aggTrades-2024-01-01.csv.gz"
    if not path.exists():
        # Not in this process: the peak memory of a child begins with that of the one that starts it.
        subprocess.run([sys.executable, "-m", "benchmarks.imports", "--write", str(rows), str(path)], check=True)
    print(f"{'task':<22} {'rows':>12} {'s':>8} {'cpu s':>8} {'M rows/s':>9} {'peak MB':>9}")
    for name in TASKS:
        if name.startswith("polars") and importlib.util.find_spec("polars") is None:
            print(f"{name:<22} not installed")
            continue
        words = [sys.executable, "-m", "benchmarks.imports", "--task", name, str(folder)]
        found = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
        rate = found["rows"] / found["seconds"] / 1e6
        print(
            f"{name:<22} {found['rows']:>12,} {found['seconds']:>8.1f} {found['cpu']:>8.1f} {rate:>9.2f} "
            f"{found['peak_mb']:>9,.0f}"
        )
    size = sum(file.stat().st_size for file in (folder / "catalog").rglob("*.parquet"))
    print(f"stored in {size / 1e6:.1f} MB, {size / path.stat().st_size:.2f} of the CSV.gz")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--task"]:
        measure(sys.argv[2], Path(sys.argv[3]))
    elif sys.argv[1:2] == ["--write"]:
        write_trades(Path(sys.argv[3]), int(sys.argv[2]))
    elif len(sys.argv) > 2:
        main(int(sys.argv[1]), Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as made:
            main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000, Path(made))
