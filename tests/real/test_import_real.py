"""Importers on real files: rows, ranges and equalities that the README of the data states."""

import csv
import io
import zipfile
from collections import defaultdict
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feeds.dataset import Stream
from feeds.errors import FeedError
from feeds.formats.binance_account import AccountExport, read_account_export
from feeds.importing import ImportResult, import_file
from feeds.schema import scale_of
from feeds.tables import ints, scales_of
from feeds.times import iso

pytestmark = pytest.mark.real

HOUR_NS = 3_600_000_000_000
CRASH_HOUR_NS = 1_760_130_000 * 10**9  # 2025-10-10 21:00 UTC


def stream_of(result: ImportResult, kind: str, symbol: str, venue: str | None = None) -> Stream:
    (found,) = (
        stream
        for stream in result.dataset.streams
        if stream.kind == kind and stream.symbol == symbol and venue in (None, stream.venue)
    )
    return found


def numbers(stream: Stream, name: str) -> np.ndarray:
    """A column as integers, mantissas included."""
    return ints(stream.table(), name)


def exact(stream: Stream, name: str, value: int | np.int64) -> Decimal:
    """A mantissa of a column as a decimal."""
    scale = scale_of(stream.kind, name, stream.timeframe_ns)
    return Decimal(int(value)).scaleb(-scales_of(stream.table())[scale])


def span(stream: Stream) -> tuple[str, str]:
    return iso(stream.ts_min), iso(stream.ts_max)


@pytest.mark.parametrize(
    ("name", "format", "kind", "venue", "rows"),
    [
        ("binance_vision/AVAXUSDT-1m-2025-02_um_klines_first2000.csv", "binance-klines", "bars", "binance_usdm", 2000),
        ("binance_vision/AXSUSDT-fundingRate-2026-01.csv", "binance-funding", "funding", "binance_usdm", 292),
        ("binance_vision/BTCUSDT-fundingRate-2025-10.csv", "binance-funding", "funding", "binance_usdm", 93),
        (
            "binance_vision/BTCUSDC-aggTrades-2025-10-08_spot_first2000.csv",
            "binance-aggtrades",
            "trades",
            "binance_spot",
            2000,
        ),
        (
            "binance_vision/BTCUSD_PERP-markPriceKlines-1m-2025-10-10_first500.csv",
            "binance-mark-klines",
            "mark",
            "binance_coinm",
            500,
        ),
        ("tardis/binance-delivery_trades_AVAXUSD_PERP_first2000.csv", "tardis-trades", "trades", "binance_coinm", 2000),
        ("tardis/bitmex_trades_XBTUSD.csv", "tardis-trades", "trades", "bitmex", 10),
        ("hyperliquid/fundingHistory_BTC_first500.json", "hyperliquid-funding", "funding", "hyperliquid", 500),
    ],
)
def test_native_samples_are_recognised(
    real_data: Path, name: str, format: str, kind: str, venue: str, rows: int
) -> None:
    result = import_file(real_data / "raw" / name)
    (stream,) = result.dataset.streams
    assert (result.format, stream.kind, stream.venue, result.rows_in, result.rows_out) == (
        format,
        kind,
        venue,
        rows,
        rows,
    )


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("accounts/binance_account_A_coinm_positions.csv.gz", "closed positions of a Binance account"),
        ("accounts/binance_account_A_usdm_positions.csv.gz", "closed positions of a Binance account"),
        ("accounts/hyperliquid_2023_trades.csv.gz", "fills of many accounts"),
        ("accounts/hyperliquid_2023_ledger_updates.csv.gz", "deposits and withdrawals of many accounts"),
        ("accounts/hyperliquid_2023_liquidations.csv.gz", "without coin, price or side"),
        ("liquidations/aave_WBTC_liquidations.parquet", "lending market"),
        ("liquidations/hyperliquid_2025-10-10_adl_by_user.parquet", "summed by account"),
        ("liquidations/hyperliquid_2025-10-10_adl_by_coin_REALTIME.csv", "summed by coin"),
        ("liquidations/hyperliquid_2025-10-10_adl_net_volume_full_12min.csv", "summed by coin"),
        ("liquidations/hyperliquid_2025-10-10_adl_events_high_leverage.csv", "chosen outliers"),
        ("liquidations/hyperliquid_2025-10-10_adl_waves_per_coin.csv", "estimates of a model"),
        ("liquidations/hyperliquid_2025-10-10_positions_BTC.parquet", "what became of accounts"),
        ("open_interest/multi_venue_oi_BTC_SOL_2025-12_2026-03.parquet", "in US dollars"),
    ],
)
def test_files_that_fit_no_kind_are_refused_by_what_they_are(real_data: Path, name: str, what: str) -> None:
    with pytest.raises(FeedError, match=f"this is .*{what}|it is not imported: .*{what}"):
        import_file(real_data / name, venue="binance_usdm", symbol="BTC/USDT:USDT")


