"""Bybit: the fee to close inside margins, isolated positions at their entry, refusals."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import venues
from venues.contract import ContractBox
from venues.errors import VenueError
from venues.instrument import Instrument, MarginRules, Tier
from venues.pool import PoolBox

BTC, INVERSE = "BTC/USDT:USDT", "BTC/USD:BTC"
BYBIT = venues.get("bybit")


# What is not built


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: BYBIT.default_instrument("BTC/USDC:USDC-260327-42000-C"), "is an option; options are not built"),
        (
            lambda: BYBIT.collateral_value(asset="DOGE", amount=35, price=1),
            "DOGE is no collateral in multi-assets mode",
        ),
        (
            lambda: BYBIT.collateral_value(asset="BTC", amount=35, price=1, at="2025-02-01"),
            "collateral ratios of BTC are known from 2025-03-01 on",
        ),
        (
            lambda: venues.Venue("bybit", balances={"BTC": 35}, collateral="multi", margin_mode="isolated"),
            "multi-assets mode is cross only",
        ),
        (lambda: BYBIT.auto_exchange(deficit=1, ratio=0.9), "bybit has no auto-exchange"),
        (lambda: BYBIT.level_of_volume(1e9), "the schedule by volume is not known"),
        (lambda: BYBIT.default_instrument("BTC/USDT"), "write BTC/USDT:USDT"),
        (lambda: BYBIT.mark_rules(at="2021-06-01"), "known from 2022-01-01 on"),
    ],
    ids=["4", "unknown-coin", "old-ratios", "isolated-multi", "auto-exchange", "fees-by-volume", "spot", "old-mark"],
)
def test_what_is_not_built_is_refused(ask, message):
    """Case 4 (options) and the rest of what the rule book lacks."""
    with pytest.raises(VenueError, match=message):
        ask()


# Facts


def test_fees_and_margin_rules_follow_their_dates():
    takers = [BYBIT.fees(at=day).taker for day in ("2020-06-01", "2022-12-15", "2025-06-01")]
    assert takers == [0.00075, 0.0006, 0.00055]
    assert [BYBIT.margin(at=day).isolated for day in ("2026-05-26", "2026-05-27")] == ["entry", "price"]
    assert venues.get("binance_usdm").margin() == MarginRules()


def test_the_tier_rate_counts_for_the_whole_value_before_2023_and_for_its_slice_since():
    """3 million at 0.5 % to 2 million and 1 % above: 30,000 then, 10,000 + 10,000 now."""
    for day, expected in (("2022-06-01", 30_000), ("2024-06-01", 20_000)):
        position = venues.Position(BTC, quantity=100, entry_price=30_000, leverage=1)
        free = Instrument(BTC, contract="linear", maker_fee=0, taker_fee=0)
        rules = venues.get("bybit", as_of=day).with_instrument(free)
        account = venues.Account(rules, balances={"USDT": 1e6}, positions=[position])
        assert account.risk(marks={BTC: 30_000}).maintenance_margin == pytest.approx(expected)


def test_inverse_and_linear_tables_are_never_compared():
    assert BYBIT.nearest_tiers("NEW/USDT:USDT")[0].maintenance_rate == 0.025
    with pytest.raises(VenueError, match="no tier table settled in NEW"):
        BYBIT.nearest_tiers("NEW/USD:NEW")


# Arithmetic


def plain(rate, *, fee=0.001, contract="linear", isolated="entry", tiers=None):
    """Return a contract that follows Bybit's margin rules."""
    symbol = "X/USD:X" if contract == "inverse" else "X/USDT:USDT"
    rows = [Tier(floor=0, maintenance_rate=rate, max_leverage=max(1.0, 0.5 / rate))] if tiers is None else tiers
    margin = MarginRules(reserves_fee_to_close=True, isolated=isolated, order_loss="equity")
    instrument = Instrument(symbol, contract=contract, tiers=rows, maker_fee=0, taker_fee=fee)
    assets = {"X": 0, "USD": 1, "USDT": 2}
    return ContractBox(instrument, index=0, assets=assets, price_scale=4, quantity_scale=4, margin=margin)


TABLE = [
    Tier(floor=0, maintenance_rate=0.01, max_leverage=50),
    Tier(floor=5_000, maintenance_rate=0.04, max_leverage=12.5),
    Tier(floor=20_000, maintenance_rate=0.1, max_leverage=5),
]


