"""Books told order by order: levels, places in time, and own orders in queues that are known."""

from random import Random

import pandas as pd
import pytest
from engine_data import (
    SECOND,
    USDM,
    USER_COIN,
    Notes,
    Script,
    account,
    book,
    frame,
    marks,
    ns,
    reasons,
    run,
    trades,
    user_coin,
)
from hypothesis import given
from hypothesis import strategies as st
from test_no_look_ahead import TABLES, before, same

import feeds
from backtest import ConfigError
from venues.order_book import OrderBook

# ---------------------------------------------------------------- the book by itself


class Plain:
    """The same in plain Python: a list of (id, side, price, quantity) in order of time."""

    def __init__(self):
        self.orders = []

    def put(self, side, price, quantity, number):
        for at, (known, own_side, own_price, left) in enumerate(self.orders):
            if known == number:
                if (own_side, own_price) == (side, price) and 0 < quantity <= left:
                    self.orders[at] = (number, side, price, quantity)
                    return
                del self.orders[at]
                break
        if quantity:
            self.orders.append((number, side, price, quantity))

    def snapshot(self, rows):
        kept = {number: (side, price, quantity) for side, price, quantity, number in rows}
        self.orders = [row for row in self.orders if row[0] in kept]
        for side, price, quantity, number in rows:
            self.put(side, price, quantity, number)

    def levels(self, side):
        sums = {}
        for _, own, price, quantity in self.orders:
            if own == side:
                sums[price] = sums.get(price, 0) + quantity
        return sorted(sums.items(), reverse=side > 0)

    def ahead_of(self, number):
        at = next(i for i, row in enumerate(self.orders) if row[0] == number)
        mine = self.orders[at]
        return sum(row[3] for row in self.orders[:at] if row[1:3] == mine[1:3])


ROWS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 3), st.integers(0, 9), st.booleans()), min_size=1, max_size=80
)


@given(ROWS)
def test_levels_and_places_are_those_of_a_plain_list(rows):
    made, plain = OrderBook(1), Plain()
    made.apply_orders(1, [], is_snapshot=True)
    for time, (number, offset, quantity, is_snapshot) in enumerate(rows, 2):
        side = 1 if number % 2 else -1
        price = 100 - side * (1 + offset)
        if is_snapshot and number == 0:
            whole = [(s, p, q, n) for n, s, p, q in plain.orders if (n + time) % 3] + [(side, price, 5, 1000 + time)]
            made.apply_orders(time, whole, is_snapshot=True)
            plain.snapshot(whole)
        else:
            made.apply_orders(time, [(side, price, quantity, number)])
            plain.put(side, price, quantity, number)
        for each in (1, -1):
            assert made.levels(each) == plain.levels(each)
        assert made.count == len(plain.orders)
    for number, side, price, _ in plain.orders:
        assert made.ahead_of(side, price, number) == plain.ahead_of(number)


def test_many_orders_come_and_go():
    made = OrderBook(1)
    made.apply_orders(0, [], is_snapshot=True)
    for i in range(20_000):
        made.apply_orders(i + 1, [(1, 100 + i % 50, 1 + i % 7, i)])
        if i >= 500:
            made.apply_orders(i + 1, [(1, 100 + (i - 500) % 50, 0, i - 500)])
    assert made.count == 500
    assert sum(quantity for _, quantity in made.levels(1)) == sum(1 + i % 7 for i in range(19_500, 20_000))


# ---------------------------------------------------------------- own orders in it


def orders(messages, symbol=USER_COIN):
    """Return rows from messages of (time, [(id, side, price, quantity)][, is_snapshot]); the first is a snapshot."""
    rows = []
    for number, (when, changes, *whole) in enumerate(messages):
        is_snapshot = int(whole[0]) if whole else int(number == 0)
        rows += [(when, number, is_snapshot, *change) for change in changes]
    made = frame(rows, "seq is_snapshot order_id side price quantity")
    return feeds.from_pandas(made, kind="book_orders", venue=USDM, symbol=symbol)


