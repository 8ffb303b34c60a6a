"""Tardis: its free days, the user's key, files cut by receipt, and what can go wrong with them."""

import gzip
import json
from decimal import Decimal

import pytest
from loopback import tardis
from loopback.server import Exchange
from loopback.truth import MS_DAY, World, ms
from loopback.use import bytes_below, fetched, statuses, stored

import feeds
from backtest.cli import main
from feeds.downloads import capabilities
from feeds.errors import FeedError

NS = 1_000_000
FREE = "2026-11-01"


@pytest.fixture
def exchange():
    with Exchange(World(listed=ms("2026-10-30"))) as running:
        yield running


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("LEVDYN_TARDIS_KEY", tardis.KEY)
    return tardis.KEY


def asked(exchange, root, start=FREE, end="2026-11-02", **options):
    return fetched(exchange, root, source="tardis", start=start, end=end, **options)


def test_days_hold_exactly_their_trades_whenever_they_were_received(exchange, tmp_path, key):
    report = asked(exchange, tmp_path, kinds="trades", end="2026-11-04")
    assert report.exit_code == 0, str(report)
    truth = exchange.world.trades(ms(FREE), ms("2026-11-04"))
    assert [(row["ts"] // NS, row["id"], row["price"]) for row in stored(tmp_path, "trades")] == [
        (each.ts, each.id, Decimal(each.price)) for each in truth
    ]
    assert set(statuses(tmp_path).values()) == {"complete"}
    paths = [each.path for each in exchange.requests]
    assert sorted(paths) == [f"/v1/binance-futures/trades/2026/11/0{day}/BTCUSDT.csv.gz" for day in (1, 2, 3, 4)]
    assert all(each.headers["Authorization"] == f"Bearer {key}" for each in exchange.requests)


def test_no_exchange_is_asked_and_nothing_complete_is_asked_for_again(exchange, tmp_path, key):
    asked(exchange, tmp_path, kinds="trades")
    before, exchange.requests[:] = bytes_below(tmp_path), []
    report = asked(exchange, tmp_path, kinds="trades")
    assert (report.exit_code, report.streams[0].kept, exchange.requests) == (0, 1, [])
    assert bytes_below(tmp_path) == before


def test_free_day_is_stored_and_says_what_the_file_after_it_would_add(exchange, tmp_path):
    report = asked(exchange, tmp_path, kinds="trades", end="2026-11-04")
    assert report.exit_code == 1
    assert statuses(tmp_path) == {("trades", FREE): "suspect"}
    truth = exchange.world.trades(ms(FREE), ms(FREE) + MS_DAY - tardis.DELAY)
    assert [row["ts"] // NS for row in stored(tmp_path, "trades")] == [each.ts for each in truth]
    (gap,) = report.streams[0].gaps
    assert (gap.start, gap.end) == (truth[-1].ts * NS + 1, ms("2026-11-02") * NS)
    assert "2026-11-02 needs a key" in gap.detail
    assert any("LEVDYN_TARDIS_KEY" in text for text in report.streams[0].problems)
    assert [each.path for each in exchange.requests] == ["/v1/binance-futures/trades/2026/11/01/BTCUSDT.csv.gz"]


def test_day_is_completed_once_there_is_a_key(exchange, tmp_path, monkeypatch):
    asked(exchange, tmp_path, kinds="trades")
    monkeypatch.setenv("LEVDYN_TARDIS_KEY", tardis.KEY)
    assert asked(exchange, tmp_path, kinds="trades").exit_code == 0
    assert len(stored(tmp_path, "trades")) == len(exchange.world.trades(ms(FREE), ms("2026-11-02")))


def test_ticker_gives_points_of_marks_and_index_and_open_interest(exchange, tmp_path, key):
    report = asked(exchange, tmp_path, kinds=["mark", "index", "open_interest"])
    assert report.exit_code == 0, str(report)
    times = list(tardis.ticks(exchange.world, ms(FREE), ms("2026-11-02")))
    assert [(row["ts"] // NS, row["price"]) for row in stored(tmp_path, "mark")] == [
        (at, Decimal(tardis.mark(at))) for at in times
    ]
    assert len(stored(tmp_path, "index")) == len(times)
    assert stored(tmp_path, "open_interest")[0]["native"] == Decimal(
        exchange.world.interest(ms(FREE), ms(FREE) + 1)[0][1]
    )


def test_funding_is_the_last_rate_before_each_settlement_up_to_the_newest_file(exchange, tmp_path, key):
    report = asked(exchange, tmp_path, kinds="funding")
    # The ticker of a day that is not over is not there, so today's settlement of 08:00 cannot be known.
    assert [(gap.start, gap.end) for gap in report.streams[0].gaps] == [
        (ms("2026-11-10T08:00") * NS, exchange.world.now * NS)
    ]
    assert statuses(tmp_path) == {("funding", "2026-11"): "suspect"}
    truth = exchange.world.settlements(ms(FREE), ms("2026-11-10T08:00"))
    assert [(row["ts"] // NS, row["rate"], row["interval_s"]) for row in stored(tmp_path, "funding")] == [
        (at, Decimal(rate), 8 * 3600) for at, rate in truth
    ]


def test_empty_file_is_a_day_without_data(exchange, tmp_path, key):
    report = asked(exchange, tmp_path, kinds="liquidations")
    assert (report.exit_code, statuses(tmp_path)) == (0, {("liquidations", FREE): "complete"})


def test_quotes_come_with_the_time_they_were_received(exchange, tmp_path, key):
    assert asked(exchange, tmp_path, kinds="quotes").exit_code == 0
    row = stored(tmp_path, "quotes")[0]
    assert (row["ask_quantity"], row["bid_quantity"]) == (Decimal("1.5"), Decimal("2.5"))
    assert row["ts_avail"] - row["ts"] == tardis.DELAY * NS


@pytest.mark.parametrize("fault", ["500_html", "429", "cut_file", "reset"])
def test_what_passes_is_waited_for(exchange, tmp_path, key, fault):
    exchange.fault(fault, "/01/", times=2, retry_after="7")
    assert asked(exchange, tmp_path, kinds="trades").exit_code == 0
    assert statuses(tmp_path) == {("trades", FREE): "complete"}
    if fault == "429":
        assert exchange.sleeps.count(7.0) >= 2  # the file of the next day, received meanwhile, may have to wait too
        assert len(exchange.asked("/01/")) == 3


def test_truncated_gzip_is_asked_for_again_then_refused(exchange, tmp_path, key):
    exchange.files["datasets.tardis.dev/v1/binance-futures/trades/2026/11/01/BTCUSDT.csv.gz"] = gzip.compress(
        b"exchange,symbol\n" * 999, mtime=0
    )[:-9]
    report = asked(exchange, tmp_path, kinds="trades")
    assert report.exit_code == 2
    assert "not a whole file" in report.streams[0].problems[0]
    assert len(exchange.asked("/01/")) == 3
    assert not statuses(tmp_path)


def test_key_that_is_not_accepted_ends_the_stream_and_is_never_shown(exchange, tmp_path, monkeypatch):
    monkeypatch.setenv("LEVDYN_TARDIS_KEY", "another-key")
    report = asked(exchange, tmp_path, kinds="trades", end="2026-11-09")
    assert report.exit_code == 2
    assert "does not accept the key" in report.streams[0].problems[0]
    assert len(exchange.requests) <= 5  # the first, and what was asked for beside it
    assert "another-key" not in json.dumps(report.to_dict())


def test_days_without_a_free_file_are_not_asked_for_without_a_key(exchange, tmp_path):
    report = asked(exchange, tmp_path, kinds="trades", start="2026-11-02", end="2026-11-06")
    assert (report.exit_code, report.streams[0].partitions, exchange.requests) == (2, {"failed": 4}, [])
    (problem,) = report.streams[0].problems
    assert "only the first day of each month" in problem


def test_file_that_is_not_there_is_absent_only_when_asked_for_twice(exchange, tmp_path, key):
    exchange.fault("404", "/01/", times=-1)
    assert asked(exchange, tmp_path, kinds="trades").streams[0].partitions == {"missing": 1}
    exchange.world.now += 700_000
    assert asked(exchange, tmp_path, kinds="trades").streams[0].partitions == {"absent": 1}
    assert statuses(tmp_path) == {("trades", FREE): "absent"}


def test_key_of_the_key_file_is_used_and_not_stored(exchange, tmp_path):
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"tardis": {"key": tardis.KEY}}))
    root = tmp_path / "history"
    assert asked(exchange, root, kinds="trades", key_file=keys).exit_code == 0
    assert not any(tardis.KEY.encode() in data for data in bytes_below(root).values())


@pytest.mark.parametrize(
    ("venue", "symbol", "exchange_id"),
    [
        ("okx", "BTC/USDT:USDT", "okex-swap"),
        ("okx", "BTC/USD:BTC-260327", "okex-futures"),
        ("okx", "BTC/USD:BTC-260327-80000-P", "okex-options"),
        ("okx", "BTC/USDT", "okex"),
        ("htx", "BTC/USD:BTC", "huobi-dm-swap"),
        ("htx", "BTC/USDT:USDT", "huobi-dm-linear-swap"),
        ("bitmex", "BTC/USD:BTC", "bitmex"),
    ],
)
def test_instruments_of_one_venue_stand_under_several_exchanges(venue, symbol, exchange_id):
    from feeds.downloads.bulk.tardis import exchange_of
    from feeds.downloads.windows import Wanted
    from feeds.formats.tardis import venue_of

    assert exchange_of(Wanted(venue, symbol, feeds.symbols.to_native(venue, symbol), "trades")) == exchange_id
    assert venue_of(exchange_id) == venue


def test_kinds_that_only_tardis_has_are_refused_with_the_way_to_it():
    with pytest.raises(FeedError, match=r"quotes: .*tardis has it \(--source tardis"):
        capabilities.checked("bybit", ["quotes"])
    with pytest.raises(FeedError, match=r"BitMEX closed .*--source tardis"):
        capabilities.checked("bitmex", ["trades"])
    assert capabilities.checked("bitmex", ["trades", "mark"], "tardis") == ("trades", "mark")
    with pytest.raises(FeedError, match="mark:1m: tardis has points, no bars"):
        capabilities.checked("bybit", ["mark:1m"], "tardis")
    with pytest.raises(FeedError, match="source 'tardsi' is not known"):
        capabilities.checked("bybit", ["trades"], "tardsi")
    with pytest.raises(FeedError, match="nothing can be downloaded from mexc by tardis"):
        capabilities.checked("mexc", ["trades"], "tardis")


def test_table_lists_what_tardis_has(capsys):
    assert main(["download", "bitmex", "--list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["kind"] for row in rows} >= {"trades", "book", "mark", "funding", "liquidations"}
    assert {row["source"] for row in rows} == {"tardis datasets.tardis.dev"}
    assert all("first day of each month" in row["look-back"] for row in rows)
