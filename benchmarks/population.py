"""A population inside a run: what an event costs with and without it: `python -m benchmarks.population`.

The tape has a trade and a mark of the same time for each event. An event's cost is the difference between a whole tape
and its half, so that setting up the accounts does not count; that stands in a column of its own. "scan" is what one
writes first: numpy compares every trigger with every mark, and nothing else; it is measured on a part of the marks.
"""

import time
from typing import NamedTuple

import numpy as np
import pandas as pd

import feeds
import venues
from backtest import Backtest, Crowd, Strategy
from backtest.lab.positions import Population, population
from feeds.dataset import Dataset

EVENTS, ACCOUNTS, SCANNED = 4_000_000, 100_000, 2_000  # so many events that set-up's noise is small beside them
SYMBOL, VENUE = "X/USDT:USDT", "binance_usdm"


class Idle(Strategy):
    """Holds nothing."""


class Row(NamedTuple):
    """One tape: ns an event without and with the population and of a scan of it, seconds of setting it up."""

    tape: str
    without: float
    beside: float
    scan: float
    setup: float
    liquidated: int


def data(path: np.ndarray) -> Dataset:
    """Return marks and trades along a path, a tenth of a second apart."""
    ts = pd.Timestamp("2025-01-01", tz="UTC").value + np.arange(len(path)) * 100_000_000
    made = feeds.from_pandas(pd.DataFrame({"ts": ts, "price": path}), kind="mark", venue=VENUE, symbol=SYMBOL)
    rows = pd.DataFrame({"ts": ts, "price": path, "quantity": 1e6, "side": 1})
    return made + feeds.from_pandas(rows, kind="trades", venue=VENUE, symbol=SYMBOL)


def people() -> Population:
    """Return longs and shorts with leverages from 2 to 50."""
    leverage = np.geomspace(2.0, 50.0, ACCOUNTS // 2).repeat(2)
    return population(
        {
            "symbol": SYMBOL, "side": np.tile([1.0, -1.0], ACCOUNTS // 2), "quantity": np.ones(ACCOUNTS),
            "entry": np.full(ACCOUNTS, 1000.0), "collateral": 1000.0 / leverage, "mmr": np.full(ACCOUNTS, 0.005),
        }
    )  # fmt: skip


def seconds(tape: Dataset, crowd: Crowd | None) -> tuple[float, int]:
    """Return the seconds of the best of three runs, and how many members were liquidated."""
    rules = venues.get(VENUE).with_instrument(
        venues.Instrument(
            SYMBOL, contract="linear", tick_size=0.01, lot_size=0.001, clearance_fee=0.01,
            tiers=[venues.Tier(floor=0, maintenance_rate=0.005, max_leverage=50)],
        )
    )  # fmt: skip
    best, closed = float("inf"), 0
    for _ in range(3):
        made = Backtest(tape, Idle(), venues=venues.Venue(rules, balances={"USDT": 1_000}), population=crowd)
        start = time.perf_counter()
        result = made.run()
        best = min(best, time.perf_counter() - start)
        closed = result.meta["population"].get("liquidated", 0)
    return best, closed


def scan(path: np.ndarray, found: Population) -> float:
    """Return ns an event of comparing all triggers with each mark."""
    leverage = found.entry * found.quantity / found.collateral
    trigger = found.entry * (1.0 - found.side / leverage) / (1.0 - 0.005 * found.side)
    longs, shorts = trigger[found.side > 0], trigger[found.side < 0]
    start = time.perf_counter()
    for mark in path[:SCANNED].tolist():
        np.count_nonzero(longs >= mark)
        np.count_nonzero(shorts <= mark)
    return (time.perf_counter() - start) / SCANNED * 1e9


def rows() -> list[Row]:
    """Return all tapes, measured."""
    walk = np.cumsum(np.random.default_rng(1).standard_normal(EVENTS))
    calm = np.round(1000.0 + 5.0 * walk / np.abs(walk).max(), 2)
    fall = 250.0 * np.clip((np.arange(EVENTS) - 0.6 * EVENTS) / (0.1 * EVENTS), 0.0, 1.0)
    found, measured = people(), []
    for name, path in (("calm", calm), ("crash of 25 %", np.round(calm - fall, 2))):
        half, whole = data(path[: EVENTS // 2]), data(path)
        alone = seconds(whole, None)[0] - seconds(half, None)[0]
        first, _ = seconds(half, Crowd(found))
        full, closed = seconds(whole, Crowd(found))
        events = EVENTS // 2
        setup = first - (full - first) if not closed else float("nan")
        measured.append(
            Row(name, alone / events * 1e9, (full - first) / events * 1e9, scan(path, found), setup, closed)
        )
    return measured


def main() -> None:
    """Print the table."""
    print(f"{'ns an event':16} {'without':>9} {'with 1e5':>9} {'scan':>9} {'set-up s':>9} {'liquidated':>11}")
    for row in rows():
        print(
            f"{row.tape:16} {row.without:9.0f} {row.beside:9.0f} {row.scan:9.0f} {row.setup:9.2f} {row.liquidated:11,}"
        )


if __name__ == "__main__":
    main()
