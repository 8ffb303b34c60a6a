"""Lists that ccxt returns: OHLCV, funding-rate histories and trades, saved as JSON or in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from feeds.errors import FeedError
from feeds.formats import candles
from feeds.formats.files import Source
from feeds.formats.heads import Head, json_head
from feeds.formats.records import Records, gathered, read_records
from feeds.formats.shape import Format, Piece, Wanted
from feeds.funding_grid import intervals_of
from feeds.schema import BAR_KINDS

FUNDING = Records(
    kind="funding",
    fields={
        "ts": ("time", ("timestamp",)),
        "rate": ("number", ("fundingRate",)),
        "mark": ("number", ("info.markPrice",)),
    },
    headers=(("symbol", "fundingRate", "timestamp"),),
    symbol="symbol",
    loose=True,
)
TRADES = Records(
    kind="trades",
    fields={
        "ts": ("time", ("timestamp",)),
        "id": ("id", ("id",)),
        "price": ("number", ("price",)),
        "quantity": ("number", ("amount",)),
        "side": ("side", ("side",)),
    },
    headers=(("id", "timestamp", "symbol", "side", "price", "amount"),),
    symbol="symbol",
    loose=True,
)
_IN_MEMORY = Source(Path("rows in memory"), "json")


def _read(records: Records, source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    for piece in gathered(read_records(source, head, records)):
        if piece.kind != "funding":
            yield piece
            continue
        stamps = np.asarray(piece.columns["ts"])
        yield replace(piece, columns={**piece.columns, "interval_s": intervals_of(stamps)})


def pieces_in_memory(rows: Sequence[Any], kind: str, wanted: Wanted) -> list[Piece]:
    """Return the pieces of a list that a ccxt call returned.

    Parameters
    ----------
    rows : sequence of lists or of dicts
        Six numbers a row for bars, mark, index and premium; `fetch_funding_rate_history` and `fetch_trades` dicts.
    kind : str
        Bare word.
    wanted : Wanted

    Raises
    ------
    FeedError
        If the rows are not of that kind.
    """
    head = json_head(list(rows))
    where = str(_IN_MEMORY.path)
    if kind in BAR_KINDS:
        if head.columns or head.width != 6:
            raise FeedError(
                f"{kind} rows from ccxt have six numbers (ms, open, high, low, close, volume); {head.describe()}"
            )
        found = gathered(read_records(_IN_MEMORY, head, candles.candles_of(kind)))
        return [candles.candle_piece(kind, dict(piece.columns), wanted, where, piece.notes) for piece in found]
    records = {"funding": FUNDING, "trades": TRADES}.get(kind)
    if records is None:
        raise FeedError(
            f"kind {kind!r} does not come as a ccxt list here; allowed: {', '.join(BAR_KINDS)}, funding, trades"
        )
    if not records.fits(head):
        raise FeedError(f"{kind} rows from ccxt have the keys {', '.join(records.headers[0])}; {head.describe()}")
    return list(_read(records, _IN_MEMORY, head, wanted))


def _fits(records: Records, head: Head) -> bool:
    return head.table is not None and records.fits(head)


FORMATS = (
    Format(
        "ccxt-funding",
        "ccxt funding-rate history saved as JSON",
        partial(_fits, FUNDING),
        partial(_read, FUNDING),
    ),
    Format("ccxt-trades", "ccxt trades saved as JSON", partial(_fits, TRADES), partial(_read, TRADES)),
)
