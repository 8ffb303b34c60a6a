"""dYdX Chain: facts of genesis, margins that follow open interest, sliced closing, votes; refusals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import venues
from venues.errors import VenueError
from venues.instrument import Instrument, Tier
from venues.pool import PoolBox
from venues.premium_votes import clamp_ppm, hour_premium, impact_price, minute_sample, premium_vote

BTC, ETH, SOL = "BTC/USDC:USDC", "ETH/USDC:USDC", "SOL/USDC:USDC"
DYDX = venues.get("dydx")
GENESIS = venues.get("dydx", as_of="2024-06-01")


# Facts


def test_instruments_are_those_of_the_first_block():
    assert {row.source for rows in DYDX.facts.instruments.values() for row in rows} == {"genesis"}


@pytest.mark.parametrize(
    ("symbol", "tick", "lot", "leverage", "maintenance", "bound"),
    [
        (BTC, 1.0, 0.0001, 20, 0.03, 0.12),
        (ETH, 0.1, 0.001, 20, 0.03, 0.12),
        (SOL, 0.01, 0.1, 10, 0.05, 0.3),
        ("MKR/USDC:USDC", 1.0, 0.001, 5, 0.1, 0.6),
        ("PEPE/USDC:USDC", 1e-10, 1e7, 10, 0.05, 0.3),
    ],
)
def test_markets_of_genesis_have_their_steps_tiers_and_clamps(symbol, tick, lot, leverage, maintenance, bound):
    """The last figure: the 8-hour rate is at most 6 x (IMF - MMF), BTC 12 %."""
    instrument = GENESIS.instrument(symbol)
    assert (instrument.tick_size, instrument.lot_size) == (tick, lot)
    (tier,) = GENESIS.tiers(symbol)
    assert (tier.max_leverage, tier.maintenance_rate) == (pytest.approx(leverage), pytest.approx(maintenance))
    rate = GENESIS.funding_rate(symbol=symbol, premium=1.0)
    assert rate * 8 == pytest.approx(bound)
    assert GENESIS.funding_rate(symbol=symbol, premium=-0.008) == pytest.approx(-0.001)


def test_the_present_tiers_are_dated_and_unverified():
    assert DYDX.tiers(BTC)[0].max_leverage == pytest.approx(50)
    assert DYDX.tiers(BTC)[0].maintenance_rate == pytest.approx(0.012)
    assert (GENESIS.interest_caps(SOL), DYDX.interest_caps(SOL)) == ((0, 0), (40e6, 100e6))
    assert DYDX.interest_caps(BTC) == (0, 0)
    assert any(text.startswith("interest_caps SOL") for text in DYDX.unverified)


def test_fees_are_rounded_up_to_a_millionth_and_rebates_too():
    first = venues.get("dydx", as_of="2023-12-01")
    fills = [first.fee(symbol=BTC, quantity=0.0001, price=33_333, is_maker=maker) for maker in (False, True)]
    assert [float(fee) for fee in fills] == [0.001667, -0.000366]
    assert first.level_of_volume(30e6) == "tier4"
    assert first.fees("tier4", symbol=BTC) == (-0.00011, 0.00035)
    assert GENESIS.fees("tier3", symbol=BTC) == (0.00005, 0.0004)
    assert GENESIS.fees("tier9", symbol=BTC).taker == 0.00025


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: venues.Venue("dydx", balances={"USDC": 1}, margin_mode="isolated"), "has margin_mode cross only"),
        (lambda: venues.Venue("dydx", balances={"USDC": 1}, position_mode="hedge"), "has position_mode one_way only"),
        (
            lambda: venues.Account(
                DYDX,
                margin_mode="isolated",
                positions=[venues.Position(BTC, quantity=1, entry_price=1, isolated_wallet=1)],
            ),
            "has margin_mode cross only",
        ),
        (lambda: venues.Venue("dydx", balances={"USDC": 1}, collateral="multi"), "has no multi-assets mode"),
        (lambda: DYDX.mark_rules(), "has no mark price formula"),
        (
            lambda: DYDX.adl_ranking(side=[1], unrealized_pnl=[1], collateral=[1], margin_ratio=[1]),
            "has no ranking for auto-deleveraging",
        ),
        (lambda: DYDX.auto_exchange(deficit=1, ratio=0.9), "has no auto-exchange"),
        (lambda: GENESIS.tiers("NEW/USDC:USDC"), "no tiers of NEW/USDC:USDC"),
        (lambda: DYDX.box(BTC).set_interest_caps(2, 1), "must ascend"),
        (lambda: premium_vote(index=1, impact_notional=0, bids=[(2, 1)]), "notional must be above 0"),
        (lambda: premium_vote(index=1, impact_notional=1, bids=[(2, 0)]), "a price and a quantity above 0"),
        (lambda: minute_sample([], least=0), "at least one vote"),
        (lambda: hour_premium([0] * 61), "60 samples, got 61"),
    ],
)
def test_what_the_chain_has_not_is_refused(ask, message):
    with pytest.raises(VenueError, match=message):
        ask()


# Votes


def test_missing_votes_are_zeros():
    """Seven votes of 100 are a minority of fifteen; eight are not. An hour's missing samples count as zeros too."""
    assert minute_sample([100] * 7) == 0
    assert minute_sample([100] * 8) == 100
    assert minute_sample([-3, -2], least=0) == -2
    assert hour_premium([600] * 30) == 300
    assert hour_premium([-7]) == 0


