"""How fast forced sales come, against how fast the book refills: velocity, and the frontier of self-sustaining.

While the price makes new lows, with backlog b, own drop y, execution rate beta, refill rate rho, density of
liquidations over depth R and r = rho / beta: b' = R y' - beta b and y' = beta b - rho y (both over depth). Two
eigenvalues that are real and positive, a cascade that sustains itself, exist if and only if R >= (1 + sqrt(r))^2
(leverage_lab.md section 5.5).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from backtest.errors import ConfigError
from backtest.lab.given import Array, array, column, number


@dataclass(frozen=True, slots=True)
class Velocity:
    """Notional closed by force per second.

    Attributes
    ----------
    mean, peak : float
        Quote per second: over the whole span, and in the window with most.
    peak_to_mean : float
    peak_at : float
        Seconds, the beginning of that window.
    window : float
        Seconds.
    refill_ratio : float or None
        Peak over rho x depth to the current drop in quote: above 1 the book is eaten faster than it refills.
    coverage : str
        Which venues and trackers the numbers cover: it must be named with every number.
    """

    mean: float
    peak: float
    peak_to_mean: float
    peak_at: float
    window: float
    refill_ratio: float | None
    coverage: str


def velocity(
    times: ArrayLike,
    notionals: ArrayLike,
    *,
    coverage: str,
    window: float = 60.0,
    refill_rate: float | None = None,
    depth_notional: float | None = None,
) -> Velocity:
    """Return the velocity of liquidations.

    Parameters
    ----------
    times, notionals : array_like, shape (n,)
        Seconds, ascending; quote.
    coverage : str
        What the rows cover, as "Hyperliquid, 2025-10-10 21:15-21:27 UTC".
    window : float
        Seconds; the peak is that of the best window of this length that begins at an event.
    refill_rate, depth_notional : float, optional
        rho per second, and quote that the book holds to the current drop.
    """
    seen = column(times, "times")
    value = column(notionals, "notionals", len(seen), low=0.0)
    length = number(window, "window", above=0.0)
    if not coverage:
        raise ConfigError("coverage must say which venues and hours the rows cover")
    if len(seen) < 2 or np.any(np.diff(seen) < 0.0) or seen[-1] <= seen[0]:
        raise ConfigError("times must hold at least two liquidations in ascending order, not all at one instant")
    sums = np.concatenate([np.zeros(1), np.cumsum(value)])
    inside = sums[np.searchsorted(seen, seen + length, side="left")] - sums[:-1]
    row = int(np.argmax(inside))
    span = max(float(seen[-1] - seen[0]), length)
    mean, peak = float(sums[-1]) / span, float(inside[row]) / length
    ratio = None
    if refill_rate is not None and depth_notional is not None:
        healed = number(refill_rate, "refill_rate", above=0.0) * number(depth_notional, "depth_notional", above=0.0)
        ratio = peak / healed
    return Velocity(mean, peak, peak / mean if mean > 0.0 else 0.0, float(seen[row]), length, ratio, coverage)


def frontier(refill: ArrayLike) -> Array:
    """Return the ratio from which a cascade sustains itself at r = rho / beta: (1 + sqrt(r))^2."""
    made: Array = (1.0 + np.sqrt(array(refill, "refill", low=0.0))) ** 2
    return made


def fastest_execution(ratio: float, refill_rate: float) -> float:
    """Return beta_c = rho / (sqrt(R) - 1)^2: sales slower than this are healed by the book; infinite up to R = 1."""
    r = number(ratio, "ratio", low=0.0)
    rate = number(refill_rate, "refill_rate", low=0.0)
    return math.inf if r <= 1.0 else rate / (math.sqrt(r) - 1.0) ** 2


def least_backstop(ratio: float, refill: float) -> float:
    """Return the smallest share of forced sales to keep off the book: 1 - (1 + sqrt(r))^2 / R, at least 0."""
    r = number(ratio, "ratio", low=0.0)
    return 0.0 if r == 0.0 else max(0.0, 1.0 - float(frontier(refill)) / r)


def peak_drop(ratio: float, refill: float) -> float:
    """Return the largest own drop per unit of shock, R from forced sales and r = rho / beta; infinite on the frontier.

    Without refill (r = 0) it is R / (1 - R).
    """
    big = number(ratio, "ratio", low=0.0)
    r = number(refill, "refill", low=0.0)
    if big == 0.0:
        return 0.0
    if big >= float(frontier(r)):
        return math.inf
    if r == 0.0:
        return big / (1.0 - big)
    alpha = 0.5 * (big - 1.0 - r)  # in units of beta
    gap = alpha * alpha - r
    if abs(gap) < 1e-14:
        return -big / (alpha * math.e)
    if gap < 0.0:
        omega = math.sqrt(-gap)
        return big / math.sqrt(r) * math.exp(alpha * math.atan2(omega, -alpha) / omega)
    root = math.sqrt(gap)
    fast = alpha - root
    slow = r / fast  # the product of both is r: no cancellation
    at = math.log(fast / slow) / (slow - fast)
    return big * (math.exp(slow * at) - math.exp(fast * at)) / (slow - fast)


def simulate_peak(ratio: float, refill: float, *, step: float = 1e-3, horizon: float = 1e4) -> float:
    """Return the same by events: positions triggered at new lows join a backlog that is sold step by step.

    Parameters
    ----------
    ratio, refill : float
        R and r = rho / beta.
    step : float
        In units of 1 / beta.
    horizon : float
        In units of 1 / beta; a cascade that still makes new lows then is infinite.
    """
    big, r = number(ratio, "ratio", low=0.0), number(refill, "refill", low=0.0)
    sell, keep = -math.expm1(-number(step, "step", above=0.0)), math.exp(-r * step)
    backlog, own, lowest = big, 0.0, 0.0
    for _ in range(math.ceil(number(horizon, "horizon", above=0.0) / step)):
        sold = backlog * sell
        own = own * keep + sold
        backlog -= sold
        if own <= lowest:
            return lowest
        backlog += big * (own - lowest)
        lowest = own
        if lowest > 1e9 or backlog < 1e-15:
            break
    return math.inf if lowest > 1e9 or backlog >= 1e-15 else lowest
