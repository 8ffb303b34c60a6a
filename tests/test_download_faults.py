"""Every fault of a vendor ends with exact rows or an explicit status, never "complete" with a wrong set."""

from decimal import Decimal

import pytest
from loopback.archives import zipped
from loopback.server import Exchange
from loopback.truth import MS_MINUTE, ms
from loopback.use import fetched, statuses, stored

import feeds

START, LOW = "2026-11-10", ms("2026-11-10")
PASSING = (
    *("429", "418", "403_html", "500_html", "503_json", "busy_code", "html", "empty_body", "truncated_json"),
    *("long_length", "bad_gzip", "reset"),
)
DISORDERED = ("half_page", "newest_half", "duplicates", "shuffled", "reversed", "empty_list", "lower_limit")
# kind, venue, symbol, word in the path of its request
STREAMS = [
    ("trades", "binance_usdm", "BTC/USDT:USDT", "fapi/v1/aggTrades"),
    ("bars:1m", "binance_usdm", "BTC/USDT:USDT", "fapi/v1/klines"),
    ("funding", "binance_usdm", "BTC/USDT:USDT", "fapi/v1/fundingRate"),
    ("open_interest", "binance_usdm", "BTC/USDT:USDT", "openInterestHist"),
    ("trades", "okx", "BTC/USDT:USDT", "history-trades"),
    ("bars:1m", "okx", "BTC/USDT:USDT", "history-candles"),
    ("funding", "okx", "BTC/USDT:USDT", "funding-rate-history"),
    ("open_interest", "okx", "BTC/USDT:USDT", "open-interest-history"),
    ("bars:1m", "bybit", "BTC/USDT:USDT", "v5/market/kline"),
    ("funding", "bybit", "BTC/USDT:USDT", "funding/history"),
    ("open_interest", "bybit", "BTC/USDT:USDT", "open-interest"),
    ("trades", "deribit", "BTC/USD:BTC", "get_last_trades"),
    ("bars:1m", "deribit", "BTC/USD:BTC", "tradingview"),
    ("bars:1m", "hyperliquid", "BTC/USDC:USDC", "candleSnapshot"),
]
QUICK = ("aggTrades", "v5/market/kline")  # in every run; all the others in the runs that take their time
NAMES = [f"{venue}-{kind.partition(':')[0]}" for kind, venue, _, _ in STREAMS]


EACH = pytest.mark.parametrize(
    ("kind", "venue", "symbol", "match"),
    [
        pytest.param(*each, id=name, marks=() if each[3].endswith(QUICK) else pytest.mark.slow)
        for each, name in zip(STREAMS, NAMES, strict=True)
    ],
)


@pytest.fixture
def exchange():
    with Exchange() as running:
        yield running


def truth_of(world, kind, low=LOW):
    """Return the times (ms; ids of trades) that must be stored of a running day or month."""
    if kind == "trades":
        return [each.id for each in world.trades(low, world.now)]
    if kind == "funding":
        return [at for at, _ in world.settlements(ms("2026-11-01"), world.now)]
    step = 5 * MS_MINUTE if kind == "open_interest" else MS_MINUTE
    return [at for at in world.slots(low, world.now, step) if at + step <= world.now]