@st.composite
def legs(draw, may_hedge=False):
    """Draw a contract, an isolated or cross pool and a leg of it, in cross perhaps one of the other side too.

    Inverse contracts have the same table in coins.
    """
    contract = draw(st.sampled_from(["linear", "inverse"]))
    rows = TABLE if contract == "linear" else [replace(tier, floor=tier.floor / 100) for tier in TABLE]
    box = plain(0.01, contract=contract, isolated=draw(st.sampled_from(["entry", "price"])), tiers=rows)
    value = draw(st.floats(500, 60_000))
    quantity = value / 100 if contract == "linear" else value
    leverage = draw(st.floats(1.5, 20))
    wallet = (value if contract == "linear" else value / 100) / leverage * draw(st.floats(0.9, 3))
    sign = draw(st.sampled_from([1, -1]))
    is_isolated, mark = draw(st.booleans()), draw(st.floats(95, 105))
    pool = PoolBox(wallet, isolated=is_isolated)
    pool.add(box, quantity=sign * quantity, entry_price=100.0, mark=mark, leverage=leverage, side=sign)
    if may_hedge and not is_isolated and draw(st.booleans()):
        other = -sign * quantity * draw(st.floats(0.1, 0.9))
        pool.add(
            box, quantity=other, entry_price=101.0, mark=mark, leverage=leverage, side=-sign, open_loss=wallet / 50
        )
    return pool


def surplus(pool):
    risk = pool.risk()
    return risk.equity - risk.maintenance


@given(legs(may_hedge=True))
def test_the_liquidation_price_is_where_equity_meets_maintenance(pool):
    price = pool.leg(0).liquidation_price
    scale = pool.risk().notional
    if price is None:
        for mark in (1.0, 10.0, 50.0, 150.0, 1000.0):
            pool.set_mark(0, mark)
            assert surplus(pool) > -1e-9 * max(scale, pool.risk().notional) or mark < 100
        return
    pool.set_mark(0, price)
    assert surplus(pool) == pytest.approx(0, abs=1e-9 * max(scale, pool.risk().notional))


@given(legs(may_hedge=True), st.floats(0, 1))
def test_within_its_band_a_pool_is_safe(pool, share):
    slack, bands = pool.slack(1.0)
    if slack <= 0.0:
        assert surplus(pool) <= 1e-6 * pool.risk().notional
        return
    low, high = bands[0][0], min(bands[0][1], 1e5)
    pool.set_mark(0, max(low, 1e-3) * (1 - share) + high * share)
    assert surplus(pool) > 0.0


@given(legs())
def test_closing_at_the_bankruptcy_price_leaves_nothing_after_its_fee(pool):
    price = pool.leg(0).bankruptcy_price
    if price is None:
        return
    assert pool.joint_bankruptcy_price(0) == pytest.approx(price, rel=1e-9)
    scale = pool.risk().notional
    pool.set_mark(0, price)
    assert pool.risk().equity == pytest.approx(pool.risk().close_fees, abs=1e-9 * max(scale, pool.risk().notional))


def test_a_reduction_aims_at_nine_tenths():
    """100 at 94, wallet 400 less than at 100: closing y of 9,400 leaves 0.05095 (9,400 - y) = 0.9 (400 - 0.001 y)."""
    pool = PoolBox(1000.0)
    pool.add(plain(0.05), quantity=100, entry_price=100, mark=94, leverage=20)
    assert pool.risk().maintenance == pytest.approx(0.05095 * 9400)
    needed = pool.reduction(0, price=94, fee_rate=0.001, target=0.9)
    assert needed == pytest.approx((0.05095 * 9400 - 360) / (0.05095 - 0.0009) / 94)


def test_orders_hold_both_fees_of_the_side_that_adds_more():
    """Long of 1,000 at 10x, bids 500, asks 3,000: the short adds 1,000, with 0.1 % to open and 0.11 % to close."""
    pool = PoolBox(1000.0)
    pool.add(plain(0.01), quantity=10, entry_price=100, mark=100, leverage=10, bids=500, asks=3000)
    assert pool.risk().orders == pytest.approx(100 + 1000 * 0.001 + 1000 * 1.1 * 0.001)


@pytest.mark.parametrize(
    ("mark", "kinds"),
    [(92.6, []), (92.4, ["cancel_orders", "reduce"]), (90.05, ["cancel_orders", "takeover"])],
)
def test_the_calculator_plans_the_step_down_of_an_isolated_position(mark, kinds):
    """100 at 100, 10x, 0.1 %: 50 are closed to stand at 5,000, the end of the lower tier, unless that is no help."""
    symbol = "X/USDT:USDT"
    mine = Instrument(symbol, contract="linear", lot_size=0.001, tiers=TABLE, maker_fee=0, taker_fee=0.001)
    rules = venues.get("bybit", as_of="2025-01-01").with_instrument(mine)
    position = venues.Position(symbol, quantity=100, entry_price=100, leverage=10, isolated_wallet=1009)
    account = venues.Account(rules, margin_mode="isolated", positions=[position])
    steps = rules.liquidation_steps(account=account, symbol=symbol, marks={symbol: mark})
    assert [step.kind for step in steps] == kinds
    if "reduce" in kinds:
        assert (steps[1].quantity, steps[1].price) == (50, pytest.approx(90))
        assert steps[1].fee == pytest.approx(4.62)
    if "takeover" in kinds:
        assert (steps[1].quantity, steps[1].price) == (100, pytest.approx(90))
    assert not any(math.isnan(step.fee) for step in steps)
