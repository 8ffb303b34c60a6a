"""Files of archives are received several at a time, and what is stored is as if they had come one after another."""

import threading

import pytest
from loopback import archives, server
from loopback.server import Exchange
from loopback.truth import World, ms
from loopback.use import TestClock, bytes_below, client_of, fetched, statuses, stored

import feeds
from feeds.downloads import receiving
from feeds.downloads.bulk import archive
from feeds.downloads.pace import Pace

DAYS = {"kinds": "trades", "start": "2026-11-01", "end": "2026-11-09"}


@pytest.fixture
def exchange():
    with Exchange(World(listed=ms("2026-10-20"))) as running:
        yield running


class Crowd:
    """Lets requests of an archive go on only when as many are there as may come at once."""

    def __init__(self, count):
        self._barrier = threading.Barrier(count)
        self._lock = threading.Lock()
        self._inside = 0
        self.most = 0

    def __call__(self, world, path, params):
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
        self._barrier.wait(20)
        with self._lock:
            self._inside -= 1
        return archives.bybit(world, path, params)


def test_four_files_come_at_once_and_never_more(exchange, tmp_path, monkeypatch):
    crowd = Crowd(receiving.AT_ONCE)
    monkeypatch.setitem(server.HANDLERS, "public.bybit.com", crowd)
    report = fetched(exchange, tmp_path, "bybit", **DAYS)
    assert report.exit_code == 0, str(report)
    assert (receiving.AT_ONCE, crowd.most) == (4, 4)
    assert len(exchange.asked("/trading/")) == 8


@pytest.mark.parametrize("venue", ["binance_usdm", "bybit", "okx"])
def test_stored_bytes_are_those_of_files_that_came_one_after_another(exchange, tmp_path, monkeypatch, venue):
    fetched(exchange, tmp_path / "together", venue, **DAYS)
    asked = len(exchange.requests)
    monkeypatch.setattr(archive, "AT_ONCE", 1)
    fetched(exchange, tmp_path / "alone", venue, **DAYS)
    assert len(exchange.requests) == 2 * asked
    assert bytes_below(tmp_path / "together") == bytes_below(tmp_path / "alone")
    assert not list((tmp_path / "together" / "downloads").rglob("*.*z*"))


def test_file_that_stays_bad_costs_its_own_day_only(exchange, tmp_path):
    exchange.files["public.bybit.com/trading/BTCUSDT/BTCUSDT2026-11-04.csv.gz"] = b"\x1f\x8b no gzip"
    exchange.fault("404", "2026-11-06", times=-1)
    report = fetched(exchange, tmp_path, "bybit", **DAYS)
    assert report.streams[0].partitions == {"complete": 6, "failed": 1, "missing": 1}
    assert [text.partition(":")[0] for text in report.streams[0].problems] == [
        "public.bybit.com/trading/BTCUSDT/BTCUSDT2026-11-04.csv.gz",
        "2026-11-06",
    ]
    whole = exchange.world.trades(ms("2026-11-01"), ms("2026-11-09"))
    lost = ("2026-11-04", "2026-11-06")
    assert len(stored(tmp_path, "trades", "bybit")) == len(whole) - sum(
        len(exchange.world.trades(ms(day), ms(day) + 86_400_000)) for day in lost
    )


def test_host_that_never_recovers_is_asked_for_no_further_file(exchange, tmp_path):
    exchange.fault("500_html", "/trading/", times=-1)
    report = fetched(exchange, tmp_path, "bybit", attempts=2, **DAYS)
    assert (report.exit_code, report.streams[0].partitions) == (2, {"failed": 8})
    assert not statuses(tmp_path)
    asked = {each.path for each in exchange.requests if "/trading/" in each.path}
    assert len(asked) <= receiving.AT_ONCE + 1


def test_what_came_ahead_and_was_not_used_is_removed(exchange, tmp_path, monkeypatch):
    context_files = []
    real = archive.Files.close

    def closing(files):
        for coming in files._coming.values():
            coming.result(20)
        context_files.extend(files._coming)
        real(files)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(archive.Files, "close", closing)
    monkeypatch.setattr(archive.Files, "_parsed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetched(exchange, tmp_path, "bybit", **DAYS)
    assert len(context_files) >= 3  # one was taken
    assert not list((tmp_path / "downloads").rglob("*.gz"))


def test_wait_that_a_host_asks_for_holds_for_every_request_to_it():
    clock = TestClock(0)
    pace = Pace(clock)
    pace.hold("public.bybit.com", 9.0)
    pace.take("static.okx.com", 0.0)
    assert clock.sleeps == []
    pace.take("public.bybit.com", 0.0)
    pace.take("public.bybit.com", 0.0)
    assert clock.sleeps == [9.0]


def test_error_of_a_file_is_raised_where_it_is_asked_for(exchange, tmp_path):
    receivers = receiving.Receivers(2)
    failing = receivers.submit(lambda: 1 // 0)
    done = receivers.submit(lambda: 7)
    assert done.result(20) == 7
    with pytest.raises(ZeroDivisionError):
        failing.result(20)
    receivers.close()


def test_download_leaves_no_thread_behind(exchange, tmp_path):
    client = client_of(exchange.bases, exchange.world.now)
    feeds.download("bybit", "BTC/USDT:USDT", catalog=tmp_path, client=client, **DAYS)
    for thread in threading.enumerate():
        if thread.name == "levdyn-archive":
            thread.join(20)
            assert not thread.is_alive()
    client.close()
