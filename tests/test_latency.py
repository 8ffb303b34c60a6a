"""Latency that is drawn or recorded: its distribution, its order, its independence of everything else."""

import math
import statistics

import pandas as pd
import pytest
from engine_data import (
    MINUTE,
    SECOND,
    USER_COIN,
    Notes,
    Script,
    account,
    book,
    marks,
    ns,
    points,
    run,
    trades,
    user_coin,
)

import venues
from venues.delay import Delay

MS = 10**6


def test_drawn_delays_are_lognormal_around_their_median():
    spread = [i * 10_000 * MS for i in range(20_000)]
    delay = Delay(4 * MS, 8 * MS, sigma=0.5, seed=3)
    for found, median in ((delay.arrivals(spread), 4 * MS), (delay.answers(spread), 8 * MS)):
        logs = [math.log((at - sent) / median) for sent, at in zip(spread, found, strict=True)]
        assert statistics.fmean(logs) == pytest.approx(0, abs=0.015)
        assert statistics.stdev(logs) == pytest.approx(0.5, rel=0.02)


def test_no_request_overtakes_another():
    sent = [i * MS for i in range(2000)]
    for found in (Delay(50 * MS, 0, sigma=1.0).arrivals(sent), Delay(0, 50 * MS, sigma=1.0).answers(sent)):
        assert found == sorted(found)
        assert all(at >= time for time, at in zip(sent, found, strict=True))


def test_the_seed_and_the_account_decide_the_draws():
    sent = [i * 1000 * MS for i in range(50)]
    first, same, seed, other = (
        Delay(5 * MS, 5 * MS, sigma=0.4, seed=s, account=a).arrivals(sent) for s, a in ((1, 0), (1, 0), (2, 0), (1, 1))
    )
    assert first == same
    assert first != seed
    assert first != other


def heard(latency, seed=0, more=False, symbol=USER_COIN):
    """Return when each trade of a second is heard, ns after its time."""
    rows = [(ns("00:00") + i * SECOND, 100.0, 1.0) for i in range(600)]
    data = trades(rows, symbol) + marks([("00:00", 100), ("00:15", 100)], symbol)
    if more:
        data = data + points("index", [row[:2] for row in rows], "USDT/USD")
    notes = Notes()

    class Watcher(Script):
        def on_trade(self, event):
            notes.append((event.ts, self.now - event.ts))

    run(data, Watcher(), account(user_coin(), latency=latency), seed=seed)
    assert [ts for ts, _ in notes] == [row[0] for row in rows][: len(notes)]
    return [delay for _, delay in notes]


def test_feed_latency_is_drawn_by_the_moment_of_the_stream_and_never_reorders_it():
    model = venues.Latency(feed="40ms", feed_sigma=0.5)
    one = heard(model)
    logs = [math.log(delay / (40 * MS)) for delay in one]
    assert statistics.fmean(logs) == pytest.approx(0, abs=0.06)
    assert statistics.stdev(logs) == pytest.approx(0.5, rel=0.1)
    assert one == heard(model)
    assert one != heard(model, seed=1)
    assert one == heard(model, more=True)  # another stream moves no draw
    slow = heard(venues.Latency(feed="1500ms", feed_sigma=1.5))
    times = [i * SECOND + delay for i, delay in enumerate(slow)]
    assert times == sorted(times)


def test_rows_of_one_message_of_a_book_are_heard_together():
    seen = Notes()

    class Watcher(Script):
        def on_book(self, event):
            seen.append((event.bid, event.ask))

    messages = [("00:00", {99: 10, 98: 10}, {101: 10})]
    messages += [(ns("00:01") + i * SECOND, {99 - i % 2: 5, 98 + i % 2: 0}, {101 + i % 2: 7, 102 - i % 2: 0})
                 for i in range(50)]  # fmt: skip
    data = book(messages, USER_COIN) + marks([("00:00", 100), ("00:05", 100)], USER_COIN)
    model = venues.Latency(feed="20ms", feed_sigma=1.0)
    run(data, Watcher(), account(user_coin(tick_size=1, lot_size=1), latency=model))
    assert len(seen) == 51
    assert set(seen[1:]) == {(99, 101), (98, 102)}


RECORD = pd.DataFrame({"ts": [0, 100, 200], "order": [10, 20, 40], "response": [5, 5, 25]})


def test_recorded_delays_are_interpolated_and_the_nearest_holds_outside():
    model = venues.Latency(record=RECORD)
    delay = Delay(0, 0, record=model.rows)
    assert delay.arrivals([50, 150, 900]) == [65, 180, 940]
    assert Delay(0, 0, record=model.rows).answers([50, 150, 900]) == [55, 165, 925]
    assert model.medians == (20, 5, 0)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_record_is_read_from_a_file(tmp_path, suffix):
    path = tmp_path / f"trips.{suffix}"
    RECORD.to_csv(path, index=False) if suffix == "csv" else RECORD.to_parquet(path)
    assert [column.tolist() for column in venues.Latency(record=path).rows] == [
        RECORD[name].tolist() for name in RECORD
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sigma": 0.5}, "has no effect without order="),
        ({"feed_sigma": 0.5, "order": "1ms"}, "has no effect without feed="),
        ({"sigma": -1, "order": "1ms"}, "sigma"),
        ({"record": RECORD, "order": "1ms"}, "takes the place of order="),
        ({"record": RECORD[["ts", "order"]]}, "columns ts, order, response, got"),
        ({"record": RECORD.astype(float)}, "must be int ns"),
        ({"record": RECORD[::-1]}, "ascending ts"),
        ({"record": "nowhere.csv"}, "nowhere.csv"),
    ],
)
def test_a_latency_that_cannot_be_is_refused(given, message):
    with pytest.raises(venues.VenueError, match=message):
        venues.Latency(**given)


def arrivals(latency, seed=0):
    """Return the delay in ns of each of twenty market orders, a minute apart."""
    data = book([("00:00", {99: 1000}, {101: 1000})], USER_COIN) + marks([("00:00", 100), ("01:00", 100)], USER_COIN)
    steps = [(ns("00:01") + i * MINUTE, lambda s: s.buy(USER_COIN, quantity=1)) for i in range(20)]
    owner = account(user_coin(tick_size=1, lot_size=1), latency=latency)
    times = run(data, Script(*steps), owner, seed=seed).fills["time"]
    return [when.value - ns("00:01") - i * MINUTE for i, when in enumerate(times)]


def test_a_run_meets_the_drawn_latency_of_its_seed():
    model = venues.Latency(order="20ms", response="20ms", feed="5ms", sigma=0.6)
    one = arrivals(model)
    assert len(set(one)) == 20
    assert 5 * MS < statistics.median(one) < 80 * MS
    assert one == arrivals(model)
    assert one != arrivals(model, seed=1)


def test_a_run_meets_recorded_latency():
    trips = pd.DataFrame({"ts": [ns("00:00"), ns("00:20")], "order": [0, 20 * MS], "response": [MS, MS]})
    found = arrivals(venues.Latency(record=trips))
    assert found[:3] == [MS, 2 * MS, 3 * MS]


def test_the_first_screen_says_how_latency_comes():
    data = book([("00:00", {99: 1000}, {101: 1000})], USER_COIN) + marks([("00:00", 100)], USER_COIN)
    owner = account(user_coin(tick_size=1, lot_size=1), latency=venues.Latency(order="2ms", response="3ms", sigma=0.5))
    assert "lognormal, sigma 0.5" in str(run(data, Script(), owner))
