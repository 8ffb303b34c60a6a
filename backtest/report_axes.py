"""Axes of a chart: round values, round UTC times, and few enough points with the extremes kept."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BUCKETS = 500
HOUR = 3_600_000_000_000
DAY = 24 * HOUR
_STEPS_NS = [
    *(minutes * HOUR // 60 for minutes in (1, 5, 15, 30)),
    *(hours * HOUR for hours in (1, 3, 6, 12)),
    *(days * DAY for days in (1, 2, 7, 14)),
]
_STEPS_MONTHS = (1, 3, 6, 12, 24, 60, 120)


def value_axis(low: float, high: float) -> tuple[list[float], float, float]:
    """Return round tick values and the ends of an axis that holds [low, high]."""
    # Ticks have twelve digits; and a quarter of less than 1e-300 has no logarithm.
    if high - low <= max(1e-9 * max(abs(low), abs(high)), 1e-300):
        margin = abs(high) * 0.1 if abs(high) > 1e-290 else 1.0
        low, high = low - margin, high + margin
    raw = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * (1 - 1e-9))
    # A little air, but none beyond a zero at which the values end.
    air = 0.04 * (high - low)
    bottom, top = low - (0.0 if low == 0 else air), high + (0.0 if high == 0 else air)
    first, last = math.ceil(bottom / step - 1e-9), math.floor(top / step + 1e-9)
    # No tick is -0.0, and each is the float nearest to the round number.
    ticks = [float(f"{number * step:.12g}") + 0.0 for number in range(first, last + 1)]
    return ticks, min(bottom, ticks[0]), max(top, ticks[-1])


def time_ticks(start: int, end: int, wanted: int = 6) -> list[tuple[int, str]]:
    """Return times (ns) at round UTC moments and their labels."""
    span = end - start
    for step in _STEPS_NS:
        if span <= wanted * step:
            times = range(-(-start // step) * step, end + 1, step)
            if step >= 7 * DAY:  # weeks begin on Monday; 1970-01-01 was a Thursday
                offset = 4 * DAY
                times = range(-(-(start - offset) // step) * step + offset, end + 1, step)
            return [(time, _label(time, step)) for time in times]
    first, last = (
        int(np.int64(time).astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)) for time in (start, end)
    )
    step = next((months for months in _STEPS_MONTHS if (last - first) <= wanted * months), _STEPS_MONTHS[-1])
    numbers = list(range(-(-first // step) * step, last + 1, step))
    times_ns = [int(np.datetime64(number, "M").astype("datetime64[ns]").astype(np.int64)) for number in numbers]
    return [
        (time, _month_label(number, step))
        for time, number in zip(times_ns, numbers, strict=True)
        if start <= time <= end
    ]


def downsample(
    times: NDArray[np.int64], values: NDArray[np.float64], start: int, end: int, buckets: int = BUCKETS
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return at most four points per bucket of time: first, lowest, highest and last, in order of time.

    Parameters
    ----------
    times : ndarray of int64, shape (n,)
        ns, ascending.
    values : ndarray of float64, shape (n,)
        Gaps where not finite; a bucket with a gap and a value keeps one of the gaps.
    start, end : int
        ns; span of all buckets.
    buckets : int

    Returns
    -------
    times, values : ndarray, shape (m,)
    """
    if len(times) <= 4 * buckets:
        return times, values
    width = max(1, -(-(end - start) // buckets))
    bucket = (times - start) // width
    edges = np.flatnonzero(np.r_[True, bucket[1:] != bucket[:-1]])
    group = np.cumsum(np.r_[True, bucket[1:] != bucket[:-1]]) - 1
    last = np.r_[edges[1:], len(times)] - 1
    keep = [edges, last]
    order = np.arange(len(times))
    finite = np.isfinite(values)
    for worst in (np.where(finite, values, np.inf), np.where(finite, -values, np.inf)):
        best = np.minimum.reduceat(worst, edges)
        hits = np.flatnonzero((worst == best[group]) & finite)
        keep.append(_first_of(hits, group[hits]))
    gaps = order[~finite]
    keep.append(_first_of(gaps, group[gaps]))
    rows = np.unique(np.concatenate(keep))
    return times[rows], values[rows]


def cap_of(values: Sequence[NDArray[np.float64]]) -> float:
    """Return where an axis may end without hiding more than one sample in a thousand; infinity when nothing stands out.

    Leverage of an account that is being wiped out grows without bound and would press the rest of the line flat.
    """
    known = np.concatenate([*(part[np.isfinite(part)] for part in values), np.zeros(1)])
    usual = 1.5 * float(np.quantile(known, 0.999))
    return usual if 0 < 2 * usual < float(known.max()) else math.inf


def _first_of(rows: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first row of each group."""
    _, first = np.unique(group, return_index=True)
    return rows[first]


def _label(time: int, step: int) -> str:
    moment = np.datetime64(time, "ns").astype("datetime64[s]").item()
    if step < DAY and time % DAY:
        return f"{moment:%H:%M}"
    return f"{moment.day} {moment:%b}"


def _month_label(month: int, step: int) -> str:
    moment = np.datetime64(month, "M").astype("datetime64[D]").item()
    return f"{moment:%Y}" if step >= 12 else f"{moment:%b %Y}"
