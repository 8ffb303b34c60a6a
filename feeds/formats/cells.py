"""Cells of vendor files to typed Arrow columns: times, sides, flags, exact decimals."""

import re
from typing import TYPE_CHECKING, Any

from feeds.errors import FeedError

if TYPE_CHECKING:
    import pyarrow as pa

# Epoch units by magnitude (rule T2 of the validation table): from 2001-09 to the year 2286 in each unit.
_UNITS = ((10**9, "s", 10**9), (10**12, "ms", 10**6), (10**15, "us", 10**3), (10**18, "ns", 1))
_SIDES = {
    "buy": 1,
    "b": 1,
    "bid": 1,
    "long": 1,
    "1": 1,
    "+1": 1,
    "sell": -1,
    "s": -1,
    "ask": -1,
    "a": -1,
    "short": -1,
    "-1": -1,
    "unknown": 0,
    "none": 0,
    "": 0,
    "0": 0,
}
_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
# Decimal seconds, at most ns; BitMEX puts a D between day and hour; MetaTrader has points in its days.
_SECONDS = r"^\d{10}\.\d{1,9}$|^\d{10}$"
_ZONE = re.compile(r"\(\s*UTC\s*([+-]\d{1,2})?(?::?00)?\s*\)", re.IGNORECASE)


def epoch_unit(values: "pa.Array | pa.ChunkedArray") -> tuple[str, int]:
    """Return the unit of integer epochs and its length in ns, by magnitude.

    Raises
    ------
    FeedError
        If the smallest and the largest value are not of one unit, or of none: a unit is never guessed row by row.
    """
    import pyarrow.compute as pc

    ends = pc.min_max(values).as_py()
    low, high = (next((unit for unit in _UNITS if unit[0] <= end < 10 * unit[0]), None) for end in ends.values())
    if low is None or low != high:
        first, last = (
            f"{end} ({'no unit' if unit is None else unit[1]})"
            for end, unit in zip(ends.values(), (low, high), strict=True)
        )
        raise FeedError(
            f"epochs from {first} to {last}; all must be of one unit: s (1e9 to 1e10), ms (1e12 to 1e13), us (1e15 to "
            "1e16) or ns (1e18 to 1e19); split the file or correct the rows"
        )
    return low[1], low[2]


def times(cells: "pa.Array | pa.ChunkedArray", *, header: str = "") -> "pa.Array | pa.ChunkedArray":
    """Return int64 ns UTC from epochs (unit by magnitude), timestamps, or ISO text.

    Parameters
    ----------
    cells : pyarrow.Array or ChunkedArray
        Integers, timestamps, dates, or text; text without a zone is UTC unless the header says otherwise.
    header : str
        Column name; `(UTC+8)` in it shifts text without a zone.

    Raises
    ------
    FeedError
        If the unit is not clear or a text is not a time.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as types

    if types.is_string(cells.type) or types.is_large_string(cells.type):
        return _text_times(cells, header)
    if types.is_timestamp(cells.type) or types.is_date(cells.type):
        return pc.cast(cells, pa.timestamp("ns", getattr(cells.type, "tz", None))).cast(pa.int64())
    if not types.is_integer(cells.type):
        raise FeedError(
            f"column {header!r}: a time must be an integer epoch, a timestamp or ISO text, got {cells.type}"
        )
    if len(cells) == cells.null_count:
        return cells.cast(pa.int64())
    return pc.multiply_checked(cells.cast(pa.int64()), epoch_unit(cells)[1])


def _text_times(cells: "pa.Array | pa.ChunkedArray", header: str) -> "pa.Array | pa.ChunkedArray":
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = pc.utf8_trim_whitespace(cells.cast(pa.string()))
    filled = cells.drop_null()
    if len(filled) and pc.all(pc.match_substring_regex(filled, _SECONDS)).as_py():
        return _decimal_seconds(cells)
    cells = pc.replace_substring_regex(cells, r"^(\d{4}-\d\d-\d\d)D", r"\1T")
    cells = pc.replace_substring_regex(cells, r"^(\d{4})\.(\d\d)\.(\d\d) ", r"\1-\2-\3 ")
    if len(filled) and pc.all(pc.match_substring_regex(filled, r"^\d+$")).as_py():
        return times(cells.cast(pa.int64()), header=header)
    zoned = bool(len(filled)) and pc.match_substring_regex(filled, r"(Z|[+-]\d\d(:?\d\d)?)$").to_pylist()[0]
    zoned = zoned and len(filled[0].as_py()) > len("2020-01-01")
    try:
        stamps = pc.cast(cells, pa.timestamp("ns", "UTC" if zoned else None)).cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise FeedError(f"column {header!r}: not an epoch and not an ISO time: {error}") from error
    zone = _ZONE.search(header)
    hours = int(zone.group(1)) if zone and zone.group(1) and not zoned else 0
    return pc.subtract(stamps, hours * 3_600_000_000_000)


def _decimal_seconds(cells: "pa.Array | pa.ChunkedArray") -> "pa.Array | pa.ChunkedArray":
    """Return ns of seconds with a decimal point, exactly: a double would lose the last digit."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = pc.extract_regex(cells, r"^(?P<whole>\d+)\.?(?P<rest>\d*)$")
    whole, rest = (pc.struct_field(parts, name) for name in ("whole", "rest"))
    nanoseconds = pc.utf8_rpad(rest, width=9, padding="0")
    return pc.add(pc.multiply(whole.cast(pa.int64()), 10**9), nanoseconds.cast(pa.int64()))


