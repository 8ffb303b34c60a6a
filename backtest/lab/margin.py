"""How much maintenance margin: the amount whose cost equals what it saves, by several laws of the adverse move.

Cost per unit of notional over the close-out window is k m + E[(D - m)+], D the adverse move from the trigger to the
last fill, k the cost of margin over the window relative to a unit of shortfall; it is least where P(D > m) = k.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special
from scipy.optimize import minimize

from backtest.errors import ConfigError
from backtest.lab.depth import DepthCurve
from backtest.lab.given import Array, array, column, count, number


def gaussian_margin(volatility: float, window: float, cost: float) -> float:
    """Return the margin for a normal move at the end of the window: sigma sqrt(tau) z(1 - k).

    Parameters
    ----------
    volatility : float
        Per sqrt(year).
    window : float
        Close-out window in years.
    cost : float
        k, in (0, 1).
    """
    return _spread(volatility, window) * _z(cost)


def path_margin(volatility: float, window: float, cost: float) -> float:
    """Return the margin for the largest move in the window (reflection), as a logarithm: sigma sqrt(tau) z(1 - k/2)."""
    return _spread(volatility, window) * _z(0.5 * cost)


def as_drop(logarithm: float) -> float:
    """Return a move of the logarithm as a drop of the price: 1 - exp(-x)."""
    return -math.expm1(-number(logarithm, "logarithm"))


def student_margin(volatility: float, window: float, cost: float, *, degrees: float) -> float:
    """Return the margin for a Student move of the same variance; degrees of freedom above 2."""
    nu = number(degrees, "degrees", above=2.0)
    tail = float(-special.stdtrit(nu, number(cost, "cost", above=0.0, below=1.0)))
    return _spread(volatility, window) * tail * math.sqrt((nu - 2.0) / nu)


def historical_margin(moves: ArrayLike, cost: float) -> float:
    """Return the empirical quantile of adverse moves over the window; losses are above 0."""
    seen = column(moves, "moves")
    if not len(seen):
        raise ConfigError("moves must hold at least one move")
    return float(np.quantile(seen, 1.0 - number(cost, "cost", above=0.0, below=1.0)))


def least_cost(volatility: float, window: float, cost: float) -> float:
    """Return the cost at the best margin for a normal move: sigma sqrt(tau) phi(z)."""
    return _spread(volatility, window) * math.exp(-0.5 * _z(cost) ** 2) / math.sqrt(2.0 * math.pi)


def margin_cost(margin: ArrayLike, volatility: float, window: float, cost: float) -> Array:
    """Return k m + E[(D - m)+] for a normal move, per unit of notional."""
    spread, m = _spread(volatility, window), array(margin, "margin", low=0.0)
    z = m / spread
    beyond = spread * (np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) - z * special.ndtr(-z))
    made: Array = number(cost, "cost", above=0.0, below=1.0) * m + beyond
    return made


class Tail(NamedTuple):
    """Losses above a threshold (peaks over threshold): generalised Pareto.

    threshold; scale (beta) above 0; shape (xi), heavy above 0; share of losses above the threshold.
    """

    threshold: float
    scale: float
    shape: float
    share: float

    def value_at_risk(self, cost: float) -> float:
        """Return the loss exceeded with probability `cost`, below `share`: u + beta / xi ((share / cost)^xi - 1)."""
        ratio = math.log(self.share / number(cost, "cost", above=0.0, high=self.share))
        grown = ratio if abs(self.shape) < 1e-12 else math.expm1(self.shape * ratio) / self.shape
        return self.threshold + self.scale * grown

    def expected_shortfall(self, cost: float) -> float:
        """Return the mean loss beyond that: (VaR + beta - xi u) / (1 - xi); a shape of 1 or more has none."""
        if self.shape >= 1.0:
            raise ConfigError(f"shape must be below 1, got {self.shape:g}: the mean beyond any loss is infinite")
        return (self.value_at_risk(cost) + self.scale - self.shape * self.threshold) / (1.0 - self.shape)


def fit_tail(moves: ArrayLike, *, share: float = 0.05) -> Tail:
    """Return the tail of largest likelihood of the largest moves.

    Parameters
    ----------
    moves : array_like
        Losses above 0; at least 20 of them in the tail.
    share : float
        Part of them that is the tail, in (0, 1).
    """
    seen = np.sort(column(moves, "moves"))
    part = number(share, "share", above=0.0, below=1.0)
    tail = round(len(seen) * part)
    if tail < 20 or tail >= len(seen):
        raise ConfigError(f"share={part:g} of {len(seen)} moves is {tail}: at least 20, and fewer than all, are needed")
    threshold = float(seen[-tail - 1])
    over = seen[-tail:] - threshold
    mean = float(over.mean())
    if not mean > 0.0:
        raise ConfigError("all moves of the tail are equal")

    def loss(x: Array) -> float:
        scale, shape = math.exp(float(x[0])) * mean, float(x[1])
        inner = 1.0 + shape * over / scale
        if np.any(inner <= 0.0):
            return math.inf
        if abs(shape) < 1e-9:
            return tail * math.log(scale) + float(over.sum()) / scale
        return tail * math.log(scale) + (1.0 + 1.0 / shape) * float(np.log(inner).sum())

    found = minimize(loss, np.array([0.0, 0.1]), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9})
    return Tail(threshold, math.exp(float(found.x[0])) * mean, float(found.x[1]), tail / len(seen))


def fit_maxima(maxima: ArrayLike, cost: float) -> float:
    """Return the margin met with probability `cost` per block, from the largest adverse move of each block.

    Generalised extreme values by largest likelihood, as in the study of BitMEX that asked for 33 % (long) and 20 %
    (short) at a daily chance of 1 % where 1 % was in force (leverage_lab.md section 7.2).
    """
    from scipy.stats import genextreme

    seen = column(maxima, "maxima")
    if len(seen) < 20:
        raise ConfigError(f"maxima: at least 20 blocks are needed, got {len(seen)}")
    shape, place, scale = genextreme.fit(seen)
    return float(genextreme.isf(number(cost, "cost", above=0.0, below=1.0), shape, place, scale))


@dataclass(frozen=True, slots=True)
class Versions:
    """The four answers side by side, fractions of notional; what the data do not allow is None."""

    gaussian: float
    path: float
    path_drop: float
    student: float
    historical: float | None
    tail: float | None
    least_cost: float


def margin_versions(
    volatility: float, window: float, cost: float, *, degrees: float = 3.0, moves: ArrayLike | None = None,
    tail_share: float = 0.05,
) -> Versions:  # fmt: skip
    """Return the best maintenance margin by each law; with `moves` (adverse, over the window) also from history."""
    tail = None
    if moves is not None and cost < tail_share and round(np.size(moves) * tail_share) >= 20:
        tail = fit_tail(moves, share=tail_share).value_at_risk(cost)
    path = path_margin(volatility, window, cost)
    return Versions(
        gaussian=gaussian_margin(volatility, window, cost),
        path=path,
        path_drop=as_drop(path),
        student=student_margin(volatility, window, cost, degrees=degrees),
        historical=None if moves is None else historical_margin(moves, cost),
        tail=tail,
        least_cost=least_cost(volatility, window, cost),
    )


def position_tiers(
    quantities: ArrayLike, book: DepthCurve, *, volatility: float, cost: float, execution_rate: float, fee: float = 0.0
) -> Array:
    """Return the margin of positions by size: VaR over the time to close them + impact + fee. That is what tiers are.

    Parameters
    ----------
    quantities : array_like
        Base units, above 0.
    book : DepthCurve
    volatility : float
        Per sqrt(year).
    cost : float
        k, in (0, 1).
    execution_rate : float
        Base units per year.
    fee : float
        Fraction of notional.
    """
    q = array(quantities, "quantities", above=0.0)
    windows = q / number(execution_rate, "execution_rate", above=0.0)
    value_at_risk = number(volatility, "volatility", above=0.0) * np.sqrt(windows) * _z(cost)
    made: Array = value_at_risk + book.impact(q) + number(fee, "fee", low=0.0)
    return made


def rolling_margin(returns: ArrayLike, cost: float, *, periods: int) -> Array:
    """Return the normal margin for one period after the volatility of the last `periods` returns (mean taken as 0).

    Returns
    -------
    ndarray of float64, shape (returns - periods + 1,)
    """
    r, n = column(returns, "returns"), count(periods, "periods", low=2)
    if len(r) < n:
        raise ConfigError(f"returns: at least periods={n} are needed, got {len(r)}")
    sums = np.cumsum(np.concatenate([np.zeros(1), r**2]))
    made: Array = np.sqrt(np.maximum(sums[n:] - sums[:-n], 0.0) / n) * _z(cost)
    return made


class Procyclicality(NamedTuple):
    """Margin over time: its ratio of peak to trough without and with a floor, and how often the floor held it."""

    peak_to_trough: float
    floored: float
    held: float


def procyclicality(margins: Sequence[float] | Array, floor: float) -> Procyclicality:
    """Return how much a margin that follows volatility swings: such limits made extremes worse in models (7.2)."""
    m = column(margins, "margins", above=0.0)
    kept = np.maximum(m, number(floor, "floor", above=0.0))
    return Procyclicality(float(m.max() / m.min()), float(kept.max() / kept.min()), float(np.mean(m < floor)))


def _spread(volatility: float, window: float) -> float:
    return number(volatility, "volatility", above=0.0) * math.sqrt(number(window, "window", above=0.0))


def _z(tail: float) -> float:
    return float(-special.ndtri(number(tail, "cost", above=0.0, below=1.0)))
