"""Brackets, self-trades, icebergs: exits live with their entry, own orders do not meet, a part is shown at a time."""

from itertools import pairwise
from random import Random

import pytest
from engine_data import (
    MINUTE,
    SPOT,
    USER_COIN,
    Listener,
    Notes,
    Script,
    account,
    bars,
    book,
    marks,
    ns,
    reasons,
    run,
    totals,
    trades,
    user_coin,
)

import venues
from backtest import OrderError

COIN = {"tick_size": 1, "lot_size": 1}


def coin(rules="binance_usdm", **fields):
    return account(user_coin(rules=rules, **COIN), balances={"USDT": 100_000}, **fields)


def filled(result):
    rows = result.fills
    return list(zip(rows["order"], rows["price"], rows["quantity"], strict=True))


def tape(*rows):
    """Return trades of (time, price, quantity, side) and a mark of 100."""
    full = [(row[0], row[1], *(row[2:] or (1000, -1))) for row in rows]
    return trades(full, USER_COIN) + marks([("00:00", 100), ("01:00", 100)], USER_COIN)


def deep(*rows):
    """Return a book of a thousand a side, one below and above each price, and trades at it."""
    levels = [(row[0], {row[1] - 1: 1000}, {row[1] + 1: 1000}, True) for row in rows]
    return book(levels, USER_COIN) + tape(*rows)


def candles(*rows):
    """Return bars of a minute that go straight from each price to the next."""
    found = [(row[0], row[1], max(row[1], after[1]), min(row[1], after[1]), after[1]) for row, after in pairwise(rows)]
    return bars(found, USER_COIN, timeframe="1m") + bars(found, USER_COIN, timeframe="1m", kind="mark")


def bracket(side="buy", quantity=10, **given):
    return lambda s: s.bracket(USER_COIN, side=side, quantity=quantity, **given)


RISE = (("00:00", 100), ("00:01", 100), ("00:02", 100), ("00:03", 104), ("00:04", 107), ("00:05", 112), ("00:06", 112))
FALL = (("00:00", 100), ("00:01", 100), ("00:02", 100), ("00:03", 98), ("00:04", 94), ("00:05", 92), ("00:06", 92))


@pytest.mark.parametrize("market", [tape, deep, candles])
def test_the_take_profit_closes_what_was_entered_and_ends_the_stop(market):
    result = run(market(*RISE), Listener(("00:00:30", bracket(take=106, stop=95))), coin())
    entry, take = filled(result)
    assert (entry[0], entry[2]) == (1, 10)
    assert take == (2, 106, 10)
    assert reasons(result) == ["filled", "filled", "canceled SIBLING_MET"]
    assert result.positions["is_open"].tolist() == [False]


@pytest.mark.parametrize("market", [tape, deep, candles])
def test_the_stop_closes_what_was_entered_and_ends_the_take_profit(market):
    result = run(market(*FALL), Listener(("00:00:30", bracket(take=106, stop=95))), coin())
    assert [row[0] for row in filled(result)] == [1, 3]
    assert filled(result)[1][1] <= 97
    assert reasons(result) == ["filled", "canceled SIBLING_MET", "filled"]


def test_a_short_entry_has_its_exits_on_the_other_sides():
    result = run(deep(*FALL), Script(("00:00:30", bracket("sell", take=95, stop=105))), coin())
    assert [(row[0], row[2]) for row in filled(result)] == [(1, 10), (2, 10)]
    assert filled(result)[1][1] == 95


def test_exits_begin_with_the_first_part_of_the_entry_and_grow_with_it():
    """The entry rests at 99; parts of 4 and 3 fill; the take-profit sells 7."""
    data = tape(("00:00", 100), ("00:02", 99, 4, -1), ("00:03", 99, 3, -1), ("00:05", 104, 50, 1), ("00:06", 104, 5, 1))
    notes = Notes()

    class Looker(Script):
        def on_order(self, order):
            notes.append((order.id, order.status, order.sent))

    script = Looker(("00:01", bracket(limit=99, take=103, stop=90)), notes=notes)
    result = run(data, script, coin())
    assert filled(result) == [(1, 99, 4), (1, 99, 3), (2, 103, 7)]
    # waiting with the entry's size, then what has filled
    assert [row for row in notes if row[0] == 2] == [
        (2, "working", 10), (2, "working", 4), (2, "working", 7), (2, "filled", 7),
    ]  # fmt: skip
    # an exit has filled: what is left of the entry goes
    assert reasons(result) == ["canceled SIBLING_MET", "filled", "canceled SIBLING_MET"]


