"""Where a cascade feeds itself: the local branching ratio, the critical shock, and where the price lands beyond it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq, minimize_scalar

from backtest.lab.cascade import step_thresholds
from backtest.lab.curves import LiquidationCurve, StepLiquidations
from backtest.lab.depth import DepthCurve
from backtest.lab.given import Array, array, count, number

GAUGE_REACH = 0.10  # the criticality gauge looks at drops up to here (leverage_lab.md section 5.1)


@dataclass(frozen=True, slots=True)
class Critical:
    """Where the total drop jumps.

    Attributes
    ----------
    shock : float or None
        Smallest outside shock at which the drop jumps; None: it never does.
    drop : float or None
        Total drop just below that shock.
    landing : float or None
        Total drop just beyond it; 1 when nothing stops it.
    max_ratio, max_at : float
        Largest branching ratio and the drop at which it stands; of single positions the windowed one.
    """

    shock: float | None
    drop: float | None
    landing: float | None
    max_ratio: float
    max_at: float

    def safety_margin(self, scale: float) -> float | None:
        """Return the critical shock less a shock of today, such as the one-day 99 % move."""
        return None if self.shock is None else self.shock - number(scale, "scale", low=0.0)


def branching_ratio(liquidations: LiquidationCurve, book: DepthCurve, drop: ArrayLike, *, share: float = 1.0) -> Array:
    """Return the structural branching ratio: units of further drop that one unit of drop causes by forced sales.

    R(x) = slope of impact(share x total(x)) x share x density(x). One more unit of outside shock moves the price by
    1 / (1 - R).
    """
    x = array(drop, "drop", low=0.0)
    part = number(share, "share", low=0.0, high=1.0)
    density = part * liquidations.density(x)
    slope = book.slope(part * liquidations.total(x))
    with np.errstate(invalid="ignore"):
        made: Array = np.where(density > 0.0, density * slope, 0.0)
    return made


def marginal_amplification(ratio: ArrayLike) -> Array:
    """Return 1 / (1 - R): how much the total drop grows per unit of shock; infinite from R = 1 on."""
    r = array(ratio, "ratio", low=0.0)
    return np.divide(1.0, 1.0 - r, out=np.full_like(r, np.inf), where=r < 1.0)


def criticality_gauge(liquidations: LiquidationCurve, book: DepthCurve, *, share: float = 1.0) -> float:
    """Return the largest branching ratio at drops up to 10 %."""
    grid = _grid(liquidations, 4000, GAUGE_REACH)
    return float(branching_ratio(liquidations, book, grid, share=share).max())


def critical_shock(
    liquidations: LiquidationCurve,
    book: DepthCurve,
    *,
    share: float = 1.0,
    sold: float = 0.0,
    points: int = 4000,
    fraction: float = 0.05,
    open_interest: float | None = None,
) -> Critical:
    """Return the smallest outside shock at which the total drop jumps.

    Parameters
    ----------
    liquidations : LiquidationCurve
        A smooth curve or a grid: the first drop where the ratio passes 1 (saddle-node). Single positions: the smallest
        shock at which the quantity closed jumps by more than `fraction` of open interest.
    book : DepthCurve
    share : float
        Part of forced sales that reaches the book.
    sold : float
        Base units sold into the book besides.
    points : int
        Of the scan; the curve's own breaks come on top.
    fraction : float
        In (0, 1]; of single positions only.
    open_interest : float, optional
        Base units; None: the sum of the positions.

    Returns
    -------
    Critical
    """
    part = number(share, "share", low=0.0, high=1.0)
    outside = number(sold, "sold", low=0.0)
    grid = _grid(liquidations, count(points, "points", low=10), 1.0)

    def ratio(x: Array) -> Array:
        density = part * liquidations.density(x)
        with np.errstate(invalid="ignore"):
            return np.where(density > 0.0, density * book.slope(outside + part * liquidations.total(x)), 0.0)

    def left(x: ArrayLike) -> Array:
        """Return G(x) = x - impact: the outside shock for which x is a fixed point."""
        return np.asarray(x) - book.impact(outside + part * liquidations.total(x))

    ratios = ratio(grid)
    top, at = _highest(ratio, grid, ratios)
    if isinstance(liquidations, StepLiquidations):
        held = (
            float(liquidations.sums[-1]) if open_interest is None else number(open_interest, "open_interest", above=0)
        )
        least = number(fraction, "fraction", above=0.0, high=1.0) * held
        return _of_steps(liquidations, book, part, outside, least, top, at)
    over = np.flatnonzero(ratios >= 1.0)
    if not len(over):
        return Critical(None, None, None, top, at)
    first = int(over[0])
    low, high = (float(grid[first - 1]) if first else 0.0), float(grid[first])
    for _ in range(200):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        low, high = (low, middle) if float(ratio(np.array([middle]))[0]) >= 1.0 else (middle, high)
    shock = max(float(left(high)), 0.0)
    return Critical(shock, high, _landing(left, grid[grid > high], shock), top, at)


def _of_steps(
    liquidations: StepLiquidations, book: DepthCurve, share: float, sold: float, least: float, top: float, at: float
) -> Critical:
    found = step_thresholds(liquidations, book, share=share, sold=sold)
    shocks, first = np.unique(found.shock, return_index=True)
    jumps = np.diff(np.append(found.total[first], found.total[-1]))
    rows = np.flatnonzero(jumps > least)
    if not len(rows):
        return Critical(None, None, None, top, at)
    row = int(rows[0])
    shock, begins = float(shocks[row]), float(found.total[first[row]])
    below = shock + float(book.impact(sold + share * begins))
    landing = shock + float(book.impact(sold + share * (begins + float(jumps[row]))))
    return Critical(shock, min(below, 1.0), min(landing, 1.0), top, at)


def _grid(liquidations: LiquidationCurve, points: int, reach: float) -> Array:
    breaks = liquidations.breaks
    made: Array = np.union1d(np.linspace(0.0, reach, points + 1), breaks[breaks <= reach])
    return made


def _highest(ratio: Callable[[Array], Array], grid: Array, ratios: Array) -> tuple[float, float]:
    """Return the largest ratio and its drop, refined between the neighbours of the highest grid point."""
    row = int(np.argmax(ratios))
    best, at = float(ratios[row]), float(grid[row])
    if not np.isfinite(best):
        return best, at
    bounds = (float(grid[max(row - 1, 0)]), float(grid[min(row + 1, len(grid) - 1)]))
    found = minimize_scalar(
        lambda x: -float(ratio(np.array([x]))[0]), bounds=bounds, method="bounded", options={"xatol": 1e-12}
    )
    return (float(-found.fun), float(found.x)) if -found.fun > best else (best, at)


def _landing(left: Callable[[ArrayLike], Array], grid: Array, shock: float) -> float:
    """Return the first drop beyond the critical one at which the market rests at that shock; 1 without one."""
    values = left(grid) - shock
    under = np.flatnonzero(values < 0.0)
    if not len(under):
        return float(grid[0]) if len(grid) else 1.0
    start = int(under[0])
    rest = np.flatnonzero(values[start:] >= 0.0)
    if not len(rest):
        return 1.0
    end = start + int(rest[0])
    return float(brentq(lambda x: float(left(x)) - shock, float(grid[end - 1]), float(grid[end]), xtol=1e-15))
