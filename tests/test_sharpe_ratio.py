"""How much a Sharpe ratio is worth: published figures (leverage_lab.md 10.2, LL-38 and LL-39), limits, overfitting."""

import math

import generators_results as g
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from backtest import ConfigError
from backtest.sharpe_ratio import deflated, expected_maximum, overfitting, probabilistic, shortest_record

DAILY = math.sqrt(252)


def test_ll_38_probabilistic_and_deflated_ratio_with_raw_kurtosis():
    given_ = {"sharpe": 1.5 / DAILY, "observations": 756, "skew": -1.0}
    assert expected_maximum(50) == pytest.approx(2.2763031, abs=5e-8)
    assert math.sqrt(0.25) * expected_maximum(50) == pytest.approx(1.1381515, abs=5e-8)
    assert probabilistic(**given_, kurtosis=7.0) == pytest.approx(0.9931819, abs=5e-8)
    trials = {"trials": 50, "variance": 0.25 / 252}
    assert deflated(**given_, **trials, kurtosis=7.0) == pytest.approx(0.7240947, abs=5e-8)
    assert deflated(**given_, **trials, kurtosis=4.0) == pytest.approx(0.7246981, abs=5e-8)  # excess, by mistake


def test_ll_38_shortest_track_record():
    found = shortest_record(1.5 / DAILY)
    assert found == pytest.approx(305.3736, abs=5e-5)
    assert found / 252 == pytest.approx(1.2118, abs=5e-5)
    assert shortest_record(0.1, benchmark=0.1) == math.inf


def test_ll_39_overfitting_by_hand():
    rows = [(2, 0), (2, 1), (0, 2), (1, 1), (4, 1), (2, 0), (0, 1.5), (0, 1)]
    share, logits = overfitting(rows, blocks=4)
    assert len(logits) == 6
    assert share == pytest.approx(1 / 3)


def test_ll_39_noise_is_overfitted_in_half_of_the_cases():
    random = np.random.default_rng(3)
    shares = [overfitting(random.normal(size=(60, 8)), blocks=6)[0] for _ in range(200)]
    assert np.mean(shares) == pytest.approx(0.5, abs=3 * np.std(shares) / math.sqrt(200))


def test_a_configuration_that_is_better_everywhere_is_not_overfitted():
    returns = np.random.default_rng(1).normal(size=(80, 5)) * 0.01
    returns[:, 2] += 1.0
    assert overfitting(returns, blocks=8)[0] == 0.0
    assert overfitting(returns, blocks=8, metric=lambda part: part.mean(axis=0) / part.std(axis=0))[0] == 0.0


@given(st.floats(0.001, 0.3), st.floats(-1, 1), st.floats(3, 12))
def test_the_shortest_record_is_where_the_probability_reaches_the_confidence(sharpe, skew, kurtosis):
    found = shortest_record(sharpe, confidence=0.9, skew=skew, kurtosis=kurtosis)
    moments = {"skew": skew, "kurtosis": kurtosis}
    assert probabilistic(sharpe, math.ceil(found) + 1, **moments) >= 0.9 - 1e-9
    if found > 3:
        assert probabilistic(sharpe, math.floor(found) - 1, **moments) <= 0.9 + 1e-9


def test_more_trials_make_the_same_ratio_worth_less():
    found = [deflated(0.1, 500, trials=trials, variance=0.001) for trials in (1, 2, 10, 100, 1000)]
    assert found == sorted(found, reverse=True)
    assert found[0] == pytest.approx(probabilistic(0.1, 500))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: probabilistic(0.1, 1), "observations must be at least 2"),
        (lambda: probabilistic(2.0, 10, skew=5.0, kurtosis=3.0), "no distribution has skew 5"),
        (lambda: expected_maximum(0), "trials must be at least 1"),
        (lambda: deflated(0.1, 10, trials=2, variance=-1.0), "variance must not be negative"),
        (lambda: shortest_record(0.1, confidence=95), r"confidence must be in \(0, 1\)"),
        (lambda: overfitting([1.0, 2.0]), "must have shape"),
        (lambda: overfitting(np.zeros((10, 3)), blocks=3), "blocks must be even"),
        (lambda: overfitting(np.zeros((10, 3)), blocks=12), "from 2 to the 10 periods"),
    ],
)
def test_what_has_no_meaning_is_refused(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_a_result_says_what_its_sharpe_ratio_is_worth():
    result = g.long_run(days=75).finish()
    found = result.track_record(trials=20, variance=0.01)
    daily = result.returns("1D").to_numpy()
    assert found["observations"] == len(daily)
    assert found["sharpe"] * math.sqrt(365) == pytest.approx(result.summary["sharpe"])
    assert found["kurtosis"] == pytest.approx(stats.kurtosis(daily, fisher=False))
    assert found["skew"] == pytest.approx(stats.skew(daily))
    moments = {name: found[name] for name in ("skew", "kurtosis")}
    assert found["deflated"] == deflated(found["sharpe"], len(daily), trials=20, variance=0.01, **moments)
    assert found["deflated"] < found["probability"]
    with pytest.raises(ConfigError, match="trials=20: give variance="):
        result.track_record(trials=20)
    with pytest.raises(ConfigError, match="needs three returns that differ"):
        g.empty().finish().track_record()
