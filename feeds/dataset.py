"""What a run reads: the set of streams and the small tables of rules."""

import hashlib
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from feeds.errors import FeedError
from feeds.findings import Finding, Gap
from feeds.schema import KINDS, RULE_KINDS, join_kind
from feeds.stream import Part, Stream, TablePart, moment
from feeds.symbols import parse_address, suggest
from feeds.times import iso

__all__ = ["Dataset", "Part", "Rule", "Stream", "TablePart"]

Rule = dict[str, Any]


class Dataset:
    """Streams and rule tables that a run reads; the order in which they are given has no effect.

    Parameters
    ----------
    streams : iterable of Stream
        Two of the same venue, symbol, kind and timeframe are joined when they do not overlap, else refused.
    instruments, tiers, venue_events : iterable of dict
        Rows of the small tables: the columns of feeds.md 4.3 plus `venue` and `symbol`.
    """

    def __init__(
        self,
        streams: Iterable[Stream],
        *,
        instruments: Iterable[Rule] = (),
        tiers: Iterable[Rule] = (),
        venue_events: Iterable[Rule] = (),
    ) -> None:
        found: dict[tuple[str, str, str, int], Stream] = {}
        for stream in streams:
            found[stream.key] = found[stream.key].joined(stream) if stream.key in found else stream
        order = {kind: place for place, kind in enumerate(KINDS)}
        self.streams: tuple[Stream, ...] = tuple(
            sorted(found.values(), key=lambda s: (s.venue, s.symbol, order[s.kind], s.timeframe_ns))
        )
        self.instruments = _rules(instruments)
        self.tiers = _rules(tiers)
        self.venue_events = _rules(venue_events)

    def __add__(self, other: "Dataset") -> "Dataset":
        """Return one dataset with the streams and rules of both."""
        if not isinstance(other, Dataset):
            return NotImplemented
        return Dataset(
            self.streams + other.streams,
            instruments=self.instruments + other.instruments,
            tiers=self.tiers + other.tiers,
            venue_events=self.venue_events + other.venue_events,
        )

    def __radd__(self, other: Any) -> "Dataset":
        """Let ``sum(datasets)`` work."""
        return self if other == 0 else NotImplemented

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the unified names in the streams, sorted."""
        return tuple(sorted({stream.symbol for stream in self.streams}))

    @property
    def venues(self) -> tuple[str, ...]:
        """Return the venue ids in the streams, sorted."""
        return tuple(sorted({stream.venue for stream in self.streams}))

    @property
    def rows(self) -> int:
        """Return the number of rows of all streams."""
        return sum(stream.rows for stream in self.streams)

    @property
    def gaps(self) -> tuple[tuple[Stream, Gap], ...]:
        """Return every gap with its stream."""
        return tuple((stream, gap) for stream in self.streams for gap in stream.gaps)

    @property
    def findings(self) -> tuple[tuple[Stream, Finding], ...]:
        """Return every finding with its stream."""
        return tuple((stream, finding) for stream in self.streams for finding in stream.findings)

    @cached_property
    def fingerprint(self) -> str:
        """Return the hash (hex) of all content; independent of the order of streams and of how they are read."""
        lines = sorted(stream.fingerprint for stream in self.streams)
        for name in RULE_KINDS:
            lines += [f"{name}|{_rule_text(row)}" for row in getattr(self, name)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def between(self, start: Any = None, end: Any = None) -> "Dataset":
        """Return the dataset with ``start <= ts < end``; rules that came into force before `end` stay.

        Parameters
        ----------
        start, end : int, str, datetime, Timestamp or None
            ns, or anything `feeds.times.time_ns` reads.
        """
        low, high = moment(start, "start"), moment(end, "end")
        if low is not None and high is not None and low >= high:
            raise FeedError(f"start {iso(low)} is not before end {iso(high)}")
        cut = [stream.between(low, high) for stream in self.streams]
        return Dataset(
            [stream for stream in cut if stream.rows or stream.gaps],
            instruments=_before(self.instruments, high),
            tiers=_before(self.tiers, high),
            venue_events=_before(self.venue_events, high),
        )

    def select(
        self,
        *,
        kinds: str | Iterable[str] | None = None,
        symbols: str | Iterable[str] | None = None,
    ) -> "Dataset":
        """Return the streams of some kinds and symbols.

        Parameters
        ----------
        kinds : str or iterable of str, optional
            ``"bars"`` takes every timeframe, ``"bars:1m"`` one.
        symbols : str or iterable of str, optional
            ``SYMBOL`` or ``SYMBOL@venue``.

        Raises
        ------
        FeedError
            If one of them is not in the dataset.
        """
        wanted = _texts(kinds)
        places = None if symbols is None else [parse_address(text) for text in _texts(symbols) or ()]
        for text in wanted or ():
            if not any(text in (s.kind, join_kind(s.kind, s.timeframe_ns)) for s in self.streams):
                have = sorted({join_kind(s.kind, s.timeframe_ns) for s in self.streams})
                raise FeedError(f"kind {text!r} is not in the dataset; it has {', '.join(have)}")
        for place in places or ():
            if not any(place.symbol == s.symbol and place.venue in (None, s.venue) for s in self.streams):
                hint = suggest(place.symbol, self.symbols)
                raise FeedError(f"symbol {place.symbol!r} is not in the dataset{hint} (has {', '.join(self.symbols)})")

        def is_wanted(venue: str, symbol: str) -> bool:
            return places is None or any(p.symbol == symbol and p.venue in (None, venue) for p in places)

        def is_rule_wanted(row: Rule) -> bool:
            return row.get("symbol", "*") == "*" or is_wanted(row.get("venue", ""), row["symbol"])

        return Dataset(
            [
                stream
                for stream in self.streams
                if is_wanted(stream.venue, stream.symbol)
                and (wanted is None or {stream.kind, join_kind(stream.kind, stream.timeframe_ns)} & set(wanted))
            ],
            instruments=filter(is_rule_wanted, self.instruments),
            tiers=filter(is_rule_wanted, self.tiers),
            venue_events=filter(is_rule_wanted, self.venue_events),
        )

    def __repr__(self) -> str:
        """Return one line per stream: where, kind, rows, first and last time, gaps."""
        count = f"{len(self.streams)} stream{'s' if len(self.streams) != 1 else ''}"
        lines = [f"Dataset of {count}, {self.rows:,} rows, fingerprint {self.fingerprint[:12]}"]
        table = [
            (
                f"{s.symbol}@{s.venue}",
                join_kind(s.kind, s.timeframe_ns),
                f"{s.rows:,}",
                iso(s.ts_min) if s.rows else "-",
                iso(s.ts_max) if s.rows else "-",
                f"{len(s.gaps)} gap{'s' if len(s.gaps) != 1 else ''}" if s.gaps else "",
            )
            for s in self.streams
        ]
        widths = [max((len(row[i]) for row in table), default=0) for i in range(6)]
        for row in table:
            name, kind, rows, first, last, gaps = row
            lines.append(
                f"  {name:<{widths[0]}}  {kind:<{widths[1]}}  {rows:>{widths[2]}} rows  "
                f"{first:<{widths[3]}} .. {last:<{widths[4]}}  {gaps}".rstrip()
            )
        rules = [f"{len(getattr(self, name))} {name.replace('_', ' ')}" for name in RULE_KINDS if getattr(self, name)]
        return "\n".join(lines + ([f"  {', '.join(rules)}"] if rules else []))


def _texts(value: str | Iterable[str] | None) -> list[str] | None:
    """Return one text or several as a list."""
    return None if value is None else [value] if isinstance(value, str) else list(value)


def _rule_text(row: Rule) -> str:
    """Return a rule row as text that sorts and hashes the same everywhere."""
    return "|".join(f"{name}={row[name]}" for name in sorted(row) if row[name] is not None)


def _rules(rows: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return rule rows without repeats, by time, then by text."""
    unique = {_rule_text(row): dict(row) for row in rows}
    return tuple(unique[text] for text in sorted(unique, key=lambda text: (unique[text]["ts"], text)))


def _before(rows: tuple[Rule, ...], end: int | None) -> tuple[Rule, ...]:
    """Return the rules that came into force before `end`."""
    return tuple(row for row in rows if end is None or row["ts"] < end)