def test_what_one_exit_fills_lowers_the_other():
    data = tape(
        ("00:00", 100), ("00:02", 99, 10, -1), ("00:03", 104, 4, 1), ("00:04", 90, 50, -1), ("00:05", 90, 50, -1),
    )  # fmt: skip
    result = run(data, Script(("00:01", bracket(limit=99, take=103, stop=95, trigger="last"))), coin())
    assert filled(result) == [(1, 99, 10), (2, 103, 4), (3, 90, 6)]
    assert reasons(result) == ["filled", "canceled SIBLING_MET", "filled"]


def test_exits_end_with_an_entry_that_never_filled():
    def cancel(strategy):
        strategy.cancel(min(strategy.orders(), key=lambda order: order.id))

    data = tape(("00:00", 100), ("00:05", 100))
    cancelled = run(data, Script(("00:01", bracket(limit=90, take=110, stop=80)), ("00:02", cancel)), coin())
    assert reasons(cancelled) == ["canceled BY_USER", "canceled NO_ENTRY", "canceled NO_ENTRY"]
    refused = run(data, Script(("00:01", bracket(quantity=10**9, take=110, stop=80))), coin())
    assert reasons(refused)[1:] == ["rejected NO_ENTRY"] * 2
    expired = run(data, Script(("00:01", bracket(limit=90, tif="IOC", take=110))), coin())
    assert reasons(expired) == ["expired NOT_FILLABLE", "canceled NO_ENTRY"]


def test_an_exit_can_be_cancelled_before_its_entry_fills():
    def cancel(strategy):
        strategy.cancel(max(strategy.orders(), key=lambda order: order.id))

    data = tape(("00:00", 100), ("00:03", 99, 10, -1), ("00:04", 90, 10, -1), ("00:05", 104, 20, 1))
    result = run(data, Script(("00:01", bracket(limit=99, take=103, stop=95)), ("00:02", cancel)), coin())
    assert filled(result) == [(1, 99, 10), (2, 103, 10)]
    assert reasons(result) == ["filled", "filled", "canceled BY_USER"]


def test_closing_the_position_by_hand_ends_the_exits():
    data = deep(*RISE[:3], ("00:03", 100), ("00:04", 112))
    result = run(
        data, Script(("00:00:30", bracket(take=106, stop=95)), ("00:02:30", lambda s: s.close(USER_COIN))), coin()
    )
    assert sum(row[2] for row in filled(result)) == 20
    assert all(why.startswith("canceled") for why in reasons(result)[1:3])
    assert set(totals(result)[0].values()) == {0}


def test_a_forced_close_ends_a_bracket():
    rows = [("00:00", 100), ("00:01", 100), ("00:02", 100), ("00:03", 90.3), ("00:04", 90.3)]
    data = trades([(t, p, 1000, -1) for t, p in rows], USER_COIN) + marks(rows, USER_COIN)
    owner = account(user_coin(lot_size=1), balances={"USDT": 100}, leverage=50)
    result = run(data, Script(("00:00:30", bracket(take=120, stop=80, trigger="last"))), owner)
    assert result.summary["liquidations"] > 0
    assert all(why.startswith("canceled") for why in reasons(result)[1:3])


