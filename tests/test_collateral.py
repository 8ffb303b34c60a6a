"""Collateral of several coins: brackets of value ratios, debts at interest, repaid before positions are closed."""

import math
from decimal import Decimal

import pytest
from engine_data import (
    Listener,
    Notes,
    Script,
    account,
    amounts,
    balance,
    frame,
    marks,
    points,
    run,
    totals,
    trades,
)
from hypothesis import given
from hypothesis import strategies as st

import feeds
import venues
from venues.collateral import counted_amount
from venues.errors import VenueError

BYBIT, COIN = "bybit", "BTC/USDT:USDT"
BRACKETS = ((0, 0.98), (10, 0.95), (20, 0.9), (30, 0.85), (40, 0.8), (50, 0.0))


@given(st.floats(-10, 80), st.floats(-10, 80))
def test_what_counts_grows_with_the_balance_and_ever_less(one, other):
    low, high = sorted((one, other))
    assert counted_amount(low, BRACKETS) <= counted_amount(high, BRACKETS) + 1e-12
    middle = counted_amount((low + high) / 2, BRACKETS)
    assert middle >= (counted_amount(low, BRACKETS) + counted_amount(high, BRACKETS)) / 2 - 1e-9
    assert counted_amount(high, BRACKETS) <= max(high, 45) + 1e-12


@pytest.mark.parametrize(
    ("brackets", "message"),
    [
        ([], "1 to 16 brackets, got 0"),
        ([(1, 0.5)], "must ascend from 0"),
        ([(0, 0.5), (0, 0.4)], "must ascend from 0"),
        ([(0, 1.5)], r"ratios in \[0, 1\]"),
        ([(0, 0.5), (1, 0.6)], "must not grow"),
    ],
)
def test_brackets_that_are_none_are_refused(brackets, message):
    with pytest.raises(VenueError, match=message):
        counted_amount(1.0, brackets)


def test_the_calculator_and_the_account_in_a_run_count_the_same():
    rules = venues.get(BYBIT, as_of="2025-09-18")
    own = venues.Account(
        rules,
        collateral="multi",
        balances={"BTC": 35, "USDT": -1_000},
        positions=[venues.Position(COIN, quantity=10, entry_price=100_000, leverage=20)],
    )
    risk = own.risk(marks={COIN: 99_000}, index={"BTC": 100_000, "USDT": 1})
    assert risk.equity == pytest.approx(3_255_000 - 1_000 - 10_000)


def market(prices, *, start="2025-09-18T"):
    """Return one path of BTC: mark, trades and value as collateral; USDT at a dollar."""
    own = [(f"{start}{when}", price) for when, price in prices]
    data = marks(own, COIN, BYBIT) + points("index", own, "BTC/USD", BYBIT)
    data += points("index", [(own[0][0], 1)], "USDT/USD", BYBIT)
    return data + trades([(when, price, 1000) for when, price in own], COIN, BYBIT)


def rates(rows, asset="USDT"):
    made = frame([(f"2025-09-18T{when}", rate) for when, rate in rows], "rate")
    made["asset"] = asset
    made["interval_hours"] = 1
    return feeds.from_pandas(made, kind="borrow_rates", venue=BYBIT, symbol=f"{asset}/USD")


def multi(**balances):
    return account(BYBIT, balances, collateral="multi", leverage=10, fees=(0, 0))


def audited(data, script, own):
    result = run(data, script, own, reporting="USD")
    assert all(total == 0 for total in totals(result)[0].values())
    return result


def at(when, action):
    return f"2025-09-18T{when}", action


