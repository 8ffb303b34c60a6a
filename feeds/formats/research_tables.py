"""More tables of public research repositories: open interest, funding, liquidations, top levels of a book."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from feeds.errors import FeedError
from feeds.findings import Finding
from feeds.formats.candles import candle_piece
from feeds.formats.cells import numbers, sides, times
from feeds.formats.files import Source
from feeds.formats.heads import Head
from feeds.formats.records import Records, batches, gathered, read_records
from feeds.formats.shape import Format, Piece, Wanted
from feeds.funding_grid import intervals_of
from feeds.symbols import to_unified

if TYPE_CHECKING:
    import pyarrow as pa

# Words of venue columns, and the settlement coin of the pairs that are written there without one.
# (the dYdX of those years is another exchange than the one of today, and has no id here)
_VENUES = {
    "binance": "binance_usdm",
    "bybit": "bybit",
    "okx": "okx",
    "gate": "gate",
    "kucoin": "kucoinfutures",
    "htx": "htx",
    "dydx": "dydx-v3",
}
_BOOK = ("ts_ms", "exch_ts_ms", "seq", "bids_px", "bids_qty", "asks_px", "asks_qty")

INTEREST = Records(
    kind="open_interest",
    fields={"ts": ("time", ("datetime",)), "native": ("number", ("open_interest",))},
    headers=(("symbol", "datetime", "open_interest"),),
    symbol="symbol",
)
FUNDING = Records(
    kind="funding",
    fields={
        "ts": ("time", ("time_utc",)),
        "rate": ("number", ("funding_rate",)),
        "mark": ("number", ("close",)),
    },
    headers=(
        ("time_utc", "close", "funding_rate"),
        ("time_utc", "open", "high", "low", "close", "funding_rate"),
        ("venue", "symbol", "time_utc", "funding_rate"),
    ),
    venue="venue",
    symbol="symbol",
)
FORCED = Records(
    kind="liquidations",
    fields={
        "ts": ("time", ("event_ts",)),
        "ts_avail": ("time", ("inserted_ts",)),
        "side": ("text", ("raw_side",)),
        "price": ("number", ("price",)),
        "quantity": ("number", ("qty",)),
    },
    headers=(
        (
            *("id", "exchange", "symbol", "side", "raw_side", "qty", "price", "mark_price", "notional_usd", "event_ts"),
            "inserted_ts",
        ),
    ),
    venue="exchange",
    symbol="symbol",
    constants={"coverage": "sampled"},
)
PANEL = Records(
    kind="bars",
    fields={
        "ts": ("time", ("timestamp",)),
        **{name: ("number", (f"{name}_perp",)) for name in ("open", "high", "low", "close", "volume")},
        "hourly": ("number", ("funding_rate_1h_deribit",)),
        "index": ("number", ("index_price_deribit",)),
    },
    headers=(("timestamp", "symbol", "open_perp", "funding_rate_1h_deribit", "index_price_deribit"),),
    symbol="symbol",
    loose=True,
)
FREQTRADE_TRADES = Records(
    kind="trades",
    fields={
        "ts": ("time", ("timestamp",)),
        "id": ("id", ("id",)),
        "price": ("number", ("price",)),
        "quantity": ("number", ("amount",)),
        "side": ("side", ("side",)),
    },
    headers=(("timestamp", "id", "type", "side", "price", "amount", "cost"),),
)


def _read_interest(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read open interest in base coins or contracts; the table does not say of which venue."""
    yield from read_records(source, head, INTEREST)


