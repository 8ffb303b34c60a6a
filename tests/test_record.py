"""Recording from web sockets: ccxt.pro itself talks to the exchange of the tests, which breaks in every way."""

import dataclasses
from decimal import Decimal
from itertools import pairwise

import pytest
from loopback.live import aggregate, bybit_trade, change, forced, mark, now_ms, recording
from loopback.server import Exchange
from loopback.sockets import Sockets, until
from loopback.use import stored

import feeds
from feeds.downloads.live import channels

MS = 1_000_000
TRADES, FORCED, MARK, DEPTH = (f"btcusdt@{name}" for name in ("aggTrade", "forceOrder", "markPrice@1s", "depth@100ms"))


@pytest.fixture
def rest():
    """Serve what ccxt asks for by REST."""
    with Exchange() as exchange:
        yield exchange


@pytest.fixture
def sockets():
    """Serve web sockets."""
    with Sockets() as server:
        yield server


def listening(handle, sockets, *topics):
    """Wait until topics are subscribed."""
    until(lambda: handle.error or sockets.listens(*topics), f"subscription of {topics}")
    assert handle.error is None, handle.error


def ledger(root, kind):
    """Return the newest partition of a kind."""
    return [part for part in feeds.Catalog(root).partitions() if part.kind == kind][-1]


def lost(report, kind):
    """Return the gaps of a kind that arose while it was recorded."""
    tape = next(tape for tape in report.tapes if tape.wanted.kind == kind)
    return [gap for gap in tape.lost if gap.detail != "not recorded"]


def test_rows_of_every_kind_are_those_that_were_sent(tmp_path, rest, sockets):
    kinds = ["trades", "liquidations", "mark", "funding", "book"]
    at = now_ms()
    with recording(tmp_path, rest, sockets, kinds) as handle:
        listening(handle, sockets, TRADES, FORCED, MARK, DEPTH)
        sockets.send(TRADES, aggregate(100, at, "30000.10"))
        sockets.send(TRADES, aggregate(101, at + 1, "0.12345678901", "12345.6789"))
        sockets.send(FORCED, forced(at, "SELL", "29950.00", "0.200"))
        for step, rate in enumerate(("0.00010000", "0.00010000", "0.00012000")):
            sockets.send(MARK, mark(at + step, "30001.12345678", rate))
        sockets.send(DEPTH, change(1001, 1000, at, [["30000.10", "0"]], [["30000.30", "1.25"]]))
        until(lambda: handle.heard("trades") == 2 and handle.heard("mark") == 3 and handle.heard("book") == 5)
        until(lambda: handle.heard("liquidations") == 1)
    report = handle.report
    assert report.exit_code == 0
    assert report.rows == 2 + 1 + 3 + 2 + 5
    first, second = stored(tmp_path, "trades")
    assert first | {"ts_avail": 0} == {
        "ts": at * MS,
        "ts_avail": 0,
        "id": 100,
        "seq": 0,
        "price": Decimal("30000.1"),
        "quantity": Decimal("0.013"),
        "side": 1,
        "flags": 16,
        "first_id": 200,
        "last_id": 201,
    }
    assert (second["price"], second["side"]) == (Decimal("0.12345678901"), -1)
    assert report.begun <= first["ts_avail"] <= report.ended
    (order,) = stored(tmp_path, "liquidations")
    assert (order["side"], order["price"], order["average_price"]) == (-1, Decimal("29950"), Decimal("29951.2"))
    assert (order["quantity"], order["status"], order["coverage"]) == (Decimal("0.2"), "FILLED", "sampled")
    assert [row["price"] for row in stored(tmp_path, "mark")] == [Decimal("30001.12345678")] * 3
    rates = stored(tmp_path, "funding")
    assert [(row["rate"], row["interval_s"], row["kind"]) for row in rates] == [
        (Decimal("0.0001"), 28_800, 1),
        (Decimal("0.00012"), 28_800, 1),
    ]
    book = [(row["is_snapshot"], row["seq"], row["side"], row["quantity"]) for row in stored(tmp_path, "book")]
    assert sorted(book) == sorted(
        [
            *((1, 1000, side, Decimal(size)) for side, size in ((1, "1.5"), (1, "2"), (-1, "0.7"))),
            *((0, 1001, side, Decimal(size)) for side, size in ((1, "0"), (-1, "1.25"))),
        ]
    )


