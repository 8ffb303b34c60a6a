"""The chance of being closed within a horizon: first passage of a geometric Brownian motion, by formula.

sigma and mu are per year, horizons in years; nu = mu - sigma^2 / 2 is the drift of the logarithm.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_ndtr, ndtr

from backtest.errors import ConfigError
from backtest.lab.given import Array, array, number

MONITORING = 0.5825971579  # -zeta(1/2) / sqrt(2 pi): Broadie, Glasserman, Kou 1997


def passage_probability(
    price: ArrayLike, barrier: ArrayLike, volatility: ArrayLike, horizon: ArrayLike, *, drift: ArrayLike = 0.0
) -> Array:
    """Return the probability that the price meets a barrier within the horizon.

    Parameters
    ----------
    price, barrier : array_like
        Above 0; a barrier below the price is a long's, above it a short's; at the price the answer is 1.
    volatility : array_like
        Per sqrt(year), above 0.
    horizon : array_like
        Years; infinity is allowed.
    drift : array_like
        Of the price, per year; funding of F per interval adds -F x intervals a year for a long.

    Returns
    -------
    ndarray of float64
        In [0, 1], of the broadcast shape.
    """
    s, h, sigma, mu = (
        array(price, "price", above=0.0),
        array(barrier, "barrier", above=0.0),
        array(volatility, "volatility", above=0.0),
        array(drift, "drift"),
    )
    time = np.asarray(horizon, dtype=np.float64)
    if np.any(np.isnan(time)) or np.any(time < 0.0):
        raise ConfigError(f"horizon must be at least 0 years, got {horizon!r}")
    away = np.abs(np.log(s / h))
    nu = np.where(h <= s, 1.0, -1.0) * (mu - 0.5 * sigma**2)  # drift away from the barrier
    away, nu, sigma, time = np.broadcast_arrays(away, nu, sigma, time)
    forever = np.where(nu > 0.0, np.exp(-2.0 * np.maximum(nu, 0.0) * away / sigma**2), 1.0)
    finite = np.isfinite(time) & (time > 0.0)
    root = sigma * np.sqrt(np.where(finite, time, 1.0))
    span = np.where(finite, time, 1.0)
    direct = ndtr((-away - nu * span) / root)
    # exp and the tail are joined in logarithms: one may overflow where the other underflows
    mirrored = np.exp(np.minimum(-2.0 * nu * away / sigma**2 + log_ndtr((-away + nu * span) / root), 0.0))
    made = np.where(np.isinf(time), forever, np.where(finite, direct + mirrored, 0.0))
    return np.where(away == 0.0, 1.0, np.clip(made, 0.0, 1.0))


def monitored_barrier(price: float, barrier: float, volatility: float, interval: float) -> float:
    """Return the barrier to use where the price is looked at every `interval` years only: moved away from the price."""
    s, h = number(price, "price", above=0.0), number(barrier, "barrier", above=0.0)
    sigma, step = number(volatility, "volatility", above=0.0), number(interval, "interval", low=0.0)
    return h * math.exp(math.copysign(1.0, h - s) * MONITORING * sigma * math.sqrt(step))


def mean_passage_time(price: float, barrier: float, volatility: float, *, drift: float = 0.0) -> float:
    """Return the mean time to the barrier in years; infinite unless the logarithm drifts towards it."""
    s, h = number(price, "price", above=0.0), number(barrier, "barrier", above=0.0)
    nu = number(drift, "drift") - 0.5 * number(volatility, "volatility", above=0.0) ** 2
    towards = -nu if h <= s else nu
    return abs(math.log(s / h)) / towards if towards > 0.0 else math.inf


def first_of_two(price: float, lower: float, upper: float) -> float:
    """Return the probability that a price without drift meets the upper barrier first: (S - L) / (U - L)."""
    s = number(price, "price", above=0.0)
    low, high = number(lower, "lower", above=0.0, below=s), number(upper, "upper", above=s)
    return (s - low) / (high - low)


def gap_probability(maintenance_rate: float, mean_drop: float) -> float:
    """Return the probability that a jump that closes a linear long goes on beyond its bankruptcy price.

    Jumps down are exponential in the logarithm with mean `mean_drop`; what they overshoot by is again exponential, and
    the buffer that maintenance margin buys is only -ln(1 - m): the probability is (1 - m)^(1 / mean).
    """
    rate = number(maintenance_rate, "maintenance_rate", low=0.0, below=1.0)
    return math.exp(math.log1p(-rate) / number(mean_drop, "mean_drop", above=0.0))
