"""What a trader works out on paper comes out of the whole engine, to the last digit."""

from decimal import Decimal

import numpy as np
import pytest
from engine_data import (
    COINM,
    FREE,
    INVERSE,
    LINEAR,
    USER_COIN,
    Listener,
    Notes,
    Script,
    account,
    amounts,
    balance,
    bars,
    constant,
    frame,
    funding,
    marks,
    postings,
    reasons,
    run,
    trades,
    user_coin,
)

import feeds
import venues
from backtest import Backtest

RATES = [("08:00", 0.0001), ("16:00", 0.0001), ("2025-01-02T00:00", 0.0001)]


def hourly(prices, symbol=LINEAR, kind="bars", start="00:00"):
    """Return hourly bars that are flat at each of the prices."""
    first = frame([(start,)], "").ts[0]
    rows = [(int(first) + i * 3600 * 10**9, p, p, p, p) for i, p in enumerate(prices)]
    return bars(rows, symbol, kind=kind)


def marks_from(source):
    """Return (data, arguments) of one market at 60,000 for a day, its marks from `source`."""
    if source == "ticks":
        return constant(60_000, start="00:00", end="2025-01-02T02:00"), {}
    if source == "bars, mark='last'":
        return hourly([60_000] * 27), {"mark": "last"}
    return hourly([60_000] * 27) + hourly([60_000] * 27, kind="mark"), {}


@pytest.mark.parametrize("source", ["ticks", "bars, mark='last'", "mark bars"])
def test_one_bitcoin_held_over_three_fundings_costs_exactly_78(source):
    data, options = marks_from(source)
    steps = [("00:30", lambda s: s.buy(LINEAR, quantity=1)), ("2025-01-02T00:30", lambda s: s.close(LINEAR))]
    result = run(data + funding(RATES), Script(*steps), account(fees=(0, 0.0005)), **options)
    assert amounts(result, "fee") == [Decimal(-30), Decimal(-30)]
    assert amounts(result, "funding") == [Decimal(-6)] * 3
    assert balance(result) - 10_000 == Decimal("-78.00")
    assert result.summary["end_equity"] - result.summary["start_equity"] == -78.0


def funded(source):
    """Return (data, arguments) of a contract marked at 100 at 07:00 and at 110 at 08:00."""
    points = [("06:00", 100), ("07:00", 100), ("08:00", 110), ("09:00", 110)]
    path = [
        ("06:00", 100, 100, 100, 100), ("07:00", 100, 110, 100, 109), ("08:00", 110, 110, 110, 110),
        ("09:00", 110, 110, 110, 110),
    ]  # fmt: skip
    rates = funding([("08:00", 0.01)], USER_COIN)
    if source == "marks":
        quiet = trades([("06:00", 100, 5), ("06:40", 100, 5), ("09:00", 110, 5)], USER_COIN)
        return quiet + marks(points, USER_COIN) + rates, {}
    if source == "trades, mark='last'":
        tape = trades(
            [("06:00", 100, 5), ("06:40", 100, 5), ("07:00", 100, 5), ("08:00", 110, 5), ("09:00", 110, 5)], USER_COIN
        )
        return tape + rates, {"mark": "last"}
    if source == "bars, mark='last'":
        return bars(path, USER_COIN) + rates, {"mark": "last"}
    if source == "mark bars":
        return hourly([100, 100, 100, 100], USER_COIN, start="06:00") + bars(path, USER_COIN, kind="mark") + rates, {}
    own = funding([("08:00", 0.01, 110)], USER_COIN, mark=True)
    return bars(path[:2] + hourly_tail(), USER_COIN) + own, {"mark": "last"}


def hourly_tail():
    """Return bars that go on at 100, so that only the row's own mark can be 110."""
    return [("08:00", 100, 100, 100, 100), ("09:00", 100, 100, 100, 100)]


@pytest.mark.parametrize(
    "source", ["marks", "trades, mark='last'", "bars, mark='last'", "mark bars", "the row's own mark"]
)
def test_funding_is_priced_at_the_mark_of_its_own_instant(source):
    data, options = funded(source)
    result = run(data, Script(("06:30", lambda s: s.buy(USER_COIN, quantity=1))), account(user_coin()), **options)
    assert amounts(result, "funding") == [Decimal("-1.10")]
    assert result.funding["mark"].tolist() == [110.0]


