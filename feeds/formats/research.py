"""Tables of public research repositories: hourly panels, candles and funding of many venues, captured trades."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from feeds.errors import FeedError
from feeds.findings import Finding
from feeds.formats.candles import candle_piece
from feeds.formats.cells import numbers, times
from feeds.formats.files import Source
from feeds.formats.heads import Head
from feeds.formats.records import Records, batches, gathered, read_records
from feeds.formats.shape import Format, Piece, Wanted, spacing_ns, wanted_timeframe
from feeds.funding_grid import intervals_of
from feeds.symbols import to_unified

if TYPE_CHECKING:
    import pyarrow as pa

_HOUR_NS = 3_600_000_000_000
# Suffix of a panel's columns -> venue of the perpetual, venue of the spot pair.
_PANEL_VENUES = {"binance": ("binance_usdm", "binance_spot"), "okx": ("okx", "okx")}
# Word of a venue column -> venue id and the quote (= settle) of its perpetuals.
_VENUES = {
    "binance": ("binance_usdm", "USDT"),
    "bybit": ("bybit", "USDT"),
    "okx": ("okx", "USDT"),
    "gate": ("gate", "USDT"),
    "kraken": ("krakenfutures", "USD"),
    "hyperliquid": ("hyperliquid", "USDC"),
    "dydx": ("dydx", "USDC"),
}

CANDLES = Records(
    kind="bars",
    fields={
        "ts": ("time", ("timestamp",)),
        "open": ("number", ("o",)),
        "high": ("number", ("h",)),
        "low": ("number", ("l",)),
        "close": ("number", ("c",)),
        "volume": ("number", ("v",)),
    },
    headers=(("timestamp", "venue", "coin", "o", "h", "l", "c", "v"),),
    venue="venue",
    symbol="coin",
)
FUNDING = Records(
    kind="funding",
    fields={"ts": ("time", ("timestamp",)), "rate": ("number", ("funding_rate",))},
    headers=(("timestamp", "venue", "coin", "funding_rate"),),
    venue="venue",
    symbol="coin",
)
CAPTURE = Records(
    kind="trades",
    fields={
        "ts": ("time", ("exch_ts_ms",)),
        "ts_avail": ("time", ("ts_ms",)),
        "id": ("id", ("trade_id",)),
        "price": ("number", ("price",)),
        "quantity": ("number", ("qty",)),
        "side": ("side", ("side",)),
    },
    headers=(("ts_ms", "exch_ts_ms", "trade_id", "price", "qty", "side"),),
)


def _named(piece: Piece) -> Piece:
    """Turn the words of venue and coin columns into a venue id and a unified symbol; unknown ones stay as they are."""
    if piece.venue not in _VENUES:
        return piece
    venue, quote = _VENUES[piece.venue]
    return replace(piece, venue=venue, symbol=f"{piece.symbol}/{quote}:{quote}")


def _read_candles(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    for piece in gathered(read_records(source, head, CANDLES)):
        bars = candle_piece("bars", dict(piece.columns), wanted, source.where, piece.notes)
        yield _named(replace(bars, venue=piece.venue, symbol=piece.symbol))


def _read_funding(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    for piece in gathered(read_records(source, head, FUNDING)):
        intervals = intervals_of(np.asarray(piece.columns["ts"]))
        yield _named(replace(piece, columns={**piece.columns, "interval_s": intervals}))


def _read_capture(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    for piece in read_records(source, head, CAPTURE):
        # The capture's clock may run behind the venue's: nothing is known before it happened.
        avail = np.maximum(np.asarray(piece.columns["ts_avail"]), np.asarray(piece.columns["ts"]))
        yield replace(piece, columns={**piece.columns, "ts_avail": avail})


def _panel_suffix(head: Head) -> str | None:
    """Venue word at the end of a panel's column names."""
    found = [match[1] for name in head.columns if (match := re.fullmatch(r"open_perp_([a-z]+)", name))]
    is_panel = len(found) == 1 and found[0] in _PANEL_VENUES and "timestamp" in head.columns
    return found[0] if is_panel else None


