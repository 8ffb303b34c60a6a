"""The seeded workload as plain arrays: a book that moves, trades at its touch, slow streams, one-minute bars.

Trades print at the best bid or ask of a book with a spread of one tick and a fixed number of levels, so that no reader
sees a crossed book. The direction of its moves persists, so that averages cross now and then. At scale 1 the answers of
the tasks are those of `benchmarks.targets.ANSWERS`; numpy's PCG64 gives the same draws everywhere.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray[np.generic]]

START_NS = 1_704_067_200_000_000_000  # 2024-01-01 00:00 UTC
SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
DAYS = 30
TICK = 0.1
LEVELS = 20  # of each side of the book
FIRST_BID = 100_000  # ticks
TRADES, MOVES, UPDATES, LIQUIDATIONS = 5_000_000, 400_000, 3_400_000, 20_000
BARS = 2 * 365 * 24 * 60
BAR_INSTRUMENTS = 10


@dataclass(frozen=True)
class Steps:
    """What happens to the book: a size changes, or the touch moves by one tick."""

    ts: NDArray[np.int64]
    direction: NDArray[np.int64]  # of a move, in ticks; 0 = a size changes
    bid: NDArray[np.int64]  # best bid after it, ticks

    def bid_at(self, ts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the best bid in force at some times, ticks."""
        place = np.searchsorted(self.ts, ts, side="right") - 1
        return np.where(place >= 0, self.bid[np.maximum(place, 0)], FIRST_BID)


def tape(scale: float = 1.0) -> dict[str, Columns]:
    """Return the streams of one perpetual over 30 days x scale, slow ones included.

    Prices and rates are decimal numbers, sides are +1 and -1, `ts` is int64 ns. Every stream is drawn, in one order,
    whoever wants only one of them: they share a generator.
    """
    rng = np.random.Generator(np.random.PCG64(20240101))
    span = int(DAYS * DAY_NS * scale)
    steps = _steps(rng, span, int(MOVES * scale), int(UPDATES * scale))
    found = {"book": _book(rng, steps), "book_snapshot": _snapshot(rng)}
    found["trades"] = trades = _trades(rng, steps, span, int(TRADES * scale))
    found["mark"] = _mark(steps, span)
    found["funding"] = funding(rng, START_NS, span)
    picked = np.sort(rng.choice(len(trades["ts"]), int(LIQUIDATIONS * scale), replace=False))
    found["liquidations"] = {name: trades[name][picked] for name in ("ts", "side", "price")} | {
        "size": np.round(rng.gamma(1.2, 2.0, picked.size) + 0.001, 3)
    }
    return found


def _steps(rng: "np.random.Generator", span: int, moves: int, updates: int) -> Steps:
    count = moves + updates
    is_move = np.zeros(count, bool)
    is_move[rng.permutation(count)[:moves]] = True
    turns = rng.random(moves) < 0.45
    direction = np.zeros(count, np.int64)
    direction[is_move] = np.where(np.cumsum(turns) % 2 == 0, 1, -1)
    ts = START_NS + SECOND_NS + np.sort(rng.integers(0, span - 2 * SECOND_NS, count)) + np.arange(count)
    return Steps(ts, direction, FIRST_BID + np.cumsum(direction))


def _book(rng: "np.random.Generator", steps: Steps) -> Columns:
    """Return deltas: one row for a size; for a move the four rows that shift both sides by a tick."""
    rows = np.where(steps.direction != 0, 4, 1)
    step = np.repeat(np.arange(rows.size), rows)
    part = np.arange(step.size) - (np.cumsum(rows) - rows)[step]
    direction = steps.direction[step]
    before = (steps.bid - steps.direction)[step]
    size = np.round(rng.gamma(2.0, 1.5, step.size) + 0.01, 3)
    side = np.where(rng.random(step.size) < 0.5, 1, -1).astype(np.int8)
    level = np.minimum(rng.geometric(0.25, step.size) - 1, LEVELS - 1)
    ticks = np.where(side > 0, before - level, before + 1 + level)
    # A move takes the touch it runs into away, puts a new one behind it, and trims and extends the far ends.
    shift = ((-1, 1, False), (1, 1, True), (1, 1 - LEVELS, False), (-1, 1 + LEVELS, True))
    for way in (1, -1):
        for number, (first_side, offset, stays) in enumerate(shift):
            chosen = (direction == way) & (part == number)
            side[chosen] = first_side * way
            ticks[chosen] = before[chosen] + (offset if way > 0 else 1 - offset)
            if not stays:
                size[chosen] = 0.0
    last = (part == rows[step] - 1).astype(np.int8)
    return {"ts": steps.ts[step], "side": side, "price": np.round(ticks * TICK, 1), "size": size, "last": last}


def _snapshot(rng: "np.random.Generator") -> Columns:
    ticks = np.concatenate([FIRST_BID - np.arange(LEVELS), FIRST_BID + 1 + np.arange(LEVELS)])
    return {
        "ts": np.full(2 * LEVELS, START_NS, np.int64),
        "side": np.repeat(np.array([1, -1], np.int8), LEVELS),
        "price": np.round(ticks * TICK, 1),
        "size": np.round(rng.gamma(2.0, 1.5, 2 * LEVELS) + 0.01, 3),
    }


def _trades(rng: "np.random.Generator", steps: Steps, span: int, count: int) -> Columns:
    begin = START_NS + 3 * SECOND_NS // 2
    ts = begin + np.sort(rng.integers(0, span - 3 * SECOND_NS, count)) + np.arange(count)
    side = np.where(rng.random(count) < 0.5, 1, -1).astype(np.int8)
    ticks = steps.bid_at(ts) + (side > 0)
    size = np.round(rng.gamma(1.2, 0.2, count) + 0.001, 3)
    return {"ts": ts, "price": np.round(ticks * TICK, 1), "size": size, "side": side}


def _mark(steps: Steps, span: int) -> Columns:
    ts = START_NS + np.arange(0, span, 10 * SECOND_NS)
    return {"ts": ts, "price": np.round((steps.bid_at(ts) + 0.5) * TICK, 2)}


def funding(rng: "np.random.Generator", start: int, span: int) -> Columns:
    """Return rates every eight hours, about 1 bp."""
    ts = start + np.arange(0, span, 8 * HOUR_NS)
    return {"ts": ts, "rate": np.round(rng.normal(1e-4, 1e-4, ts.size), 6)}


def bars(number: int, scale: float = 1.0) -> Columns:
    """Return one-minute bars of an instrument over two years x scale, stamped by their open.

    Volumes are so large that a tenth of one covers any order of the tasks: the peers know no limit of participation.
    """
    rng = np.random.Generator(np.random.PCG64(777 + number))
    count = int(BARS * scale)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0, 4e-4, count)))
    opened = np.concatenate([[100.0], close[:-1]])
    high = np.maximum(opened, close) * (1 + np.abs(rng.normal(0, 2e-4, count)))
    low = np.minimum(opened, close) * (1 - np.abs(rng.normal(0, 2e-4, count)))
    opened, high, low, close = (np.round(each, 2) for each in (opened, high, low, close))
    return {
        "ts": START_NS + np.arange(count, dtype=np.int64) * MINUTE_NS,
        "open": opened,
        "high": np.maximum(high, np.maximum(opened, close)),
        "low": np.minimum(low, np.minimum(opened, close)),
        "close": close,
        "volume": np.round(5000.0 + 1000.0 * rng.gamma(2, 50, count), 1),
    }