def test_the_table_of_linear_and_inverse_funding_is_moved_out_of_summer_time(
    real_data: Path, published: ImportResult
) -> None:
    result = import_file(real_data / "funding/linear_vs_inverse_8h_bitcoin_2023_2024.parquet")
    assert {(each.venue, each.symbol, each.kind): each.rows_out for each in result.streams} == {
        (venue, symbol, kind): 1642
        for kind, places in (
            ("bars:8h", [("binance_spot", "BTC/USDT"), ("bybit_spot", "BTC/USDT"), ("okx", "BTC/USDT")]),
            ("bars:8h", [("binance_usdm", "BTC/USDT:USDT"), ("bybit", "BTC/USDT:USDT")]),
            ("funding", [(venue, "BTC/USDT:USDT") for venue in ("binance_usdm", "bybit", "okx")]),
            ("funding", [(venue, "BTC/USD:BTC") for venue in ("binance_coinm", "bybit", "okx")]),
        )
        for venue, symbol in places
    }
    mine = stream_of(result, "funding", "BTC/USDT:USDT", "binance_usdm")
    theirs = stream_of(published, "funding", "BTC/USDT:USDT")
    known = dict(zip(numbers(theirs, "ts").tolist(), numbers(theirs, "rate").tolist(), strict=True))
    scales = [scales_of(each.table())["rate"] for each in (mine, theirs)]
    rates = {
        ts: Decimal(rate).scaleb(-scales[0])
        for ts, rate in zip(numbers(mine, "ts").tolist(), numbers(mine, "rate").tolist(), strict=True)
    }
    different = [ts for ts, rate in rates.items() if ts in known and rate != Decimal(known[ts]).scaleb(-scales[1])]
    assert len(set(rates) & set(known)) == 1642
    assert different == []
    assert any(finding.rule == "T4" and finding.severity == "repair" for finding in result.findings)


@pytest.mark.parametrize(
    ("coin", "rows", "low", "high", "first", "last"),
    [
        ("AAVE", 153_481, "63.42", "279.62", "2025-10-10T00:00:00.543Z", "2025-10-10T23:59:58.445Z"),
        ("AVAX", 137_632, "6.02", "28.63", "2025-10-10T00:00:01.433Z", "2025-10-10T23:59:57.038Z"),
        ("BCH", 206_692, "461.92", "601.35", "2025-10-10T00:00:08.59Z", "2025-10-10T23:59:58.243Z"),
    ],
)
def test_the_tapes_of_the_crash_day(
    real_data: Path, coin: str, rows: int, low: str, high: str, first: str, last: str
) -> None:
    result = import_file(real_data / f"trades/binance-delivery_trades_2025-10-10_{coin}USD_PERP.csv.gz")
    stream = stream_of(result, "trades", f"{coin}/USD:{coin}", "binance_coinm")
    price = numbers(stream, "price")
    assert (result.rows_in, stream.rows) == (rows, rows)
    assert (exact(stream, "price", price.min()), exact(stream, "price", price.max())) == (Decimal(low), Decimal(high))
    assert span(stream) == (first, last)
    delay = numbers(stream, "ts_avail") - numbers(stream, "ts")
    assert delay.min() >= 0
    assert 5e9 < delay.max() < 9e9  # receipt reaches about 7 s in the crash
    assert set(numbers(stream, "side").tolist()) == {1, -1}