def coin(**fields):
    return account(user_coin(tick_size=1, lot_size=1), balances={"USDT": 100_000}, **({"queue": "fifo"} | fields))


def quiet(messages, tape=()):
    data = orders(messages) + marks([("00:00", 100), ("01:00", 100)], USER_COIN)
    return data + trades(tape, USER_COIN) if tape else data


def bid(quantity, limit=99):
    return lambda s: s.buy(USER_COIN, quantity=quantity, limit=limit)


START = ("00:00", [(1, 1, 99, 4), (2, 1, 99, 6), (3, -1, 101, 10), (4, -1, 102, 20)])


def fills(result):
    rows = result.fills
    return list(zip(rows["price"], rows["quantity"], rows["is_maker"], strict=True))


def test_takers_walk_the_levels_of_the_orders():
    result = run(quiet([START]), Script(("00:01", lambda s: s.buy(USER_COIN, quantity=15))), coin())
    assert fills(result) == [(101, 10, False), (102, 5, False)]


@pytest.mark.parametrize(
    ("change", "want"),
    [
        ((1, 1, 99, 0), 3),  # the order of 4 ahead is taken back: 6 ahead
        ((2, 1, 99, 1), 4),  # of 6 ahead 5 are taken back: 5 ahead
        ((2, 1, 99, 7), 5),  # it grows, and so goes behind ours: 4 ahead
        ((1, 1, 98, 4), 3),  # it moves away
        ((9, 1, 99, 50), 0),  # somebody joins behind
    ],
)
def test_the_queue_ahead_is_what_has_come_before_and_is_still_there(change, want):
    data = quiet([START, ("00:02", [change])], [("00:03", 99, 9, -1)])
    found = sum(row[1] for row in fills(run(data, Script(("00:01", bid(5))), coin())))
    assert found == want


def test_what_leaves_behind_does_not_help():
    later = [START, ("00:02", [(9, 1, 99, 50)]), ("00:03", [(9, 1, 99, 0)])]
    result = run(quiet(later, [("00:04", 99, 11, -1)]), Script(("00:01", bid(5))), coin())
    assert fills(result) == [(99, 1, True)]


def test_a_trade_and_the_orders_that_it_filled_shorten_the_queue_once():
    """B37 order by order: the trade of 7 fills order 1 and half of order 2, which the feed then says."""
    filled = ("00:02", [(1, 1, 99, 0), (2, 1, 99, 3)])
    data = quiet([START, filled], [("00:02", 99, 7, -1), ("00:03", 99, 4, -1)])
    assert fills(run(data, Script(("00:01", bid(5))), coin())) == [(99, 1, True)]


def test_a_snapshot_keeps_the_places_of_orders_that_it_names():
    again = ("00:02", [(2, 1, 99, 6), (9, 1, 99, 30), (3, -1, 101, 10)], 1)
    data = quiet([START, again], [("00:03", 99, 8, -1)])
    assert fills(run(data, Script(("00:01", bid(5))), coin())) == [(99, 2, True)]


def test_other_models_take_the_orders_as_levels():
    later = [START, ("00:02", [(1, 1, 99, 0)])]
    found = {}
    for queue in ("fifo", "risk_averse", "power:1"):
        result = run(quiet(later, [("00:03", 99, 8, -1)]), Script(("00:01", bid(5))), coin(queue=queue))
        found[queue] = sum(row[1] for row in fills(result))
    assert found == {"fifo": 2, "risk_averse": 2, "power:1": 2}


def test_a_strategy_hears_of_a_book():
    seen = Notes()

    class Watcher(Script):
        def on_book(self, event):
            seen.append((event.bid, event.bid_quantity, event.ask))

    run(quiet([START, ("00:02", [(1, 1, 99, 0)])]), Watcher(), coin())
    assert seen == [(99, 10, 101), (99, 6, 101)]


