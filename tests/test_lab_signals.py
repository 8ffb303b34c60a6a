"""Funding, leverage index and generators of paths: leverage_lab.md sections 9 and 10.1, LL-34 to LL-37."""

import math

import numpy as np
import pytest

from backtest import ConfigError
from backtest.lab.branching import ratio_from_counts
from backtest.lab.draws import Draws
from backtest.lab.funding import (
    censored_share,
    clamped_funding,
    dead_zone,
    leverage_index,
    parity_ratio,
    predictive_power,
    premium_bounds,
    robust_score,
)
from backtest.lab.garch import Garch, fit_garch
from backtest.lab.hawkes import Hawkes, cluster_probability, cluster_size, fano_factor, fit_hawkes
from backtest.lab.kou import KouJumps
from backtest.lab.paths import MertonJumps, brownian, correlated, jump_diffusion
from backtest.lab.resampling import block_bootstrap, filtered_history, stationary_rows

CLOSED = 1e-6


def test_ll_34_clamp():
    premium = np.array([-0.10, -0.03, 0.06, 0.10, 0.20]) / 100
    assert clamped_funding(premium) * 100 == pytest.approx([-0.05, 0.01, 0.01, 0.05, 0.15], abs=1e-12)
    assert dead_zone() == pytest.approx((-0.0004, 0.0006))


def test_settled_funding_in_the_dead_zone_is_an_interval():
    low, high = premium_bounds([0.0001, 0.0005, -0.0005])
    assert low == pytest.approx([-0.0004, 0.001, -0.001])
    assert high == pytest.approx([0.0006, 0.001, -0.001])
    assert clamped_funding(low[1:]) == pytest.approx([0.0005, -0.0005])
    assert censored_share([0.0001, 0.0001, 0.0002, -0.0001]) == 0.5


def test_ll_35_parity():
    assert parity_ratio(speed=1095, interest=0.1095, quote_rate=0.05) == pytest.approx(0.9999456597, rel=1e-10)
    assert 1e4 * (parity_ratio(speed=1095, interest=0.1095, quote_rate=0.05) - 1) == pytest.approx(-0.543, abs=5e-4)
    assert parity_ratio(speed=1095, interest=0.05, quote_rate=0.07, base_rate=0.02) == pytest.approx(1.0, rel=1e-15)
    assert parity_ratio(speed=1095, interest=0.0, quote_rate=0.1095) == pytest.approx(1.0001000100, rel=1e-10)


def test_a_robust_score_looks_back_only():
    values = np.array([1.0, 2.0, 3.0, 4.0, 100.0, 5.0])
    found = robust_score(values, window=4)
    assert np.isnan(found[:3]).all()
    assert found[3] == pytest.approx(1.5 / 1.4826022)
    changed = values.copy()
    changed[5] = -1e9
    assert robust_score(changed, window=4)[:5] == pytest.approx(found[:5], nan_ok=True)
    assert np.isnan(robust_score(np.ones(5), window=3)).all()


def test_the_index_is_the_mean_of_what_there_is_and_its_sign_the_crowded_side():
    noise = Draws(20, "index").normal((3, 200))
    funding = 0.1 + 0.01 * noise[0]
    funding[-1] = 1.0
    found = leverage_index(funding=funding, open_interest=100 + noise[1], depth=np.full(200, 5.0), window=100)
    assert found.index[-1] > 5.0
    expected = 0.5 * (found.scores["funding"] + found.scores["depth"])
    assert found.index[100:] == pytest.approx(expected[100:])
    assert np.isnan(found.index[:99]).all()
    with pytest.raises(ConfigError, match="has no side"):
        leverage_index(open_interest=[1.0] * 10, depth=[1.0] * 10, window=5)


def test_predictive_power_finds_what_is_there_and_calls_nothing_null():
    noise = Draws(21, "power").normal((3, 2000))
    there = predictive_power(noise[0], noise[0] + noise[1], mean_block=24, seed=1, samples=200)
    assert not there.is_null
    assert there.correlation.value == pytest.approx(6 / math.pi * math.asin(math.sqrt(0.5) / 2), abs=0.06)
    assert predictive_power(noise[0], noise[2], mean_block=24, seed=1, samples=200).is_null


def test_ll_36_clusters():
    assert cluster_size(0.8) == pytest.approx((5.0, 100.0), rel=CLOSED)
    assert fano_factor(0.8) == pytest.approx(25.0, rel=CLOSED)
    assert cluster_probability(0.5, [1, 2, 3]) == pytest.approx([0.6065307, 0.1839397, 0.0836738], rel=CLOSED)


def test_a_simulated_process_is_estimated_back_by_both_methods():
    process = Hawkes(rate=0.5, ratio=0.6, decay=2.0)
    times = process.simulate(4000.0, seed=22)
    mean = process.intensity * 4000.0
    assert abs(len(times) - mean) < 3.0 * math.sqrt(mean * fano_factor(0.6))
    fit = fit_hawkes(times, end=4000.0)
    assert abs(fit.ratio.value - 0.6) < 3.0 * fit.ratio.error
    counted = ratio_from_counts(times, window=50.0, start=0.0, end=4000.0)
    assert abs(counted.value - 0.6) < 3.0 * counted.error


