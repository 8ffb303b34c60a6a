"""Depth of a market: how much can be sold before the price has dropped by x, and the inverse, impact.

Each curve is one side of a book. `depth(x)` is nondecreasing with depth(0) = 0; `impact(q)` is its inverse; `slope(q)`
is the derivative of impact; `swept(q)` is the integral of impact from 0 to q, which gives the average price of a sweep.
A market without a bid left has impact 1: the price cannot drop further.

A square-root impact has an infinite slope at zero, so that small liquidations of one instant get an artificial jump:
take `KneeDepth` (linear near the mid), or count all liquidations of one round as one order, as the cascade does.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from backtest.errors import ConfigError
from backtest.lab.given import Array, array, ascending, column, number


class DepthCurve(Protocol):
    """One side of a market; quantities in base units, drops and impacts as fractions of the price."""

    def depth(self, drop: ArrayLike) -> Array:
        """Return the quantity that can be sold before the price has dropped by `drop`."""

    def impact(self, quantity: ArrayLike) -> Array:
        """Return the drop after selling `quantity`, at most 1."""

    def slope(self, quantity: ArrayLike) -> Array:
        """Return the derivative of impact; infinite where it is vertical."""

    def swept(self, quantity: ArrayLike) -> Array:
        """Return the integral of impact from 0 to `quantity`: the cost of the sweep over the price before it."""

    def thinned(self, multiplier: float) -> "DepthCurve":
        """Return the curve with every quantity times `multiplier` (below 1: a book under stress)."""


@dataclass(frozen=True, slots=True)
class NoImpact:
    """A market of infinite depth: prices move only by what comes from outside."""

    def depth(self, drop: ArrayLike) -> Array:
        """Return infinity for every drop above 0."""
        return np.where(array(drop, "drop", low=0.0) > 0.0, np.inf, 0.0)

    def impact(self, quantity: ArrayLike) -> Array:
        """Return 0."""
        return np.zeros_like(array(quantity, "quantity", low=0.0))

    def slope(self, quantity: ArrayLike) -> Array:
        """Return 0."""
        return np.zeros_like(array(quantity, "quantity", low=0.0))

    def swept(self, quantity: ArrayLike) -> Array:
        """Return 0."""
        return np.zeros_like(array(quantity, "quantity", low=0.0))

    def thinned(self, multiplier: float) -> "NoImpact":
        """Return the same."""
        number(multiplier, "multiplier", above=0.0)
        return self


@dataclass(frozen=True, slots=True)
class PowerDepth:
    """Impact (q / coefficient)^exponent: 1 is a linear book of `coefficient` per unit of drop, 1/2 the square root.

    Parameters
    ----------
    coefficient : float
        Quantity whose impact is 1 (100 %).
    exponent : float
        In (0, 1].
    """

    coefficient: float
    exponent: float = 1.0

    def __post_init__(self) -> None:
        """Check both."""
        number(self.coefficient, "coefficient", above=0.0)
        number(self.exponent, "exponent", above=0.0, high=1.0)

    def depth(self, drop: ArrayLike) -> Array:
        """Return coefficient x drop^(1 / exponent)."""
        made: Array = self.coefficient * array(drop, "drop", low=0.0) ** (1.0 / self.exponent)
        return made

    def impact(self, quantity: ArrayLike) -> Array:
        """Return (quantity / coefficient)^exponent, at most 1."""
        share = array(quantity, "quantity", low=0.0) / self.coefficient
        made: Array = np.minimum(1.0, share if self.exponent == 1.0 else share**self.exponent)
        return made

    def slope(self, quantity: ArrayLike) -> Array:
        """Return the derivative; infinite at 0 for an exponent below 1, 0 where impact has reached 1."""
        share = array(quantity, "quantity", low=0.0) / self.coefficient
        with np.errstate(divide="ignore"):
            made: Array = self.exponent / self.coefficient * share ** (self.exponent - 1.0)
        return np.where(share < 1.0, made, 0.0)

    def swept(self, quantity: ArrayLike) -> Array:
        """Return the integral of impact."""
        share = array(quantity, "quantity", low=0.0) / self.coefficient
        inside = np.minimum(share, 1.0) ** (self.exponent + 1.0) / (self.exponent + 1.0)
        made: Array = self.coefficient * (inside + np.maximum(share - 1.0, 0.0))
        return made

    def thinned(self, multiplier: float) -> "PowerDepth":
        """Return the curve with every quantity times `multiplier`."""
        return PowerDepth(self.coefficient * number(multiplier, "multiplier", above=0.0), self.exponent)


def linear_depth(density: float) -> PowerDepth:
    """Return a linear book of `density` base units per unit of drop (per 100 %)."""
    return PowerDepth(density, 1.0)


def square_root_depth(*, volume: float, volatility: float, factor: float = 1.0) -> PowerDepth:
    """Return the square-root law: impact = factor x volatility x sqrt(quantity / volume), both of the same day."""
    scale = number(factor, "factor", above=0.0) * number(volatility, "volatility", above=0.0)
    return PowerDepth(number(volume, "volume", above=0.0) / scale**2, 0.5)


@dataclass(frozen=True, slots=True)
class PoolDepth:
    """A constant-product pool: after selling q into a reserve R the price is (R / (R + q))^2 of what it was."""

    reserve: float

    def __post_init__(self) -> None:
        """Check the reserve."""
        number(self.reserve, "reserve", above=0.0)

    def depth(self, drop: ArrayLike) -> Array:
        """Return R (1 / sqrt(1 - drop) - 1)."""
        with np.errstate(divide="ignore"):
            made: Array = self.reserve * (1.0 / np.sqrt(1.0 - array(drop, "drop", low=0.0, high=1.0)) - 1.0)
        return made

    def impact(self, quantity: ArrayLike) -> Array:
        """Return 1 - (R / (R + q))^2."""
        left = self.reserve / (self.reserve + array(quantity, "quantity", low=0.0))
        made: Array = 1.0 - left**2
        return made

    def slope(self, quantity: ArrayLike) -> Array:
        """Return 2 R^2 / (R + q)^3."""
        made: Array = 2.0 * self.reserve**2 / (self.reserve + array(quantity, "quantity", low=0.0)) ** 3
        return made

    def swept(self, quantity: ArrayLike) -> Array:
        """Return q - R q / (R + q): what the sale gets less than the price before it."""
        sold = array(quantity, "quantity", low=0.0)
        made: Array = sold - self.reserve * sold / (self.reserve + sold)
        return made

    def thinned(self, multiplier: float) -> "PoolDepth":
        """Return the pool with its reserve times `multiplier`."""
        return PoolDepth(self.reserve * number(multiplier, "multiplier", above=0.0))


class BookDepth:
    """A book of levels: after selling q the drop is that of the first level with something left.

    Parameters
    ----------
    drops : ndarray of float64, shape (levels,)
        Of each bid from the reference price, ascending, in [0, 1].
    sizes : ndarray of float64, shape (levels,)
    """

    def __init__(self, drops: ArrayLike, sizes: ArrayLike) -> None:
        self.drops = ascending(drops, "drops", low=0.0, high=1.0)
        self.sizes = column(sizes, "sizes", len(self.drops), above=0.0)
        self._sums = np.concatenate([np.zeros(1), np.cumsum(self.sizes)])
        self._costs = np.concatenate([np.zeros(1), np.cumsum(self.sizes * self.drops)])
        self._best = np.concatenate([self.drops, np.ones(1)])

    def depth(self, drop: ArrayLike) -> Array:
        """Return the size of all levels above `drop`."""
        made: Array = self._sums[np.searchsorted(self.drops, array(drop, "drop", low=0.0), side="left")]
        return made

    def impact(self, quantity: ArrayLike) -> Array:
        """Return the drop of the best bid after the sale, 1 when none is left."""
        made: Array = self._best[self._level(array(quantity, "quantity", low=0.0))]
        return made

    def slope(self, quantity: ArrayLike) -> Array:
        """Return the average slope of a level, drop to the next over its size: a book has no derivative."""
        row = np.minimum(self._level(array(quantity, "quantity", low=0.0)), len(self.drops) - 1)
        made: Array = np.diff(self._best)[row] / self.sizes[row]
        return made

    def swept(self, quantity: ArrayLike) -> Array:
        """Return the sum over levels of size sold x drop; beyond the last level the drop is 1."""
        sold = array(quantity, "quantity", low=0.0)
        row = self._level(sold)
        made: Array = self._costs[row] + (sold - self._sums[row]) * self._best[row]
        return made

    def thinned(self, multiplier: float) -> "BookDepth":
        """Return the book with every size times `multiplier`."""
        return BookDepth(self.drops, self.sizes * number(multiplier, "multiplier", above=0.0))

    def _level(self, sold: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
        return np.searchsorted(self._sums[1:], sold * (1.0 + 1e-12), side="right")


class EmpiricalDepth:
    """Depth measured at some drops, straight lines between them, the last line continued until the drop is 1.

    Parameters
    ----------
    drops : ndarray of float64, shape (n,)
        Ascending, above 0, at most 1.
    quantities : ndarray of float64, shape (n,)
        Cumulated, ascending, above 0.
    """

    def __init__(self, drops: ArrayLike, quantities: ArrayLike) -> None:
        x = ascending(drops, "drops", above=0.0, high=1.0)
        q = ascending(quantities, "quantities", above=0.0)
        if len(q) != len(x):
            raise ConfigError(f"drops and quantities must be of one length, got {len(x)} and {len(q)}")
        self.drops, self.quantities = np.concatenate([np.zeros(1), x]), np.concatenate([np.zeros(1), q])
        if self.drops[-1] < 1.0:
            last = (self.quantities[-1] - self.quantities[-2]) / (self.drops[-1] - self.drops[-2])
            self.quantities = np.append(self.quantities, self.quantities[-1] + last * (1.0 - self.drops[-1]))
            self.drops = np.append(self.drops, 1.0)
        self._slopes = np.append(np.diff(self.drops) / np.diff(self.quantities), 0.0)
        areas = np.diff(self.quantities) * 0.5 * (self.drops[1:] + self.drops[:-1])
        self._areas = np.concatenate([np.zeros(1), np.cumsum(areas)])

    def depth(self, drop: ArrayLike) -> Array:
        """Return the quantity on the lines."""
        made: Array = np.interp(array(drop, "drop", low=0.0), self.drops, self.quantities)
        return made

    def impact(self, quantity: ArrayLike) -> Array:
        """Return the drop on the lines, at most 1."""
        made: Array = np.interp(array(quantity, "quantity", low=0.0), self.quantities, self.drops)
        return made

    def slope(self, quantity: ArrayLike) -> Array:
        """Return the slope of the line to the right."""
        made: Array = self._slopes[self._row(array(quantity, "quantity", low=0.0))]
        return made

    def swept(self, quantity: ArrayLike) -> Array:
        """Return the integral of impact."""
        sold = array(quantity, "quantity", low=0.0)
        row = self._row(sold)
        more = sold - self.quantities[row]
        made: Array = self._areas[row] + more * (self.drops[row] + 0.5 * more * self._slopes[row])
        return made

    def thinned(self, multiplier: float) -> "EmpiricalDepth":
        """Return the curve with every quantity times `multiplier`."""
        return EmpiricalDepth(self.drops[1:], self.quantities[1:] * number(multiplier, "multiplier", above=0.0))

    def _row(self, sold: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
        return np.searchsorted(self.quantities, sold, side="right") - 1


def knee_depth(*, density: float, knee: float, exponent: float = 0.5, points: int = 400) -> EmpiricalDepth:
    """Return a book that is linear up to a drop of `knee` and follows a power of the same depth there beyond it.

    Parameters
    ----------
    density : float
        Base units per unit of drop near the mid.
    knee : float
        Drop in (0, 1) from which impact is knee x (q / q_knee)^exponent.
    exponent : float
        In (0, 1].
    points : int
        Of the power part, geometrically spaced: between them the curve is straight.
    """
    at = number(knee, "knee", above=0.0, below=1.0)
    drops = np.concatenate([[at], np.geomspace(at, 1.0, points + 1)[1:]])
    beyond = (
        number(density, "density", above=0.0)
        * at
        * (drops / at) ** (1.0 / number(exponent, "exponent", above=0.0, high=1.0))
    )
    return EmpiricalDepth(drops, beyond)


def loss_versus_rebalancing(daily_volatility: float) -> float:
    """Return what a constant-product pool loses to arbitrage a day, as a fraction of its value: volatility^2 / 8."""
    return number(daily_volatility, "daily_volatility", low=0.0) ** 2 / 8.0
