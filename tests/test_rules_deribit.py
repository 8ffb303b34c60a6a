"""Deribit: margins that grow with the square of the size, what it does not have."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import venues
from venues.contract import ContractBox
from venues.errors import VenueError
from venues.instrument import Instrument, MarginRules, Tier
from venues.pool import PoolBox

DERIBIT = venues.get("deribit")
INVERSE = "BTC/USD:BTC"


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: DERIBIT.default_instrument("BTC/USD:BTC-220429-36000-P"), "is an option; options are not built"),
        (lambda: DERIBIT.default_instrument("BTC/USD:BTC-260626-10000-C"), "is an option; options are not built"),
        (lambda: DERIBIT.collateral_value(asset="BTC", amount=1, price=100_000), "deribit has no multi-assets mode"),
        (lambda: venues.Venue("deribit", balances={"BTC": 1}, margin_mode="isolated"), "margin_mode cross only"),
        (lambda: venues.Venue("deribit", balances={"BTC": 1}, position_mode="hedge"), "position_mode one_way only"),
        (lambda: venues.Venue("deribit", balances={"BTC": 1}, leverage=10), "has no leverage setting"),
        (lambda: venues.Account(DERIBIT, margin_mode="isolated"), "margin_mode cross only"),
        (lambda: DERIBIT.adl_ranking(side=[], unrealized_pnl=[], collateral=[], margin_ratio=[]), "has no ranking"),
        (lambda: DERIBIT.nearest_tiers("DOGE/USDC:USDC"), "no other table stands in for that of DOGE"),
        (lambda: DERIBIT.default_instrument("BTC/USDC"), "write BTC/USDC:USDC"),
    ],
    ids=["1", "3", "6", "isolated", "hedge", "leverage", "account", "adl", "nearest", "spot"],
)
def test_what_is_not_built_is_refused(ask, message):
    """Cases 1, 3, 5b, 6 and 9 (options, portfolio margin) and the rest of what the rule book lacks."""
    with pytest.raises(VenueError, match=message):
        ask()


# Facts


def test_fees_margins_and_liquidation_fees_follow_their_dates():
    takers = [DERIBIT.fees(at=day).taker for day in ("2018-06-01", "2025-06-01")]
    assert takers == [0.00075, 0.0005]
    rates = [DERIBIT.tiers(INVERSE, day)[0].maintenance_rate for day in ("2017-06-01", "2019-06-01", "2024-06-01")]
    assert rates == [0.05, 0.00575, 0.01]
    assert [DERIBIT.clearance_fee("ETH/USD:ETH", day) for day in ("2018-06-01", "2019-06-01", "2025-06-01")] == [
        0.00375, 0.009, 0.0075,
    ]  # fmt: skip


def test_a_mark_is_the_index_and_the_average_basis_within_a_bound():
    assert DERIBIT.mark_price(index=100, basis=0.5) == pytest.approx(100.5)
    assert DERIBIT.mark_price(index=100, basis=-7) == pytest.approx(99)


# Arithmetic


def box(contract="inverse", *, initial=0.02, maintenance=0.01, size_rate=0.00005, coin="X", linear="mark"):
    """Return a contract that follows Deribit's margin rules."""
    symbol = f"{coin}/USD:{coin}" if contract == "inverse" else f"{coin}/USDC:USDC"
    tier = Tier(floor=0, maintenance_rate=maintenance, max_leverage=1 / initial, size_rate=size_rate)
    instrument = Instrument(symbol, contract=contract, tiers=[tier], maker_fee=0, taker_fee=0)
    assets = {asset: row for row, asset in enumerate(("X", "Y", "Z", "USD", "USDC"))}
    return ContractBox(
        instrument,
        index=0,
        assets=assets,
        price_scale=4,
        quantity_scale=4,
        margin=MarginRules(initial="tier", linear=linear),
    )


@st.composite
def pools(draw, contracts=1, linear="mark"):
    """Draw a cross pool of one or several contracts whose rates grow with their size, and its marks."""
    contract = draw(st.sampled_from(["linear", "inverse"]))
    legs, total = [], 0.0
    for coin in "XYZ"[: draw(st.integers(1, contracts))]:
        mark, coins = 10 ** draw(st.floats(0, 4.5)), 10 ** draw(st.floats(-1, 3.5))
        size_rate = draw(st.sampled_from([0.0, 1e-6, 5e-5, 1e-3]))
        sign = draw(st.sampled_from([1, -1]))
        maintenance = draw(st.sampled_from([0.005, 0.01, 0.02]))
        one = box(contract, maintenance=maintenance, size_rate=size_rate, coin=coin, linear=linear)
        quantity = sign * (coins if contract == "linear" else coins * mark)
        conversion = draw(st.sampled_from([1.0, 0.5]))
        entry, index = (mark * math.exp(draw(st.floats(-far, far))) for far in (0.2, 0.02))
        legs.append((one, quantity, entry, mark, conversion, index))
        total += (coins * mark if contract == "linear" else coins) * conversion
    pool = PoolBox(total * draw(st.floats(0.01, 1.5)))
    for one, quantity, entry, mark, conversion, index in legs:
        more = {"leverage": 50, "conversion": conversion, "index": index}
        pool.add(one, quantity=quantity, entry_price=entry, mark=mark, **more)
    return pool, [leg[3] for leg in legs]


def surplus(pool):
    risk = pool.risk()
    return risk.equity - risk.maintenance


