"""Downloading from a loopback exchange that speaks the venues' formats: what is stored is what happened."""

from decimal import Decimal

import pytest
from loopback.binance import FILTERS
from loopback.server import Exchange
from loopback.truth import MS_DAY, MS_HOUR, MS_MINUTE, World, ms
from loopback.use import bytes_below, fetched, statuses, stored

import feeds
from feeds.errors import FeedError

START = "2026-11-08"
LOW = ms(START)
NS = 1_000_000
LINEAR, INVERSE = "BTC/USDT:USDT", "BTC/USD:BTC"
HOURLY = [(0, 1)]


@pytest.fixture
def exchange():
    with Exchange() as running:
        yield running


def numbers(rows, *names):
    """Return chosen columns of stored rows, ts in ms."""
    return [(row["ts"] // NS, *(row[name] for name in names)) for row in rows]


def closed(world, low, step):
    """Return the slots of bars that have closed."""
    return [at for at in world.slots(low, world.now, step) if at + step <= world.now]


@pytest.mark.parametrize(
    ("venue", "symbol"), [("binance_usdm", LINEAR), ("binance_coinm", INVERSE), ("okx", LINEAR), ("deribit", INVERSE)]
)
def test_trades_are_all_there_in_order_with_their_sides(exchange, tmp_path, venue, symbol):
    report = fetched(exchange, tmp_path, venue, symbol, kinds="trades", start=START)
    assert report.exit_code == 0
    truth = exchange.world.trades(LOW, exchange.world.now)
    size = 1000 if venue == "deribit" else 1
    expected = [(each.ts, each.id, Decimal(each.price), Decimal(each.quantity) * size, each.side) for each in truth]
    assert numbers(stored(tmp_path, "trades", venue, symbol), "id", "price", "quantity", "side") == expected
    assert list(statuses(tmp_path).values()) == ["complete", "complete", "partial"]


@pytest.mark.parametrize(
    ("venue", "symbol", "series"),
    [
        ("binance_usdm", LINEAR, ("trade", "mark", "index", "premium")),
        ("binance_coinm", INVERSE, ("trade", "mark", "index", "premium")),
        ("bybit", LINEAR, ("trade", "mark", "index", "premium")),
        ("okx", LINEAR, ("trade", "mark", "index")),
        ("deribit", INVERSE, ("trade",)),
        ("hyperliquid", "BTC/USDC:USDC", ("trade",)),
    ],
)
def test_bars_are_those_of_the_venue_and_only_closed_ones(exchange, tmp_path, venue, symbol, series):
    kinds = [{"trade": "bars"}.get(each, each) + ":5m" for each in series]
    report = fetched(exchange, tmp_path, venue, symbol, kinds=kinds, start=START)
    assert report.exit_code == 0, str(report)
    for each, kind in zip(series, kinds, strict=True):
        rows = numbers(stored(tmp_path, kind, venue, symbol), "open", "high", "low", "close")
        slots = closed(exchange.world, LOW, 5 * MS_MINUTE)
        assert rows == [(at, *map(Decimal, exchange.world.candle(at, each)[:4])) for at in slots]


@pytest.mark.parametrize(
    ("venue", "symbol", "intervals"),
    [
        ("binance_usdm", LINEAR, [(0, 8)]),
        ("binance_coinm", INVERSE, [(0, 8)]),
        ("bybit", LINEAR, [(0, 8)]),
        ("okx", LINEAR, [(0, 8)]),
        ("deribit", INVERSE, HOURLY),
        ("hyperliquid", "BTC/USDC:USDC", HOURLY),
    ],
)
def test_funding_is_whole_months_on_the_grid(tmp_path, venue, symbol, intervals):
    with Exchange(World(intervals=intervals)) as exchange:
        report = fetched(exchange, tmp_path, venue, symbol, kinds="funding", start="2026-10-05")
        assert report.exit_code == 0, str(report)
        truth = exchange.world.settlements(exchange.world.listed, exchange.world.now)
    rows = stored(tmp_path, "funding", venue, symbol)
    assert numbers(rows, "rate") == [(at, Decimal(rate)) for at, rate in truth]
    assert {row["interval_s"] for row in rows} == {intervals[0][1] * 3600}
    assert statuses(tmp_path) == {("funding", "2026-10"): "complete", ("funding", "2026-11"): "partial"}


def test_month_of_mixed_funding_intervals_sums_to_what_was_paid(tmp_path):
    world = World(intervals=[(0, 8), (ms("2026-10-08"), 4), (ms("2026-10-12"), 1), (ms("2026-10-20"), 8)])
    for venue in ("binance_usdm", "bybit", "okx"):
        with Exchange(world) as exchange:
            report = fetched(exchange, tmp_path, venue, kinds="funding", start="2026-10-01", end="2026-11-01")
        assert report.exit_code == 0, str(report)
        rows = stored(tmp_path, "funding", venue)
        truth = world.settlements(world.listed, ms("2026-11-01"))
        assert sum(row["rate"] for row in rows) == sum(Decimal(rate) for _, rate in truth)
        assert len(rows) == 3 * 7 + 6 * 4 + 24 * 8 + 3 * 12
        assert {row["interval_s"] // 3600 for row in rows} == {8, 4, 1}


@pytest.mark.parametrize("venue", ["binance_usdm", "bybit", "okx"])
def test_open_interest_stands_at_the_moment_of_its_snapshot(exchange, tmp_path, venue):
    report = fetched(exchange, tmp_path, venue, kinds="open_interest", start=START)
    assert report.exit_code == 0, str(report)
    truth = [
        each for each in exchange.world.interest(LOW, exchange.world.now) if each[0] + 300_000 <= exchange.world.now
    ]
    assert numbers(stored(tmp_path, "open_interest", venue), "native") == [(at, Decimal(text)) for at, text in truth]


def test_liquidations_of_deribit_are_its_flagged_trades(exchange, tmp_path):
    fetched(exchange, tmp_path, "deribit", INVERSE, kinds=["liquidations", "trades"], start=START)
    rows = stored(tmp_path, "liquidations", "deribit", INVERSE)
    truth = [each for each in exchange.world.trades(LOW, exchange.world.now) if each.liquidation]
    assert numbers(rows, "side") == [(each.ts, each.side) for each in truth]
    assert {row["coverage"] for row in rows} == {"full"}
    flagged = [row for row in stored(tmp_path, "trades", "deribit", INVERSE) if row["flags"] & 1]
    assert [row["id"] for row in flagged] == [each.id for each in truth]


def test_funding_of_archive_and_rest_agrees(exchange, tmp_path):
    fetched(exchange, tmp_path / "both", kinds="funding", start="2026-10-05")
    exchange.fault("404", "fundingRate-2026-10", times=-1)
    fetched(exchange, tmp_path / "rest", kinds="funding", start="2026-10-05")
    both, rest = (numbers(stored(tmp_path / name, "funding"), "rate") for name in ("both", "rest"))
    assert both == rest
    assert len(both) > 100


def test_archive_is_asked_before_the_exchange(exchange, tmp_path):
    fetched(exchange, tmp_path, kinds="trades", start="2026-11-05", end="2026-11-07")
    assert not exchange.asked("/fapi/v1/aggTrades")
    assert [each.host for each in exchange.requests].count("data.binance.vision") == 4
    assert [each.path for each in exchange.requests if each.host == "fapi.binance.com"] == ["/fapi/v1/exchangeInfo"]
    source = next(iter(feeds.Catalog(tmp_path).partitions())).ledger["sources"][0]
    assert source["sha256"] == source["published_sha256"]


def test_days_of_a_past_month_come_from_one_file(exchange, tmp_path):
    report = fetched(exchange, tmp_path, kinds="bars:1h", start="2026-10-01", end="2026-11-01")
    assert report.exit_code == 0
    assert len(exchange.asked("/klines/")) == 2  # the file of the month and its checksum
    assert list(statuses(tmp_path).values()) == ["complete"] * 31


def test_second_run_asks_for_nothing_that_is_complete_but_its_checksums(exchange, tmp_path):
    options = {"kinds": ["trades", "bars:1m", "funding"], "start": "2026-10-30", "end": "2026-11-05"}
    fetched(exchange, tmp_path, **options)
    before = bytes_below(tmp_path)
    exchange.requests.clear()
    report = fetched(exchange, tmp_path, **options)
    asked = {each.path for each in exchange.requests}
    sums = {path for path in asked if path.endswith(".CHECKSUM")}
    assert len(sums) == 6 + 6 + 1
    assert asked - sums == {"/fapi/v1/exchangeInfo", "/fapi/v1/fundingRate"}
    assert bytes_below(tmp_path) == before
    assert [stream.kept for stream in report.streams] == [6, 6, 1]
    exchange.requests.clear()
    fetched(exchange, tmp_path, check_revisions=False, **options)
    assert {each.path for each in exchange.requests} == {"/fapi/v1/exchangeInfo", "/fapi/v1/fundingRate"}


def test_running_day_is_completed_by_a_later_run(exchange, tmp_path):
    fetched(exchange, tmp_path, kinds=["trades", "bars:1m"], start="2026-11-10")
    assert set(statuses(tmp_path).values()) == {"partial"}
    exchange.world.now = ms("2026-11-11T13:00")
    report = fetched(exchange, tmp_path, kinds=["trades", "bars:1m"], start="2026-11-10", end="2026-11-11")
    assert report.exit_code == 0
    assert set(statuses(tmp_path).values()) == {"complete"}
    truth = exchange.world.trades(ms("2026-11-10"), ms("2026-11-11"))
    assert [row["id"] for row in stored(tmp_path, "trades")] == [each.id for each in truth]
    assert len(stored(tmp_path, "bars:1m")) == 1440


def test_history_begins_with_the_listing(tmp_path):
    with Exchange(World(listed=ms("2026-11-06T09:30"))) as exchange:
        report = fetched(
            exchange, tmp_path, kinds=["bars:1m", "trades", "funding"], start="2026-10-01", end="2026-11-09"
        )
    assert report.exit_code == 0, str(report)
    assert "listed 2026-11-06: nothing before that" in report.streams[0].notes
    names = {name for kind, name in statuses(tmp_path) if kind == "bars:1m"}
    assert names == {"2026-11-06", "2026-11-07", "2026-11-08"}


def test_slot_that_the_venue_does_not_have_makes_the_day_suspect(tmp_path):
    hole = ms("2026-11-08T03:17")
    with Exchange(World(absent={hole})) as exchange:
        report = fetched(exchange, tmp_path, kinds="bars:1m", start=START, end="2026-11-10")
        asked = len(exchange.asked("/klines"))
    assert report.exit_code == 1
    assert statuses(tmp_path) == {("bars:1m", "2026-11-08"): "suspect", ("bars:1m", "2026-11-09"): "complete"}
    assert [(gap.start, gap.end) for gap in report.streams[0].gaps] == [(hole * NS, (hole + MS_MINUTE) * NS)]
    assert "2026-11-08T03:17:00Z" in report.streams[0].problems[0]
    assert asked <= 12  # two files with checksums, the day by REST, the hole once or twice more


def test_time_before_all_sources_is_said(exchange, tmp_path):
    report = fetched(
        exchange, tmp_path, "hyperliquid", "BTC/USDC:USDC", kinds="bars:1m", start="2026-10-20", end="2026-11-09"
    )
    assert report.exit_code == 1
    assert report.streams[0].partitions["missing"] > 5
    assert report.streams[0].problems[-1] == "before 2026-11-07: no source reaches that far back"


@pytest.mark.parametrize(
    ("venue", "symbol", "contract", "floors"),
    [
        ("bybit", LINEAR, "linear", ["0", "200000"]),
        ("okx", LINEAR, "linear", ["0", "1000"]),
        ("hyperliquid", "BTC/USDC:USDC", "linear", ["0.0", "150000000.0"]),
    ],
)
def test_facts_of_today_become_dated_rows(exchange, tmp_path, venue, symbol, contract, floors):
    fetched(exchange, tmp_path, venue, symbol, kinds=["instruments", "tiers", "funding"], start=START)
    dataset = feeds.Catalog(tmp_path).dataset(venue, symbol)
    (row,) = dataset.instruments
    assert (row["contract"], row["valid_from"]) == (contract, LOW * NS)
    assert sorted(each["floor"] for each in dataset.tiers) == [Decimal(floor) for floor in floors]
    before = bytes_below(tmp_path)
    fetched(exchange, tmp_path, venue, symbol, kinds=["instruments", "tiers"], start=START)
    assert bytes_below(tmp_path) == before


def test_changed_facts_hold_from_the_day_they_were_seen(exchange, tmp_path, monkeypatch):
    fetched(exchange, tmp_path, kinds="instruments", start=START)
    exchange.world.now += 3 * MS_DAY + MS_HOUR
    monkeypatch.setattr("loopback.binance.FILTERS", [{"filterType": "PRICE_FILTER", "tickSize": "0.01"}, *FILTERS[1:]])
    fetched(exchange, tmp_path, kinds="instruments", start=START)
    rows = stored(tmp_path, "instruments")
    assert [(row["tick_size"], row["valid_from"]) for row in rows] == [
        (Decimal("0.1"), LOW * NS),
        (Decimal("0.01"), ms("2026-11-13") * NS),
    ]


@pytest.mark.parametrize("fault", ["", "half_page", "empty_list", "500_html", "truncated_json"])
def test_volatility_index_of_deribit_is_bars_of_an_index(exchange, tmp_path, fault):
    if fault:
        exchange.fault(fault, "get_volatility_index_data")
    report = fetched(exchange, tmp_path, "deribit", "BTCDVOL/USD", kinds="index:1h", start="2026-11-08")
    assert report.exit_code == 0, str(report)
    slots = exchange.world.slots(ms("2026-11-08"), exchange.world.now, MS_HOUR)
    assert [
        (row["ts"] // NS, float(row["close"])) for row in stored(tmp_path, "index:1h", "deribit", "BTCDVOL/USD")
    ] == [(at, round(float(exchange.world.candle(at, "index")[3]) / 500, 2)) for at in slots]


def test_price_index_of_deribit_is_refused_with_the_way_to_it(exchange, tmp_path):
    report = fetched(exchange, tmp_path, "deribit", INVERSE, kinds="index:1h", start=START)
    assert report.exit_code == 2
    assert "volatility indices only, as BTCDVOL/USD" in report.streams[0].problems[0]
    with pytest.raises(FeedError, match="index:5m: deribit has 1m, 1h, 12h, 1d only"):
        fetched(exchange, tmp_path, "deribit", "BTCDVOL/USD", kinds="index:5m", start=START)


def test_unknown_symbol_is_an_error_of_its_stream_only(exchange, tmp_path):
    report = fetched(exchange, tmp_path, symbol=["NOPE/USDT:USDT", LINEAR], kinds="instruments", start=START)
    assert report.exit_code == 1
    assert "does not list NOPEUSDT" in report.streams[0].problems[0]
    assert report.streams[1].partitions == {"complete": 1}


@pytest.mark.parametrize(
    ("venue", "kinds", "words"),
    [
        ("binance_usdm", ["liquidations"], "levdyn record"),
        ("deribit", ["mark:1m"], "tardis"),
        ("hyperliquid", ["trades", "funding"], "requester pays"),
        ("bybit", ["bars:7m"], "has 1m, 3m, 5m"),
        ("bitmex", ["trades"], "closed on 2026-09-23"),
        ("drift", ["trades"], "nothing can be downloaded"),
        ("binance_usdm", ["markk"], "did you mean 'mark'"),
        ("binance", ["mark"], "did you mean"),
    ],
)
def test_what_a_venue_cannot_give_is_refused_before_anything_is_asked(exchange, tmp_path, venue, kinds, words):
    with pytest.raises(FeedError, match=words):
        fetched(exchange, tmp_path, venue, kinds=kinds, start=START)
    assert not exchange.requests
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"start": "2026-12-01"}, "is not before the present"),
        ({"start": "2026-11-05", "end": "2026-11-05"}, "is not before end"),
        ({"start": "yesterday"}, "is not a time"),
        ({"start": START, "symbol": []}, "no symbol"),
        ({"start": START, "kinds": []}, "no kind"),
    ],
)
def test_request_that_means_nothing_is_refused(exchange, tmp_path, options, words):
    with pytest.raises(FeedError, match=words):
        fetched(exchange, tmp_path, **{"kinds": "funding"} | options)
    assert not exchange.requests


