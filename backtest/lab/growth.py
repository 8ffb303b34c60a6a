"""What leverage does to one record: growth, the chance of ever losing a part, drawdowns with liquidation inside."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from backtest.errors import ConfigError
from backtest.lab.given import Array, Estimate, array, column, count, mean_of, number
from backtest.lab.resampling import stationary_rows
from backtest.statistics import falls


def best_leverage(drift: float, volatility: float) -> float:
    """Return the leverage of the largest growth: mu / sigma^2 (Kelly), drift over cash per year."""
    return number(drift, "drift") / number(volatility, "volatility", above=0.0) ** 2


def growth_rate(leverage: ArrayLike, drift: float, volatility: float) -> Array:
    """Return the growth of the logarithm per year at a leverage, rebalanced all the time: L mu - L^2 sigma^2 / 2."""
    lev = array(leverage, "leverage")
    made: Array = lev * number(drift, "drift") - 0.5 * (lev * number(volatility, "volatility", above=0.0)) ** 2
    return made


def chance_of_ever(part: float, kelly_multiple: float) -> float:
    """Return the probability that wealth is ever down to a part of itself, at c times the best leverage: a^(2 / c - 1).

    1 from twice the best leverage on.
    """
    a = number(part, "part", above=0.0, high=1.0)
    return float(min(1.0, a ** (2.0 / number(kelly_multiple, "kelly_multiple", above=0.0) - 1.0)))


def expected_drawdown(volatility: float, horizon: float) -> float:
    """Return the mean largest drawdown of a profit without drift: sigma sqrt(pi T / 2), same unit as sigma."""
    sigma = number(volatility, "volatility", above=0.0)
    return sigma * math.sqrt(0.5 * math.pi * number(horizon, "horizon", low=0.0))


class Drawdowns(NamedTuple):
    """Bootstrap distribution of a record at a leverage.

    Attributes
    ----------
    depth, under_water : ndarray of float64, shape (samples,)
        Largest drawdown, 0 to 1; longest time below a peak, in periods.
    liquidation : Estimate
        Chance of being closed by force within the record.
    """

    depth: Array
    under_water: Array
    liquidation: Estimate


def drawdown_distribution(
    returns: ArrayLike, *, mean_block: float, seed: int, samples: int = 1000, leverage: float = 1.0,
    ruin: float = 0.0, residual: float = 0.0,
) -> Drawdowns:  # fmt: skip
    """Return drawdowns of resampled records; a path that meets the liquidation level stays at its residual equity.

    Parameters
    ----------
    returns : array_like
        Simple returns per period of the unlevered record.
    mean_block, seed, samples
        As in `stationary_rows`.
    leverage : float
        Of a position opened at the start and never rebalanced: equity = 1 + leverage x (price - 1).
    ruin : float
        Equity at which it is closed by force, as a part of the stake; with leverage 1 and ruin 0 it never is.
    residual : float
        What is then left, in [0, ruin].
    """
    r = column(returns, "returns", above=-1.0)
    if len(r) < 2:
        raise ConfigError("returns must hold at least two periods")
    lev, floor = number(leverage, "leverage", above=0.0), number(ruin, "ruin", low=0.0, below=1.0)
    left = number(residual, "residual", low=0.0, high=floor)
    rows = stationary_rows(len(r), mean_block=mean_block, samples=count(samples, "samples", low=2), seed=seed)
    price = np.cumprod(1.0 + r[rows], axis=1)
    equity = np.concatenate([np.ones((len(rows), 1)), 1.0 + lev * (price - 1.0)], axis=1)
    gone = np.maximum.accumulate(equity <= floor, axis=1)
    equity = np.where(gone, left, equity)
    deepest, under_water = falls(equity)
    return Drawdowns(-deepest, under_water, mean_of(gone[:, -1].astype(np.float64)))
