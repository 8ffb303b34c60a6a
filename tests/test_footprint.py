"""Own impact by itself: laws, memory and their closed forms, what is measured, what is recorded."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import venues
from backtest.assembly import footprint
from backtest.lab.depth import square_root_depth
from backtest.schedules import almgren_chriss, obizhaeva_wang
from venues.footprint import Footprint, power_nodes

S = 10**9
DAY = 86_400 * S


def made(**fields):
    return footprint(venues.Impact(**fields), moves_mark=False)


def test_the_square_root_law_is_the_worked_one():
    """LL-04 (leverage_lab.md section 2.4): Y = 1, sigma_d = 3 %, Q/V = 1 %: 30 bp; the lab's curve is the same."""
    model = made(volatility=0.03, volume=1000)
    last, average = model.move(1, 10)
    assert last == pytest.approx(0.003, rel=1e-12)
    lab = square_root_depth(volume=1000, volatility=0.03)
    assert last == pytest.approx(float(lab.impact(10)), rel=1e-12)
    # the straight line near zero costs a little less than the curve above it
    bend = 1.0
    saved = 0.03 / math.sqrt(1000) * (2 / 3 - 1 / 2) * bend**1.5
    assert average * 10 == pytest.approx(float(lab.swept(10)) - saved, rel=1e-12)


def test_near_zero_the_square_root_is_a_straight_line():
    model = made(volatility=0.03, volume=1000, knee=0.01)
    at_the_knee = model.move(1, 10)[0]
    assert model.move(1, 1)[0] == pytest.approx(at_the_knee / 10, rel=1e-12)
    assert model.move(1, 1e-6)[1] == pytest.approx(at_the_knee / 10 * 5e-7, rel=1e-9)


def test_recorded_depth_is_straight_between_its_points_and_goes_on_beyond_them():
    model = made(law="recorded", memory="none")
    model.observe([(-0.01, 100), (-0.02, 300), (0.02, 400), (0.01, 200)])
    assert model.move(-1, 100) == (pytest.approx(0.01), pytest.approx(0.005))
    assert model.move(-1, 200)[0] == pytest.approx(0.015)
    assert model.move(-1, 500)[0] == pytest.approx(0.03)
    assert model.move(1, 400) == (pytest.approx(0.02), pytest.approx(0.01))
    assert model.capacity(-1, 0.015) == pytest.approx(200)


MODELS = [
    {"law": "linear", "depth": 50, "memory": "exponential", "recovery": "30s"},
    {"law": "linear", "depth": 50, "memory": "power", "recovery": "5s", "exponent": 0.4, "permanent": 0.3},
    {"law": "linear", "depth": 50, "memory": "none", "permanent": 0.5},
    {"volatility": 0.04, "volume": 500, "memory": "exponential", "recovery": "1m", "permanent": 0.1},
    {"volatility": 0.04, "volume": 500, "memory": "power", "recovery": "1s", "exponent": 1.5},
    {"law": "recorded", "memory": "exponential", "recovery": "10s"},
]


def ready(fields):
    model = made(**fields)
    if fields.get("law") == "recorded":
        model.observe([(-0.01, 40), (-0.03, 90), (0.01, 30), (0.02, 100)])
    return model


@given(st.sampled_from(MODELS), st.lists(st.floats(0.01, 60), min_size=2, max_size=6), st.sampled_from([1, -1]))
def test_parts_at_one_instant_cost_what_the_whole_costs(fields, parts, side):
    if fields["memory"] == "none":
        return  # there the market is whole again for the next order
    single, split = ready(fields), ready(fields)
    whole = single.order(side, sum(parts), S) * sum(parts)
    assert sum(split.order(side, part, S) * part for part in parts) == pytest.approx(whole, rel=1e-9)


@given(st.sampled_from(MODELS), st.floats(0.1, 50), st.floats(0.1, 50), st.integers(0, 3600), st.sampled_from([1, -1]))
def test_a_later_order_of_the_same_side_pays_more_and_the_less_the_longer_it_waits(fields, first, second, wait, side):
    alone = ready(fields).move(side, second)[1]
    found = []
    for seconds in (wait, 2 * wait + 60):
        model = ready(fields)
        model.order(side, first, S)
        found.append(model.move(side, second, (1 + seconds) * S)[1])
    slack = 1 + 1e-9
    assert found[0] * slack >= found[1]
    assert found[1] * slack >= alone


@given(st.sampled_from(MODELS), st.floats(0.1, 50), st.sampled_from([1, -1]))
def test_own_orders_make_the_other_side_no_better_but_for_what_stays(fields, size, side):
    model = ready(fields)
    before = model.move(-side, 1.0)[1]
    model.order(side, size, S)
    after = model.move(-side, 1.0, S)[1]
    assert after == pytest.approx(before) if not fields.get("permanent") else after < before


@given(st.sampled_from(MODELS), st.floats(0, 40), st.floats(0.0001, 0.05), st.sampled_from([1, -1]))
def test_capacity_is_the_inverse_of_impact(fields, gone, impact, side):
    model = ready(fields)
    if gone:
        model.order(side, gone, S)
    most = model.capacity(side, impact, S)
    if most > 0:
        assert model.move(side, most, S)[0] == pytest.approx(impact, rel=1e-6)
    else:
        assert model.move(side, 0, S)[0] >= impact * (1 - 1e-9)


