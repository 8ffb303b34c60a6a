"""Books, quotes and option chains of tardis.dev."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from feeds.errors import FeedError
from feeds.findings import Finding
from feeds.formats.cells import numbers, times
from feeds.formats.files import Source
from feeds.formats.heads import Head
from feeds.formats.records import Records, batches
from feeds.formats.shape import Format, Piece, Wanted
from feeds.formats.tardis import KEYS, SHARED, read_tardis, venue_of

if TYPE_CHECKING:
    import pyarrow as pa

QUOTES = Records(
    kind="quotes",
    fields={
        **SHARED,
        "bid_price": ("number", ("bid_price",)),
        "bid_quantity": ("number", ("bid_amount",)),
        "ask_price": ("number", ("ask_price",)),
        "ask_quantity": ("number", ("ask_amount",)),
    },
    headers=((*KEYS, "ask_amount", "ask_price", "bid_price", "bid_amount"),),
    venue="exchange",
    symbol="symbol",
)
UPDATES = Records(
    kind="book",
    fields={
        **SHARED,
        "is_snapshot": ("flag", ("is_snapshot",)),
        "side": ("side", ("side",)),
        "price": ("number", ("price",)),
        "quantity": ("number", ("amount",)),
    },
    headers=((*KEYS, "is_snapshot", "side", "price", "amount"),),
    venue="exchange",
    symbol="symbol",
)
_CHAIN = (
    *("type", "strike_price", "expiration", "open_interest", "last_price", "bid_price", "bid_amount", "bid_iv"),
    *("ask_price", "ask_amount", "ask_iv", "mark_price", "mark_iv", "underlying_index", "underlying_price"),
    *("delta", "gamma", "vega", "theta", "rho"),
)
_PLAIN = ("open_interest", "last_price", "bid_price", "ask_price", "mark_price", "underlying_price")
_MODEL = ("bid_iv", "ask_iv", "mark_iv", "delta", "gamma", "vega", "theta", "rho")
CHAIN = Records(
    kind="options",
    fields={
        **SHARED,
        **{name: ("number", (name,)) for name in (*_PLAIN, *_MODEL)},
        "bid_quantity": ("number", ("bid_amount",)),
        "ask_quantity": ("number", ("ask_amount",)),
        "underlying": ("text", ("underlying_index",)),
    },
    headers=((*KEYS, *_CHAIN),),
    venue="exchange",
    symbol="symbol",
)


def _read_quotes(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    yield from read_tardis(QUOTES, source, head, wanted)


def _read_chain(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read a chain; type, strike and expiry stand in the name of the option, and a row need not have every number."""
    for piece in read_tardis(CHAIN, source, head, wanted):
        yield replace(piece, is_one_of_many=True)


def _read_updates(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read book updates; those before the first snapshot of an instrument belong to a book that nobody knows."""
    started: set[tuple[str | None, str | None]] = set()
    for piece in read_tardis(UPDATES, source, head, wanted):
        columns = dict(piece.columns)
        columns["is_snapshot"] = columns["is_snapshot"].cast("int8")
        key = (piece.venue, piece.symbol)
        if key in started:
            yield replace(piece, columns=columns)
            continue
        places = np.flatnonzero(np.asarray(columns["is_snapshot"]))
        first = int(places[0]) if places.size else len(columns["ts"])
        if places.size:
            started.add(key)
        notes = piece.notes
        if first:
            notes += (Finding("B2", "flag", first, "updates before the first snapshot: left out"),)
        yield replace(piece, columns={name: column[first:] for name, column in columns.items()}, notes=notes)


def _depth(head: Head) -> int:
    """Return how many levels a side a snapshot header has, 0 when it is none."""
    found = {int(match[1]) for name in head.columns if (match := re.fullmatch(r"asks\[(\d+)\]\.price", name))}
    count = len(found)
    return count if count and set(head.columns) == set(KEYS) | set(_level_names(count)) else 0


def _level_names(count: int) -> list[str]:
    return [f"{side}[{n}].{what}" for n in range(count) for side in ("asks", "bids") for what in ("price", "amount")]


def _read_snapshots(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read snapshots of the top of the book: each row becomes one message of up to two rows a level."""
    import pyarrow.compute as pc

    count = _depth(head)
    if not count:
        raise FeedError(f"{source.where}: {head.describe()}; this format has asks[0].price and so on")
    shapes = {"exchange": "word", "symbol": "word", "timestamp": "time", "local_timestamp": "time"}
    shapes |= dict.fromkeys(_level_names(count), "number")
    start = 0
    for table in batches(source, head, head.columns, shapes):
        names = [table[name].cast("string").combine_chunks() for name in ("exchange", "symbol")]
        for exchange, symbol in dict.fromkeys(zip(*(column.to_pylist() for column in names), strict=True)):
            rows = table.filter(pc.and_(pc.equal(names[0], exchange), pc.equal(names[1], symbol)))
            yield Piece("book", _messages(rows, count, start), venue_of(exchange), symbol)
        start += table.num_rows


def _messages(rows: "pa.Table", count: int, start: int) -> dict[str, Any]:
    """Return the levels of snapshots as rows of the book, empty levels left out."""
    import pyarrow as pa

    stamps, known = (
        np.asarray(times(rows[name].combine_chunks(), header=name)) for name in ("timestamp", "local_timestamp")
    )
    known = np.maximum(known, stamps)
    parts = []
    for side, word in ((1, "bids"), (-1, "asks")):
        for level in range(count):
            price, size = (
                numbers(rows[f"{word}[{level}].{what}"].combine_chunks(), header=word) for what in ("price", "amount")
            )
            numbered = np.arange(rows.num_rows)
            parts.append(
                pa.table(
                    {
                        "row": numbered,
                        "ts": stamps,
                        "ts_avail": known,
                        "seq": start + numbered,
                        "is_snapshot": np.ones(rows.num_rows, dtype=np.int8),
                        "side": np.full(rows.num_rows, side, dtype=np.int8),
                        "price": price.cast(pa.string()),
                        "quantity": size.cast(pa.string()),
                    }
                )
            )
    whole = pa.concat_tables(parts)
    order = np.argsort(np.asarray(whole["row"]), kind="stable")
    found = whole.take(pa.array(order)).drop_columns("row").drop_null()
    return {name: found[name].combine_chunks() for name in found.column_names}


FORMATS = (
    Format("tardis-quotes", "tardis.dev quotes or book_ticker CSV", QUOTES.fits, _read_quotes, may_be_empty=True),
    Format(
        "tardis-book-updates",
        "tardis.dev incremental_book_L2 CSV",
        UPDATES.fits,
        _read_updates,
        may_be_empty=True,
    ),
    Format(
        "tardis-book-snapshots",
        "tardis.dev book_snapshot_5 or _25 CSV",
        lambda head: _depth(head) > 0,
        _read_snapshots,
        may_be_empty=True,
    ),
    Format("tardis-options-chain", "tardis.dev options_chain CSV", CHAIN.fits, _read_chain, may_be_empty=True),
)
