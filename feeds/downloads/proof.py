"""When a partition may be called complete: by its grid where there is one, else by what its source can show."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from feeds.downloads.windows import Haul, Wanted, Window
from feeds.findings import Gap
from feeds.funding_grid import inspect
from feeds.schema import ACCRUAL
from feeds.tables import ints

if TYPE_CHECKING:
    import pyarrow as pa

Int64s = npt.NDArray[np.int64]

HOUR_NS = 3_600_000_000_000
_LATE_NS = 120 * 10**9  # a row is published so long after its time
_NEAR_NS = 60 * 10**9
_FUNDING_STEPS = tuple(hours * HOUR_NS for hours in (1, 2, 3, 4, 6, 8, 12, 24))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Status and proof of a partition, and the holes that stand against it."""

    status: str
    proof: str
    gaps: tuple[Gap, ...] = ()


def judge(wanted: Wanted, window: Window, table: "pa.Table", hauls: Sequence[Haul]) -> Verdict:
    """Return whether the rows of a window are all there are.

    Parameters
    ----------
    wanted : Wanted
    window : Window
    table : pa.Table
        What will be stored.
    hauls : sequence of Haul
        What it was made of.
    """
    if has_grid(wanted):
        gaps = grid_holes(wanted, window, table)
        proof, is_whole = "grid", not gaps
    else:
        whole = next((haul for haul in hauls if haul.is_whole), None)
        gaps = [gap for haul in ([whole] if whole is not None else hauls) for gap in haul.gaps]
        proof, is_whole = (whole.proof, not gaps) if whole is not None else ("none", False)
    if not is_whole:
        return Verdict("suspect", "none", tuple(sorted(set(gaps))))
    return Verdict("partial" if window.is_running else "complete", proof)


def has_grid(wanted: Wanted) -> bool:
    """Tell whether the rows of a stream stand on a grid that shows missing ones."""
    return wanted.step_ns > 0 or wanted.kind == "funding"


def grid_holes(wanted: Wanted, window: Window, table: "pa.Table") -> list[Gap]:
    """Return the stretches of a window in which rows are missing."""
    stamps = ints(table, "ts")
    if wanted.kind != "funding":
        detail = "bars" if wanted.timeframe_ns else "samples"
        return [
            Gap(low, high, "missing", detail) for low, high in missing_slots(stamps, *reach(window), wanted.step_ns)
        ]
    if table.num_rows and np.any(ints(table, "kind") == ACCRUAL):
        holes = missing_slots(stamps, *reach(window), HOUR_NS)
        return [Gap(low, high, "missing", "funding samples") for low, high in holes]
    return _funding_holes(stamps, ints(table, "interval_s"), window)


def reach(window: Window) -> tuple[int, int]:
    """Return low and high of the rows that must exist.

    On the day of a listing rows begin when trading does, which may be after the announced time: the first row counts
    as the first there is (the source was asked for earlier ones).
    """
    return (-1 if window.has_listing else window.low), window.high


def missing_slots(stamps: Int64s, low: int, high: int, step: int) -> list[tuple[int, int]]:
    """Return the runs of slots ``low <= slot, slot + step <= high`` at which no row stands, as half-open stretches.

    A negative `low` means from the first row on; a row within a minute of a slot stands at it.
    """
    near = min(_NEAR_NS, step // 4)
    places = np.unique((stamps + near) // step)
    first = -(-low // step) if low >= 0 else int(places[0]) if places.size else high // step
    last = high // step  # exclusive
    if low < 0 and not places.size:
        return [(high - step, high)]
    inside = places[(places >= first) & (places < last)]
    edges = np.concatenate(([first - 1], inside, [last]))
    holes = np.flatnonzero(np.diff(edges) > 1)
    return [((int(edges[i]) + 1) * step, int(edges[i + 1]) * step) for i in holes.tolist()]


def missing_settlements(stamps: Int64s, low: int, high: int) -> list[tuple[int, int]]:
    """Return stretches inside ``low <= t < high`` that seem to lack settlements, whatever the interval is."""
    near = np.unique((stamps + _NEAR_NS) // HOUR_NS * HOUR_NS)
    near = near[(near >= low) & (near < high)]
    if near.size < 2:
        return [(low, high)]
    steps = np.diff(near)
    before = np.concatenate((steps[1:2], steps[:-1])) if steps.size > 1 else steps
    after = np.concatenate((steps[1:], steps[-2:-1])) if steps.size > 1 else steps
    odd = (steps > np.maximum(before, after)) | ~np.isin(steps, _FUNDING_STEPS)
    found = [(int(near[i]) + HOUR_NS, int(near[i + 1])) for i in np.flatnonzero(odd).tolist()]
    first, last = int(steps[0]), int(steps[-1])
    if near[0] > -(-low // first) * first:
        found.insert(0, (low, int(near[0])))
    if near[-1] + last < high:
        found.append((int(near[-1]) + HOUR_NS, high))
    return found


def _funding_holes(stamps: Int64s, seconds: Int64s, window: Window) -> list[Gap]:
    """Return missing settlements inside a window and towards its bounds."""
    detail = "funding settlement"
    if not stamps.size:
        return [Gap(window.low, window.high, "missing", detail)]
    found = list(inspect(stamps, seconds).gaps)
    first, last = int(seconds[0]) * 10**9, int(seconds[-1]) * 10**9
    expected = -(-window.low // first) * first
    if window.has_listing:
        expected = int(stamps[0])
    if stamps[0] > expected:
        found.append(Gap(expected, int(stamps[0]), "missing", detail))
    late = _LATE_NS if window.high < window.end else 0
    if stamps[-1] + last + late < window.high:
        found.append(Gap(int(stamps[-1]) + last, window.high, "missing", detail))
    return found
