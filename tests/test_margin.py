"""Margin of a pool: risk, bands, prices of liquidation and bankruptcy, reduction."""

import math
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from margin_cases import FLAT, Drawn, accounts, box, gross, surplus, table

from venues.errors import VenueError
from venues.pool import PoolBox

MANY = table([(0, 0.004), (50_000, 0.005), (250_000, 0.01), (1_000_000, 0.05)])
SCAN = 900  # steps of one per cent: prices from a ten-thousandth to ten thousand times the mark


def one_leg(contract="linear", *, quantity, entry=100.0, mark=100.0, wallet=1000.0, tiers=MANY, size=1.0, **leg):
    pool = PoolBox(wallet)
    pool.add(box(contract, tiers, size=size), quantity=quantity, entry_price=entry, mark=mark, **leg)
    return pool


def pool_at(drawn: Drawn, row: int, price: float) -> PoolBox:
    pool = drawn.pool()
    pool.set_mark(row, price)
    return pool


def scanned_roots(drawn: Drawn, row: int, value) -> list[float]:
    """Prices of a leg at which `value(pool)` changes sign, the nearest on each side of the mark, by bisection."""
    mark = drawn.legs[row].mark
    here = value(drawn.pool()) > 0.0
    roots = []
    for direction in (1.0, -1.0):
        last = mark
        for step in range(1, SCAN):
            price = mark * math.exp(direction * step * 0.01)
            if (value(pool_at(drawn, row, price)) > 0.0) != here:
                low, high = last, price
                for _ in range(80):
                    middle = 0.5 * (low + high)
                    if (value(pool_at(drawn, row, middle)) > 0.0) == here:
                        low = middle
                    else:
                        high = middle
                roots.append(low)
                break
            last = price
    return roots


def border_prices(leg) -> list[float]:
    """Prices at which a leg's notional stands at a floor of its table."""
    per_price = abs(leg.quantity) * leg.box.instrument.contract_size
    floors = [row.floor for row in leg.box.tiers.rows[1:]]
    if leg.box.instrument.contract == "inverse":
        return [per_price / floor for floor in floors]
    return [floor / per_price for floor in floors]


# Requirement


@given(accounts(), st.sampled_from([1.0, 3.0, 25.0, 125.0]))
def test_maintenance_does_not_depend_on_the_leverage_set_b01(drawn, leverage):
    """B01: neither maintenance nor the liquidation price changes with the chosen leverage; initial margin does."""
    as_set, other = drawn.pool(leverage=1.0), drawn.pool(leverage=leverage)
    assert other.risk().maintenance == as_set.risk().maintenance
    assert other.leg(0).liquidation_price == as_set.leg(0).liquidation_price
    assert other.risk().initial == pytest.approx(as_set.risk().initial / leverage)


def test_the_requirement_is_marked_again_at_each_mark_b02():
    """B02: 10 coins bought at 100: 0.5 % of 1,200 at mark 120 and of 900 at mark 90, whatever the entry."""
    pool = one_leg(quantity=10.0, tiers=FLAT)
    needed = []
    for mark in (100.0, 120.0, 90.0):
        pool.set_mark(0, mark)
        needed.append(pool.risk().maintenance)
    assert needed == pytest.approx([5.0, 6.0, 4.5])


@given(st.floats(0.0, 1e9))
def test_the_tier_comes_from_the_notional_not_from_the_collateral_b04(wallet):
    """B04: a rich and a poor account need the same for the same position."""
    risk = one_leg(quantity=1000.0, wallet=wallet).risk()
    assert risk.maintenance == pytest.approx(50_000 * 0.004 + 50_000 * 0.005)


