"""Files of Binance Vision (data.binance.vision): trades, aggregates, klines, funding, metrics, liquidations."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from feeds.errors import FeedError
from feeds.findings import Finding
from feeds.formats.files import Source
from feeds.formats.heads import Head
from feeds.formats.records import Records, read_records
from feeds.formats.shape import Format, Piece, Wanted, wanted_timeframe
from feeds.schema import FLAGS
from feeds.symbols import to_unified

_TRADES = ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker")
_AGGREGATES = (
    "agg_trade_id",
    "price",
    "quantity",
    "first_trade_id",
    "last_trade_id",
    "transact_time",
    "is_buyer_maker",
)
_KLINES = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count"),
    *("taker_buy_volume", "taker_buy_quote_volume", "ignore"),
)
_METRICS = (
    *("create_time", "symbol", "sum_open_interest", "sum_open_interest_value", "count_toptrader_long_short_ratio"),
    *("sum_toptrader_long_short_ratio", "count_long_short_ratio", "sum_taker_long_short_vol_ratio"),
)
_LIQUIDATIONS = (
    *("time", "side", "order_type", "time_in_force", "original_quantity", "price", "average_price", "order_status"),
    *("last_fill_quantity", "accumulated_fill_quantity"),
)
_FUNDING = ("calc_time", "funding_interval_hours", "last_funding_rate")
# From this day the metrics stamp is the start of the five minutes that end with the snapshot (feeds.md 2.1).
_METRICS_SHIFT_FROM_NS = 1_709_510_400_000_000_000  # 2024-03-04 UTC
_FIVE_MINUTES_NS = 300_000_000_000

TRADES = Records(
    kind="trades",
    fields={
        "ts": ("time", ("time",)),
        "id": ("integer", ("id",)),
        "price": ("number", ("price",)),
        "quantity": ("number", ("qty",)),
        "side": ("taker", ("is_buyer_maker",)),
    },
    headers=(
        _TRADES,
        ("id", "price", "qty", "base_qty", "time", "is_buyer_maker"),
        (*_TRADES, "is_best_match"),
    ),
    bare=(("idddtb", _TRADES), ("idddtbb", (*_TRADES, "is_best_match"))),
)
AGGREGATES = Records(
    kind="trades",
    fields={
        "ts": ("time", ("transact_time", "timestamp_us")),
        "id": ("integer", ("agg_trade_id",)),
        "price": ("number", ("price",)),
        "quantity": ("number", ("quantity",)),
        "side": ("taker", ("is_buyer_maker",)),
        "first_id": ("integer", ("first_trade_id",)),
        "last_id": ("integer", ("last_trade_id",)),
    },
    headers=(
        _AGGREGATES,
        (*_AGGREGATES, "is_best_match"),
        ("agg_trade_id", "timestamp_us", *(name for name in _AGGREGATES[1:] if name != "transact_time")),
    ),
    bare=(("iddiitb", _AGGREGATES), ("iddiitbb", (*_AGGREGATES, "is_best_match"))),
    constants={"flags": FLAGS["aggregated"]},
)
KLINES = Records(
    kind="bars",
    fields={
        "ts": ("time", ("open_time",)),
        "ts_close": ("time", ("close_time",)),
        "open": ("number", ("open",)),
        "high": ("number", ("high",)),
        "low": ("number", ("low",)),
        "close": ("number", ("close",)),
        "volume": ("number", ("volume",)),
        "quote_volume": ("number", ("quote_volume",)),
        "count": ("integer", ("count",)),
        "taker": ("number", ("taker_buy_volume",)),
    },
    headers=(_KLINES, _KLINES[:-1]),
    bare=(("tdddddtdiddd", _KLINES),),
)
FUNDING = Records(
    kind="funding",
    fields={
        "ts": ("time", ("calc_time",)),
        "interval_h": ("integer", ("funding_interval_hours",)),
        "rate": ("number", ("last_funding_rate",)),
    },
    headers=(_FUNDING, ("symbol", *_FUNDING)),
    bare=(("tid", _FUNDING),),
    symbol="symbol",
)
METRICS = Records(
    kind="open_interest",
    fields={
        "ts": ("time", ("create_time",)),
        "native": ("number", ("sum_open_interest",)),
        "quote": ("number", ("sum_open_interest_value",)),
    },
    headers=(_METRICS,),
    symbol="symbol",
)
LIQUIDATIONS = Records(
    kind="liquidations",
    fields={
        "ts": ("time", ("time",)),
        "side": ("side", ("side",)),
        "price": ("number", ("price",)),
        "average_price": ("number", ("average_price",)),
        "quantity": ("number", ("original_quantity",)),
        "status": ("text", ("order_status",)),
    },
    headers=(_LIQUIDATIONS,),
    constants={"coverage": "cm_proxy"},
)

_SECOND_NS = 1_000_000_000
# Highest absolute premium at which a file could be a premium index; caps of funding keep it far below.
_PREMIUM_BOUND = 0.2


def futures_venue(symbol: str) -> str:
    """Return which of Binance's two futures venues a native or unified symbol belongs to."""
    if "/" in symbol:
        return "binance_coinm" if "/USD:" in symbol or symbol.endswith("/USD") else "binance_usdm"
    try:
        to_unified("binance_coinm", symbol)
    except FeedError:
        return "binance_usdm"
    return "binance_coinm"