def test_a_vote_is_zero_inside_the_spread_without_depth_or_across_the_index():
    book = {"bids": [(99, 1)], "asks": [(101, 1)]}
    assert premium_vote(index=100, impact_notional=50, **book) == 0
    assert premium_vote(index=98, impact_notional=100, **book) == 0
    assert impact_price(book["bids"], 100) is None
    deep = {"bids": [(99, 0.1), (90, 10)]}
    assert premium_vote(index=98, impact_notional=500, **deep) == 0
    assert premium_vote(index=90, impact_notional=50, bids=[(99, 1)]) == 100_000
    bound = clamp_ppm(60_000_000, initial=1_000, maintenance_fraction=500_000)
    assert premium_vote(index=90, impact_notional=50, bids=[(99, 1)], bound=bound) == 30_000


# Margin


def test_equity_equal_to_maintenance_is_safe():
    """1 BTC at 50,000 asks for 1,500; with 1,500.01 and 1,500 left nothing happens, with 1,499.99 a slice of 0.1."""
    for wallet, slices in ((1_500.01, 0), (1_500, 0), (1_499.99, 1)):
        position = venues.Position(BTC, quantity=1, entry_price=50_000, leverage=20)
        account = venues.Account(GENESIS, balances={"USDC": wallet}, positions=[position])
        steps = GENESIS.liquidation_steps(account=account, symbol=BTC, marks={BTC: 50_000})
        assert [step.kind for step in steps] == ["cancel_orders", "reduce"][: 2 * slices]
        if slices:
            assert steps[1].quantity == 0.1
            # 1.5 % of 5,000 caps the surplus of 149.999
            assert steps[1].fee == pytest.approx(75)


def test_a_large_position_is_closed_in_slices_until_it_is_sound():
    """3 BTC at 50,000 with 4,000 of 4,500: each slice takes a tenth, 1.5 % of it goes to the fund."""
    position = venues.Position(BTC, quantity=3, entry_price=50_000, leverage=20)
    account = venues.Account(GENESIS, balances={"USDC": 4_000}, positions=[position])
    steps = GENESIS.liquidation_steps(account=account, symbol=BTC, marks={BTC: 50_000})[1:]
    assert [step.quantity for step in steps] == [0.3, 0.27, 0.243]
    assert [step.fee for step in steps] == pytest.approx([225, 202.5, 182.25])
    left = 3 - 0.3 - 0.27
    assert left * 50_000 * 0.03 > 4_000 - 427.5
    assert (left - 0.243) * 50_000 * 0.03 <= 4_000 - 609.75


def test_at_zero_equity_a_slice_may_cost_four_and_a_half_percent():
    pool = PoolBox(0.0)
    pool.add(GENESIS.box(BTC), quantity=1, entry_price=50_000, mark=50_000, leverage=20)
    assert pool.fillable_price(0, adjustment=1, spread=1.5) == pytest.approx(50_000 * 0.955)


def test_open_interest_raises_initial_margin_only():
    """SOL at 20x: from 5 % at 40 million to 100 % at 100; half way 52.5 %."""
    box = DYDX.box(SOL)
    found = []
    for interest in (0, 400_000, 700_000, 1_000_000, 2_000_000):
        box.set_open_interest(interest)
        pool = PoolBox(10_000)
        pool.add(box, quantity=10, entry_price=100, mark=100, leverage=20, bids=500, asks=100)
        leg = pool.leg(0)
        assert leg.maintenance == pytest.approx(30)
        found.append((leg.initial, pool.risk().orders))
    assert found == [pytest.approx(pair) for pair in [(50, 25), (50, 25), (525, 262.5), (1000, 500), (1000, 500)]]
    pool = PoolBox(10_000)
    pool.add(box, quantity=10, entry_price=100, mark=1, leverage=20)
    assert pool.leg(0).initial == pytest.approx(10 * 0.05)


