"""Books of the synthetic market: snapshots of a few levels around the prices at which its trades print."""

from collections.abc import Callable
from typing import Any

import numpy as np

from feeds.synthetic.market import NS, POINT_S, Columns, Leg, Path, half_spread
from feeds.synthetic.processes import Floats, Ints, heavy_sizes

LEVELS = 5  # of each side
DEPTH = 8  # scale of a level's size, in typical trades
MILLISECOND = NS // 1000


def snapshots(
    leg: Leg, path: Path, fair: Floats, trades: Columns, *, start_ns: int, draw: Callable[[int], Any]
) -> Columns:
    """Return rows of snapshots: each ten seconds, and a millisecond before every second in which something trades.

    The best levels are the prices at which buys and sells of that second print; the others follow at half a spread
    each, at least a tick. In a panic levels are thinner, to an eleventh of their size at its height.
    """
    seconds: Ints = np.union1d(np.arange(0, len(fair), POINT_S), (trades["ts"] - start_ns) // NS).astype(np.int64)
    price = fair[seconds]
    spread = half_spread(path, price, seconds)
    unit = 10.0**leg.price_decimals
    best = {1: np.floor((price - spread) * unit), -1: np.ceil((price + spread) * unit)}
    step = np.maximum(1.0, np.rint(spread * unit))
    count = len(seconds)
    depth = 1.0 + 10.0 * path.crash.panic[seconds]
    drawn = heavy_sizes(draw(count * 2 * LEVELS), scale=DEPTH * leg.typical, largest=100 * DEPTH * leg.typical)
    sizes = np.maximum(1, np.rint(drawn.reshape(count, 2 * LEVELS) / depth[:, None])).astype(np.int64)
    rows = np.empty((count, 2 * LEVELS), dtype=np.int64)
    for number in range(LEVELS):
        rows[:, number] = best[1] - number * step
        rows[:, LEVELS + number] = best[-1] + number * step
    times = start_ns + np.maximum(seconds * NS - MILLISECOND, 0)
    return {
        "ts": np.repeat(times, 2 * LEVELS),
        "side": np.tile(np.repeat(np.array([1, -1], dtype=np.int8), LEVELS), count),
        "price": rows.ravel(),
        "quantity": sizes.ravel(),
    }