@pytest.mark.parametrize(("mark", "price_profit"), [(30_000, 30_000), (60_000, 0), (90_000, -30_000)])
def test_a_coin_with_its_inverse_short_is_worth_the_same_dollars_at_any_price(mark, price_profit):
    notes = Notes()
    steps = [
        ("00:01", lambda s: s.sell(INVERSE, quantity=600)),
        ("00:20", lambda s: s.note(s.equity, s.position(INVERSE).liquidation_price, s.position(INVERSE).notional)),
    ]
    prices = [("00:00", 60_000), ("00:01", 60_000), ("00:02", 60_000), ("00:10", mark), ("00:20", mark)]
    tape = trades([(t, 60_000, 1000) for t, _ in prices[:3]] + [("00:20", mark, 1000)], INVERSE, COINM)
    data = tape + marks(prices, INVERSE, COINM)
    result = run(data, Script(*steps, notes=notes), account(COINM, {"BTC": 1}), reporting="USD")
    ((_, equity, liquidation, notional),) = notes
    assert equity == pytest.approx(60_000, rel=1e-12)
    assert liquidation is None
    assert notional == pytest.approx(-60_000 / mark, rel=1e-12)
    assert result.equity["equity"].tolist() == [pytest.approx(60_000, rel=1e-12)] * len(result.equity)
    # The summary explains whole atoms: profit that is still open is cut to 1e-8 of a coin, under a tenth of a cent.
    assert result.summary["start_equity"] == 60_000
    assert result.summary["end_equity"] == pytest.approx(60_000, abs=1e-3)
    assert result.summary["price_pnl"] == pytest.approx(price_profit, abs=1e-3)
    assert result.summary["revaluation"] == pytest.approx(-price_profit, abs=1e-3)
    assert balance(result, "BTC", name=COINM) == 1


CRASH = [
    ("00:00", 100, 100, 100, 100),
    ("01:00", 100, 100, 100, 100),
    ("02:00", 100, 100.5, 88, 99),
    ("03:00", 99, 99, 99, 99),
]
BELOW = [*CRASH[:2], ("02:00", 89, 100.5, 88, 99), CRASH[3]]


def crash(rows, *steps, **options):
    """Return (result, notes) of ten units long at 100, isolated at ten times, through a crash."""
    notes = Notes()
    script = Listener(("00:30", lambda s: s.buy(USER_COIN, quantity=10)), *steps, notes=notes)
    wallet = account(user_coin(clearance_fee=None), {"USDT": 1000}, margin_mode="isolated", leverage=10)
    return run(bars(rows, USER_COIN), script, wallet, mark="last", **options), notes


def test_an_isolated_tenfold_long_from_100_would_be_liquidated_at_90_452():
    seen = Notes()
    crash(CRASH, ("01:30", lambda s: seen.append(s.position(USER_COIN).liquidation_price)))
    assert seen == [pytest.approx(90 / 0.995, rel=1e-12)]


def test_a_stop_above_the_liquidation_price_fills_before_a_liquidation():
    result, _ = crash(CRASH, ("01:30", lambda s: s.protect(USER_COIN, stop=95)))
    assert result.fills["price"].tolist() == [100.0, 95.0]
    assert result.fills["forced"].tolist() == ["own", "own"]
    assert result.liquidations.empty
    assert balance(result) == 950


def test_without_the_stop_the_bar_liquidates_at_the_liquidation_price():
    result, _ = crash(CRASH)
    assert result.liquidations["what"].tolist() == ["liquidation"]
    assert result.liquidations["price"].tolist() == [pytest.approx(90.452, abs=1e-3)]
    # The clearance fee (1.25 %) exceeds what is left of the margin (0.452 a unit), so that it takes all of it.
    assert balance(result) == 900
    assert postings(result, "trade_profit") + postings(result, "liquidation_fee") == -100
    assert result.liquidations["shortfall"].tolist() == [0.0]


def test_a_bar_that_opens_beyond_bankruptcy_is_taken_over_and_its_stop_does_not_fill():
    result, _ = crash(BELOW, ("01:30", lambda s: s.protect(USER_COIN, stop=95)))
    assert reasons(result) == ["filled", "canceled BY_VENUE"]
    (row,) = result.liquidations.to_dict("records")
    assert (row["what"], row["price"], row["trigger_mark"], row["shortfall"], row["paid_by"]) == (
        "takeover", 90.0, 89.0, 10.0, "insurance_fund",
    )  # fmt: skip
    assert balance(result) == 900


