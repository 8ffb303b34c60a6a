"""Who leaves by force and who of their own will: open interest that goes when funding rises, beside forced sales.

An `InferredMap` says of every bar what was closed by force and what left besides. The second part answers to funding:
`leaving_response` measures it, `after_leaving` takes it out of a map before a fall meets it.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from backtest.errors import ConfigError
from backtest.lab.given import Array, Estimate, column, number
from backtest.lab.leverage_map import HeatMap, InferredMap
from backtest.lab.resampling import block_bootstrap


@dataclass(frozen=True, slots=True)
class Deleveraging:
    """Shares of open interest that went in each bar.

    Attributes
    ----------
    forced : ndarray of float64
        Closed by force, the larger of both sides.
    voluntary : ndarray of float64
        Left besides, the larger of both sides.
    """

    forced: Array
    voluntary: Array


def deleveraging(
    market: InferredMap, open_interest: ArrayLike, price: ArrayLike, low: ArrayLike, high: ArrayLike
) -> Deleveraging:
    """Return what was forced and what was not, bar by bar; the map takes the bars.

    Parameters
    ----------
    open_interest, price, low, high : array_like
        As in `InferredMap.update`, one row a bar.
    """
    held = column(open_interest, "open_interest", low=0.0)
    columns = [column(values, name, len(held), above=0.0) for values, name in
               ((price, "price"), (low, "low"), (high, "high"))]  # fmt: skip
    forced, voluntary = np.zeros(len(held)), np.zeros(len(held))
    before = market.open_interest
    for row, values in enumerate(zip(held.tolist(), *(each.tolist() for each in columns), strict=True)):
        flows = market.update(values[0], values[1], low=values[2], high=values[3])
        if before > 0.0:
            forced[row] = max(flows.forced_long, flows.forced_short) / before
            voluntary[row] = max(flows.left_long, flows.left_short) / before
        before = values[0]
    return Deleveraging(forced, voluntary)


@dataclass(frozen=True, slots=True)
class LeavingResponse:
    """How much of open interest leaves of its own will for each unit by which funding has risen.

    Attributes
    ----------
    slope : Estimate
        Share of open interest per unit of funding.
    low, high : float
        95 %, block bootstrap; `is_null` when they hold zero.
    """

    slope: Estimate
    low: float
    high: float

    @property
    def is_null(self) -> bool:
        """Whether nothing was shown."""
        return self.low <= 0.0 <= self.high

    def share(self, rise: float) -> float:
        """Return the share that leaves when funding rises by so much, in [0, 1]; 0 where the slope is below 0."""
        return min(1.0, max(0.0, self.slope.value * number(rise, "rise", low=0.0)))


def leaving_response(
    voluntary: ArrayLike, funding_rise: ArrayLike, *, mean_block: float, seed: int, samples: int = 500
) -> LeavingResponse:
    """Return the least-squares slope of what leaves on how much funding has risen, with a block-bootstrap interval.

    Parameters
    ----------
    voluntary : array_like
        Shares of open interest that left, in [0, 1].
    funding_rise : array_like
        Change of the funding rate before that, known by then.
    mean_block : float
        Rows.
    """
    y = column(voluntary, "voluntary", low=0.0)
    x = column(funding_rise, "funding_rise", len(y))
    if len(x) < 30 or np.ptp(x) == 0.0:
        raise ConfigError(f"at least 30 rows in which funding changes are needed, got {len(x)}")

    def slope(rows: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]") -> float:
        spread = x[rows] - x[rows].mean()
        square = float(spread @ spread)
        return float(spread @ y[rows]) / square if square > 0.0 else math.nan

    found, (low, high) = block_bootstrap(slope, len(x), mean_block=mean_block, seed=seed, samples=samples)
    return LeavingResponse(found, low, high)


def after_leaving(found: HeatMap, share: float, *, side: int | None = None) -> HeatMap:
    """Return a map out of which a share of positions has left of its own will, pro rata.

    Parameters
    ----------
    share : float
        In [0, 1].
    side : {1, -1}, optional
        Whose positions leave: those that pay funding (longs when it is positive). None: both sides.
    """
    kept = 1.0 - number(share, "share", low=0.0, high=1.0)
    if side not in (None, 1, -1):
        raise ConfigError(f"side must be 1 (longs), -1 (shorts) or left out, got {side!r}")
    return replace(
        found,
        longs=found.longs * (kept if side in (None, 1) else 1.0),
        shorts=found.shorts * (kept if side in (None, -1) else 1.0),
    )
