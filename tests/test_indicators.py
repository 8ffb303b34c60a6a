"""Indicators: definitions against pandas and hand-worked cases, no drift, no value before there is one."""

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.errors import ConfigError
from backtest.indicators import _Window
from backtest.series import BarSeries, NotReadyError
from feeds.errors import FeedError

HOUR = 3_600_000_000_000
BY_NAME = ("sma", "ema", "atr", "highest", "lowest", "volatility", "zscore")


def new_series(timeframe_ns: int = HOUR, **options) -> BarSeries:
    return BarSeries("BTC/USDT:USDT", "binance_usdm", timeframe_ns, **options)


def feed(series: BarSeries, frame: pd.DataFrame) -> None:
    """Append the rows of a frame of open, high, low, close, one after the other."""
    opened = int(series.ts_close[-1]) if len(series) else 0
    for row in frame[["open", "high", "low", "close"]].to_numpy().tolist():
        series.append(opened, opened + series.timeframe_ns, *row, 1.0)
        opened += series.timeframe_ns


def feed_closes(series: BarSeries, closes) -> None:
    closes = np.asarray(closes, dtype=float)
    feed(series, pd.DataFrame({"open": closes, "high": closes, "low": closes, "close": closes}))


def walk(bars: int, *, seed: int = 1, start: float = 30_000.0, sigma: float = 0.004) -> pd.DataFrame:
    """Return a random walk of bars."""
    draws = np.random.Generator(np.random.PCG64(seed))
    close = start * np.exp(np.cumsum(draws.normal(0.0, sigma, bars)))
    before = np.concatenate([[start], close[:-1]])
    high = np.maximum(before, close) * (1.0 + draws.exponential(sigma / 2, bars))
    low = np.minimum(before, close) * (1.0 - draws.exponential(sigma / 2, bars))
    return pd.DataFrame({"open": before, "high": high, "low": low, "close": close})


def true_range(frame: pd.DataFrame) -> pd.Series:
    before = frame.close.shift()
    spans = pd.concat([frame.high - frame.low, (frame.high - before).abs(), (frame.low - before).abs()], axis=1)
    return spans.max(axis=1)


def seeded(values: pd.Series, n: int, **ewm) -> pd.Series:
    """Return the exponential mean that pandas makes when the first n values are replaced by their mean."""
    first = pd.Series([values.iloc[:n].mean()])
    return pd.concat([first, values.iloc[n:]], ignore_index=True).ewm(adjust=False, **ewm).mean()


def by_pandas(name: str, frame: pd.DataFrame, n: int) -> pd.Series:
    """Return what pandas says an indicator of hourly bars is."""
    if name == "ema":
        return seeded(frame.close, n, span=n)
    if name == "atr":
        return seeded(true_range(frame), n, alpha=1 / n)
    found = {
        "sma": lambda: frame.close.rolling(n).mean(),
        "highest": lambda: frame.high.rolling(n).max(),
        "lowest": lambda: frame.low.rolling(n).min(),
        "volatility": lambda: np.log(frame.close).diff().rolling(n).std() * math.sqrt(365 * 24),
        # pandas' own rolling deviation drifts by 1e-8 here; its windows one by one do not.
        "zscore": lambda: frame.close.rolling(n).apply(
            lambda window: (window[-1] - window.mean()) / window.std(ddof=1), raw=True
        ),
    }
    return found[name]().dropna()


@pytest.mark.parametrize("n", [2, 3, 24, 336])
@pytest.mark.parametrize("name", BY_NAME)
def test_indicator_equals_pandas_at_every_bar(name, n):
    frame = walk(3000)
    series = new_series()
    found = getattr(series, name)(n)
    feed(series, frame)
    expected = by_pandas(name, frame, n).to_numpy()
    assert len(found) == expected.size
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["sma", "highest", "lowest"])
def test_window_of_one_is_the_bar_itself(name):
    series = new_series()
    found = getattr(series, name)(1)
    feed_closes(series, [3.0, 1.0, 2.0])
    assert list(found) == [3.0, 1.0, 2.0]


def test_ema_begins_with_the_mean_of_the_first_closes():
    series = new_series()
    ema = series.ema(3)  # alpha 1/2
    feed_closes(series, [1.0, 2.0, 6.0, 5.0, 8.0])
    assert list(ema) == [3.0, 4.0, 6.0]


def test_atr_counts_the_gap_to_the_close_before():
    series = new_series()
    atr = series.atr(2)
    feed(
        series,
        pd.DataFrame(
            {
                "open": [10.0, 15.0, 6.0],
                "high": [12.0, 16.0, 7.0],
                "low": [9.0, 14.0, 5.0],
                "close": [11.0, 15.0, 6.0],
            }
        ),
    )
    # True ranges 3 (no close before), 16 - 11 = 5, 15 - 5 = 10: (3 + 5) / 2, then 4 + (10 - 4) / 2.
    assert list(atr) == [4.0, 7.0]