@pytest.mark.parametrize(
    ("quantity", "mark", "profit"),
    [(10.0, 120.0, 200.0), (10.0, 90.0, -100.0), (-10.0, 120.0, -200.0), (-10.0, 90.0, 100.0)],
)
def test_profit_of_other_positions_has_its_sign_and_present_mark_b05(quantity, mark, profit):
    """B05: in cross the others' unrealized profit is signed, and taken at their mark of now."""
    pool = PoolBox(1000.0)
    pool.add(box("linear", FLAT, coin="A"), quantity=1.0, entry_price=500.0, mark=500.0)
    other = pool.add(box("linear", FLAT, coin="B"), quantity=quantity, entry_price=100.0, mark=100.0)
    pool.set_mark(other, mark)
    assert pool.risk().equity == pytest.approx(1000.0 + profit)
    # 500 - (wallet + profit - maintenance of the other) / 0.995 per coin, for a long of one coin at a flat 0.5 %
    room = 1000.0 + profit - 10.0 * mark * 0.005
    expected = (500.0 - room) / 0.995
    found = pool.leg(0).liquidation_price
    assert found == (pytest.approx(expected) if expected > 0.0 else None)


def test_maintenance_of_other_positions_is_inside_the_distance_b06():
    """B06: a second position without profit moves the liquidation price by its maintenance."""
    alone = one_leg(quantity=10.0, wallet=400.0, tiers=FLAT)
    both = one_leg(quantity=10.0, wallet=400.0, tiers=FLAT)
    both.add(box("linear", FLAT, coin="B"), quantity=100.0, entry_price=50.0, mark=50.0)
    nearer = both.leg(0).liquidation_price - alone.leg(0).liquidation_price
    assert nearer == pytest.approx(100.0 * 50.0 * 0.005 / (10.0 * 0.995))


def test_a_short_at_leverage_one_can_be_liquidated_b10():
    """B10: 1 coin sold at 100 against 100 of margin ends at (100 + 100) / 1.005."""
    pool = one_leg(quantity=-1.0, wallet=100.0, tiers=FLAT, leverage=1.0)
    price = pool.leg(0).liquidation_price
    assert price == pytest.approx(200.0 / 1.005)
    pool.set_mark(0, price * 1.0001)
    assert surplus(pool.risk()) < 0.0


def test_a_coin_hedged_by_its_own_inverse_short_has_no_liquidation_price():
    """1 BTC with 600 x 100 USD short at 60,000 is worth 60,000 USD at any mark."""
    pool = one_leg("inverse", quantity=-600.0, entry=60_000.0, mark=60_000.0, wallet=1.0, tiers=FLAT, size=100.0)
    for mark in (30_000.0, 60_000.0, 90_000.0):
        pool.set_mark(0, mark)
        assert pool.risk().equity * mark == pytest.approx(60_000.0)
        assert pool.leg(0).liquidation_price is None
        assert pool.leg(0).bankruptcy_price is None


def test_inverse_profit_and_margin_are_in_coin_b22():
    """B22: 600 contracts of 100 USD from 60,000 to 75,000: +0.2 coin, notional 0.8 coin, 0.5 % of it."""
    risk = one_leg("inverse", quantity=600.0, entry=60_000.0, mark=75_000.0, wallet=1.0, tiers=FLAT, size=100.0).risk()
    assert (risk.unrealized, risk.notional, risk.maintenance) == pytest.approx((0.2, 0.8, 0.004))


@given(accounts(), st.sampled_from([0.01, 10.0, 1000.0]))
def test_a_contract_multiplier_is_in_profit_margin_and_notional_b24(drawn, factor):
    """B24: contracts of a size k times as large, k times fewer: the same account."""
    pool = PoolBox(drawn.wallet)
    for leg in drawn.legs:
        instrument = leg.box.instrument
        larger = box(
            instrument.contract, list(instrument.tiers), coin=instrument.base, size=instrument.contract_size * factor
        )
        pool.add(
            larger,
            quantity=leg.quantity / factor,
            entry_price=leg.entry_price,
            mark=leg.mark,
            side=leg.side,
            conversion=leg.conversion,
        )
    got, expected = pool.risk(), drawn.pool(leverage=1.0).risk()
    assert tuple(got) == pytest.approx(tuple(expected), rel=1e-9, abs=1e-12 * gross(drawn))


