"""The one HTTP client: where it asks, how it waits, what it never says."""

import itertools

import pytest
from loopback.server import Exchange
from loopback.use import TestClock, client_of, fetched

from feeds.downloads.credentials import credentials
from feeds.downloads.endpoints import ENVIRONMENT, Endpoints, from_environment, parse_pairs
from feeds.downloads.exchange import Exchange as Venue
from feeds.downloads.http import HostError, RefusedError, as_list
from feeds.downloads.pace import Pace
from feeds.errors import FeedError

URL = "https://fapi.binance.com/fapi/v1/fundingRate?symbol=BTCUSDT&signature=secret-part"


@pytest.fixture
def exchange():
    with Exchange() as running:
        yield running


@pytest.fixture
def client(exchange):
    made = client_of(exchange.bases, exchange.world.now)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("bases", "url", "asked"),
    [
        ({}, "https://a.example.com/x?y=1", "https://a.example.com/x?y=1"),
        ({"a.example.com": "http://127.0.0.1:9"}, "https://a.example.com/x?y=1", "http://127.0.0.1:9/x?y=1"),
        ({"a.example.com": "https://mirror.org/base/"}, "https://a.example.com/x", "https://mirror.org/base/x"),
        ({"A.Example.com": "http://127.0.0.1:9"}, "https://a.example.com/x", "http://127.0.0.1:9/x"),
        ({"b.example.com": "http://127.0.0.1:9"}, "https://a.example.com/x", "https://a.example.com/x"),
    ],
)
def test_host_is_redirected_with_path_and_query(bases, url, asked):
    assert Endpoints(bases).resolve(url) == asked


def test_plain_http_is_asked_only_when_it_is_given_so():
    with pytest.raises(FeedError, match="only https is asked"):
        Endpoints().resolve("http://fapi.binance.com/fapi/v1/time")


@pytest.mark.parametrize(
    ("bases", "words"),
    [
        ({"https://fapi.binance.com": "http://127.0.0.1:9"}, "public host name"),
        ({"fapi.binance.com": "127.0.0.1:9"}, "must be http"),
        ({"fapi.binance.com": "ftp://127.0.0.1"}, "must be http"),
        ({"fapi.binance.com": "http://user:word@127.0.0.1"}, "credentials do not belong"),
        ({"fapi.binance.com": "http://127.0.0.1/?a=1"}, "must be http"),
    ],
)
def test_base_url_that_means_nothing_is_refused_and_not_repeated_whole(bases, words):
    with pytest.raises(FeedError, match=words) as caught:
        Endpoints(bases)
    assert "word@" not in str(caught.value)


def test_environment_redirects_and_what_is_given_wins(monkeypatch):
    monkeypatch.setenv(ENVIRONMENT, '{"a.example.com": "http://127.0.0.1:1", "b.example.com": "http://127.0.0.1:2"}')
    found = from_environment({"b.example.com": "http://127.0.0.1:3"})
    assert found.resolve("https://a.example.com/") == "http://127.0.0.1:1/"
    assert found.resolve("https://b.example.com/") == "http://127.0.0.1:3/"


@pytest.mark.parametrize("text", ["{", "[]", '{"a.example.com": 1}', "word"])
def test_environment_that_is_no_object_is_refused(monkeypatch, text):
    monkeypatch.setenv(ENVIRONMENT, text)
    with pytest.raises(FeedError, match=ENVIRONMENT):
        from_environment()


def test_pairs_of_the_command_line_are_split_at_the_first_sign():
    assert parse_pairs(["a.b=http://c/d=e"]) == {"a.b": "http://c/d=e"}
    with pytest.raises(FeedError, match="HOST=URL"):
        parse_pairs(["a.b"])


def test_waits_double_up_to_a_bound_and_vary(exchange, client):
    exchange.fault("500_html", times=-1)
    with pytest.raises(HostError, match="status 500; gave up after 5 attempts"):
        client.json(URL, as_list)
    assert len(client.clock.sleeps) == 4
    assert all(
        0.5 * usual <= wait <= 1.5 * usual for wait, usual in zip(client.clock.sleeps, (1, 2, 4, 4), strict=True)
    )
    assert len(exchange.requests) == 5


def test_message_about_a_request_shows_no_query(exchange, client):
    exchange.fault("html", times=-1)
    with pytest.raises(HostError) as caught:
        client.json(URL, as_list)
    assert "fapi.binance.com/fapi/v1/fundingRate" in str(caught.value)
    assert "secret-part" not in str(caught.value)


