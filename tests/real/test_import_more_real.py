"""Importers of books, options, forced orders, buckets and captures on real files, as their README describes them."""

from collections import Counter
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from feeds.catalog import Catalog
from feeds.importing import ImportResult, import_file
from feeds.rules import check_table
from feeds.tables import ints, scales_of
from feeds.times import iso
from feeds.validation import validate

pytestmark = pytest.mark.real

MINUTE_NS = 60 * 10**9
HOUR_NS = 60 * MINUTE_NS


def kinds(result: ImportResult) -> dict[str, int]:
    found: Counter[str] = Counter()
    for stream in result.streams:
        found[stream.kind] += stream.rows_out
    return dict(found)


@pytest.mark.parametrize(
    ("name", "format", "options", "rows"),
    [
        ("raw/binance_vision/BTCUSDT-bookDepth-2025-10-10_first2000.csv", "binance-bookdepth", {}, {"depth": 2000}),
        ("book/binance_um_BTCUSDT_bookDepth_2025-10-10.csv.gz", "binance-bookdepth", {}, {"depth": 28_790}),
        ("raw/tardis/binance-futures_book_snapshot_25_BTCUSDT.csv", "tardis-book-snapshots", {}, {"book": 500}),
        ("raw/tardis/deribit_incremental_book_L2_BTC-PERPETUAL.csv", "tardis-book-updates", {}, {"book": 15}),
        ("raw/tardis/huobi-dm-swap_quotes_BTC-USD.csv", "tardis-quotes", {}, {"quotes": 10}),
        ("raw/tardis/okex-options_options_chain_first2000.csv", "tardis-options-chain", {}, {"options": 2000}),
        (
            "options/okex-options_options_chain_2025-10-10_BTC-USD-251031-80000-P.csv.gz",
            "tardis-options-chain",
            {},
            {"options": 80_539},
        ),
        ("options/deribit_BTC_option_chain_2021-02-11.parquet", "deribit-options", {}, {"options": 976}),
        ("options/deribit_ETH_book_summary_2024-01-08.parquet", "deribit-options", {}, {"options": 684}),
        ("raw/bitmex/tradeBucketed_1m_XBTUSD_2020-03-13.json.gz", "bitmex-buckets", {}, {"bars:1m": 1440}),
        ("ohlcv/bitmex_XBTUSD_1m_2020-03-01_2020-03-20.parquet", "bitmex-buckets", {}, {"bars:1m": 28_800}),
        ("ohlcv/bitmex_XBTUSD_1m_2021-05-10_2021-05-31.parquet", "bitmex-buckets", {}, {"bars:1m": 31_680}),
        ("raw/bybit/xrpusdt-ob500.data.zip", "bybit-book", {"venue": "bybit"}, {"book": 3966}),
        ("raw/hyperliquid/ws_btc_20250126.gz", "hyperliquid-capture", {}, {"book": 1840, "trades": 64}),
        ("open_interest/bybit_oi_1h_BTC_SOL.parquet", "interest-table", {"venue": "bybit"}, {"open_interest": 86_769}),
        ("funding/bitmex_XBTUSD_funding.parquet", "funding-table", {"venue": "bitmex"}, {"funding": 8547}),
        (
            "funding/drift_BTC-PERP_funding.parquet",
            "funding-table",
            {"venue": "drift", "symbol": "BTC-PERP"},
            {"funding": 10_882},
        ),
        (
            "instruments/binance_um_premiumIndex_all_2024-11-27.json.gz",
            "binance-premium-index",
            {},
            {"mark": 379, "index": 379},
        ),
        ("liquidations/multi_venue_ETHUSDT_liquidations_2026-04-03.csv", "forced-orders", {}, {"liquidations": 18}),
    ],
)
def test_files_have_the_rows_of_their_readme(
    real_data: Path, name: str, format: str, options: dict[str, str], rows: dict[str, int]
) -> None:
    result = import_file(real_data / name, **options)
    assert (result.format, kinds(result)) == (format, rows)