@st.composite
def subaccounts(draw):
    """Draw a subaccount of one to four markets, sound or near its end."""
    rules = draw(st.sampled_from([GENESIS, DYDX]))
    legs, total = [], 0.0
    for base in draw(st.permutations(["BTC", "SOL", "PEPE", "MKR"]))[: draw(st.integers(1, 4))]:
        symbol = f"{base}/USDC:USDC"
        mark = {"BTC": 60_000, "SOL": 150, "PEPE": 1e-5, "MKR": 1_500}[base] * draw(st.floats(0.5, 2))
        value = 10 ** draw(st.floats(2, 6))
        box = rules.box(symbol)
        box.set_open_interest(draw(st.sampled_from([0, 5e7, 2e8])) / mark)
        most = rules.tiers(symbol)[0].max_leverage
        leg = {
            "quantity": value / mark * draw(st.sampled_from([1, -1])),
            "entry_price": mark * draw(st.floats(0.7, 1.4)),
            "mark": mark,
            "leverage": draw(st.floats(1, most)),
        }
        legs.append((box, leg))
        total += value
    pool = PoolBox(total * draw(st.floats(-0.2, 1.5)))
    for box, leg in legs:
        pool.add(box, **leg)
    return pool


def surplus(pool):
    risk = pool.risk()
    return risk.equity - risk.maintenance


def gross(pool):
    risk = pool.risk()
    return abs(pool.wallet) + abs(risk.unrealized) + risk.notional


@given(subaccounts())
def test_the_liquidation_price_is_the_root_that_bisection_finds(pool):
    price, here = pool.leg(0).liquidation_price, surplus(pool)
    mark = pool.leg(0).notional / abs(pool.quantity(0))
    loses_down = pool.quantity(0) > 0
    # equity less maintenance is one straight line in the price: away from zero it has its only root on one side
    goes_down = loses_down == (here > 0)
    low, high = (mark * 1e-9, mark) if goes_down else (mark, mark * 1e9)
    signs = []
    for end in (low, high):
        pool.set_mark(0, end)
        signs.append(surplus(pool) > 0)
    if signs[0] == signs[1]:
        assert price is None or not low < price < high or abs(here) <= 1e-9 * gross(pool)
        return
    for _ in range(200):
        middle = (low + high) / 2
        pool.set_mark(0, middle)
        low, high = (middle, high) if (surplus(pool) > 0) == signs[0] else (low, middle)
    pool.set_mark(0, mark)
    slope = abs(pool.quantity(0)) * 0.8
    assert price == pytest.approx(low, rel=1e-9, abs=1e-12 * gross(pool) / slope)


@given(subaccounts(), st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_within_its_bands_and_slack_a_subaccount_is_safe(pool, shares):
    slack, bands = pool.slack(1.0)
    if slack <= 0.0:
        assert surplus(pool) <= 1e-6 * gross(pool)
        return
    spent = 0.0
    for row, (low, high, down, up) in enumerate(bands):
        mark = pool.leg(row).notional / abs(pool.quantity(row))
        high = min(high, mark * 1e3)
        price = max(low, mark * 1e-3) * (1 - shares[row]) + high * shares[row]
        spent += down * (mark - price) if price < mark else up * (price - mark)
        pool.set_mark(row, price)
    if spent < slack:
        assert surplus(pool) > 0.0


@given(subaccounts())
def test_closing_everything_at_bankruptcy_leaves_nothing(pool):
    """Each leg takes equity in proportion to its maintenance, so all of them take all of it."""
    cash = pool.wallet
    for row in range(len(pool)):
        leg = pool.leg(row)
        cash += leg.unrealized - leg.notional * (1 if pool.quantity(row) > 0 else -1)
        cash += pool.bankruptcy_value(row, quantity=abs(pool.quantity(row)))
    assert cash == pytest.approx(0, abs=1e-9 * gross(pool))


@given(subaccounts(), st.floats(1.0, 3.0))
def test_requirements_grow_with_the_price_and_initial_margin_is_never_below_maintenance(pool, factor):
    before = [pool.leg(row) for row in range(len(pool))]
    for row, leg in enumerate(before):
        assert leg.initial >= leg.maintenance * (1 - 1e-12)
        pool.set_mark(row, leg.notional / abs(pool.quantity(row)) * factor)
        after = pool.leg(row)
        assert after.maintenance == pytest.approx(leg.maintenance * factor)
        assert after.initial >= leg.initial * (1 - 1e-12)


def test_an_instrument_of_the_user_stands_alone_where_it_says_so():
    mine = Instrument(
        "NEW/USDC:USDC",
        contract="linear",
        is_alone=True,
        tiers=[Tier(floor=0, maintenance_rate=0.03, max_leverage=20)],
    )
    assert GENESIS.with_instrument(mine).instrument("NEW/USDC:USDC").is_alone
    with pytest.raises(VenueError, match=r"funding_decimals must be in \[0, 18\]"):
        Instrument("NEW/USDC:USDC", contract="linear", funding_decimals=19)
