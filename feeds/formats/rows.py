"""Rows of one stream on their way from a file to canonical tables: collected by day, then repaired day by day."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from feeds.errors import FeedError
from feeds.findings import Finding, Gap
from feeds.formats.packed import Packed, joined
from feeds.funding_grid import intervals_of
from feeds.normalize import normalize
from feeds.schema import DAY_NS, FLAGS, MONTHLY_KINDS, join_kind
from feeds.tables import build, ints, rescale_table, scales_of
from feeds.times import day_text

if TYPE_CHECKING:
    import pyarrow as pa

# Up to here a stream is repaired as one stretch; above it day by day, to bound the memory.
_ONE_STRETCH = 2_000_000
# A stretch with more holes in its ids than this is listed as one gap from the first to the last.
_MOST_HOLES = 1_000
# Share of rows without a value above which a file is refused (rule V1).
_TOLERATED = 0.001


@dataclass(slots=True)
class Day:
    """A repaired stretch of one stream.

    Attributes
    ----------
    held : pa.Table or Packed
        Canonical rows; packed when there are many other days.
    findings : list of Finding
    gaps : list of Gap
        Where ids that the venue numbers without holes have one (rule G1).
    """

    held: "pa.Table | Packed"
    findings: list[Finding]
    gaps: list[Gap] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return int(self.held.rows if isinstance(self.held, Packed) else self.held.num_rows)

    def pack(self) -> None:
        """Hold the rows in fewer bytes while other days are repaired."""
        if not isinstance(self.held, Packed):
            table, self.held = self.held, Packed([])
            columns = [table]
            del table
            self.held = Packed(columns)

    def take(self) -> "pa.Table":
        """Return the rows as a canonical table, once: a packed stretch is empty afterwards."""
        return joined([self.held]) if isinstance(self.held, Packed) else self.held

    def parts(self) -> "list[Day]":
        """Return the stretch by UTC day when it has gaps, so that only the days with a gap are marked by them."""
        if not self.gaps:
            return [self]
        table = self.take()
        days = ints(table, "ts") // DAY_NS
        edges = np.flatnonzero(np.diff(days)) + 1
        bounds = [0, *edges.tolist(), days.size]
        found = []
        for low, high in pairwise(bounds):
            start = int(days[low]) * DAY_NS
            gaps = [gap for gap in self.gaps if gap.start < start + DAY_NS and gap.end > start]
            name = day_text(start)
            findings = [item for item in self.findings if name in item.days or (low == 0 and not item.days)]
            found.append(Day(table.slice(low, high - low), findings, gaps))
        return found


class Rows:
    """Rows of one venue, symbol, kind and timeframe.

    Parameters
    ----------
    label : str
        For messages.
    kind : str
        Bare word.
    timeframe_ns : int

    Attributes
    ----------
    rows_in : int
        Rows seen so far.
    lost : int
        Funding rows that were left out because nothing shows their interval.

    Notes
    -----
    Rows are held as mantissas. Those of a long stream are held by day and packed (25 to 30 bytes a trade); a day
    becomes one table when its turn comes.
    """

    def __init__(self, label: str, kind: str, timeframe_ns: int) -> None:
        self.label = label
        self.kind = kind
        self.timeframe_ns = timeframe_ns
        self.rows_in = 0
        self.lost = 0
        self.findings: list[Finding] = []
        self._whole: list[pa.Table] = []
        self._days: dict[int, list[Packed]] = {}

    def add(self, columns: Mapping[str, Any], notes: tuple[Finding, ...]) -> None:
        """Add a batch in the order of the file.

        Raises
        ------
        FeedError
            If a value cannot be kept exactly.
        """
        dropped = sum(note.count for note in notes if note.rule in ("V1", "V4") and note.severity != "repair")
        self.findings += notes
        values = dict(columns)
        rows = len(values["ts"])
        if self.kind == "trades":
            values["seq"] = np.arange(self.rows_in, self.rows_in + rows, dtype=np.int64)
        self.rows_in += rows + dropped
        if not rows:
            return
        self._whole.append(build(self.kind, values, timeframe_ns=self.timeframe_ns))
        if self.rows_in > _ONE_STRETCH and self.kind not in MONTHLY_KINDS:
            for table in self._whole:
                self._split(table)
            self._whole = []

    def finished(self) -> list[Day]:
        """Return the repaired rows in time order, in one stretch or by day; empties itself.

        Raises
        ------
        FeedError
            When a rule of the validation table says reject.
        """
        self._refuse_many_dropped()
        done: list[Day] = []
        notes = self.findings
        before: pa.Table | None = None
        is_alone = len(self._days) < 2
        for found in self._stretches():
            if self.kind == "funding" and not np.all(ints(found, "interval_s")):
                found = self._with_intervals(found)
                if not found.num_rows:
                    continue
            table, findings = normalize(found, self.kind, timeframe_ns=self.timeframe_ns)
            del found
            day = Day(table, notes + findings)
            if self.kind == "trades" and table.num_rows:
                # Of a day only its ids and times are looked at again, by the day after it.
                before = _follow(before, table, day).select(["ts", "id"])
            del table
            if day.rows:
                if not is_alone:
                    day.pack()
                done.append(day)
                notes = []
        self.findings, self._days = [], {}
        return done

    def _with_intervals(self, table: "pa.Table") -> "pa.Table":
        """Return the rows with the interval that their spacing shows where their file has 0, which means unknown."""
        import pyarrow as pa

        known = ints(table, "interval_s")
        try:
            found = intervals_of(ints(table, "ts"))
        except FeedError:
            # One settlement of a new listing shows no interval; rates of unknown length are not kept.
            self.lost += int(np.count_nonzero(known == 0))
            return table.filter(pa.array(known > 0))
        place = table.column_names.index("interval_s")
        return table.set_column(place, table.schema.field(place), pa.array(np.where(known, known, found)))

    def _stretches(self) -> "Iterator[pa.Table]":
        """Yield all rows at once, or a day at a time when there are many, letting go of each."""
        import pyarrow as pa

        if self._whole:
            whole, self._whole = at_one_scale(self._whole, self.kind, self.timeframe_ns), []
            yield pa.concat_tables(whole).combine_chunks()
        pa.default_memory_pool().release_unused()  # what reading the file held, before the largest need comes
        for number in sorted(self._days):
            parts, self._days[number] = self._days[number], []
            scales = [scales_of(part.schema) for part in parts]
            if any(each != scales[0] for each in scales):
                tables = at_one_scale([joined([part]) for part in parts], self.kind, self.timeframe_ns)
                parts = [Packed([table]) for table in tables]
            yield joined(parts)

    def _split(self, table: "pa.Table") -> None:
        """File a batch under its days, packed."""
        import pyarrow as pa

        days = ints(table, "ts") // DAY_NS
        numbers = [int(days[0])] if np.all(days == days[0]) else np.unique(days).tolist()
        for number in numbers:
            rows = table if len(numbers) == 1 else table.filter(pa.array(days == number))
            self._days.setdefault(number, []).append(Packed([rows]))

    def _refuse_many_dropped(self) -> None:
        """Refuse a file in which more than 0.1 % of the rows have no value (rule V1)."""
        count = sum(note.count for note in self.findings if note.rule == "V1" and note.severity != "repair")
        if count > max(1, _TOLERATED * self.rows_in) or (count and count == self.rows_in):
            name = join_kind(self.kind, self.timeframe_ns)
            raise FeedError(
                f"{self.label}: {count} of {self.rows_in} rows have no number where {name} need one "
                "(V1; more than 0.1 %: the file is not what it seems)"
            )


def merged(findings: list[Finding]) -> list[Finding]:
    """Put findings of one rule and message together, counts added, in order of first appearance."""
    found: dict[tuple[str, str, str], Finding] = {}
    for item in findings:
        key = (item.rule, item.severity, item.message)
        known = found.get(key)
        examples = (item.examples if known is None else known.examples + item.examples)[:5]
        count = item.count if known is None else known.count + item.count
        days = item.days if known is None else tuple(sorted({*known.days, *item.days}))
        found[key] = Finding(item.rule, item.severity, count, item.message, examples, days)
    return list(found.values())


def at_one_scale(tables: "list[pa.Table]", kind: str, timeframe_ns: int) -> "list[pa.Table]":
    """Return canonical tables of one stream with their mantissas at the largest scales among them."""
    found = [scales_of(table) for table in tables]
    scales = {name: max(each[name] for each in found) for name in found[0]}
    return [rescale_table(table, kind, timeframe_ns, scales) for table in tables]


def _follow(before: "pa.Table | None", table: "pa.Table", day: Day) -> "pa.Table":
    """Check the ids of a day against the day before and among themselves; returns the rows that are kept.

    A trade of the day before that stands in this day again, with another time, contradicts it (rule D2): the first is
    kept. Aggregates are numbered without holes, so a hole is missing data (rule G1).
    """
    import pyarrow as pa

    ids = ints(table, "id")
    old = ints(before, "id") if before is not None else ids[:0]
    low = max(0, int(ids.min()))
    if old.size and int(old.max()) >= low:
        repeated = np.isin(ids, old[old >= low])
        if count := int(np.count_nonzero(repeated)):
            name = day_text(int(ints(table, "ts")[0]))
            message = "ids of the day before with another time: left out, the first is kept"
            day.findings.append(Finding("D2", "fatal", count, message, days=(name,)))
            table = table.filter(pa.array(~repeated))
            day.held = table
            ids = ints(table, "id")
    if ids.size and np.all(ints(table, "flags") & FLAGS["aggregated"]) and np.all(ids >= 0):
        _find_holes(before, table, day)
    return table


def _find_holes(before: "pa.Table | None", table: "pa.Table", day: Day) -> None:
    """List the holes in the ids of aggregates, the one at the edge to the day before included."""
    ids, stamps = ints(table, "id"), ints(table, "ts")
    if before is not None and before.num_rows:
        ids = np.concatenate((ints(before, "id")[-1:], ids))
        stamps = np.concatenate((ints(before, "ts")[-1:], stamps))
    if int(ids[-1]) - int(ids[0]) == ids.size - 1 and np.all(ids[1:] > ids[:-1]):
        return  # the common case, without another column of differences
    holes = np.flatnonzero(np.diff(ids) > 1)
    if holes.size:
        missing = int(np.sum(np.diff(ids)[holes] - 1))
        if holes.size > _MOST_HOLES:
            detail = f"{missing} ids in {holes.size} holes"
            day.gaps = [Gap(int(stamps[holes[0]]), int(stamps[holes[-1] + 1]), "missing", detail)]
        else:
            day.gaps = [
                Gap(int(stamps[at]), int(stamps[at + 1]) + 1, "missing", f"ids {ids[at] + 1} to {ids[at + 1] - 1}")
                for at in holes.tolist()
            ]
        examples = tuple(str(gap) for gap in day.gaps[:5])
        days = tuple(sorted({day_text(at) for gap in day.gaps for at in (gap.start, gap.end)}))
        message = "aggregate ids missing between present ones"
        day.findings.append(Finding("G1", "flag", missing, message, examples, days))