@pytest.mark.parametrize(
    ("name", "venue", "diffs", "quotes", "trades"),
    [
        ("binance_cm_btcusd_perp_20240808", "binance_coinm", 26_847, 19_136, 2286),
        ("binance_spot_btcusdt_20240808", "binance_spot", 3451, 28_040, 9757),
        ("binance_usdm_btcusdt_20240808", "binance_usdm", 6551, 66_089, 21_313),
    ],
)
def test_captured_streams_have_every_message_and_no_sequence_break(
    real_data: Path, name: str, venue: str, diffs: int, quotes: int, trades: int
) -> None:
    result = import_file(real_data / f"book/{name}.gz")
    found = {stream.kind: stream for stream in result.dataset.streams}
    assert {stream.venue for stream in result.dataset.streams} == {venue}
    assert (found["quotes"].rows, found["trades"].rows) == (quotes, trades)
    table = found["book"].table()
    updates = ints(table, "is_snapshot") == 0
    # A message whose both sides are empty leaves no row.
    assert 0.99 * diffs < np.unique(ints(table, "seq")[updates]).size <= diffs
    assert check_table(table, "book", 0) == []


def test_snapshots_of_the_book_never_cross(real_data: Path) -> None:
    name = "book/binance_um_BTCUSDT_l2_snapshots_2026-02-16_04h.parquet"
    (stream,) = import_file(real_data / name, venue="binance_usdm").dataset.streams
    table = stream.table()
    assert table.num_rows == 2559 * 400
    assert check_table(table, "book", 0) == []


def test_both_sides_of_every_fill_become_one_trade(real_data: Path) -> None:
    result = import_file(real_data / "accounts/hyperliquid_node_fills_by_block_2025-10-27.jsonl.gz")
    left_out = sum(int(text.rpartition(": ")[2].split()[0].replace(",", "")) for text in result.left_out)
    assert kinds(result)["trades"] + left_out == 3590 // 2
    assert kinds(result)["liquidations"] == 1  # of two sides that carry it, one was liquidated


def test_bitmex_bars_end_at_their_stamp_and_show_the_crash(real_data: Path) -> None:
    (stream,) = import_file(real_data / "ohlcv/bitmex_XBTUSD_1m_2020-03-01_2020-03-20.parquet").dataset.streams
    table = stream.table()
    low = ints(table, "low")
    at = int(np.argmin(low))
    assert Decimal(int(low[at])).scaleb(-scales_of(table)["price"]) == Decimal("3596")
    assert iso(int(ints(table, "ts_close")[at])) == "2020-03-13T02:16:00Z"
    assert int(np.count_nonzero(ints(table, "volume") == 0)) == 17


def test_funding_of_binance_from_a_third_repository_is_equal(real_data: Path) -> None:
    other = import_file(
        real_data / "funding/multi_venue_BTC-USDT_funding_2020_2024.parquet", venue="binance_usdm"
    ).dataset.streams[0]
    published = import_file(real_data / "funding/binance_um_funding_rates.parquet", symbol="BTCUSDT").dataset.streams[0]
    ours, theirs = (
        {
            ts: Decimal(rate).scaleb(-scales_of(table)["rate"])
            for ts, rate in zip(table["ts"].to_pylist(), table["rate"].to_pylist(), strict=True)
        }
        for table in (published.table(), other.table())
    )
    assert len(theirs) == 4383
    assert all(ours[ts] == rate for ts, rate in theirs.items())


def test_a_catalog_of_real_files_is_valid_or_says_what_is_not(real_data: Path, tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "catalog")
    for name, options in (
        ("book/binance_um_BTCUSDT_bookDepth_2025-10-10.csv.gz", {}),
        ("funding/hyperliquid_BTC_funding_premium_1h.parquet", {"symbol": "BTC"}),
        ("raw/bybit/xrpusdt-ob500.data.zip", {"venue": "bybit"}),
        ("accounts", {"account": "binance-export"}),
    ):
        import_file(real_data / name, catalog=catalog, **options)
    found = validate(catalog)
    assert found.exit_code == 1
    assert {row.rule for row in found.rows} == {"F2", "F6"}
    # The paging hole of its source takes about nine days of every month, each told once.
    assert sum(row.rule == "F6" for row in found.rows) <= 25