def test_coin_margined_contracts_of_binance_have_a_host_and_words_of_their_own(tmp_path, rest, sockets):
    kinds = ["trades", "liquidations", "mark", "funding", "book"]
    at = now_ms()
    where, native = {"venue": "binance_coinm", "symbols": "BTC/USD:BTC"}, {"symbol": "BTCUSD_PERP"}
    names = [f"btcusd_perp@{name}" for name in ("aggTrade", "forceOrder", "markPrice@1s", "depth@100ms")]
    with recording(tmp_path, rest, sockets, kinds, **where) as handle:
        listening(handle, sockets, *names)
        sockets.send(names[0], aggregate(7, at, "30000.1", "25", **native))
        sockets.send(names[1], forced(at, "BUY", "30100.5", "12", **native))
        sockets.send(names[2], mark(at, "30001.25", "-0.00005000", **native))
        sockets.send(names[3], change(1001, 1000, at, [["30000.1", "0"]], [["30000.3", "40"]], **native))
        until(lambda: all(handle.heard(kind) for kind in kinds) and handle.heard("book") == 5)
    assert handle.report.exit_code == 0, str(handle.report)
    where = {"venue": "binance_coinm", "symbol": "BTC/USD:BTC"}
    (trade,) = stored(tmp_path, "trades", **where)
    assert (trade["id"], trade["quantity"], trade["side"], trade["flags"]) == (7, 25, -1, 16)  # contracts
    (order,) = stored(tmp_path, "liquidations", **where)
    assert (order["side"], order["quantity"], order["coverage"]) == (1, 12, "sampled")
    assert [row["price"] for row in stored(tmp_path, "mark", **where)] == [Decimal("30001.25")]
    (rate,) = stored(tmp_path, "funding", **where)
    assert (rate["rate"], rate["interval_s"], rate["kind"]) == (Decimal("-0.00005"), 28_800, 1)
    assert {row["is_snapshot"] for row in stored(tmp_path, "book", **where)} == {0, 1}
    assert {part.ledger["sources"][0]["name"] for part in feeds.Catalog(tmp_path).partitions()} == {
        "recorded from dstream.binance.com"
    }


def test_ledger_says_from_where_and_until_when_it_was_recorded(tmp_path, rest, sockets):
    at = now_ms()
    with recording(tmp_path, rest, sockets, "mark") as handle:
        listening(handle, sockets, MARK)
        sockets.send(MARK, mark(at))
        until(lambda: handle.heard("mark") == 1)
    part = ledger(tmp_path, "mark")
    assert part.status == "partial"
    (source,) = part.ledger["sources"]
    assert source["name"] == "recorded from fstream.binance.com"
    assert feeds.Catalog(tmp_path).read("binance_usdm", "BTC/USDT:USDT", "mark", raw=True).num_rows == 1
    before, after = part.gaps
    assert (before.start, before.end) == (part.bounds[0], at * MS)
    assert (after.start, after.end) == (at * MS + 1, part.bounds[1])


def test_dataset_of_what_was_recorded_has_no_gap_unless_more_is_asked_for(tmp_path, rest, sockets):
    at = now_ms()
    with recording(tmp_path, rest, sockets, "mark") as handle:
        listening(handle, sockets, MARK)
        sockets.send(MARK, mark(at))
        until(lambda: handle.heard("mark") == 1)
    catalog = feeds.Catalog(tmp_path)
    (stream,) = catalog.dataset("binance_usdm", "BTC/USDT:USDT", kinds="mark").streams
    assert stream.gaps == ()
    wide = catalog.dataset("binance_usdm", "BTC/USDT:USDT", kinds="mark", end=(at + 1_000) * MS)
    assert [gap.end for gap in wide.streams[0].gaps] == [(at + 1_000) * MS]


