"""Bar series: what is kept, how it is indexed, what is refused, and what an append costs."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.errors import ConfigError, InvariantError
from backtest.series import Bar, BarSeries, NotReadyError
from feeds.errors import LevdynError

HOUR = 3_600_000_000_000
T0 = 1_700_000_000 // 3600 * HOUR


def series_of(closes, *, keep=4096, start=0, timeframe_ns=HOUR) -> BarSeries:
    """Return an hourly series with these closes; open, high, low and volume follow from them."""
    series = BarSeries("BTC/USDT:USDT", "binance_usdm", timeframe_ns, keep=keep)
    extend(series, closes, start=start)
    return series


def extend(series: BarSeries, closes, *, start=0) -> None:
    for place, close in enumerate(closes, start):
        opened = T0 + place * series.timeframe_ns
        series.append(
            opened, opened + series.timeframe_ns, close - 0.5, close + 1.0, close - 2.0, float(close), 10.0 + place
        )


def test_last_bar_is_at_minus_one():
    series = series_of([100.0, 101.0, 102.0])
    assert series[-1] == Bar(T0 + 2 * HOUR, T0 + 3 * HOUR, 101.5, 103.0, 100.0, 102.0, 12.0)
    assert series[-3].close == 100.0
    assert len(series) == 3


def test_columns_are_indexed_from_the_end_too():
    series = series_of([100.0, 101.0, 102.0])
    assert series.close[-1] == 102.0
    assert series.high[-2] == 102.0
    assert series.low.tolist() == [98.0, 99.0, 100.0]
    assert series.open.tolist() == [99.5, 100.5, 101.5]
    assert series.volume.tolist() == [10.0, 11.0, 12.0]
    assert series.ts_open.tolist() == [T0, T0 + HOUR, T0 + 2 * HOUR]
    assert series.ts_close[-1] == T0 + 3 * HOUR


def test_bars_can_be_sliced_and_iterated():
    series = series_of([1.0, 2.0, 3.0, 4.0], keep=3)
    assert [bar.close for bar in series] == [2.0, 3.0, 4.0]
    assert [bar.close for bar in series[-2:]] == [3.0, 4.0]


@pytest.mark.parametrize("name", ["ts_open", "ts_close", "open", "high", "low", "close", "volume"])
def test_columns_cannot_be_written(name):
    with pytest.raises(ValueError, match="read-only"):
        getattr(series_of([1.0, 2.0]), name)[-1] = 5


def test_view_that_is_kept_does_not_change():
    series = series_of(range(1, 11), keep=8)
    view, copy = series.close, series.close.copy()
    extend(series, range(1000, 1500), start=10)
    assert view.tolist() == copy.tolist() == [3, 4, 5, 6, 7, 8, 9, 10]


@given(keep=st.integers(1, 200), count=st.integers(0, 700), window=st.integers(1, 150))
def test_only_the_last_bars_are_kept(keep, count, window):
    series = BarSeries("BTC/USDT:USDT", "binance_usdm", HOUR, keep=keep)
    highest = series.highest(window)
    extend(series, range(count))
    kept = min(count, max(keep, window + 1))
    assert len(series) == kept
    assert series.close.tolist() == list(range(count - kept, count))
    assert len(highest) == min(max(0, count - window + 1), max(keep, window + 1))


def test_memory_stays_bounded():
    series = series_of(range(30_000), keep=100)
    assert all(getattr(series, name).base.size <= 200 for name in ("ts_open", "close", "volume"))


def test_at_least_4096_bars_are_kept_by_default():
    assert len(series_of(range(5000))) >= 4096


def test_larger_window_is_kept_whole():
    series = BarSeries("BTC/USDT:USDT", "binance_usdm", HOUR)
    series.sma(6000)
    extend(series, range(6500))
    assert len(series) >= 6000


def test_missing_bars_are_counted():
    series = series_of([1.0, 2.0])
    assert series.gaps == 0
    extend(series, [3.0, 4.0], start=5)
    extend(series, [5.0], start=8)
    assert series.gaps == 4
    assert "4 missing" in repr(series)


def test_bar_out_of_order_is_refused_and_changes_nothing():
    series = series_of([1.0, 2.0, 3.0])
    mean = series.sma(2)
    for place in (0, 2):
        with pytest.raises(InvariantError, match=r"BTC/USDT:USDT@binance_usdm 1h.*order of time"):
            extend(series, [9.0], start=place)
    assert (len(series), series.gaps, mean[-1]) == (3, 0, 2.5)


def test_bar_of_another_length_is_refused():
    with pytest.raises(InvariantError, match="length of the timeframe"):
        BarSeries("BTC/USDT:USDT", "binance_usdm", HOUR).append(T0, T0 + HOUR - 1, 1.0, 1.0, 1.0, 1.0, 1.0)


def test_missing_bar_is_an_error_that_says_what_there_is():
    with pytest.raises(NotReadyError, match=r"1h\[-1\]: no such bar \(none yet\)"):
        series_of([])[-1]
    with pytest.raises(NotReadyError, match=r"1h\[-3\]: no such bar \(2 kept so far\)"):
        series_of([1.0, 2.0])[-3]


def test_index_from_the_front_is_refused():
    with pytest.raises(NotReadyError, match="count from the end"):
        series_of([1.0, 2.0])[0]


def test_error_of_a_missing_value_is_one_of_ours_and_an_index_error():
    assert issubclass(NotReadyError, LevdynError)
    assert issubclass(NotReadyError, IndexError)


def test_series_says_what_it_is():
    series = series_of([1.0, 2.0])
    assert (series.symbol, series.venue, series.timeframe) == ("BTC/USDT:USDT", "binance_usdm", "1h")
    assert repr(series) == "BarSeries(BTC/USDT:USDT@binance_usdm 1h, 2 bars, 0 missing)"


@pytest.mark.parametrize("value", [0, -1, 2.5, True, "10", None])
def test_bad_size_is_refused(value):
    with pytest.raises(ConfigError, match="keep must be a whole number of at least 1"):
        BarSeries("BTC/USDT:USDT", "binance_usdm", HOUR, keep=value)


def test_series_without_indicators_is_ready():
    assert BarSeries("BTC/USDT:USDT", "binance_usdm", HOUR).ready


def test_series_is_ready_when_every_indicator_has_this_value_and_the_one_before():
    series = BarSeries("BTC/USDT:USDT", "binance_usdm", HOUR)
    series.sma(2)
    slow = series.highest(5)
    seen = []
    for place in range(7):
        extend(series, [float(place)], start=place)
        seen.append((slow.ready, series.ready))
        if series.ready:
            assert slow[-2] == place + 0.0  # the high of the bar before: its close + 1
    assert seen == [(False, False)] * 4 + [(True, False), (True, True), (True, True)]


def test_new_indicator_makes_a_ready_series_wait():
    series = BarSeries("BTC/USDT:USDT", "binance_usdm", HOUR)
    series.sma(2)
    extend(series, [1.0, 2.0, 3.0])
    assert series.ready
    series.sma(10)
    assert not series.ready


def steps_of_append(window: int, bars: int) -> tuple[float, int]:
    """Return executed bytecodes per append of a series with four indicators, and how often its columns moved.

    The indicators compute in plain Python, so bytecodes are operations. What one bytecode can hide is a walk in C: the
    folding of a full block (its folds are counted in the tests of indicators) and the moving of columns (counted here).
    """
    series = BarSeries("BTC/USDT:USDT", "binance_usdm", HOUR, keep=64)
    series.sma(window)
    series.ema(window)
    series.atr(window)
    series.volatility(window)
    prices = (100.0 + np.sin(np.arange(bars)) * 5.0).tolist()
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    moves, base = 0, series.close.base
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for place, price in enumerate(prices):
            opened = T0 + place * HOUR
            series.append(opened, opened + HOUR, price, price + 1.0, price - 1.0, price, 1.0)
    finally:
        sys.settrace(before)
    for place in range(bars, 2 * bars):
        extend(series, [100.0], start=place)
        moves += series.close.base is not base
        base = series.close.base
    return count / bars, moves


def test_append_costs_the_same_whatever_the_window():
    small, _ = steps_of_append(10, 4000)
    large, _ = steps_of_append(1000, 4000)
    assert large < 1.2 * small


def test_append_costs_the_same_however_long_the_series():
    short, _ = steps_of_append(50, 500)
    long, moves = steps_of_append(50, 5000)
    assert long < 1.2 * short
    assert moves <= 5000 / 64 + 1
