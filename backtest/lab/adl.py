"""Auto-deleveraging: who of the winners gives up how much of their profit when the fund is empty.

Every policy takes exactly the deficit, or all there is when profits do not suffice, and from nobody more than their
profit. Amounts that are integers (units of an asset) stay integers: the shares are rounded by largest remainder.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backtest.errors import ConfigError
from backtest.lab.given import Array, column

Amounts = NDArray[Any]  # of int64 (units) or float64


@dataclass(frozen=True, slots=True)
class Winners:
    """Winning positions, one row each.

    Attributes
    ----------
    profit : ndarray of int64 or float64
        Unrealized profit, at least 0: units of the asset if integers.
    size : ndarray of float64
        Notional at the mark, above 0.
    cost : ndarray of float64
        Notional at entry, above 0.
    leverage : ndarray of float64
        Notional over the account's equity, at least 0.
    """

    profit: Amounts
    size: Array
    cost: Array
    leverage: Array

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.profit)


def winners(
    profit: ArrayLike,
    *,
    size: ArrayLike | None = None,
    cost: ArrayLike | None = None,
    leverage: ArrayLike | None = None,
) -> Winners:
    """Return checked winners; what a policy does not look at may be left out (all the same)."""
    given = np.asarray(profit)
    checked = column(profit, "profit", low=0.0)
    amounts: Amounts = given.astype(np.int64) if np.issubdtype(given.dtype, np.integer) else checked
    same = np.ones(len(checked))
    return Winners(
        amounts,
        same if size is None else column(size, "size", len(checked), above=0.0),
        same if cost is None else column(cost, "cost", len(checked), above=0.0),
        same if leverage is None else column(leverage, "leverage", len(checked), low=0.0),
    )


def queue(found: Winners, deficit: float) -> Amounts:
    """Take whole profits in order of the venue's score, profit % x leverage, highest first; the last one in part."""
    from venues.rule_calls import adl_ranks

    asked = _deficit(found, deficit)
    figures = {
        "unrealized_pnl": found.profit.tolist(),
        "collateral": found.cost.tolist(),
        "margin_ratio": found.leverage.tolist(),
    }
    ranks = adl_ranks([1] * len(found), figures, score="profit_on_margin")
    order = np.argsort(np.array(ranks, dtype=np.int64), kind="stable")
    taken = np.zeros_like(found.profit)
    before = np.cumsum(found.profit[order]) - found.profit[order]
    taken[order] = np.clip(asked - before, 0, found.profit[order])
    return taken


def by_size(found: Winners, deficit: float) -> Amounts:
    """Take in proportion to notional; where that exceeds a profit, the rest from the others."""
    return _by_weight(found, deficit, found.size)


def by_profit(found: Winners, deficit: float) -> Amounts:
    """Take in proportion to profit."""
    return _by_weight(found, deficit, found.profit.astype(np.float64))


def by_leverage(found: Winners, deficit: float) -> Amounts:
    """Take in proportion to profit x leverage; where that exceeds a profit, the rest from the others."""
    return _by_weight(found, deficit, found.profit * found.leverage)


def water_filling(found: Winners, deficit: float) -> Amounts:
    """Take from the largest profits down to one level: min over all of the largest profit left."""
    asked = _deficit(found, deficit)
    profit = found.profit.astype(np.float64)
    falling = np.sort(profit)[::-1]
    sums = np.cumsum(falling)
    # with the k largest cut, the level is (their sum - deficit) / k; the right k is the first at or above the next
    levels = (sums - float(asked)) / np.arange(1, len(falling) + 1) if len(falling) else np.zeros(0)
    following = np.append(falling[1:], 0.0)
    row = int(np.argmax(levels >= following)) if len(levels) else 0
    level = max(float(levels[row]), 0.0) if len(levels) else 0.0
    return _to_units(np.maximum(profit - level, 0.0), found.profit, asked)