def _venue(head: Head, *, spot: bool, futures: bool = True) -> str | None:
    """Venue of a file whose shape says spot or futures; None when it says neither and the symbol does not either."""
    if spot:
        return "binance_spot"
    if head.symbol is None:
        return None
    venue = futures_venue(head.symbol)
    return venue if futures or venue == "binance_coinm" else None


def _is_micro(head: Head, names: tuple[str, ...], column: str) -> bool:
    """Whether the stamps of a column have 16 digits: only Binance's spot files have microseconds."""
    texts = head.text(names.index(column))
    return bool(texts) and len(texts[0]) == 16


def _read_trades(records: Records, source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    names = records.names(head)
    stamp = next(name for name in records.fields["ts"][1] if name in names)
    venue = _venue(head, spot="is_best_match" in names or _is_micro(head, names, stamp))
    for piece in read_records(source, head, records):
        yield replace(piece, venue=venue)


def _kline_series(head: Head) -> set[str]:
    """Which series the rows of a kline file can be: bars have volume, sampled prices have samples and no volume."""
    if not KLINES.fits(head):
        return set()
    names = KLINES.names(head)
    values = {name: np.nan_to_num(head.numbers(names.index(name))) for name in names}
    if not head.rows or any(np.any(values[name] != 0) for name in ("volume", "quote_volume", "taker_buy_volume")):
        return {"bars"}
    prices = np.concatenate([values[name] for name in ("open", "high", "low", "close")])
    if np.any(prices <= 0):
        return {"premium"}
    series = {"mark", "index"} | ({"premium"} if prices.max() < _PREMIUM_BOUND else set())
    if not np.any(values["count"] > 0):
        return series | {"bars"}
    if head.symbol is not None and futures_venue(head.symbol) == "binance_coinm":
        # COIN-M marks are per contract, its indices per pair (BTCUSD_PERP, BTCUSD).
        is_contract = "_" in head.symbol or ":" in head.symbol
        series -= {"index"} if is_contract else {"mark"}
    return series


def _read_klines(series: str, source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    names = KLINES.names(head)
    micro = _is_micro(head, names, "open_time")
    # Spot files never have a header; futures files had none before 2022, so a bare one in ms can be either.
    venue = _venue(head, spot=micro and series == "bars", futures=bool(head.columns) or series != "bars")
    length = 0
    for piece in read_records(source, head, KLINES):
        columns = dict(piece.columns)
        length = _length(source, columns.pop("ts_close"), columns["ts"], length)
        notes = piece.notes
        if series == "bars":
            columns, found = _without_impossible_takers(columns)
            notes += found
        else:
            columns = {name: columns[name] for name in ("ts", "open", "high", "low", "close", "count")}
        columns.pop("taker", None)
        if venue == "binance_coinm" or (wanted.venue == "binance_coinm" and venue is None):
            # COIN-M counts volume in contracts and calls the base coins "quote_volume": no amount of quote currency.
            columns.pop("quote_volume", None)
        yield replace(piece, kind=series, columns=columns, venue=venue, timeframe_ns=length, notes=notes)
    if length:
        wanted_timeframe(length, wanted, source.where)


def _length(source: Source, closes: Any, opens: Any, known: int) -> int:
    """Length of the bars in ns: the venue's close is the last tick inside, so it is rounded up to whole seconds."""
    spans = np.asarray(closes) - np.asarray(opens)
    lengths = np.unique(-(-spans // _SECOND_NS) * _SECOND_NS)
    if known:
        lengths = np.union1d(lengths, [known])
    if lengths.size > 1:
        raise FeedError(
            f"{source.where}: bars of different lengths ({', '.join(f'{item / 1e9:g} s' for item in lengths[:4])}); "
            "calendar months (1mo) have no fixed length and are not read"
        )
    return int(lengths[0]) if lengths.size else known


def _without_impossible_takers(columns: dict[str, Any]) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    """Drop bars whose takers bought more than was traded (rule V4)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    bought, traded = (pc.cast(columns[name], pa.float64()) for name in ("taker", "volume"))
    keep = pc.less_equal(bought, pc.multiply(traded, 1 + 1e-12))
    bad = len(keep) - pc.sum(keep.cast(pa.int64())).as_py() if len(keep) else 0
    if not bad:
        return columns, ()
    finding = Finding("V4", "reject", bad, "bars in which takers bought more than the volume: dropped")
    return {name: column.filter(keep) for name, column in columns.items()}, (finding,)


def _read_funding(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    import pyarrow.compute as pc

    venue = _venue(head, spot=False) if "symbol" not in head.columns else None
    for piece in read_records(source, head, FUNDING):
        columns = dict(piece.columns)
        columns["interval_s"] = pc.multiply(columns.pop("interval_h"), 3600)
        own = futures_venue(piece.symbol) if piece.symbol is not None else venue
        yield replace(piece, columns=columns, venue=own)


def _read_metrics(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    for piece in read_records(source, head, METRICS):
        stamps = np.asarray(piece.columns["ts"]).astype(np.int64)
        shifted = stamps + np.where(stamps >= _METRICS_SHIFT_FROM_NS, _FIVE_MINUTES_NS, 0)
        venue = futures_venue(piece.symbol) if piece.symbol is not None else None
        yield replace(piece, columns={**piece.columns, "ts": shifted}, venue=venue)


def _read_liquidations(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Halve the archive's doubled rows: it repeats every row, so equal rows are kept half as often (rule D3)."""
    import pyarrow as pa

    for piece in read_records(source, head, LIQUIDATIONS):
        table = pa.table(dict(piece.columns))
        rows = [tuple(row.values()) for row in table.to_pylist()]
        totals = Counter(rows)
        if any(count % 2 for count in totals.values()):
            note = Finding("D3", "flag", len(rows), "the archive repeats every row, but these are not all even: kept")
            yield replace(piece, venue="binance_coinm", notes=(*piece.notes, note))
            continue
        seen: Counter[tuple[Any, ...]] = Counter()
        keep = []
        for place, row in enumerate(rows):
            seen[row] += 1
            if seen[row] <= totals[row] // 2:
                keep.append(place)
        columns = {name: table[name].take(pa.array(keep, pa.int64())).combine_chunks() for name in table.column_names}
        note = Finding("D3", "repair", len(rows) - len(keep), "the archive repeats every row: second copies dropped")
        yield replace(piece, columns=columns, venue="binance_coinm", notes=(*piece.notes, note))


FORMATS = (
    Format("binance-trades", "Binance Vision trades", TRADES.fits, partial(_read_trades, TRADES)),
    Format("binance-aggtrades", "Binance Vision aggTrades", AGGREGATES.fits, partial(_read_trades, AGGREGATES)),
    Format(
        "binance-klines",
        "Binance Vision klines (trade bars)",
        lambda head: "bars" in _kline_series(head),
        partial(_read_klines, "bars"),
    ),
    Format(
        "binance-mark-klines",
        "Binance Vision markPriceKlines",
        lambda head: "mark" in _kline_series(head),
        partial(_read_klines, "mark"),
    ),
    Format(
        "binance-index-klines",
        "Binance Vision indexPriceKlines",
        lambda head: "index" in _kline_series(head),
        partial(_read_klines, "index"),
    ),
    Format(
        "binance-premium-klines",
        "Binance Vision premiumIndexKlines",
        lambda head: "premium" in _kline_series(head),
        partial(_read_klines, "premium"),
    ),
    Format(
        "binance-funding", "Binance Vision fundingRate, with or without a symbol column", FUNDING.fits, _read_funding
    ),
    Format("binance-metrics", "Binance Vision metrics (open interest)", METRICS.fits, _read_metrics),
    Format("binance-liquidations", "Binance Vision liquidationSnapshot", LIQUIDATIONS.fits, _read_liquidations),
)
