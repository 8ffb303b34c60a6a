"""What holds for every run on a book: no look-ahead, determinism, no more filled than was there, queues keep order."""

from random import Random

import book_tape
import pandas as pd
import pytest
from engine_data import SECOND, USER_COIN, Script, account, book, marks, run, trades, user_coin
from hypothesis import given
from hypothesis import strategies as st
from test_no_look_ahead import TABLES, before, same

import venues
from venues.queue import NAMES

QUEUES = [name if name in ("risk_averse", "log", "log_total") else f"{name}:3" for name in sorted(NAMES)]
LATENCIES = {
    "zero": None,
    "constant": "400ms",
    "all different": ("200ms", "900ms", "1300ms"),
    "drawn": venues.Latency(order="150ms", response="250ms", feed="100ms", sigma=0.7, feed_sigma=0.8),
}
SECONDS = 400


def result(seed, future=None, **options):
    owner = account(user_coin(tick_size=1, lot_size=1), balances={"USDT": 100_000}, fees=(-0.0001, 0.0005), **options)
    return run(book_tape.market(seed, SECONDS, future), book_tape.Quoter(seed=seed), owner)


@pytest.mark.parametrize("latency", LATENCIES)
@pytest.mark.parametrize("queue", QUEUES)
def test_nothing_before_a_time_rests_on_the_book_after_it(queue, latency):
    """Everything from a random second on is drawn anew; what was before must stay to the last digit."""
    seed = QUEUES.index(queue)
    moment = book_tape.START + Random(seed).randrange(100, SECONDS - 60) * SECOND
    own, other = (result(seed, future, queue=queue, latency=LATENCIES[latency]) for future in (None, (moment, 99)))
    for name in TABLES:
        same(before(getattr(own, name), moment), before(getattr(other, name), moment), name)
    assert len(before(own.fills, moment)) > 5
    assert {True, False} <= set(own.fills["is_maker"])
    assert not own.series.equals(other.series)


def test_a_second_run_gives_the_same_bytes():
    one, two = result(3, queue="power:3", latency="150ms"), result(3, queue="power:3", latency="150ms")
    assert one.fingerprint == two.fingerprint
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(two, name))


EVENTS = st.lists(st.tuples(st.booleans(), st.integers(1, 40)), min_size=1, max_size=25)


@given(EVENTS, st.integers(1, 60), st.lists(st.integers(1, 30), min_size=1, max_size=3))
def test_risk_averse_queues_fill_as_a_queue_of_orders_does(events, first, sizes):
    """A bid at 99 whose level and trades are random, against a queue written down in plain Python."""
    levels = [("00:00", {99: first}, {101: 10})]
    tape, queue, filled = [], [[size, first] for size in sizes], [0] * len(sizes)
    for number, (is_trade, amount) in enumerate(events):
        when = book_tape.START + (number + 10) * SECOND
        if is_trade:
            tape.append((when, 99, amount, -1))
            left = amount
            for place, entry in enumerate(queue):
                passed = min(entry[1], left)
                entry[1] -= passed
                got = min(entry[0], left - passed)
                entry[0] -= got
                filled[place] += got
                left -= got
        else:
            levels.append((when, {99: amount}, {}))
            for entry in queue:
                entry[1] = min(entry[1], amount)
    data = book(levels, USER_COIN) + marks([("00:00", 100), ("00:01", 100)], USER_COIN)
    if tape:
        data = data + trades(tape, USER_COIN)

    def join(strategy):
        for size in sizes:
            strategy.buy(USER_COIN, quantity=size, limit=99)

    found = run(data, Script(("00:00:05", join)), account(user_coin(tick_size=1, lot_size=1)))
    got = found.fills.groupby("order")["quantity"].sum()
    assert [got.get(number, 0) for number in range(1, len(sizes) + 1)] == filled
    assert sum(filled) <= sum(amount for is_trade, amount in events if is_trade)


@pytest.mark.parametrize("queue", QUEUES)
def test_what_the_book_shows_is_an_upper_bound_of_what_takers_get(queue):
    """No price level gives more than the feed has stated for it between two of its changes."""
    found = result(7, queue=queue)
    stated = {}
    for now, _, _, is_whole, side, price, size in book_tape.draw(7, SECONDS)[0]:
        if not is_whole or stated.get((side, price), [0, 0])[1] != size:
            stated.setdefault((side, price), []).append((now, size))
    taken = found.fills[~found.fills["is_maker"]]
    assert len(taken) > 3
    for row in taken.itertuples():
        changes = [size for now, size in stated[-row.side, row.price] if now <= row.time.value]
        assert row.quantity <= changes[-1]


def test_every_fill_of_a_resting_order_is_at_its_limit():
    found = result(9)
    limits = found.orders.set_index("order")["price"]
    made = found.fills[found.fills["is_maker"]]
    assert len(made) > 0
    assert all(row.price == limits[row.order] for row in made.itertuples())
    assert set(found.fills["symbol"]) == {USER_COIN}