def test_a_known_queue_needs_orders():
    data = book([("00:00", {99: 1}, {101: 1})], USER_COIN) + marks([("00:00", 100)], USER_COIN)
    with pytest.raises(ConfigError, match="needs rows of kind book_orders, the data have book, mark"):
        run(data, Script(), coin())


def draw(seed, seconds, future=None):
    """Return rows of orders and trades of a random market, which fills from the front of its queues."""
    random, rows, tape, live, number = Random(seed), [], [], [], 0
    for second in range(seconds):
        now = ns("00:00") + second * SECOND
        if future is not None and now >= future[0]:
            random, future = Random(future[1]), None
        changes = []
        for _ in range(random.randrange(1, 5)):
            side = random.choice((1, -1))
            number += 1
            made = [number, side, 100 - side * random.randrange(1, 4), random.randrange(1, 9)]
            live.append(made)
            changes.append(tuple(made))
        for order in random.sample(live, min(len(live), random.randrange(0, 3))):
            order[3] = random.choice((0, order[3] - 1))
            changes.append(tuple(order))
        live = [order for order in live if order[3] > 0]
        side = random.choice((1, -1))
        best = [order for order in live if order[1] == -side]
        if best and random.random() < 0.6:
            price = min(order[2] * side for order in best) * side
            left = size = random.randrange(1, 12)
            for order in best:
                if order[2] == price and left > 0:
                    part = min(left, order[3])
                    order[3] -= part
                    left -= part
                    changes.append(tuple(order))
            if size > left:
                tape.append((now, price, size - left, side))
        live = [order for order in live if order[3] > 0]
        rows += [(now, second, int(second == 0), *change) for change in changes]
    return rows, tape


def market(seed, seconds, future=None):
    rows, tape = draw(seed, seconds, future)
    made = frame(rows, "seq is_snapshot order_id side price quantity")
    data = feeds.from_pandas(made, kind="book_orders", venue=USDM, symbol=USER_COIN)
    points = [(ns("00:00") + i * SECOND, 100) for i in range(seconds)]
    return data + trades(tape, USER_COIN) + marks(points, USER_COIN)


class Quoter(Script):
    """Joins both sides of the book now and then, and gives up what has waited."""

    def on_start(self):
        self.random = Random(5)
        self.every("4s")

    def on_timer(self, timer):
        held = self.position(USER_COIN).quantity
        if self.random.random() < 0.2:
            self.cancel_all(USER_COIN)
        if held < 40:
            self.buy(USER_COIN, quantity=self.random.randrange(1, 6), limit=99, post_only=True)
        if held > -40:
            self.sell(USER_COIN, quantity=self.random.randrange(1, 6), limit=101, post_only=True)


@pytest.mark.parametrize("latency", [None, "700ms"])
def test_nothing_before_a_time_rests_on_the_orders_after_it(latency):
    moment = ns("00:00") + 200 * SECOND
    own, other = (run(market(3, 400, future), Quoter(), coin(latency=latency)) for future in (None, (moment, 99)))
    for name in TABLES:
        same(before(getattr(own, name), moment), before(getattr(other, name), moment), name)
    assert len(before(own.fills, moment)) > 5
    assert not own.fills.equals(other.fills)


def test_what_fills_at_a_level_never_exceeds_what_traded_there():
    rows, tape = draw(4, 400)
    result = run(market(4, 400), Quoter(), coin())
    made = result.fills[result.fills["is_maker"]]
    assert len(made) > 10
    traded = (
        pd.DataFrame(tape, columns=["time", "price", "quantity", "side"]).groupby(["time", "price"])["quantity"].sum()
    )
    per_trade = made.groupby([made["time"].astype("int64"), "price"])["quantity"].sum()
    for (time, price), quantity in per_trade.items():
        beyond = traded[traded.index.get_level_values(0) == time]
        assert quantity <= beyond.sum()
        assert price in (99, 101)
    assert rows
    assert set(reasons(result)) <= {"filled", "working", "canceled BY_USER", "rejected WOULD_TAKE"}
