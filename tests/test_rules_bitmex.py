"""BitMEX: quanto contracts, risk limits, margins at the entry value, what it has not."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import venues
from feeds.times import time_ns
from venues.contract import ContractBox
from venues.errors import VenueError
from venues.instrument import Instrument, MarginRules
from venues.pool import PoolBox
from venues.position import ExactPosition
from venues.rules.bitmex import risk_limits

BITMEX = venues.get("bitmex")
XBT = "BTC/USD:BTC"


def test_a_losing_position_of_more_leverage_scores_higher_only_in_loss_divided():
    """Short 1,000 at 50,000, mark 55,000: -0.090909 / 5 at bankruptcy 68,750."""
    score = BITMEX.adl_score(symbol=XBT, quantity=-1000, entry_price=50000, mark=55000, bankruptcy_price=68750)
    assert score == pytest.approx(-(1 / 11) / 5)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: venues.Venue("bitmex", balances={"USDT": 10_000}, collateral="multi"), "has no multi-assets mode"),
        (lambda: venues.Account(BITMEX, position_mode="hedge"), "position_mode one_way only"),
        (lambda: BITMEX.default_instrument("XRP/USD:BTC"), "contract size of XRP/USD:BTC is not known.*'quanto'"),
        (lambda: BITMEX.default_instrument("XRP/USDT:USDT"), "contract size of XRP/USDT:USDT is not known.*'linear'"),
        (lambda: BITMEX.adl_ranking(side=[], unrealized_pnl=[], collateral=[], margin_ratio=[]), "has no ranking"),
        (lambda: Instrument("ETH/USD:USD", contract="quanto"), "quanto contracts settle in a third asset"),
    ],
    ids=["8", "hedge", "size", "linear-size", "ranking", "settle"],
)
def test_what_is_not_built_is_refused(ask, message):
    """Case 8 (margining in several assets) and the rest of what the rule book lacks."""
    with pytest.raises(VenueError, match=message):
        ask()


# Facts


def test_makers_were_paid_until_2024():
    makers = [BITMEX.fees(at=day).maker for day in ("2019-06-01", "2021-06-01", "2022-06-01", "2024-12-01")]
    assert makers == [-0.00025, -0.0001, -0.0001, 0.0005]
    assert BITMEX.fees(at="2019-06-01").taker == 0.00075
    rebate = BITMEX.fee(symbol=XBT, quantity=15_000, price=7_500, is_maker=True, at="2019-06-01")
    assert rebate == Decimal("-0.0005")


def test_dated_contracts_end_at_noon():
    assert BITMEX.default_instrument("BTC/USD:BTC-240628").expiry == time_ns("2024-06-28T12:00")


@pytest.mark.parametrize(
    ("value", "maintenance", "initial"),
    [(200, 0.005, 0.01), (200.001, 0.01, 0.015), (300, 0.01, 0.015), (300.001, 0.015, 0.02), (1000, 0.045, 0.05)],
)
def test_each_step_of_the_risk_limit_adds_the_base_maintenance_for_the_whole(value, maintenance, initial):
    """Base 200, step 100, before 2021-08-31."""
    rules = venues.get("bitmex", as_of="2020-06-01").with_instrument(
        Instrument(XBT, contract="inverse", maker_fee=0, taker_fee=0)
    )
    position = venues.Position(XBT, quantity=value * 10_000, entry_price=10_000, leverage=100)
    account = venues.Account(rules, balances={"BTC": 100}, positions=[position])
    risk = account.risk(marks={XBT: 10_000})
    assert risk.maintenance_margin == pytest.approx(value * maintenance)
    assert risk.initial_margin == pytest.approx(value * initial)


def test_a_lower_leverage_asks_for_more_than_the_risk_limit():
    rules = BITMEX.with_instrument(Instrument(XBT, contract="inverse", maker_fee=0, taker_fee=0))
    position = venues.Position(XBT, quantity=100_000, entry_price=10_000, leverage=4)
    account = venues.Account(rules, balances={"BTC": 100}, positions=[position])
    assert account.risk(marks={XBT: 9_000}).initial_margin == pytest.approx(2.5)


# Arithmetic


def box(contract, *, fee=0.00075, base=100.0, step=50.0):
    """Return a contract that follows BitMEX's margin rules, in a table whose base and step are in its settle asset."""
    symbol = {"inverse": "X/USD:X", "quanto": "Y/USD:X", "linear": "Y/USDT:USDT"}[contract]
    tiers = risk_limits(initial=0.02, maintenance=0.01, base=base, step=step)
    size = {"inverse": 1.0, "quanto": 0.0001, "linear": 0.01}[contract]
    instrument = Instrument(symbol, contract=contract, contract_size=size, tiers=tiers, maker_fee=0, taker_fee=fee)
    margin = MarginRules(
        reserves_fee_to_close=True, isolated="entry", cross="entry", initial="larger", fee_to_close="conservative"
    )
    assets = {asset: row for row, asset in enumerate(("X", "Y", "USD", "USDT"))}
    return ContractBox(instrument, index=0, assets=assets, price_scale=4, quantity_scale=4, margin=margin)


