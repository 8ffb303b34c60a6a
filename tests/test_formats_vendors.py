"""Files of Bybit, OKX, BitMEX, Deribit, Hyperliquid, dYdX and Gate: recognised by content, read exactly."""

import gzip
import io
import json
import tarfile
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from feeds.dataset import Stream
from feeds.errors import FeedError
from feeds.importing import ImportResult, import_file
from feeds.scales import to_text
from feeds.schema import scale_of
from feeds.tables import scales_of

S = 1_704_067_200  # 2024-01-01 UTC
MS, NS = S * 1000, S * 10**9
HOUR_NS = 3_600_000_000_000


def write(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    text = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return path


def save(folder: Path, name: str, value: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps(value))
    return path


def only(result: ImportResult, kind: str | None = None) -> Stream:
    (stream,) = (each for each in result.dataset.streams if kind in (None, each.kind))
    return stream


def column(stream: Stream, name: str) -> list[Any]:
    """Cells as text without trailing zeros where they are scaled, as they are elsewhere."""
    table = stream.table()
    scale = scale_of(stream.kind, name, stream.timeframe_ns)
    cells = table[name].to_pylist()
    if scale is None:
        return cells
    return [
        None if cell is None else f"{Decimal(to_text(cell, scales_of(table)[scale])).normalize():f}" for cell in cells
    ]


# --- Bybit ---

BYBIT = "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional"


def bybit(stamp: str, side: str = "Buy", size: str = "0.003", price: str = "42000.5", more: str = "") -> str:
    return f"{stamp},BTCUSDT,{side},{size},{price},PlusTick,6f9c,1.2e10,0.003,126.0{more}"


def test_bybit_times_in_decimal_seconds_are_exact(tmp_path: Path) -> None:
    path = write(tmp_path, "BTCUSDT2024-01-01.csv.gz", BYBIT, bybit(f"{S}.0547"), bybit(f"{S + 1}", "Sell"))
    stream = only(import_file(path))
    assert (stream.venue, stream.symbol) == ("bybit", "BTC/USDT:USDT")
    assert column(stream, "ts") == [NS + 54_700_000, NS + 10**9]
    assert column(stream, "side") == [1, -1]
    assert column(stream, "price") == ["42000.5", "42000.5"]


def test_bybit_files_that_are_newest_first_are_reversed(tmp_path: Path) -> None:
    rows = [bybit(f"{S + 9 - i}.5", size=f"{i + 1}") for i in range(10)]
    result = import_file(write(tmp_path, "BTCUSDT2024-01-01.csv", BYBIT, *rows))
    assert column(only(result), "quantity") == [str(10 - i) for i in range(10)]
    assert [each.rule for each in result.findings] == ["O1"]


def test_bybit_rpi_trades_are_flagged(tmp_path: Path) -> None:
    rows = [bybit(f"{S}.1", more=",0"), bybit(f"{S}.2", more=",1")]
    assert column(only(import_file(write(tmp_path, "x.csv", f"{BYBIT},RPI", *rows))), "flags") == [0, 8]


def test_bybit_spot_trades_have_ids_that_name_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "BTCUSDT_2024-01-01.csv", "id,timestamp,price,volume,side,rpi", f"1,{MS},42000,0.1,sell,0")
    stream = only(import_file(path))
    assert (stream.venue, stream.symbol, column(stream, "id")) == ("bybit_spot", "BTC/USDT", [-1])


def test_bybit_metatrader_klines_are_three_hours_ahead(tmp_path: Path) -> None:
    rows = [f"2024.01.01 0{3 + i // 60}:{i % 60:02d},100,101,99,100.5,{i + 1}" for i in range(90)]
    stream = only(import_file(write(tmp_path, "BTCUSDT_1_2024-01-01_2024-01-31.csv", *rows)))
    assert (stream.ts_min, stream.timeframe_ns, stream.symbol) == (NS, 60 * 10**9, "BTC/USDT:USDT")


def bybit_book(kind: str, update: int, bids: list[Any], asks: list[Any], *, ts: int = MS) -> str:
    body = {"s": "XRPUSDT", "b": bids, "a": asks, "u": update, "seq": update * 7}
    return json.dumps({"topic": "orderbook.500.XRPUSDT", "type": kind, "ts": ts + 2, "data": body, "cts": ts})


