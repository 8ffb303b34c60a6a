"""Auctions, funds and auto-deleveraging: leverage_lab.md section 8, LL-27 to LL-33."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest import ConfigError
from backtest.lab.adl import POLICIES, fairness, queue, water_filling, winners
from backtest.lab.auction import (
    StepAuction,
    best_decay,
    clip_sizes,
    dutch_auction,
    english_auction,
    loan_to_value_after,
    partial_schedule,
    repay_for_health,
    shortfall_growth,
    simulate_dutch,
    soft_liquidation,
    spiral_bound,
)
from backtest.lab.curves import StepLiquidations
from backtest.lab.depth import linear_depth
from backtest.lab.draws import Draws
from backtest.lab.fund import (
    Fund,
    account_losses,
    fee_inflow,
    fund_curve,
    required_fund,
    required_fund_of_law,
    sweep_shortfall,
    waterfall,
)

CLOSED = 1e-6
DAILY = 0.05 / math.sqrt(86_400.0)
DUTCH = [
    (1e-5, 4.806342, 2051.0539),
    (5e-5, 8.126323, 416.3863),
    (1e-4, 13.285614, 213.3342),
    (5e-4, 59.924977, 52.0588),
]


@pytest.mark.parametrize(("decay", "loss", "seconds"), DUTCH)
def test_ll_27_loss_and_time_of_a_dutch_auction(decay, loss, seconds):
    found = dutch_auction(decay, volatility=DAILY, block_time=12.0, start=0.02)
    assert (1e4 * found.loss, found.seconds) == pytest.approx((loss, seconds), rel=CLOSED)


@pytest.mark.parametrize("decay", [pytest.param(1e-5, marks=pytest.mark.slow), 5e-5, 1e-4, 5e-4])
def test_ll_27_by_simulation(decay):
    found = simulate_dutch(decay, volatility=DAILY, block_time=12.0, start=0.02, seed=11, runs=200_000)
    expected = dutch_auction(decay, volatility=DAILY, block_time=12.0, start=0.02)
    assert abs(found.loss.value - expected.loss) < 3.0 * found.loss.error
    assert abs(found.seconds.value - expected.seconds) < 3.0 * found.seconds.error


def test_ll_27_limits():
    still = dutch_auction(1e-4, volatility=0.0, block_time=12.0)
    assert still.loss == pytest.approx(1e-4 * 12 / (1 + 1e-4 * 12), rel=1e-12)
    slow = dutch_auction(1e-12 + 0.5 * DAILY**2, volatility=DAILY, block_time=12.0)
    assert slow.loss == pytest.approx(DAILY * math.sqrt(6.0), rel=1e-3)
    with pytest.raises(ConfigError, match="would not come down"):
        dutch_auction(0.0, volatility=DAILY, block_time=12.0)


def test_ll_28_best_decay():
    found = best_decay(1e-6, volatility=DAILY, block_time=12.0, start=math.log(1.2))
    assert found.decay == pytest.approx(1.274896e-4, rel=CLOSED)
    assert found.cost == pytest.approx(0.003076245, rel=CLOSED)
    still = best_decay(1e-6, volatility=0.0, block_time=12.0, start=math.log(1.2))
    assert still.decay == pytest.approx(1.234444e-4, rel=CLOSED)


def test_the_holding_cost_grows_as_bankruptcy_comes_nearer():
    costs = [shortfall_growth(distance, 1e-3) for distance in (0.05, 0.01, 0.0)]
    assert costs[0] < costs[1] < costs[2]
    assert costs[2] == pytest.approx(1e-3 * math.sqrt(60 / (2 * math.pi)) / 60)


def test_ll_29_clipper_schedule():
    clip = StepAuction(buffer=1.2, cut=0.99, step=90.0, tail=8400.0, cusp=0.4)
    assert clip.steps_to(1.0) == 19
    assert clip.price([0.0, 89.9, 1709.9, 1710.0]) == pytest.approx([1.2, 1.2, 1.2 * 0.99**18, 0.9914023486], rel=1e-9)
    assert math.isnan(clip.price(8401.0))
    assert math.isnan(StepAuction(buffer=1.2, cut=0.9, step=1.0, cusp=0.5).price(10.0))


def test_a_hole_caps_what_is_under_auction():
    assert clip_sizes([3.0, 4.0, 5.0], hole=6.0).tolist() == [3.0, 3.0, 0.0]


def test_ll_30_toxic_spiral():
    assert [spiral_bound(b) for b in (0.05, 0.08)] == pytest.approx([0.952381, 0.925926], rel=CLOSED)
    assert float(loan_to_value_after(100.0, 94.0, 20.0, 0.08)) == pytest.approx(0.9438776, rel=CLOSED)
    assert float(loan_to_value_after(100.0, 92.0, 20.0, 0.08)) < 0.92


def test_ll_30_repayment_for_a_health_factor():
    case = {"threshold": 0.8, "bonus": 0.05}
    assert repay_for_health(100.0, 82.0, **case) == pytest.approx(12.5, rel=CLOSED)
    assert repay_for_health(100.0, 82.0, health=1.05, **case) == pytest.approx(29.047619, rel=CLOSED)
    assert repay_for_health(100.0, 82.0, health=1.05, close_factor=0.25, **case) == pytest.approx(20.5)
    assert repay_for_health(100.0, 70.0, **case) == 0.0


def test_lots_without_a_second_bidder_go_for_nothing():
    worth = np.full(200_000, 5.0)
    bids = english_auction(worth, participation=0.5, seed=12, bidders=3)
    assert np.mean(bids == 0.0) == pytest.approx(0.5, abs=3 * 0.5 / math.sqrt(200_000))
    assert set(np.unique(bids)) == {0.0, 5.0}


@given(quantity=st.floats(0.01, 1e4), fraction=st.floats(0.05, 1.0))
def test_slices_of_a_partial_liquidation_sum_to_the_position(quantity, fraction):
    slices = partial_schedule(quantity, fraction=fraction, least=0.01)
    assert slices.sum() == pytest.approx(quantity)
    assert np.all(slices > 0.0)


def test_soft_liquidation_sells_band_by_band():
    left, average = soft_liquidation(100.0, 80.0, [120.0, 100.0, 90.0, 80.0, 50.0])
    assert left[[0, 1, 3, 4]].tolist() == [1.0, 1.0, 0.0, 0.0]
    assert 0.4 < left[2] < 0.6
    assert math.isnan(average[0])
    assert 80.0 < average[3] < 100.0


def cluster():
    """LL-31: 1,000 BTC that go at a drop of 4.5 % into a book of 25,000 BTC per unit, bankrupt at 5 %."""
    return StepLiquidations(np.full(1000, 0.045), np.ones(1000))


def test_ll_31_shortfall_pooled_and_per_position():
    found = sweep_shortfall(cluster(), np.full(1000, 0.05), linear_depth(25_000.0), shock=0.045, drop=0.085,
                            reference=100_000.0)  # fmt: skip
    assert found.net == pytest.approx(1_500_000.0, rel=CLOSED)
    assert found.gross == pytest.approx(1_531_250.0, rel=CLOSED)
    assert found.surplus == pytest.approx(31_250.0, rel=CLOSED)
    assert np.flatnonzero(found.results < 0.0)[0] == 125


def test_a_backstop_that_takes_half_leaves_a_smaller_sweep():
    found = sweep_shortfall(cluster(), np.full(1000, 0.05), linear_depth(25_000.0), shock=0.045, drop=0.065,
                            reference=100_000.0, share=0.5)  # fmt: skip
    assert found.gross - found.surplus == pytest.approx(500 * 0.005 * 100_000, rel=CLOSED)


def test_ll_32_fund_for_exponential_shocks():
    def loss(shock):
        return 50e6 * max(0.0, shock + 0.015 - 0.07) if shock >= 0.06 else 0.0

    found = required_fund_of_law(loss, lambda tail: -0.02 * math.log(tail), 0.99)
    assert found == pytest.approx((1_855_170.19, 2_855_170.19, 62_233.84), rel=CLOSED)


def test_ll_32_by_simulation_with_contributions():
    shocks = 0.02 * Draws(13, "shocks").exponential(400_000)
    rows = np.where(shocks[:, None] >= 0.06, account_losses(
        [0.5, 0.3, 0.2], shocks[:, None] + 0.015, 0.07, reference=50e6), 0.0)  # fmt: skip
    found = required_fund(rows, 0.99)
    assert abs(found.value_at_risk.value - 1_855_170.19) < 3.0 * found.value_at_risk.error
    assert abs(found.expected_shortfall.value - 2_855_170.19) < 3.0 * found.expected_shortfall.error
    assert abs(found.expected.value - 62_233.84) < 3.0 * found.expected.error
    assert found.contributions.sum() == pytest.approx(found.expected_shortfall.value, rel=1e-12)
    assert found.contributions[0] / found.contributions[2] == pytest.approx(2.5)
    assert found.cover_two == pytest.approx(0.8 * rows.sum(axis=1).max())
    sizes = [size.value_at_risk.value for size in fund_curve(rows)]
    assert sizes == sorted(sizes)


LAYERS = st.floats(0.0, 1e6)


@given(loss=LAYERS, margin=LAYERS, fee=LAYERS, fund=LAYERS, backstop=LAYERS, profits=LAYERS, has_adl=st.booleans())
def test_a_waterfall_pays_the_loss_and_no_layer_more_than_it_holds(loss, margin, fee, fund, backstop, profits, has_adl):
    paid = waterfall(loss, margin=margin, fee=fee, fund=fund, backstop=backstop, winners=profits, has_adl=has_adl)
    assert math.fsum(paid) == pytest.approx(loss, rel=1e-12)
    limits = (margin, fee, fund, backstop, profits if has_adl else 0.0)
    assert all(0.0 <= part <= held for part, held in zip(paid, limits, strict=False))
    assert paid.socialised >= 0.0


def test_a_fund_pays_while_it_can_and_is_never_negative():
    fund = Fund(100.0)
    fund.receive(fee_inflow([1000.0, 2000.0], 0.01))
    assert fund.cover(50.0) == 0.0
    assert fund.cover(100.0) == pytest.approx(20.0)
    assert (fund.balance, fund.paid_in, fund.paid_out, fund.unfunded) == pytest.approx((0.0, 30.0, 130.0, 20.0))


def test_ll_33_pro_rata_and_water_filling():
    assert POLICIES["by_profit"](winners([100, 60, 40]), 90).tolist() == [45, 27, 18]
    assert water_filling(winners([50, 30, 10]), 40).tolist() == [30, 10, 0]
    assert water_filling(winners([50.0, 30.0, 10.0]), 40.0) == pytest.approx([30.0, 10.0, 0.0], rel=1e-12)


def test_the_queue_takes_whole_profits_in_order_of_profit_times_leverage():
    found = queue(winners([100, 60, 40], cost=[1000.0, 100.0, 400.0], leverage=[1.0, 1.0, 10.0]), 90)
    assert found.tolist() == [0, 50, 40]


AMOUNTS = st.lists(
    st.tuples(st.integers(0, 10**12), st.floats(0.1, 1e6), st.floats(0.1, 1e6), st.floats(0.0, 100.0)),
    min_size=1, max_size=30,
)  # fmt: skip


@given(rows=AMOUNTS, share=st.floats(0.0, 1.5), policy=st.sampled_from(sorted(POLICIES)))
def test_every_policy_conserves_to_the_unit_and_takes_no_more_than_a_profit(rows, share, policy):
    profit = np.array([row[0] for row in rows], dtype=np.int64)
    others = np.array([row[1:] for row in rows])
    found = winners(profit, size=others[:, 0], cost=others[:, 1], leverage=others[:, 2])
    deficit = int(share * int(profit.sum()))
    taken = POLICIES[policy](found, deficit)
    assert taken.dtype == np.int64
    assert int(taken.sum()) == min(deficit, int(profit.sum()))
    assert np.all((taken >= 0) & (taken <= profit))
    floats = POLICIES[policy](winners(profit.astype(float), size=others[:, 0], cost=others[:, 1],
                                      leverage=others[:, 2]), float(deficit))  # fmt: skip
    assert floats.sum() == pytest.approx(min(deficit, int(profit.sum())), rel=1e-9)
    assert np.all((floats >= 0.0) & (floats <= profit))


@given(profits=st.lists(st.floats(0.0, 1e6), min_size=2, max_size=20), share=st.floats(0.0, 1.0))
def test_water_filling_leaves_everyone_cut_at_one_level(profits, share):
    profit = np.array(profits)
    taken = water_filling(winners(profit), share * profit.sum())
    left = profit - taken
    cut = taken > 1e-6 * max(profit.max(), 1.0)
    if cut.any():
        assert np.ptp(left[cut]) <= 1e-6 * profit.max() + 1e-9
        assert left.max() <= left[cut].max() + 1e-6 * profit.max() + 1e-9


def test_policies_that_cap_share_the_rest():
    found = winners([10, 100, 100], size=[50.0, 25.0, 25.0])
    assert POLICIES["by_size"](found, 60).tolist() == [10, 25, 25]


def test_fairness_measures():
    assert fairness([0.0, 0.0, 90.0], 80.0).overshoot == pytest.approx(10.0)
    assert fairness([0.0, 0.0, 90.0], 80.0).gini == pytest.approx(2 / 3)
    assert fairness([30.0, 30.0, 30.0], 90.0).gini == pytest.approx(0.0)
    assert fairness([45.0, 27.0, 18.0], 90.0).top_share == pytest.approx(0.5)


def test_a_deficit_in_parts_of_a_unit_is_refused():
    with pytest.raises(ConfigError, match="whole where profits are units"):
        queue(winners([10, 20]), 2.5)