def test_targets_do_not_count_exits_and_protect_leaves_them_alone():
    def look(strategy):
        strategy.protect(USER_COIN, stop=90)
        strategy.target(USER_COIN, quantity=10)

    result = run(tape(*RISE[:3]), Script(("00:00:30", bracket(take=106, stop=95)), ("00:01:30", look)), coin())
    assert reasons(result) == ["filled", "working", "working", "working"]
    assert list(result.orders["type"]) == ["market", "limit", "stop_market", "stop_market"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "needs take=, stop= or both"),
        ({"take": 110, "stop_limit": 90}, "stop_limit= needs stop="),
        ({"take": 90, "stop": 110}, "has its stop below"),
        ({"limit": 100, "stop": 101}, "has its stop below"),
        ({"side": "sell", "limit": 100, "take": 101}, "has its stop above"),
        ({"side": "long", "take": 110}, "side must be"),
        ({"take": -5}, "positive prices"),
    ],
)
def test_a_bracket_that_cannot_be_is_refused(given, message):
    with pytest.raises(OrderError, match=message):
        run(tape(*RISE), Script(("00:00:30", bracket(**given))), coin())


def test_in_hedge_mode_the_exits_close_their_own_leg():
    def both(strategy):
        strategy.bracket(USER_COIN, side="buy", quantity=10, take=106, stop=95, position="long")
        strategy.bracket(USER_COIN, side="sell", quantity=4, take=94, stop=120, position="short")

    result = run(tape(*RISE), Script(("00:00:30", both)), coin(position_mode="hedge"))
    assert [(row[0], row[2]) for row in filled(result)] == [(1, 10), (4, 4), (2, 10)]
    assert result.positions.set_index("leg")["is_open"].to_dict() == {"long": False, "short": True}


def test_exits_wait_at_the_venue_and_need_no_second_trip():
    """With two minutes to the venue the exits are there with the entry: the fall right after it meets the stop."""
    data = tape(("00:00", 100), ("00:01", 100), ("00:03:10", 100), ("00:03:11", 94), ("00:03:12", 93), ("00:10", 93))
    result = run(data, Script(("00:01", bracket(take=106, stop=95))), coin(latency="2m"))
    assert [row[:2] for row in filled(result)] == [(1, 100), (3, 93)]


def test_a_spot_order_has_no_bracket():
    data = trades([("00:00", 100, 1), ("00:01", 100, 1)], SPOT, "binance_spot")
    owner = venues.Venue("binance_spot", balances={"USDT": 1000})
    with pytest.raises(OrderError, match="cannot be reduce-only"):
        run(data, Script(("00:00:30", lambda s: s.bracket(SPOT, side="buy", quantity=1, take=110))), owner)


# ---------------------------------------------------------------- self-trades


def buy(quantity, **more):
    return lambda s: s.buy(USER_COIN, quantity=quantity, **more)


def sell(quantity, **more):
    return lambda s: s.sell(USER_COIN, quantity=quantity, **more)


LEVELS = ({99: 10, 98: 20}, {101: 30, 102: 50})
POLICIES = {
    # bid of 5 at 99 behind 10, then a market sale of 25: what the sale gets, and what becomes of both
    "allow": ([(2, 99, 10), (2, 98, 15)], ["working", "filled"]),
    "cancel_taker": ([(2, 99, 10)], ["working", "canceled SELF_TRADE"]),
    "cancel_maker": ([(2, 99, 10), (2, 98, 15)], ["canceled SELF_TRADE", "filled"]),
    "cancel_both": ([(2, 99, 10)], ["canceled SELF_TRADE", "canceled SELF_TRADE"]),
}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_taker_gets_what_stands_ahead_of_an_own_order_and_then_the_policy_decides(policy):
    data = book([("00:00", *LEVELS)], USER_COIN) + marks([("00:00", 100), ("01:00", 100)], USER_COIN)
    result = run(data, Script(("00:01", buy(5, limit=99)), ("00:02", sell(25))), coin(self_trade=policy))
    assert (filled(result), reasons(result)) == POLICIES[policy]


def test_an_own_order_inside_the_spread_is_met_first():
    data = book([("00:00", *LEVELS)], USER_COIN) + marks([("00:00", 100), ("01:00", 100)], USER_COIN)
    for policy, want in (("cancel_taker", []), ("cancel_maker", [(2, 99, 5)])):
        result = run(data, Script(("00:01", buy(5, limit=100)), ("00:02", sell(5))), coin(self_trade=policy))
        assert filled(result) == want