def test_bybit_book_is_read_from_a_zip_and_needs_its_venue(tmp_path: Path) -> None:
    lines = [bybit_book("snapshot", 5, [["0.5", "10"]], [["0.6", "20"]]), bybit_book("delta", 6, [["0.5", "0"]], [])]
    path = tmp_path / "2024-01-01_XRPUSDT_ob500.data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("2024-01-01_XRPUSDT_ob500.data", "\n".join(lines))
    with pytest.raises(FeedError, match="does not show the venue"):
        import_file(path)
    stream = only(import_file(path, venue="bybit"))
    assert column(stream, "quantity") == ["10", "20", "0"]
    assert [column(stream, name) for name in ("seq", "prev_seq", "is_snapshot", "side")] == [
        [5, 5, 6],
        [-1, -1, 5],
        [1, 1, 0],
        [1, -1, 1],
    ]
    assert (column(stream, "ts")[0], column(stream, "ts_avail")[0]) == (NS, NS + 2_000_000)


# --- OKX ---


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_okx_headers_in_two_languages_are_read_in_either_encoding(tmp_path: Path, encoding: str) -> None:
    header = "trade_id/撮合id,side/交易方向,size/数量,price/价格,created_time/成交时间"
    path = tmp_path / "BTC-USDT-SWAP-trades-2024-01-01.csv"
    path.write_bytes(f"{header}\n7,buy,3,42000.1,{MS - HOUR_NS // 10**6}\n8,sell,2,42000.2,{MS}\n".encode(encoding))
    stream = only(import_file(path))
    assert (stream.venue, stream.symbol, stream.rows) == ("okx", "BTC/USDT:USDT", 2)
    assert column(stream, "side") == [1, -1]


def test_okx_day_of_utc_plus_8_lands_on_the_right_days_of_utc(tmp_path: Path) -> None:
    from feeds.catalog import Catalog

    # The file of 2024-01-02 in UTC+8 runs from 16:00 of the first to 16:00 of the second.
    start = MS + 16 * 3_600_000
    rows = [f"BTC-USDT-SWAP,{i},buy,42000.1,1,{start + i * 720_000}" for i in range(120)]
    header = "instrument_name,trade_id,side,price,size,created_time"
    path = write(tmp_path, "BTC-USDT-SWAP-trades-2024-01-02.csv", header, *rows)
    import_file(path, catalog=tmp_path / "catalog")
    parts = {part.name: part.rows for part in Catalog(tmp_path / "catalog").partitions()}
    assert parts == {"2024-01-01": 40, "2024-01-02": 80}


def test_a_day_cut_in_another_zone_than_the_vendors_is_refused(tmp_path: Path) -> None:
    header = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
    start = MS + 8 * 3_600_000
    rows = [f"{i},42000,1,{i},{i},{start + i * 720_000},true" for i in range(120)]
    with pytest.raises(FeedError, match="T4"):
        import_file(write(tmp_path, "BTCUSDT-aggTrades-2024-01-01.csv", header, *rows))
    with pytest.raises(FeedError, match="T3"):
        import_file(write(tmp_path, "BTCUSDT-aggTrades-2023-06-01.csv", header, *rows))


def test_okx_funding_of_all_swaps_takes_its_interval_from_all_files(tmp_path: Path) -> None:
    for day in range(2):
        stamps = [MS + (day * 24 + hour) * 3_600_000 for hour in (0, 8, 16)]
        rows = [f"BTC-USDT-SWAP,0.0001,{stamp}" for stamp in stamps]
        rows += [f"NEW-USDT-SWAP,0.0002,{stamps[0]}"] if day else []
        write(
            tmp_path, f"allswap-fundingrates-2024-01-0{day + 1}.csv", "instrument_name,funding_rate,funding_time", *rows
        )
    result = import_file(tmp_path)
    stream = only(result)
    assert column(stream, "interval_s") == [28_800] * 6
    assert [text for text in result.left_out if "NEW/USDT:USDT" in text]


