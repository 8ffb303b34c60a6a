"""The market maker of the examples, and the verb that it lives by."""

import book_tape
import pandas as pd
import pytest
from engine_data import USER_COIN, Notes, Script, account, book, marks, reasons, run, user_coin

import feeds
import venues
from backtest import Backtest, OrderError
from strategies.market_maker import MarketMaker
from strategies.market_maker_compiled import MarketMaker as Compiled


def coin(**fields):
    return account(user_coin(tick_size=1, lot_size=1), balances={"USDT": 100_000}, **fields)


def flat():
    return book([("00:00", {99: 40}, {103: 30})], USER_COIN) + marks([("00:00", 100), ("01:00", 100)], USER_COIN)


def test_quoting_twice_the_same_sends_nothing():
    notes = Notes()

    def ask(strategy):
        strategy.note(len(strategy.quote(USER_COIN, bid=(100, 5), ask=(102, 5), levels=[((98, 7), None)])))

    result = run(flat(), Script(("00:01", ask), ("00:02", ask), ("00:03", ask), notes=notes), coin(latency="2s"))
    assert [count for _, count in notes] == [3, 0, 0]
    assert reasons(result) == ["working"] * 3


def test_quotes_that_are_no_longer_wanted_are_cancelled_and_new_ones_sent():
    steps = (
        ("00:01", lambda s: s.quote(USER_COIN, bid=(100, 5), ask=(102, 5))),
        ("00:02", lambda s: s.quote(USER_COIN, bid=(101, 5), ask=(102, 5))),
        ("00:03", lambda s: s.quote(USER_COIN)),
    )
    result = run(flat(), Script(*steps), coin())
    assert reasons(result) == ["canceled BY_USER"] * 3
    assert list(result.orders["price"]) == [100, 102, 101]


def test_other_orders_are_left_alone():
    steps = (
        ("00:01", lambda s: s.buy(USER_COIN, quantity=1, limit=98)),
        ("00:02", lambda s: s.quote(USER_COIN)),
    )
    assert reasons(run(flat(), Script(*steps), coin())) == ["working"]


def test_a_quote_without_a_price_is_refused():
    with pytest.raises(OrderError, match="a price must be positive"):
        run(flat(), Script(("00:01", lambda s: s.quote(USER_COIN, bid=(0, 5)))), coin())


@pytest.mark.parametrize("queue", ["risk_averse", "power:2"])
def test_the_market_maker_earns_spread_within_its_bounds(queue):
    """Sixty fills and more on both sides as a maker, never more than `most` held."""
    maker = MarketMaker(symbol=USER_COIN, size=5, most=20, pause="1s")
    result = run(book_tape.market(3, 900), maker, coin(queue=queue, latency="20ms", fees=(-0.0001, 0.0005)))
    fills = result.fills
    assert len(fills) > 20
    assert fills["is_maker"].all()
    assert {1, -1} == set(fills["side"])
    held = (fills["side"] * fills["quantity"]).cumsum()
    assert held.abs().max() <= 20
    assert result.summary["fees"] > 0


def test_it_withdraws_its_quotes_while_the_book_is_unknown():
    levels = book([("00:00", {99: 40}, {103: 30}), ("00:02", {104: 1}, {}), ("00:05", {99: 41}, {})], USER_COIN)
    data = levels + marks([("00:00", 100), ("01:00", 100)], USER_COIN)
    maker = MarketMaker(symbol=USER_COIN, size=5, most=20, pause="1m")
    result = run(data, maker, coin(), on_gap="warn")
    assert set(result.orders["status"]) == {"canceled"}


def test_near_liquidation_it_only_reduces():
    """A quarter of the equity in positions: with a guard of half the price it stops there, without one it goes on."""
    most = []
    for guard in (0.9, 0.0):
        maker = MarketMaker(symbol=USER_COIN, size=20, most=2000, pause="1s", guard=guard, lean=0.0)
        owner = account(user_coin(tick_size=1, lot_size=1), balances={"USDT": 60_000}, leverage=20, latency="20ms")
        fills = run(book_tape.market(3, 900), maker, owner).fills
        most.append((fills["side"] * fills["quantity"]).cumsum().abs().max())
    assert most[0] <= 120 < most[1]


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({"latency": "20ms"}, {}),
        ({"latency": ("0s", "0s", "0s"), "queue": "power:2"}, {"lean": 3.0}),
        ({"latency": "1500ms", "fees": (-0.0001, 0.0005)}, {"half_spread": 1.0, "pause": "700ms"}),
        ({"latency": "20ms", "leverage": 20}, {"most": 2000, "size": 20, "guard": 0.9, "lean": 0.0}),
        ({"latency": venues.Latency(order="90ms", response="400ms", sigma=0.8)}, {"size": 7}),
    ],
)
def test_the_compiled_market_maker_sends_order_for_order_what_the_python_one_does(options, more):
    given = {"symbol": USER_COIN, "size": 5, "most": 20, "pause": "1s"} | more
    found = []
    for kind in (MarketMaker, Compiled):
        owner = account(user_coin(tick_size=1, lot_size=1), balances={"USDT": 60_000}, **options)
        found.append(run(book_tape.market(3, 900), kind(**given), owner))
    for name in ("fills", "orders", "order_events", "ledger", "margin", "equity"):
        # but for the tag that quote() gives its orders
        plain = [getattr(result, name).drop(columns="tag", errors="ignore") for result in found]
        pd.testing.assert_frame_equal(*plain)
    assert len(found[0].fills) > 15


def test_the_compiled_market_maker_withdraws_while_the_book_is_unknown():
    levels = book([("00:00", {99: 40}, {103: 30}), ("00:02", {104: 1}, {}), ("00:05", {99: 41}, {})], USER_COIN)
    data = levels + marks([("00:00", 100), ("01:00", 100)], USER_COIN)
    maker = Compiled(symbol=USER_COIN, size=5, most=20, pause="1m")
    result = run(data, maker, coin(), on_gap="warn")
    assert set(result.orders["status"]) == {"canceled"}


def test_both_quote_in_the_book_of_the_sample():
    data = feeds.sample(days=1, trades_per_day=2000, symbols="BTC/USDT:USDT", book=True)
    owner = venues.Venue("binance_usdm", balances={"USDT": 100_000}, latency="5ms")
    results = [Backtest(data, kind(), venues=owner, limits=False).run() for kind in (MarketMaker, Compiled)]
    one, two = (result.fills.drop(columns="tag") for result in results)
    pd.testing.assert_frame_equal(one, two)
    assert len(one) > 20
    assert one["is_maker"].all()
