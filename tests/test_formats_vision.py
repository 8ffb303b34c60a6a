"""Files of Binance Vision: every shape with and without header, and the defects that its archives are known for."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import feeds.formats.rows
from feeds.dataset import Stream
from feeds.errors import FeedError
from feeds.importing import ImportResult, import_file
from feeds.schema import scale_of
from feeds.tables import scales_of

MS = 1_704_067_200_000  # 2024-01-01T00:00Z
NS = MS * 10**6
DAY_MS = 86_400_000
TRADES_UM = "id,price,qty,quote_qty,time,is_buyer_maker\n"
AGGREGATES = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
KLINES = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore\n"
)


def write(folder: Path, name: str, *rows: str, header: str = "") -> Path:
    path = folder / name
    path.write_text(header + "".join(f"{row}\n" for row in rows))
    return path


def only(result: ImportResult) -> Stream:
    assert len(result.dataset.streams) == 1
    return result.dataset.streams[0]


def values(stream: Stream, name: str) -> list[Any]:
    """Cells of a column, mantissas as exact decimals."""
    table = stream.table() if name not in ("first_id", "last_id") else stream.parts[0].table
    cells = table[name].to_pylist()
    scale = scale_of(stream.kind, name, stream.timeframe_ns)
    if scale is None:
        return cells
    places = scales_of(table)[scale]
    return [None if cell is None else Decimal(cell).scaleb(-places) for cell in cells]


def rules(result: ImportResult) -> dict[str, int]:
    return {finding.rule: finding.count for finding in result.findings}


def aggregate(number: int, stamp: int, price: str = "100.5", quantity: str = "0.010", maker: str = "true") -> str:
    return f"{number},{price},{quantity},{2 * number},{2 * number + 1},{stamp},{maker}"


def kline(
    stamp: int,
    prices: str = "100,110,90,105",
    volume: str = "5",
    count: int = 3,
    *,
    unit: int = 60_000,
    taker: str = "1",
) -> str:
    bought, quote, spent = (taker, "500.25", "100") if volume != "0" else ("0", "0", "0")
    return f"{stamp},{prices},{volume},{stamp + unit - 1},{quote},{count},{bought},{spent},0"


# --- trades ---


@pytest.mark.parametrize("header", [TRADES_UM, ""])
def test_trades_are_the_same_with_and_without_header(tmp_path: Path, header: str) -> None:
    path = write(
        tmp_path,
        "BTCUSDT-trades-2024-01-01.csv",
        f"7,42283.10,0.010,422.83,{MS},true",
        f"8,42283.2,0.0005,21.14,{MS + 5},false",
        header=header,
    )
    result = import_file(path)
    stream = only(result)
    assert (result.format, result.rows_in, result.rows_out) == ("binance-trades", 2, 2)
    assert (stream.venue, stream.symbol, stream.kind) == ("binance_usdm", "BTC/USDT:USDT", "trades")
    assert values(stream, "ts") == [NS, NS + 5_000_000]
    assert values(stream, "id") == [7, 8]
    assert values(stream, "price") == [Decimal("42283.1"), Decimal("42283.2")]
    assert values(stream, "quantity") == [Decimal("0.01"), Decimal("0.0005")]
    assert values(stream, "side") == [-1, 1]  # the buyer was the maker, so the aggressor sold
    assert values(stream, "flags") == [0, 0]
    assert values(stream, "seq") == [0, 1]
    assert result.findings == ()


def test_coin_margined_trades_are_told_by_header_or_symbol(tmp_path: Path) -> None:
    row = f"7,42283.1,3,0.0071,{MS},true"
    header = TRADES_UM.replace("quote_qty", "base_qty")
    stream = only(import_file(write(tmp_path, "BTCUSD_PERP-trades-2024-01-01.csv", row, header=header)))
    assert (stream.venue, stream.symbol) == ("binance_coinm", "BTC/USD:BTC")
    assert values(stream, "quantity") == [3]


def test_spot_trades_have_seven_columns_and_microseconds(tmp_path: Path) -> None:
    path = write(tmp_path, "BTCUSDT-trades-2024-01-01.csv", f"7,42283.1,0.01,422.8,{MS}123,True,True")
    stream = only(import_file(path))
    assert (stream.venue, stream.symbol) == ("binance_spot", "BTC/USDT")
    assert values(stream, "ts") == [NS + 123_000]


def test_aggregates_keep_their_trade_ids_and_are_flagged(tmp_path: Path) -> None:
    path = write(tmp_path, "BTCUSDT-aggTrades-2024-01-01.csv", aggregate(1, MS), aggregate(2, MS))
    stream = only(import_file(path))
    assert stream.venue == "binance_usdm"
    assert values(stream, "flags") == [16, 16]
    assert (values(stream, "first_id"), values(stream, "last_id")) == ([2, 4], [3, 5])


def test_spot_aggregates_have_eight_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "BTCUSDT-aggTrades-2024-01-01.csv", aggregate(1, MS) + ",true")
    assert only(import_file(path)).symbol == "BTC/USDT"


def test_milliseconds_and_microseconds_in_one_file_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "BTCUSDT-aggTrades-2024-01.csv", aggregate(1, MS), aggregate(2, MS * 1000))
    with pytest.raises(FeedError, match=rf"from {MS} \(ms\) to {MS}000 \(us\); all must be of one unit"):
        import_file(path)


def test_interleaved_halves_are_sorted_by_id(tmp_path: Path) -> None:
    rows = [text for i in range(5) for text in (aggregate(i, MS + i), aggregate(i + 5, MS + 1000 + i))]
    result = import_file(write(tmp_path, "BTCUSDT-aggTrades-2024-01.csv", *rows))
    assert values(only(result), "id") == list(range(10))
    assert "O2" in rules(result)


def test_a_trade_repeated_in_the_file_of_the_next_day_is_dropped(tmp_path: Path) -> None:
    write(tmp_path, "BTCUSDT-aggTrades-2024-01-01.csv", aggregate(1, MS), aggregate(2, MS + DAY_MS - 1))
    write(tmp_path, "BTCUSDT-aggTrades-2024-01-02.csv", aggregate(2, MS + DAY_MS - 1), aggregate(3, MS + DAY_MS))
    result = import_file(tmp_path)
    assert values(only(result), "id") == [1, 2, 3]
    assert rules(result) == {"D1": 1}
    assert (result.rows_in, result.rows_out) == (4, 3)


@pytest.mark.parametrize("stretch", [1, 10**9])
def test_a_trade_id_with_another_content_is_a_conflict_of_its_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretch: int
) -> None:
    monkeypatch.setattr(feeds.formats.rows, "_ONE_STRETCH", stretch)
    files = tmp_path / "files"
    files.mkdir()
    write(files, "BTCUSDT-aggTrades-2024-01-01.csv", aggregate(1, MS), aggregate(2, MS + DAY_MS - 1))
    write(files, "BTCUSDT-aggTrades-2024-01-02.csv", aggregate(2, MS + DAY_MS, "100.7"), aggregate(3, MS + DAY_MS))
    result = import_file(files, catalog=tmp_path / "catalog")
    assert [finding.severity for finding in result.findings if finding.rule == "D2"] == ["fatal"]
    assert (result.rows_out, values(only(result), "id")) == (3, [1, 2, 3])
    assert [(gap.start, gap.reason) for gap in only(result).gaps] == [(NS + DAY_MS * 10**6, "conflict")]


@pytest.mark.parametrize("stretch", [1, 10**9])
def test_a_hole_in_aggregate_ids_is_a_gap_and_its_day_suspect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretch: int
) -> None:
    monkeypatch.setattr(feeds.formats.rows, "_ONE_STRETCH", stretch)
    files = tmp_path / "files"
    files.mkdir()
    write(files, "BTCUSDT-aggTrades-2024-01-01.csv", aggregate(1, MS), aggregate(2, MS + 1))
    write(files, "BTCUSDT-aggTrades-2024-01-02.csv", aggregate(3, MS + DAY_MS), aggregate(9, MS + DAY_MS + 7))
    memory = import_file(files)
    assert rules(memory) == {"G1": 5}
    assert [(gap.start, gap.detail) for gap in only(memory).gaps] == [(NS + DAY_MS * 10**6, "ids 4 to 8")]
    stored = import_file(files, catalog=tmp_path / "catalog")
    assert {gap.reason for gap in only(stored).gaps} == {"suspect"}
    assert min(gap.start for gap in only(stored).gaps) >= NS + DAY_MS * 10**6


@pytest.mark.parametrize("stretch", [1, 10**9])
def test_one_missing_id_at_midnight_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretch: int) -> None:
    monkeypatch.setattr(feeds.formats.rows, "_ONE_STRETCH", stretch)
    rows = (aggregate(1, MS), aggregate(2, MS + DAY_MS - 5), aggregate(4, MS + DAY_MS + 7))
    result = import_file(write(tmp_path, "BTCUSDT-aggTrades-2024-01.csv", *rows))
    assert rules(result) == {"G1": 1}
    assert [(gap.start, gap.end) for gap in only(result).gaps] == [
        (NS + (DAY_MS - 5) * 10**6, NS + (DAY_MS + 7) * 10**6 + 1)
    ]


def test_holes_in_plain_trade_ids_are_normal(tmp_path: Path) -> None:
    rows = (f"7,1,1,1,{MS},true", f"9,1,1,1,{MS + 1},true")
    assert import_file(write(tmp_path, "BTCUSDT-trades-2024-01-01.csv", *rows)).findings == ()


# --- klines ---


def test_klines_of_usdm_have_volume_in_base_and_in_quote(tmp_path: Path) -> None:
    path = write(tmp_path, "BTCUSDT-1m-2024-01.csv", kline(MS), kline(MS + 60_000), header=KLINES)
    result = import_file(path, timeframe="1m")
    stream = only(result)
    assert (result.format, stream.venue, stream.timeframe_ns) == ("binance-klines", "binance_usdm", 60 * 10**9)
    assert values(stream, "ts_close") == [NS + 60 * 10**9, NS + 120 * 10**9]
    assert values(stream, "ts_avail") == values(stream, "ts_close")
    assert values(stream, "high") == [110, 110]
    assert values(stream, "volume") == [5, 5]
    assert values(stream, "quote_volume") == [Decimal("500.25")] * 2
    assert values(stream, "count") == [3, 3]


def test_klines_of_coinm_have_contracts_and_no_quote_amount(tmp_path: Path) -> None:
    path = write(tmp_path, "BTCUSD_PERP-1m-2024-01.csv", kline(MS), header=KLINES)
    stream = only(import_file(path))
    assert (stream.symbol, values(stream, "volume"), values(stream, "quote_volume")) == ("BTC/USD:BTC", [5], [None])


def test_bare_klines_in_milliseconds_can_be_spot_or_futures(tmp_path: Path) -> None:
    path = write(tmp_path, "BTCUSDT-1m-2024-01.csv", kline(MS), kline(MS + 60_000))
    with pytest.raises(FeedError, match="give venue="):
        import_file(path)
    assert only(import_file(path, venue="binance_spot")).symbol == "BTC/USDT"
    assert only(import_file(path, venue="binance_usdm")).symbol == "BTC/USDT:USDT"


def test_bare_klines_in_microseconds_are_spot(tmp_path: Path) -> None:
    row = f"{MS}000,100,110,90,105,5,{MS + 59_999}999,500,3,1,100,0"
    stream = only(import_file(write(tmp_path, "BTCUSDT-1m-2024-01.csv", row)))
    assert (stream.venue, stream.timeframe_ns) == ("binance_spot", 60 * 10**9)
    assert values(stream, "ts_close") == [NS + 60 * 10**9]


def test_a_timeframe_that_contradicts_the_rows_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "BTCUSDT-1m-2024-01.csv", kline(MS), header=KLINES)
    with pytest.raises(FeedError, match=r"timeframe='1h' was given, but the rows are '1m' long"):
        import_file(path, timeframe="1h")


def test_calendar_months_are_refused(tmp_path: Path) -> None:
    months = (kline(MS, unit=31 * DAY_MS), kline(MS + 31 * DAY_MS, unit=29 * DAY_MS))
    path = write(tmp_path, "BTCUSDT-1mo-2024.csv", *months, header=KLINES)
    with pytest.raises(FeedError, match="bars of different lengths"):
        import_file(path)


def test_a_bar_in_which_takers_bought_more_than_the_volume_is_dropped(tmp_path: Path) -> None:
    path = write(tmp_path, "BTCUSDT-1m-2024-01.csv", kline(MS, taker="6"), kline(MS + 60_000), header=KLINES)
    result = import_file(path)
    assert rules(result) == {"V4": 1}
    assert (result.rows_in, result.rows_out) == (2, 1)


def sampled(stamp: int, prices: str) -> str:
    """A row of a mark, index or premium kline: no volume, 60 samples a minute."""
    return kline(stamp, prices, volume="0", count=60)


@pytest.mark.parametrize(
    ("name", "prices", "kind", "symbol"),
    [
        ("BTCUSD_PERP-1m-2024-01-01.csv", "100,110.00000001,90,105", "mark", "BTC/USD:BTC"),
        ("BTCUSD-1m-2024-01-01.csv", "100,110,90,105", "index", "BTC/USD"),
        ("BTCUSDT-1m-2024-01-01.csv", "-0.0001,0.0002,-0.0003,0.0001", "premium", "BTC/USDT:USDT"),
    ],
)
def test_sampled_klines_without_volume_are_prices(
    tmp_path: Path, name: str, prices: str, kind: str, symbol: str
) -> None:
    path = write(tmp_path, name, sampled(MS, prices), sampled(MS + 60_000, prices), header=KLINES)
    result = import_file(path)
    stream = only(result)
    assert (result.format, stream.kind, stream.symbol) == (f"binance-{kind}-klines", kind, symbol)
    assert values(stream, "low") == [Decimal(prices.split(",")[2])] * 2
    assert values(stream, "volume") == [0, 0]


def test_sampled_klines_of_usdm_are_ambiguous_until_the_format_is_given(tmp_path: Path) -> None:
    path = write(tmp_path, "BTCUSDT-1m-2024-01-01.csv", sampled(MS, "100,110,90,105"), header=KLINES)
    with pytest.raises(FeedError, match="format='binance-mark-klines' or format='binance-index-klines'"):
        import_file(path)
    assert only(import_file(path, format="binance-mark-klines")).kind == "mark"
    assert only(import_file(path, format="binance-index-klines")).kind == "index"


def test_klines_without_trades_and_samples_could_be_any_series(tmp_path: Path) -> None:
    path = write(tmp_path, "BTCUSDT-1m-2024-01-01.csv", kline(MS, volume="0", count=0), header=KLINES)
    with pytest.raises(FeedError, match=r"fits 3 formats, choose one: format='binance-klines' or"):
        import_file(path)


# --- funding, open interest, liquidations ---


@pytest.mark.parametrize("header", ["calc_time,funding_interval_hours,last_funding_rate\n", ""])
def test_funding_stamps_are_moved_to_the_hour_and_kept(tmp_path: Path, header: str) -> None:
    step = 8 * 3_600_000
    rows = (f"{MS + 3},8,0.00010000", f"{MS + step + 19},8,-0.00000123")
    result = import_file(write(tmp_path, "BTCUSDT-fundingRate-2024-01.csv", *rows, header=header))
    stream = only(result)
    assert result.format == "binance-funding"
    assert values(stream, "ts") == [NS, NS + step * 10**6]
    assert values(stream, "ts_raw") == [NS + 3_000_000, NS + (step + 19) * 10**6]
    assert values(stream, "rate") == [Decimal("0.0001"), Decimal("-0.00000123")]
    assert values(stream, "interval_s") == [28_800, 28_800]
    assert rules(result) == {"F1": 2}


def test_funding_of_several_symbols_is_split_and_selected(tmp_path: Path) -> None:
    header = "symbol,calc_time,funding_interval_hours,last_funding_rate\n"
    rows = (f"BTCUSDT,{MS},8,0.0001", f"ETHUSDT,{MS},8,0.0002")
    path = write(tmp_path, "all.csv", *rows, header=header)
    assert import_file(path).dataset.symbols == ("BTC/USDT:USDT", "ETH/USDT:USDT")
    assert values(only(import_file(path, symbol="ETHUSDT")), "rate") == [Decimal("0.0002")]
    with pytest.raises(FeedError, match=r"holds BTC/USDT:USDT of binance_usdm, .*but symbol='SOL/USDT:USDT' was asked"):
        import_file(path, symbol="SOL/USDT:USDT")


def test_two_funding_rows_of_one_slot_that_differ_are_a_conflict(tmp_path: Path) -> None:
    rows = (f"{MS + 3},8,0.0001", f"{MS + 5},8,0.0002", f"{MS + 8 * 3_600_000},8,0.0002")
    result = import_file(write(tmp_path, "BTCUSDT-fundingRate-2024-01.csv", *rows))
    assert any(finding.severity == "fatal" for finding in result.findings)


def test_open_interest_stamps_mean_the_snapshot(tmp_path: Path) -> None:
    header = (
        "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,"
        "sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio\n"
    )
    rows = ("2024-03-03 23:55:00,BTCUSDT,80000.5,5000000000.25,1,1,1,1", "2024-03-04 00:00:00,BTCUSDT,80001,5e9,1,,1,1")
    stream = only(import_file(write(tmp_path, "BTCUSDT-metrics-2024-03.csv", *rows, header=header)))
    assert stream.kind == "open_interest"
    # Until 2024-03-04 the stamp is the snapshot's time, from then on five minutes before it.
    assert values(stream, "ts") == [1_709_510_100 * 10**9, 1_709_510_700 * 10**9]
    assert values(stream, "native") == [Decimal("80000.5"), 80001]


LIQUIDATIONS = (
    "time,side,order_type,time_in_force,original_quantity,price,average_price,order_status,last_fill_quantity,"
    "accumulated_fill_quantity\n"
)


def test_doubled_liquidation_rows_are_halved_and_true_pairs_stay(tmp_path: Path) -> None:
    first = f"{MS},SELL,LIMIT,IOC,10,100.1,99.9,FILLED,10,10"
    second = f"{MS + 5},BUY,LIMIT,IOC,3,101,101.5,FILLED,3,3"
    rows = [first, first, second, second, second, second]
    result = import_file(write(tmp_path, "BTCUSD_PERP-liquidationSnapshot-2024-01-01.csv", *rows, header=LIQUIDATIONS))
    stream = only(result)
    assert (stream.venue, stream.kind) == ("binance_coinm", "liquidations")
    assert values(stream, "side") == [-1, 1, 1]
    assert values(stream, "average_price") == [Decimal("99.9"), Decimal("101.5"), Decimal("101.5")]
    assert values(stream, "coverage") == ["cm_proxy"] * 3
    assert rules(result) == {"D3": 3}


def test_liquidation_rows_that_are_not_doubled_are_kept(tmp_path: Path) -> None:
    rows = (f"{MS},SELL,LIMIT,IOC,10,100.1,99.9,FILLED,10,10", f"{MS},SELL,LIMIT,IOC,1,100.1,99.9,FILLED,1,1")
    result = import_file(write(tmp_path, "BTCUSD_PERP-liquidationSnapshot-2024-01-01.csv", *rows, header=LIQUIDATIONS))
    assert result.rows_out == 2
    assert [finding.severity for finding in result.findings] == ["flag"]