def test_okx_book_is_read_from_a_tar_file(tmp_path: Path) -> None:
    lines = [
        {
            "instId": "BTC-USDT-SWAP",
            "action": "snapshot",
            "ts": str(MS),
            "asks": [["2", "5", "1"]],
            "bids": [["1", "4", "2"]],
        },
        {"instId": "BTC-USDT-SWAP", "action": "update", "ts": str(MS + 10), "asks": [["2", "0", "0"]], "bids": []},
    ]
    data = "\n".join(map(json.dumps, lines)).encode()
    path = tmp_path / "BTC-USDT-SWAP-L2orderbook-400lv-2024-01-01.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("BTC-USDT-SWAP.data")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    stream = only(import_file(path))
    assert [column(stream, name) for name in ("price", "quantity", "side", "is_snapshot")] == [
        ["1", "2", "2"],
        ["4", "5", "0"],
        [1, -1, -1],
        [1, 1, 0],
    ]


# --- BitMEX ---


def test_bitmex_dump_and_bybit_file_share_a_header_and_differ_in_their_times(tmp_path: Path) -> None:
    row = "2024-01-01D00:00:25.948313000,XBTUSD,Sell,100,42000.5,MinusTick,6f9c,2e5,0.0023,100"
    other = row.replace("XBTUSD", ".BXBT")
    result = import_file(write(tmp_path, "20240101.csv.gz", BYBIT, row, other))
    stream = only(result)
    assert (result.format, stream.venue, stream.symbol) == ("bitmex-trades", "bitmex", "BTC/USD:BTC")
    assert column(stream, "ts") == [NS + 25_948_313_000]
    assert result.left_out == (".BXBT of bitmex (an instrument whose name has no form here): 1 rows",)


def test_bitmex_quotes_and_buckets(tmp_path: Path) -> None:
    header = "timestamp,symbol,bidSize,bidPrice,askPrice,askSize"
    row = "2024-01-01D00:00:00.000000000,XBTUSD,10,41999.5,42000,20"
    stream = only(import_file(write(tmp_path, "q.csv", header, row)))
    assert [column(stream, name)[0] for name in ("bid_price", "bid_quantity", "ask_price", "ask_quantity")] == [
        "41999.5",
        "10",
        "42000",
        "20",
    ]
    bucket = {
        "symbol": "XBTUSD",
        "high": 12,
        "low": 10,
        "close": 11,
        "trades": 1,
        "volume": 5,
        "vwap": 11,
        "lastSize": 1,
        "turnover": 1,
    }
    stamps = ["2024-01-01T00:01:00.000Z", "2024-01-01T00:02:00.000Z"]
    rows = [{"timestamp": stamp, "open": price} | bucket for stamp, price in zip(stamps, (11, 9), strict=True)]
    result = import_file(save(tmp_path, "b.json", rows))
    bars = only(result)
    # The stamp is the end of the bar; an open below the low was the close of the bar before.
    assert column(bars, "ts") == [NS, NS + 60 * 10**9]
    assert column(bars, "open") == ["11", "10"]
    assert [(each.rule, each.severity, each.count) for each in result.findings] == [("V4", "repair", 1)]


# --- Deribit ---


def deribit(seq: int, direction: str = "buy", **more: Any) -> dict[str, Any]:
    return {
        "trade_seq": seq,
        "trade_id": f"ETH-{seq * 3}",
        "timestamp": MS + seq,
        "price": 2000.5,
        "amount": 10.0,
        "direction": direction,
        "instrument_name": "ETH-PERPETUAL",
        "index_price": 2000,
        "mark_price": 2000,
    } | more


def test_deribit_trades_say_who_was_liquidated(tmp_path: Path) -> None:
    trades = [
        deribit(3, liquidation="M"),
        deribit(1),
        deribit(2, "sell", liquidation="T", block_trade_id="B-1"),
        deribit(4, liquidation="MT"),
    ]
    answer = {"jsonrpc": "2.0", "result": {"trades": trades, "has_more": True}}
    result = import_file(save(tmp_path, "eth.json", answer))
    tape, forced = only(result, "trades"), only(result, "liquidations")
    assert column(tape, "id") == [1, 2, 3, 4]
    assert column(tape, "flags") == [0, 5, 1, 1]
    # The maker of a buy sold; of MT both were forced.
    assert (column(forced, "side"), set(column(forced, "coverage"))) == ([-1, -1, -1, 1], {"full"})