def wavy():
    """Return two days of a market that goes up and down, with funding."""
    prices = [60_000 + 500 * ((i * 7) % 11 - 5) for i in range(49)]
    rows = [(int(frame([("00:00",)], "").ts[0]) + i * 3600 * 10**9, p) for i, p in enumerate(prices)]
    return marks(rows) + trades([(t, p, 100) for t, p in rows]) + funding(RATES)


TRADES_OF_TWO_DAYS = [
    ("01:30", lambda s: s.buy(LINEAR, quantity=1)),
    ("05:30", lambda s: s.buy(LINEAR, quantity=0.5, limit=58_000)),
    ("12:30", lambda s: s.sell(LINEAR, quantity=2)),
    ("23:30", lambda s: s.close(LINEAR)),
]


def test_the_leverage_setting_changes_no_posting_of_a_cross_account():
    results = [
        run(wavy(), Script(*TRADES_OF_TWO_DAYS), account(balances={"USDT": 200_000}, leverage=leverage, fees="regular"))
        for leverage in (5, 20)
    ]
    ledgers = [result.store.columns("ledger") for result in results]
    assert len(ledgers[0]["amount"]) == 9
    for name, column in ledgers[0].items():
        assert np.array_equal(column, ledgers[1][name], equal_nan=column.dtype.kind == "f"), name


def test_doubled_fees_lower_the_end_by_exactly_the_fee_postings():
    once, twice = (
        run(wavy(), Script(*TRADES_OF_TWO_DAYS), account(balances={"USDT": 200_000}, fees=fees))
        for fees in ((0.0002, 0.0005), (0.0004, 0.001))
    )
    assert set(once.fills["is_maker"]) == {True, False}
    assert postings(once, "fee") < 0
    assert balance(twice) - balance(once) == postings(once, "fee")


def test_a_target_asked_twice_before_its_fill_sends_one_order():
    def ask(strategy):
        first = strategy.target(LINEAR, leverage=2)
        second = strategy.target(LINEAR, leverage=2)
        strategy.note(len(first), len(second))

    notes = Notes()
    data = constant(50_000, start="00:00", end="01:00")
    result = run(data, Script(("00:10", ask), notes=notes))
    assert [note[1:] for note in notes] == [(1, 0)]
    assert result.orders["quantity"].tolist() == [0.4]


@pytest.mark.parametrize("latency", [None, "5m"])
def test_a_target_asked_twice_while_its_order_travels_sends_one_order(latency):
    data = constant(50_000, start="00:00", end="01:00")
    steps = [(t, lambda s: s.target(LINEAR, leverage=2)) for t in ("00:10", "00:12", "00:14", "00:30")]
    result = run(data, Script(*steps), account(latency=latency))
    assert result.orders["quantity"].tolist() == [0.4]
    assert result.fills["quantity"].tolist() == [0.4]


def test_a_market_order_sent_at_a_close_fills_at_the_next_open():
    rows = [("00:00", 100, 101, 99, 100.5), ("01:00", 103, 104, 102, 103.5), ("02:00", 103, 103, 103, 103)]
    result = run(
        bars(rows, USER_COIN),
        Script(("01:00", lambda s: s.buy(USER_COIN, quantity=1))),
        account(user_coin()),
        mark="last",
    )
    assert result.fills["price"].tolist() == [103.0]


def test_slippage_moves_a_market_fill_against_its_side_onto_the_next_tick():
    data = constant(100, start="00:00", end="01:00", symbol=USER_COIN)
    steps = [("00:10", lambda s: s.buy(USER_COIN, quantity=1)), ("00:20", lambda s: s.close(USER_COIN))]
    result = run(data, Script(*steps), account(user_coin(tick_size=0.01), slippage=2.5))
    assert result.fills["price"].tolist() == [100.03, 99.97]  # 2.5 bp of 100 is 0.025
    assert balance(result) - 10_000 == Decimal("-0.06")