@given(accounts(), st.floats(0.01, 100.0))
def test_scaling_quantities_wallet_and_tiers_scales_the_account(drawn, factor):
    pool = PoolBox(drawn.wallet * factor)
    boxes = {}
    for leg in drawn.legs:
        instrument = leg.box.instrument
        if instrument.symbol not in boxes:
            rows = table((row.floor * factor, row.maintenance_rate) for row in instrument.tiers)
            boxes[instrument.symbol] = box(
                instrument.contract, rows, coin=instrument.base, size=instrument.contract_size
            )
        pool.add(
            boxes[instrument.symbol],
            quantity=leg.quantity * factor,
            entry_price=leg.entry_price,
            mark=leg.mark,
            side=leg.side,
            conversion=leg.conversion,
        )
    old, new = drawn.pool(leverage=1.0), pool
    tolerance = 1e-9 * gross(drawn) * factor
    assert new.risk().equity == pytest.approx(old.risk().equity * factor, abs=tolerance)
    assert new.risk().maintenance == pytest.approx(old.risk().maintenance * factor, abs=tolerance)


# Order margin: max(|position + bids|, |position - asks|) / leverage (binance.md section 3)


@pytest.mark.parametrize(
    ("quantity", "side", "bids", "asks", "margin"),
    [
        (10.0, 0, 500.0, 0.0, 50.0),
        (10.0, 0, 0.0, 500.0, 0.0),
        (10.0, 0, 0.0, 2500.0, 50.0),
        (10.0, 0, 300.0, 2100.0, 30.0),
        (-10.0, 0, 2500.0, 400.0, 50.0),
        (-10.0, 0, 0.0, 400.0, 40.0),
        (0.0, 0, 300.0, 400.0, 40.0),
        (10.0, 1, 500.0, 0.0, 50.0),
        (-10.0, -1, 0.0, 500.0, 50.0),
    ],
)
def test_open_orders_net_against_the_position(quantity, side, bids, asks, margin):
    pool = one_leg(quantity=quantity, side=side, bids=bids, asks=asks, leverage=10.0)
    assert pool.risk().orders == pytest.approx(margin)


def test_hedge_legs_reserve_for_their_own_orders_side_by_side():
    pool = PoolBox(1000.0)
    shared = box("linear", FLAT)
    pool.add(shared, quantity=10.0, entry_price=100.0, mark=100.0, leverage=10.0, side=1, bids=500.0)
    pool.add(shared, quantity=-10.0, entry_price=100.0, mark=100.0, leverage=10.0, side=-1, asks=300.0)
    assert pool.risk().orders == pytest.approx(80.0)
    assert pool.risk().initial == pytest.approx(200.0)


def test_the_loss_that_orders_start_with_is_reserved_whole():
    pool = one_leg(quantity=0.0, bids=1000.0, open_loss=7.0, leverage=10.0)
    assert pool.risk().orders == pytest.approx(107.0)


# Prices


@given(accounts(contracts=3, may_jump=True), st.data())
def test_the_liquidation_price_is_the_nearest_bisection_root(drawn, data):
    find_the_nearest_root(drawn, data.draw(st.integers(0, len(drawn.legs) - 1)))


def find_the_nearest_root(drawn: Drawn, row: int) -> None:
    """Equity - maintenance changes sign there, and nowhere nearer; no price where it changes sign nowhere."""
    roots = scanned_roots(drawn, row, lambda pool: surplus(pool.risk()))
    mark = drawn.legs[row].mark
    price = drawn.pool().leg(row).liquidation_price
    assume(all(abs(root / mark - 1.0) > 1e-9 for root in roots))
    if not roots:
        assert price is None or abs(math.log(price / mark)) > SCAN * 0.0099
    else:
        assert price == pytest.approx(min(roots, key=lambda root: abs(root - mark)), rel=1e-8)