CONTRACTS = ("inverse", "quanto", "linear")


@st.composite
def pools(draw):
    """Draw an isolated or cross pool of one leg, inside the base limit or some steps above it; its price is 100."""
    contract = draw(st.sampled_from(CONTRACTS))
    value = draw(st.floats(1, 600))
    one = box(contract)
    per_unit = one.notional(1.0, 100.0)
    sign = draw(st.sampled_from([1, -1]))
    leverage = draw(st.floats(1.5, 50))
    wallet = value / leverage * draw(st.floats(0.8, 2.5))
    pool = PoolBox(wallet, isolated=draw(st.booleans()))
    pool.add(one, quantity=sign * value / per_unit, entry_price=100.0, mark=draw(st.floats(90, 110)), leverage=leverage)
    return pool


def surplus(pool):
    risk = pool.risk()
    return risk.equity - risk.maintenance


@given(pools())
def test_the_liquidation_price_is_where_equity_meets_maintenance(pool):
    price = pool.leg(0).liquidation_price
    if price is None:
        signs = set()
        for mark in (1e-3, 1.0, 10.0, 50.0, 99.0, 101.0, 150.0, 1e3, 1e6):
            pool.set_mark(0, mark)
            signs.add(surplus(pool) > 0)
        assert len(signs) == 1
        return
    pool.set_mark(0, price)
    assert surplus(pool) == pytest.approx(0, abs=1e-9 * pool.risk().notional)


@given(pools(), st.floats(0, 1))
def test_within_its_band_a_pool_is_safe(pool, share):
    slack, bands = pool.slack(1.0)
    if slack <= 0.0:
        assert surplus(pool) <= 1e-6 * pool.risk().notional
        return
    low, high = max(bands[0][0], 1e-3), min(bands[0][1], 1e5)
    pool.set_mark(0, low * (1 - share) + high * share)
    assert surplus(pool) > 0.0


@given(pools())
def test_at_the_bankruptcy_price_just_the_reserved_fee_is_left(pool):
    price = pool.leg(0).bankruptcy_price
    if price is None:
        return
    assert pool.joint_bankruptcy_price(0) == pytest.approx(price, rel=1e-9)
    pool.set_mark(0, price)
    risk = pool.risk()
    assert risk.equity == pytest.approx(risk.close_fees, abs=1e-9 * risk.notional)


@given(pools())
def test_a_step_down_leaves_enough_in_a_lower_tier_or_takes_all(pool):
    price = 100.0
    pool.set_mark(0, price)
    size = abs(pool.quantity(0))
    closed = pool.step_down(0, price=price, fee_rate=0.00075)
    if closed == size:
        return
    notional = pool.risk().notional
    pool.close(0, quantity=closed, price=price, fee=0.00075 * notional * closed / size)
    assert surplus(pool) > -1e-9 * notional
    left = pool.risk().notional
    # on the border of a step the lower one counts
    assert left == pytest.approx(100 + 50 * round((left - 100) / 50))


def test_an_isolated_record_holds_the_fee_of_value_and_margin():
    """3x, value 300 at 0.075 %: 100 and 0.3 in it; 1 % + 2 % x 2 steps of it, more than 100 + 150 is the third step."""
    pool = PoolBox(100.3, isolated=True)
    pool.add(box("linear"), quantity=300, entry_price=100.0, mark=95.0, leverage=3)
    leg = pool.leg(0)
    assert leg.initial == pytest.approx(100.3)
    assert leg.maintenance == pytest.approx(300 * 0.05 + 0.3)
    assert leg.bankruptcy_price == pytest.approx(100 - 100 / 3)
    assert leg.liquidation_price == pytest.approx(100 - (100 - 15) / 3)


@given(st.sampled_from(CONTRACTS), st.floats(1, 700), st.floats(1, 3))
def test_requirements_never_fall_with_the_position(contract, value, times):
    one = box(contract)
    found = []
    for size in (value, value * times):
        pool = PoolBox(1.0)
        pool.add(one, quantity=size / one.notional(1.0, 100.0), entry_price=100.0, mark=100.0, leverage=20)
        found.append((pool.risk().initial, pool.risk().maintenance))
    assert found[0][0] <= found[1][0] * (1 + 1e-12)
    assert found[0][1] <= found[1][1] * (1 + 1e-12)


@given(st.lists(st.tuples(st.integers(-500, 500).filter(bool), st.integers(1000, 9000)), min_size=1, max_size=8))
def test_a_quanto_position_earns_what_its_linear_twin_does_in_another_coin(fills):
    quanto = ExactPosition(kind="quanto", price_scale=1, quantity_scale=0, size="0.000001")
    linear = ExactPosition(kind="linear", price_scale=1, quantity_scale=0, size="0.000001")
    for quantity, price in fills:
        assert quanto.fill(quantity, price) == linear.fill(quantity, price)
    assert quanto.funding(5000, "0.001") == linear.funding(5000, "0.001")