def test_a_target_of_the_other_side_is_split_at_zero_and_its_first_part_only_reduces():
    data = constant(50_000, start="00:00", end="01:00")
    steps = [("00:10", lambda s: s.target(LINEAR, quantity=0.3)), ("00:20", lambda s: s.target(LINEAR, quantity=-0.2))]
    result = run(data, Script(*steps))
    orders = result.orders
    assert orders["side"].tolist() == [1, -1, -1]
    assert orders["quantity"].tolist() == [0.3, 0.3, 0.2]
    assert orders["flags"].tolist() == ["", "reduce_only", ""]
    assert orders["status"].tolist() == ["filled"] * 3
    assert result.positions["held"].tolist()[-1] == pytest.approx(-0.2)


def one_order(action, *, data=None, rules=USER_COIN, **facts):
    """Return reasons and fills of what `action` sends at 00:10 into a market at 100, and what follows."""
    made = user_coin(**facts)
    tape = data or trades(
        [
            ("00:00", 100, 1),
            ("00:10", 100, 1),
            ("00:11", 99.5, 1),
            ("00:12", 101, 3),
            ("00:13", 99, 3),
            ("00:14", 100, 1),
        ],
        rules,
    )
    result = run(tape, Script(("00:10", action)), account(made), mark="last")
    return reasons(result), list(zip(result.fills["price"], result.fills["quantity"], strict=True))


ORDERS = {
    "post-only that would take": (
        lambda s: s.buy(USER_COIN, quantity=1, limit=100.5, post_only=True), ["rejected WOULD_TAKE"], []
    ),
    "post-only that rests": (
        lambda s: s.buy(USER_COIN, quantity=1, limit=99.2, post_only=True), ["filled"], [(99.2, 1.0)]
    ),
    "a limit that the market reaches takes, never above its price": (
        lambda s: s.buy(USER_COIN, quantity=1, limit=100.5), ["filled"], [(99.5, 1.0)]
    ),
    "IOC away from the market": (
        lambda s: s.buy(USER_COIN, quantity=1, limit=98, tif="IOC"), ["expired NOT_FILLABLE"], []
    ),
    "FOK away from the market": (
        lambda s: s.buy(USER_COIN, quantity=1, limit=98, tif="FOK"), ["expired NOT_FILLABLE"], []
    ),
    "IOC at the market": (lambda s: s.buy(USER_COIN, quantity=1, limit=100.5, tif="IOC"), ["filled"], [(99.5, 1.0)]),
    "reduce-only without a position": (
        lambda s: s.sell(USER_COIN, quantity=1, reduce_only=True), ["rejected NOTHING_TO_REDUCE"], []
    ),
    "off the tick": (
        lambda s: s.submit(USER_COIN, side="buy", quantity="1", limit="99.25"), ["rejected OFF_TICK"], []
    ),
    "off the lot": (lambda s: s.submit(USER_COIN, side="buy", quantity="1.5"), ["rejected OFF_LOT"], []),
    "below the least quantity": (
        lambda s: s.submit(USER_COIN, side="buy", quantity="1"), ["rejected BELOW_MINIMUM"], []
    ),
    "below the least notional": (
        lambda s: s.submit(USER_COIN, side="buy", quantity="2", limit="99"), ["rejected BELOW_MINIMUM"], []
    ),
    "above the most": (lambda s: s.submit(USER_COIN, side="buy", quantity="50"), ["rejected ABOVE_MAXIMUM"], []),
    "above the price band": (
        lambda s: s.submit(USER_COIN, side="buy", quantity="1", limit="106"), ["rejected OUTSIDE_BAND"], []
    ),
    "below the price band": (
        lambda s: s.submit(USER_COIN, side="sell", quantity="1", limit="94"), ["rejected OUTSIDE_BAND"], []
    ),
    "a stop on the wrong side": (
        lambda s: s.submit(USER_COIN, side="sell", quantity="1", stop="101", trigger="last"),
        ["rejected WOULD_TRIGGER"],
        [],
    ),
}  # fmt: skip
LIMITS = {
    "off the tick": {"tick_size": 0.1, "lot_size": 0.01},
    "off the lot": {"lot_size": 1, "tick_size": 0.01},
    "below the least quantity": {"min_quantity": 2},
    "below the least notional": {"min_notional": 200},
    "above the most": {"max_market_quantity": 10},
    "above the price band": {"band_up": 1.05},
    "below the price band": {"band_down": 0.95},
}


@pytest.mark.parametrize("name", ORDERS)
def test_orders_are_filled_or_refused_for_the_stated_reason(name):
    action, expected, fills = ORDERS[name]
    found = one_order(action, **LIMITS.get(name, {}))
    assert found == (expected, fills)