@given(accounts(contracts=3), st.data())
def test_the_bankruptcy_price_is_where_equity_is_zero(drawn, data):
    row = data.draw(st.integers(0, len(drawn.legs) - 1))
    price = drawn.pool().leg(row).bankruptcy_price
    if price is not None:
        pool = pool_at(drawn, row, price)
        # a price rounded to 53 bits leaves the rounding of a notional at that price
        tolerance = 1e-9 * (gross(drawn) + pool.risk().notional)
        assert pool.risk().equity == pytest.approx(0.0, abs=tolerance)
    else:
        assert not scanned_roots(drawn, row, lambda pool: pool.risk().equity)


@given(accounts())
def test_hedge_legs_of_one_contract_share_their_prices(drawn):
    pool = drawn.pool()
    found = {}
    for row, leg in enumerate(drawn.legs):
        prices = (pool.leg(row).liquidation_price, pool.leg(row).bankruptcy_price)
        assert found.setdefault(leg.box.instrument.symbol, prices) == prices


@given(accounts())
def test_joint_bankruptcy_prices_leave_a_pool_worth_nothing(drawn):
    pool = drawn.pool()
    prices = [pool.joint_bankruptcy_price(row) for row in range(len(pool))]
    assume(None not in prices)
    worth = drawn.wallet
    for leg, price in zip(drawn.legs, prices, strict=True):
        alone = PoolBox(0.0)
        alone.add(leg.box, quantity=leg.quantity, entry_price=leg.entry_price, mark=price, side=leg.side)
        worth += alone.risk().equity * leg.conversion
    assert worth == pytest.approx(0.0, abs=1e-9 * gross(drawn))


def test_the_bracket_that_counts_is_the_one_at_the_liquidation_price():
    """A short that grows from the first into the second bracket on its way is solved in the second.

    At price p: 50,000 + 49,000 - 1000 p + 1000 p = wallet side ... solved by hand: 99,000 - 1000 p = 5 p - 50.
    """
    pool = one_leg(quantity=-1000.0, entry=49.0, mark=49.0, wallet=50_000.0)
    assert pool.leg(0).liquidation_price == pytest.approx(99_050.0 / 1005.0)


@pytest.mark.parametrize(("mark", "nearest"), [(90.0, 80.0), (130.0, 136.32)])
def test_of_two_liquidation_prices_the_nearer_counts(mark, nearest):
    """A hedge, 100 coins net long, that loses on the way down and whose requirement outgrows it on the way up.

    By hand: 3520 + 100 (p - 100) = 19 p at 80; with both legs beyond 120,000, 51,120 = 375 p at 136.32.
    """
    shared = box("linear", table([(0, 0.01), (120_000, 0.25)]))
    pool = PoolBox(3520.0)
    pool.add(shared, quantity=1000.0, entry_price=100.0, mark=mark, side=1)
    pool.add(shared, quantity=-900.0, entry_price=100.0, mark=mark, side=-1)
    assert pool.leg(0).liquidation_price == pytest.approx(nearest)


def test_a_table_that_jumps_over_equity_is_liquidated_at_its_border():
    """A rate on the whole position leaps from 1 % to 10 % at 10,000: equity lies between the two requirements there."""
    rows = table([(0, 0.01)])
    jumping = [*rows, type(rows[0])(floor=10_000, maintenance_rate=0.1, max_leverage=5, amount=0.0)]
    pool = one_leg(quantity=-100.0, entry=90.0, mark=90.0, wallet=1500.0, tiers=jumping)
    assert pool.leg(0).liquidation_price == pytest.approx(100.0)


# Bands


def decisions(drawn: Drawn, threshold: float, seed: int, steps: int) -> tuple[int, int]:
    """Walk the marks at random; return how often the bands answered, and how often they were wrong."""
    random = Random(seed)
    pool = drawn.pool()
    marks = [leg.mark for leg in drawn.legs]
    slack, bands = pool.slack(threshold)
    anchors = list(marks)
    answered = wrong = 0
    scale = random.choice([1e-4, 1e-3, 1e-2, 0.1])
    for _ in range(steps):
        row = random.randrange(len(marks))
        price = marks[row] * math.exp(random.gauss(0.0, scale))
        pool.set_mark(row, price)
        for other, leg in enumerate(drawn.legs):
            if leg.box is drawn.legs[row].box:
                marks[other] = price
        is_due = surplus(pool.risk(), threshold) <= 0.0
        spent = math.inf
        if slack > 0.0 and all(band[0] <= mark <= band[1] for band, mark in zip(bands, marks, strict=True)):
            spent = sum(
                band[2] * (anchor - mark) if mark < anchor else band[3] * (mark - anchor)
                for band, anchor, mark in zip(bands, anchors, marks, strict=True)
            )
        if spent < slack:
            answered += 1
            wrong += is_due
        else:
            slack, bands = pool.slack(threshold)
            anchors = list(marks)
    return answered, wrong


