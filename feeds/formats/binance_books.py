"""Files of Binance Vision beside trades and bars: best prices, depth bands; and the premium index of all symbols."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from feeds.formats.binance_vision import futures_venue
from feeds.formats.files import Source
from feeds.formats.heads import Head
from feeds.formats.records import Records, read_records
from feeds.formats.shape import Format, Piece, Wanted

_TICKER = (
    *("update_id", "best_bid_price", "best_bid_qty", "best_ask_price", "best_ask_qty", "transaction_time"),
    "event_time",
)
_DEPTH = ("timestamp", "percentage", "depth", "notional")

TICKER = Records(
    kind="quotes",
    fields={
        "ts": ("time", ("transaction_time",)),
        "ts_avail": ("time", ("event_time",)),
        "bid_price": ("number", ("best_bid_price",)),
        "bid_quantity": ("number", ("best_bid_qty",)),
        "ask_price": ("number", ("best_ask_price",)),
        "ask_quantity": ("number", ("best_ask_qty",)),
        "update_id": ("integer", ("update_id",)),
    },
    headers=(_TICKER,),
    bare=(("iddddtt", _TICKER),),
)
DEPTH = Records(
    kind="depth",
    fields={
        "ts": ("time", ("timestamp",)),
        "percentage": ("number", ("percentage",)),
        "quantity": ("number", ("depth",)),
        "notional": ("number", ("notional",)),
    },
    headers=(_DEPTH, (*_DEPTH, "weighted_avg_price")),
)


def _points(kind: str, column: str) -> Records:
    """One series of the premium index, which is a row a symbol."""
    return Records(
        kind=kind,
        fields={"ts": ("time", ("time",)), "price": ("number", (column,))},
        headers=(("symbol", "markPrice", "indexPrice", "lastFundingRate", "nextFundingTime", "time"),),
        symbol="symbol",
        loose=True,
    )


_SERIES = (_points("mark", "markPrice"), _points("index", "indexPrice"))


def _venue(head: Head) -> str | None:
    return None if head.symbol is None else futures_venue(head.symbol)


def _read_ticker(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    for piece in read_records(source, head, TICKER):
        known = np.maximum(np.asarray(piece.columns["ts_avail"]), np.asarray(piece.columns["ts"]))
        yield replace(piece, columns={**piece.columns, "ts_avail": known}, venue=_venue(head))


def _read_depth(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read the size and value within some percent of the middle: sums, of which no book can be made."""
    for piece in read_records(source, head, DEPTH):
        yield replace(piece, venue=_venue(head))


def _read_premium_index(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read mark and index of all symbols at one time; a price of 0 means that the venue has none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for records in _SERIES:
        for piece in read_records(source, head, records):
            keep = pc.greater(pc.cast(piece.columns["price"], pa.float64()), 0)
            columns = {name: column.filter(keep) for name, column in piece.columns.items()}
            yield replace(piece, columns=columns, venue=futures_venue(str(piece.symbol)), is_one_of_many=True)


FORMATS = (
    Format("binance-bookticker", "Binance Vision bookTicker (best prices)", TICKER.fits, _read_ticker),
    Format("binance-bookdepth", "Binance Vision bookDepth (sums within bands, no book)", DEPTH.fits, _read_depth),
    Format(
        "binance-premium-index",
        "Binance premiumIndex of all symbols saved as JSON",
        _SERIES[0].fits,
        _read_premium_index,
    ),
)