def test_lost_connection_leaves_a_gap_from_the_last_row_to_the_next(tmp_path, rest, sockets):
    at = now_ms()
    with recording(tmp_path, rest, sockets, "mark") as handle:
        listening(handle, sockets, MARK)
        sockets.send(MARK, mark(at))
        until(lambda: handle.heard("mark") == 1)
        sockets.drop()
        listening(handle, sockets, MARK)
        sockets.send(MARK, mark(at + 700))
        until(lambda: handle.heard("mark") == 2)
    (gap,) = lost(handle.report, "mark")
    assert (gap.start, gap.end, gap.detail) == (at * MS + 1, (at + 700) * MS, "connection lost")
    assert gap in ledger(tmp_path, "mark").gaps
    assert handle.report.exit_code == 1
    assert handle.tape("mark").reconnects == 1


def test_trades_repeated_after_a_reconnection_are_stored_once_and_their_ids_show_that_none_is_missing(
    tmp_path, rest, sockets
):
    at = now_ms()
    with recording(tmp_path, rest, sockets, "trades") as handle:
        listening(handle, sockets, TRADES)
        for number in range(5):
            sockets.send(TRADES, aggregate(number, at + number))
        until(lambda: handle.heard("trades") == 5)
        sockets.drop()
        listening(handle, sockets, TRADES)
        for number in (3, 4, 5, 6):
            sockets.send(TRADES, aggregate(number, at + number))
        until(lambda: handle.heard("trades") == 7)
    assert [row["id"] for row in stored(tmp_path, "trades")] == list(range(7))
    assert handle.tape("trades").repeats == 2
    assert lost(handle.report, "trades") == []
    assert handle.report.exit_code == 0


def test_ids_that_are_missing_are_a_gap_with_or_without_a_lost_connection(tmp_path, rest, sockets):
    at = now_ms()
    with recording(tmp_path, rest, sockets, "trades") as handle:
        listening(handle, sockets, TRADES)
        for number in (0, 1, 4):
            sockets.send(TRADES, aggregate(number, at + number))
        until(lambda: handle.heard("trades") == 3)
        sockets.drop()
        listening(handle, sockets, TRADES)
        sockets.send(TRADES, aggregate(8, at + 8))
        until(lambda: handle.heard("trades") == 4)
    gaps = lost(handle.report, "trades")
    assert [(gap.start - at * MS, gap.end - at * MS) for gap in gaps] == [(1 * MS + 1, 4 * MS), (4 * MS + 1, 8 * MS)]
    assert [gap.detail for gap in gaps] == ["ids missing: 2", "connection lost"]
    assert handle.report.exit_code == 1


def test_liquidations_miss_what_lies_between_two_connections_and_nothing_else(tmp_path, rest, sockets):
    at = now_ms()
    with recording(tmp_path, rest, sockets, "liquidations") as handle:
        listening(handle, sockets, FORCED)
        sockets.send(FORCED, forced(at))
        until(lambda: handle.heard("liquidations") == 1)
        seen = handle.tape("liquidations").last_seen
        sockets.drop()
        listening(handle, sockets, FORCED)
        until(lambda: lost(handle.progress, "liquidations"))
    (gap,) = lost(handle.report, "liquidations")
    assert seen - MS <= gap.start < gap.end <= handle.report.ended
    assert [each for each in ledger(tmp_path, "liquidations").gaps if each.detail == "connection lost"] == [gap]


