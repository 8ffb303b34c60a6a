"""Liquidation curves: how much is closed by force once the price has dropped by x: steps, a grid or a function."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from backtest.errors import ConfigError
from backtest.lab.given import Array, array, ascending, column, number

TOUCH = (
    1.0 + 1e-12
)  # a drop this close to a liquidation drop has reached it: sums of floats fall short of round figures


class LiquidationCurve(Protocol):
    """Quantity closed by force, as a function of the drop."""

    @property
    def breaks(self) -> Array:
        """Drops at which the density jumps, for scans to look at."""

    def total(self, drop: ArrayLike) -> Array:
        """Return the quantity with a liquidation drop in (0, drop], base units; nondecreasing."""

    def density(self, drop: ArrayLike) -> Array:
        """Return the derivative of the total to the right, base units per unit of drop."""


class StepLiquidations:
    """Single positions: each is closed whole at its own drop.

    Parameters
    ----------
    drops : array_like, shape (positions,)
        Drop at liquidation of each, above 0; infinite or nan: never closed by this move.
    quantities : array_like, shape (positions,)
        Base units, at least 0.
    width : float
        Window over which `density` averages, centred.
    """

    def __init__(self, drops: ArrayLike, quantities: ArrayLike, *, width: float = 0.005) -> None:
        x = np.asarray(drops, dtype=np.float64)
        q = column(quantities, "quantities", low=0.0)
        if x.shape != q.shape:
            raise ConfigError(f"drops and quantities must be of one length, got {x.shape} and {q.shape}")
        closed = np.isfinite(x) & (x <= 1.0)
        if np.any(x[closed] <= 0.0):
            raise ConfigError("drops must be above 0: a position at or beyond its liquidation price is already closed")
        order = np.argsort(x[closed], kind="stable")
        self.drops: Array = x[closed][order]
        self.quantities: Array = q[closed][order]
        self.rows = np.flatnonzero(closed)[order]
        self.sums: Array = np.concatenate([np.zeros(1), np.cumsum(self.quantities)])
        self.width = number(width, "width", above=0.0)

    @property
    def breaks(self) -> Array:
        """Every drop at which something is closed."""
        return np.unique(self.drops)

    def reached(self, drop: ArrayLike) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
        """Return how many positions are closed at a drop; the sorted ones `rows[:reached]`."""
        return np.searchsorted(self.drops, np.asarray(drop, dtype=np.float64) * TOUCH, side="right")

    def total(self, drop: ArrayLike) -> Array:
        """Return the quantity closed up to `drop`, the positions exactly there included."""
        made: Array = self.sums[self.reached(drop)]
        return made

    def density(self, drop: ArrayLike) -> Array:
        """Return the average density in the window around `drop`."""
        x = array(drop, "drop", low=0.0)
        low = np.maximum(x - 0.5 * self.width, 0.0)
        made: Array = (self.total(low + self.width) - self.total(low)) / self.width
        return made


class GridLiquidations:
    """A map: the total at grid points, straight lines between them.

    Parameters
    ----------
    grid : array_like, shape (points,)
        Drops, ascending, from 0 on.
    totals : array_like, shape (points,)
        Quantity closed up to each, nondecreasing; constant beyond the last.
    """

    def __init__(self, grid: ArrayLike, totals: ArrayLike) -> None:
        self.grid = ascending(grid, "grid", low=0.0)
        self.totals = column(totals, "totals", len(self.grid), low=0.0)
        if np.any(np.diff(self.totals) < 0.0):
            raise ConfigError("totals must not decrease: what is closed by force stays closed")
        if self.grid[0] > 0.0:
            self.grid = np.concatenate([np.zeros(1), self.grid])
            self.totals = np.concatenate([np.zeros(1), self.totals])
        self._slopes = np.append(np.diff(self.totals) / np.diff(self.grid), 0.0)

    @property
    def breaks(self) -> Array:
        """The grid above 0."""
        return self.grid[self.grid > 0.0]

    def total(self, drop: ArrayLike) -> Array:
        """Return the total on the lines."""
        return np.interp(np.asarray(drop, dtype=np.float64), self.grid, self.totals)

    def density(self, drop: ArrayLike) -> Array:
        """Return the slope of the line to the right."""
        row = np.searchsorted(self.grid, np.asarray(drop, dtype=np.float64), side="right") - 1
        made: Array = self._slopes[np.maximum(row, 0)]
        return made


@dataclass(frozen=True, slots=True)
class SmoothLiquidations:
    """A curve given by functions of an array of drops.

    Parameters
    ----------
    of_drop, density_of_drop : callable
        Total and its derivative.
    breaks : ndarray of float64
        Where the density jumps or is narrow.
    """

    of_drop: Callable[[Array], Array]
    density_of_drop: Callable[[Array], Array]
    breaks: Array

    def total(self, drop: ArrayLike) -> Array:
        """Return the total."""
        return np.asarray(self.of_drop(np.asarray(drop, dtype=np.float64)), dtype=np.float64)

    def density(self, drop: ArrayLike) -> Array:
        """Return its derivative."""
        return np.asarray(self.density_of_drop(np.asarray(drop, dtype=np.float64)), dtype=np.float64)


def uniform_liquidations(density: float, *, start: float = 0.0, end: float = 1.0) -> GridLiquidations:
    """Return a constant density of base units per unit of drop between two drops."""
    first, last = number(start, "start", low=0.0), number(end, "end", above=start)
    grid = [first, last] if first > 0.0 else [0.0, last]
    held = number(density, "density", low=0.0) * (last - first)
    made = GridLiquidations(grid, [0.0, held])
    return made


def gaussian_liquidations(quantity: float, *, centre: float, deviation: float) -> SmoothLiquidations:
    """Return a cluster of `quantity` base units around a drop; what lies beyond a drop of 0 counts as closed there."""
    from scipy.special import ndtr

    held, mean = number(quantity, "quantity", low=0.0), number(centre, "centre")
    spread = number(deviation, "deviation", above=0.0)
    peak = held / (spread * np.sqrt(2.0 * np.pi))
    around = mean + spread * np.linspace(-6.0, 6.0, 241)
    return SmoothLiquidations(
        lambda x: held * ndtr((x - mean) / spread),
        lambda x: peak * np.exp(-0.5 * ((x - mean) / spread) ** 2),
        around[(around > 0.0) & (around < 1.0)],
    )