def _read_funding(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    for piece in gathered(read_records(source, head, FUNDING)):
        stamps = np.asarray(piece.columns["ts"])
        rates, notes = _at_most_18_decimals(piece.columns["rate"])
        columns = {**piece.columns, "rate": rates, "interval_s": intervals_of(stamps)}
        venue = _VENUES.get(str(piece.venue), piece.venue)
        symbol = None if piece.symbol is None else _pair(piece.symbol)
        yield replace(
            piece,
            columns=columns,
            venue=venue,
            symbol=symbol,
            notes=piece.notes + notes,
            is_one_of_many=symbol is not None,
        )


def _at_most_18_decimals(rates: Any) -> tuple[Any, tuple[Finding, ...]]:
    """Return doubles that were computed, not published, as decimals: no venue publishes more than 18 places."""
    if not hasattr(rates, "to_pylist") or str(rates.type) != "double":
        return rates, ()
    exact = [Decimal(repr(rate)) for rate in rates.to_pylist()]
    rounded = [rate.quantize(Decimal("1e-18")) for rate in exact]
    moved = sum(old != new for old, new in zip(exact, rounded, strict=True))
    notes = (Finding("V1", "repair", moved, "rates of more than 18 decimals rounded to 18"),) if moved else ()
    return [f"{rate:f}" for rate in rounded], notes


def _pair(text: str) -> str:
    """Return the perpetual that a table means by ``BTC-USDT``."""
    base, dash, quote = text.partition("-")
    return f"{base}/{quote}:{quote}" if dash else text


def _read_forced(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read forced orders of several streams; `side` there is that of the position, `raw_side` that of the order."""
    import pyarrow.compute as pc

    for piece in read_records(source, head, FORCED):
        columns = dict(piece.columns)
        # OKX says long:sell, that is the side of the position and that of the order.
        columns["side"] = sides(pc.replace_substring_regex(columns["side"], "^.*:", ""), header="raw_side")
        columns["ts_avail"] = np.maximum(np.asarray(columns["ts_avail"]), np.asarray(columns["ts"]))
        # All venues are written the way of Binance there.
        symbol = None if piece.symbol is None else to_unified("binance_usdm", piece.symbol)
        yield replace(piece, venue=_VENUES.get(str(piece.venue), piece.venue), symbol=symbol, columns=columns)


def _read_panel(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read bars, index and hourly funding of Deribit; its mark column repeats the closes and is left out."""
    for piece in gathered(read_records(source, head, PANEL)):
        symbol = f"{piece.symbol}/USDC:USDC" if wanted.symbol is None else wanted.symbol
        columns = dict(piece.columns)
        hourly, index = columns.pop("hourly"), columns.pop("index")
        note = Finding("M1", "flag", len(hourly), "mark_price_deribit repeats the bars' closes: not a mark, left out")
        bars = candle_piece("bars", columns, wanted, source.where, (*piece.notes, note))
        yield replace(bars, venue="deribit", symbol=symbol, is_derived=True)
        for kind, name, values in (("index", "price", index), ("funding", "rate", hourly)):
            keep = values.is_valid()
            found = {"ts": columns["ts"].filter(keep), name: values.filter(keep)}
            notes: tuple[Finding, ...] = ()
            if kind == "funding":
                found["interval_s"] = np.full(len(found["ts"]), 3600)
                found["rate"], notes = _at_most_18_decimals(found["rate"])
            yield Piece(kind, found, "deribit", symbol, is_derived=True, notes=notes)


def _read_trades(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    yield from read_records(source, head, FREQTRADE_TRADES)


def _is_book(head: Head) -> bool:
    return set(_BOOK) <= set(head.columns) and bool(head.types)


def _read_book(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read snapshots whose levels are lists of prices and of sizes."""
    if not _is_book(head):
        raise FeedError(f"{source.where}: {head.describe()}; this format has {', '.join(_BOOK)} in a Parquet file")
    for table in batches(source, head, head.columns, dict.fromkeys(_BOOK, "list")):
        yield Piece("book", _levels(table))


def _levels(table: "pa.Table") -> dict[str, Any]:
    """Return the levels of snapshots as rows of the book, in the order of the snapshots, bids first."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = {name: table[name].combine_chunks() for name in table.column_names}
    stamps, receipts = (np.asarray(times(columns[name], header=name)) for name in ("exch_ts_ms", "ts_ms"))
    parts = []
    for side, word in ((1, "bids"), (-1, "asks")):
        rows = np.asarray(pc.list_parent_indices(columns[f"{word}_px"]))
        if rows.size != len(pc.list_flatten(columns[f"{word}_qty"])):
            raise FeedError(f"{word}: lists of prices and of sizes have different lengths")
        found = {
            "row": rows,
            "ts": stamps[rows],
            "ts_avail": np.maximum(receipts, stamps)[rows],
            "seq": np.asarray(columns["seq"])[rows],
            "is_snapshot": np.ones(rows.size, dtype=np.int8),
            "side": np.full(rows.size, side, dtype=np.int8),
            "price": numbers(pc.list_flatten(columns[f"{word}_px"])),
            "quantity": numbers(pc.list_flatten(columns[f"{word}_qty"])),
        }
        parts.append(pa.table(found))
    whole = pa.concat_tables(parts)
    ordered = whole.take(pa.array(np.argsort(np.asarray(whole["row"]), kind="stable"))).drop_columns("row")
    return {name: ordered[name].combine_chunks() for name in ordered.column_names}


FORMATS = (
    Format("interest-table", "table of open interest (symbol, datetime, open_interest)", INTEREST.fits, _read_interest),
    Format(
        "funding-table",
        "table of funding (time_utc, funding_rate), of one or of many venues",
        FUNDING.fits,
        _read_funding,
    ),
    Format("forced-orders", "table of forced orders of live streams", FORCED.fits, _read_forced),
    Format("deribit-panel", "hourly table of one Deribit perpetual: bars, index, funding", PANEL.fits, _read_panel),
    Format("freqtrade-trades", "freqtrade trades (Feather, JSON)", FREQTRADE_TRADES.fits, _read_trades),
    Format("book-lists", "snapshots of a book as lists of prices and sizes (Parquet)", _is_book, _read_book),
)