def test_ll_37_merton():
    model = MertonJumps(volatility=0.5, intensity=30.0, mean=-0.03, deviation=0.05)
    found = model.moments(1 / 365)
    assert found.deviation * math.sqrt(365) == pytest.approx(0.593295879, rel=CLOSED)
    assert model.total_volatility == pytest.approx(0.593295879, rel=CLOSED)
    assert (found.skewness, found.excess_kurtosis) == pytest.approx((-0.6915988, 2.9216732), rel=CLOSED)


def test_ll_37_simulated_moments():
    model = MertonJumps(volatility=0.5, intensity=30.0, mean=-0.03, deviation=0.05)
    returns = jump_diffusion(model, step=1 / 365, steps=200, paths=2000, seed=23).returns.ravel()
    n = len(returns)
    z = (returns - returns.mean()) / returns.std()
    for power, expected in ((3, -0.6915988), (4, 5.9216732)):
        error = float((z**power).std()) / math.sqrt(n)
        assert abs(float((z**power).mean()) - expected) < 3.0 * error
    assert returns.std() * math.sqrt(365) == pytest.approx(0.593295879, rel=0.01)


def test_ll_37_garch():
    assert Garch(1e-5, 0.05, 0.90).kurtosis == pytest.approx(3.1621622, rel=CLOSED)
    assert Garch(1e-5, 0.05, 0.90).half_life == pytest.approx(13.513407, rel=CLOSED)
    assert Garch(1e-5, 0.10, 0.85).kurtosis == pytest.approx(3.7741935, rel=CLOSED)
    returns = Garch(1e-5, 0.05, 0.90).simulate(4000, 50, seed=24)
    assert returns.var() == pytest.approx(2e-4, rel=0.02)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Hawkes(1.0, 1.0, 1.0), "ratio must be"),
        (lambda: Garch(1e-5, 0.1, 0.9), "alpha \\+ beta"),
        (lambda: KouJumps(0.5, 1.0, 0.5, 1.1, 0.1), "mean_up must be"),
    ],
)
def test_ll_37_processes_without_a_stationary_law_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_garch_is_estimated_back():
    model = Garch(2e-6, 0.08, 0.90, degrees=6.0)
    found = fit_garch(model.simulate(6000, 1, seed=25)[0])
    assert found.persistence == pytest.approx(0.98, abs=0.02)
    assert found.alpha == pytest.approx(0.08, abs=0.03)
    assert found.degrees == pytest.approx(6.0, rel=0.3)


def test_one_seed_is_one_sample_and_purposes_are_independent():
    one, two = (brownian(0.5, step=1 / 365, steps=5, paths=3, seed=9).returns for _ in range(2))
    assert one.tobytes() == two.tobytes()
    assert Draws(9, "a").normal(4).tolist() != Draws(9, "b").normal(4).tolist()


def test_brownian_prices_keep_their_mean():
    prices = brownian(0.8, step=1 / 365, steps=30, paths=100_000, seed=26).prices(100.0)
    assert prices.shape == (100_000, 31)
    error = prices[:, -1].std() / math.sqrt(100_000)
    assert abs(prices[:, -1].mean() - 100.0) < 3.0 * error


def test_jumps_are_part_of_the_returns():
    found = jump_diffusion(KouJumps(0.01, 365.0, 0.0, 0.01, 0.05), step=1 / 365, steps=100, paths=200, seed=27)
    assert found.jumps.max() <= 0.0
    assert found.jumps.sum() / (100 * 200) == pytest.approx(-0.05, rel=0.05)
    assert np.abs(found.returns - found.jumps).max() < 0.06


def test_correlated_assets_have_their_volatilities_and_crash_together():
    found = correlated([0.5, 1.0], [[1.0, 0.6], [0.6, 1.0]], degrees=4.0, step=1 / 365, steps=200, paths=500, seed=28)
    flat = found.reshape(-1, 2)
    assert flat.std(axis=0) * math.sqrt(365) == pytest.approx([0.5, 1.0], rel=0.1)
    assert np.corrcoef(flat.T)[0, 1] == pytest.approx(0.6, abs=0.06)
    low = flat < np.quantile(flat, 0.01, axis=0)
    assert np.mean(low[:, 1][low[:, 0]]) > 0.25  # a normal copula: about 0.15 at this quantile


def test_blocks_of_a_bootstrap_are_geometric_and_wrap():
    rows = stationary_rows(50, mean_block=10.0, samples=2000, seed=29)
    follows = (rows[:, 1:] - rows[:, :-1]) % 50 == 1
    assert follows.mean() == pytest.approx(0.9 + 0.1 / 50, abs=3e-3)
    assert np.bincount(rows.ravel(), minlength=50).min() > 0
    assert np.all(stationary_rows(50, mean_block=1e12, samples=1, seed=1)[0, 1:] == (
        stationary_rows(50, mean_block=1e12, samples=1, seed=1)[0, :-1] + 1) % 50)  # fmt: skip


def test_the_bootstrap_error_of_a_mean_is_its_standard_error():
    values = Draws(30, "values").normal(400)
    found, (low, high) = block_bootstrap(lambda rows: float(values[rows].mean()), 400, mean_block=1.0, seed=2)
    assert found.error == pytest.approx(values.std() / 20, rel=0.1)
    assert low < found.value < high


def test_filtered_history_starts_from_todays_variance():
    model = Garch(1e-5, 0.10, 0.85)
    seen = model.simulate(500, 1, seed=31)[0]
    calm, wild = seen.copy(), np.append(seen, 0.2)
    first = [filtered_history(model, r, steps=1, paths=4000, seed=3).std() for r in (calm, wild)]
    assert first[1] > 3.0 * first[0]
