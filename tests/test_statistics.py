"""Statistics: deposits taken out, ruin, short records, and agreement with the library where both define the same."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest import statistics
from backtest.errors import ConfigError

DAY = 86_400_000_000_000
T0 = 1_738_368_000_000_000_000  # 2025-02-01


def series(values):
    return pd.Series(values, index=pd.date_range("2025-01-01", periods=len(values), tz="UTC"), dtype=float)


def noisy(n=90, seed=1):
    return series(np.random.default_rng(seed).normal(0.001, 0.02, n))


def worth_of(equity, flows=()):
    times = T0 + DAY * np.arange(len(equity))
    return statistics.wealth(
        times,
        np.array(equity, dtype=float),
        np.array([T0 + int(day * DAY) for day, _ in flows], dtype=np.int64),
        np.array([amount for _, amount in flows], dtype=float),
    )


def test_a_deposit_is_not_a_return():
    assert worth_of([100.0, 110.0, 210.0, 210.0], [(1.5, 100.0)]).tolist() == [1.0, 1.1, 1.1, 1.1]


def test_a_withdrawal_at_the_time_of_a_sample_is_inside_that_sample():
    assert worth_of([100.0, 60.0, 66.0], [(1, -40.0)]).tolist() == pytest.approx([1.0, 1.0, 1.1])


def test_ruin_is_not_healed_by_a_deposit():
    assert worth_of([100.0, 0.0, 50.0, 60.0], [(1.5, 50.0)]).tolist() == [1.0, 0.0, 0.0, 0.0]


def test_negative_equity_is_a_loss_of_everything_and_no_more():
    assert worth_of([100.0, -20.0, -10.0]).tolist() == [1.0, 0.0, 0.0]


def test_daily_returns_end_at_midnight_and_days_without_a_sample_are_zero():
    times = T0 + np.array([0, DAY // 2, DAY, 3 * DAY, 3 * DAY + 1])
    daily = statistics.returns(times, np.array([1.0, 1.1, 1.2, 1.5, 0.75]))
    assert daily.index.strftime("%d %H:%M").tolist() == ["01 00:00", "02 00:00", "03 00:00", "04 00:00"]
    assert daily.tolist() == pytest.approx([0.2, 0.0, 0.25, -0.5])


def test_a_run_that_begins_at_noon_has_a_first_day():
    times = T0 + np.array([DAY // 2, DAY, 2 * DAY])
    daily = statistics.returns(times, np.array([1.0, 1.1, 1.1]))
    assert daily.tolist() == pytest.approx([0.1, 0.0])


def test_monthly_returns_follow_the_calendar():
    times = T0 + DAY * np.array([0, 10, 28, 40, 89])  # to 2025-05-01 00:00
    monthly = statistics.returns(times, np.array([1.0, 1.1, 1.2, 1.8, 0.9]), "MS")
    assert monthly.index.strftime("%Y-%m").tolist() == ["2025-02", "2025-03", "2025-04"]
    assert monthly.tolist() == pytest.approx([0.2, 0.5, -0.5])


@given(st.lists(st.floats(0.5, 2.0), min_size=1, max_size=40), st.sampled_from(["1D", "7h", "MS"]))
def test_the_product_of_returns_is_the_whole_return(factors, freq):
    worth = np.cumprod([1.0, *factors])
    made = statistics.returns(T0 + DAY // 3 * np.arange(len(worth)), worth, freq)
    assert float((1.0 + made).prod()) == pytest.approx(worth[-1])


def test_after_ruin_returns_are_zero():
    daily = statistics.returns(T0 + DAY * np.arange(4), np.array([1.0, 0.5, 0.0, 0.0]))
    assert daily.tolist() == [-0.5, -1.0, 0.0]


@pytest.mark.parametrize("freq", ["nonsense", "-1D", "0D"])
def test_an_impossible_period_is_refused_with_what_is_allowed(freq):
    with pytest.raises(ConfigError, match="freq"):
        statistics.returns(T0 + DAY * np.arange(3), np.ones(3), freq)


def test_drawdown_is_the_fall_from_the_highest_so_far():
    assert statistics.drawdowns(np.array([1.0, 2.0, 1.0, 3.0, 0.0])).tolist() == [0.0, 0.0, -0.5, 0.0, -1.0]


def test_longest_drawdown_runs_from_peak_to_recovery_or_to_the_end():
    times = DAY * np.arange(8)
    assert statistics.longest_drawdown(times, np.array([1, 2, 1, 2, 1, 1, 1, 3.0])) == 4.0
    assert statistics.longest_drawdown(times, np.array([1, 2, 1, 2, 1, 1, 1, 1.0])) == 4.0
    assert statistics.longest_drawdown(times, np.arange(8.0)) == 0.0


@pytest.mark.parametrize("values", [[], [0.01], [0.0, 0.0, 0.0], [0.001] * 40, [-1.0, 0.0], [0.1, -1.0] + [0.0] * 40])
def test_every_figure_of_a_degenerate_record_is_a_number_or_nan_without_a_warning(values):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = statistics.plain(series(values)) | statistics.library(series(values))
    assert all(isinstance(value, float) and not math.isinf(value) for value in figures.values())


def test_growth_is_not_extrapolated_from_a_few_days():
    assert math.isnan(statistics.plain(noisy(29))["cagr"])
    assert math.isfinite(statistics.plain(noisy(30))["cagr"])


def test_sharpe_of_a_constant_return_is_undefined():
    assert math.isnan(statistics.plain(series([0.001] * 40))["sharpe"])


def test_sharpe_and_sortino_fall_with_the_cash_rate():
    free, dear = statistics.plain(noisy()), statistics.plain(noisy(), 0.5)
    assert dear["sharpe"] < free["sharpe"]
    assert dear["sortino"] < free["sortino"]


def test_a_record_that_earns_the_cash_rate_has_a_sharpe_of_zero():
    day = 1.10 ** (1 / 365) - 1
    assert statistics.plain(series([day + 0.01, day - 0.01] * 30), 0.10)["sharpe"] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("rate", [0.0, 0.04])
def test_own_figures_equal_those_of_the_library_where_it_defines_the_same(rate):
    import quantstats.stats as qs

    daily = noisy()
    bare = daily.tz_localize(None)
    ours = statistics.plain(daily, rate)
    assert ours["sharpe"] == pytest.approx(qs.sharpe(bare, rf=rate, periods=365))
    assert ours["volatility"] == pytest.approx(qs.volatility(bare, periods=365))
    assert ours["cagr"] == pytest.approx(qs.cagr(bare, periods=365))
    worth = np.r_[1.0, (1 + daily).cumprod()]
    assert statistics.drawdowns(worth).min() == pytest.approx(qs.max_drawdown(bare))
    if rate == 0.0:  # it does not subtract the rate
        assert ours["sortino"] == pytest.approx(qs.sortino(bare, periods=365))


def test_library_figures_of_a_known_record():
    figures = statistics.library(series([0.02, 0.02, -0.01, 0.03, -0.02, -0.02, 0.0, 0.01]))
    assert figures["win_rate"] == pytest.approx(4 / 7)
    assert figures["profit_factor"] == pytest.approx(0.08 / 0.05)
    assert figures["payoff_ratio"] == pytest.approx(0.02 / (0.05 / 3))
    assert figures["consecutive_wins"] == 2
    assert figures["consecutive_losses"] == 2
    # win rate - loss rate / payoff ratio
    assert figures["kelly"] == pytest.approx(4 / 7 - (3 / 7) / 1.2)


def test_shape_and_tail_figures_equal_their_definitions():
    from scipy import stats

    daily = noisy(200)
    figures = statistics.library(daily)
    values = daily.to_numpy()
    assert figures["skew"] == pytest.approx(stats.skew(values, bias=False))
    assert figures["kurtosis"] == pytest.approx(stats.kurtosis(values, bias=False))
    assert figures["value_at_risk"] == pytest.approx(stats.norm.ppf(0.05, values.mean(), values.std(ddof=1)))
    worst = values[values <= np.quantile(values, 0.05)]
    assert figures["expected_shortfall"] == pytest.approx(worst.mean())
    assert figures["tail_ratio"] == pytest.approx(abs(np.quantile(values, 0.95) / np.quantile(values, 0.05)))


def test_a_day_that_more_than_doubles_is_not_taken_for_a_price():
    # The library reads a series without a loss and with a value above 1 as prices.
    figures = statistics.library(series([0.0, 1.5, 0.1, 0.2]))
    assert figures["consecutive_wins"] == 3
    assert figures["win_rate"] == 1.0


def test_the_input_is_not_changed():
    daily = noisy()
    before = daily.copy()
    statistics.library(daily)
    statistics.plain(daily, 0.1)
    pd.testing.assert_series_equal(daily, before)