@given(accounts(may_jump=True), st.sampled_from([1.0, 0.8, 0.3]), st.data())
def test_no_price_inside_the_bands_loses_more_than_the_slopes_say(drawn, threshold, data):
    """The bound itself, at ends of bands, at borders of tiers and between: what is left >= slack - spent."""
    pool = drawn.pool()
    slack, bands = pool.slack(threshold)
    assume(slack > 0.0)
    assert all(low <= leg.mark <= high for (low, high, _, _), leg in zip(bands, drawn.legs, strict=True))
    shared = {}
    for (low, high, _, _), leg in zip(bands, drawn.legs, strict=True):
        name = leg.box.instrument.symbol
        ends = shared.get(name, (0.0, math.inf, []))
        borders = [floor for floor in border_prices(leg) if low <= floor <= high]
        shared[name] = (max(low, ends[0]), min(high, ends[1]), ends[2] + borders)
    spent = 0.0
    for row, (leg, (_, _, down, up)) in enumerate(zip(drawn.legs, bands, strict=True)):
        low, high, borders = shared[leg.box.instrument.symbol]
        low, high = max(low, leg.mark / 100.0), min(high, leg.mark * 100.0)
        if row == 0 or drawn.legs[row - 1].box is not leg.box:
            inside = [border * step for border in borders for step in (1.0 - 1e-9, 1.0 + 1e-9)]
            choices = [st.sampled_from([low, high, leg.mark]), st.floats(low, high)]
            choices += [st.sampled_from([price for price in inside if low <= price <= high] or [leg.mark])]
            price = data.draw(st.one_of(choices))
        pool.set_mark(row, price)
        spent += down * (leg.mark - price) if price < leg.mark else up * (price - leg.mark)
    left = surplus(pool.risk(), threshold)
    if len(shared) == 1:
        assert left > 0.0
    else:
        assert left >= slack - spent


@given(accounts(may_jump=True), st.sampled_from([1.0, 0.8, 0.5, 0.2]), st.integers(0, 2**32))
def test_inside_the_bands_the_threshold_is_never_met(drawn, threshold, seed):
    _, wrong = decisions(drawn, threshold, seed, 150)
    assert wrong == 0


@pytest.mark.parametrize("contract", ["linear", "inverse"])
def test_bands_answer_nearly_every_small_move(contract):
    """What they are for: far from the threshold a mark costs no look at the pool."""
    size = 1.0 if contract == "linear" else 100.0
    pool = PoolBox(1000.0 if contract == "linear" else 10.0)
    for coin, sign in (("A", 1.0), ("B", -1.0)):
        pool.add(box(contract, MANY, coin=coin, size=size), quantity=sign * 10.0, entry_price=100.0, mark=100.0)
    slack, bands = pool.slack(1.0)
    for low, high, down, up in bands:
        assert low < 95.0
        assert high > 105.0
        assert abs(down) + abs(up) < 0.1 * slack


def test_a_band_that_leaves_a_tier_is_solved_with_the_tier_it_enters():
    """1000 coins from 100: 40,240 + 1000 (60 - 100) = 0.4 % of 60,000, though at 100 the rate beyond 90,000 is 25 %."""
    pool = one_leg(quantity=1000.0, wallet=40_240.0, tiers=table([(0, 0.004), (90_000, 0.25)]))
    _, [(low, high, _, _)] = pool.slack(1.0)
    assert low == pytest.approx(60.0)
    assert high == math.inf