def _read_panel(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read an hourly panel: perpetual and spot bars, mark, funding.

    The mark column is true at the END of its row's hour (median 0.015 % off the next open, against 0.6 % if it were
    the beginning). The funding column repeats the last settled rate in every hour: only settlement hours are rows.
    """
    import pyarrow as pa

    suffix = _panel_suffix(head)
    if suffix is None:
        raise FeedError(f"{source.where}: {head.describe()}; this format needs timestamp and open_perp_binance or _okx")
    names = [name for name in head.columns if name == "timestamp" or name.endswith(f"_{suffix}")]
    table = pa.concat_tables(batches(source, head, head.columns, dict.fromkeys(names, "number"))).combine_chunks()
    stamps = np.asarray(times(table["timestamp"].combine_chunks(), header="timestamp"))
    length = wanted_timeframe(spacing_ns(stamps, source.where), wanted, source.where)
    perpetual_venue, spot_venue = _PANEL_VENUES[suffix]
    if head.symbol is None:
        raise FeedError(
            f"{source.where}: the rows do not name their instrument; give symbol=, as symbol='SOL/USDT:USDT'"
        )
    perpetual = to_unified(perpetual_venue, head.symbol)
    for part, venue, symbol in (
        ("perp", perpetual_venue, perpetual),
        ("spot", spot_venue, perpetual.partition(":")[0]),
    ):
        sources = {name: f"{name}_{part}_{suffix}" for name in ("open", "high", "low", "close", "volume")}
        if set(sources.values()) <= set(names):
            columns, notes = _series(table, stamps, sources)
            yield Piece("bars", columns, venue, symbol, length, True, notes)
    if f"mark_price_{suffix}" in names:
        columns, notes = _series(table, stamps + length, {"price": f"mark_price_{suffix}"})
        yield Piece("mark", columns, perpetual_venue, perpetual, is_derived=True, notes=notes)
    if {f"funding_rate_raw_{suffix}", f"funding_rate_1h_{suffix}"} <= set(names):
        raw, hourly = (table[f"funding_rate_{word}_{suffix}"].to_numpy() for word in ("raw", "1h"))
        settled = _settlements(stamps, raw, hourly)
        yield Piece("funding", settled, perpetual_venue, perpetual, is_derived=True)


def _series(table: "pa.Table", stamps: Any, sources: dict[str, str]) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    """Rows in which all columns of a series have a value; holes after its first row are a finding."""
    import pyarrow as pa

    columns = {target: numbers(table[name].combine_chunks(), header=name) for target, name in sources.items()}
    filled = np.logical_and.reduce([np.asarray(column.is_valid()) for column in columns.values()])
    rows = np.flatnonzero(filled)
    holes = int(rows[-1] - rows[0] + 1 - rows.size) if rows.size else 0
    notes = (Finding("G3", "flag", holes, f"rows without {', '.join(sources.values())}: left out"),) if holes else ()
    keep = pa.array(filled)
    return {"ts": stamps[filled]} | {target: column.filter(keep) for target, column in columns.items()}, notes


def _settlements(stamps: Any, raw: Any, hourly: Any) -> dict[str, Any]:
    """Rows at the ends of the funding intervals, whose length is the ratio of the two rate columns."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.rint(raw / hourly)
    known = np.flatnonzero(np.isfinite(ratio) & (ratio >= 1))
    if not known.size:
        raise FeedError("the hourly funding column is empty or zero throughout: the funding interval is not known")
    # A rate of zero shows no interval: it has that of the last row that does.
    before = known[np.maximum(np.searchsorted(known, np.arange(stamps.size), side="right") - 1, 0)]
    hours = ratio[before].astype(np.int64)
    at_end = (stamps % (hours * _HOUR_NS) == 0) & np.isfinite(raw)
    return {"ts": stamps[at_end], "rate": raw[at_end], "interval_s": hours[at_end] * 3600}


FORMATS = (
    Format(
        "hourly-panel",
        "hourly table of one coin: perpetual and spot bars, mark at the end of the hour, funding",
        lambda head: _panel_suffix(head) is not None,
        _read_panel,
    ),
    Format(
        "venue-candles",
        "table of candles of many venues (timestamp, venue, coin, o h l c v)",
        CANDLES.fits,
        _read_candles,
    ),
    Format(
        "venue-funding",
        "table of funding of many venues (timestamp, venue, coin, funding_rate)",
        FUNDING.fits,
        _read_funding,
    ),
    Format(
        "capture-trades", "captured trades (ts_ms, exch_ts_ms, trade_id, price, qty, side)", CAPTURE.fits, _read_capture
    ),
)
