"""The leverage lab against its targets (leverage_lab.md section 13), beside plain numpy: `python -m benchmarks.lab`."""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from backtest.lab.cascade import cascade, step_thresholds
from backtest.lab.critical import critical_shock
from backtest.lab.curves import GridLiquidations, StepLiquidations
from backtest.lab.depth import linear_depth
from backtest.lab.draws import Draws
from backtest.lab.kou import KouJumps, kou_passage_probability
from backtest.lab.passage_paths import simulate_passage
from backtest.lab.paths import MertonJumps

POSITIONS, SHOCKS = 1_000_000, 500
NAIVE_SHOCKS = 5  # of the plain version, which takes too long for all; its time is scaled up


class Row(NamedTuple):
    """One measured task; seconds, target in seconds, seconds of the plain version or None."""

    task: str
    seconds: float
    target: float
    plain: float | None


def timed(work: Callable[[], object]) -> float:
    """Return the seconds of the best of three calls."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def plain_cascade(drops: np.ndarray, sizes: np.ndarray, depth: float, shocks: np.ndarray) -> list[float]:
    """Return total drops by a mask over all positions in each round: what one writes first."""
    found = []
    for shock in shocks.tolist():
        drop = shock
        while True:
            now = shock + float(sizes[drops <= drop].sum()) / depth
            if now <= drop * (1.0 + 1e-12):
                break
            drop = now
        found.append(drop)
    return found


def plain_passage(barrier: float, sigma: float, years: float, paths: int, steps: int) -> float:
    """Return the chance of first passage by small steps, biased by their size."""
    draws = Draws(1, "plain")
    place = np.zeros(paths)
    lowest = place.copy()
    step = years / steps
    for _ in range(steps):
        place += -0.5 * sigma**2 * step + sigma * np.sqrt(step) * draws.normal(paths)
        np.minimum(lowest, place, out=lowest)
    return float(np.mean(lowest <= np.log(barrier)))


def rows() -> list[Row]:
    """Return all tasks, measured."""
    draws = Draws(1, "benchmark")
    drops = np.clip(0.1 * draws.exponential(POSITIONS) + 1e-4, None, 0.99)
    sizes = draws.exponential(POSITIONS)
    positions, book = StepLiquidations(drops, sizes), linear_depth(12.0 * float(sizes.sum()))
    shocks = np.linspace(0.001, 0.3, SHOCKS)
    grid = GridLiquidations(np.linspace(0.0, 1.0, 2001), positions.total(np.linspace(0.0, 1.0, 2001)))
    scenarios = np.minimum(np.abs(0.05 * draws.normal(100_000)), 0.9)
    start = time.perf_counter()
    slow = plain_cascade(drops, sizes, book.coefficient, shocks[:NAIVE_SHOCKS])
    plain = (time.perf_counter() - start) * SHOCKS / NAIVE_SHOCKS
    fast = cascade(positions, book, shocks[:NAIVE_SHOCKS]).drop
    if not np.allclose(slow, fast, rtol=1e-9):
        raise SystemExit(f"the plain version differs: {slow} and {fast}")
    jumps = KouJumps(volatility=0.6, intensity=25.0, up_probability=0.4, mean_up=1 / 30, mean_down=1 / 20)
    smooth = MertonJumps(0.8)
    start = time.perf_counter()
    plain_passage(0.9, 0.8, 7 / 365, 100_000, 168)
    small_steps = (time.perf_counter() - start) * 10.0
    passage = timed(lambda: simulate_passage(100.0, 90.0, smooth, 7 / 365, seed=1, paths=1_000_000))
    kou = timed(lambda: kou_passage_probability(100.0, 90.0, jumps, 7 / 365))
    return [
        Row("cascades, 1e6 positions, 500 shocks", timed(lambda: cascade(positions, book, shocks)), 2.0, plain),
        Row("exact thresholds of 1e6 positions", timed(lambda: step_thresholds(positions, book)), 2.0, None),
        Row("critical shock of 1e6 positions", timed(lambda: critical_shock(positions, book)), 2.0, None),
        Row("1e5 cascades on a map of 2,000 bins", timed(lambda: cascade(grid, book, scenarios)), 10.0, None),
        Row("first passage with jumps by formula", kou, 0.2, None),
        Row("first passage, 1e6 paths, no time step", passage, 5.0, small_steps),
    ]


def main() -> None:
    """Print the table."""
    print(f"{'task':42} {'seconds':>9} {'target':>8} {'plain numpy':>12} {'ratio':>7}")
    for row in rows():
        beside = "" if row.plain is None else f"{row.plain:12.2f} {row.plain / row.seconds:7.0f}"
        print(f"{row.task:42} {row.seconds:9.4f} {row.target:8.1f} {beside}")


if __name__ == "__main__":
    main()