def test_other_tapes(real_data: Path) -> None:
    spot = import_file(real_data / "trades/binance_spot_aggTrades_BTCUSDC_2025-10-08.parquet")
    stream = stream_of(spot, "trades", "BTC/USDC", "binance_spot")
    assert stream.rows == 256_978
    assert stream.gaps == ()  # agg id gaps: 0
    assert span(stream) == ("2025-10-08T00:00:00.097184Z", "2025-10-08T23:59:56.66889Z")
    gemini = import_file(real_data / "trades/gemini_trades_2025-10-10_BTCUSD.csv.gz")
    assert stream_of(gemini, "trades", "BTC/USD", "gemini").rows == 24_706
    captured = import_file(real_data / "trades/binance_um_BTCUSDT_trades_2026-02-16_04h.parquet", venue="binance_usdm")
    ids = numbers(stream_of(captured, "trades", "BTC/USDT:USDT"), "id")
    assert (ids.size, int(np.count_nonzero(np.diff(np.sort(ids)) > 1))) == (11_947, 19)


def test_mark_klines_of_the_crash_have_every_minute_and_the_low_of_the_file(real_data: Path) -> None:
    files = [real_data / f"ohlcv/binance_cm_BTCUSD_PERP_markPriceKlines_1m_2025-10-{day}.zip" for day in ("09", "10")]
    result = import_file(files)
    stream = stream_of(result, "mark", "BTC/USD:BTC", "binance_coinm")
    assert (result.format, stream.rows, stream.gaps) == ("binance-mark-klines", 2880, ())
    crash = stream.between(CRASH_HOUR_NS, CRASH_HOUR_NS + HOUR_NS)
    with zipfile.ZipFile(files[1]) as archive, archive.open(archive.namelist()[0]) as data:
        lows = [Decimal(row["low"]) for row in csv.DictReader(io.TextIOWrapper(data))]
    assert exact(crash, "low", numbers(crash, "low").min()) == min(lows) == Decimal("102497.48513403")


@pytest.mark.parametrize(
    ("name", "symbol"), [("AVAXUSDT_1m-2025-02", "AVAX/USDT:USDT"), ("LINKUSDT_1m-2026-02", "LINK/USDT:USDT")]
)
def test_minute_klines_have_every_minute(real_data: Path, name: str, symbol: str) -> None:
    result = import_file(real_data / f"ohlcv/binance_um_{name}.parquet", timeframe="1m")
    stream = stream_of(result, "bars", symbol, "binance_usdm")
    assert (stream.rows, stream.gaps) == (40_320, ())


def test_the_native_klines_equal_the_first_rows_of_the_table(real_data: Path) -> None:
    native = import_file(real_data / "raw/binance_vision/AVAXUSDT-1m-2025-02_um_klines_first2000.csv")
    table = import_file(real_data / "ohlcv/binance_um_AVAXUSDT_1m-2025-02.parquet")
    one, other = (stream_of(item, "bars", "AVAX/USDT:USDT") for item in (native, table))
    first = other.between(None, one.ts_max + 1)
    for name in ("ts", "open", "high", "low", "close", "volume", "quote_volume", "count"):
        assert numbers(one, name).tolist() == numbers(first, name).tolist(), name


@pytest.fixture(scope="module")
def published(real_data: Path) -> ImportResult:
    return import_file(real_data / "funding/binance_um_funding_rates.parquet")


@pytest.fixture(scope="module")
def panel(real_data: Path) -> ImportResult:
    return import_file(real_data / "ohlcv/binance_um_AVAXUSDT_1h.parquet")


def rates(stream: Stream) -> dict[int, Decimal]:
    table = stream.table()
    scale = scales_of(table)["rate"]
    return {
        ts: Decimal(rate).scaleb(-scale)
        for ts, rate in zip(table["ts"].to_pylist(), table["rate"].to_pylist(), strict=True)
    }


def test_published_funding_rates(published: ImportResult) -> None:
    assert published.rows_out == 45_870
    assert len(published.dataset.symbols) == 7
    intervals = {
        symbol: sorted(set(numbers(stream_of(published, "funding", symbol), "interval_s").tolist()))
        for symbol in published.dataset.symbols
    }
    changed = {"AXS/USDT:USDT": [3600, 14_400, 28_800], "SOL/USDT:USDT": [7200, 14_400, 28_800]}
    assert {symbol: found for symbol, found in intervals.items() if found != [28_800]} == changed
    for symbol in published.dataset.symbols:
        stream = stream_of(published, "funding", symbol)
        assert np.all(numbers(stream, "ts") % HOUR_NS == 0)
        assert np.abs(numbers(stream, "ts_raw") - numbers(stream, "ts")).max() < 10**8


