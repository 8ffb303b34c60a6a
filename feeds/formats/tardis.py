"""CSV files of tardis.dev: trades, liquidations, marks, index prices and open interest of derivative tickers."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from feeds.formats.files import Source
from feeds.formats.heads import Head
from feeds.formats.records import Records, read_records
from feeds.formats.shape import Format, Piece, Wanted

KEYS = ("exchange", "symbol", "timestamp", "local_timestamp")
# tardis exchange ids and ours; an id that is not here is kept, and is then refused by name unless we know it.
VENUES = {
    "binance-futures": "binance_usdm",
    "binance-delivery": "binance_coinm",
    "binance": "binance_spot",
    "bybit": "bybit",
    "bybit-spot": "bybit_spot",
    "okex-swap": "okx",
    "okex-futures": "okx",
    "okex": "okx",
    "deribit": "deribit",
    "bitmex": "bitmex",
    "cryptofacilities": "krakenfutures",
    "gate-io-futures": "gate",
    "bitget-futures": "bitget",
    "hyperliquid": "hyperliquid",
    "dydx-v4": "dydx",
    "coinbase": "coinbase",
    "gemini": "gemini",
    "okex-options": "okx",
    "bybit-options": "bybit",
    "kucoin-futures": "kucoinfutures",
    "huobi-dm-swap": "htx",
    "huobi-dm-linear-swap": "htx",
}
# A receipt in every row, which is when the row could be known.
SHARED = {"ts": ("time", ("timestamp",)), "ts_avail": ("time", ("local_timestamp",))}

TRADES = Records(
    kind="trades",
    fields={
        **SHARED,
        "id": ("id", ("id",)),
        "price": ("number", ("price",)),
        "quantity": ("number", ("amount",)),
        "side": ("side", ("side",)),
    },
    headers=((*KEYS, "id", "side", "price", "amount"),),
    venue="exchange",
    symbol="symbol",
)
TICKER = (
    *KEYS,
    *("funding_timestamp", "funding_rate", "predicted_funding_rate", "open_interest", "last_price"),
    *("index_price", "mark_price"),
)


def _points(kind: str, target: str, column: str) -> Records:
    """One series of the derivative ticker, in which each row repeats what did not change."""
    return Records(
        kind=kind,
        fields={**SHARED, target: ("number", (column,))},
        headers=(TICKER,),
        venue="exchange",
        symbol="symbol",
    )


SERIES = (
    _points("mark", "price", "mark_price"),
    _points("index", "price", "index_price"),
    _points("open_interest", "native", "open_interest"),
)


def venue_of(exchange: str | None) -> str | None:
    """Return our id of a tardis exchange; one that we have no name for stays as it is."""
    return VENUES.get(str(exchange), exchange)


def read_tardis(records: Records, source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Yield the rows of a file of records with our venue ids."""
    for piece in read_records(source, head, records):
        columns = dict(piece.columns)
        # A receipt stamp of a clock that runs behind the venue's cannot make data known before it happened.
        columns["ts_avail"] = np.maximum(np.asarray(columns["ts_avail"]), np.asarray(columns["ts"]))
        yield replace(piece, venue=venue_of(piece.venue), columns=columns)


LIQUIDATIONS = Records(
    kind="liquidations",
    fields={
        **SHARED,
        "price": ("number", ("price",)),
        "quantity": ("number", ("amount",)),
        "side": ("side", ("side",)),
    },
    headers=((*KEYS, "id", "side", "price", "amount"),),
    venue="exchange",
    symbol="symbol",
    constants={"coverage": "sampled"},
)

FORMATS = (
    Format("tardis-trades", "tardis.dev trades CSV", TRADES.fits, partial(read_tardis, TRADES), may_be_empty=True),
    # The header is that of trades. A file is taken for trades, but not against its own name: then format= must say it.
    Format(
        "tardis-liquidations",
        "tardis.dev liquidations CSV",
        lambda head: LIQUIDATIONS.fits(head) and "liquidation" in head.name,
        partial(read_tardis, LIQUIDATIONS),
        may_be_empty=True,
    ),
)
