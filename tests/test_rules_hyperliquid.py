"""Hyperliquid (its worked cases: tests/worked): dated facts, stages of a liquidation, the mark, refusals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worked.hyperliquid import cross

import venues
from venues.errors import VenueError
from venues.pool import PoolBox

BTC, ETH = "BTC/USDC:USDC", "ETH/USDC:USDC"
LIQUID = venues.get("hyperliquid")


# Facts


def test_fees_follow_their_dates_and_the_volume_of_fourteen_days():
    rates = [tuple(LIQUID.fees(at=day)) for day in ("2023-07-01", "2026-02-01")]
    assert rates == [(-0.00002, 0.00025), (0.00015, 0.00045)]
    assert [LIQUID.level_of_volume(v) for v in (4e6, 5e6, 3e7, 8e9)] == ["regular", "tier1", "tier2", "tier6"]
    assert tuple(LIQUID.fees("tier6")) == (0.0, 0.00024)
    assert LIQUID.facts.fee_days == 14


def test_before_2024_there_was_no_book_stage():
    account = cross(venues.get("hyperliquid", as_of="2023-04-01"), ETH, -10, 3000, 299)
    steps = account.rules.liquidation_steps(account=account, symbol=ETH, marks={ETH: 3000})
    assert [step.kind for step in steps] == ["cancel_orders", "takeover"]
    assert steps[1].price == pytest.approx(3000 + 29.9)


def test_the_rate_is_flat_inside_the_band_and_capped_at_four_percent():
    assert LIQUID.funding_rate(premium=0.0004) == pytest.approx(0.0000125, abs=1e-16)
    assert [LIQUID.funding_rate(premium=p) for p in (0.5, -0.5)] == [0.04, -0.04]


# The mark


def test_the_mark_is_the_median_of_oracle_book_and_other_venues():
    def mark(**prices):
        return LIQUID.mark_price(index=100, basis=1, **prices)  # 101

    assert mark(contract_price=102, outside=103) == 102
    assert mark(contract_price=99, outside=103) == 101
    assert mark(contract_price=99, outside=100) == 100
    assert mark(contract_price=103, short_average=102) == 102


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=40), st.floats(0.1, 60))
def test_a_decayed_average_stays_among_its_samples_and_forgets(samples, spacing):
    found = LIQUID.average_basis(samples=samples, spacing_seconds=spacing)
    assert min(samples) - 1e-9 <= found <= max(samples) + 1e-9
    assert LIQUID.average_basis(samples=[*samples, *[7.0] * 3], spacing_seconds=5_000) == pytest.approx(7.0)


# Deleveraging


def test_deleveraging_begins_with_the_largest_gain_times_leverage():
    """Longs: 1.1 x 2, 1.5 x 1, 1.0 x 5; shorts: 100/90 x 1 and 100/110 x 3."""
    order = LIQUID.adl_ranking(
        side=[1, 1, 1, -1, -1],
        mark=[110, 150, 100, 90, 110],
        entry_price=[100] * 5,
        notional=[2, 1, 5, 1, 3],
        account_value=[1] * 5,
    )
    assert order == (1, 2, 0, 1, 0)


# Refusals


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda: venues.Venue("hyperliquid", balances={"USDC": 1}, position_mode="hedge"),
            "has position_mode one_way only",
        ),
        (lambda: venues.Account(LIQUID, position_mode="hedge"), "has position_mode one_way only"),
        (lambda: venues.Venue("hyperliquid", balances={"USDC": 1}, collateral="multi"), "has no multi-assets mode"),
        (lambda: LIQUID.tiers("NEW/USDC:USDC"), "no tiers of NEW/USDC:USDC"),
        (lambda: LIQUID.tiers("SOL/USDC:USDC", at="2024-06-01"), "first tiers of SOL/USDC:USDC are of 2025-01-01"),
        (lambda: cross(LIQUID, BTC, 1, 100, 10, leverage=2.5), "is a whole number, got 2.5"),
        (lambda: LIQUID.mark_price(index=1, basis=0, contract_price=1), "give either outside= or"),
        (
            lambda: LIQUID.mark_price(index=1, basis=0, contract_price=1, last_rate=0, hours_left=1),
            "does not depend on last_rate, hours_left",
        ),
        (
            lambda: venues.get("binance_usdm").mark_price(index=1, basis=0, contract_price=1, outside=1),
            "does not depend on outside",
        ),
        (
            lambda: venues.get("binance_usdm").mark_price(index=1, basis=0, contract_price=1),
            "needs last_rate=, hours_left=",
        ),
        (
            lambda: LIQUID.mark_price(index=1, basis=0, outside=1),
            "needs contract_price=",
        ),
        (
            lambda: LIQUID.adl_ranking(side=[1], unrealized_pnl=[1], collateral=[1], margin_ratio=[1]),
            "takes mark, entry_price, notional, account_value",
        ),
        (
            lambda: venues.get("bybit").adl_ranking(
                side=[1], mark=[1], entry_price=[1], notional=[1], account_value=[1]
            ),
            "takes unrealized_pnl, collateral, margin_ratio",
        ),
        (lambda: LIQUID.average_basis(samples=[]), "at least one value"),
    ],
)
def test_what_the_venue_does_not_have_is_refused(ask, message):
    with pytest.raises(VenueError, match=message):
        ask()


def test_is_cooling_is_refused_where_nothing_cools():
    rules = venues.get("binance_usdm", as_of="2024-11-01")
    position = venues.Position("BTC/USDT:USDT", quantity=1, entry_price=60_000)
    account = venues.Account(rules, balances={"USDT": 100}, positions=[position])
    with pytest.raises(VenueError, match="has no cooldown"):
        rules.liquidation_steps(
            account=account, symbol="BTC/USDT:USDT", marks={"BTC/USDT:USDT": 60_000}, is_cooling=True
        )


# Whole tables, many accounts


@given(st.data())
def test_the_liquidation_price_is_where_equity_meets_maintenance(data):
    """Of random cross accounts under the shipped tables of several coins."""
    symbols = data.draw(st.permutations([BTC, ETH, "SOL/USDC:USDC", "OP/USDC:USDC"]))[: data.draw(st.integers(1, 3))]
    rules = venues.get("hyperliquid", as_of="2025-06-01")
    marks = {symbol: 10 ** data.draw(st.floats(0, 5)) for symbol in symbols}
    values = {symbol: 10 ** data.draw(st.floats(4, 9)) for symbol in symbols}
    pool = PoolBox(sum(values.values()) * data.draw(st.floats(0.01, 2)))
    for symbol in symbols:
        quantity = values[symbol] / marks[symbol] * data.draw(st.sampled_from([1, -1]))
        entry = marks[symbol] * data.draw(st.floats(0.7, 1.3))
        pool.add(rules.box(symbol), quantity=quantity, entry_price=entry, mark=marks[symbol], leverage=3)
    before = pool.risk()
    price = pool.leg(0).liquidation_price
    low, high = (price * 0.999, price * 1.001) if price else (marks[symbols[0]] * 1e-3, marks[symbols[0]] * 1e3)

    def surplus(mark):
        pool.set_mark(0, mark)
        risk = pool.risk()
        return (risk.equity - risk.maintenance) / (before.notional + risk.notional)

    if price is None:
        assert surplus(low) * surplus(high) >= 0
        return
    assert surplus(low) * surplus(high) <= 0
    for _ in range(80):
        middle = (low + high) / 2
        if surplus(low) * surplus(middle) <= 0:
            high = middle
        else:
            low = middle
    assert price == pytest.approx((low + high) / 2, rel=1e-9)
