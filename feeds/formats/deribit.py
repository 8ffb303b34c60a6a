"""Answers of Deribit saved as JSON: trades with their forced ones, funding history, option books as a table."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from feeds.formats.files import Source
from feeds.formats.heads import Head
from feeds.formats.records import Records, read_records
from feeds.formats.shape import Format, Piece, Wanted
from feeds.schema import FLAGS

TRADES = Records(
    kind="trades",
    fields={
        "ts": ("time", ("timestamp",)),
        # trade_id counts over all instruments; only trade_seq has no holes inside one (feeds.md 2.5).
        "id": ("integer", ("trade_seq",)),
        "price": ("number", ("price",)),
        "quantity": ("number", ("amount",)),
        "side": ("side", ("direction",)),
        "forced": ("text", ("liquidation",)),
        "block": ("text", ("block_trade_id",)),
    },
    headers=(("trade_seq", "trade_id", "timestamp", "price", "amount", "direction", "instrument_name"),),
    symbol="instrument_name",
    loose=True,
)
FUNDING = Records(
    kind="funding",
    fields={"ts": ("time", ("timestamp",)), "rate": ("number", ("interest_1h",))},
    headers=(("timestamp", "index_price", "prev_index_price", "interest_8h", "interest_1h"),),
    # interest_8h is a rolling sum: added up over a day it would be eight times what was paid.
    constants={"interval_s": 3600},
)
_IV = ("bid_iv", "ask_iv", "mark_iv")
_GREEKS = ("delta", "gamma", "vega", "theta", "rho")
OPTIONS = Records(
    kind="options",
    fields={
        "ts": ("time", ("timestamp", "creation_timestamp")),
        "bid_price": ("number", ("best_bid_price", "bid_price")),
        "bid_quantity": ("number", ("best_bid_amount",)),
        "ask_price": ("number", ("best_ask_price", "ask_price")),
        "ask_quantity": ("number", ("best_ask_amount",)),
        "last_price": ("number", ("last_price", "last")),
        "mark_price": ("number", ("mark_price",)),
        "open_interest": ("number", ("open_interest",)),
        "underlying_price": ("number", ("underlying_price",)),
        "index_price": ("number", ("index_price",)),
        "underlying": ("text", ("underlying_index",)),
        **{name: ("number", (name,)) for name in _IV},
        **{name: ("number", (f"greeks.{name}",)) for name in _GREEKS},
    },
    headers=(
        ("timestamp", "instrument_name", "mark_price", "mark_iv", "underlying_price", "greeks.delta"),
        ("creation_timestamp", "instrument_name", "mark_price", "underlying_price", "bid_price", "ask_price"),
    ),
    symbol="instrument_name",
    loose=True,
)


def _read_trades(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read trades, and the forced orders among them: M means that the maker was liquidated, T the taker, MT both."""
    for piece in read_records(source, head, TRADES):
        columns = dict(piece.columns)
        forced, block = (columns.pop(name, None) for name in ("forced", "block"))
        rows = len(columns["ts"])
        words = forced.to_pylist() if forced is not None else [None] * rows
        blocks = block.to_pylist() if block is not None else [None] * rows
        columns["flags"] = [
            (FLAGS["liquidation"] if word not in (None, "", "none") else 0) | (FLAGS["block"] if number else 0)
            for word, number in zip(words, blocks, strict=True)
        ]
        yield replace(piece, venue="deribit", columns=columns, is_one_of_many=True)
        yield from _liquidations(piece, columns, words)


def _liquidations(piece: Piece, columns: dict[str, Any], words: list[str | None]) -> Iterator[Piece]:
    """Yield the forced orders: the taker's has the side of the trade, the maker's the other one."""
    sides = np.asarray(columns["side"])
    rows = [(row, int(sides[row])) for row, word in enumerate(words) if word in ("T", "MT")]
    rows += [(row, -int(sides[row])) for row, word in enumerate(words) if word in ("M", "MT")]
    if not rows:
        return
    rows.sort()
    places = np.array([row for row, _ in rows])
    found = {name: columns[name].take(places) for name in ("ts", "price", "quantity")}
    found |= {"side": [side for _, side in rows], "coverage": ["full"] * len(rows)}
    yield Piece("liquidations", found, "deribit", piece.symbol, is_one_of_many=True)


def _read_funding(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    for piece in read_records(source, head, FUNDING):
        yield replace(piece, venue="deribit")


def _read_options(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read books of options; implied volatilities come in percent and are stored as fractions, as of other venues.

    A price of 0 on a side of the book means that nobody quotes there.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for piece in read_records(source, head, OPTIONS):
        columns = dict(piece.columns)
        for side in ("bid", "ask"):
            price = columns[f"{side}_price"]
            quoted = pc.greater(pc.cast(price, pa.float64()), 0)
            for name in (f"{side}_price", f"{side}_quantity", f"{side}_iv"):
                if name in columns:
                    columns[name] = pc.if_else(quoted, columns[name], pa.scalar(None, columns[name].type))
        for name in _IV:
            if name in columns:
                columns[name] = pc.divide(pc.cast(columns[name], pa.float64()), 100.0)
        yield replace(piece, venue="deribit", columns=columns, is_one_of_many=True)


FORMATS = (
    Format("deribit-trades", "Deribit get_last_trades saved as JSON", TRADES.fits, _read_trades),
    Format("deribit-funding", "Deribit get_funding_rate_history saved as JSON", FUNDING.fits, _read_funding),
    Format("deribit-options", "Deribit option books or book summaries as a table or JSON", OPTIONS.fits, _read_options),
)
