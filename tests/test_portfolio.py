"""Plans of several exposures: sizes, order of sending, tolerance, parts over time, and what a new plan replaces."""

from math import nan

import pytest
from engine_data import CASH, LINEAR, MINUTE, SPOT, USDM, Notes, Script, account, constant, marks, ns, run, trades

import feeds
from backtest import Strategy
from backtest.errors import OrderError

ETH = "ETH/USDT:USDT"
PRICES = {LINEAR: 50_000, ETH: 2_000}
END = "01:30"


def market(symbols=(LINEAR, ETH), *, end=END, venue=USDM):
    """Return marks and trades every ten seconds at constant prices."""
    return sum(
        (constant(PRICES[s], start="00:00", end=end, step=MINUTE // 6, symbol=s, venue=venue) for s in symbols[1:]),
        constant(PRICES[symbols[0]], start="00:00", end=end, step=MINUTE // 6, symbol=symbols[0], venue=venue),
    )


def positions(strategy):
    """Note the quantities held."""
    strategy.note(*(strategy.position(symbol).quantity for symbol in PRICES))


def plan(weights, **options):
    """Return an action that makes a plan and notes (symbol, signed quantity sent) of each order."""

    def act(strategy):
        sent = strategy.target_portfolio(weights, **options)
        strategy.note(*((order.symbol, order.side * order.sent) for order in sent))

    return act


def held_after(*steps, look, data=None):
    """Return what the plans sent, and the positions held at a time."""
    notes = Notes()
    run(data or market(), Script(*steps, (look, positions), notes=notes))
    return [note[1:] for note in notes]


def sent_by_minute(result, symbol):
    """Return (minute, signed quantity) of each fill."""
    fills = result.fills[result.fills["symbol"] == symbol]
    minutes = (fills["time"] - fills["time"].dt.normalize()).dt.total_seconds() // 60
    return list(zip(minutes.astype(int), fills["side"] * fills["quantity"], strict=True))


def test_weights_are_signed_multiples_of_the_accounts_equity():
    sent, held = held_after(("00:10", plan({LINEAR: 1.5, ETH: -0.5})), look="00:20")
    assert sent == ((LINEAR, 0.3), (ETH, -2.5))  # 10,000 USDT: 15,000 / 50,000 and 5,000 / 2,000
    assert held == (0.3, -2.5)


def test_the_same_plan_again_sends_nothing_even_before_the_first_has_filled():
    twice = [("00:10", plan({LINEAR: 1.5})), (ns("00:10"), plan({LINEAR: 1.5})), ("00:20", plan({LINEAR: 1.5}))]
    first, *later, held = held_after(*twice, look="00:30")
    assert first == ((LINEAR, 0.3),)
    assert later == [(), ()]
    assert held == (0.3, 0)


def test_contracts_that_are_not_named_any_more_are_closed():
    _, sent, held = held_after(("00:10", plan({LINEAR: 1, ETH: -1})), ("00:20", plan({ETH: -1})), look="00:30")
    assert sent == ((LINEAR, -0.2),)
    assert held == (0, -5)


def test_a_contract_bought_outside_any_plan_is_closed_too():
    sent, held = held_after(("00:05", lambda s: s.buy(LINEAR, quantity=0.1)), ("00:10", plan({ETH: 1})), look="00:20")
    assert sent == ((LINEAR, -0.1), (ETH, 5))
    assert held == (0, 5)


def test_an_empty_plan_closes_what_earlier_plans_opened():
    assert held_after(("00:10", plan({LINEAR: 1})), ("00:20", plan({})), look="00:30")[1:] == [
        ((LINEAR, -0.2),),
        (0, 0),
    ]


def test_a_change_below_the_tolerance_is_left_alone_and_one_above_it_is_made_whole():
    steps = [("00:10", plan({LINEAR: 1, ETH: 1})), ("00:20", plan({LINEAR: 1.1, ETH: 1.5}, tolerance=0.2))]
    _, sent, held = held_after(*steps, look="00:30")
    assert sent == ((ETH, 2.5),)
    assert held == (0.2, 7.5)


def test_a_weight_of_zero_is_reached_whatever_the_tolerance():
    assert held_after(("00:10", plan({LINEAR: 1})), ("00:20", plan({LINEAR: 0}, tolerance=5)), look="00:30")[-1] == (
        0,
        0,
    )


@pytest.mark.parametrize(("reduce_first", "order"), [(True, [ETH, LINEAR]), (False, [LINEAR, ETH])])
def test_what_reduces_is_sent_before_what_increases(reduce_first, order):
    steps = [("00:10", plan({ETH: 2})), ("00:20", plan({LINEAR: 1, ETH: 1}, reduce_first=reduce_first))]
    _, sent, _ = held_after(*steps, look="00:30")
    assert [symbol for symbol, _ in sent] == order


def test_a_position_that_turns_is_closed_among_the_reductions_and_opened_after_them():
    steps = [("00:10", plan({LINEAR: 1, ETH: 1})), ("00:20", plan({LINEAR: -1, ETH: 0.5}))]
    _, sent, held = held_after(*steps, look="00:30")
    assert sent == ((LINEAR, -0.2), (ETH, -2.5), (LINEAR, -0.2))
    assert held == (-0.2, 2.5)


def test_over_half_an_hour_the_change_is_made_in_thirty_equal_parts_a_minute_apart():
    result = run(market(), Script(("00:10", plan({LINEAR: 1.5, ETH: -3}, over="30m"))))
    assert sent_by_minute(result, LINEAR) == [(minute, pytest.approx(0.01)) for minute in range(10, 40)]
    assert sent_by_minute(result, ETH) == [(minute, pytest.approx(-0.5)) for minute in range(10, 40)]


def test_parts_that_are_no_whole_lots_end_at_the_whole_change():
    result = run(market(), Script(("00:10", plan({LINEAR: 0.5}, over="7m"))))  # 0.1 BTC in lots of 0.001
    fills = sent_by_minute(result, LINEAR)
    assert sum(quantity for _, quantity in fills) == pytest.approx(0.1)
    assert {round(quantity * 1000) for _, quantity in fills} == {14, 15}


def test_a_part_too_small_for_the_venue_waits_for_the_next_ones():
    result = run(market(), Script(("00:10", plan({LINEAR: 0.05}, over="30m"))))  # 500 of at least 100 USDT
    fills = sent_by_minute(result, LINEAR)
    assert 1 < len(fills) < 10
    assert sum(quantity for _, quantity in fills) == pytest.approx(0.01)


def test_a_new_plan_replaces_an_unfinished_one():
    steps = [("00:10", plan({LINEAR: 1.5}, over="30m")), ("00:20", plan({ETH: 1}))]
    result = run(market(), Script(*steps))
    assert sent_by_minute(result, LINEAR)[:-1] == [(minute, pytest.approx(0.01)) for minute in range(10, 20)]
    assert sent_by_minute(result, LINEAR)[-1] == (20, pytest.approx(-0.1))
    assert sent_by_minute(result, ETH) == [(20, pytest.approx(5))]


def test_what_was_refused_is_in_the_later_parts():
    steps = [
        ("00:10", plan({LINEAR: 1.5}, over="30m")),
        (ns("00:15") + MINUTE // 2, lambda s: s.sell(LINEAR, quantity=0.05, reduce_only=True)),
    ]
    result = run(market(), Script(*steps))
    assert sum(quantity for _, quantity in sent_by_minute(result, LINEAR)) == pytest.approx(0.3)


def test_a_delisted_leg_is_given_up_and_the_others_go_on():
    rows = [(ns("00:00") + i * MINUTE // 6, 50_000) for i in range(9 * 60)]
    delisting = feeds.from_pandas(_delisting_frame(ns("00:20"), 50_000), kind="venue_events", venue=USDM, symbol=LINEAR)
    data = market((ETH,)) + marks(rows) + trades([(t, p, 1000) for t, p in rows]) + delisting
    result = run(data, Script(("00:10", plan({LINEAR: 1.5, ETH: 1.5}, over="30m"))))
    refused = result.orders[result.orders["reason"] == "DELISTED"]
    assert len(refused) == 1
    assert sum(quantity for _, quantity in sent_by_minute(result, ETH)) == pytest.approx(7.5)


def _delisting_frame(time, price):
    import pandas as pd

    return pd.DataFrame({"ts": [time], "until": [0], "what": ["delisting"], "value": [price], "source": ["test"]})


def test_a_spot_pair_of_an_earlier_plan_is_sold_when_it_is_named_no_more():
    data = trades([(ns("00:00") + i * MINUTE // 6, 50_000, 0.001) for i in range(9 * 60)], SPOT, CASH)
    notes = Notes()
    steps = [
        ("00:10", plan({SPOT: 0.5})),
        ("00:20", plan({})),
        ("00:30", lambda s: s.note(s.position(SPOT).quantity, s.account(CASH).free("USDT"))),
    ]
    run(data, Script(*steps, notes=notes), account(CASH))
    assert [note[1:] for note in notes] == [((SPOT, 0.1),), ((SPOT, -0.1),), (0, 10_000)]


def test_a_plan_made_before_there_is_a_price_is_carried_out_with_the_first_one():
    class Early(Strategy):
        def on_start(self):
            self.target_portfolio({LINEAR: 1, ETH: -1})

    late = constant(2_000, start="00:30", end=END, symbol=ETH)
    result = run(market((LINEAR,)) + late, Early())
    assert sent_by_minute(result, LINEAR) == [(0, pytest.approx(0.2))]
    assert sent_by_minute(result, ETH) == [(31, pytest.approx(-5))]


@pytest.mark.parametrize(
    ("weights", "options", "said"),
    [
        ({LINEAR: nan}, {}, "must be a finite number, got nan"),
        ([LINEAR], {}, "needs a mapping"),
        ({LINEAR: 1, f"{LINEAR}@{USDM}": 1}, {}, "names one symbol twice"),
        ({LINEAR: 1}, {"tolerance": -0.1}, "tolerance must be at least 0, got -0.1"),
        ({LINEAR: 1}, {"over": "0m"}, "over must be a positive duration such as '30m', got '0m'"),
        ({"BTC/USDT:USDR": 1}, {}, "did you mean"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_with_a_reason(weights, options, said):
    with pytest.raises(OrderError, match=said):
        run(market(end="00:20"), Script(("00:10", plan(weights, **options))))