def test_tiers_of_binance_need_the_users_key(exchange, tmp_path, monkeypatch):
    report = fetched(exchange, tmp_path, kinds="tiers", start=START)
    assert report.exit_code == 2
    assert "LEVDYN_BINANCE_USDM_KEY" in report.streams[0].problems[0]
    monkeypatch.setenv("LEVDYN_BINANCE_USDM_KEY", "the-key-of-the-user")
    monkeypatch.setenv("LEVDYN_BINANCE_USDM_SECRET", "the-secret-of-the-user")
    report = fetched(exchange, tmp_path, kinds="tiers", start=START)
    assert report.exit_code == 0
    (sent,) = exchange.asked("leverageBracket")
    assert {name.lower(): value for name, value in sent.headers.items()}["x-mbx-apikey"] == "the-key-of-the-user"
    held = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"of-the-user" not in held
    assert "of-the-user" not in str(report)


def test_error_about_a_signed_request_shows_no_part_of_it(exchange, tmp_path, monkeypatch):
    monkeypatch.setenv("LEVDYN_BINANCE_USDM_KEY", "the-key-of-the-user")
    monkeypatch.setenv("LEVDYN_BINANCE_USDM_SECRET", "the-secret-of-the-user")
    exchange.fault("500_html", "leverageBracket", times=-1)
    report = fetched(exchange, tmp_path, kinds="tiers", start=START, attempts=2)
    text = str(report.to_dict())
    assert "status 500" in text
    assert "signature" not in text
    assert "of-the-user" not in text
