"""Funding as a signal: the venue's clamp, what it hides, the funding at which future and spot agree, crowding.

The clamp is the engine's (`venues.funding.interval_rate`). Raw funding is a censored signal: in the dead zone it is
exactly the interest rate, whatever the premium.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import spearmanr

from backtest.errors import ConfigError
from backtest.lab.given import Array, Estimate, array, column, count, number
from backtest.lab.resampling import block_bootstrap

INTEREST: Final = 0.0001  # per 8 hours
CLAMP: Final = 0.0005
INTERVALS: Final = 1095.0  # of 8 hours a year
MAD_TO_DEVIATION: Final = 1.4826022185056018  # 1 / z(0.75): a median deviation as a standard deviation


def clamped_funding(premium: ArrayLike, *, interest: float = INTEREST, clamp: float = CLAMP) -> Array:
    """Return the funding of 8 hours: premium + clamp(interest - premium, -+clamp), by the engine's function."""
    from venues.funding import interval_rate

    given = array(premium, "premium")
    found = [
        interval_rate(value, interval_hours=8.0, interest_rate=interest, clamp=clamp)
        for value in given.ravel().tolist()
    ]
    return np.array(found).reshape(given.shape)


def dead_zone(*, interest: float = INTEREST, clamp: float = CLAMP) -> tuple[float, float]:
    """Return the premiums between which funding is the interest rate and says nothing: interest -+ clamp."""
    width = number(clamp, "clamp", low=0.0)
    middle = number(interest, "interest")
    return middle - width, middle + width


def censored_share(funding: ArrayLike, *, interest: float = INTEREST, tolerance: float = 1e-9) -> float:
    """Return the part of settlements that are exactly the interest rate."""
    rates = column(funding, "funding")
    if not len(rates):
        raise ConfigError("funding must hold at least one settlement")
    return float(np.mean(np.abs(rates - interest) <= tolerance))


def premium_bounds(funding: ArrayLike, *, interest: float = INTEREST, clamp: float = CLAMP) -> tuple[Array, Array]:
    """Return the premiums that a settled rate allows: one outside the dead zone, an interval inside (censored)."""
    rates = array(funding, "funding")
    low, high = dead_zone(interest=interest, clamp=clamp)
    inside = np.abs(rates - interest) <= 1e-12
    exact = np.where(rates > interest, rates + clamp, rates - clamp)
    return np.where(inside, low, exact), np.where(inside, high, exact)


def parity_ratio(
    *, speed: float = INTERVALS, interest: float = INTEREST * INTERVALS, quote_rate: float, base_rate: float = 0.0
) -> float:
    """Return future / spot of a linear perpetual with constant parameters: (kappa - iota) / (kappa + r_base - r_quote).

    Parameters
    ----------
    speed : float
        kappa, per year: how often a year the premium is paid.
    interest : float
        iota, the interest part of funding per year.
    quote_rate, base_rate : float
        Per year. A change of the quote rate moves the funding at which price = spot one for one.
    """
    kappa = number(speed, "speed", above=0.0)
    below = kappa + number(base_rate, "base_rate") - number(quote_rate, "quote_rate")
    if not below > 0.0:
        raise ConfigError(f"speed + base_rate - quote_rate must be above 0, got {below:g}")
    return (kappa - number(interest, "interest")) / below


def robust_score(values: ArrayLike, *, window: int) -> Array:
    """Return (value - median) / (1.4826 x median deviation) over the last `window` values, each one's own included.

    nan before the window is full and where values do not vary. Nothing after a value enters its score.
    """
    x = np.asarray(values, dtype=np.float64)
    size = count(window, "window", low=3)
    out = np.full(len(x), np.nan)
    if len(x) < size:
        return out
    views = np.lib.stride_tricks.sliding_window_view(x, size)
    for first in range(0, len(views), 4096):  # medians sort copies: piece by piece, or memory is window times the data
        part = views[first : first + 4096]
        middle = np.median(part, axis=1)
        spread = MAD_TO_DEVIATION * np.median(np.abs(part - middle[:, None]), axis=1)
        rows = slice(first + size - 1, first + size - 1 + len(part))
        out[rows] = np.divide(x[rows] - middle, spread, out=np.full(len(part), np.nan), where=spread > 0.0)
    return out


