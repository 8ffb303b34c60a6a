"""The parts of a recording: what a tape calls a gap, how days are put on the shelf, which channels there are."""

from decimal import Decimal

import pytest

import feeds
from feeds.catalog import Catalog
from feeds.downloads.endpoints import Endpoints
from feeds.downloads.live import channels
from feeds.downloads.live.heard import Heard
from feeds.downloads.live.shelf import Shelf, Unusable
from feeds.downloads.live.tape import LATE_NS, REMEMBERED, Tape
from feeds.downloads.windows import Wanted
from feeds.findings import Gap
from feeds.schema import COVERAGES, DAY_NS
from feeds.times import time_ns

DAY = time_ns("2026-11-20")
HOUR = 3_600 * 10**9
SECOND = 10**9
VENUE, SYMBOL = "binance_usdm", "BTC/USDT:USDT"


def tape(kind="mark"):
    """Return a new tape of a kind."""
    (channel,) = channels.checked(VENUE, [kind])
    return Tape(Wanted(VENUE, SYMBOL, "BTCUSDT", kind), channel)


def mark(ts, price="30000.5"):
    """Return a row of kind mark."""
    return (ts, ts, price)


def shelf_of(root, kind):
    """Return the shelf of a kind."""
    return Shelf(Catalog(root), Wanted(VENUE, SYMBOL, "BTCUSDT", kind), "fstream.binance.com", kind == "liquidations")


def gaps(root, kind):
    """Return the gaps of each partition: name -> (start, end, detail)."""
    parts = [part for part in Catalog(root).partitions() if part.kind == kind]
    return {part.name: [(gap.start, gap.end, gap.detail) for gap in part.gaps] for part in parts}


def test_row_from_the_future_or_from_before_all_venues_is_left_out_and_counted():
    found = tape()
    found.add(mark(DAY + LATE_NS + 1), received=DAY)
    found.add(mark(1), received=DAY)
    found.add(mark(DAY), received=DAY)
    assert (found.total, found.dropped) == (1, 2)


def test_row_from_before_a_loss_does_not_end_the_gap():
    found = tape()
    found.connected(DAY)
    found.add(mark(DAY), received=DAY)
    found.disconnected(DAY)
    found.add(mark(DAY - SECOND), received=DAY + SECOND)
    assert found.is_open
    found.add(mark(DAY + 5 * SECOND), received=DAY + 5 * SECOND)
    assert found.lost == [Gap(DAY + 1, DAY + 5 * SECOND, "missing", "connection lost")]


def test_two_losses_in_a_row_are_one_gap():
    found = tape()
    found.connected(DAY)
    found.add(mark(DAY), received=DAY)
    for _ in range(3):
        found.disconnected(DAY)
        found.connected(DAY + SECOND)
    found.add(mark(DAY + 2 * SECOND), received=DAY + 2 * SECOND)
    assert [(gap.start, gap.end) for gap in found.lost] == [(DAY + 1, DAY + 2 * SECOND)]
    assert found.reconnects == 3


def test_names_of_rows_are_remembered_up_to_a_bound():
    found = tape("trades")
    for number in range(REMEMBERED + 10):
        found.add((DAY + number,), received=DAY + SECOND, name=number)
    assert len(found._names) == len(found._order) == REMEMBERED
    found.add((DAY,), received=DAY + SECOND, name=REMEMBERED + 9)
    assert found.repeats == 1


def test_rate_that_does_not_change_is_one_row_but_shows_that_the_stream_lives():
    found = tape("funding")
    found.connected(DAY)
    for second in range(10):
        found.add_if_changed((DAY + second * SECOND,), ("0.0001", "8"), received=DAY + second * SECOND)
    assert (found.total, found.last_ts) == (1, DAY + 9 * SECOND)
    found.disconnected(DAY + 9 * SECOND)
    found.add_if_changed((DAY + 20 * SECOND,), ("0.0001", "8"), received=DAY + 20 * SECOND)
    assert [(gap.start, gap.end) for gap in found.lost] == [(DAY + 9 * SECOND + 1, DAY + 20 * SECOND)]


def test_message_of_another_form_is_counted_and_does_no_harm():
    found = Heard(VENUE, {("mark", "BTCUSDT"): tape()}, {})

    def take(heard, received, message):
        heard.mark(message["s"], message["ts"], message["p"])

    for message in ({"s": "BTCUSDT", "ts": DAY, "p": "1.5"}, {"s": "BTCUSDT"}, [], None, "pong"):
        found.listen(take, DAY, message)
    assert found.unreadable == 4


def test_midnight_ends_a_day_without_a_gap(tmp_path):
    shelf, found = shelf_of(tmp_path, "mark"), tape()
    late, early = DAY + 23 * HOUR, DAY + DAY_NS + HOUR
    found.resume_from(DAY, None)
    for ts in (DAY + HOUR, late):
        found.add(mark(ts), received=ts)
    shelf.put(found.take(), late)
    first = [(DAY, DAY + HOUR, "not recorded"), (late + 1, DAY + DAY_NS, "not recorded yet")]
    assert gaps(tmp_path, "mark") == {"2026-11-20": first}
    found.add(mark(early), received=early)
    shelf.put(found.take(), early)
    assert gaps(tmp_path, "mark") == {
        "2026-11-20": first[:1],
        "2026-11-21": [(early + 1, DAY + 2 * DAY_NS, "not recorded yet")],
    }


