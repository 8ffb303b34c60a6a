"""Archives of Bybit and OKX: files without checksums, days that begin at 16:00 UTC."""

from decimal import Decimal

import pytest
from loopback.server import Exchange
from loopback.truth import World, ms
from loopback.use import fetched, statuses, stored

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


def test_running_day_of_bybit_waits_for_its_file(exchange, tmp_path):
    report = fetched(exchange, tmp_path, "bybit", kinds="trades", start="2026-11-10")
    assert report.streams[0].problems == ["2026-11-10: not yet published"]
    assert not exchange.asked("trading")