def test_day_without_a_liquidation_is_stored_as_listened_to(tmp_path, rest, sockets):
    with recording(tmp_path, rest, sockets, "liquidations") as handle:
        listening(handle, sockets, FORCED)
        until(lambda: handle.tape("liquidations").since)
    part = ledger(tmp_path, "liquidations")
    assert (part.rows, part.status) == (0, "partial")
    assert [gap.detail for gap in part.gaps] == ["not recorded", "not recorded yet"]
    assert handle.report.exit_code == 0


def test_connection_that_answers_no_ping_is_opened_anew(tmp_path, rest, sockets):
    at = now_ms()
    with recording(tmp_path, rest, sockets, "liquidations", ping_s=0.2) as handle:
        listening(handle, sockets, FORCED)
        sockets.send(FORCED, forced(at))
        until(lambda: handle.heard("liquidations") == 1)
        sockets.deaf = True
        until(lambda: handle.tape("liquidations").reconnects >= 1)
        sockets.drop()
        sockets.deaf = False
        listening(handle, sockets, FORCED)
        sockets.send(FORCED, forced(at + 5))
        until(lambda: handle.heard("liquidations") == 2)
    assert [gap.detail for gap in lost(handle.report, "liquidations")] == ["connection lost"]
    assert len(stored(tmp_path, "liquidations")) == 2


def test_connection_that_lives_but_brings_nothing_is_opened_anew(tmp_path, rest, sockets, monkeypatch):
    quick = tuple(dataclasses.replace(each, quiet_s=1.0) for each in channels.CHANNELS)
    monkeypatch.setattr(channels, "CHANNELS", quick)
    with recording(tmp_path, rest, sockets, "mark") as handle:
        listening(handle, sockets, MARK)
        sockets.send(MARK, mark(now_ms()))
        until(lambda: handle.tape("mark").reconnects >= 2)
    assert sockets.opened >= 3
    assert len(stored(tmp_path, "mark")) == 1


def test_venue_that_turns_connections_away_is_asked_again_later_and_later(tmp_path, rest, sockets):
    sockets.refusing = True
    at = now_ms()
    with recording(tmp_path, rest, sockets, "mark") as handle:
        until(lambda: handle.progress.state == "recording" or handle.error)
        sockets.refusing = False
        listening(handle, sockets, MARK)
        sockets.send(MARK, mark(at))
        until(lambda: handle.heard("mark") == 1)
    assert len(stored(tmp_path, "mark")) == 1
    assert handle.report.exit_code == 0


def test_rows_are_stored_while_the_recording_goes_on(tmp_path, rest, sockets):
    at = now_ms()
    with recording(tmp_path, rest, sockets, "trades", flush_s=0.2) as handle:
        listening(handle, sockets, TRADES)
        for number in range(3):
            sockets.send(TRADES, aggregate(number, at + number))
            until(lambda: handle.progress.rows > number, "a flush")  # noqa: B023
        assert [row["id"] for row in stored(tmp_path, "trades")] == [0, 1, 2]
    part = ledger(tmp_path, "trades")
    assert [gap.detail for gap in part.gaps] == ["not recorded", "not recorded yet"]
    assert part.gaps[-1].start == (at + 2) * MS + 1


def test_more_rows_than_may_wait_are_stored_before_the_hour(tmp_path, rest, sockets):
    at = now_ms()
    with recording(tmp_path, rest, sockets, "trades", most_rows=10) as handle:
        listening(handle, sockets, TRADES)
        for number in range(12):
            sockets.send(TRADES, aggregate(number, at + number))
        until(lambda: handle.progress.rows >= 10, "a flush")
        assert handle.report is None