def test_loss_over_midnight_is_a_gap_of_both_days(tmp_path):
    shelf, found = shelf_of(tmp_path, "mark"), tape()
    late, early = DAY + 23 * HOUR, DAY + DAY_NS + HOUR
    found.add(mark(late), received=late)
    shelf.put(found.take(), late)
    found.disconnected(late)
    shelf.put(found.take(), early)  # nothing has come since
    assert gaps(tmp_path, "mark") == {"2026-11-20": [(late + 1, DAY + DAY_NS, "not recorded yet")]}
    found.add(mark(early), received=early)
    shelf.put(found.take(), early)
    assert gaps(tmp_path, "mark") == {
        "2026-11-20": [(late + 1, DAY + DAY_NS, "connection lost")],
        "2026-11-21": [
            (DAY + DAY_NS, early, "connection lost"),
            (early + 1, DAY + 2 * DAY_NS, "not recorded yet"),
        ],
    }


def test_days_between_two_recordings_of_liquidations_are_days_without_any(tmp_path):
    row = (DAY + HOUR, DAY + HOUR, 1, "30000", None, "0.5", None, "sampled")
    found = tape("liquidations")
    found.connected(DAY)
    found.add(row, received=DAY + HOUR)
    shelf_of(tmp_path, "liquidations").put(found.take(), DAY + HOUR)
    again, shelf = tape("liquidations"), shelf_of(tmp_path, "liquidations")
    until, number = shelf.earlier()
    assert (until, number) == (DAY + HOUR + 1, -1)
    again.resume_from(until, number)
    later = DAY + 2 * DAY_NS + HOUR
    again.connected(later)
    shelf.put(again.take(), later)
    assert gaps(tmp_path, "liquidations") == {
        "2026-11-20": [(DAY + HOUR + 1, DAY + DAY_NS, "not recorded")],
        "2026-11-21": [(DAY + DAY_NS, DAY + 2 * DAY_NS, "not recorded")],
        "2026-11-22": [
            (DAY + 2 * DAY_NS, later, "not recorded"),
            (later + 1, DAY + 3 * DAY_NS, "not recorded yet"),
        ],
    }
    assert shelf_of(tmp_path, "liquidations").earlier()[0] == later


def test_day_that_a_download_has_proved_complete_is_left_as_it_is(tmp_path):
    from feeds.tables import build

    catalog = Catalog(tmp_path)
    rows = build("mark", {"ts": [DAY + HOUR], "price": ["30000.5"]})
    (before,) = catalog.write(VENUE, SYMBOL, "mark", rows, source="file", status="complete")
    found = tape()
    found.add(mark(DAY + 2 * HOUR), received=DAY + 2 * HOUR)
    assert shelf_of(tmp_path, "mark").put(found.take(), DAY + 2 * HOUR) == 0
    assert catalog.partition(VENUE, SYMBOL, "mark", "2026-11-20").ledger == before.ledger


def test_rows_that_no_catalog_takes_are_told_apart_from_a_disk_that_is_full(tmp_path):
    found = tape()
    found.add(mark(DAY, f"0.{'1' * 19}"), received=DAY)
    with pytest.raises(Unusable, match="19 decimals"):
        shelf_of(tmp_path, "mark").put(found.take(), DAY)


def test_every_channel_is_a_method_that_ccxt_says_it_has():
    import ccxt.pro

    from feeds.downloads.capabilities import ccxt_id

    for each in channels.CHANNELS:
        head, *tail = each.method.split("_")
        exchange = getattr(ccxt.pro, ccxt_id(each.venue))
        assert exchange().has.get(head + "".join(word.title() for word in tail)), each
        assert callable(getattr(exchange, each.method))


def test_every_channel_has_its_source_and_liquidations_say_how_much_of_them_is_there():
    rows = channels.listed()
    assert len(rows) == len(channels.CHANNELS)
    assert all(row["fact"].startswith("ccxt") for row in rows)
    assert {each.coverage in COVERAGES for each in channels.CHANNELS if each.kind == "liquidations"} == {True}
    assert {each.coverage for each in channels.CHANNELS if each.kind != "liquidations"} == {""}


@pytest.mark.parametrize(
    ("venue", "kinds", "words"),
    [
        ("hyperliquid", ["liquidations"], "S3 buckets"),
        ("deribit", ["funding"], "levdyn download"),
        ("okx", ["bars:1m"], "levdyn download"),
        ("kraken", ["trades"], "bybit"),
        ("okx", [], "liquidations, trades"),
    ],
)
def test_what_is_not_sent_is_refused_with_what_to_do_instead(venue, kinds, words):
    with pytest.raises(feeds.FeedError, match=words):
        channels.checked(venue, kinds)


def test_web_sockets_are_redirected_like_everything_else_and_plain_only_when_given_so():
    none, plain = Endpoints(), Endpoints({"fstream.binance.com": "http://127.0.0.1:9/x"})
    safe = Endpoints({"fstream.binance.com": "https://mirror.example.org"})
    url = "wss://fstream.binance.com/market/ws/0"
    assert none.resolve_socket(url) == url
    assert plain.resolve_socket(url) == "ws://127.0.0.1:9/x/market/ws/0"
    assert safe.resolve_socket(url) == "wss://mirror.example.org/market/ws/0"
    for wrong in ("ws://fstream.binance.com/ws", "https://fstream.binance.com/ws"):
        with pytest.raises(feeds.FeedError, match=r"only https|no web socket"):
            none.resolve_socket(wrong)


def test_prices_are_kept_to_the_last_digit(tmp_path):
    found = tape()
    prices = ["0.000000012345", "30000.10", "1", "123456.789012"]
    for second, price in enumerate(prices):
        found.add(mark(DAY + second * SECOND, price), received=DAY + second * SECOND)
    shelf_of(tmp_path, "mark").put(found.take(), DAY + HOUR)
    rows = Catalog(tmp_path).read(VENUE, SYMBOL, "mark").to_pylist()
    assert [row["price"] for row in rows] == [Decimal(price) for price in prices]