def coded(cells: "pa.Array | pa.ChunkedArray", codes: dict[str, Any], kind: Any, header: str) -> "pa.Array":
    """Replace words by codes through the few distinct values of the column."""
    import pyarrow as pa
    import pyarrow.compute as pc

    words = pc.dictionary_encode(cells)
    array = words.combine_chunks() if isinstance(words, pa.ChunkedArray) else words
    spelled = array.dictionary.cast(pa.string()).to_pylist()
    unknown = [word for word in spelled if str(word).strip().lower() not in codes]
    if unknown:
        raise FeedError(f"column {header!r}: {unknown[0]!r} is not one of {', '.join(filter(None, codes))}")
    return pa.array([codes[word.strip().lower()] for word in spelled], kind).take(array.indices)


def sides(cells: "pa.Array | pa.ChunkedArray", *, header: str = "side") -> "pa.Array":
    """Return int8 +1 for a buy, -1 for a sell, 0 for unknown (empty)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return coded(pc.fill_null(pc.cast(cells, pa.string()), ""), _SIDES, pa.int8(), header)


def flags(cells: "pa.Array | pa.ChunkedArray", *, header: str = "flag") -> "pa.Array":
    """Return booleans from true/false in any case, or 1/0; empty stays null."""
    import pyarrow as pa
    import pyarrow.types as types

    if types.is_boolean(cells.type):
        return cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
    return coded(cells, _FLAGS, pa.bool_(), header)


def taker_side(buyer_is_maker: "pa.Array | pa.ChunkedArray", *, header: str = "is_buyer_maker") -> "pa.Array":
    """Return the aggressor's side: when the buyer was the maker, the aggressor sold."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(flags(buyer_is_maker, header=header), pa.scalar(-1, pa.int8()), pa.scalar(1, pa.int8()))


def numbers(cells: "pa.Array", *, header: str = "number") -> "pa.Array":
    """Return numbers as they are, text included, with NaN and infinities as nulls; float32 by its shortest decimal."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as types

    if types.is_floating(cells.type):
        finite = pc.if_else(pc.is_finite(cells), cells, pa.scalar(None, cells.type))
        # A float32 widened to a double would show digits that nobody published.
        return finite if types.is_float64(cells.type) else finite.cast(pa.string())
    if types.is_integer(cells.type) or types.is_decimal(cells.type) or types.is_string(cells.type):
        return cells
    if types.is_large_string(cells.type):
        return cells.cast(pa.string())
    raise FeedError(f"column {header!r}: {cells.type} is not a number")