def test_a_requirement_that_leaps_at_the_mark_ends_the_band_there():
    """Rates on the whole position: at a notional of exactly 1000 the next coin of price doubles the requirement."""
    leaping = table([(0, 0.01), (1000, 0.02)])
    leaping = [
        type(row)(floor=row.floor, maintenance_rate=row.maintenance_rate, max_leverage=1, amount=0) for row in leaping
    ]
    pool = one_leg(quantity=10.0, tiers=leaping)
    pool.add(box("linear", FLAT, coin="B"), quantity=10.0, entry_price=100.0, mark=100.0)
    _, [(low, high, _, _), _] = pool.slack(1.0)
    assert low < 95.0
    assert high == 100.0


@given(accounts(contracts=1), st.sampled_from([1.0, 0.8]))
def test_the_band_of_one_contract_reaches_to_the_threshold(drawn, threshold):
    """Just beyond a finite end of the band the threshold is met: the band is no narrower than it need be."""
    pool = drawn.pool()
    slack, bands = pool.slack(threshold)
    assume(slack > 1e-6 * gross(drawn))
    low, high, down, up = bands[0]
    assert (down, up) == (0.0, 0.0)
    for end, step in ((low, 1.0 - 1e-6), (high, 1.0 + 1e-6)):
        if 0.0 < end < math.inf:
            pool.set_mark(0, end * step)
            assert surplus(pool.risk(), threshold) <= 1e-6 * (gross(drawn) + pool.risk().notional)


def test_a_pool_beyond_its_threshold_has_no_slack():
    assert one_leg(quantity=100.0, wallet=10.0).slack(1.0)[0] <= 0.0


def test_a_pool_without_positions_has_endless_bands():
    slack, bands = one_leg(quantity=0.0, wallet=10.0).slack(1.0)
    assert (slack, bands[0][:2]) == (10.0, (0.0, math.inf))


def test_another_asset_in_the_pool_counts_at_its_conversion():
    """One leg settled in an asset worth 0.5: profit, requirement and notional are halved."""
    pool = one_leg(quantity=10.0, mark=110.0, tiers=FLAT, conversion=0.5)
    risk = pool.risk()
    assert (risk.equity, risk.maintenance, risk.notional) == pytest.approx((1050.0, 2.75, 550.0))


# Reduction


@given(accounts(), st.data(), st.sampled_from([0.0, 0.002, 0.0125]))
def test_a_reduction_is_the_least_that_restores_the_requirement(drawn, data, fee):
    """Closing a little more than it says suffices, a little less does not; all of it where no part suffices."""
    row = data.draw(st.integers(0, len(drawn.legs) - 1))
    wallet = (
        drawn.wallet - drawn.pool().risk().equity + drawn.pool().risk().maintenance * data.draw(st.floats(0.3, 1.0))
    )
    size = abs(drawn.legs[row].quantity)
    mark = drawn.legs[row].mark

    def after(quantity: float) -> float:
        pool = drawn.pool(wallet=wallet)
        paid = drawn.legs[row].box.notional(quantity, mark) * fee
        pool.close(row, quantity=quantity, price=mark, fee=paid)
        return surplus(pool.risk())

    tolerance = 1e-9 * gross(drawn)
    needed = drawn.pool(wallet=wallet).reduction(row, price=mark, fee_rate=fee)
    assert 0.0 <= needed <= size
    if needed < size:
        assert after(needed) == pytest.approx(0.0, abs=tolerance) or needed == 0.0
    parts = [size * step / 50.0 for step in range(51)]
    assert all(after(part) <= tolerance for part in parts if part < needed * (1.0 - 1e-9))


def test_bad_numbers_of_a_leg_are_refused():
    for wrong in ({"mark": 0.0}, {"mark": math.nan}, {"entry": 0.0}, {"leverage": 0.5}):
        with pytest.raises(VenueError, match="mark and entry_price"):
            one_leg(quantity=1.0, **wrong)