def test_funding_of_another_repository_is_equal(real_data: Path, published: ImportResult) -> None:
    other = import_file(real_data / "funding/multi_venue_funding_BTC_SOL_2025-03_2026-03.parquet", venue="binance_usdm")
    ours = rates(stream_of(published, "funding", "BTC/USDT:USDT"))
    theirs = rates(stream_of(other, "funding", "BTC/USDT:USDT"))
    assert len(theirs) == 1092
    assert all(ours[ts] == rate for ts, rate in theirs.items())


def test_hyperliquid_funding_of_two_repositories_is_equal(real_data: Path) -> None:
    hourly = import_file(real_data / "funding/hyperliquid_BTC_SOL_funding_1h.parquet")
    premium = import_file(real_data / "funding/hyperliquid_BTC_funding_premium_1h.parquet", symbol="BTC/USDC:USDC")
    assert hourly.rows_out == 49_456
    ours, theirs = (rates(stream_of(item, "funding", "BTC/USDC:USDC")) for item in (hourly, premium))
    common = ours.keys() & theirs.keys()
    # One settlement came 111 s late: off the hour by more than is snapped, it is kept as it is (rule F2).
    late = [finding for finding in premium.findings if finding.rule == "F2"]
    assert (premium.rows_out, len(common), [finding.count for finding in late]) == (12_192, 12_191, [1])
    assert all(ours[ts] == theirs[ts] for ts in common)


def test_the_hourly_panel_has_the_published_funding(panel: ImportResult, published: ImportResult) -> None:
    ours = rates(stream_of(panel, "funding", "AVAX/USDT:USDT"))
    theirs = rates(stream_of(published, "funding", "AVAX/USDT:USDT"))
    common = ours.keys() & theirs.keys()
    assert len(common) == len(ours) == 5974
    assert all(ours[ts] == theirs[ts] for ts in common)


def test_the_mark_of_the_hourly_panel_stands_at_the_end_of_its_hour(panel: ImportResult) -> None:
    bars = stream_of(panel, "bars", "AVAX/USDT:USDT")
    marks = stream_of(panel, "mark", "AVAX/USDT:USDT")
    opens = dict(zip(numbers(bars, "ts").tolist(), numbers(bars, "open").tolist(), strict=True))
    scale = 10 ** (scales_of(marks.table())["price"] - scales_of(bars.table())["price"])
    pairs = zip(numbers(marks, "ts").tolist(), numbers(marks, "price").tolist(), strict=True)
    off = np.array([abs(mark / scale / opens[ts] - 1) for ts, mark in pairs if ts in opens and ts % (8 * HOUR_NS) == 0])
    assert off.size > 5900
    assert 0.0001 < np.median(off) < 0.0002  # 0.015 %, against 0.6 % for the beginning of the hour
    spot = stream_of(panel, "bars", "AVAX/USDT", "binance_spot")
    assert (spot.rows, bars.rows, marks.rows) == (47_759, 47_753, 47_792)


def test_hourly_panel_of_okx(real_data: Path) -> None:
    result = import_file(real_data / "ohlcv/okx_SOL_1h.parquet", symbol="SOL/USDT:USDT")
    assert {(stream.venue, stream.symbol) for stream in result.dataset.streams} == {
        ("okx", "SOL/USDT"),
        ("okx", "SOL/USDT:USDT"),
    }
    assert stream_of(result, "bars", "SOL/USDT").rows > 47_000


def test_the_crash_hour_differs_by_venue(real_data: Path) -> None:
    result = import_file(real_data / "ohlcv/multi_venue_1h_BTC_SOL_2025-03_2026-03.parquet")
    by_venue: dict[str, int] = defaultdict(int)
    for stream in result.dataset.streams:
        by_venue[stream.venue] += stream.rows
    assert by_venue == {
        "binance_usdm": 17_472,
        "bybit": 17_472,
        "dydx": 2000,
        "hyperliquid": 2000,
        "krakenfutures": 4000,
        "okx": 4320,
    }
    assert sum("lighter" in text and "1,000 rows" in text for text in result.left_out) == 2
    lows = {}
    for venue in ("binance_usdm", "bybit"):
        hour = stream_of(result, "bars", "BTC/USDT:USDT", venue).between(CRASH_HOUR_NS, CRASH_HOUR_NS + HOUR_NS)
        lows[venue] = exact(hour, "low", numbers(hour, "low")[0])
    assert lows == {"binance_usdm": Decimal("101516.5"), "bybit": Decimal("101045.9")}