def test_a_loss_is_borrowed_and_costs_interest_at_the_end_of_each_hour():
    """1 BTC from 100,000 sold at 99,000: -1,000 USDT; 0.001 % an hour until 03:00, then 0.002 %, rounded up."""
    path = [("00:00", 100_000), ("00:02", 100_000), ("00:30", 99_000), ("00:32", 99_000), ("05:00", 99_000)]
    script = Script(at("00:01", lambda s: s.buy(COIN, quantity=1)), at("00:31", lambda s: s.sell(COIN, quantity=1)))
    data = market(path) + rates([("00:00", 0.00001), ("03:00", 0.00002)])
    result = audited(data, script, multi(BTC=1))
    owed, expected = 1_000 * 10**8, []
    for rate in (1, 1, 1, 2, 2):
        expected.append(-Decimal(math.ceil(owed * rate / 10**5)) / 10**8)
        owed -= int(expected[-1] * 10**8)
    assert amounts(result, "interest", name=BYBIT) == expected
    assert balance(result, name=BYBIT) == -Decimal(owed) / 10**8
    assert not amounts(result, "conversion", name=BYBIT)


def test_without_a_debt_there_is_no_interest():
    path = [("00:00", 100_000), ("00:02", 100_000), ("03:00", 100_000)]
    result = audited(market(path) + rates([("00:00", 0.001)]), Listener(), multi(BTC=1, USDT=5))
    assert not amounts(result, "interest", name=BYBIT)


def test_a_run_says_that_debts_cost_nothing_where_no_rates_are_given():
    path = [("00:00", 100_000), ("00:02", 100_000)]
    assert "no borrow_rates in the data" in str(audited(market(path), Listener(), multi(BTC=1)))
    assert "no borrow_rates" not in str(audited(market(path) + rates([("00:00", 0.1)]), Listener(), multi(BTC=1)))


def test_debts_are_repaid_before_a_position_is_closed():
    """A short of 1.9 from 100,000, 1.8 of it closed at 150,000: a debt of 90,000 against 147,000 - 5,000.

    The debt asks for 3,600. At 94,700 the coin counts 92,806, the profit is 530: 3,336 above the debt, 3,647.35 asked.
    Each dollar sold at the index wins its haircut of 0.02 and frees 0.04: x dollars bring the rate to 85 % where
    3,647.35 - 0.04 x = 0.85 (3,336 + 0.02 x). At 95,100 it is 3,688 against 3,600 and the 48 of the position.
    """
    path = [("00:00", 100_000), ("00:02", 100_000), ("00:30", 150_000), ("00:32", 150_000)]
    steps = [
        at("00:01", lambda s: s.sell(COIN, quantity=1.9)),
        at("00:31", lambda s: s.buy(COIN, quantity=1.8)),
    ]
    result = audited(market([*path, ("01:00", 150_000)]), Script(*steps), multi(BTC=1))
    assert balance(result, name=BYBIT) == -90_000
    assert result.liquidations.empty
    assert not amounts(result, "conversion", name=BYBIT)
    safe = audited(
        market([*path, ("01:00", 150_000), ("01:30", 95_100), ("01:31", 95_100)]), Script(*steps), multi(BTC=1)
    )
    assert not amounts(safe, "conversion", name=BYBIT)
    result = audited(
        market([*path, ("01:00", 150_000), ("01:30", 94_700), ("01:31", 94_700)]), Script(*steps), multi(BTC=1)
    )
    sold, received = amounts(result, "conversion", name=BYBIT)
    assert float(received) == pytest.approx((3_647.35 - 0.85 * 3_336) / (0.04 + 0.85 * 0.02), abs=0.01)
    assert -sold == pytest.approx(received / 94_700, abs=Decimal("1e-7"))
    assert result.liquidations.empty
    assert balance(result, name=BYBIT) == received - 90_000
    assert result.margin["ratio"].iloc[-1] == pytest.approx(0.85, abs=1e-6)


