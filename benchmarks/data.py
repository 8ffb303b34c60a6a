"""Seeded workloads for the tasks of performance: trades, marks, funding, one-minute bars, written into a catalog."""

import argparse
from pathlib import Path

import numpy as np

from feeds.catalog import Catalog
from feeds.dataset import Dataset
from feeds.schema import columns

START_NS = 1_730_419_200_000_000_000  # 2024-11-01 00:00 UTC
DAY_NS = 86_400_000_000_000
MINUTE_NS = 60_000_000_000
SYMBOL = "BTC/USDT:USDT"
VENUE = "binance_usdm"


def canonical(kind: str, arrays: dict[str, np.ndarray], **scales: int):
    """Return a canonical table of integer columns; those not given take their defaults."""
    import pyarrow as pa

    from feeds.schema import layout, split_kind

    word, timeframe = split_kind(kind)
    rows = len(arrays["ts"])
    made = []
    for column in layout(word, timeframe):
        schema = columns(word, timeframe).field(column.name)
        if column.name in arrays:
            made.append(pa.array(arrays[column.name], type=schema.type))
        elif column.default is None:
            made.append(pa.nulls(rows, type=schema.type))
        else:
            made.append(pa.array(np.full(rows, column.default), type=schema.type))
    names = [column.name for column in layout(word, timeframe)]
    table = pa.table(dict(zip(names, made, strict=True)))
    every = {"price": 0, "quantity": 0, "rate": 0, "quote": 0, **scales}
    return table.replace_schema_metadata({f"{name}_scale": str(value) for name, value in every.items()})


def trades(rows: int, days: float, seed: int = 1):
    """Return trades on a 0.1 tick: a walk with persistent direction, so that averages cross now and then."""
    rng = np.random.Generator(np.random.PCG64(seed))
    ts = START_NS + np.sort(rng.integers(1, int(days * DAY_NS), rows)) + np.arange(rows)
    flip = rng.random(rows) < 0.45
    step = np.where(np.cumsum(flip) % 2 == 0, 1, -1) * (rng.random(rows) < 0.08)
    price = 600_000 + np.cumsum(step)
    side = np.where(rng.random(rows) < 0.5, 1, -1).astype(np.int8)
    quantity = np.maximum(1, np.round(rng.gamma(0.5, 100.0, rows))).astype(np.int64)
    return canonical("trades", {"ts": ts, "price": price, "quantity": quantity, "side": side, "id": np.arange(rows)},
                     price=1, quantity=3)  # fmt: skip


def mark_of(trade_table, days: float, every_s: int = 10):
    """Return mark points: the last trade before each."""
    ts = START_NS + np.arange(0, int(days * DAY_NS), every_s * 1_000_000_000)
    stamps = trade_table["ts"].to_numpy()
    place = np.maximum(np.searchsorted(stamps, ts) - 1, 0)
    return canonical("mark", {"ts": ts, "price": trade_table["price"].to_numpy()[place]}, price=1)


def funding(days: float, seed: int = 2):
    """Return 8 h settled rates."""
    rng = np.random.Generator(np.random.PCG64(seed))
    ts = START_NS + np.arange(8 * 3600, int(days * 86400), 8 * 3600) * 1_000_000_000
    rate = np.round(rng.normal(10_000, 5_000, ts.size)).astype(np.int64)
    return canonical("funding", {"ts": ts, "rate": rate, "interval_s": np.full(ts.size, 28_800)}, rate=8)


def bars(rows: int, seed: int):
    """Return one-minute bars."""
    rng = np.random.Generator(np.random.PCG64(seed))
    ts = START_NS + np.arange(rows) * MINUTE_NS
    flip = rng.random(rows) < 0.45
    step = np.where(np.cumsum(flip) % 2 == 0, 1, -1) * rng.integers(0, 40, rows)
    close = 600_000 + np.cumsum(step) // 4
    opened = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(opened, close) + rng.integers(0, 30, rows)
    low = np.minimum(opened, close) - rng.integers(0, 30, rows)
    volume = rng.integers(1_000_000, 100_000_000, rows)
    return canonical("bars:1m", {"ts": ts, "ts_avail": ts + MINUTE_NS, "ts_close": ts + MINUTE_NS, "open": opened, "high": high,
                                 "low": low, "close": close, "volume": volume}, price=1, quantity=3)  # fmt: skip


def write(root: Path, *, rows: int, days: int, bar_rows: int, instruments: int) -> None:
    """Write every workload below a root, unless it is there."""
    done = root / f"done-{rows}-{days}-{bar_rows}-{instruments}"
    if done.exists():
        return
    catalog = Catalog(root)
    table = trades(rows, days)
    catalog.write(VENUE, SYMBOL, "trades", table, source={"vendor": "benchmarks"})
    catalog.write(VENUE, SYMBOL, "mark", mark_of(table, days), source={"vendor": "benchmarks"})
    catalog.write(VENUE, SYMBOL, "funding", funding(days), source={"vendor": "benchmarks"})
    for number in range(instruments):
        symbol = f"B{number:02d}/USDT:USDT"
        table = bars(bar_rows, 100 + number)
        catalog.write(VENUE, symbol, "bars:1m", table, source={"vendor": "benchmarks"})
        catalog.write(VENUE, symbol, "funding", funding(bar_rows / 1440, 200 + number), source={"vendor": "benchmarks"})
    done.touch()


def dataset(root: Path, symbols: list[str], days: float) -> Dataset:
    """Return what a task reads."""
    return Catalog(root).dataset(VENUE, symbols, start=START_NS, end=START_NS + int(days * DAY_NS))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--scale", type=float, default=1.0)
    arguments = parser.parse_args()
    write(arguments.root, rows=int(5_000_000 * arguments.scale), days=max(1, int(30 * arguments.scale)),
          bar_rows=int(1_051_200 * arguments.scale), instruments=10)  # fmt: skip
