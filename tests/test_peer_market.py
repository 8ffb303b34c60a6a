"""The exchange models of hftbacktest: when an order fills there, case by case; `benchmarks.agreement` has the two."""

import book_tape
import pytest
from engine_data import SECOND, USER_COIN, Script, account, book, marks, reasons, run, totals, trades, user_coin
from test_no_look_ahead import TABLES, before, same

import venues
from backtest import ConfigError

WHOLE, PARTS = "no_partial_fill", "partial_fill"
LADDER = ({99: 40, 98: 60}, {101: 30, 102: 50, 105: 100})


def coin(model, **fields):
    rules = user_coin(tick_size=1, lot_size=1)
    return account(rules, balances={"USDT": 1_000_000}, **({"matching": model} | fields))


def market(*messages, tape=()):
    data = book([("00:00", *LADDER), *messages], USER_COIN) + marks([("00:00", 100), ("01:00", 100)], USER_COIN)
    return data + trades(tape, USER_COIN) if tape else data


def fills(model, data, *steps, **fields):
    rows = run(data, Script(*steps), coin(model, **fields)).fills
    return list(zip(rows["price"], rows["quantity"], rows["is_maker"], strict=True))


def buy(quantity, **more):
    return lambda s: s.buy(USER_COIN, quantity=quantity, **more)


def test_a_taker_fills_whole_at_the_best_price_or_through_the_levels():
    assert fills(WHOLE, market(), ("00:01", buy(70))) == [(101, 70, False)]
    assert fills(PARTS, market(), ("00:01", buy(70))) == [(101, 30, False), (102, 40, False)]


def test_what_one_order_took_is_there_for_the_next():
    assert fills(PARTS, market(), ("00:01", buy(30)), ("00:02", buy(30))) == [(101, 30, False)] * 2


def test_the_rest_of_a_limit_that_takes_fills_at_its_limit_unless_it_is_immediate():
    assert fills(PARTS, market(), ("00:01", buy(100, limit=102))) == [
        (101, 30, False),
        (102, 50, False),
        (102, 20, False),
    ]
    assert fills(PARTS, market(), ("00:01", buy(100, limit=102, tif="IOC"))) == [(101, 30, False), (102, 50, False)]
    assert fills(PARTS, market(), ("00:01", buy(100, limit=102, tif="FOK"))) == []
    assert fills(WHOLE, market(), ("00:01", buy(100, limit=102, tif="IOC"))) == [(101, 100, False)]


def test_a_market_order_looks_at_a_hundred_ticks():
    far = market(("00:00:30", {}, {101: 0, 102: 0, 105: 0, 106: 5, 205: 5, 206: 5}))
    assert fills(PARTS, far, ("00:01", buy(20))) == [(106, 5, False), (205, 5, False)]


@pytest.mark.parametrize(("model", "want"), [(WHOLE, [50]), (PARTS, [5, 45])])
def test_a_trade_at_the_price_fills_when_the_queue_has_gone_below_zero(model, want):
    """40 ahead: trades of 40 leave nothing over, the next of 5 does; the rest goes by a trade through the price."""
    tape = [("00:02", 99, 40, -1), ("00:03", 99, 5, -1), ("00:04", 98, 1, -1)]
    found = fills(model, market(tape=tape), ("00:01", buy(50, limit=99)))
    assert found == [(99, quantity, True) for quantity in want]


def test_every_own_order_has_a_trade_to_itself():
    found = fills(
        PARTS, market(tape=[("00:02", 98, 1, -1)]), ("00:01", buy(50, limit=99)), ("00:01:30", buy(7, limit=99))
    )
    assert found == [(99, 50, True), (99, 7, True)]


def test_the_other_side_coming_to_the_price_fills_whatever_it_shows():
    data = market(("00:02", {99: 0}, {99: 1, 101: 0}))
    assert fills(PARTS, data, ("00:01", buy(50, limit=99))) == [(99, 50, True)]


@pytest.mark.parametrize(("last", "want"), [(24, []), (25, [(99, 1, True)])])
def test_what_is_behind_is_counted_with_what_has_traded(last, want):
    """40 ahead of 100; a trade of 10, then 70: lost 20, ahead 30, behind 70 of 100; f = x: 30 - 0.3 x 20 = 24 ahead."""
    data = market(
        ("00:02", {99: 100}, {}), ("00:04", {99: 70}, {}), tape=[("00:03", 99, 10, -1), ("00:05", 99, last, -1)]
    )
    assert fills(PARTS, data, ("00:01", buy(50, limit=99)), queue="power:1") == want


def test_a_level_that_the_feed_does_not_show_has_no_queue():
    found = fills(WHOLE, market(tape=[("00:02", 90, 1, -1)]), ("00:01", buy(5, limit=90)))
    assert found == [(90, 5, True)]


def result(model, seed, future=None, **options):
    rules = user_coin(tick_size=1, lot_size=1)
    owner = account(rules, balances={"USDT": 100_000}, fees=(-0.0001, 0.0005), matching=model, **options)
    return run(book_tape.market(seed, 400, future), book_tape.Quoter(seed=seed), owner)


@pytest.mark.parametrize("model", [WHOLE, PARTS])
@pytest.mark.parametrize("queue", ["risk_averse", "power:2", "log"])
def test_nothing_before_a_time_rests_on_the_book_after_it(model, queue):
    moment = book_tape.START + 200 * SECOND
    own, other = (result(model, 6, future, queue=queue, latency="300ms") for future in (None, (moment, 99)))
    for name in TABLES:
        same(before(getattr(own, name), moment), before(getattr(other, name), moment), name)
    assert len(before(own.fills, moment)) > 5
    assert set(totals(own)[0].values()) == {0}


def test_post_only_and_refusals_are_the_same_as_ever():
    steps = (("00:01", buy(1, limit=101, post_only=True)), ("00:02", buy(1, limit=100, post_only=True)))
    assert reasons(run(market(), Script(*steps), coin(WHOLE))) == ["rejected WOULD_TAKE", "working"]


def test_it_needs_a_book_and_a_queue_that_is_estimated():
    data = trades([("00:00", 100, 1), ("00:01", 100, 1)], USER_COIN) + marks([("00:00", 100)], USER_COIN)
    with pytest.raises(ConfigError, match="needs book or quotes rows"):
        run(data, Script(), coin(WHOLE))
    with pytest.raises(venues.VenueError, match="matching"):
        coin("partial")


def test_the_first_screen_says_whose_rules_they_are():
    assert "hftbacktest's exchange without partial fills (risk_averse)" in str(run(market(), Script(), coin(WHOLE)))