POLICIES: Final[dict[str, Callable[[Winners, float], Amounts]]] = {
    "queue": queue,
    "by_size": by_size,
    "by_profit": by_profit,
    "by_leverage": by_leverage,
    "water_filling": water_filling,
}


@dataclass(frozen=True, slots=True)
class Fairness:
    """How a policy shared a deficit.

    Attributes
    ----------
    taken, needed : float
    overshoot : float
        taken - needed: what was taken beyond need.
    gini : float
        Of the haircuts over all winners: 0 all the same, towards 1 all from one.
    top_share : float
        Part of the largest haircut.
    """

    taken: float
    needed: float
    overshoot: float
    gini: float
    top_share: float


def fairness(haircuts: ArrayLike, needed: float) -> Fairness:
    """Return the measures of a set of haircuts, of a policy here or of a venue's own tables."""
    cut = np.sort(column(haircuts, "haircuts", low=0.0))
    total = float(cut.sum())
    n = len(cut)
    gini = top = 0.0
    if total > 0.0:
        gini = float((2.0 * np.arange(1, n + 1) - n - 1.0) @ cut) / (n * total)
        top = float(cut[-1]) / total
    return Fairness(total, float(needed), total - float(needed), gini, top)


def _deficit(found: Winners, deficit: float) -> Any:
    """Return what can be taken: the deficit, at most all profits; whole units where profits are."""
    is_units = np.issubdtype(found.profit.dtype, np.integer)
    if not deficit >= 0 or (is_units and deficit != int(deficit)):
        raise ConfigError(f"deficit must be at least 0, whole where profits are units, got {deficit!r}")
    total = found.profit.sum()
    return min(int(deficit), int(total)) if is_units else min(float(deficit), float(total))


def _by_weight(found: Winners, deficit: float, weight: Array) -> Amounts:
    """Share a deficit by weight, nobody above their profit: the capped leave, the others share what is left."""
    asked = _deficit(found, deficit)
    profit = found.profit.astype(np.float64)
    # who has no weight pays only when the others have nothing left
    largest = float(weight.max(initial=0.0))
    weight = np.maximum(weight / largest, 1e-12) if largest > 0.0 else profit
    # someone is capped when asked / sum of weights reaches profit / weight: sorted by that, one pass finds them all
    ratio = np.divide(profit, weight, out=np.full(len(profit), np.inf), where=weight > 0.0)
    order = np.argsort(ratio, kind="stable")
    spent = np.concatenate([np.zeros(1), np.cumsum(profit[order])])[:-1]
    open_weight = np.cumsum(weight[order][::-1])[::-1]
    rate = np.divide(float(asked) - spent, open_weight, out=np.full(len(order), np.inf), where=open_weight > 0.0)
    free = np.flatnonzero((rate <= ratio[order]) & np.isfinite(rate))
    shares = np.minimum(profit, weight * max(float(rate[free[0]]), 0.0)) if len(free) else profit.copy()
    return _to_units(shares, found.profit, asked)


def _to_units(shares: Array, profit: Amounts, asked: Any) -> Amounts:
    """Return haircuts that sum to what is asked: integers by largest remainder, floats with their rounding removed."""
    if not len(shares):
        return profit.copy()
    if not np.issubdtype(profit.dtype, np.integer):
        made = np.clip(shares, 0.0, profit)
        gap = float(asked) - float(made.sum())
        row = int(np.argmax(profit - made if gap > 0.0 else made))
        made[row] = np.clip(made[row] + gap, 0.0, profit[row])
        return made
    whole = np.minimum(np.floor(shares).astype(np.int64), profit)
    gap = int(asked) - int(whole.sum())
    order = np.argsort(-(shares - whole), kind="stable")
    while gap != 0:
        for row in order.tolist():
            room = int(profit[row] - whole[row]) if gap > 0 else int(whole[row])
            step = min(room, max(1, abs(gap) // len(order)), abs(gap))
            whole[row] += step if gap > 0 else -step
            gap -= step if gap > 0 else -step
            if gap == 0:
                break
    return whole
