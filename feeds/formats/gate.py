"""Monthly files of Gate futures, none with a header: trades, candlesticks, marks, funding."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from feeds.formats.candles import candle_piece
from feeds.formats.files import Source
from feeds.formats.heads import Head
from feeds.formats.records import Records, gathered, read_records
from feeds.formats.shape import Format, Piece, Wanted, looks_like

VENUE = "gate"
# A rate beyond this is none; a price below it may be one, and then the user has to say what the file is.
_LARGEST_RATE = 0.05

TRADES = Records(
    kind="trades",
    fields={
        "ts": ("time", ("time",)),
        "id": ("integer", ("id",)),
        "price": ("number", ("price",)),
        "signed": ("number", ("size",)),
    },
    headers=(),
    bare=(("sidd", ("time", "id", "price", "size")),),
)
CANDLES = Records(
    kind="bars",
    fields={
        "ts": ("time", ("time",)),
        **{name: ("number", (name,)) for name in ("open", "high", "low", "close", "volume")},
    },
    headers=(),
    bare=(("sddddd", ("time", "volume", "close", "high", "low", "open")),),
)
MARKS = Records(
    kind="mark",
    fields={"ts": ("time", ("time",)), "price": ("number", ("price",))},
    headers=(),
    bare=(("sd", ("time", "price")),),
)
FUNDING = replace(
    MARKS,
    kind="funding",
    fields={"ts": ("time", ("time",)), "rate": ("number", ("price",))},
    constants={"interval_s": 0},
)


def _read_trades(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read trades, whose size has the sign of the taker: contracts, negative when he sold."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for piece in read_records(source, head, TRADES):
        columns = dict(piece.columns)
        texts = columns.pop("signed").cast(pa.string())
        sold = pc.starts_with(texts, "-")
        columns["side"] = pc.if_else(sold, pa.scalar(-1, pa.int8()), pa.scalar(1, pa.int8()))
        columns["quantity"] = pc.replace_substring_regex(texts, "^[-+]", "")
        yield replace(piece, venue=VENUE, columns=columns)


def _read_candles(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    for piece in gathered(read_records(source, head, CANDLES)):
        bars = candle_piece("bars", dict(piece.columns), wanted, source.where, piece.notes)
        yield replace(bars, venue=VENUE)


def _read_points(records: Records, source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    for piece in read_records(source, head, records):
        yield replace(piece, venue=VENUE)


def _are_candles(head: Head) -> bool:
    """Whether six columns are in Gate's order: time, volume, close, high, low, open."""
    if not looks_like(head, "sddddd"):
        return False
    close, high, low, opened = (head.numbers(place) for place in (2, 3, 4, 5))
    return bool(np.all((high >= np.maximum(opened, close)) & (low <= np.minimum(opened, close)) & (low > 0)))


def _points(head: Head) -> set[str]:
    """What two columns of time and number can be: marks are above 0, rates near it."""
    if not looks_like(head, "sd"):
        return set()
    values = head.numbers(1)
    can = {"mark"} if np.all(values > 0) else set()
    return can | ({"funding"} if np.all(np.abs(values) <= _LARGEST_RATE) else set())


FORMATS = (
    Format("gate-trades", "Gate futures trades (no header)", TRADES.fits, _read_trades),
    Format("gate-candles", "Gate futures candlesticks (no header)", _are_candles, _read_candles),
    Format(
        "gate-mark",
        "Gate futures mark prices (no header)",
        lambda head: "mark" in _points(head),
        partial(_read_points, MARKS),
    ),
    Format(
        "gate-funding",
        "Gate futures funding (no header)",
        lambda head: "funding" in _points(head),
        partial(_read_points, FUNDING),
    ),
)
