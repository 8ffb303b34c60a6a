"""What can be had from where, and any other exchange of ccxt through one adapter that a grid proves."""

import json
from decimal import Decimal

import ccxt
import pytest
from loopback import server
from loopback.page import Page, step_ms
from loopback.server import Exchange
from loopback.truth import World, ms
from loopback.use import fetched, statuses, stored

import feeds
from feeds.ccxt_ids import CCXT_IDS
from feeds.downloads import capabilities
from feeds.errors import FeedError

START = "2026-11-08"


def test_every_way_has_a_host_a_fact_and_a_date():
    rows = capabilities.listed()
    assert {row["venue"] for row in rows} >= {"binance_usdm", "binance_coinm", "bybit", "okx", "deribit", "hyperliquid"}
    for row in rows:
        assert "2026-11" in row["fact"] or "4.5.90" in row["fact"]
        assert row["look-back"]
        assert row["source"].split()[0] in ("archive", "rest", "tardis")


def test_archives_come_first():
    assert [way.source for way in capabilities.ways("binance_usdm", "trades")] == ["archive", "rest"]


def test_bare_word_of_a_sampled_price_means_its_minutes():
    assert capabilities.checked("binance_usdm", ["mark", "index:5m", "trades"]) == ("mark:1m", "index:5m", "trades")


def test_refusal_names_all_kinds_at_once_with_what_to_do():
    with pytest.raises(FeedError) as caught:
        capabilities.checked("deribit", ["mark", "trades", "tiers", "quotes"])
    text = str(caught.value)
    assert all(
        word in text
        for word in ("mark: its REST", "tiers: its margin is a formula", "quotes: no venue gives past quotes")
    )
    assert "\ntrades" not in text


def test_ids_of_exchanges_are_those_of_the_version_they_name():
    installed = set(ccxt.exchanges)
    if ccxt.__version__ == "4.5.90":
        assert installed == CCXT_IDS
    assert len(installed & CCXT_IDS) > 80


def test_catalog_keeps_instruments_of_any_exchange_under_unified_names(tmp_path):
    from feed_rows import bars

    catalog = feeds.Catalog(tmp_path)
    catalog.write("mexc", "BTC/USDT:USDT", "bars:1m", bars(), source="x")
    assert catalog.symbols("mexc") == ("BTC/USDT:USDT",)
    assert (tmp_path / "v1/venue=mexc/instrument=BTC%2FUSDT%3AUSDT").is_dir()
    assert catalog.read("mexc", "BTC/USDT:USDT", "bars:1m").num_rows == 60


def kraken(world, path, params):
    """Kraken futures as ccxt asks it: charts by the second, funding of all times at once."""
    if path.endswith("/instruments"):
        contract = {
            "symbol": "PF_XBTUSD",
            "type": "flexible_futures",
            "base": "BTC",
            "quote": "USD",
            "pair": "BTC:USD",
            "tickSize": 1,
            "contractSize": 1,
            "tradeable": True,
            "contractValueTradePrecision": 4,
            "openingDate": "2026-10-01T00:00:00.000Z",
            "marginLevels": [],
        }
        return {"result": "success", "instruments": [contract], "serverTime": "2026-11-10T12:00:00.000Z"}
    if path.startswith("/api/charts"):
        series, _, length = path.split("/")[4:7]
        slots = world.slots(int(params["from"]) * 1000, int(params["to"]) * 1000 + 1, step_ms(length))[:2000]
        names = ("open", "high", "low", "close", "volume")
        kind = "trade" if world.is_silent_fallback else {"trade": "trade", "mark": "mark", "spot": "index"}[series]
        rows = [{"time": at, "volume": "0"} | dict(zip(names, world.candle(at, kind), strict=False)) for at in slots]
        return Page(rows, lambda rows: {"candles": rows, "more_candles": False})
    if path.endswith("historicalfundingrates"):
        rows = [
            {
                "timestamp": _iso(at),
                "fundingRate": "1.5",
                "relativeFundingRate": rate,
            }
            for at, rate in world.settlements(world.listed, world.now)
        ]
        return Page(rows, lambda rows: {"result": "success", "rates": rows})
    return {"result": "error", "error": "unknown"}


def _iso(at):
    from feeds.times import iso

    return iso(at * 1_000_000).replace("Z", ".000Z")


@pytest.fixture
def exchange(monkeypatch):
    monkeypatch.setitem(server.HANDLERS, "futures.kraken.com", kraken)
    world = World(intervals=[(0, 1)])
    world.is_silent_fallback = False
    with Exchange(world) as running:
        yield running


def test_bars_and_funding_of_another_exchange_are_proved_by_their_grid(exchange, tmp_path):
    options = {"venue": "krakenfutures", "symbol": "BTC/USD:USD", "start": START}
    report = fetched(exchange, tmp_path, kinds=["bars:5m", "mark:5m", "index:5m", "funding", "instruments"], **options)
    assert report.exit_code == 0, str(report)
    world = exchange.world
    slots = [at for at in world.slots(ms(START), world.now, 300_000) if at + 300_000 <= world.now]
    for kind, series in (("bars:5m", "trade"), ("mark:5m", "mark"), ("index:5m", "index")):
        rows = stored(tmp_path, kind, "krakenfutures", "BTC/USD:USD")
        assert [(row["ts"] // 1_000_000, row["open"]) for row in rows] == [
            (at, Decimal(world.candle(at, series)[0])) for at in slots
        ]
    rows = stored(tmp_path, "funding", "krakenfutures", "BTC/USD:USD")
    truth = world.settlements(ms("2026-11-01"), world.now)
    assert [row["rate"] for row in rows] == [Decimal(rate) for _, rate in truth]


def test_hole_of_another_exchange_is_a_gap(exchange, tmp_path):
    exchange.world.absent.add(ms("2026-11-09T10:00"))
    options = {"venue": "krakenfutures", "symbol": "BTC/USD:USD", "start": START, "end": "2026-11-10"}
    assert fetched(exchange, tmp_path, kinds="bars:5m", **options).exit_code == 1
    assert statuses(tmp_path)["bars:5m", "2026-11-09"] == "suspect"


def test_trade_bars_in_place_of_marks_are_refused(exchange, tmp_path):
    exchange.world.is_silent_fallback = True
    report = fetched(exchange, tmp_path, "krakenfutures", "BTC/USD:USD", kinds="mark:5m", start=START)
    assert report.exit_code == 2
    assert "rule M1" in report.streams[0].problems[0]
    assert not statuses(tmp_path)


def test_exchange_that_lists_nothing_is_no_exchange_without_markets(exchange, tmp_path):
    exchange.fault("html", "instruments", times=-1)
    report = fetched(exchange, tmp_path, "krakenfutures", "BTC/USD:USD", kinds="bars:5m", start=START, attempts=2)
    assert report.exit_code == 2
    assert "gave up after 2 attempts" in json.dumps(report.to_dict())
