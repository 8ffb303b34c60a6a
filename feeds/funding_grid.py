"""Funding rows on their grid: stamps, intervals and missing settlements (F1, F2, F3, F6)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feeds.errors import FeedError
from feeds.findings import Finding, Gap
from feeds.times import iso

Int64s = npt.NDArray[np.int64]

SECOND_NS = 1_000_000_000
HOUR_NS = 3600 * SECOND_NS
SNAP_NS = 60 * SECOND_NS
_DAY_HOURS = (1, 2, 3, 4, 6, 8, 12, 24)


def snap(stamps: Int64s) -> tuple[Int64s, list[Finding]]:
    """Move stamps within 60 s of a whole hour onto it.

    Returns
    -------
    stamps : ndarray of int64, shape (n,)
        ns; those further off are unchanged.
    findings : list of Finding
        F1 for moved rows, F2 for rows left off the grid.
    """
    nearest = (stamps + HOUR_NS // 2) // HOUR_NS * HOUR_NS
    distance = np.abs(stamps - nearest)
    is_near = distance <= SNAP_NS
    findings = []
    if count := int(np.count_nonzero(is_near & (distance > 0))):
        worst = int(distance[is_near].max()) / 1e9
        findings.append(
            Finding(
                "F1", "repair", count, f"funding stamps moved to the hour, by at most {worst:g} s; ts_raw keeps them"
            )
        )
    if count := int(np.count_nonzero(~is_near)):
        examples = tuple(iso(ts) for ts in stamps[~is_near][:5].tolist())
        findings.append(Finding("F2", "flag", count, "funding stamps more than 60 s off the hour, kept", examples))
    return np.where(is_near, nearest, stamps), findings


def intervals_from_spacing(stamps: Int64s) -> Int64s:
    """Derive the interval that each settled rate covers from the time since the settlement before.

    A longer step that stands alone between equal ones is a missing row, not an interval; the first row takes the step
    that follows it.

    Parameters
    ----------
    stamps : ndarray of int64, shape (n,)
        Settlement times on the grid, ns, increasing.

    Returns
    -------
    ndarray of int64, shape (n,)
        Seconds.

    Raises
    ------
    FeedError
        With fewer than two rows, or when no step is a divisor of a day in whole hours.
    """
    steps = np.diff(stamps) // SECOND_NS
    allowed = np.array([hours * 3600 for hours in _DAY_HOURS])
    if not np.isin(steps, allowed).any():
        raise FeedError(
            "funding: the interval cannot be told from the spacing of the rows; give a column interval_hours"
        )
    found = steps.copy()
    inside = found[1:-1]
    alone = (steps[1:-1] > steps[:-2]) & (steps[:-2] == steps[2:]) & (steps[1:-1] % np.maximum(steps[:-2], 1) == 0)
    inside[alone] = steps[:-2][alone]
    # What is left and is no interval of any venue is a hole: the interval before it holds, or the one after.
    good = np.isin(found, allowed)
    last_good = np.maximum.accumulate(np.where(good, np.arange(found.size), -1))
    last_good[last_good < 0] = np.flatnonzero(good)[0]
    found = found[last_good]
    return np.concatenate((found[:1], found)).astype(np.int64)


def intervals_of(stamps: Int64s) -> Int64s:
    """Return the length in s of the interval that ends at each stamp, jitter and repeats allowed (rule F3).

    Raises
    ------
    FeedError
        When the spacing does not show it.
    """
    snapped = snap(stamps)[0]
    settled = np.unique(snapped)
    return intervals_from_spacing(settled)[np.searchsorted(settled, snapped)]


@dataclass(frozen=True, slots=True)
class GridReport:
    """Interval changes (F3) and missing settlements (F6) of a funding history."""

    findings: list[Finding]
    gaps: list[Gap]


def inspect(stamps: Int64s, interval_s: Int64s) -> GridReport:
    """List interval changes and missing settlements; a gap covers the times at which a settlement is missing.

    Parameters
    ----------
    stamps : ndarray of int64, shape (n,)
        Settled rows, ns, increasing.
    interval_s : ndarray of int64, shape (n,)
        Seconds that each rate covers.
    """
    if stamps.size < 2:
        return GridReport([], [])
    findings = []
    changes = np.flatnonzero(np.diff(interval_s)) + 1
    if changes.size:
        examples = tuple(
            f"{iso(int(stamps[i]))}: {interval_s[i - 1] / 3600:g} h to {interval_s[i] / 3600:g} h"
            for i in changes[:5].tolist()
        )
        findings.append(
            Finding(
                "F3", "repair", int(changes.size), "changes of the funding interval, each row keeps its own", examples
            )
        )
    steps = np.diff(stamps)
    # At a change of interval a venue may settle early or at the longer of the two; only a step beyond both is a hole.
    expected = np.maximum(interval_s[1:], interval_s[:-1]) * SECOND_NS
    holes = np.flatnonzero(steps > expected + SNAP_NS)
    gaps = [
        Gap(int(stamps[i] + interval_s[i + 1] * SECOND_NS), int(stamps[i + 1]), "missing", "funding settlement")
        for i in holes.tolist()
    ]
    if holes.size:
        missing = int(np.sum(-(-steps[holes] // (interval_s[1:][holes] * SECOND_NS)) - 1))
        findings.append(
            Finding("F6", "flag", missing, "settlements missing between present ones", tuple(map(str, gaps[:5])))
        )
    return GridReport(findings, gaps)