def test_the_tier_table_is_continuous(real_data: Path) -> None:
    result = import_file(
        real_data / "instruments/binance_um_leverage_tiers_2024-10.parquet",
        venue="binance_usdm",
        valid_from="2024-10-01",
    )
    tiers: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in result.dataset.tiers:
        tiers[row["symbol"]].append(row)
    assert (len(tiers), result.rows_out) == (178, 1447)
    for rows in tiers.values():
        rows.sort(key=lambda row: row["floor"])
        amount = Decimal(0)
        for low, high in pairwise(rows):
            amount += high["floor"] * (high["maintenance_rate"] - low["maintenance_rate"])
            assert high["amount"] == amount


# --- a real account ---


@pytest.fixture(scope="module")
def accounts(real_data: Path) -> dict[str, AccountExport]:
    return {
        venue: read_account_export(real_data / "accounts", venue=venue) for venue in ("binance_usdm", "binance_coinm")
    }


def totals(rows: list[dict[str, Any]], value: str, asset: str) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        found[row[asset]] += row[value]
    return {name: total for name, total in found.items() if total}


@pytest.mark.parametrize(
    ("venue", "fills", "orders", "ledger", "positions"),
    [("binance_usdm", 1658, 236, 2866, 34), ("binance_coinm", 737, 119, 1061, 4)],
)
def test_an_account_export_is_whole(
    accounts: dict[str, AccountExport], venue: str, fills: int, orders: int, ledger: int, positions: int
) -> None:
    export = accounts[venue]
    counts = (export.fills.num_rows, export.orders.num_rows, export.ledger.num_rows, export.positions.num_rows)
    assert counts == (fills, orders, ledger, positions)
    assert len(export.skipped) == 8
    assert export.findings == ()
    # Complete from the first transfer in: everything but the BNB for fees sums to exactly nothing.
    assert totals(export.ledger.to_pylist(), "amount", "asset").keys() <= {"BNB"}


@pytest.mark.parametrize("venue", ["binance_usdm", "binance_coinm"])
def test_fees_in_the_fills_are_those_of_the_ledger(accounts: dict[str, AccountExport], venue: str) -> None:
    export = accounts[venue]
    posted = [row for row in export.ledger.to_pylist() if row["kind"] == "fee"]
    assert totals(export.fills.to_pylist(), "fee", "fee_asset") == totals(posted, "amount", "asset")


def test_profits_in_the_fills_are_those_of_the_ledger_but_for_the_delivery(accounts: dict[str, AccountExport]) -> None:
    export = accounts["binance_coinm"]
    rows = export.ledger.to_pylist()
    booked = sum(row["amount"] for row in rows if row["kind"] == "realized_pnl")
    fills = sum(row["realized_pnl"] for row in export.fills.to_pylist())
    assert fills - booked == Decimal("-0.02436318")
    assert [row["amount"] for row in rows if row["kind"] == "settlement"] == [Decimal("-0.02436318")]


def test_the_forced_orders_of_the_crash_are_in_the_orders(accounts: dict[str, AccountExport]) -> None:
    linear = accounts["binance_usdm"].orders.to_pylist()
    assert sum(row["client_order_id"].startswith("autoclose") for row in linear) == 12
    inverse = [row for row in accounts["binance_coinm"].orders.to_pylist() if row["side"] == -1][-4:]
    assert [(row["native"], row["price"], row["filled"]) for row in inverse] == [
        ("BTCUSD_251226", Decimal("110457.2"), 4210),
        ("BTCUSD_251226", Decimal("110718.6"), 13_049),
        ("BTCUSD_260327", Decimal("113143.7"), 3644),
        ("BTCUSD_260327", Decimal("113143.7"), 7398),
    ]