@pytest.mark.parametrize("exponent", [0.1, 0.4, 0.5, 1.0, 2.0])
def test_the_power_memory_is_the_power(exponent):
    nodes = power_nodes(2.0, exponent)
    for t in (0.0, 0.001, 0.5, 2.0, 10.0, 300.0, 86_400.0, 3e7, 1e9):
        found = sum(share * math.exp(-rate * t) for rate, share in nodes)
        assert found == pytest.approx((1 + t / 2.0) ** -exponent, abs=1e-6)


def test_the_propagator_adds_up_what_each_order_has_left():
    """A linear propagator: the price moves by the sum of x G(t), each order pays half of its own."""
    model = made(law="linear", depth=1, memory="power", recovery="10s", exponent=0.5)
    orders = [(0, 3.0), (7, 1.0), (60, 4.0), (3600, 2.0)]
    for number, (at, size) in enumerate(orders):
        want = sum(x * (1 + (at - t) / 10) ** -0.5 for t, x in orders[:number]) + size / 2
        assert model.order(1, size, (1 + at) * S) == pytest.approx(0.01 * want, rel=1e-6)


@pytest.mark.parametrize("memory", [{"memory": "exponential"}, {"memory": "power", "exponent": 0.7}])
def test_kernels_are_linear_at_infinite_memory_and_nothing_at_none(memory):
    """leverage_lab.md section 10.3."""
    lasting = made(law="linear", depth=1, recovery="1000000d", **memory)
    fleeting = made(law="linear", depth=1, recovery="1ns", **memory)
    for second in range(1, 11):
        assert lasting.order(1, 1.0, second * S) == pytest.approx(0.01 * (second - 0.5), rel=1e-4)
        assert fleeting.order(1, 1.0, second * S) == pytest.approx(
            0.005, rel=1e-4 if memory["memory"] != "power" else 0.01
        )


def test_obizhaeva_and_wangs_schedule_costs_what_they_say_and_no_other_less():
    """Section 5 of their paper: X^2 (lambda / 2 + kappa / (rho T + 2)) with kappa = 1/q - lambda; LL-42's blocks."""
    total, rho, horizon, q = 100_000.0, 2.231, 1.0, 1e8
    block, rate = obizhaeva_wang(total, recovery=rho, time=horizon)
    share = 0.25  # lambda q
    want = total * total / q * (share / 2 + (1 - share) / (rho * horizon + 2))

    def cost(first, last, steps=4000):
        model = Footprint(
            law=0, depth=0.01 * q, factor=0, knee=1, volatility=-1, daily_volume=-1, spread=0, half_life=1,
            permanent=share, nodes=[(rho, 1 - share)], moves_mark=False,
        )  # fmt: skip
        part = (total - first - last) / steps
        paid = model.order(1, first, S) * first
        for step in range(steps):
            paid += model.order(1, part, S + round((step + 0.5) / steps * S)) * part
        return paid + model.order(1, last, 2 * S) * last

    assert 2 * block + rate * horizon == pytest.approx(total)
    assert cost(block, block) == pytest.approx(want, rel=1e-4)
    for first, last in ((0, 0), (total / 2, total / 2), (block * 1.2, block * 0.8), (0.9 * block, 0.9 * block)):
        assert cost(first, last) > cost(block, block)


def test_almgren_and_chriss_cost_is_that_of_the_schedule():
    """LL-41: E 911,226.99 of the best schedule and 662,500 of the straight line, out of single orders."""
    price, eta, gamma, fixed, total = 50.0, 2.5e-6, 2.5e-7, 0.0625, 1e6
    for aversion, want in ((1e-6, 911_226.99), (0.0, 662_500.0)):
        plan = almgren_chriss(
            total, steps=5, time=5, volatility=0.95, temporary=eta, permanent=gamma, fixed=fixed, aversion=aversion
        )
        model = made(law="linear", depth=0.01 * price / (2 * eta), memory="none", permanent=gamma / (2 * eta))
        paid = 0.0
        for step in range(5):
            size = plan.holdings[step] - plan.holdings[step + 1]
            paid += size * (fixed + price * model.order(-1, size, (step + 1) * S))
        assert paid == pytest.approx(want, abs=0.01)


def test_volatility_and_volume_are_those_of_windows_that_have_ended():
    model = made(half_life="1000d")
    tape = [(i * 150 * S + 1, 100.0 * (1.01 if i // 2 % 2 else 1.0), 3.0) for i in range(400)]
    volatility, volume = model.see(tape)
    assert volatility == pytest.approx(math.log(1.01) * math.sqrt(288), rel=0.02)
    assert volume == pytest.approx(3 * 576, rel=0.01)
    fresh = made()
    assert fresh.see(tape[:2]) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"law": "cubic"}, "law must be"),
        ({"law": "linear"}, "needs depth="),
        ({"law": "linear", "depth": 0}, "depth must be"),
        ({"depth": 5}, "depth would have no effect"),
        ({"law": "linear", "depth": 5, "volume": 3}, "volume would have no effect"),
        ({"memory": "none", "recovery": "1m"}, "recovery would have no effect"),
        ({"exponent": 0.5}, "exponent would have no effect"),
        ({"memory": "power", "exponent": 3}, "exponent must be"),
        ({"permanent": 1.5}, "permanent must be"),
        ({"volatility": "large"}, "'measured' or a number"),
        ({"recovery": "0s"}, "longer than zero"),
        ({"volatility": 0.03, "volume": 5, "half_life": "2d"}, "half_life would have no effect"),
    ],
)
def test_an_impact_that_cannot_be_is_refused(given, message):
    with pytest.raises(venues.VenueError, match=message):
        venues.Impact(**given)