def test_deribit_funding_is_the_hourly_part_and_not_the_rolling_sum(tmp_path: Path) -> None:
    rows = [
        {
            "timestamp": MS + i * 3_600_000,
            "index_price": 1.0,
            "prev_index_price": 1.0,
            "interest_8h": 0.0008,
            "interest_1h": 0.0001,
        }
        for i in range(3)
    ]
    stream = only(import_file(save(tmp_path, "f.json", {"result": rows}), symbol="BTC-PERPETUAL"))
    assert (column(stream, "rate"), column(stream, "interval_s")) == (["0.0001"] * 3, [3600] * 3)


# --- Hyperliquid ---

USERS = ("0x" + "a" * 40, "0x" + "b" * 40)


def fill(user: str, tid: int, side: str, *, crossed: bool, coin: str = "BTC", **more: Any) -> list[Any]:
    body = {
        "coin": coin,
        "px": "42000.0",
        "sz": f"0.{tid}",
        "side": side,
        "time": MS + tid,
        "startPosition": "0",
        "dir": "Open Long",
        "closedPnl": "0",
        "crossed": crossed,
        "fee": "0",
        "tid": tid,
    }
    return [user, body | more]


def test_hyperliquid_fills_have_two_sides_of_which_the_takers_is_the_trade(tmp_path: Path) -> None:
    forced = {"liquidatedUser": USERS[1], "markPx": "41999", "method": "market"}
    block = [
        *(fill(USERS[0], 1, "B", crossed=False), fill(USERS[1], 1, "A", crossed=True, liquidation=forced)),
        *(fill(USERS[0], 2, "B", crossed=True), fill(USERS[1], 2, "A", crossed=False)),
        fill(USERS[0], 3, "A", crossed=False, dir="Auto-Deleveraging"),
        fill(USERS[0], 4, "A", crossed=True, coin="@107"),
    ]
    block[0][1]["liquidation"] = forced
    line = {
        "local_time": "2024-01-01T00:00:02.5",
        "block_time": "2024-01-01T00:00:02",
        "block_number": 1,
        "events": block,
    }
    result = import_file(write(tmp_path, "fills.jsonl", json.dumps(line)))
    tape, liquidations = only(result, "trades"), only(result, "liquidations")
    assert column(tape, "side") == [-1, 1, 1]
    assert column(tape, "flags") == [1, 0, 2]
    assert column(tape, "ts_avail")[0] == NS + 2_500_000_000
    assert (column(liquidations, "side"), column(liquidations, "status")) == ([-1], ["market"])
    assert any(text.startswith("@107 of hyperliquid") for text in result.left_out)


def test_hyperliquid_fills_one_a_line_and_node_trades(tmp_path: Path) -> None:
    lines = [json.dumps(fill(USERS[0], 5, "B", crossed=True))]
    assert column(only(import_file(write(tmp_path, "a.jsonl", *lines))), "quantity") == ["0.5"]
    trade = {"coin": "BTC", "side": "A", "time": "2024-01-01T00:00:00.5", "px": "1", "sz": "2", "side_info": [{}, {}]}
    stream = only(import_file(write(tmp_path, "b.jsonl", json.dumps(trade))))
    assert (column(stream, "side"), column(stream, "ts")) == ([-1], [NS + 500_000_000])


def test_hyperliquid_archives_are_lz4_frames(tmp_path: Path) -> None:
    levels = [[{"px": "10", "sz": "1", "n": 1}], [{"px": "11", "sz": "2", "n": 1}]]
    line = {
        "time": "2024-01-01T00:00:01",
        "ver_num": 1,
        "raw": {"channel": "l2Book", "data": {"coin": "BTC", "time": MS, "levels": levels}},
    }
    with pa.output_stream(str(tmp_path / "BTC.lz4"), compression="lz4") as stream:
        stream.write(json.dumps(line).encode() + b"\n")
    book = only(import_file(tmp_path / "BTC.lz4"))
    assert [column(book, name) for name in ("side", "price", "is_snapshot")] == [[1, -1], ["10", "11"], [1, 1]]
    header = (
        "time,coin,funding,open_interest,prev_day_px,day_ntl_vlm,premium,oracle_px,mark_px,mid_px,impact_bid_px,"
        "impact_ask_px"
    )
    with pa.output_stream(str(tmp_path / "20240101.csv.lz4"), compression="lz4") as stream:
        stream.write(f"{header}\n2024-01-01T00:00:00Z,BTC,0.0000125,100.5,1,2,-0.0001,42000,42001.5,,,\n".encode())
    result = import_file(tmp_path / "20240101.csv.lz4")
    found = {stream.kind: stream for stream in result.dataset.streams}
    assert set(found) == {"mark", "index", "premium", "open_interest", "funding"}
    assert column(found["mark"], "price") == ["42001.5"]
    assert column(found["premium"], "price") == ["-0.0001"]
    assert column(found["funding"], "kind") == [1]


