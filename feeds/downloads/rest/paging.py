"""Page loops that end only with a proof: stretches of time asked until nothing is missing, ids walked without holes."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from feeds.errors import FeedError
from feeds.findings import Gap

_FRUITLESS = 2  # what brought nothing so often is not asked for any more

Row = tuple[Any, ...]
Ask = Callable[[int, int], Iterable[tuple[int, Row]]]
Missing = Callable[[Any, int, int], list[tuple[int, int]]]


def fill(ask: Ask, missing: Missing, low: int, high: int, span: int) -> list[tuple[int, Row]]:
    """Return the rows with ``low <= ts < high``, by time, asking again for what is missing.

    A venue may answer with fewer rows than it was asked for, from either end, twice, out of order or not at all. So
    the window is asked in stretches with both bounds; whatever part of one is still missing is asked by itself as long
    as that brings rows, and once more when it does not. An empty answer ends nothing.

    Parameters
    ----------
    ask : callable
        ``ask(low, high)`` returns (ts in ns, row) of one request; rows outside the stretch are allowed.
    missing : callable
        ``missing(stamps, low, high)`` returns the stretches that lack rows.
    low, high : int
        ns, half open.
    span : int
        ns that one request may cover.

    Returns
    -------
    list of (int, tuple)
        Different rows of one time are all kept: they contradict each other, which the caller must see.
    """
    rows: dict[int, list[Row]] = {}
    todo = [(start, min(start + span, high), 0) for start in range(low, high, span)]
    while todo:
        start, end, fruitless = todo.pop(0)
        before = len(rows)
        for ts, row in ask(start, end):
            known = rows.setdefault(ts, []) if low <= ts < high else [row]
            if row not in known:
                known.append(row)
        fruitless = 0 if len(rows) > before else fruitless + 1
        if fruitless < _FRUITLESS:
            holes = missing(np.array(sorted(rows), dtype=np.int64), start, end)
            todo = [(at, min(at + span, stop), fruitless) for at, stop in holes] + todo
    return [(ts, row) for ts in sorted(rows) for row in rows[ts]]


class Ids:
    """Rows that the venue numbers without holes, collected page by page.

    Parameters
    ----------
    label : str
        For messages.
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self.rows: dict[int, tuple[int, Row]] = {}
        self.gaps: list[Gap] = []

    def add(self, page: Iterable[tuple[int, int, Row]]) -> int:
        """Add (id, ts, row) of a page; returns how many were new.

        Raises
        ------
        FeedError
            If an id comes again with other content.
        """
        new = 0
        for number, ts, row in page:
            known = self.rows.get(number)
            if known is None:
                self.rows[number] = (ts, row)
                new += 1
            elif known != (ts, row):
                raise FeedError(f"{self.label}: id {number} came twice with different content; nothing is stored")
        return new

    def holes(self, low: int, high: int) -> list[tuple[int, int]]:
        """Return the runs of ids ``low <= id < high`` that are not there."""
        have = np.array(sorted(number for number in self.rows if low <= number < high), dtype=np.int64)
        edges = np.concatenate(([low - 1], have, [high]))
        found = np.flatnonzero(np.diff(edges) > 1)
        return [(int(edges[i]) + 1, int(edges[i + 1])) for i in found.tolist()]

    def close(self, ask: Callable[[int, int], Iterable[tuple[int, int, Row]]], low: int, high: int) -> None:
        """Ask for ids until ``low <= id < high`` has no hole; what stays away is listed as a gap.

        Parameters
        ----------
        ask : callable
            ``ask(first, after)`` returns a page of rows from id `first` on; rows outside are allowed.
        """
        todo = [(*hole, 0) for hole in self.holes(low, high)]
        while todo:
            first, after, fruitless = todo.pop(0)
            fruitless = 0 if self.add(ask(first, after)) else fruitless + 1
            rest = self.holes(first, after)
            if fruitless < _FRUITLESS:
                todo = [(*hole, fruitless) for hole in rest] + todo
            else:
                self.gaps += [self._gap(*hole) for hole in rest]

    def _gap(self, first: int, after: int) -> Gap:
        """Return the gap in time of a run of missing ids."""
        before = max((ts for number, (ts, _) in self.rows.items() if number < first), default=0)
        following = min((ts for number, (ts, _) in self.rows.items() if number >= after), default=before)
        return Gap(before, following + 1, "missing", f"ids {first} to {after - 1}")
