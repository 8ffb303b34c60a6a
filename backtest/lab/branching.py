"""Three estimators of the branching ratio, always shown together, and what measurements of it there are.

Structural: from the map and the book. Bookkeeping: the part of the drop that is not from outside. Point process: from
the times of liquidations alone. Where the three disagree, that is a finding.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from backtest.errors import ConfigError
from backtest.lab.cascade import cascade
from backtest.lab.critical import branching_ratio
from backtest.lab.curves import LiquidationCurve
from backtest.lab.depth import DepthCurve
from backtest.lab.given import Array, Estimate, array, column, number

MEASURED: Final = {"nucleation": 0.195, "peak": 0.140, "late": 0.032}
"""The only in-flight measurement found: Hyperliquid, 2025-10-10, one venue (Garcia Seuma 2026): subcritical throughout,
with 63 % of forced selling absorbed off the book by the venue's backstop."""
MEASURED_BACKSTOP: Final = 0.63
REALITY: Final = (
    "The only cascade measured in flight (Hyperliquid, 2025-10-10, within one venue) had a branching ratio of 0.195 at "
    "its start, 0.140 at its peak and 0.032 late: below 1 throughout, with 63 % of forced sales taken off the book by "
    "the backstop. A ratio above 1 is the exception; amplification above 1 is not criticality."
)


@dataclass(frozen=True, slots=True)
class Branching:
    """The ratio by each estimator at one shock; what cannot be computed is None."""

    structural: float
    bookkeeping: float
    point_process: Estimate | None
    drop: float

    @property
    def spread(self) -> float:
        """Largest difference between the estimators."""
        seen = [self.structural, self.bookkeeping]
        if self.point_process is not None:
            seen.append(self.point_process.value)
        return max(seen) - min(seen)


def bookkeeping_ratio(amplification: ArrayLike) -> Array:
    """Return 1 - 1 / amplification: the part of the total drop that forced sales made."""
    made: Array = 1.0 - 1.0 / array(amplification, "amplification", low=1.0)
    return made


def ratio_from_counts(
    times: ArrayLike, *, window: float, start: float | None = None, end: float | None = None
) -> Estimate:
    """Return the ratio from the dispersion of counts: n = 1 - 1 / sqrt(variance / mean) in windows.

    Parameters
    ----------
    times : array_like
        Seconds of each liquidation, in any order.
    window : float
        Seconds; long against a cluster, or the ratio is too low.
    start, end : float, optional
        Seconds; those of the first and last event by default. Only whole windows count.

    Returns
    -------
    Estimate
        value is 0 where counts vary no more than a Poisson process; the error is that of the variance of as many
        independent windows (relative sqrt(2 / (windows - 1))), carried through.
    """
    seen = np.sort(column(times, "times"))
    length = number(window, "window", above=0.0)
    if len(seen) < 2:
        raise ConfigError("times must hold at least two liquidations")
    first = float(seen[0]) if start is None else number(start, "start")
    last = float(seen[-1]) if end is None else number(end, "end", above=first)
    windows = int((last - first) / length * (1.0 + 1e-12))
    if windows < 2:
        raise ConfigError(f"window of {length:g} s: {last - first:g} s hold fewer than two of them")
    edges = first + length * np.arange(windows + 1)
    counts = np.diff(np.searchsorted(seen, edges)).astype(np.float64)
    if not counts.sum():
        raise ConfigError("no liquidation between start and end")
    fano = float(counts.var(ddof=1)) / float(counts.mean())
    value = max(0.0, 1.0 - 1.0 / math.sqrt(fano)) if fano > 0.0 else 0.0
    # d n / d fano = fano^(-3/2) / 2, and fano has the relative error of a variance
    error = 0.5 * max(fano, 1.0) ** -0.5 * math.sqrt(2.0 / (windows - 1))
    return Estimate(value, error, windows)


def branching(
    liquidations: LiquidationCurve,
    book: DepthCurve,
    shock: float,
    *,
    share: float = 1.0,
    times: ArrayLike | None = None,
    window: float = 600.0,
) -> Branching:
    """Return the three estimators at one shock: structural at its total drop, bookkeeping, and of `times` if given."""
    found = cascade(liquidations, book, number(shock, "shock", above=0.0, high=1.0), share=share)
    drop = float(found.drop)
    return Branching(
        structural=float(branching_ratio(liquidations, book, drop, share=share)),
        bookkeeping=float(bookkeeping_ratio(max(1.0, float(found.amplification)))),
        point_process=None if times is None else ratio_from_counts(times, window=window),
        drop=drop,
    )


def without_backstop(ratio: float, backstop_share: float) -> float:
    """Return the ratio that a market would have without its backstop, if impact is linear: R / (1 - share)."""
    return number(ratio, "ratio", low=0.0) / (1.0 - number(backstop_share, "backstop_share", low=0.0, below=1.0))