def test_a_repayment_goes_through_the_brackets_of_what_is_sold():
    """21 BTC that back 1.6 million: sold until maintenance is 85 % of equity, found by bisection over the brackets."""
    price, owed = 79_200, 1_550_000
    path = [("00:00", 100_000), ("00:02", 100_000), ("00:30", price), ("00:31", price)]
    steps = [
        at("00:01", lambda s: s.borrow("USDT", owed)),
        at("00:01:30", lambda s: s.withdraw(BYBIT, "USDT", owed)),
    ]
    result = audited(market(path), Script(*steps), multi(BTC=21))
    sold, received = amounts(result, "conversion", name=BYBIT)[0::2], amounts(result, "conversion", name=BYBIT)[1::2]
    assert len(sold) > 1  # a bracket each
    low, high = 0.0, 21.0
    for _ in range(100):
        x = (low + high) / 2
        debt = owed - x * price
        equity = counted_amount(21 - x, BRACKETS) * price - debt
        low, high = (low, x) if 0.04 * debt <= 0.85 * equity else (x, high)
    assert float(-sum(sold)) == pytest.approx(high, abs=1e-6)
    assert float(sum(received)) == pytest.approx(high * price, abs=0.1)


def test_a_debt_asks_for_margin_of_its_own():
    """1 BTC from 100,000, half of it sold at 99,000: -500 USDT ask 100 and 20; the rest 4,950 and 0.5 %."""
    path = [("00:00", 100_000), ("00:02", 100_000), ("00:30", 99_000), ("00:32", 99_000), ("00:34", 99_000)]
    script = Script(at("00:01", lambda s: s.buy(COIN, quantity=1)), at("00:31", lambda s: s.sell(COIN, quantity=0.5)))
    result = audited(market(path), script, multi(BTC=1))
    last = result.margin[result.margin["flags"] == "periodic"].iloc[-1]
    assert last["initial"] == pytest.approx(4_950 + 100)
    assert last["maintenance"] == pytest.approx(0.005 * 49_500 + 20)
    assert last["equity"] == pytest.approx(0.98 * 99_000 - 500 - 500)
    free = venues.Instrument(
        COIN, contract="linear", tiers=venues.get(BYBIT).tiers(COIN), maker_fee=0, taker_fee=0, lot_size=0.001
    )
    own = venues.Account(
        venues.get(BYBIT, as_of="2025-09-18").with_instrument(free),
        collateral="multi",
        balances={"BTC": 1, "USDT": -500},
        positions=[venues.Position(COIN, quantity=0.5, entry_price=100_000, leverage=10)],
    )
    risk = own.risk(marks={COIN: 99_000}, index={"BTC": 99_000, "USDT": 1})
    found = (risk.equity, risk.initial_margin, risk.maintenance_margin)
    assert found == pytest.approx((last["equity"], last["initial"], last["maintenance"]))


@pytest.mark.parametrize(
    ("owed", "initial", "maintenance"), [(10, 2, 0.4), (390, 78, 15.6), (390.5, 97.625, 15.62), (400, 200, 16)]
)
def test_the_larger_a_debt_in_bitcoin_the_less_leverage_it_has(owed, initial, maintenance):
    """The example of the API documents: 20 % to 390 BTC, 25 % to 391, a third to 392, then half; 4 % of all."""
    rules = venues.get(BYBIT).with_collateral("USDC", 1)
    own = venues.Account(rules, collateral="multi", balances={"BTC": -owed, "USDC": 1e9})
    risk = own.risk(marks={}, index={"BTC": 100, "USDC": 1})
    assert risk.initial_margin == pytest.approx(initial * 100)
    assert risk.maintenance_margin == pytest.approx(maintenance * 100)


def test_what_may_leave_comes_from_the_cheapest_bracket_first():
    """10 BTC at 10x and no fee need 100,000: of 35 BTC all but 1 / 0.98 may leave, from the cheapest bracket first."""
    path = [("00:00", 100_000), ("00:02", 100_000), ("00:10", 100_000)]
    seen = Notes()
    steps = [
        at("00:01", lambda s: s.buy(COIN, quantity=10)),
        at("00:05", lambda s: seen.append(s.account(BYBIT).withdrawable("BTC"))),
    ]
    audited(market(path), Script(*steps), multi(BTC=35))
    (most,) = seen
    assert counted_amount(35 - most, BRACKETS) * 100_000 == pytest.approx(100_000, abs=0.01)
