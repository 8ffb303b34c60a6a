"""Holes in stored history: inside partitions, between them, and towards the bounds asked for."""

from collections.abc import Sequence

import numpy as np

from feeds.findings import REFUSED_STATUSES, Gap
from feeds.funding_grid import inspect
from feeds.schema import DENSE_KINDS, SETTLED
from feeds.store import Partition
from feeds.tables import ints


def stored_gaps(
    partitions: Sequence[Partition], kind: str, timeframe_ns: int, start: int | None, end: int | None
) -> tuple[Gap, ...]:
    """Return the holes of partitions, between them, and towards the bounds asked for."""
    refused = [Gap(*part.bounds, part.status, part.name) for part in partitions if part.status in REFUSED_STATUSES]
    inside = _inside(partitions, start, end)
    if kind == "funding":
        between = _funding_gaps(partitions, start, end)
    elif timeframe_ns:
        spans = [(part.ts_min, part.ts_max + timeframe_ns) for part in partitions if part.rows]
        between = _holes(spans, start, end, timeframe_ns, "bars")
    elif kind in DENSE_KINDS:
        between = _holes([part.bounds for part in partitions], start, end, 1, "no partition")
    else:
        between = []
    covered = [(gap.start, gap.end) for gap in refused]
    missing = [
        gap for gap in {*inside, *between} if not any(low <= gap.start and gap.end <= high for low, high in covered)
    ]
    return tuple(sorted([*refused, *missing]))


def _inside(partitions: Sequence[Partition], start: int | None, end: int | None) -> list[Gap]:
    """Return the gaps that partitions list.

    The edges of what was recorded are gaps of their days; with no bound asked for on that side nothing is missing.
    """
    filled = [part for part in partitions if part.rows]
    low = filled[0].ts_min if filled and start is None else None
    high = filled[-1].ts_max if filled and end is None else None
    return [
        gap
        for part in partitions
        for gap in part.gaps
        if not (low is not None and gap.start == part.bounds[0] and gap.end <= low)
        and not (high is not None and gap.end == part.bounds[1] and gap.start > high)
    ]


def _holes(spans: list[tuple[int, int]], start: int | None, end: int | None, step: int, detail: str) -> list[Gap]:
    """Return the stretches of at least `step` ns that sorted spans leave free between each other and the bounds."""
    found, reached = [], start
    for low, high in spans:
        if reached is not None and low - reached >= step:
            found.append(Gap(reached, low, "missing", detail))
        reached = high if reached is None else max(reached, high)
    if end is not None and reached is not None and end - reached >= step:
        found.append(Gap(reached, end, "missing", detail))
    return found


def _funding_gaps(partitions: Sequence[Partition], start: int | None, end: int | None) -> list[Gap]:
    """Return missing settlements over all partitions, and towards the bounds asked for."""
    batches = [batch for part in partitions for batch in part.batches(("ts", "kind", "interval_s"), 65536, None, None)]
    if not batches:
        return []
    stamps, kinds, seconds = (np.concatenate([ints(b, name) for b in batches]) for name in ("ts", "kind", "interval_s"))
    stamps, seconds = stamps[kinds == SETTLED], seconds[kinds == SETTLED]
    if not stamps.size:
        return []
    found = list(inspect(stamps, seconds).gaps)
    first, last = int(seconds[0]) * 10**9, int(seconds[-1]) * 10**9
    if start is not None and int(stamps[0]) - start >= first:
        found.append(Gap(start, int(stamps[0]), "missing", "funding settlement"))
    if end is not None and end > int(stamps[-1]) + last:
        found.append(Gap(int(stamps[-1]) + last, end, "missing", "funding settlement"))
    return found