def test_second_recording_adds_what_is_new_and_the_time_between_as_a_gap(tmp_path, rest, sockets):
    at = now_ms()
    for numbers in ((0, 1, 2), (1, 2, 3), (3, 7)):
        with recording(tmp_path, rest, sockets, ["trades", "mark"]) as handle:
            listening(handle, sockets, TRADES, MARK)
            for number in numbers:
                sockets.send(TRADES, aggregate(number, at + number))
            sockets.send(MARK, mark(at + numbers[-1]))
            until(lambda: handle.heard("trades") == len(numbers) and handle.heard("mark") == 1)  # noqa: B023
    assert [row["id"] for row in stored(tmp_path, "trades")] == [0, 1, 2, 3, 7]
    inside = ledger(tmp_path, "trades").gaps[1:-1]
    assert [(gap.start, gap.end) for gap in inside] == [((at + 3) * MS + 1, (at + 7) * MS)]
    marks = ledger(tmp_path, "mark").gaps
    assert [(gap.start, gap.end, gap.detail) for gap in marks[1:-1]] == [
        ((at + a) * MS + 1, (at + b) * MS, "not recorded") for a, b in pairwise((2, 3, 7))
    ]


def test_disk_that_is_full_for_a_while_costs_nothing(tmp_path, rest, sockets, monkeypatch):
    from feeds import store

    real, failed = store._commit, []

    def failing(directory, data, ledger):
        if not failed:
            failed.append(directory)
            raise OSError(28, "No space left on device", str(directory))
        real(directory, data, ledger)

    monkeypatch.setattr(store, "_commit", failing)
    at = now_ms()
    with recording(tmp_path, rest, sockets, "trades", flush_s=0.2) as handle:
        listening(handle, sockets, TRADES)
        for number in range(3):
            sockets.send(TRADES, aggregate(number, at + number))
        until(lambda: handle.progress.rows == 3, "a flush after the one that failed")
    assert failed
    assert [row["id"] for row in stored(tmp_path, "trades")] == [0, 1, 2]
    assert "No space left" in handle.tape("trades").problems[0]


def test_bybit_is_recorded_in_its_own_words(tmp_path, rest, sockets):
    at = now_ms()
    names = [f"{word}.BTCUSDT" for word in ("publicTrade", "allLiquidation", "tickers", "orderbook.200")]
    kinds = ["trades", "liquidations", "mark", "funding", "book"]
    with recording(tmp_path, rest, sockets, kinds, venue="bybit") as handle:
        listening(handle, sockets, *names)
        sockets.send(names[0], bybit_trade("a-1", at))
        sockets.send(names[0], bybit_trade("a-1", at))
        sockets.send(names[0], bybit_trade("a-2", at, side="Sell"))
        body = [{"T": at, "s": "BTCUSDT", "S": "Buy", "v": "0.500", "p": "29000.10"}]
        sockets.send(names[1], {"topic": names[1], "type": "snapshot", "ts": at, "data": body})
        ticker = {"symbol": "BTCUSDT", "markPrice": "30000.12", "fundingRate": "0.0001", "nextFundingTime": "1"}
        sockets.send(names[2], {"topic": names[2], "type": "snapshot", "ts": at, "cs": 1, "data": ticker})
        less = {"symbol": "BTCUSDT", "markPrice": "30000.13"}
        sockets.send(names[2], {"topic": names[2], "type": "delta", "ts": at + 1, "cs": 2, "data": less})
        book = {"s": "BTCUSDT", "b": [["29999.90", "2"]], "a": [["30000.10", "1"]], "u": 7, "seq": 70}
        sockets.send(names[3], {"topic": names[3], "type": "snapshot", "ts": at + 1, "cts": at, "data": book})
        until(lambda: handle.heard("book") == 2 and handle.heard("mark") == 2 and handle.heard("liquidations") == 1)
    assert handle.report.exit_code == 0, str(handle.report)
    trades = stored(tmp_path, "trades", "bybit")
    assert [(row["id"], row["side"], row["price"]) for row in trades] == [
        (-1, 1, Decimal("30000.1")),
        (-1, -1, Decimal("30000.1")),
    ]
    (order,) = stored(tmp_path, "liquidations", "bybit")
    assert (order["side"], order["price"], order["coverage"]) == (-1, Decimal("29000.1"), "full")
    assert [row["price"] for row in stored(tmp_path, "mark", "bybit")] == [Decimal("30000.12"), Decimal("30000.13")]
    (rate,) = stored(tmp_path, "funding", "bybit")
    assert (rate["rate"], rate["interval_s"]) == (Decimal("0.0001"), 28_800)
    assert [row["seq"] for row in stored(tmp_path, "book", "bybit")] == [7, 7]