def kept(root, kind, venue, symbol):
    """Return what is stored in the form of `truth_of`."""
    rows = stored(root, kind, venue, symbol)
    return [row["id"] if kind == "trades" else row["ts"] // 1_000_000 for row in rows]


@EACH
@pytest.mark.parametrize("fault", PASSING)
def test_fault_that_passes_costs_no_row(exchange, tmp_path, fault, kind, venue, symbol, match):
    exchange.fault(fault, match, times=2, retry_after="7" if fault in ("429", "418") else None)
    report = fetched(exchange, tmp_path, venue, symbol, kinds=kind, start=START)
    assert report.exit_code == 0, str(report)
    assert kept(tmp_path, kind, venue, symbol) == truth_of(exchange.world, kind)
    assert set(statuses(tmp_path).values()) == {"partial"}
    assert report.retries == 2


def test_host_that_hangs_is_asked_again(exchange, tmp_path):
    exchange.fault("hang", "fapi/v1/klines")
    fetched(exchange, tmp_path, kinds="bars:1m", start=START, timeout_s=0.5)
    assert kept(tmp_path, "bars:1m", "binance_usdm", "BTC/USDT:USDT") == truth_of(exchange.world, "bars:1m")


@EACH
@pytest.mark.parametrize("fault", DISORDERED)
@pytest.mark.parametrize("skip", [0, 1])
def test_page_that_is_not_what_was_asked_for_costs_no_row(exchange, tmp_path, fault, skip, kind, venue, symbol, match):
    exchange.fault(fault, match, skip=skip)
    report = fetched(exchange, tmp_path, venue, symbol, kinds=kind, start=START)
    rows, truth = kept(tmp_path, kind, venue, symbol), truth_of(exchange.world, kind)
    assert rows == truth
    assert report.exit_code == 0, str(report)


@EACH
@pytest.mark.parametrize("fault", ["lower_limit", "duplicates", "shuffled"])
def test_venue_that_always_answers_so_is_read_to_the_end(exchange, tmp_path, fault, kind, venue, symbol, match):
    exchange.fault(fault, match, times=-1)
    report = fetched(exchange, tmp_path, venue, symbol, kinds=kind, start=START)
    assert kept(tmp_path, kind, venue, symbol) == truth_of(exchange.world, kind), str(report)


@EACH
def test_venue_that_gives_only_empty_pages_is_never_believed(exchange, tmp_path, kind, venue, symbol, match):
    exchange.fault("empty_list", match, times=-1)
    report = fetched(exchange, tmp_path, venue, symbol, kinds=kind, start="2026-11-09", end="2026-11-10")
    found = statuses(tmp_path)
    rest_only = venue in ("bybit", "deribit", "hyperliquid") or (venue == "okx" and kind != "funding")
    if rest_only or kind == "funding":
        assert report.exit_code in (1, 2)
        assert "complete" not in found.values()
    else:
        assert set(found.values()) == {"complete"}  # from the archive


@EACH
@pytest.mark.parametrize("fault", ["500_html", "html", "empty_body", "truncated_json", "429"])
def test_host_that_never_recovers_is_reported_and_stores_nothing_wrong(
    exchange, tmp_path, fault, kind, venue, symbol, match
):
    exchange.fault(fault, match, times=-1, skip=1)
    report = fetched(exchange, tmp_path, venue, symbol, kinds=kind, start=START, attempts=2)
    if report.streams[0].partitions.get("partial"):  # one request was enough
        assert kept(tmp_path, kind, venue, symbol) == truth_of(exchange.world, kind)
        return
    assert report.exit_code == 2
    assert report.streams[0].partitions == {"failed": 1}
    assert "gave up after 2 attempts" in report.streams[0].problems[0]
    assert not statuses(tmp_path)


def test_retry_after_is_kept_to(exchange, tmp_path):
    exchange.fault("429", "fapi/v1/klines", times=2, retry_after="17")
    exchange.fault("418", "fapi/v1/klines", retry_after="120")
    fetched(exchange, tmp_path, kinds="bars:1m", start=START)
    assert [each for each in exchange.sleeps if each >= 5] == [17.0, 17.0, 120.0]


@EACH
def test_number_of_requests_stays_near_the_least(exchange, tmp_path, kind, venue, symbol, match):
    fetched(exchange, tmp_path, venue, symbol, kinds=kind, start=START)
    page = {"binance_usdm": 1000, "bybit": 1000, "okx": 100, "deribit": 1000, "hyperliquid": 5000}[venue]
    if kind == "open_interest":
        page = {"binance_usdm": 500, "bybit": 200, "okx": 99}[venue]
    if kind == "funding":  # 100 or 200 rows, but asked for as if settled every four hours
        page = 18
    least = -(-len(truth_of(exchange.world, kind)) // page)
    asked = [each for each in exchange.requests if match in f"{each.path[1:]} {each.params.get('type', '')}"]
    extra = {"trades": 8 if venue == "binance_usdm" else 4}.get(kind, 1)
    assert len(asked) <= 1.2 * least + extra


def test_bar_that_changes_between_two_answers_is_a_conflict(exchange, tmp_path, monkeypatch):
    moved = ms("2026-11-10T03:00")
    real = exchange.world.candle
    told = []

    def unsteady(at, series="trade"):
        cells = real(at, series)
        told.append(at)
        return [cells[0], "99999.9", *cells[2:]] if at == moved and told.count(moved) > 1 else cells

    monkeypatch.setattr(exchange.world, "candle", unsteady)
    slots = exchange.world.slots
    # The venue leaves out a minute at first, and gives all of its hour when that is asked for.
    hidden = [moved + 5 * MS_MINUTE]

    def forgetful(low, high, step):
        found = slots(low, high, step)
        if hidden and hidden[0] in found:
            found.remove(hidden.pop())
            return found
        return slots(moved - MS_MINUTE, moved + 30 * MS_MINUTE, step) if high - low <= MS_MINUTE else found

    monkeypatch.setattr(exchange.world, "slots", forgetful)
    report = fetched(exchange, tmp_path, kinds="bars:1m", start=START)
    assert report.exit_code == 1
    assert statuses(tmp_path) == {("bars:1m", START): "conflict"}
    assert any(finding.rule == "D2" for finding in report.streams[0].findings)


DAY = "2026-11-05"
AGG = f"data.binance.vision/data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-{DAY}.zip"


@pytest.mark.parametrize("fault", ["cut_file", "reset", "429", "500_html"])
def test_archive_file_that_breaks_off_is_received_whole(exchange, tmp_path, fault):
    exchange.fault(fault, f"{DAY}.zip", skip=1)
    report = fetched(exchange, tmp_path, kinds="trades", start=DAY, end="2026-11-06")
    assert report.exit_code == 0, str(report)
    assert len(stored(tmp_path, "trades")) == len(exchange.world.trades(ms(DAY), ms("2026-11-06")))
    assert not list((tmp_path / "downloads").rglob("*.zip*"))


def test_file_that_broke_off_is_continued_and_not_begun_again(exchange, tmp_path):
    exchange.fault("cut_file", f"{DAY}.zip", skip=1)
    fetched(exchange, tmp_path, kinds="trades", start=DAY, end="2026-11-06")
    first, second = [each for each in exchange.requests if each.path.endswith(f"{DAY}.zip")]
    assert "Range" not in first.headers
    assert second.headers["Range"].startswith("bytes=")
    assert second.headers["If-Range"]


def test_host_that_ignores_the_range_sends_the_whole_file(exchange, tmp_path):
    exchange.fault("cut_file", f"{DAY}.zip", skip=1)
    exchange.fault("no_range", f"{DAY}.zip")
    report = fetched(exchange, tmp_path, kinds="trades", start=DAY, end="2026-11-06")
    assert report.exit_code == 0, str(report)


def test_file_that_was_replaced_between_two_attempts_is_begun_again(exchange, tmp_path):
    exchange.fault("cut_file", f"{DAY}.zip", skip=1)
    real = exchange.take_fault

    def replacing(path):
        found = real(path)
        if found is not None and found.kind == "cut_file":
            exchange.tag = "replaced"
        return found

    exchange.take_fault = replacing
    report = fetched(exchange, tmp_path, kinds="trades", start=DAY, end="2026-11-06")
    assert report.exit_code == 0, str(report)
    assert set(statuses(tmp_path).values()) == {"complete"}


def test_wrong_checksum_is_refused_three_times_and_nothing_of_it_stored(exchange, tmp_path):
    exchange.files[AGG] = zipped("BTCUSDT-aggTrades-2026-11-05.csv", ["1,2,3,4,5,6,true"])
    report = fetched(exchange, tmp_path, kinds="trades", start=DAY, end="2026-11-06")
    assert report.exit_code == 2
    assert "published is" in report.streams[0].problems[0]
    assert len([each for each in exchange.requests if each.path.endswith(f"{DAY}.zip")]) == 3
    assert not statuses(tmp_path)


def test_bars_of_a_bad_file_come_from_the_exchange(exchange, tmp_path):
    exchange.files[AGG.replace("aggTrades", "klines").replace("BTCUSDT/BTCUSDT-klines", "BTCUSDT/1h/BTCUSDT-1h")] = (
        b"PK"
    )
    report = fetched(exchange, tmp_path, kinds="bars:1h", start=DAY, end="2026-11-06")
    assert report.exit_code == 0, str(report)
    part = next(iter(feeds.Catalog(tmp_path).partitions()))
    assert [each["vendor"] for each in part.ledger["sources"]] == ["fapi.binance.com"]


def test_archive_without_its_checksum_is_believed_by_its_numbering_only(exchange, tmp_path):
    exchange.fault("404", "CHECKSUM", times=-1)
    report = fetched(exchange, tmp_path, kinds="trades", start=DAY, end="2026-11-06")
    assert report.exit_code == 0, str(report)
    part = next(iter(feeds.Catalog(tmp_path).partitions()))
    assert part.ledger["proof"] == "id_contiguous"


def test_hole_in_the_numbers_of_an_archive_makes_the_day_suspect(exchange, tmp_path):
    from loopback import archives

    real = exchange.world.trades(ms(DAY), ms("2026-11-06"))
    exchange.world.trades = lambda low, high: [
        each for each in real if low <= each.ts < high and not 700 <= each.id - real[0].id < 703
    ]
    assert archives.AGGREGATES
    report = fetched(exchange, tmp_path, kinds="trades", start=DAY, end="2026-11-06")
    assert report.exit_code == 1
    assert statuses(tmp_path) == {("trades", DAY): "suspect"}
    (gap,) = report.streams[0].gaps
    assert gap.detail == f"ids {real[700].id} to {real[702].id}"


def test_hole_between_two_days_of_an_archive_makes_the_later_suspect(exchange, tmp_path):
    fetched(exchange, tmp_path, kinds="trades", start=DAY, end="2026-11-06")
    real = exchange.world.trades(ms("2026-11-06"), ms("2026-11-07"))
    exchange.world.trades = lambda low, high: real[2:]
    # The file of the day before has other rows now too; that is another matter (C2).
    report = fetched(exchange, tmp_path, kinds="trades", start=DAY, end="2026-11-07", check_revisions=False)
    assert statuses(tmp_path) == {("trades", DAY): "complete", ("trades", "2026-11-06"): "suspect"}
    assert report.streams[0].gaps[0].detail == f"ids {real[0].id} to {real[1].id}"


def test_missing_file_is_absent_only_after_two_probes_with_time_between(exchange, tmp_path):
    exchange.fault("404", DAY, times=-1)
    options = {"kinds": "trades", "start": DAY, "end": "2026-11-07"}
    report = fetched(exchange, tmp_path, **options)
    assert report.streams[0].partitions == {"missing": 1, "complete": 1}
    assert "ask again in ten minutes" in report.streams[0].problems[0]
    exchange.world.now += 5 * MS_MINUTE
    assert fetched(exchange, tmp_path, **options).streams[0].partitions == {"missing": 1, "complete": 1}
    exchange.world.now += 6 * MS_MINUTE
    assert fetched(exchange, tmp_path, **options).streams[0].partitions == {"absent": 1, "complete": 1}
    assert statuses(tmp_path)["trades", DAY] == "absent"
    with pytest.raises(feeds.FeedError, match="no rows"):
        feeds.Catalog(tmp_path).read("binance_usdm", "BTC/USDT:USDT", "trades", DAY, "2026-11-06")


def test_missing_file_that_comes_back_is_taken(exchange, tmp_path):
    exchange.fault("404", DAY, times=2)
    options = {"kinds": "trades", "start": DAY, "end": "2026-11-06"}
    fetched(exchange, tmp_path, **options)
    exchange.world.now += 20 * MS_MINUTE
    assert fetched(exchange, tmp_path, **options).exit_code == 0
    assert statuses(tmp_path) == {("trades", DAY): "complete"}


def test_young_missing_file_is_not_yet_there(exchange, tmp_path):
    exchange.fault("404", "2026-11-08", times=-1)
    report = fetched(exchange, tmp_path, kinds="trades", start="2026-11-08", end="2026-11-09")
    assert report.streams[0].problems == ["2026-11-08: not yet published"]


def test_month_that_was_cut_short_is_completed_from_its_days(exchange, tmp_path):
    whole = "data.binance.vision/data/futures/um/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2026-10.zip"
    from loopback import archives

    lines = archives._lines(exchange.world, "klines", "BTCUSDT", "1h", ms("2026-10-01"), ms("2026-10-26T05:00"))
    exchange.files[whole] = zipped("BTCUSDT-1h-2026-10.csv", lines)
    exchange.fault("404", "monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2026-10.zip.CHECKSUM", times=1)
    report = fetched(exchange, tmp_path, kinds="bars:1h", start="2026-10-01", end="2026-11-01")
    assert report.exit_code == 0, str(report)
    rows = stored(tmp_path, "bars:1h")
    assert len(rows) == 31 * 24
    assert rows[-1]["close"] == Decimal(exchange.world.candle(ms("2026-10-31T23:00"))[3])


def test_dead_exchange_is_asked_once_for_many_days_while_its_archive_goes_on(exchange, tmp_path):
    exchange.fault("500_html", "fapi/v1/klines", times=-1)
    exchange.fault("404", "1m-2026-11-06", times=-1)
    exchange.fault("404", "1m-2026-11-08", times=-1)
    report = fetched(exchange, tmp_path, kinds="bars:1m", start="2026-11-05", end="2026-11-10", attempts=2)
    assert report.exit_code == 1
    assert report.streams[0].partitions == {"complete": 3, "failed": 2}
    assert len(exchange.asked("/fapi/v1/klines")) == 2
    assert report.streams[0].problems == ["fapi.binance.com/fapi/v1/klines: status 500; gave up after 2 attempts"]


def test_day_that_an_exchange_refuses_does_not_stop_the_days_after_it(exchange, tmp_path):
    exchange.fault("404", "data.binance.vision", times=-1)
    exchange.fault("refused", "openInterestHist", times=2)
    report = fetched(exchange, tmp_path, kinds="open_interest", start="2026-11-04", end="2026-11-10")
    assert report.streams[0].partitions == {"failed": 2, "complete": 4}
    assert report.streams[0].problems == [
        'fapi.binance.com/futures/data/openInterestHist: \'{"code":-1130,"msg":"parameter startTime is invalid."}\''
    ]


def test_symbol_that_an_exchange_refuses_always_is_not_asked_for_every_day(exchange, tmp_path):
    exchange.fault("404", "data.binance.vision", times=-1)
    exchange.fault("refused", "fapi/v1/klines", times=-1)
    report = fetched(exchange, tmp_path, kinds="bars:1m", start="2026-10-15", end="2026-11-10")
    assert report.streams[0].partitions == {"failed": 26}
    assert len(exchange.asked("fapi/v1/klines")) == 3
