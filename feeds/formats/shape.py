"""What a format is: how it is recognised, and how its rows become columns of a kind."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from feeds.errors import FeedError
from feeds.findings import Finding
from feeds.formats.files import Source
from feeds.formats.heads import Head


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user said about the data beside the path.

    Attributes
    ----------
    venue : str or None
        Venue id.
    symbol : str or None
        Unified or native.
    timeframe_ns : int
        0 when not given.
    kind : str or None
        For formats whose content fits more than one kind.
    columns : mapping of str to str
        Canonical name to header name, for the generic CSV.
    valid_from : int or None
        Instant in ns from which tables of rules hold.
    """

    venue: str | None = None
    symbol: str | None = None
    timeframe_ns: int = 0
    kind: str | None = None
    columns: Mapping[str, str] | None = None
    valid_from: int | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of one kind and one instrument, before scales and repairs.

    Attributes
    ----------
    kind : str
        Bare word.
    columns : mapping of str to pyarrow.Array or ndarray, each of shape (n,)
        Canonical names; prices, sizes and rates are text, decimals, integers or floats; times int64 ns.
    venue, symbol : str or None
        What the content says; None when it does not. `symbol` is native, or unified where the content is.
    timeframe_ns : int
        0 for points.
    is_derived : bool
        Whether `symbol` comes from what the user or the file name says, and not from the rows: then it is not checked
        against `symbol=`, as for the spot leg of a panel that was asked for by its perpetual.
    notes : tuple of Finding
        What the reading found: rows dropped, filler, columns left out.
    is_one_of_many : bool
        Whether the file holds many instruments: then one whose name has no form here is left out and counted, where
        in a file of its own it is an error.
    """

    kind: str
    columns: Mapping[str, Any]
    venue: str | None = None
    symbol: str | None = None
    timeframe_ns: int = 0
    is_derived: bool = False
    notes: tuple[Finding, ...] = ()
    is_one_of_many: bool = False


Reader = Callable[[Source, Head, Wanted], Iterator[Piece]]


@dataclass(frozen=True, slots=True)
class Format:
    """One vendor format.

    Attributes
    ----------
    name : str
        What `format=` accepts.
    what : str
        One line for listings.
    fits : callable
        Whether a head looks like this format; looks at header, column count and values only.
    read : callable
        Yields pieces; a file is read once, in batches.
    may_be_empty : bool
        Whether the vendor documents a file without rows as "no data" (rule A2); elsewhere it is an error.
    zone_h : int or None
        For vendors whose file names carry the day or month of the rows: by how many hours that day is ahead of UTC.
        None where names say nothing (rules T3, T4).
    """

    name: str
    what: str
    fits: Callable[[Head], bool]
    read: Reader
    may_be_empty: bool = False
    zone_h: int | None = None


_PATTERNS = {
    "i": r"\d+",
    "d": r"(-?\d+(\.\d*)?([eE][-+]?\d+)?)?",
    "t": r"\d{13}(\d{3})?(\d{3})?",
    "s": r"\d{10}(\.\d{1,9})?",
    "m": r"\d{4}\.\d\d\.\d\d \d\d:\d\d",
    "b": r"[Tt]rue|[Ff]alse|TRUE|FALSE",
}


def looks_like(head: Head, shape: str) -> bool:
    """Whether the sampled rows of a file without header have these columns.

    Parameters
    ----------
    head : Head
    shape : str
        One letter a column: i integer, d decimal, t epoch in ms, us or ns, s decimal seconds, m minute of MetaTrader,
        b true/false.
    """
    if head.columns or head.width != len(shape) or not head.rows:
        return False
    patterns = [re.compile(_PATTERNS[letter]) for letter in shape]
    return all(len(row) == len(shape) and all(map(_fullmatch, patterns, row)) for row in head.rows)


def _fullmatch(pattern: Any, text: str) -> bool:
    return pattern.fullmatch(text.strip()) is not None


def wanted_timeframe(found_ns: int, wanted: Wanted, where: str) -> int:
    """Return the timeframe that the content shows, or raise when the user said another (rule I4)."""
    from feeds.schema import timeframe_text

    if wanted.timeframe_ns and wanted.timeframe_ns != found_ns:
        raise FeedError(
            f"{where}: timeframe={timeframe_text(wanted.timeframe_ns)!r} was given, but the rows are "
            f"{timeframe_text(found_ns)!r} long"
        )
    return found_ns


def spacing_ns(stamps: Any, where: str) -> int:
    """Return the most common positive step between sorted distinct stamps, which is the timeframe of bars.

    Raises
    ------
    FeedError
        If there are fewer than two stamps, or a step is not a multiple of the most common one.
    """
    import numpy as np

    distinct = np.unique(np.asarray(stamps, dtype=np.int64))
    if distinct.size < 2:
        raise FeedError(f"{where}: one row does not show its timeframe; give timeframe=, as timeframe='1h'")
    steps, counts = np.unique(np.diff(distinct), return_counts=True)
    step = int(steps[np.argmax(counts)])
    odd = steps[steps % step != 0]
    if odd.size:
        raise FeedError(
            f"{where}: rows are {step / 1e9:g} s apart most of the time, but a step of {odd[0] / 1e9:g} s is no "
            "multiple of that; give timeframe= and a file with one timeframe"
        )
    return step