def test_okx_is_recorded_in_its_own_words(tmp_path, rest, sockets):
    at = now_ms()
    native = "BTC-USDT-SWAP"
    kinds = ["trades", "liquidations", "mark", "funding", "book"]
    with recording(tmp_path, rest, sockets, kinds, venue="okx") as handle:
        names = [f"{word}:{native}" for word in ("trades", "mark-price", "funding-rate", "books")]
        listening(handle, sockets, *names, "liquidation-orders:SWAP")

        def send(channel, topic, each, **more):
            arg = {"channel": channel, "instId": native}
            sockets.send(topic, {"arg": arg, "data": [{"instId": native, **each}], **more})

        send("trades", names[0], {"tradeId": "9", "px": "30000.1", "sz": "3", "side": "sell", "ts": str(at)})
        send("mark-price", names[1], {"instType": "SWAP", "markPx": "30000.2", "ts": str(at)})
        due = {"fundingTime": "1000", "nextFundingTime": str(1000 + 8 * 3_600_000), "ts": str(at)}
        send("funding-rate", names[2], {"instType": "SWAP", "fundingRate": "0.0002", **due})
        levels = {"asks": [["30000.3", "1", "0", "1"]], "bids": [["30000", "2", "0", "1"]]}
        send("books", names[3], {"ts": str(at), "seqId": 5, "prevSeqId": -1, **levels}, action="snapshot")
        order = {"bkPx": "29000", "posSide": "long", "side": "sell", "sz": "13", "ts": str(at), "bkLoss": "0"}
        send(
            "liquidation-orders", "liquidation-orders:SWAP", {"details": [order], "instType": "SWAP", "uly": "BTC-USDT"}
        )
        until(lambda: all(handle.heard(kind) for kind in kinds))
    assert handle.report.exit_code == 0, str(handle.report)
    (trade,) = stored(tmp_path, "trades", "okx")
    assert (trade["id"], trade["side"], trade["quantity"]) == (9, -1, Decimal(3))
    (rate,) = stored(tmp_path, "funding", "okx")
    assert (rate["rate"], rate["interval_s"]) == (Decimal("0.0002"), 28_800)
    (order,) = stored(tmp_path, "liquidations", "okx")
    assert (order["side"], order["price"], order["coverage"]) == (-1, Decimal(29000), "sampled")
    assert [row["is_snapshot"] for row in stored(tmp_path, "book", "okx")] == [1, 1]


def test_hyperliquid_is_recorded_in_its_own_words(tmp_path, rest, sockets):
    at = now_ms()
    kinds = ["trades", "mark", "funding", "book"]
    options = {"venue": "hyperliquid", "symbols": "BTC/USDC:USDC"}
    with recording(tmp_path, rest, sockets, kinds, **options) as handle:
        names = ["trades:BTC", "activeAssetCtx:BTC", "l2Book:BTC"]
        listening(handle, sockets, *names)
        each = {"coin": "BTC", "side": "A", "px": "30000.0", "sz": "0.005", "time": at, "hash": "0x0", "tid": 98}
        for _ in range(2):
            sockets.send(names[0], {"channel": "trades", "data": [each]})
        context = {"funding": "0.0000125", "markPx": "30001.5", "oraclePx": "30000.0", "openInterest": "688.11"}
        sockets.send(names[1], {"channel": "activeAssetCtx", "data": {"coin": "BTC", "ctx": context}})
        levels = [[{"px": "30000.0", "sz": "1.5", "n": 4}], [{"px": "30001.0", "sz": "0.5", "n": 1}]]
        sockets.send(names[2], {"channel": "l2Book", "data": {"coin": "BTC", "time": at, "levels": levels}})
        until(lambda: all(handle.heard(kind) for kind in kinds) and handle.tape("trades").repeats)
    assert handle.report.exit_code == 0, str(handle.report)
    where = {"venue": "hyperliquid", "symbol": "BTC/USDC:USDC"}
    (trade,) = stored(tmp_path, "trades", **where)
    assert (trade["id"], trade["side"], trade["price"]) == (-1, -1, Decimal(30000))
    (price,) = stored(tmp_path, "mark", **where)
    assert price["ts"] == price["ts_avail"]
    assert (stored(tmp_path, "funding", **where)[0]["interval_s"], price["price"]) == (3600, Decimal("30001.5"))
    assert [row["side"] for row in stored(tmp_path, "book", **where)] == [1, -1]


