"""A day of trades by REST that was interrupted, or is not over, is gone on with where it stopped."""

import pytest
from loopback.server import Exchange
from loopback.truth import PER_DAY, World, ms
from loopback.use import bytes_below, fetched, statuses, stored

from feeds.downloads.rest import binance

DAY = "2026-11-10"
VENUES = [
    ("binance_usdm", "BTC/USDT:USDT", "fapi/v1/aggTrades"),
    ("okx", "BTC/USDT:USDT", "history-trades"),
    ("deribit", "BTC/USD:BTC", "get_last_trades"),
]
EACH = pytest.mark.parametrize(("venue", "symbol", "path"), VENUES, ids=[each[0] for each in VENUES])


@pytest.fixture
def exchange():
    with Exchange(World(now=ms("2026-11-10T12:00"))) as running:
        yield running


def ids(root, venue, symbol):
    return [row["id"] for row in stored(root, "trades", venue, symbol)]


@EACH
def test_later_run_asks_for_what_is_new_only(exchange, tmp_path, venue, symbol, path):
    fetched(exchange, tmp_path, venue, symbol, kinds="trades", start=DAY)
    first = len(exchange.asked(path))
    exchange.requests.clear()
    exchange.world.now += 30 * 60_000
    report = fetched(exchange, tmp_path, venue, symbol, kinds="trades", start=DAY)
    assert report.exit_code == 0, str(report)
    assert len(exchange.asked(path)) < first
    assert ids(tmp_path, venue, symbol) == [each.id for each in exchange.world.trades(ms(DAY), exchange.world.now)]


@EACH
def test_day_in_pieces_has_the_bytes_of_a_day_in_one(exchange, tmp_path, venue, symbol, path):
    for hours in (0, 1, 5):
        exchange.world.now = ms(f"2026-11-10T{12 + hours}:00")
        fetched(exchange, tmp_path / "pieces", venue, symbol, kinds="trades", start=DAY)
    fetched(exchange, tmp_path / "whole", venue, symbol, kinds="trades", start=DAY)
    assert bytes_below(tmp_path / "pieces") == bytes_below(tmp_path / "whole")


@EACH
def test_day_that_has_ended_since_becomes_complete(exchange, tmp_path, venue, symbol, path):
    exchange.fault("404", "trades-2026-11-1", times=-1)  # no archive
    exchange.fault("404", "aggTrades-", times=-1)
    exchange.world.now = ms("2026-11-10T23:59:59")
    fetched(exchange, tmp_path, venue, symbol, kinds="trades", start=DAY)
    exchange.world.now = ms("2026-11-11T05:00")
    report = fetched(exchange, tmp_path, venue, symbol, kinds="trades", start=DAY, end="2026-11-11")
    assert report.exit_code == 0, str(report)
    assert statuses(tmp_path) == {("trades", DAY): "complete"}
    assert len(ids(tmp_path, venue, symbol)) == PER_DAY


@pytest.mark.parametrize("place", [1, 3, 5, 8])
def test_walk_that_is_cut_off_goes_on_from_what_was_kept(exchange, tmp_path, monkeypatch, place):
    options = {"kinds": "trades", "start": DAY}
    monkeypatch.setattr(binance, "_PAGE", 100)
    monkeypatch.setattr(binance, "_KEPT_PAGES", 2)
    fetched(exchange, tmp_path / "whole", **options)
    whole = len(exchange.asked("aggTrades"))
    real, calls = binance._Trades._page, []

    def cut(trades, params):
        calls.append(params)
        if len(calls) > 3 + place:
            raise KeyboardInterrupt
        return real(trades, params)

    with monkeypatch.context() as patch:
        patch.setattr(binance._Trades, "_page", cut)
        with pytest.raises(KeyboardInterrupt):
            fetched(exchange, tmp_path / "cut", **options)
    exchange.requests.clear()
    fetched(exchange, tmp_path / "cut", **options)
    assert bytes_below(tmp_path / "cut") == bytes_below(tmp_path / "whole")
    if place > 1:  # else nothing had been kept yet
        assert len(exchange.asked("aggTrades")) <= whole - place + 1


def test_rows_with_a_gap_are_not_gone_on_from(exchange, tmp_path):
    first = exchange.world.trades(ms(DAY), exchange.world.now)[0].id
    real = exchange.world.trades_from
    hidden = range(first + 100, first + 110)
    exchange.world.trades_from = lambda number, count: [each for each in real(number, count) if each.id not in hidden]
    fetched(exchange, tmp_path, kinds="trades", start=DAY)
    assert statuses(tmp_path) == {("trades", DAY): "suspect"}
    exchange.world.trades_from = real
    assert fetched(exchange, tmp_path, kinds="trades", start=DAY).exit_code == 0
    found = ids(tmp_path, "binance_usdm", "BTC/USDT:USDT")
    assert found == [each.id for each in exchange.world.trades(ms(DAY), exchange.world.now)]


def test_archive_of_a_day_that_was_begun_by_rest_completes_it(exchange, tmp_path):
    fetched(exchange, tmp_path, kinds="trades", start=DAY)
    exchange.world.now = ms("2026-11-12T13:00")
    exchange.requests.clear()
    report = fetched(exchange, tmp_path, kinds="trades", start=DAY, end="2026-11-11")
    assert report.exit_code == 0, str(report)
    assert statuses(tmp_path) == {("trades", DAY): "complete"}
    assert len(ids(tmp_path, "binance_usdm", "BTC/USDT:USDT")) == PER_DAY
    assert not exchange.asked("fapi/v1/aggTrades")