def test_fill_or_kill_takes_the_whole_size_or_nothing_of_a_bar():
    # A bar of volume 100 gives at most its stated tenth.
    rows = [("00:00", 100, 101, 99, 100, 100), ("01:00", 100, 101, 99, 100, 100), ("02:00", 100, 100, 100, 100, 100)]

    def send(quantity, tif):
        return one_order(lambda s: s.buy(USER_COIN, quantity=quantity, limit=105, tif=tif), data=bars(rows, USER_COIN))

    whole, _ = send(10, "FOK")
    assert whole == ["filled"]
    assert send(11, "FOK") == (["expired NOT_FILLABLE"], [])
    part, fills = send(11, "IOC")
    assert part == ["expired NOT_FILLABLE"]
    assert [quantity for _, quantity in fills] == [10.0]
    rest, fills = send(11, "GTC")
    assert rest == ["filled"]
    assert [quantity for _, quantity in fills] == [10.0, 1.0]


def test_a_reduce_only_order_larger_than_the_position_is_cut_to_it():
    data = constant(100, start="00:00", end="01:00", symbol=USER_COIN)
    steps = [
        ("00:10", lambda s: s.buy(USER_COIN, quantity=2)),
        ("00:20", lambda s: s.sell(USER_COIN, quantity=5, reduce_only=True)),
    ]
    result = run(data, Script(*steps), account(user_coin()))
    assert result.fills["quantity"].tolist() == [2.0, 2.0]
    assert reasons(result) == ["filled", "filled"]


def test_verbs_round_quantity_toward_zero_and_price_to_the_passive_side_and_keep_both():
    data = constant(100, start="00:00", end="01:00", symbol=USER_COIN)
    steps = [
        ("00:10", lambda s: s.buy(USER_COIN, quantity=1.78, limit=99.26)),
        ("00:10", lambda s: s.sell(USER_COIN, quantity=1.78, limit=100.74)),
    ]
    result = run(data, Script(*steps), account(user_coin(tick_size=0.5, lot_size=0.1)))
    assert result.orders["quantity"].tolist() == [1.7, 1.7]
    assert result.orders["requested_quantity"].tolist() == [1.78, 1.78]
    assert result.orders["price"].tolist() == [99.0, 101.0]
    assert result.orders["requested_price"].tolist() == [99.26, 100.74]


def test_a_price_within_a_billionth_of_a_tick_is_on_it():
    data = constant(100, start="00:00", end="01:00", symbol=USER_COIN)
    step = ("00:10", lambda s: s.buy(USER_COIN, quantity=0.1 + 0.2, limit=0.1 * 3 * 300))
    result = run(data, Script(step), account(user_coin(tick_size=0.5, lot_size=0.1)))
    assert result.orders["price"].tolist() == [90.0]
    assert result.orders["quantity"].tolist() == [0.3]


def test_value_of_a_derivative_is_margin_and_fee():
    # (100 - fee) x leverage = notional: 10 x 100 / (1 + 10 x 0.001) = 990.09 at 100, on the lot 9.9.
    data = constant(100, start="00:00", end="01:00", symbol=USER_COIN)
    step = ("00:10", lambda s: s.buy(USER_COIN, value=100))
    result = run(data, Script(step), account(user_coin(lot_size=0.1), leverage=10, fees=(0, 0.001)))
    assert result.fills["quantity"].tolist() == [9.9]


def test_value_of_a_spot_buy_is_the_cash_spent_with_the_fee_inside():
    tape = trades([("00:00", 100, 50.001), ("00:10", 100, 50), ("00:20", 100, 50)], "SOL/USDT", "binance_spot")
    cash = venues.Venue("binance_spot", balances={"USDT": 1000}, **(FREE | {"fees": (0.001, 0.001)}))
    result = Backtest(tape, Script(("00:05", lambda s: s.buy("SOL/USDT", value=500))), venues=cash).run()
    assert 490 < 1000 - balance(result, "USDT", name="binance_spot") <= 500


def test_a_dataset_may_be_given_in_any_order():
    first, second = marks([("00:00", 100), ("01:00", 100)], USER_COIN), trades([("00:00", 100, 1)], USER_COIN)
    assert (first + second).fingerprint == (second + first).fingerprint
    assert isinstance(first + second, feeds.Dataset)
