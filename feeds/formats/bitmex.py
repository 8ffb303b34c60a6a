"""Dumps of BitMEX, which closed in 2026: trades, quotes, trade buckets, liquidation orders."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from feeds.findings import Finding
from feeds.formats import bybit
from feeds.formats.candles import candle_piece
from feeds.formats.files import Source
from feeds.formats.heads import Head
from feeds.formats.records import Records, gathered, read_records
from feeds.formats.shape import Format, Piece, Wanted
from feeds.scales import decode, encode_together

_BUCKETS = ("open", "high", "low", "close", "trades", "volume", "vwap", "lastSize", "turnover")

TRADES = Records(
    kind="trades",
    fields={
        "ts": ("time", ("timestamp",)),
        "price": ("number", ("price",)),
        "quantity": ("number", ("size",)),
        "side": ("side", ("side",)),
    },
    headers=(bybit.COLUMNS, (*bybit.COLUMNS, "trdType")),
    symbol="symbol",
)
QUOTES = Records(
    kind="quotes",
    fields={
        "ts": ("time", ("timestamp",)),
        "bid_price": ("number", ("bidPrice",)),
        "bid_quantity": ("number", ("bidSize",)),
        "ask_price": ("number", ("askPrice",)),
        "ask_quantity": ("number", ("askSize",)),
    },
    headers=(("timestamp", "symbol", "bidSize", "bidPrice", "askPrice", "askSize"),),
    symbol="symbol",
)
BUCKETS = Records(
    kind="bars",
    fields={
        "ts": ("time", ("timestamp", "time_utc")),
        **{name: ("number", (name,)) for name in ("open", "high", "low", "close", "volume")},
        "count": ("integer", ("trades",)),
    },
    headers=(("timestamp", "symbol", *_BUCKETS), ("time_utc", *_BUCKETS)),
    symbol="symbol",
    loose=True,
)
LIQUIDATIONS = Records(
    kind="liquidations",
    fields={
        "ts": ("time", ("timestamp",)),
        "side": ("side", ("side",)),
        "price": ("number", ("price",)),
        "quantity": ("number", ("leavesQty",)),
    },
    headers=(("timestamp", "symbol", "side", "price", "leavesQty", "orderID"),),
    symbol="symbol",
    constants={"coverage": "sampled"},
)


def _read(records: Records, source: Source, head: Head) -> Iterator[Piece]:
    for piece in read_records(source, head, records):
        yield replace(piece, venue="bitmex", is_one_of_many=piece.symbol is not None)


def _read_trades(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read trades of all symbols of a day; settlements and indices (.BXBT) have no name here and are left out."""
    yield from _read(TRADES, source, head)


def _read_quotes(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    yield from _read(QUOTES, source, head)


def _read_liquidations(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    yield from _read(LIQUIDATIONS, source, head)


def _read_buckets(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read buckets: their stamp is the END of the bar, and their open is the close of the bar before."""
    for piece in gathered(_read(BUCKETS, source, head)):
        columns, notes = _with_open_inside(dict(piece.columns))
        bars = candle_piece("bars", columns, wanted, source.where, piece.notes + notes)
        opened_at = np.asarray(columns["ts"]) - bars.timeframe_ns
        yield replace(bars, columns={**columns, "ts": opened_at}, venue="bitmex", symbol=piece.symbol)


def _with_open_inside(columns: dict[str, Any]) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    """Move an open outside its bar to the nearest price of the bar: nobody traded at it in that bar (rule V4)."""
    prices, scale = encode_together({name: columns[name] for name in ("open", "high", "low")})
    inside = np.clip(prices["open"], prices["low"], prices["high"])
    moved = int(np.count_nonzero(inside != prices["open"]))
    if not moved:
        return columns, ()
    message = "opens that were the close of the bar before and outside their own: moved to its nearest price"
    return {**columns, "open": decode(inside, scale)}, (Finding("V4", "repair", moved, message),)


FORMATS = (
    Format(
        "bitmex-trades",
        "BitMEX trade dump",
        lambda head: TRADES.fits(head) and bybit.has_dates(head),
        _read_trades,
    ),
    Format("bitmex-quotes", "BitMEX quote dump", QUOTES.fits, _read_quotes),
    Format("bitmex-buckets", "BitMEX trade buckets (bars stamped at their end)", BUCKETS.fits, _read_buckets),
    Format("bitmex-liquidations", "BitMEX liquidation orders as a table", LIQUIDATIONS.fits, _read_liquidations),
)
