"""First passage and margin: leverage_lab.md section 7, LL-20 to LL-26."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest import ConfigError
from backtest.lab.depth import linear_depth
from backtest.lab.draws import Draws
from backtest.lab.first_passage import (
    first_of_two,
    gap_probability,
    mean_passage_time,
    monitored_barrier,
    passage_probability,
)
from backtest.lab.kou import KouJumps, kou_passage_probability
from backtest.lab.margin import (
    Tail,
    as_drop,
    fit_maxima,
    fit_tail,
    gaussian_margin,
    least_cost,
    margin_cost,
    margin_versions,
    path_margin,
    position_tiers,
    procyclicality,
    rolling_margin,
    student_margin,
)
from backtest.lab.passage_paths import simulate_monitored, simulate_passage
from backtest.lab.paths import MertonJumps
from backtest.lab.positions import leverage_prices
from backtest.lab.scenario_margin import DERIBIT_BTC, OKX_BTC_2025, Scenario, ScenarioModel, price_grid, span_model

CLOSED = 1e-6
DAY = 1 / 365
SIGMA = 0.8
LONG, SHORT = (float(leverage_prices(100.0, 10.0, 0.005, side=side)[0]) for side in (1, -1))
KOU = KouJumps(volatility=0.6, intensity=25.0, up_probability=0.4, mean_up=1 / 30, mean_down=1 / 20)


def test_ll_20_chance_of_liquidation_by_side_and_horizon():
    long = passage_probability(100.0, LONG, SIGMA, np.array([1, 7, 30]) * DAY)
    assert long == pytest.approx([0.0174043933, 0.3835532199, 0.6944628365], rel=CLOSED)
    short = passage_probability(100.0, SHORT, SIGMA, np.array([1, 7]) * DAY)
    assert short == pytest.approx([0.0296304905, 0.3963140641], rel=CLOSED)


def test_ll_20_chance_of_liquidation_by_leverage():
    barriers = leverage_prices(100.0, [20.0, 50.0, 100.0], 0.005, side=1)[0]
    found = passage_probability(100.0, barriers, SIGMA, DAY)
    assert found == pytest.approx([0.2753202848, 0.7222101960, 0.9065011437], rel=CLOSED)


def test_ll_21_without_drift_of_the_logarithm_and_looked_at_hourly():
    drift = 0.5 * SIGMA**2
    assert passage_probability(100.0, LONG, SIGMA, 7 * DAY, drift=drift) == pytest.approx(0.3650596998, rel=CLOSED)
    moved = monitored_barrier(100.0, LONG, SIGMA, DAY / 24)
    hourly = float(passage_probability(100.0, moved, SIGMA, 7 * DAY))
    assert hourly == pytest.approx(0.3599485466, rel=CLOSED)
    found = simulate_monitored(100.0, LONG, SIGMA, 7 * DAY, looks=168, seed=1, paths=50_000)
    assert abs(found.value - hourly) < 3.0 * found.error
    assert abs(found.value - 0.35931) < 3.0 * math.hypot(found.error, 0.0011)


def test_ll_21_mean_time_to_liquidation():
    assert 365 * mean_passage_time(100.0, LONG, SIGMA) == pytest.approx(114.4594, rel=CLOSED)
    assert mean_passage_time(100.0, LONG, SIGMA, drift=0.5 * SIGMA**2) == math.inf


def test_without_horizon_a_drift_away_leaves_a_chance():
    nu = 1.0 - 0.5 * SIGMA**2
    expected = math.exp(-2 * nu * math.log(100 / LONG) / SIGMA**2)
    assert passage_probability(100.0, LONG, SIGMA, math.inf, drift=1.0) == pytest.approx(expected, rel=CLOSED)
    assert passage_probability(100.0, LONG, SIGMA, math.inf) == 1.0
    assert passage_probability(100.0, LONG, SIGMA, 0.0) == 0.0
    assert passage_probability(100.0, 100.0, SIGMA, 0.0) == 1.0


def test_of_two_barriers_the_nearer_comes_first():
    assert first_of_two(100.0, 90.0, 130.0) == pytest.approx(0.25)


@given(
    barrier=st.floats(10.0, 99.9), sigma=st.floats(0.05, 3.0), drift=st.floats(-20.0, 20.0), time=st.floats(1e-6, 50.0)
)
def test_a_chance_is_one_and_grows_with_the_horizon(barrier, sigma, drift, time):
    near, far = passage_probability(100.0, barrier, sigma, [time, 2 * time], drift=drift)
    assert 0.0 <= near <= far * (1 + 1e-12) <= 1.0 + 1e-12


@pytest.mark.parametrize("days", [1, 7, 30])
def test_exact_simulation_meets_the_formula_without_bias_of_steps(days):
    found = simulate_passage(100.0, LONG, MertonJumps(SIGMA), days * DAY, seed=2, paths=100_000)
    expected = float(passage_probability(100.0, LONG, SIGMA, days * DAY))
    assert abs(found.probability.value - expected) < 3.0 * found.probability.error
    assert found.by_jump.value == 0.0


@pytest.mark.parametrize(("days", "probability"), [(1, 0.01005), (7, 0.26672), (30, 0.60930)])
def test_ll_22_jumps(days, probability):
    # The page's figure for one day comes from a Gaver-Stehfest sum of 14 terms (0.0100489); it converges to 0.0100566.
    found = kou_passage_probability(100.0, LONG, KOU, days * DAY)
    assert found == pytest.approx(probability, abs=1e-5)
    drawn = simulate_passage(100.0, LONG, KOU, days * DAY, seed=3, paths=200_000).probability
    assert abs(drawn.value - found) < 3.0 * drawn.error


def test_ll_22_one_day_by_high_precision():
    assert kou_passage_probability(100.0, LONG, KOU, DAY) == pytest.approx(0.01005659, abs=2e-8)


def test_ll_22_equal_variance_without_jumps():
    assert KOU.total_volatility == pytest.approx(0.676182509, rel=CLOSED)
    found = passage_probability(100.0, LONG, KOU.total_volatility, np.array([1, 7, 30]) * DAY)
    assert found == pytest.approx([0.0048140, 0.2983171, 0.6348390], rel=2e-5)
    assert found == pytest.approx([0.0048140, 0.2983171, 0.6348390], abs=5e-8)


@pytest.mark.parametrize("barrier", [90.0, 110.0])
def test_without_jumps_the_transform_is_that_of_brownian_motion(barrier):
    plain = KouJumps(volatility=0.6, intensity=0.0, up_probability=0.4, mean_up=1 / 30, mean_down=1 / 20)
    expected = float(passage_probability(100.0, barrier, 0.6, 7 * DAY))
    assert kou_passage_probability(100.0, barrier, plain, 7 * DAY) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(("up", "barrier"), [(1.0, 90.0), (0.0, 110.0), (0.0, 90.0), (1.0, 110.0)])
def test_jumps_of_one_direction_only(up, barrier):
    model = KouJumps(volatility=0.6, intensity=25.0, up_probability=up, mean_up=1 / 30, mean_down=1 / 20)
    drawn = simulate_passage(100.0, barrier, model, 7 * DAY, seed=4, paths=100_000).probability
    assert abs(kou_passage_probability(100.0, barrier, model, 7 * DAY) - drawn.value) < 3.0 * drawn.error


def test_ll_23_gap_beyond_bankruptcy():
    assert gap_probability(0.005, 1 / 20) == pytest.approx(0.9046105, rel=CLOSED)
    found = simulate_passage(100.0, LONG, KOU, 30 * DAY, seed=5, paths=200_000, bankruptcy=90.0)
    share = found.beyond.value / found.by_jump.value
    error = math.sqrt(share * (1 - share) / (found.by_jump.value * found.by_jump.count))
    assert abs(share - 0.9046105) < 3.0 * error


def test_eta_up_of_one_or_less_has_no_mean_price():
    with pytest.raises(ConfigError, match="mean_up must be"):
        KouJumps(volatility=0.6, intensity=25.0, up_probability=0.4, mean_up=1.0, mean_down=1 / 20)


def test_ll_24_four_versions_of_the_best_margin():
    assert gaussian_margin(SIGMA, DAY, 0.01) == pytest.approx(0.097413290, rel=CLOSED)
    assert path_margin(SIGMA, DAY, 0.01) == pytest.approx(0.107860054, rel=CLOSED)
    assert as_drop(path_margin(SIGMA, DAY, 0.01)) == pytest.approx(0.102246776, rel=CLOSED)
    assert student_margin(SIGMA, DAY, 0.01, degrees=3.0) == pytest.approx(0.109775648, rel=CLOSED)
    assert gaussian_margin(SIGMA, DAY, 0.001) == pytest.approx(0.129400121, rel=CLOSED)
    assert student_margin(SIGMA, DAY, 0.001, degrees=3.0) == pytest.approx(0.246945658, rel=CLOSED)
    assert least_cost(SIGMA, DAY, 0.01) == pytest.approx(0.0011160295, rel=CLOSED)


def test_ll_24_no_other_margin_costs_less():
    best = gaussian_margin(SIGMA, DAY, 0.01)
    costs = margin_cost(best * np.array([0.9, 0.999, 1.0, 1.001, 1.1]), SIGMA, DAY, 0.01)
    assert costs[2] == pytest.approx(least_cost(SIGMA, DAY, 0.01), rel=CLOSED)
    assert int(np.argmin(costs)) == 2


def test_ll_25_peaks_over_threshold():
    tail = Tail(0.05, 0.02, 0.25, 0.04)
    assert tail.value_at_risk(0.01) == pytest.approx(0.083137085, rel=CLOSED)
    assert tail.expected_shortfall(0.01) == pytest.approx(0.120849447, rel=CLOSED)
    assert tail.value_at_risk(0.001) == pytest.approx(0.171189349, rel=CLOSED)
    assert tail.expected_shortfall(0.001) == pytest.approx(0.238252465, rel=CLOSED)


def test_ll_25_a_shape_of_zero_is_the_exponential_tail_and_one_has_no_mean():
    exponential = 0.05 + 0.02 * math.log(4.0)
    assert Tail(0.05, 0.02, 0.0, 0.04).value_at_risk(0.01) == pytest.approx(exponential, rel=1e-12)
    assert Tail(0.05, 0.02, 1e-9, 0.04).value_at_risk(0.01) == pytest.approx(exponential, rel=1e-7)
    with pytest.raises(ConfigError, match="infinite"):
        Tail(0.05, 0.02, 1.0, 0.04).expected_shortfall(0.01)


def test_a_tail_is_found_again_in_its_own_draws():
    u = Draws(6, "tail").uniform(40_000)
    found = fit_tail(0.02 / 0.25 * (u**-0.25 - 1.0), share=0.2)
    assert found.shape == pytest.approx(0.25, abs=3.0 * 1.25 / math.sqrt(8000))  # asymptotic error (1 + xi) / sqrt(n)
    assert found.value_at_risk(0.001) == pytest.approx(0.02 / 0.25 * (0.001**-0.25 - 1.0), rel=0.1)


def test_maxima_of_blocks_give_the_margin_of_their_chance():
    blocks = Draws(7, "maxima").exponential((4000, 50)).max(axis=1)
    assert fit_maxima(blocks, 0.01) == pytest.approx(math.log(50) - math.log(-math.log(0.99)), rel=0.03)


def test_versions_stand_side_by_side_with_history():
    moves = np.abs(0.8 * math.sqrt(DAY) * Draws(8, "moves").normal(20_000))
    found = margin_versions(SIGMA, DAY, 0.01, moves=moves)
    assert found.historical == pytest.approx(0.107860054, rel=0.05)  # of absolute moves: two-sided
    assert found.tail == pytest.approx(found.historical, rel=0.05)
    assert margin_versions(SIGMA, DAY, 0.01).historical is None


def test_tiers_are_value_at_risk_impact_and_fee():
    found = position_tiers([1.0, 100.0], linear_depth(10_000.0), volatility=SIGMA, cost=0.01,
                           execution_rate=365.0, fee=0.0005)  # fmt: skip
    assert found[0] == pytest.approx(0.097413290 + 1e-4 + 5e-4, rel=CLOSED)
    assert found[1] == pytest.approx(0.97413290 + 1e-2 + 5e-4, rel=CLOSED)


def test_a_margin_that_follows_volatility_is_that_of_the_last_periods():
    returns = np.array([0.01, -0.02, 0.03, 0.0, 0.0])
    found = rolling_margin(returns, 0.01, periods=2)
    expected = 2.3263478740408408 * np.sqrt(np.array([2.5e-4, 6.5e-4, 4.5e-4, 0.0]))
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_floor_damps_procyclicality():
    assert procyclicality([0.02, 0.10, 0.05], 0.04) == pytest.approx((5.0, 2.5, 1 / 3))


LINEAR = ScenarioModel(tuple(Scenario(move) for move in price_grid(0.15, 7)))


def test_ll_26_one_unit_requires_the_grid_maximum_and_an_equal_short_nothing():
    assert LINEAR.requirement([1.0], [LINEAR.delta_one(1.0)]) == pytest.approx(0.15, rel=1e-12)
    both = [LINEAR.delta_one(1.0), LINEAR.delta_one(1.0)]
    assert LINEAR.requirement([1.0, -1.0], both) == 0.0
    with_contingency = ScenarioModel(LINEAR.scenarios, contingency=0.01)
    assert with_contingency.requirement([1.0, -1.0], both, [1.0, 1.0]) == pytest.approx(0.02)


@given(
    one=st.lists(st.floats(-5, 5), min_size=3, max_size=3), two=st.lists(st.floats(-5, 5), min_size=3, max_size=3),
    model=st.sampled_from([LINEAR, OKX_BTC_2025, DERIBIT_BTC, span_model(0.1, 0.2)]),
)  # fmt: skip
def test_ll_26_portfolio_margin_is_subadditive_and_has_no_hidden_floor(one, two, model):
    profits = np.vstack([
        model.delta_one(1.0),
        model.option(1.0, strike=1.05, volatility=0.6, expiry=0.1, is_call=True),
        model.option(1.0, strike=0.9, volatility=0.7, expiry=0.1, is_call=False),
    ])  # fmt: skip
    a, b = np.array(one), np.array(two)
    joint = model.requirement(a + b, profits)
    assert joint <= model.requirement(a, profits) + model.requirement(b, profits) + 1e-9
    covers = np.array([scenario.cover for scenario in model.scenarios])
    assert joint == pytest.approx(max(0.0, float((-((a + b) @ profits) * covers).max())), abs=1e-12)


def test_span_has_sixteen_scenarios_and_its_extremes_count_in_part():
    model = span_model(0.1, 0.2)
    assert len(model.scenarios) == 16
    assert model.requirement([1.0], [model.delta_one(100.0)]) == pytest.approx(10.0)
    assert [s.price * s.cover for s in model.scenarios[-2:]] == pytest.approx([0.07, -0.07])


def test_put_and_call_differ_by_the_forward():
    call = LINEAR.option(1.0, strike=1.0, volatility=0.5, expiry=0.25, is_call=True)
    put = LINEAR.option(1.0, strike=1.0, volatility=0.5, expiry=0.25, is_call=False)
    assert call - put == pytest.approx(LINEAR.delta_one(1.0))