@dataclass(frozen=True, slots=True)
class LeverageIndex:
    """Crowding per hour: the mean of the scores there are; above 0 the longs are crowded.

    Attributes
    ----------
    index : ndarray of float64
        nan where no score is there.
    scores : dict of str to ndarray of float64
        funding, depth, market_cap, distance: as given.
    """

    index: Array
    scores: Mapping[str, Array]


def leverage_index(
    *,
    funding: ArrayLike | None = None,
    quote_rate: float = 0.0,
    base_rate: float = 0.0,
    open_interest: ArrayLike | None = None,
    depth: ArrayLike | None = None,
    market_cap: ArrayLike | None = None,
    asymmetry: ArrayLike | None = None,
    window: int = 90 * 24,
) -> LeverageIndex:
    """Return the leverage index of one asset; series of one length, hourly.

    Parameters
    ----------
    funding : array_like, optional
        Annualised, weighted by open interest over venues; from the premium index where there is one, for raw funding is
        censored.
    quote_rate, base_rate : float
        Per year: their difference is what funding must exceed.
    open_interest, depth, market_cap : array_like, optional
        Quote: open interest is scored over the depth within 1 % and over the market's value. These two have no side:
        they count with the sign of the funding score, else of the asymmetry.
    asymmetry : array_like, optional
        Of the heat map, long minus short (`HeatMap.asymmetry`).
    window : int
        Hours of the robust scores.
    """
    made: dict[str, Array] = {}
    if funding is not None:
        excess = column(funding, "funding") - (number(quote_rate, "quote_rate") - number(base_rate, "base_rate"))
        made["funding"] = robust_score(excess, window=window)
    if asymmetry is not None:
        made["distance"] = robust_score(column(asymmetry, "asymmetry"), window=window)
    side = next((np.sign(score) for score in made.values()), None)
    for name, other in (("depth", depth), ("market_cap", market_cap)):
        if other is not None:
            if open_interest is None:
                raise ConfigError(f"{name} needs open_interest, which is scored over it")
            if side is None:
                raise ConfigError(f"{name} has no side of its own: give funding or asymmetry too")
            held = column(open_interest, "open_interest", low=0.0)
            ratio = held / column(other, name, len(held), above=0.0)
            made[name] = robust_score(ratio, window=window) * side
    if not made:
        raise ConfigError("leverage_index needs funding, asymmetry, or open_interest over depth or market_cap")
    if len({len(score) for score in made.values()}) > 1:
        raise ConfigError("all series must be of one length")
    stacked = np.vstack(list(made.values()))
    known = np.isfinite(stacked)
    total = np.where(known, stacked, 0.0).sum(axis=0)
    number_of = known.sum(axis=0)
    return LeverageIndex(np.divide(total, number_of, out=np.full(len(total), np.nan), where=number_of > 0), made)


@dataclass(frozen=True, slots=True)
class Predictive:
    """Rank correlation of an index with what followed; `is_null`: the interval holds zero, and that is the result."""

    correlation: Estimate
    low: float
    high: float

    @property
    def is_null(self) -> bool:
        """Whether nothing was shown."""
        return self.low <= 0.0 <= self.high


def predictive_power(
    index: ArrayLike, outcome: ArrayLike, *, mean_block: float, seed: int, samples: int = 500
) -> Predictive:
    """Return the rank correlation with a block-bootstrap interval (95 %); rows with a gap are left out.

    Parameters
    ----------
    index : array_like
        Known at each time.
    outcome : array_like
        What followed, as liquidated / open interest of the crowded side in the next 24 hours: out of sample.
    mean_block : float
        Rows; at least as long as outcomes overlap.
    """
    x, y = np.asarray(index, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ConfigError(f"index and outcome must be of one length, got {x.shape} and {y.shape}")
    kept = np.isfinite(x) & np.isfinite(y)
    x, y = x[kept], y[kept]
    if len(x) < 30:
        raise ConfigError(f"at least 30 complete rows are needed, got {len(x)}")

    def rank(rows: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> float:
        if np.ptp(x[rows]) == 0.0 or np.ptp(y[rows]) == 0.0:
            return math.nan
        return float(spearmanr(x[rows], y[rows]).statistic)

    found, (low, high) = block_bootstrap(rank, len(x), mean_block=mean_block, seed=seed, samples=samples)
    return Predictive(found, low, high)
