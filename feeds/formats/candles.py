"""Candles of freqtrade (Feather, JSON) and ccxt OHLCV lists: trade bars, mark bars and funding in one shape."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from feeds.errors import FeedError
from feeds.formats.files import Source
from feeds.formats.heads import Head
from feeds.formats.records import Records, gathered, read_records
from feeds.formats.shape import Format, Piece, Wanted, spacing_ns, wanted_timeframe
from feeds.funding_grid import intervals_of

_COLUMNS = ("date", "open", "high", "low", "close", "volume")

CANDLES = Records(
    kind="bars",
    fields={
        "ts": ("time", ("date",)),
        "open": ("number", ("open",)),
        "high": ("number", ("high",)),
        "low": ("number", ("low",)),
        "close": ("number", ("close",)),
        "volume": ("number", ("volume",)),
    },
    headers=(_COLUMNS,),
    bare=(("tddddd", _COLUMNS),),
)

# Marks and indices have no volume: some venues give 0, some nothing.
PRICES = replace(CANDLES, fields={target: field for target, field in CANDLES.fields.items() if target != "volume"})


def _series(head: Head) -> str | None:
    """Return what the rows are: freqtrade keeps funding as candles with only an open, and mark candles without volume.

    Only these zeros tell the three apart; a file whose volume is zero throughout is taken for marks.
    """
    if not CANDLES.fits(head) or not head.rows or not (head.types or head.table is not None):
        return None
    names = CANDLES.names(head)
    high, low, close, volume = (head.numbers(names.index(name)) for name in ("high", "low", "close", "volume"))
    if np.any(np.nan_to_num(volume) != 0):
        return "bars"
    is_empty = not np.any(np.nan_to_num(high)) and not np.any(np.nan_to_num(low)) and not np.any(np.nan_to_num(close))
    return "funding" if is_empty else "mark"


def _read(kind: str, source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read all rows at once: the timeframe is the spacing of the whole file."""
    for piece in gathered(read_records(source, head, candles_of(kind))):
        yield candle_piece(kind, dict(piece.columns), wanted, source.where, piece.notes)


def candles_of(kind: str) -> Records:
    """Return the columns that rows of a kind need."""
    return CANDLES if kind == "bars" else PRICES


def candle_piece(kind: str, columns: dict[str, Any], wanted: Wanted, where: str, notes: Any = ()) -> Piece:
    """Return the piece of bars, mark bars or funding whose values stand in sorted columns of candles."""
    stamps = np.asarray(columns["ts"])
    if not stamps.size:
        raise FeedError(f"{where}: no row has all the numbers that {kind} need")
    if kind == "funding":
        found = {"ts": stamps, "rate": columns["open"], "interval_s": intervals_of(stamps)}
        return Piece("funding", found, notes=notes)
    known = wanted.timeframe_ns if np.unique(stamps).size < 2 and wanted.timeframe_ns else spacing_ns(stamps, where)
    length = wanted_timeframe(known, wanted, where)
    return Piece(kind, columns, timeframe_ns=length, notes=notes)


FORMATS = (
    Format(
        "freqtrade-candles",
        "freqtrade candles (Feather)",
        lambda head: bool(head.types) and _series(head) == "bars",
        partial(_read, "bars"),
    ),
    Format("freqtrade-mark", "freqtrade mark candles", lambda head: _series(head) == "mark", partial(_read, "mark")),
    Format(
        "freqtrade-funding",
        "freqtrade funding rates kept as candles",
        lambda head: _series(head) == "funding",
        partial(_read, "funding"),
    ),
    Format(
        "ccxt-ohlcv",
        "ccxt OHLCV list saved as JSON; freqtrade's JSON candles are the same",
        lambda head: head.table is not None and _series(head) == "bars",
        partial(_read, "bars"),
    ),
)