@pytest.mark.parametrize(("policy", "want"), [("cancel_taker", "canceled SELF_TRADE"), ("allow", "filled")])
def test_on_a_tape_an_own_order_that_nothing_stands_ahead_of_is_met(policy, want):
    data = tape(("00:00", 102, 5, -1), ("00:03", 101, 0.5, 1), ("00:04", 101, 0.5, 1))
    result = run(data, Script(("00:01", buy(5, limit=101)), ("00:02", sell(5))), coin(self_trade=policy))
    assert reasons(result)[1] == want


def test_an_order_that_another_one_ends_fills_no_more_and_those_after_it_are_still_met():
    """The sale of 00:02 takes at 100 and ends the own bid at 101, next in line; the sale at 100 behind it fills."""
    data = tape(("00:00", 102, 5, -1), ("00:03", 100, 50, 1), ("00:04", 100, 50, 1))
    script = Script(
        ("00:01", sell(5)),
        ("00:01:10", buy(5, limit=101)),
        ("00:01:20", sell(5, limit=103)),
        ("00:01:30", buy(2, limit=100.0)),
    )
    result = run(data, script, coin(self_trade="cancel_maker"))
    assert filled(result) == [(1, 100, 5)]
    assert reasons(result) == ["filled", "canceled SELF_TRADE", "working", "canceled SELF_TRADE"]
    late = Script(
        ("00:01", sell(5)),
        ("00:01:10", buy(5, limit=101)),
        ("00:01:20", lambda s: s.submit(USER_COIN, side="sell", quantity=5, stop=101, trigger="last")),
    )
    result = run(data, late, coin(self_trade="cancel_maker"))
    assert filled(result) == [(1, 100, 5), (3, 100, 5)]
    assert reasons(result) == ["filled", "canceled SELF_TRADE", "filled"]


def test_the_first_screen_says_which_rule_was_chosen():
    assert "own orders that meet" in str(run(tape(*RISE), Script(), coin(self_trade="cancel_both")))
    assert "own orders that meet" not in str(run(tape(*RISE), Script(), coin()))


def test_each_venue_has_its_default_and_its_source():
    rules = {name: venues.get(name) for name in ("okx", "hyperliquid", "bybit", "deribit", "binance_usdm")}
    found = {name: book.facts.self_trade[-1] for name, book in rules.items()}
    assert {name: fact.value for name, fact in found.items()} == {
        "okx": "cancel_maker", "hyperliquid": "cancel_maker", "bybit": "allow", "deribit": "cancel_taker",
        "binance_usdm": "allow",
    }  # fmt: skip
    assert [fact.value for fact in rules["okx"].facts.self_trade] == ["allow", "cancel_maker"]
    assert all(fact.source in rules[name].sources for name, fact in found.items())
    assert [name for name, fact in found.items() if not fact.is_unverified] == ["okx", "hyperliquid", "bybit"]


def test_the_default_of_the_venue_holds():
    data = book([("00:00", *LEVELS)], USER_COIN, "deribit") + marks(
        [("00:00", 100), ("01:00", 100)], USER_COIN, "deribit"
    )
    rules = user_coin(rules="deribit", **COIN)
    owner = account(rules, balances={"USDT": 100_000})
    result = run(data, Script(("00:01", buy(5, limit=99)), ("00:02", sell(25))), owner)
    assert reasons(result) == POLICIES["cancel_taker"][1]


def test_an_unknown_policy_is_refused():
    with pytest.raises(venues.VenueError, match="self_trade"):
        coin(self_trade="cancel_all")


# ---------------------------------------------------------------- icebergs


def iceberg(market, venue="bitmex", **given):
    rules = user_coin(rules=venue, **COIN)
    order = {"quantity": 10, "limit": 99, "show": 4} | given
    script = Script(("00:01", lambda s: s.buy(USER_COIN, **order)))
    return run(market, script, account(rules, balances={"USDT": 100_000}))