def test_ban_stops_the_host_for_a_later_process_too(exchange, tmp_path):
    memory = tmp_path / "bans.json"
    client = client_of(exchange.bases, exchange.world.now, memory=memory, attempts=1)
    exchange.fault("418", retry_after="300")
    with pytest.raises(HostError):
        client.json(URL, as_list)
    client.close()
    # The wait that a last attempt was asked for is kept as well.
    pace = Pace(TestClock(exchange.world.now), memory)
    pace.take("fapi.binance.com", 0.0)
    assert pace.clock.sleeps == [300.0]
    pace.take("dapi.binance.com", 0.0)
    assert pace.clock.sleeps == [300.0]


def test_ban_longer_than_half_an_hour_is_an_error_not_a_wait(tmp_path):
    pace = Pace(TestClock(0), tmp_path / "bans.json")
    pace.ban("fapi.binance.com", 7200)
    with pytest.raises(FeedError, match="another 120 min"):
        pace.take("fapi.binance.com", 0.0)
    assert not pace.clock.sleeps


def test_budget_of_a_host_is_shared_by_all_requests_to_it():
    pace = Pace(TestClock(10**12))
    for _ in range(20):
        pace.take("www.okx.com", 0.5)
    assert sum(pace.clock.sleeps) == pytest.approx(20 * 0.5 - 0.5 - 2.0, abs=0.6)
    assert pace.waited["www.okx.com"] == pytest.approx(sum(pace.clock.sleeps))


def test_weight_that_nears_the_budget_waits_for_the_next_minute():
    pace = Pace(TestClock(1_700_000_010_000))
    pace.see_weight("fapi.binance.com", 2_100)
    assert not pace.clock.sleeps
    pace.see_weight("fapi.binance.com", 2_300)
    (wait,) = pace.clock.sleeps
    assert 0 < wait <= 60


def test_requests_of_ccxt_are_paced_by_its_own_costs(exchange, client):
    venue = Venue("binanceusdm", client)
    assert venue.raw.enableRateLimit
    first = exchange.world.trades(exchange.world.now - 3_600_000, exchange.world.now)[0].id
    for _ in range(6):
        venue.call("fapiPublicGetAggTrades", {"symbol": "BTCUSDT", "fromId": first, "limit": 10}, as_list)
    # Twenty units of 50 ms each: one call a second after what may come at once.
    assert sum(client.clock.sleeps) == pytest.approx(6 - 1 - 2, abs=1.01)


def test_numbers_keep_their_digits(exchange, client):
    exchange.world.candle = lambda at, series="trade": ["0.10000000000000000001"] * 4 + ["1"]
    venue = Venue("binanceusdm", client)
    params = {"symbol": "BTCUSDT", "interval": "1m", "startTime": exchange.world.now - 60_000, "limit": 1}
    ((_, price, *_),) = venue.call("fapiPublicGetKlines", params, as_list)
    assert price == "0.10000000000000000001"


def test_key_comes_from_the_environment_or_a_file(tmp_path, monkeypatch):
    assert credentials("okx") is None
    path = tmp_path / "keys.json"
    path.write_text('{"okx": {"key": "k-of-file", "secret": "s-of-file", "password": "p"}}')
    assert credentials("okx", path).for_ccxt() == {"apiKey": "k-of-file", "secret": "s-of-file", "password": "p"}
    assert credentials("bybit", path) is None
    monkeypatch.setenv("LEVDYN_KEY_FILE", str(path))
    assert credentials("okx").key == "k-of-file"
    monkeypatch.setenv("LEVDYN_OKX_KEY", "k-of-environment")
    assert credentials("okx").key == "k-of-environment"
    assert "k-of" not in repr(credentials("okx"))


@pytest.mark.parametrize("text", ["{", "[]", '{"okx": "my-secret-word"}'])
def test_broken_key_file_is_an_error_that_shows_nothing_of_it(tmp_path, text):
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(FeedError) as caught:
        credentials("okx", path)
    assert "my-secret-word" not in str(caught.value)


def test_reply_that_redirects_is_not_followed(exchange, client):
    exchange.fault("redirect")
    with pytest.raises(RefusedError, match="redirections are not followed"):
        client.json(URL, as_list)


def test_rows_of_another_form_are_asked_for_again(exchange, tmp_path, monkeypatch):
    from loopback import binance

    real, told = binance._kline, itertools.count()

    def odd(*args):
        return {"unexpected": 1} if next(told) == 3 else real(*args)

    monkeypatch.setattr(binance, "_kline", odd)
    report = fetched(exchange, tmp_path, kinds="bars:1m", start="2026-11-10")
    assert report.exit_code == 0, str(report)
    assert report.retries == 1
