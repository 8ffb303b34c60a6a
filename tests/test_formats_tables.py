"""Formats other than Binance Vision: tardis, freqtrade, ccxt, panels, tables of venues, tiers, generic CSV."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from feeds.dataset import Stream
from feeds.errors import FeedError
from feeds.importing import ImportResult, from_ccxt, import_file
from feeds.schema import scale_of
from feeds.tables import scales_of

US = 1_704_067_200_000_000  # 2024-01-01T00:00Z
NS = US * 1000
HOUR_NS = 3_600_000_000_000
TARDIS = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def only(result: ImportResult) -> Stream:
    assert len(result.dataset.streams) == 1
    return result.dataset.streams[0]


def stream_of(result: ImportResult, kind: str, symbol: str | None = None, venue: str | None = None) -> Stream:
    found = [
        stream
        for stream in result.dataset.streams
        if stream.kind == kind and symbol in (None, stream.symbol) and venue in (None, stream.venue)
    ]
    assert len(found) == 1
    return found[0]


def values(stream: Stream, name: str) -> list[Any]:
    """Cells of a column, mantissas as exact decimals."""
    table = stream.table()
    cells = table[name].to_pylist()
    scale = scale_of(stream.kind, name, stream.timeframe_ns)
    if scale is None:
        return cells
    places = scales_of(table)[scale]
    return [None if cell is None else Decimal(cell).scaleb(-places) for cell in cells]


# --- tardis ---


def test_tardis_trades_keep_the_receipt_stamp_and_never_before_the_event(tmp_path: Path) -> None:
    rows = (
        f"binance-delivery,AVAXUSD_PERP,{US},{US + 700},11,buy,28.41,105\n"
        f"binance-delivery,AVAXUSD_PERP,{US + 10},{US + 5},12,sell,28.4,1\n"
    )
    result = import_file(write(tmp_path, "x.csv", TARDIS + rows))
    stream = only(result)
    assert (result.format, stream.venue, stream.symbol) == ("tardis-trades", "binance_coinm", "AVAX/USD:AVAX")
    assert values(stream, "ts_avail") == [NS + 700_000, NS + 10_000]
    assert values(stream, "side") == [1, -1]
    assert values(stream, "id") == [11, 12]
    assert values(stream, "price") == [Decimal("28.41"), Decimal("28.4")]


def test_tardis_ids_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    row = f"bitmex,XBTUSD,{US},{US},ccc3c1fa-212c,sell,8531.5,2152\n"
    stream = only(import_file(write(tmp_path, "x.csv", TARDIS + row)))
    assert (stream.symbol, values(stream, "id")) == ("BTC/USD:BTC", [-1])


def test_a_grouped_tardis_file_is_split_by_symbol(tmp_path: Path) -> None:
    rows = "".join(
        f"binance-futures,{symbol},{US + i},{US + i},{i},buy,{10 + i},1\n"
        for i, symbol in enumerate(("BTCUSDT", "ETHUSDT", "BTCUSDT"))
    )
    result = import_file(write(tmp_path, "PERPETUALS.csv", TARDIS + rows))
    assert values(stream_of(result, "trades", "BTC/USDT:USDT"), "price") == [10, 12]
    assert values(stream_of(result, "trades", "ETH/USDT:USDT"), "price") == [11]


def test_a_symbol_other_than_the_content_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "x.csv", TARDIS + f"binance-futures,ETHUSDT,{US},{US},1,buy,10,1\n")
    with pytest.raises(FeedError, match=r"holds ETH/USDT:USDT of binance_usdm, but symbol='BTC/USDT:USDT'"):
        import_file(path, symbol="BTC/USDT:USDT")
    with pytest.raises(FeedError, match=r"holds ETHUSDT of binance_usdm, but venue='bybit'"):
        import_file(path, venue="bybit")


def test_an_empty_tardis_file_is_a_day_without_data(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", TARDIS + f"bybit,BTCUSDT,{US},{US},1,buy,10,1\n")
    write(tmp_path, "b.csv", TARDIS)
    result = import_file(tmp_path)
    assert (result.rows_out, result.left_out) == (1, ("b.csv: empty, a day without data",))
    with pytest.raises(FeedError, match=r"no row to import: b.csv has none"):
        import_file(tmp_path / "b.csv")


def test_liquidations_have_the_header_of_trades_so_the_name_forbids_a_guess(tmp_path: Path) -> None:
    path = write(tmp_path, "binance-futures_liquidations.csv", TARDIS + f"bybit,BTCUSDT,{US},{US},1,buy,10,1\n")
    with pytest.raises(FeedError, match="format='tardis-trades' or format='tardis-liquidations'"):
        import_file(path)
    stream = only(import_file(path, format="tardis-liquidations"))
    assert (stream.kind, values(stream, "side"), values(stream, "coverage")) == ("liquidations", [1], ["sampled"])


def test_a_derivative_ticker_gives_mark_index_and_open_interest(tmp_path: Path) -> None:
    header = (
        "exchange,symbol,timestamp,local_timestamp,funding_timestamp,funding_rate,predicted_funding_rate,"
        "open_interest,last_price,index_price,mark_price\n"
    )
    rows = f"bybit,BTCUSDT,{US},{US + 9},,,,1000.5,99,100.25,\nbybit,BTCUSDT,{US + 1},{US + 10},,0.0001,,,99,,100.5\n"
    result = import_file(write(tmp_path, "x.csv", header + rows))
    assert values(stream_of(result, "mark"), "price") == [Decimal("100.5")]
    assert values(stream_of(result, "index"), "price") == [Decimal("100.25")]
    assert values(stream_of(result, "open_interest"), "native") == [Decimal("1000.5")]
    assert result.findings == ()


def test_a_derivative_ticker_gives_the_last_rate_received_in_the_minute_before_each_funding_time(
    tmp_path: Path,
) -> None:
    header = (
        "exchange,symbol,timestamp,local_timestamp,funding_timestamp,funding_rate,predicted_funding_rate,"
        "open_interest,last_price,index_price,mark_price\n"
    )
    day = US // 86_400_000_000 * 86_400_000_000
    times = [day + hours * 3_600_000_000 for hours in (8, 16, 24, 32)]
    rows = [
        (times[0] - 50_000_000, times[0], "0.0001"),
        (times[0] - 1_000_000, times[0], "0.00012345"),
        (times[0] + 5, times[0], "0.5"),  # received after the settlement: no rate of it any more
        (times[0] + 9, times[1], "-0.0002"),
        (times[1] - 2, times[1], "-0.0003"),
        (times[2] - 90_000_000, times[2], "0.0007"),  # too long before to be the one that was settled
        (times[3] - 2, times[3], "0.0004"),
    ]
    text = "".join(f"bybit,BTCUSDT,{at - 1},{at},{due},{rate},,,99,100,100.5\n" for at, due, rate in rows)
    stream = stream_of(import_file(write(tmp_path, "x.csv", header + text)), "funding")
    assert values(stream, "ts") == [times[0] * 1000, times[1] * 1000, times[3] * 1000]
    assert values(stream, "rate") == [Decimal("0.00012345"), Decimal("-0.0003"), Decimal("0.0004")]


# --- freqtrade and ccxt ---


def candles(rows: int = 3, volume: float = 2.5, hours: int = 1, close: float = 100.5) -> pa.Table:
    stamps = pa.array([NS // 10**6 + i * hours * 3_600_000 for i in range(rows)]).cast(pa.timestamp("ms", "UTC"))
    prices = {"open": 100.1, "high": 110.0, "low": 90.0, "close": close}
    columns = {name: [value] * rows for name, value in prices.items()}
    return pa.table({"date": stamps, **columns, "volume": [volume] * rows})


def test_freqtrade_candles_take_their_symbol_from_the_name_and_timeframe_from_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "BTC_USDT_USDT-1h-futures.feather"
    feather.write_feather(candles(), path, compression="lz4")
    with pytest.raises(FeedError, match="give venue="):
        import_file(path)
    result = import_file(path, venue="binance_usdm")
    stream = only(result)
    assert (result.format, stream.symbol, stream.kind) == ("freqtrade-candles", "BTC/USDT:USDT", "bars")
    assert stream.timeframe_ns == HOUR_NS
    assert values(stream, "open") == [Decimal("100.1")] * 3
    assert values(stream, "volume") == [Decimal("2.5")] * 3


@pytest.mark.parametrize("volume", [0.0, float("nan")])
def test_freqtrade_candles_without_volume_are_marks(tmp_path: Path, volume: float) -> None:
    feather.write_feather(candles(volume=volume, hours=8), tmp_path / "BTC_USDT_USDT-8h-mark.feather")
    stream = only(import_file(tmp_path / "BTC_USDT_USDT-8h-mark.feather", venue="bybit"))
    assert (stream.kind, stream.timeframe_ns, stream.symbol) == ("mark", 8 * HOUR_NS, "BTC/USDT:USDT")


def test_freqtrade_keeps_funding_in_the_open_of_empty_candles(tmp_path: Path) -> None:
    table = candles(rows=4, hours=8)
    zeros = pa.array([0.0] * 4)
    for name in ("high", "low", "close", "volume"):
        table = table.set_column(table.column_names.index(name), name, zeros)
    table = table.set_column(1, "open", pa.array([0.0001, -0.00002, 0.0, 3.4e-7]))
    feather.write_feather(table, tmp_path / "BTC_USDT_USDT-8h-funding_rate.feather")
    result = import_file(tmp_path / "BTC_USDT_USDT-8h-funding_rate.feather", venue="binance_usdm")
    stream = only(result)
    assert (result.format, stream.kind) == ("freqtrade-funding", "funding")
    assert values(stream, "rate") == [Decimal("0.0001"), Decimal("-0.00002"), 0, Decimal("3.4E-7")]
    assert values(stream, "interval_s") == [28_800] * 4


OHLCV = [[NS // 10**6 + i * 60_000, 0.1 + i, 9.0, 0.05, 0.3, 12] for i in range(3)]


def test_a_ccxt_list_is_the_same_from_json_and_from_memory(tmp_path: Path) -> None:
    path = write(tmp_path, "list.json", json.dumps(OHLCV))
    saved = only(import_file(path, venue="bybit", symbol="BTC/USDT:USDT"))
    memory = from_ccxt(OHLCV, kind="bars", venue="bybit", symbol="BTC/USDT:USDT", timeframe="1m").streams[0]
    assert saved.fingerprint == memory.fingerprint
    assert values(memory, "open") == [Decimal("0.1"), Decimal("1.1"), Decimal("2.1")]


def test_a_number_in_json_keeps_every_digit(tmp_path: Path) -> None:
    text = json.dumps(OHLCV).replace("9.0", "9.000000000000000001")
    stream = only(import_file(write(tmp_path, "x.json", text), venue="bybit", symbol="BTC/USDT:USDT"))
    assert values(stream, "high") == [Decimal("9.000000000000000001")] * 3


def test_a_ccxt_list_can_be_marks_when_the_user_says_so() -> None:
    stream = from_ccxt(OHLCV, kind="mark:1m", venue="bybit", symbol="BTC/USDT:USDT").streams[0]
    assert (stream.kind, values(stream, "close")) == ("mark", [Decimal("0.3")] * 3)


def test_marks_need_no_volume() -> None:
    rows = [[*row[:5], None] for row in OHLCV]
    stream = from_ccxt(rows, kind="index", venue="bybit", symbol="BTC/USDT:USDT").streams[0]
    assert (stream.kind, values(stream, "volume")) == ("index", [0, 0, 0])
    with pytest.raises(FeedError, match="no row has all the numbers that bars need"):
        from_ccxt(rows, kind="bars", venue="bybit", symbol="BTC/USDT:USDT")


@pytest.mark.parametrize(
    ("rows", "kind", "message"),
    [
        ([[1, 2]], "bars", "six numbers"),
        (OHLCV, "funding", "have the keys symbol, fundingRate, timestamp"),
        (OHLCV, "quotes", "does not come as a ccxt list"),
        ([OHLCV[0]], "bars", "one row does not show its timeframe"),
        ([[NS // 10**6, 1, 1, 1, None, 1], *OHLCV[1:]], "bars", "have no number"),
    ],
)
def test_ccxt_rows_of_another_kind_are_refused(rows: list[Any], kind: str, message: str) -> None:
    with pytest.raises(FeedError, match=message):
        from_ccxt(rows * 2 if message == "have no number" else rows, kind=kind, venue="bybit", symbol="BTC/USDT:USDT")


def funding_rows(symbol: str = "BTC/USDT:USDT") -> list[dict[str, Any]]:
    return [
        {
            "info": {"symbol": "BTCUSDT", "fundingRate": "0.00010000", "markPrice": "42000.12345678"},
            "symbol": symbol,
            "fundingRate": 0.0001,
            "timestamp": NS // 10**6 + i * 8 * 3_600_000 + 5,
            "datetime": "x",
        }
        for i in range(3)
    ]


def test_a_ccxt_funding_history_keeps_the_mark_of_the_venue(tmp_path: Path) -> None:
    path = write(tmp_path, "funding.json", json.dumps(funding_rows()))
    result = import_file(path, venue="binance_usdm")
    stream = only(result)
    assert result.format == "ccxt-funding"
    assert values(stream, "mark") == [Decimal("42000.12345678")] * 3
    assert values(stream, "ts") == [NS, NS + 8 * HOUR_NS, NS + 16 * HOUR_NS]
    memory = from_ccxt(funding_rows(), kind="funding", venue="binance_usdm", symbol="BTC/USDT:USDT").streams[0]
    assert memory.fingerprint == stream.fingerprint
    with pytest.raises(FeedError, match="holds BTC/USDT:USDT"):
        from_ccxt(funding_rows(), kind="funding", venue="binance_usdm", symbol="ETH/USDT:USDT")


def test_ccxt_trades_from_memory() -> None:
    rows = [
        {"id": str(i), "timestamp": NS // 10**6, "symbol": "BTC/USDT:USDT", "side": "sell", "price": 1.5, "amount": 0.1}
        for i in (7, 8)
    ]
    stream = from_ccxt(rows, kind="trades", venue="binance_usdm", symbol="BTC/USDT:USDT").streams[0]
    assert (values(stream, "id"), values(stream, "side")) == ([7, 8], [-1, -1])
    assert values(stream, "quantity") == [Decimal("0.1")] * 2


# --- panels and tables of many venues ---


def panel(hours: int = 24) -> pa.Table:
    stamps = NS // 1000 + np.arange(hours) * 3_600_000_000
    perp = {f"{name}_perp_binance": np.full(hours, 10.5) for name in ("open", "high", "low", "close")}
    spot = {f"{name}_spot_binance": np.full(hours, 10.4) for name in ("open", "high", "low", "close")}
    settled = np.repeat([0.0001, -0.0002, 0.0], 8)[:hours]
    return pa.table(
        {
            "timestamp": pa.array(stamps).cast(pa.timestamp("us")),
            **perp,
            "volume_perp_binance": pa.array(np.full(hours, 3.3), pa.float32()),
            **spot,
            "volume_spot_binance": pa.array(np.full(hours, 4.4), pa.float32()),
            "mark_price_binance": 10.0 + np.arange(hours),
            "funding_rate_raw_binance": settled,
            "funding_rate_1h_binance": settled / 8,
        }
    )


def test_an_hourly_panel_gives_both_legs_the_mark_and_the_settlements(tmp_path: Path) -> None:
    parquet.write_table(panel(), tmp_path / "binance_um_AVAXUSDT_1h.parquet")
    result = import_file(tmp_path / "binance_um_AVAXUSDT_1h.parquet")
    assert result.format == "hourly-panel"
    spot = stream_of(result, "bars", "AVAX/USDT", "binance_spot")
    perpetual = stream_of(result, "bars", "AVAX/USDT:USDT", "binance_usdm")
    assert (values(perpetual, "open")[0], values(spot, "open")[0]) == (Decimal("10.5"), Decimal("10.4"))
    assert values(perpetual, "volume")[0] == Decimal("3.3")  # not 3.2999999523 of a widened float32
    mark = stream_of(result, "mark")
    assert values(mark, "ts")[:2] == [NS + HOUR_NS, NS + 2 * HOUR_NS]  # the mark is true at the end of its hour
    assert values(mark, "price")[:2] == [10, 11]
    funding = stream_of(result, "funding")
    assert values(funding, "ts") == [NS, NS + 8 * HOUR_NS, NS + 16 * HOUR_NS]
    assert values(funding, "rate") == [Decimal("0.0001"), Decimal("-0.0002"), 0]
    assert values(funding, "interval_s") == [28_800] * 3


def test_an_hourly_panel_asked_for_by_its_perpetual_brings_its_spot_leg(tmp_path: Path) -> None:
    parquet.write_table(panel(), tmp_path / "panel.parquet")
    with pytest.raises(FeedError, match="give symbol="):
        import_file(tmp_path / "panel.parquet")
    result = import_file(tmp_path / "panel.parquet", symbol="AVAX/USDT:USDT")
    assert result.dataset.symbols == ("AVAX/USDT", "AVAX/USDT:USDT")
    only_mark = import_file(tmp_path / "panel.parquet", symbol="AVAX/USDT:USDT", kind="mark")
    assert [stream.kind for stream in only_mark.dataset.streams] == ["mark"]


def test_a_panel_whose_funding_interval_changes_has_both(tmp_path: Path) -> None:
    raw = np.repeat([0.0001, 0.0004, -0.0002, 0.0003, 0.0005], [8, 4, 4, 4, 4])
    hours = np.repeat([8, 4], [8, 16])
    table = panel()
    for name, column in (("funding_rate_raw_binance", raw), ("funding_rate_1h_binance", raw / hours)):
        table = table.set_column(table.column_names.index(name), name, pa.array(column))
    parquet.write_table(table, tmp_path / "p.parquet")
    stream = only(import_file(tmp_path / "p.parquet", symbol="AVAX/USDT:USDT", kind="funding"))
    assert [(ts - NS) // HOUR_NS for ts in values(stream, "ts")] == [0, 8, 12, 16, 20]
    assert values(stream, "interval_s") == [28_800, 14_400, 14_400, 14_400, 14_400]


def test_a_hole_in_a_panel_is_a_finding_but_its_late_start_is_not(tmp_path: Path) -> None:
    table = panel()
    marks = [None, None, *range(10, 20), None, *range(21, 32)]
    place = table.column_names.index("mark_price_binance")
    parquet.write_table(
        table.set_column(place, "mark_price_binance", pa.array(marks, pa.float64())), tmp_path / "p.parquet"
    )
    result = import_file(tmp_path / "p.parquet", symbol="AVAX/USDT:USDT", kind="mark")
    assert (result.rows_out, [(finding.rule, finding.count) for finding in result.findings]) == (21, [("G3", 1)])


def test_candles_of_many_venues_get_the_names_of_each(tmp_path: Path) -> None:
    venues = ["binance", "binance", "hyperliquid", "hyperliquid", "nowhere", "nowhere"]
    stamps = pa.array([NS // 1000, NS // 1000 + 3_600_000_000] * 3).cast(pa.timestamp("us", "UTC"))
    prices = {name: [1.0, 2.0] * 3 for name in "ohlcv"}
    parquet.write_table(
        pa.table({"timestamp": stamps, "venue": venues, "coin": ["BTC"] * 6, **prices}), tmp_path / "c.parquet"
    )
    result = import_file(tmp_path / "c.parquet")
    assert [(s.venue, s.symbol) for s in result.dataset.streams] == [
        ("binance_usdm", "BTC/USDT:USDT"),
        ("hyperliquid", "BTC/USDC:USDC"),
    ]
    assert result.left_out == ("BTC of nowhere (a venue without names here): 2 rows",)
    assert "left out: BTC of nowhere" in str(result)
    assert only(import_file(tmp_path / "c.parquet", venue="hyperliquid")).venue == "hyperliquid"


def test_funding_of_many_venues_has_the_interval_of_its_spacing(tmp_path: Path) -> None:
    stamps = [NS + 1_000_000, NS + 8 * HOUR_NS, NS + 16 * HOUR_NS, NS, NS + HOUR_NS, NS + 2 * HOUR_NS]
    table = pa.table(
        {
            "timestamp": pa.array([stamp // 1000 for stamp in stamps]).cast(pa.timestamp("us", "UTC")),
            "venue": ["binance"] * 3 + ["dydx"] * 3,
            "coin": ["SOL"] * 6,
            "funding_rate": [0.0001] * 6,
        }
    )
    parquet.write_table(table, tmp_path / "f.parquet")
    result = import_file(tmp_path / "f.parquet")
    assert values(stream_of(result, "funding", venue="binance_usdm"), "interval_s") == [28_800] * 3
    assert values(stream_of(result, "funding", venue="dydx"), "interval_s") == [3_600] * 3


# --- tiers ---


def test_tiers_hold_from_the_instant_that_the_user_states(tmp_path: Path) -> None:
    table = pa.table(
        {
            "symbol": ["BTC/USDT:USDT"] * 2 + ["ETH/USDT:USDT"],
            "tier": [1.0, 2.0, 1.0],
            "currency": ["USDT"] * 3,
            "minNotional": [0.0, 50_000.0, 0.0],
            "maxNotional": [50_000.0, 600_000.0, 50_000.0],
            "maintenanceMarginRate": [0.004, 0.005, 0.005],
            "maxLeverage": [125.0, 100.0, 100.0],
            "cum": [0.0, 50.0, 0.0],
        }
    )
    parquet.write_table(table, tmp_path / "tiers.parquet")
    with pytest.raises(FeedError, match="give valid_from="):
        import_file(tmp_path / "tiers.parquet", venue="binance_usdm")
    result = import_file(tmp_path / "tiers.parquet", venue="binance_usdm", valid_from="2024-10-01")
    assert result.format == "leverage-tiers"
    rows = [row for row in result.dataset.tiers if row["symbol"] == "BTC/USDT:USDT"]
    assert [(row["floor"], row["maintenance_rate"], row["max_leverage"], row["amount"]) for row in rows] == [
        (0, Decimal("0.004"), 125, 0),
        (50_000, Decimal("0.005"), 100, 50),
    ]
    assert {row["valid_from"] for row in rows} == {1_727_740_800 * 10**9}
    stored = import_file(
        tmp_path / "tiers.parquet", venue="binance_usdm", valid_from="2024-10-01", catalog=tmp_path / "catalog"
    )
    assert stored.dataset.tiers == result.dataset.tiers


def test_tiers_as_ccxt_returns_them(tmp_path: Path) -> None:
    tier = {"minNotional": 0, "maxNotional": 50000, "maintenanceMarginRate": 0.004, "maxLeverage": 125.0, "tier": 1.0}
    path = write(tmp_path, "t.json", json.dumps({"BTC/USDT:USDT": [{**tier, "info": {"cum": "0.0"}}]}))
    rows = import_file(path, venue="binance_usdm", valid_from="2024-10-01").dataset.tiers
    assert (rows[0]["symbol"], rows[0]["maintenance_rate"], rows[0]["amount"]) == ("BTC/USDT:USDT", Decimal("0.004"), 0)


# --- generic tables ---


def test_a_csv_with_common_words_needs_only_venue_and_symbol(tmp_path: Path) -> None:
    text = "Date,Open,High,Low,Close,Volume\n2024-01-01 00:00:00,1,2,0.5,1.5,7\n2024-01-01 00:15:00,1.5,2,1,1,8\n"
    result = import_file(write(tmp_path, "mine.csv", text), venue="bybit", symbol="BTC/USDT:USDT")
    stream = only(result)
    assert (result.format, stream.kind, stream.timeframe_ns) == ("csv", "bars", 15 * 60 * 10**9)
    assert values(stream, "low") == [Decimal("0.5"), 1]


def test_bars_of_two_lengths_in_one_csv_are_refused(tmp_path: Path) -> None:
    rows = "".join(f"{US // 1000 + minute * 60_000},1,1,1,1,1\n" for minute in (0, 2, 4, 6, 7))
    path = write(tmp_path, "mine.csv", "time,open,high,low,close,volume\n" + rows)
    with pytest.raises(FeedError, match="rows are 120 s apart most of the time, but a step of 60 s"):
        import_file(path, venue="bybit", symbol="BTC/USDT:USDT")


def test_a_csv_of_funding_without_interval_takes_it_from_the_spacing(tmp_path: Path) -> None:
    text = "timestamp,funding_rate\n2024-01-01T00:00:00Z,0.0001\n2024-01-01T04:00:00Z,0.0002\n"
    stream = only(import_file(write(tmp_path, "f.csv", text), venue="bybit", symbol="BTC/USDT:USDT"))
    assert (values(stream, "interval_s"), values(stream, "ts")[0]) == ([14_400] * 2, NS)


def test_a_csv_with_other_words_needs_a_map(tmp_path: Path) -> None:
    path = write(tmp_path, "p.csv", f"when,what\n{US // 1000},100.5\n{US // 1000 + 1},100.6\n")
    with pytest.raises(FeedError, match=r"not a known format: header when,what; give format="):
        import_file(path)
    with pytest.raises(FeedError, match="does not show what the rows are; give kind="):
        import_file(path, format="csv", venue="bybit", symbol="BTC/USDT:USDT")
    with pytest.raises(FeedError, match=r"mark need a column for ts, price"):
        import_file(path, format="csv", kind="mark", venue="bybit", symbol="BTC/USDT:USDT")
    with pytest.raises(FeedError, match="columns= names 'nope', which is not in the file"):
        import_file(path, format="csv", kind="mark", columns={"ts": "nope"}, venue="bybit", symbol="BTC/USDT:USDT")
    with pytest.raises(FeedError, match="columns= has 'prize'"):
        import_file(path, format="csv", kind="mark", columns={"prize": "what"}, venue="bybit", symbol="BTC/USDT:USDT")
    result = import_file(
        path,
        format="csv",
        kind="mark",
        columns={"ts": "when", "price": "what"},
        venue="bybit",
        symbol="BTC/USDT:USDT",
    )
    assert values(only(result), "price") == [Decimal("100.5"), Decimal("100.6")]


def test_a_column_that_we_do_not_know_keeps_a_file_from_being_guessed(tmp_path: Path) -> None:
    # A book update has the columns of a trade and one more; as trades it would be nonsense.
    text = f"exchange,symbol,timestamp,is_snapshot,side,price,amount\ndx,BTCUSDT,{US},true,bid,10,1\n"
    path = write(tmp_path, "book.csv", text)
    with pytest.raises(FeedError, match="not a known format"):
        import_file(path, venue="bybit")
    result = import_file(path, format="csv", venue="bybit")
    assert [(finding.rule, finding.message) for finding in result.findings] == [
        ("M2", "columns not read: exchange, is_snapshot")
    ]


def test_json_lines_are_read_like_a_list_of_objects(tmp_path: Path) -> None:
    rows = [
        {"coin": "BTC", "time": US // 1000 + i * 3_600_000 + 51, "funding_rate": 0.0000625, "premium": 0.0001}
        for i in range(3)
    ]
    path = write(
        tmp_path,
        "x.jsonl",
        "".join(json.dumps(row) + "\n" for row in rows).replace("6.25e-05", "0.000062500000000001"),
    )
    result = import_file(path)
    stream = only(result)
    assert (result.format, stream.venue, stream.symbol) == ("hyperliquid-funding", "hyperliquid", "BTC/USDC:USDC")
    assert values(stream, "rate") == [Decimal("0.000062500000000001")] * 3
    assert values(stream, "interval_s") == [3600] * 3