def crowd(venue, *tape_rows):
    levels = book([("00:00", {99: 5, 98: 50}, {101: 50})], USER_COIN, venue)
    quiet = marks([("00:00", 100), ("01:00", 100)], USER_COIN, venue)
    return levels + quiet + trades([("00:00", 100, 1), *tape_rows], USER_COIN, venue)


def test_an_iceberg_shows_a_part_and_the_next_one_goes_to_the_back_of_the_queue():
    """Ahead 5, then 4 of ours, then 5 again before the next 4."""
    rows = [
        ("00:02", 99, 12, -1),
        ("00:03", 99, 4, -1),
        ("00:04", 99, 3, -1),
        ("00:05", 99, 100, -1),
        ("00:06", 99, 100, -1),
    ]
    result = iceberg(crowd("bitmex", *rows))
    assert [row[2] for row in filled(result)] == [4, 2, 2, 2]
    assert iceberg(crowd("bitmex", *rows), show=None).fills["quantity"].tolist() == [7, 3]


def test_a_venue_without_icebergs_refuses_them():
    result = iceberg(crowd("bybit"), venue="bybit")
    assert reasons(result) == ["rejected NOT_OFFERED"]


def test_what_takes_is_not_hidden():
    result = iceberg(crowd("bitmex"), limit=101)
    assert filled(result) == [(1, 101, 10)]


@pytest.mark.parametrize(
    ("given", "message"), [({"show": 0.2}, "at least one lot"), ({"limit": None}, "needs a limit")]
)
def test_an_iceberg_that_cannot_be_is_refused(given, message):
    with pytest.raises(OrderError, match=message):
        iceberg(crowd("bitmex"), **given)


def test_the_time_of_a_bracket_on_bars_is_that_of_the_path():
    result = run(candles(*RISE), Script(("00:00:30", bracket(take=106, stop=95))), coin())
    assert ns("00:03") < result.fills["time"].iloc[1].value < ns("00:05") + MINUTE


@pytest.mark.parametrize("seed", range(4))
def test_random_brackets_never_turn_a_position_and_money_is_conserved(seed):
    """Limit and market entries, parts, cancels: exits never close more than their entry opened."""
    random, price, rows = Random(seed), 100, []
    for i in range(1500):
        price = max(60, price + random.choice((-1, 0, 0, 1)))
        rows.append((ns("00:00") + i * MINUTE // 30, price, random.randrange(1, 12), random.choice((1, -1))))

    def act(strategy):
        side = random.choice(("buy", "sell"))
        way = 1 if side == "buy" else -1
        here = strategy.price_now
        limit = here - way * random.randrange(0, 3) if random.random() < 0.6 else None
        base = here if limit is None else limit
        strategy.bracket(
            USER_COIN, side=side, quantity=random.randrange(1, 20), limit=limit,
            take=base + way * random.randrange(1, 5), stop=base - way * random.randrange(2, 6),
        )  # fmt: skip
        if random.random() < 0.3:
            strategy.cancel(random.choice(strategy.orders()))

    class Bracketer(Script):
        def on_trade(self, event):
            self.price_now = event.price

    steps = [(ns("00:01") + i * MINUTE // 2 + 1, act) for i in range(80)]
    data = trades(rows, USER_COIN) + marks([(t, p) for t, p, _, _ in rows], USER_COIN)
    result = run(data, Bracketer(*steps), coin(self_trade="allow"))
    assert set(totals(result)[0].values()) == {0}
    parts = result.fills.groupby("order")["quantity"].sum()
    kinds = result.orders.set_index("order")
    assert len(parts) > 40
    exits = 0.0
    for number in range(1, len(kinds) + 1, 3):
        opened = parts.get(number, 0.0)
        closed = parts.get(number + 1, 0.0) + parts.get(number + 2, 0.0)
        exits += closed
        assert closed <= opened
        if kinds["status"][number] != "working" and closed == opened:
            assert kinds["status"][number + 1] != "working"
            assert kinds["status"][number + 2] != "working"
    assert exits > 20
