"""Growth and drawdowns under leverage: leverage_lab.md section 10.2, LL-40."""

import math

import numpy as np
import pytest

from backtest import ConfigError
from backtest.lab.draws import Draws
from backtest.lab.growth import (
    best_leverage,
    chance_of_ever,
    drawdown_distribution,
    expected_drawdown,
    growth_rate,
)

CLOSED = 1e-6


def test_ll_40_mean_drawdown_without_drift():
    assert expected_drawdown(0.8, 1.0) == pytest.approx(1.0026513, rel=CLOSED)
    steps = 0.8 / math.sqrt(4000) * Draws(40, "drawdown").normal((4000, 4000))
    paths = np.cumsum(steps, axis=1)
    found = (np.maximum(np.maximum.accumulate(paths, axis=1), 0.0) - paths).max(axis=1)
    # looked at 4,000 times a path misses its peak and its low by 0.58 standard deviations of a step each
    missed = 2 * 0.5826 * 0.8 / math.sqrt(4000)
    assert abs(found.mean() + missed - 1.0026513) < 3.0 * found.std() / math.sqrt(4000)


def test_ll_40_growth_at_multiples_of_the_best_leverage():
    best = best_leverage(0.3, 0.6)
    assert best == pytest.approx(0.8333333, rel=CLOSED)
    assert growth_rate(best * np.array([1.0, 2.0]), 0.3, 0.6) == pytest.approx([0.125, 0.0], abs=1e-12)
    assert float(growth_rate(3.0, 0.3, 0.6)) == pytest.approx(-0.72, rel=CLOSED)


def test_ll_40_chance_of_ever_being_down_to_half():
    assert chance_of_ever(0.5, 0.5) == pytest.approx(0.125, rel=CLOSED)
    assert chance_of_ever(0.5, 1.0) == pytest.approx(0.5, rel=CLOSED)
    assert chance_of_ever(0.5, 2.0) == chance_of_ever(0.5, 3.0) == 1.0


def record():
    return 0.03 * Draws(41, "record").normal(300)


def test_a_path_that_meets_the_liquidation_level_stays_at_what_is_left():
    found = drawdown_distribution(record(), mean_block=5.0, seed=1, samples=400, leverage=5.0, ruin=0.05, residual=0.02)
    closed = found.depth > 0.94
    assert found.liquidation.value == pytest.approx(closed.mean(), abs=0.05)
    assert 0.0 < found.liquidation.value < 1.0
    calm = drawdown_distribution(record(), mean_block=5.0, seed=1, samples=400)
    assert calm.liquidation.value == 0.0
    assert np.all(calm.depth <= found.depth + 1e-12)


def test_drawdowns_of_one_block_are_those_of_the_record_itself():
    returns = np.array([0.1, -0.2, 0.05, -0.1, 0.6, 0.1])
    found = drawdown_distribution(returns, mean_block=1e15, seed=3, samples=200)
    worst = []
    for shift in range(6):
        worth = np.cumprod(np.r_[1.0, 1.0 + np.roll(returns, -shift)])
        worst.append((1.0 - worth / np.maximum.accumulate(worth)).max())
    assert set(np.round(found.depth, 12)) == set(np.round(worst, 12))
    assert found.under_water.max() <= 6


def test_more_left_than_the_level_is_refused():
    with pytest.raises(ConfigError, match="residual must be"):
        drawdown_distribution(record(), mean_block=5.0, seed=1, ruin=0.05, residual=0.1)