# --- dYdX ---


def test_dydx_trades_candles_and_funding(tmp_path: Path) -> None:
    trade = {"side": "SELL", "size": "0.5", "price": "42000", "createdAtHeight": "7"}
    trades = [
        {"id": str(i), "type": kind, "createdAt": f"2024-01-01T00:00:0{i}.500Z"} | trade
        for i, kind in ((2, "LIQUIDATED"), (1, "LIMIT"), (0, "DELEVERAGED"))
    ]
    result = import_file(save(tmp_path, "t.json", {"trades": trades}), symbol="BTC-USD")
    assert column(only(result, "trades"), "flags") == [2, 0, 1]
    assert column(only(result, "liquidations"), "side") == [-1]
    candle = {
        "ticker": "BTC-USD",
        "resolution": "1MIN",
        "low": "1",
        "high": "4",
        "open": "2",
        "close": "3",
        "baseTokenVolume": "5",
        "usdVolume": "10",
        "trades": 2,
        "startingOpenInterest": "77.5",
    }
    candles = [{"startedAt": f"2024-01-01T00:0{i}:00.000Z"} | candle for i in (2, 1, 0)]
    result = import_file(save(tmp_path, "c.json", {"candles": candles}))
    assert column(only(result, "bars"), "ts")[0] == NS
    assert column(only(result, "open_interest"), "native") == ["77.5"] * 3
    rows = [
        {
            "ticker": "BTC-USD",
            "rate": "0.00001",
            "price": "42000.5",
            "effectiveAtHeight": "1",
            "effectiveAt": f"2024-01-01T0{i}:00:00.219Z",
        }
        for i in (1, 0)
    ]
    funding = only(import_file(save(tmp_path, "f.json", {"result": {"historicalFunding": rows}})))
    assert (column(funding, "ts"), column(funding, "mark")) == ([NS, NS + HOUR_NS], ["42000.5"] * 2)


# --- Gate ---


def test_gate_files_without_header_are_told_apart_by_their_values(tmp_path: Path) -> None:
    trades = write(tmp_path, "BTC_USDT-202401.csv.gz", f"{S}.234567,9,42000.1,-50", f"{S + 1}.5,10,42000.2,7")
    stream = only(import_file(trades))
    assert (stream.venue, stream.symbol, column(stream, "side")) == ("gate", "BTC/USDT:USDT", [-1, 1])
    assert (column(stream, "quantity"), column(stream, "ts")[0]) == (["50", "7"], NS + 234_567_000)
    rows = [f"{S + i * 60},{i + 1},100.5,101,99,100" for i in range(3)]
    bars = only(import_file(write(tmp_path, "ETH_USDT-202401.csv", *rows)))
    assert [column(bars, name)[0] for name in ("open", "high", "low", "close", "volume")] == [
        "100",
        "101",
        "99",
        "100.5",
        "1",
    ]
    marks = only(import_file(write(tmp_path, "SOL_USDT-202401.csv", f"{S},100.25", f"{S + 60},100.5")))
    assert (marks.kind, column(marks, "price")) == ("mark", ["100.25", "100.5"])
    funding = [f"{S + i * 28_800},{rate}" for i, rate in enumerate(("0.0001", "-0.0002", "0.0003"))]
    rates = only(import_file(write(tmp_path, "XRP_USDT-202401.csv", *funding)))
    assert (rates.kind, column(rates, "interval_s")) == ("funding", [28_800] * 3)
    with pytest.raises(FeedError, match="fits 2 formats, choose one: format='gate-mark' or format='gate-funding'"):
        import_file(write(tmp_path, "PEPE_USDT-202401.csv", f"{S},0.00001", f"{S + 28_800},0.00002"))