def test_deribit_trades_say_themselves_which_were_liquidations(tmp_path, rest, sockets):
    at = now_ms()
    kinds = ["trades", "liquidations", "mark", "book"]
    where = {"venue": "deribit", "symbols": "BTC/USD:BTC"}
    names = [f"{word}.BTC-PERPETUAL.100ms" for word in ("trades", "ticker", "book")]
    with recording(tmp_path, rest, sockets, kinds, **where) as handle:
        listening(handle, sockets, *names)

        def send(topic, data):
            sockets.send(
                topic, {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": topic, "data": data}}
            )

        each = {"instrument_name": "BTC-PERPETUAL", "timestamp": at, "price": 30000.5, "amount": 40.0}
        plain = each | {"trade_seq": 5, "trade_id": "a", "direction": "buy"}
        send(names[0], [plain, each | {"trade_seq": 6, "trade_id": "b", "direction": "sell", "liquidation": "MT"}])
        ticker = {"instrument_name": "BTC-PERPETUAL", "timestamp": at, "mark_price": 30000.27, "stats": {}}
        send(names[1], ticker)
        book = {"instrument_name": "BTC-PERPETUAL", "timestamp": at, "change_id": 4, "bids": [["new", 30000.0, 10.0]]}
        send(names[2], book | {"type": "snapshot", "asks": []})
        gone = {"change_id": 5, "prev_change_id": 4, "bids": [["delete", 30000.0, 0.0]], "asks": []}
        send(names[2], book | {"type": "change"} | gone)
        until(lambda: all(handle.heard(kind) for kind in kinds) and handle.heard("book") == 2)
    assert handle.report.exit_code == 0, str(handle.report)
    where = {"venue": "deribit", "symbol": "BTC/USD:BTC"}
    trades = [(row["id"], row["side"], row["flags"]) for row in stored(tmp_path, "trades", **where)]
    assert trades == [(5, 1, 0), (6, -1, 1)]
    assert [(row["side"], row["coverage"]) for row in stored(tmp_path, "liquidations", **where)] == [
        (-1, "full"),
        (1, "full"),
    ]
    assert [(row["prev_seq"], row["quantity"]) for row in stored(tmp_path, "book", **where)] == [(-1, 10), (4, 0)]


def test_symbol_that_the_exchange_does_not_list_is_refused(tmp_path, rest, sockets):
    with recording(tmp_path, rest, sockets, "mark", symbols=["BTC/USDT:USDT", "DOGE/USDT:USDT"]) as handle:
        until(lambda: handle.error)
    assert "does not list DOGE/USDT:USDT" in str(handle.error)
    assert not list(feeds.Catalog(tmp_path).partitions())


def test_kind_that_a_venue_does_not_send_is_refused_before_anything_is_asked(tmp_path, rest, sockets):
    with pytest.raises(feeds.FeedError, match=r"(?s)funding: .*levdyn download.*bars:1m: .*levdyn download"):
        feeds.record("deribit", "BTC/USD:BTC", kinds=["funding", "bars:1m"], catalog=tmp_path, base_urls=rest.bases)
    assert not rest.requests
