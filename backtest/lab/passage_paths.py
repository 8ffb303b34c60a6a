"""First passage by simulation: exact between jumps, so that no time step biases it, or looked at every so often.

Between two jumps the logarithm is a Brownian bridge whose chance of having met the barrier is known; each path carries
the chance that it has not. Jump times are drawn themselves.
"""

import math
from dataclasses import dataclass

import numpy as np

from backtest.lab.draws import Draws
from backtest.lab.given import Array, Estimate, count, mean_of, number
from backtest.lab.kou import KouJumps
from backtest.lab.paths import MertonJumps, jump_sizes


@dataclass(frozen=True, slots=True)
class Passage:
    """Simulated first passage.

    Attributes
    ----------
    probability : Estimate
        Of meeting the barrier within the horizon.
    by_jump : Estimate
        Of passing it in a jump: such a liquidation begins beyond its price.
    beyond : Estimate
        Of passing a second barrier (bankruptcy) in that same jump.
    """

    probability: Estimate
    by_jump: Estimate
    beyond: Estimate


def simulate_passage(
    price: float,
    barrier: float,
    model: KouJumps | MertonJumps,
    horizon: float,
    *,
    seed: int,
    paths: int = 100_000,
    bankruptcy: float | None = None,
) -> Passage:
    """Return the chance of meeting a barrier, without bias from time steps.

    Parameters
    ----------
    price, barrier : float
        Above 0, not equal; below the price for a long.
    model : KouJumps or MertonJumps
        With an intensity of 0 it is a geometric Brownian motion.
    horizon : float
        Years.
    seed : int
    paths : int
    bankruptcy : float, optional
        A price beyond the barrier; the barrier itself by default.

    Returns
    -------
    Passage
    """
    s, h = number(price, "price", above=0.0), number(barrier, "barrier", above=0.0)
    sign = 1.0 if h < s else -1.0
    away = sign * math.log(s / h)  # above 0: distance of the logarithm
    number(away, "distance between price and barrier", above=0.0)
    worst = 0.0 if bankruptcy is None else sign * math.log(h / number(bankruptcy, "bankruptcy", above=0.0))
    number(worst, "bankruptcy beyond the barrier, as a logarithm", low=0.0)
    n, draws = count(paths, "paths", low=2), Draws(seed, "first passage")
    left = np.full(n, number(horizon, "horizon", above=0.0))
    place, alive = np.full(n, away), np.ones(n)
    hit, jumped, beyond = np.zeros(n), np.zeros(n), np.zeros(n)
    active = np.arange(n)
    while len(active):
        span = left[active]
        if model.intensity > 0.0:
            span = np.minimum(span, draws.exponential(len(active)) / model.intensity)
        before = place[active]
        noise = model.volatility * np.sqrt(span) * draws.normal(len(active))
        after = before + sign * model.log_drift * span + noise
        stays = _bridge(before, after, model.volatility**2 * span)
        hit[active] += alive[active] * (1.0 - stays)
        alive[active] *= stays
        left[active] -= span
        has_jump = left[active] > 0.0
        rows = active[has_jump]
        landed = after[has_jump] + sign * jump_sizes(model, draws, len(rows))
        through = landed <= 0.0
        gone = alive[rows] * through
        hit[rows] += gone
        jumped[rows] += gone
        beyond[rows] += gone * (landed <= -worst)
        alive[rows] -= gone
        place[rows] = landed
        active = rows[alive[rows] > 1e-15]
    return Passage(mean_of(np.clip(hit, 0.0, 1.0)), mean_of(jumped), mean_of(beyond))


def _bridge(before: Array, after: Array, variance: Array) -> Array:
    """Return the chance that a Brownian bridge between two distances stays above 0."""
    inside = (before > 0.0) & (after > 0.0)
    spread = np.where(variance > 0.0, variance, 1.0)
    product = np.where(inside, before * after, 0.0)
    made: Array = np.where(inside, -np.expm1(-2.0 * product / spread), 0.0)
    return made


def simulate_monitored(
    price: float, barrier: float, volatility: float, horizon: float, *, looks: int, seed: int, paths: int = 100_000,
    drift: float = 0.0,
) -> Estimate:  # fmt: skip
    """Return the chance that one of `looks` equally spaced looks sees the price beyond the barrier.

    Funding debits and oracle lag come in as `drift` and as fewer looks.
    """
    s, h = number(price, "price", above=0.0), number(barrier, "barrier", above=0.0)
    steps, n, draws = count(looks, "looks"), count(paths, "paths", low=2), Draws(seed, "monitored passage")
    sign = 1.0 if h < s else -1.0
    sigma = number(volatility, "volatility", above=0.0)
    step = number(horizon, "horizon", above=0.0) / steps
    place = np.full(n, sign * math.log(s / h))
    lowest = place.copy()
    for _ in range(steps):
        place += sign * (number(drift, "drift") - 0.5 * sigma**2) * step + sigma * math.sqrt(step) * draws.normal(n)
        np.minimum(lowest, place, out=lowest)
    return mean_of((lowest <= 0.0).astype(np.float64))