def test_highest_is_of_highs_and_lowest_of_lows():
    series = new_series()
    highest, lowest = series.highest(2), series.lowest(2)
    feed(series, pd.DataFrame({"open": [5.0] * 3, "high": [9.0, 7.0, 8.0], "low": [1.0, 2.0, 3.0], "close": [5.0] * 3}))
    assert list(highest) == [9.0, 8.0]
    assert list(lowest) == [1.0, 2.0]


def test_breakout_compares_with_the_highest_before_this_bar():
    series = new_series()
    highest = series.highest(3)
    feed_closes(series, [1.0, 2.0, 3.0, 4.0])
    assert highest[-1] == 4.0
    assert series[-1].close > highest[-2]


@pytest.mark.parametrize(("timeframe_ns", "bars_a_year"), [(HOUR, 8760), (24 * HOUR, 365), (HOUR // 60, 525_600)])
def test_volatility_is_annual_by_the_timeframe(timeframe_ns, bars_a_year):
    # Returns +1 % and -1 % in turn: their sample deviation over 100 of them is 0.01 x sqrt(100 / 99).
    closes = [100.0 if place % 2 else 100.0 * math.exp(0.01) for place in range(101)]
    series = new_series(timeframe_ns)
    volatility = series.volatility(100)
    feed_closes(series, closes)
    assert len(volatility) == 1
    assert volatility[-1] == pytest.approx(0.01 * math.sqrt(100 / 99 * bars_a_year), rel=1e-12)


def test_volatility_needs_prices_above_zero():
    series = new_series()
    series.volatility(2)
    with pytest.raises(FeedError, match=r"volatility\(2\).*prices above 0.*closes at 0.0"):
        feed_closes(series, [1.0, 0.0])


def test_zscore_of_equal_closes_is_zero():
    series = new_series()
    score = series.zscore(5)
    feed_closes(series, [0.1] * 20)
    assert set(score) == {0.0}


def test_applied_function_gets_the_last_values_oldest_first():
    seen = []

    def spread(window):
        seen.append(window.tolist())
        with pytest.raises(ValueError, match="read-only"):
            window[0] = 1.0
        return window[-1] - window[0]

    series = new_series()
    found = series.apply(spread, 3)
    feed_closes(series, [1.0, 2.0, 4.0, 8.0])
    assert seen == [[1.0, 2.0, 4.0], [2.0, 4.0, 8.0]]
    assert list(found) == [3.0, 6.0]


def test_applied_function_can_read_another_field():
    series = new_series()
    lowest = series.apply(np.min, 2, field="low")
    feed(series, walk(300))
    series_low = series.lowest(2)
    assert list(lowest) == list(series_low)


def test_window_of_an_applied_function_stays_what_it_was():
    kept = []
    series = new_series()
    series.apply(lambda window: kept.append(window) or 0.0, 2)
    feed_closes(series, range(1, 500))
    assert [window.tolist() for window in kept] == [[place, place + 1] for place in range(1, 499)]


@pytest.mark.parametrize("name", BY_NAME)
def test_reading_before_there_is_a_value_is_an_error_that_names_it(name):
    series = new_series()
    found = getattr(series, name)(4)
    feed(series, walk(3))
    assert not found.ready
    assert len(found) == 0
    assert found.values.size == 0
    for read in (lambda: found[-1], lambda: float(found)):
        with pytest.raises(NotReadyError, match=rf"{name}\(4\)\[-1\]: no such value \(none yet\)"):
            read()
    feed(series, walk(2))
    assert found.ready
    assert float(found) == found[-1]


def test_value_before_the_first_is_an_error():
    series = new_series()
    found = series.sma(2)
    feed_closes(series, [1.0, 2.0])
    assert found[-1] == 1.5
    with pytest.raises(NotReadyError, match=r"\[-2\]: no such value \(1 kept so far\)"):
        found[-2]
    with pytest.raises(NotReadyError, match="count from the end"):
        found[0]


@pytest.mark.parametrize("name", BY_NAME)
def test_no_value_is_ever_nan(name):
    series = new_series()
    found = getattr(series, name)(10)
    feed(series, walk(500))
    assert np.isfinite(found.values).all()


def test_values_are_python_floats_and_slices_arrays():
    series = new_series()
    found = series.sma(2)
    feed_closes(series, [1.0, 2.0, 3.0])
    assert type(found[-1]) is float
    assert found[-2:].tolist() == [1.5, 2.5]
    assert list(found) == [1.5, 2.5]
    with pytest.raises(ValueError, match="read-only"):
        found.values[0] = 9.0


@pytest.mark.parametrize("name", BY_NAME)
def test_same_indicator_is_the_same_object(name):
    series = new_series()
    assert getattr(series, name)(5) is getattr(series, name)(5)
    assert getattr(series, name)(5) is not getattr(series, name)(6)


def test_same_applied_function_is_the_same_object():
    series = new_series()
    assert series.apply(np.mean, 5) is series.apply(np.mean, 5)
    assert series.apply(np.mean, 5) is not series.apply(np.mean, 5, field="high")
    assert series.apply(np.mean, 5) is not series.apply(np.max, 5)


@pytest.mark.parametrize("name", BY_NAME)
def test_indicator_made_late_equals_one_made_early(name):
    early, late = new_series(), new_series()
    first = getattr(early, name)(20)
    feed(early, walk(300))
    feed(late, walk(300))
    second = getattr(late, name)(20)
    assert list(first) == list(second)
    feed(early, walk(50, seed=2))
    feed(late, walk(50, seed=2))
    assert list(first) == list(second)


def test_indicator_made_late_sees_only_the_bars_kept():
    series = new_series(keep=10)
    feed_closes(series, range(100))
    assert list(series.sma(4)) == [91.5, 92.5, 93.5, 94.5, 95.5, 96.5, 97.5]


@pytest.mark.parametrize("n", [0, -3, 2.0, True, "5"])
@pytest.mark.parametrize("name", BY_NAME)
def test_bad_window_is_refused(name, n):
    with pytest.raises(ConfigError, match=rf"n of {name} must be a whole number of at least"):
        getattr(new_series(), name)(n)


@pytest.mark.parametrize("name", ["volatility", "zscore"])
def test_deviation_of_one_value_is_refused(name):
    with pytest.raises(ConfigError, match="at least 2, got 1"):
        getattr(new_series(), name)(1)


def test_bad_application_is_refused():
    with pytest.raises(ConfigError, match="field must be one of open, high, low, close, volume, got 'price'"):
        new_series().apply(np.mean, 5, field="price")
    with pytest.raises(ConfigError, match="needs a function"):
        new_series().apply("mean", 5)


@given(
    values=st.lists(st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-6), min_size=1, max_size=60),
    n=st.integers(1, 12),
)
def test_window_folds_exactly_the_last_values(values, n):
    # With exact numbers nothing can be lost, so any wrong value in the window shows.
    window = _Window(n, lambda a, b: a + b)
    for place, value in enumerate(values, 1):
        found = window.push(Fraction(value))
        assert found == (sum(map(Fraction, values[place - n : place])) if place >= n else None)


@pytest.mark.parametrize("n", [1, 2, 10, 1000, 7000])
def test_window_folds_at_most_three_times_a_value(n):
    folds = 0

    def fold(a, b):
        nonlocal folds
        folds += 1
        return a + b

    window = _Window(n, fold)
    for value in range(20_000):
        window.push(value)
    assert folds <= 3 * 20_000


def test_sums_do_not_drift_after_a_huge_price():
    # A crash of six decades in the middle: a running sum would keep 1e-16 of the large prices for ever.
    draws = np.random.Generator(np.random.PCG64(3))
    closes = np.concatenate([draws.uniform(9e9, 1e10, 100_000), draws.uniform(1.0, 1.1, 100_000)])
    series = new_series(keep=4096)
    mean, score = series.sma(240), series.zscore(240)
    feed_closes(series, closes)
    last = [Fraction(close) for close in closes[-240:].tolist()]
    exact = sum(last) / 240
    assert float(mean) == pytest.approx(float(exact), rel=1e-14)
    deviation = math.sqrt(sum((each - exact) ** 2 for each in last) / 239)
    assert float(score) == pytest.approx(float(last[-1] - exact) / deviation, rel=1e-12)


def test_small_volatility_of_a_large_price_is_not_lost():
    # Deviation / mean = 1e-10: mean of squares minus square of mean has no correct digit here.
    closes = [1e9 + (0.1 if place % 2 else 0.0) for place in range(1000)]
    series = new_series()
    score = series.zscore(100)
    feed_closes(series, closes)
    last = [Fraction(close) for close in closes[-100:]]
    exact = sum(last) / 100
    deviation = math.sqrt(sum((each - exact) ** 2 for each in last) / 99)
    assert float(score) == pytest.approx(float(last[-1] - exact) / deviation, rel=1e-5)


def test_exponential_means_do_not_drift_over_many_bars():
    frame = walk(200_000, sigma=0.001)
    series = new_series()
    ema, atr = series.ema(240), series.atr(240)
    feed(series, frame)
    size = len(ema)
    assert size == 4096
    np.testing.assert_allclose(ema.values, by_pandas("ema", frame, 240).to_numpy()[-size:], rtol=1e-12)
    np.testing.assert_allclose(atr.values, by_pandas("atr", frame, 240).to_numpy()[-size:], rtol=1e-10)