def roots(pool, row, mark):
    """Return the marks around the present one where the surplus changes its sign, by bisection on the pool itself."""
    grid = [mark * math.exp(step / 200 * 9) for step in range(-200, 201)]
    found = []
    for low, high in pairwise(grid):
        pool.set_mark(row, low)
        below = surplus(pool) > 0
        pool.set_mark(row, high)
        if (surplus(pool) > 0) == below:
            continue
        for _ in range(80):
            middle = 0.5 * (low + high)
            pool.set_mark(row, middle)
            low, high = (middle, high) if (surplus(pool) > 0) == below else (low, middle)
        found.append(low)
    pool.set_mark(row, mark)
    return found


@given(pools(contracts=3, linear="index"))
def test_the_liquidation_price_is_the_nearest_root_that_bisection_finds(drawn):
    pool, marks = drawn
    for row, mark in enumerate(marks):
        price = pool.leg(row).liquidation_price
        nearest = min(roots(pool, row, mark), key=lambda root: abs(root - mark), default=None)
        if price is not None:
            scale = pool.risk().notional
            pool.set_mark(row, price)
            assert surplus(pool) == pytest.approx(0, abs=1e-9 * max(scale, pool.risk().notional))
            pool.set_mark(row, mark)
        if nearest is not None:
            assert price is not None
            # two roots may lie inside one step of the search
            assert abs(price - mark) <= abs(nearest - mark) * (1 + 1e-9)


@given(pools(contracts=3), st.lists(st.floats(-1, 1), min_size=3, max_size=3))
def test_within_its_bands_a_pool_is_safe(drawn, moves):
    pool, marks = drawn
    slack, bands = pool.slack(1.0)
    if slack <= 0.0:
        assert surplus(pool) <= 1e-6 * pool.risk().notional
        return
    spent = 0.0
    for row, (low, high, down, up) in enumerate(bands):
        mark, high = marks[row], min(high, 1e3 * marks[row])
        to = mark + (high - mark) * moves[row] if moves[row] > 0 else mark + (mark - max(low, mark / 1e3)) * moves[row]
        spent += down * (mark - to) if to < mark else up * (to - mark)
        pool.set_mark(row, to)
    if spent < slack:
        assert surplus(pool) > 0.0


@given(pools(linear="index"))
def test_a_reduction_is_just_enough(drawn):
    pool, (price,) = drawn
    needed = pool.reduction(0, price=price, fee_rate=0.0)
    size = abs(pool.quantity(0))
    if surplus(pool) > 0:
        assert needed == 0.0
        return
    if pool.risk().equity <= 0.0:
        assert needed == size
        return
    pool.close(0, quantity=needed, price=price, fee=0.0)
    assert surplus(pool) == pytest.approx(0, abs=1e-8 * size * max(price, 1))


@given(st.sampled_from(["linear", "inverse"]), st.floats(1, 1e5), st.floats(1.0001, 3))
def test_requirements_grow_with_the_position_without_a_leap(contract, size, times):
    one = box(contract)
    found = []
    for quantity in (size, size * 1.000001, size * times):
        pool = PoolBox(1.0)
        pool.add(one, quantity=quantity, entry_price=50.0, mark=50.0, leverage=50)
        found.append((pool.risk().initial, pool.risk().maintenance))
    for which in range(2):
        assert found[0][which] < found[1][which] < found[2][which] or times <= 1.000001
        assert found[1][which] == pytest.approx(found[0][which], rel=1e-5)


def test_orders_reserve_what_they_would_add_to_the_margin_of_the_whole():
    """10 coins at 1,000 held, 10 more bid: 20,000 x (2 % + 0.1 %) less 10,000 x (2 % + 0.05 %)."""
    pool = PoolBox(1000.0)
    pool.add(box("linear"), quantity=10, entry_price=1000, mark=1000, leverage=50, bids=10_000)
    assert pool.risk().orders == pytest.approx(20_000 * 0.021 - 10_000 * 0.0205)


def test_linear_margins_are_those_of_the_index_and_profit_that_of_the_mark():
    """10 coins, mark 1,000, index 990: 9,900 x (2 % + 0.05 %) and x (1 % + 0.05 %); an inverse one has no index."""
    pool = PoolBox(1000.0)
    pool.add(box("linear", linear="index"), quantity=10, entry_price=900, mark=1000, leverage=50, index=990)
    risk = pool.risk()
    assert (risk.initial, risk.maintenance) == (pytest.approx(9_900 * 0.0205), pytest.approx(9_900 * 0.0105))
    assert risk.unrealized == pytest.approx(1_000)
    assert pool.slack(1.0) == (0.0, [])
    inverse = PoolBox(1.0)
    inverse.add(box(linear="index"), quantity=1000, entry_price=900, mark=1000, leverage=50, index=990)
    assert inverse.risk().initial == pytest.approx(1 * (0.02 + 0.00005))


def test_a_table_whose_rates_grow_with_coins_has_one_row():
    rows = [
        Tier(floor=0, maintenance_rate=0.01, max_leverage=50, size_rate=1e-5),
        Tier(floor=100, maintenance_rate=0.02, max_leverage=25, size_rate=1e-5),
    ]
    with pytest.raises(VenueError, match="size_rate needs a table of one row, got 2 rows"):
        Instrument("X/USDC:USDC", contract="linear", tiers=rows)
