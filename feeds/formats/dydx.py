"""Answers of the dYdX v4 indexer saved as JSON: trades with their forced ones, candles, funding."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from feeds.formats.candles import candle_piece
from feeds.formats.files import Source
from feeds.formats.heads import Head
from feeds.formats.records import Records, gathered, read_records
from feeds.formats.shape import Format, Piece, Wanted
from feeds.schema import FLAGS

VENUE = "dydx"
_FLAGS = {"LIQUIDATED": FLAGS["liquidation"], "DELEVERAGED": FLAGS["adl"]}

TRADES = Records(
    kind="trades",
    fields={
        "ts": ("time", ("createdAt",)),
        "price": ("number", ("price",)),
        "quantity": ("number", ("size",)),
        "side": ("side", ("side",)),
        "type": ("text", ("type",)),
    },
    headers=(("id", "side", "size", "price", "type", "createdAt", "createdAtHeight"),),
    symbol="ticker",
    loose=True,
)
CANDLES = Records(
    kind="bars",
    fields={
        "ts": ("time", ("startedAt",)),
        **{name: ("number", (name,)) for name in ("open", "high", "low", "close")},
        "volume": ("number", ("baseTokenVolume",)),
        "quote_volume": ("number", ("usdVolume",)),
        "count": ("integer", ("trades",)),
        "interest": ("number", ("startingOpenInterest",)),
    },
    headers=(("startedAt", "ticker", "resolution", "open", "high", "low", "close", "baseTokenVolume", "trades"),),
    symbol="ticker",
    loose=True,
)
FUNDING = Records(
    kind="funding",
    fields={
        "ts": ("time", ("effectiveAt",)),
        "rate": ("number", ("rate",)),
        "mark": ("number", ("price",)),  # the oracle price, which dYdX marks positions with
    },
    headers=(("ticker", "rate", "price", "effectiveAt", "effectiveAtHeight"),),
    symbol="ticker",
    constants={"interval_s": 3600},
    loose=True,
)


def _read_trades(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read trades; the answer does not name its market, so the user or the file name does.

    The taker of a LIQUIDATED trade is the account that is liquidated.
    """
    for piece in read_records(source, head, TRADES):
        columns = dict(piece.columns)
        words = columns.pop("type").to_pylist()
        columns["flags"] = [_FLAGS.get(word, 0) for word in words]
        yield replace(piece, venue=VENUE, columns=columns)
        forced = np.flatnonzero([word == "LIQUIDATED" for word in words])
        if forced.size:
            found = {name: columns[name].take(forced) for name in ("ts", "price", "quantity", "side")}
            yield Piece("liquidations", found | {"coverage": ["full"] * forced.size}, VENUE, piece.symbol)


def _read_candles(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read candles, newest first as the indexer gives them, and the open interest that each begins with."""
    for piece in gathered(read_records(source, head, CANDLES)):
        columns = dict(piece.columns)
        interest = columns.pop("interest", None)
        bars = candle_piece("bars", columns, wanted, source.where, piece.notes)
        yield replace(bars, venue=VENUE, symbol=piece.symbol)
        if interest is not None and interest.null_count < len(interest):
            keep = interest.is_valid()
            found = {"ts": columns["ts"].filter(keep), "native": interest.filter(keep)}
            yield Piece("open_interest", found, VENUE, piece.symbol)


def _read_funding(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    for piece in read_records(source, head, FUNDING):
        yield replace(piece, venue=VENUE)


FORMATS = (
    Format("dydx-trades", "dYdX v4 indexer trades saved as JSON", TRADES.fits, _read_trades),
    Format("dydx-candles", "dYdX v4 indexer candles saved as JSON", CANDLES.fits, _read_candles),
    Format("dydx-funding", "dYdX v4 indexer historical funding saved as JSON", FUNDING.fits, _read_funding),
)
