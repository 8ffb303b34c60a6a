"""Files of OKX: trades, candles, funding of all swaps, the order book as JSON lines."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from feeds.formats.candles import candle_piece
from feeds.formats.files import Source
from feeds.formats.heads import Head, json_lines
from feeds.formats.messages import Messages, ms, pairs, read_messages
from feeds.formats.records import Records, gathered, read_records
from feeds.formats.shape import Format, Piece, Wanted

_TRADES = ("trade_id", "side", "size", "price", "created_time")
_FUNDING = ("instrument_name", "funding_rate", "funding_time")
_CANDLES = ("open", "high", "low", "close", "vol", "open_time")

TRADES = Records(
    kind="trades",
    fields={
        "ts": ("time", ("created_time",)),
        "id": ("integer", ("trade_id",)),
        "price": ("number", ("price",)),
        "quantity": ("number", ("size",)),
        "side": ("side", ("side",)),
    },
    headers=(("instrument_name", *_TRADES), _TRADES),
    symbol="instrument_name",
)
FUNDING = Records(
    kind="funding",
    fields={"ts": ("time", ("funding_time",)), "rate": ("number", ("funding_rate",))},
    headers=(_FUNDING, ("contract_type", *_FUNDING)),
    symbol="instrument_name",
    # The files hold one day, in which a new swap may have a single row: the whole import tells the interval.
    constants={"interval_s": 0},
)
CANDLES = Records(
    kind="bars",
    fields={
        "ts": ("time", ("open_time",)),
        **{name: ("number", (name,)) for name in ("open", "high", "low", "close")},
        "volume": ("number", ("vol",)),
        "quote_volume": ("number", ("vol_quote",)),
    },
    headers=(("instrument_name", *_CANDLES),),
    symbol="instrument_name",
    loose=True,
)


def _read(records: Records, source: Source, head: Head) -> Iterator[Piece]:
    for piece in read_records(source, head, records):
        yield replace(piece, venue="okx", is_one_of_many=piece.symbol is not None)


def _read_trades(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read trades; a file holds a day of UTC+8, which the rows themselves put on the right days of UTC."""
    yield from _read(TRADES, source, head)


def _read_funding(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    yield from _read(FUNDING, source, head)


def _read_candles(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    for piece in gathered(_read(CANDLES, source, head)):
        bars = candle_piece("bars", dict(piece.columns), wanted, source.where, piece.notes)
        yield replace(bars, venue="okx", symbol=piece.symbol, is_one_of_many=True)


def _is_book(head: Head) -> bool:
    first = head.objects[0] if head.objects else None
    return isinstance(first, dict) and {"instId", "action", "asks", "bids", "ts"} <= set(first)


def take_book(found: Messages, receipt: int, message: Any) -> None:
    """File a snapshot (every 15 min) or an update."""
    stamp = ms(message["ts"])
    is_snapshot = message["action"] == "snapshot"
    seq, before = (int(message.get(name, -1)) for name in ("seqId", "prevSeqId"))
    shared = (stamp, max(stamp, receipt), seq, -1 if is_snapshot else before, int(is_snapshot))
    found.levels(message["instId"], shared, ((1, pairs(message["bids"])), (-1, pairs(message["asks"]))))


def _read_book(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    yield from read_messages(json_lines(source), Messages("okx"), take_book, source.where)


FORMATS = (
    Format("okx-trades", "OKX trades and aggregated trades, header in one language or two", TRADES.fits, _read_trades),
    Format("okx-funding", "OKX funding of all swaps", FUNDING.fits, _read_funding),
    Format("okx-candles", "OKX candlesticks", CANDLES.fits, _read_candles),
    Format("okx-book", "OKX order book (JSON lines of snapshots and updates)", _is_book, _read_book),
)
