"""Streams: sorted rows of one kind of one instrument, read in batches from memory or from files."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from feeds import scales as _scales
from feeds.arrays import plain, without_nulls
from feeds.errors import FeedError
from feeds.findings import Finding, Gap, clip_gaps
from feeds.schema import SCALES, join_kind, layout, split_kind
from feeds.symbols import to_native
from feeds.tables import check, content_sha256, ints, rescale_table, scales_of
from feeds.times import iso, time_ns

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

DEFAULT_BATCH = 131_072


class Part(Protocol):
    """A sorted stretch of one stream: a table in memory or a file on disk."""

    @property
    def rows(self) -> int:
        """Return the number of rows."""

    @property
    def ts_min(self) -> int:
        """Return the first ts."""

    @property
    def ts_max(self) -> int:
        """Return the last ts."""

    @property
    def scales(self) -> dict[str, int]:
        """Return the scales of the mantissas, by name."""

    def content(self) -> str:
        """Return the content hash."""

    def batches(self, columns: Sequence[str], rows: int, start: int | None, end: int | None) -> "Iterator[Any]":
        """Yield record batches of the columns with ``start <= ts < end``, in order."""


@dataclass(frozen=True, eq=False)
class TablePart:
    """A canonical table in memory."""

    table: "pa.Table"

    @cached_property
    def _stamps(self) -> _scales.Int64s:
        """Return the ts column."""
        return ints(self.table, "ts")

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return int(self.table.num_rows)

    @property
    def ts_min(self) -> int:
        """Return the first ts."""
        return int(self._stamps[0])

    @property
    def ts_max(self) -> int:
        """Return the last ts."""
        return int(self._stamps[-1])

    @cached_property
    def scales(self) -> dict[str, int]:
        """Return the scales of the mantissas."""
        return scales_of(self.table)

    @cached_property
    def _content(self) -> str:
        """Return the content hash, computed once."""
        return content_sha256(self.table)

    def content(self) -> str:
        """Return the content hash."""
        return self._content

    def batches(self, columns: Sequence[str], rows: int, start: int | None, end: int | None) -> "Iterator[Any]":
        """Yield slices, zero-copy."""
        low = 0 if start is None else int(np.searchsorted(self._stamps, start))
        high = self.rows if end is None else int(np.searchsorted(self._stamps, end))
        yield from self.table.select(list(columns)).slice(low, max(high - low, 0)).to_batches(max_chunksize=rows)


@dataclass(frozen=True, repr=False)
class Stream:
    """Sorted rows of one kind of one instrument at one venue.

    Attributes
    ----------
    venue, symbol, instrument : str
        Unified name, and the venue's own id.
    kind : str
        The bare word: ``"bars"``.
    timeframe_ns : int
        Length of a bar; 0 for points.
    parts : tuple of Part
        Non-empty stretches in time order that do not overlap.
    start, end : int or None
        Bounds in ns, ``start <= ts < end``.
    gaps : tuple of Gap
        Known holes and refused stretches inside the bounds.
    findings : tuple of Finding
        What was repaired or flagged when the rows were stored or read.
    """

    venue: str
    symbol: str
    kind: str
    timeframe_ns: int
    parts: tuple[Part, ...]
    start: int | None = None
    end: int | None = None
    gaps: tuple[Gap, ...] = ()
    findings: tuple[Finding, ...] = ()

    @classmethod
    def from_table(
        cls,
        venue: str,
        symbol: str,
        kind: str,
        table: "pa.Table",
        *,
        gaps: Iterable[Gap] = (),
        findings: Iterable[Finding] = (),
    ) -> "Stream":
        """Return a stream over a canonical table in memory.

        Parameters
        ----------
        venue, symbol : str
        kind : str
            With its timeframe: ``"bars:1m"``.
        table : pa.Table
            Canonical (`feeds.schema.columns`), sorted by ts, scales in the metadata.
        gaps : iterable of Gap
        findings : iterable of Finding

        Raises
        ------
        FeedError
            If the table is not canonical or is empty, or the venue or symbol is unknown.
        """
        word, timeframe_ns = split_kind(kind)
        to_native(venue, symbol)
        check(table, word, timeframe_ns)
        if not table.num_rows:
            raise FeedError(f"{symbol}@{venue} {kind}: the table has no rows; a stream needs at least one")
        part = TablePart(table.combine_chunks())
        return cls(venue, symbol, word, timeframe_ns, (part,), gaps=tuple(sorted(gaps)), findings=tuple(findings))

    def __repr__(self) -> str:
        """Return what it is, how many rows, from when to when."""
        return f"Stream({self.label}, {self.rows:,} rows, {self._bounds_text()}, {len(self.gaps)} gaps)"

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Return venue, symbol, kind, timeframe: what may occur once in a dataset."""
        return self.venue, self.symbol, self.kind, self.timeframe_ns

    @property
    def label(self) -> str:
        """Return ``SYMBOL@venue kind:timeframe`` for messages."""
        return f"{self.symbol}@{self.venue} {join_kind(self.kind, self.timeframe_ns)}"

    @property
    def instrument(self) -> str:
        """Return the venue's own id."""
        return to_native(self.venue, self.symbol)

    @property
    def is_in_memory(self) -> bool:
        """Return whether nothing has to be decoded to read it."""
        return all(isinstance(part, TablePart) for part in self.parts)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns that `batches` can give."""
        return tuple(column.name for column in layout(self.kind, self.timeframe_ns))

    @cached_property
    def scales(self) -> dict[str, int]:
        """Return the scales of what `batches` yields: per name the largest of all parts."""
        return {scale: max((part.scales[scale] for part in self.parts), default=0) for scale in SCALES}

    @cached_property
    def _span(self) -> tuple[int, int, int]:
        """Return rows, first ts, last ts inside the bounds; the last two are 0 when there are no rows."""
        count, first, last = 0, 0, 0
        for part in self.parts:
            low, high = self._cut(part)
            if low is None and high is None:
                rows, begin, finish = part.rows, part.ts_min, part.ts_max
            else:
                stamps = [ints(batch, "ts") for batch in part.batches(("ts",), DEFAULT_BATCH, low, high)]
                rows = sum(each.size for each in stamps)
                if not rows:
                    continue
                filled = [each for each in stamps if each.size]
                begin, finish = int(filled[0][0]), int(filled[-1][-1])
            first, last, count = (begin if not count else first), finish, count + rows
        return count, first, last

    @property
    def rows(self) -> int:
        """Return the number of rows inside the bounds."""
        return self._span[0]

    @property
    def ts_min(self) -> int:
        """Return the first ts inside the bounds (0 without rows)."""
        return self._span[1]

    @property
    def ts_max(self) -> int:
        """Return the last ts inside the bounds (0 without rows)."""
        return self._span[2]

    def words(self, column: str) -> tuple[str, ...]:
        """Return the distinct words of a column of text inside the bounds, sorted; of few rows, all are read."""
        found: set[str] = set()
        for part in self.parts:
            for batch in part.batches((column,), DEFAULT_BATCH, *self._cut(part)):
                found |= {word for word in batch.column(0).unique().to_pylist() if word is not None}
        return tuple(sorted(found))

    @cached_property
    def fingerprint(self) -> str:
        """Return the hash (hex) of what the stream is and holds; independent of how it is read."""
        lines = ["|".join(map(str, self.key))]
        lines += ["{}|{}|{}".format(part.content(), *self._cut(part)) for part in self.parts]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def batches(
        self,
        columns: Sequence[str],
        rows: int = DEFAULT_BATCH,
        start: int | None = None,
        end: int | None = None,
    ) -> "Iterator[pa.RecordBatch]":
        """Yield the rows in order as record batches, in constant memory.

        Parameters
        ----------
        columns : sequence of str
            Those to read, in the order wanted.
        rows : int
            At most so many rows a batch; small files are put together up to it.
        start, end : int or None
            Narrower bounds in ns, ``start <= ts < end``.

        Yields
        ------
        pa.RecordBatch
            int64 (mantissas at `scales`), int8 and uint16 columns without nulls: an empty cell is 0. Text and decimal
            columns come as stored. `ts_avail` 0 means the same as ts.

        Raises
        ------
        FeedError
            For an unknown column, `rows` < 1, or a file whose bytes have changed.
        """
        if rows < 1:
            raise FeedError(f"{self.label}: rows must be at least 1, got {rows}")
        missing = [name for name in columns if name not in self.columns]
        if missing:
            raise FeedError(f"{self.label}: no column {missing[0]!r}; it has {', '.join(self.columns)}")
        low, high = _narrow(self.start, self.end, start, end)
        return _gathered(self._plain_batches(tuple(columns), rows, low, high), rows)

    def between(self, start: Any = None, end: Any = None) -> "Stream":
        """Return the stream with narrower bounds, ``start <= ts < end``; parts outside are dropped."""
        low, high = _narrow(self.start, self.end, moment(start, "start"), moment(end, "end"))
        parts = tuple(
            part for part in self.parts if (low is None or part.ts_max >= low) and (high is None or part.ts_min < high)
        )
        return replace(self, parts=parts, start=low, end=high, gaps=clip_gaps(self.gaps, low, high))

    def relabelled(self, venue: str, symbol: str) -> "Stream":
        """Return the same rows as those of another venue or symbol: what stands in where its own are not there.

        Raises
        ------
        FeedError
            If the venue is unknown or its naming cannot express the symbol.
        """
        to_native(venue, symbol)
        return replace(self, venue=venue, symbol=symbol)

    def table(self) -> "pa.Table":
        """Return all rows inside the bounds as one canonical table (empty cells kept), in memory."""
        import pyarrow as pa

        tables = []
        for part in self.parts:
            found = list(part.batches(self.columns, DEFAULT_BATCH, *self._cut(part)))
            if found:
                whole = pa.Table.from_batches(found).replace_schema_metadata(
                    {f"{name}_scale": str(value) for name, value in part.scales.items()}
                )
                tables.append(rescale_table(whole, self.kind, self.timeframe_ns, self.scales))
        if not tables:
            raise FeedError(f"{self.label}: no rows between {self._bounds_text()}")
        return pa.concat_tables(tables).combine_chunks()

    def head(self, n: int = 5) -> "pd.DataFrame":
        """Return the first `n` rows as a DataFrame with numbers in their units and ts as UTC times, to look at."""
        import pandas as pd

        batch = next(iter(self.batches(self.columns, max(n, 1))), None)
        frame = pd.DataFrame() if batch is None else batch.to_pandas().head(n)
        for column in layout(self.kind, self.timeframe_ns):
            if column.name not in frame:
                continue
            if column.scale is not None:
                frame[column.name] = _scales.to_floats(frame[column.name].to_numpy(), self.scales[column.scale])
            elif column.name.startswith("ts"):
                frame[column.name] = pd.to_datetime(frame[column.name], utc=True)
        return frame

    def joined(self, other: "Stream") -> "Stream":
        """Return both as one stream: the same content once, or stretches that do not overlap in time order.

        Raises
        ------
        FeedError
            If their times overlap with different content.
        """
        if self.fingerprint == other.fingerprint:
            return replace(self, gaps=tuple(sorted({*self.gaps, *other.gaps})), findings=_both(self, other))
        early, late = sorted((self, other), key=lambda stream: (stream.ts_min, stream.ts_max))
        if early.ts_max >= late.ts_min:
            raise FeedError(
                f"{self.label} is given twice and the two overlap: {early._bounds_text()} and {late._bounds_text()}; "
                "cut one with .between(start, end), or leave it out with .select(...)"
            )
        parts = tuple(_Cut(part, *early._cut(part)) for part in early.parts)
        parts += tuple(_Cut(part, *late._cut(part)) for part in late.parts)
        gaps = tuple(sorted({*early.gaps, *late.gaps}))
        return Stream(*self.key, parts, gaps=gaps, findings=_both(early, late))

    def _bounds_text(self) -> str:
        """Return first and last time for a message."""
        low = self.ts_min if self.parts else self.start
        high = self.ts_max if self.parts else self.end
        return f"{'-' if low is None else iso(low)} .. {'-' if high is None else iso(high)}"

    def _cut(self, part: Part) -> tuple[int | None, int | None]:
        """Return those bounds that really cut this part."""
        low = self.start if self.start is not None and self.start > part.ts_min else None
        high = self.end if self.end is not None and self.end <= part.ts_max else None
        return low, high

    def _plain_batches(
        self, columns: tuple[str, ...], rows: int, start: int | None, end: int | None
    ) -> "Iterator[pa.RecordBatch]":
        """Yield batches of each part in turn at the scales of the stream, nulls filled."""
        import pyarrow as pa

        scaled = {column.name: column.scale for column in layout(self.kind, self.timeframe_ns)}
        for part in self.parts:
            if (start is not None and part.ts_max < start) or (end is not None and part.ts_min >= end):
                continue
            low = start if start is not None and start > part.ts_min else None
            high = end if end is not None and end <= part.ts_max else None
            for batch in part.batches(columns, rows, low, high):
                arrays = []
                for name, array in zip(columns, batch.columns, strict=True):
                    filled = array
                    if array.null_count and not (pa.types.is_string(array.type) or pa.types.is_decimal(array.type)):
                        filled = without_nulls(array)
                    scale = scaled[name]
                    if scale is not None and part.scales[scale] != self.scales[scale]:
                        mantissas = plain(filled)
                        filled = pa.array(_scales.rescale(mantissas, part.scales[scale], self.scales[scale], name=name))
                    arrays.append(filled)
                if batch.num_rows:
                    yield pa.RecordBatch.from_arrays(arrays, names=list(columns))


@dataclass(frozen=True)
class _Cut:
    """A part with bounds of its own, left behind when streams are joined."""

    part: Part
    low: int | None
    high: int | None

    @cached_property
    def _span(self) -> tuple[int, int, int]:
        """Return rows, first ts and last ts inside the bounds."""
        if self.low is None and self.high is None:
            return self.part.rows, self.part.ts_min, self.part.ts_max
        stamps = [ints(batch, "ts") for batch in self.part.batches(("ts",), DEFAULT_BATCH, self.low, self.high)]
        filled = [each for each in stamps if each.size]
        if not filled:
            return 0, 0, 0
        return sum(each.size for each in filled), int(filled[0][0]), int(filled[-1][-1])

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return self._span[0]

    @property
    def ts_min(self) -> int:
        """Return the first ts."""
        return self._span[1]

    @property
    def ts_max(self) -> int:
        """Return the last ts."""
        return self._span[2]

    @property
    def scales(self) -> dict[str, int]:
        """Return the scales of the mantissas."""
        return self.part.scales

    def content(self) -> str:
        """Return the content hash, with the bounds when they cut."""
        text = self.part.content()
        return text if self.low is None and self.high is None else f"{text}[{self.low},{self.high})"

    def batches(self, columns: Sequence[str], rows: int, start: int | None, end: int | None) -> "Iterator[Any]":
        """Yield batches inside both bounds."""
        yield from self.part.batches(columns, rows, *_narrow(self.low, self.high, start, end))


def _both(early: Stream, late: Stream) -> tuple[Finding, ...]:
    """Return the findings of two streams, repeats left out."""
    return tuple(dict.fromkeys((*early.findings, *late.findings)))


def _gathered(batches: "Iterator[pa.RecordBatch]", rows: int) -> "Iterator[pa.RecordBatch]":
    """Put small batches together up to `rows`; larger runs pass without a copy."""
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        if count + batch.num_rows > rows:
            yield _one(waiting)
            waiting, count = [], 0
        waiting.append(batch)
        count += batch.num_rows
        if count == rows:
            yield _one(waiting)
            waiting, count = [], 0
    if waiting:
        yield _one(waiting)


def _one(batches: "list[pa.RecordBatch]") -> "pa.RecordBatch":
    """Return batches as one."""
    import pyarrow as pa

    if len(batches) == 1:
        return batches[0]
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]


def _narrow(low: int | None, high: int | None, start: int | None, end: int | None) -> tuple[int | None, int | None]:
    """Return the tighter of two pairs of bounds."""
    lows = [each for each in (low, start) if each is not None]
    highs = [each for each in (high, end) if each is not None]
    return max(lows, default=None), min(highs, default=None)


def moment(value: Any, name: str) -> int | None:
    """Return a time as ns, None for None."""
    return None if value is None else time_ns(value, name=name)
