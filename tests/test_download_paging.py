"""The page loops against venues as they answer: from either end, capped, with holes, with lost pages (feeds.md 1.3)."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback.server import Exchange
from loopback.truth import MS_DAY, MS_HOUR, World, ms
from loopback.use import fetched, stored

import feeds
from feeds.downloads.proof import missing_settlements, missing_slots
from feeds.downloads.rest.paging import Ids, fill
from feeds.errors import FeedError

STEP = 60_000_000_000
HOUR = 60 * STEP
NS = 1_000_000


def simulated(times, *, cap, newest, lost=0.0, seed=0, shuffled=False, inclusive=False):
    """Return a venue that has rows at `times` and answers with at most `cap` of them."""
    chance = random.Random(seed)
    streak = 0

    def ask(low, high):
        nonlocal streak
        found = [ts for ts in times if low <= ts < high or (inclusive and ts == high)]
        found = found[-cap:] if newest else found[:cap]
        if chance.random() < lost and not streak:
            streak = 1  # the loop asks twice; a venue that loses two answers in a row to one question is not believed
            return []
        streak = 0
        if shuffled:
            chance.shuffle(found)
        return [(ts, (str(ts),)) for ts in found]

    return ask


def slots(stamps, low, high):
    return missing_slots(stamps, low, high, STEP)


@given(
    count=st.integers(1, 400),
    cap=st.integers(2, 120),
    span=st.integers(1, 150),
    newest=st.booleans(),
    shuffled=st.booleans(),
    inclusive=st.booleans(),
    lost=st.sampled_from([0.0, 0.2, 0.5]),
    seed=st.integers(0, 10),
)
def test_every_row_is_found_whatever_part_of_a_stretch_is_answered(
    count, cap, span, newest, shuffled, inclusive, lost, seed
):
    times = [at * STEP for at in range(count)]
    ask = simulated(times, cap=cap, newest=newest, lost=lost, seed=seed, shuffled=shuffled, inclusive=inclusive)
    assert [ts for ts, _ in fill(ask, slots, 0, count * STEP, span * STEP)] == times


@given(absent=st.sets(st.integers(0, 99), max_size=30), cap=st.integers(5, 100), newest=st.booleans())
def test_rows_that_the_venue_does_not_have_end_the_loop_and_nothing_is_made_up(absent, cap, newest):
    times = [at * STEP for at in range(100) if at not in absent]
    found = fill(simulated(times, cap=cap, newest=newest), slots, 0, 100 * STEP, 40 * STEP)
    assert [ts for ts, _ in found] == times
    holes = missing_slots(np.array([ts for ts, _ in found], dtype=np.int64), 0, 100 * STEP, STEP)
    assert {at // STEP for low, high in holes for at in range(low, high, STEP)} == absent


def test_rows_of_one_time_that_differ_are_both_returned():
    answers = iter([[(0, ("1",))], [(0, ("2",)), (STEP, ("3",))]])
    found = fill(lambda low, high: next(answers), slots, 0, 2 * STEP, 2 * STEP)
    assert found == [(0, ("1",)), (0, ("2",)), (STEP, ("3",))]


@pytest.mark.parametrize(
    ("hours", "missing"),
    [
        ([0, 8, 16, 24, 32, 40], []),
        ([0, 8, 24, 32, 40], [(9, 24)]),
        ([8, 16, 24, 32, 40], [(0, 8)]),
        ([0, 8, 16, 24], [(25, 48)]),
        ([0, 8, 16, 20, 24, 28, 32, 36, 40, 44], []),  # 8 h, then 4 h
        ([0, 4, 8, 12, 16, 24, 32, 40], []),  # 4 h, then 8 h
        ([0, 4, 8, 12, 24, 32, 40], [(13, 24)]),  # a hole where the interval changes
        ([16], [(0, 48)]),
        ([], [(0, 48)]),
    ],
)
def test_settlement_that_is_missing_is_seen_whatever_the_interval(hours, missing):
    stamps = np.array([hour * HOUR + 7 * NS for hour in hours], dtype=np.int64)
    found = missing_settlements(stamps, 0, 48 * HOUR)
    assert [(low // HOUR, high // HOUR) for low, high in found] == missing


@given(
    count=st.integers(1, 300),
    cap=st.integers(1, 50),
    lost=st.sets(st.integers(1, 300), max_size=20),
    seed=st.integers(0, 5),
)
def test_ids_are_collected_without_holes_or_the_hole_is_a_gap(count, cap, lost, seed):
    chance = random.Random(seed)
    ids = Ids("test")

    def ask(low, high):
        found = [at for at in range(low, count + 1) if at not in lost][:cap]
        chance.shuffle(found)
        return [(at, at * STEP, (str(at),)) for at in found]

    ids.close(ask, 1, count + 1)
    assert sorted(ids.rows) == [at for at in range(1, count + 1) if at not in lost]
    told = {at for gap in ids.gaps for at in range(*_ids_of(gap.detail))}
    assert told == {at for at in lost if at <= count}


def _ids_of(detail):
    first, last = detail.removeprefix("ids ").split(" to ")
    return int(first), int(last) + 1


def test_id_with_other_content_stops_the_stream():
    ids = Ids("BTC@somewhere")
    ids.add([(5, 1, ("100",))])
    with pytest.raises(FeedError, match="BTC@somewhere: id 5 came twice with different content"):
        ids.add([(5, 1, ("101",))])


HOURLY = [(0, 1)]
# What ccxt's own loop over pages loses: the venue, what is asked for, the world, and how many rows are there.
TRAPS = {
    "okx funding, cut to the newest hundred": ("okx", "funding", World(listed=ms("2026-08-14")), "2026-08-14"),
    "bybit funding of an hourly contract": (
        "bybit",
        "funding",
        World(intervals=HOURLY, listed=ms("2026-07-10")),
        "2026-07-10",
    ),
    "bybit open interest": ("bybit", "open_interest", World(listed=ms("2026-11-05")), "2026-11-05"),
    "binance funding of an hourly contract": (
        "binance_usdm",
        "funding",
        World(intervals=HOURLY, listed=ms("2026-06-01")),
        "2026-06-01",
    ),
    "binance bars from long ago": ("binance_usdm", "bars:1m", World(listed=ms("2026-11-02")), "2026-11-02"),
    "bybit bars, newest first": ("bybit", "bars:5m", World(listed=ms("2026-10-20")), "2026-10-20"),
    "okx bars, fewer a page than asked for": ("okx", "bars:15m", World(listed=ms("2026-10-20")), "2026-10-20"),
    "binance trades through a quiet hour and bursts": ("binance_usdm", "trades", World(), "2026-11-10"),
    "okx trades, one hundred a page": ("okx", "trades", World(), "2026-11-10"),
}


@pytest.mark.parametrize("name", TRAPS)
def test_pagination_trap_of_ccxt_is_passed_with_all_rows(tmp_path, name):
    venue, kind, world, start = TRAPS[name]
    with Exchange(world) as exchange:
        for host in ("data.binance.vision", "static.okx.com"):
            exchange.fault("404", host, times=-1)
        report = fetched(exchange, tmp_path, venue, kinds=kind, start=start)
    assert report.exit_code == 0, str(report)
    low = ms(start)
    if kind == "trades":
        truth = [each.ts for each in world.trades(low, world.now)]
    elif kind == "funding":
        truth = [at for at, _ in world.settlements(low, world.now)]
    else:
        step = {"open_interest": 5, "bars:1m": 1, "bars:5m": 5, "bars:15m": 15}[kind] * 60_000
        truth = [at for at in world.slots(low, world.now, step) if at + step <= world.now]
    assert [row["ts"] // NS for row in stored(tmp_path, kind, venue)] == truth


def test_more_faults_than_ccxt_would_count_lose_nothing(tmp_path):
    with Exchange(World(listed=ms("2026-11-02"))) as exchange:
        exchange.fault("404", "data.binance.vision", times=-1)
        for place in range(16):
            exchange.fault(("500_html", "html", "429", "empty_list")[place % 4], "v1/klines", skip=2 * place)
        report = fetched(exchange, tmp_path, kinds="bars:1m", start="2026-11-02", end="2026-11-10", attempts=20)
    assert report.exit_code == 0, str(report)
    assert len(stored(tmp_path, "bars:1m")) == 8 * 1440


def test_day_of_archives_lies_between_its_own_bounds(tmp_path):
    with Exchange() as exchange:
        fetched(exchange, tmp_path, kinds="open_interest", start="2026-11-06", end="2026-11-08")
    for part in feeds.Catalog(tmp_path).partitions():
        low, high = part.bounds
        assert (part.ts_min, part.ts_max) == (low, high - 5 * STEP)
        assert (high - low) // NS == MS_DAY == 24 * MS_HOUR
