"""The cascade: forced sales move the price that forces sales; the least drop that is consistent with itself.

With `total(x)` the quantity whose liquidation drop is at most x, `share` the part of it that reaches the book (the rest
goes to a backstop) and impact of the book, the drop after an outside shock s is the least solution of

    x = s + impact(sold + share x total(x)),

reached from below by x_0 = s, x_{k+1} = s + impact(sold + share x total(x_k)): the map does not decrease, so that the
iteration ascends to the least fixed point (Knaster-Tarski); a method that starts above may find another one.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backtest.lab.curves import LiquidationCurve, StepLiquidations
from backtest.lab.depth import DepthCurve
from backtest.lab.given import Array, array, count, number

SETTLED = 4e-16  # relative step at which the iteration has reached the accuracy of floats
LIMIT = 200_000  # rounds; only a shock within about 1e-9 of the critical one takes more


@dataclass(frozen=True, slots=True)
class Cascade:
    """What follows from each outside shock; arrays of one shape.

    Attributes
    ----------
    shock : ndarray of float64
        Outside drop.
    drop : ndarray of float64
        Total drop, at most 1.
    triggered : ndarray of float64
        Quantity closed by force, base units.
    sold : ndarray of float64
        What of it reached the book.
    average_drop : ndarray of float64
        Drop of the average price of those sales (VWAP = reference x (1 - average_drop)); the drop itself without any.
    rounds : ndarray of int64
        Rounds in which something was still triggered.
    is_settled : ndarray of bool
        False: the limit of rounds was met just below a critical shock; drop is then a lower bound.
    """

    shock: Array
    drop: Array
    triggered: Array
    sold: Array
    average_drop: Array
    rounds: NDArray[np.int64]
    is_settled: NDArray[np.bool_]

    @property
    def amplification(self) -> Array:
        """Total drop / shock. Above 1 as soon as one position is closed: that is not criticality."""
        return np.divide(self.drop, self.shock, out=np.full_like(self.drop, np.nan), where=self.shock > 0.0)


def cascade(
    liquidations: LiquidationCurve,
    book: DepthCurve,
    shocks: ArrayLike,
    *,
    share: float = 1.0,
    sold: ArrayLike = 0.0,
    limit: int = LIMIT,
) -> Cascade:
    """Return the least fixed point for each outside shock.

    Parameters
    ----------
    liquidations : LiquidationCurve
    book : DepthCurve
    shocks : array_like
        Outside drops, in [0, 1].
    share : float
        Part of forced sales that reaches the book, in [0, 1]: 1 - backstop share.
    sold : array_like
        Base units that somebody sells into the book besides, broadcast with `shocks`.
    limit : int
        Of rounds.

    Returns
    -------
    Cascade
    """
    part = number(share, "share", low=0.0, high=1.0)
    s, outside = np.broadcast_arrays(array(shocks, "shocks", low=0.0, high=1.0), array(sold, "sold", low=0.0))
    flat_s, flat_out = s.ravel(), outside.ravel()
    drop = flat_s.copy()
    rounds = np.zeros(len(drop), dtype=np.int64)
    active = np.arange(len(drop))
    for _ in range(count(limit, "limit")):
        before = drop[active]
        now = np.minimum(1.0, flat_s[active] + book.impact(flat_out[active] + part * liquidations.total(before)))
        now = np.maximum(now, before)
        drop[active] = now
        moved = now - before > SETTLED * now
        active = active[moved]
        rounds[active] += 1
        if not len(active):
            break
    triggered = liquidations.total(drop)
    reached = part * triggered
    base = book.swept(flat_out)
    cost = book.swept(flat_out + reached) - base
    average = np.divide(cost, reached, out=drop - flat_s, where=reached > 0.0) + flat_s
    is_settled = np.ones(len(drop), dtype=bool)
    is_settled[active] = False
    parts = (flat_s, drop, triggered, reached, np.minimum(average, 1.0), rounds, is_settled)
    return Cascade(*(part.reshape(s.shape) for part in parts))  # type: ignore[arg-type]


class StepThresholds(NamedTuple):
    """The outside shock from which each position is closed, and what is closed then.

    Attributes
    ----------
    shock : ndarray of float64, shape (positions,)
        Nondecreasing, in order of liquidation drops; 0 where what is sold besides suffices.
    total : ndarray of float64, shape (positions + 1,)
        Quantity closed when the first k are.
    """

    shock: Array
    total: Array

    def triggered(self, shocks: ArrayLike) -> Array:
        """Return the quantity closed at each shock."""
        rows = np.searchsorted(self.shock, np.asarray(shocks, dtype=np.float64) * (1.0 + 1e-12), side="right")
        made: Array = self.total[rows]
        return made


def step_thresholds(
    liquidations: StepLiquidations, book: DepthCurve, *, share: float = 1.0, sold: float = 0.0
) -> StepThresholds:
    """Return the exact amplification curve of single positions, without iteration.

    Position k + 1 goes when s + impact of the first k reaches its drop x, so s >= x - impact; and it goes only if all
    before it go: the threshold is the running maximum. Sorting aside, all shocks together cost one pass.
    """
    part = number(share, "share", low=0.0, high=1.0)
    before = liquidations.sums[:-1]
    needed = liquidations.drops - book.impact(number(sold, "sold", low=0.0) + part * before)
    return StepThresholds(np.maximum(np.maximum.accumulate(needed), 0.0), liquidations.sums)
