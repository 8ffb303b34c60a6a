"""Archives of Bybit and OKX: files without checksums, days that begin at 16:00 UTC."""

from decimal import Decimal

import pytest
from loopback.server import Exchange
from loopback.truth import World, ms
from loopback.use import fetched, statuses, stored

import feeds

pytest.importorskip("feeds.formats.bybit", reason="the formats of these archives are not there")
NS = 1_000_000
DAY = "2026-11-05"


@pytest.fixture
def exchange():
    with Exchange() as running:
        yield running


@pytest.mark.parametrize("venue", ["bybit", "okx"])
def test_utc_days_hold_exactly_their_trades(exchange, tmp_path, venue):
    report = fetched(exchange, tmp_path, venue, kinds="trades", start=DAY, end="2026-11-07")
    assert report.exit_code == 0, str(report)
    rows = stored(tmp_path, "trades", venue)
    truth = exchange.world.trades(ms(DAY), ms("2026-11-07"))
    assert [(row["ts"] // NS, row["price"], row["side"]) for row in rows] == [
        (each.ts, Decimal(each.price), each.side) for each in truth
    ]
    assert statuses(tmp_path) == {("trades", DAY): "complete", ("trades", "2026-11-06"): "complete"}
    assert not exchange.asked("history-trades")


def test_day_of_okx_needs_the_file_of_the_day_after(exchange, tmp_path):
    exchange.fault("404", "trades-2026-11-06", times=-1)
    exchange.fault("empty_list", "history-trades", times=-1)
    report = fetched(exchange, tmp_path, "okx", kinds="trades", start=DAY, end="2026-11-06")
    assert report.exit_code == 1
    assert statuses(tmp_path) == {("trades", DAY): "suspect"}
    (row,) = {max(row["ts"] for row in stored(tmp_path, "trades", "okx"))}
    assert row < ms("2026-11-05T16:00") * NS


def test_funding_of_okx_before_its_rest_comes_from_files_of_all_swaps(tmp_path):
    with Exchange(World(listed=ms("2026-05-03"))) as exchange:
        report = fetched(exchange, tmp_path, "okx", kinds="funding", start="2026-05-01", end="2026-06-01")
        assert not exchange.asked("funding-rate-history")
        truth = exchange.world.settlements(ms("2026-05-01"), ms("2026-06-01"))
    assert report.exit_code == 0, str(report)
    rows = stored(tmp_path, "funding", "okx")
    assert [(row["ts"] // NS, row["rate"]) for row in rows] == [(at, Decimal(rate)) for at, rate in truth]


def test_gzip_of_bybit_that_is_damaged_is_asked_for_again_then_refused(exchange, tmp_path):
    exchange.files[f"public.bybit.com/trading/BTCUSDT/BTCUSDT{DAY}.csv.gz"] = b"\x1f\x8b\x08\x00not a gzip"
    report = fetched(exchange, tmp_path, "bybit", kinds="trades", start=DAY, end="2026-11-06")
    assert report.exit_code == 2
    assert "not a whole file" in report.streams[0].problems[0]
    assert len(exchange.asked(DAY)) == 3
    assert not statuses(tmp_path)


def newest(exchange):
    """Return the trades that Bybit gives when the newest are asked for, less those of the oldest stamp."""
    found = exchange.world.trades(ms("2026-11-09"), exchange.world.now)[-1000:]
    return [each.ts for each in found if each.ts > found[0].ts]


def test_running_day_of_bybit_has_its_newest_trades_and_a_gap_before_them(exchange, tmp_path):
    report = fetched(exchange, tmp_path, "bybit", kinds="trades", start="2026-11-10")
    assert report.exit_code == 1
    assert [row["ts"] // NS for row in stored(tmp_path, "trades", "bybit")] == newest(exchange)
    (gap,) = report.streams[0].gaps
    assert (gap.start, gap.end) == (ms("2026-11-10") * NS, newest(exchange)[0] * NS)
    assert "newest 1,000" in gap.detail
    assert statuses(tmp_path) == {("trades", "2026-11-10"): "suspect"}
    assert not exchange.asked("trading")


def test_runs_that_overlap_leave_no_gap_between_them(exchange, tmp_path):
    fetched(exchange, tmp_path, "bybit", kinds="trades", start="2026-11-10")
    first = newest(exchange)
    exchange.world.now += 3_600_000
    assert newest(exchange)[0] < first[-1]
    fetched(exchange, tmp_path, "bybit", kinds="trades", start="2026-11-10")
    expected = [each.ts for each in exchange.world.trades(first[0], exchange.world.now)]
    assert [row["ts"] // NS for row in stored(tmp_path, "trades", "bybit")] == expected
    part = feeds.Catalog(tmp_path).partition("bybit", "BTC/USDT:USDT", "trades", "2026-11-10")
    assert [(gap.start, gap.end) for gap in part.gaps] == [(ms("2026-11-10") * NS, first[0] * NS)]


def test_runs_far_apart_have_a_gap_between_them(exchange, tmp_path):
    exchange.world.now = ms("2026-11-10T02:00")
    fetched(exchange, tmp_path, "bybit", kinds="trades", start="2026-11-10")
    last = newest(exchange)[-1]
    exchange.world.now = ms("2026-11-10T23:00")
    report = fetched(exchange, tmp_path, "bybit", kinds="trades", start="2026-11-10")
    assert [(gap.start, gap.end) for gap in report.streams[0].gaps] == [(last * NS + 1, newest(exchange)[0] * NS)]


def test_file_of_a_day_takes_the_place_of_what_came_by_rest(exchange, tmp_path):
    fetched(exchange, tmp_path, "bybit", kinds="trades", start="2026-11-10")
    exchange.world.now = ms("2026-11-12")
    report = fetched(exchange, tmp_path, "bybit", kinds="trades", start="2026-11-10", end="2026-11-11")
    assert report.exit_code == 0, str(report)
    assert statuses(tmp_path) == {("trades", "2026-11-10"): "complete"}
    truth = exchange.world.trades(ms("2026-11-10"), ms("2026-11-11"))
    assert [row["ts"] // NS for row in stored(tmp_path, "trades", "bybit")] == [each.ts for each in truth]
    (source,) = feeds.Catalog(tmp_path).partition("bybit", "BTC/USDT:USDT", "trades", "2026-11-10").ledger["sources"]
    assert source["vendor"] == "public.bybit.com"


def test_day_of_bybit_that_is_over_waits_for_its_file(exchange, tmp_path):
    exchange.world.now = ms("2026-11-11T01:00")
    report = fetched(exchange, tmp_path, "bybit", kinds="trades", start="2026-11-10", end="2026-11-11")
    assert report.streams[0].problems == ["2026-11-10: not yet published"]
    assert not exchange.asked("recent-trade")
