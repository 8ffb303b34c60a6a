"""Files of Bybit: public trades, spot trades, MetaTrader klines, the order book as JSON lines."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from feeds.formats.candles import candle_piece
from feeds.formats.files import Source
from feeds.formats.heads import Head, json_lines
from feeds.formats.messages import Messages, ms, pairs, read_messages
from feeds.formats.records import Records, gathered, read_records
from feeds.formats.shape import Format, Piece, Wanted, looks_like
from feeds.schema import FLAGS

COLUMNS = (
    *("timestamp", "symbol", "side", "size", "price", "tickDirection", "trdMatchID", "grossValue", "homeNotional"),
    "foreignNotional",
)
_KLINES = ("time", "open", "high", "low", "close", "volume")
_MT4_ZONE_NS = 3 * 3_600_000_000_000  # the MetaTrader files are in UTC+3 (feeds.md 2.2)

TRADES = Records(
    kind="trades",
    fields={
        "ts": ("time", ("timestamp",)),
        "price": ("number", ("price",)),
        "quantity": ("number", ("size",)),
        "side": ("side", ("side",)),
        "rpi": ("text", ("RPI",)),
    },
    headers=(COLUMNS, (*COLUMNS, "RPI")),
    symbol="symbol",
)
# Their id begins again at 1 in every file, so it names nothing.
SPOT = Records(
    kind="trades",
    fields={
        "ts": ("time", ("timestamp",)),
        "price": ("number", ("price",)),
        "quantity": ("number", ("volume",)),
        "side": ("side", ("side",)),
        "rpi": ("text", ("rpi",)),
    },
    headers=(("id", "timestamp", "price", "volume", "side"), ("id", "timestamp", "price", "volume", "side", "rpi")),
)
KLINES = Records(
    kind="bars",
    fields={
        "ts": ("time", ("time",)),
        **{name: ("number", (name,)) for name in ("open", "high", "low", "close", "volume")},
    },
    headers=(),
    bare=(("mddddd", _KLINES),),
)


def has_dates(head: Head) -> bool:
    """Whether the times of the shared header are dates, as BitMEX writes them, and not Bybit's decimal seconds."""
    texts = head.text(head.columns.index("timestamp"))
    return bool(texts) and "-" in texts[0]


def _read_trades(records: Records, venue: str, source: Source, head: Head) -> Iterator[Piece]:
    for piece in read_records(source, head, records):
        columns = dict(piece.columns)
        if (rpi := columns.pop("rpi", None)) is not None:
            columns["flags"] = [
                FLAGS["rpi"] if text == "1" or str(text).lower() == "true" else 0 for text in rpi.to_pylist()
            ]
        yield replace(piece, venue=venue, columns=columns)


def _read_derivatives(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read trades; older files are newest first and inverse ones name their notionals the other way round."""
    yield from _read_trades(TRADES, "bybit", source, head)


def _read_spot(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    yield from _read_trades(SPOT, "bybit_spot", source, head)


def _read_klines(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    for piece in gathered(read_records(source, head, KLINES)):
        columns = {**piece.columns, "ts": np.asarray(piece.columns["ts"]) - _MT4_ZONE_NS}
        yield replace(candle_piece("bars", columns, wanted, source.where, piece.notes), venue="bybit")


def _is_book(head: Head) -> bool:
    first = head.objects[0] if head.objects else None
    return isinstance(first, dict) and str(first.get("topic", "")).startswith("orderbook.")


def take_book(found: Messages, receipt: int, message: Any) -> None:
    """File a snapshot or a delta; update ids rise by one, and a size of 0 takes a level away."""
    body = message["data"]
    sent = ms(message["ts"])
    made = ms(message["cts"]) if "cts" in message else sent
    is_snapshot = message["type"] == "snapshot"
    update = int(body["u"])
    shared = (made, max(sent, made, receipt), update, -1 if is_snapshot else update - 1, int(is_snapshot))
    found.levels(body["s"], shared, ((1, pairs(body["b"])), (-1, pairs(body["a"]))))


def _read_book(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read the book; the rows do not say whether XRPUSDT is the spot pair or the contract."""
    yield from read_messages(json_lines(source), Messages(None), take_book, source.where)


FORMATS = (
    Format(
        "bybit-trades",
        "Bybit public trades of contracts",
        lambda head: TRADES.fits(head) and not has_dates(head),
        _read_derivatives,
    ),
    Format("bybit-spot-trades", "Bybit public trades of spot pairs", SPOT.fits, _read_spot),
    Format(
        "bybit-mt4-klines",
        "Bybit klines for MetaTrader 4 (UTC+3)",
        lambda head: looks_like(head, "mddddd"),
        _read_klines,
    ),
    Format("bybit-book", "Bybit order book (JSON lines of snapshots and deltas)", _is_book, _read_book),
)
