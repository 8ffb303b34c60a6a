"""Hourly bars that history puts together from real minutes, beside the hourly bars that the venue itself published."""

import numpy as np
import pandas as pd
import pytest

import feeds
from backtest.history import History
from backtest.series import BarSeries

AVAX = ("binance_usdm", "AVAX/USDT:USDT")
FIELDS = ["open", "high", "low", "close", "volume"]
HOUR = 3_600_000_000_000


@pytest.fixture(scope="module")
def minutes(real_data) -> pd.DataFrame:
    """One-minute bars of February 2025, by their open."""
    frame = pd.read_parquet(real_data / "ohlcv" / "binance_um_AVAXUSDT_1m-2025-02.parquet")
    frame.index = pd.to_datetime(frame.pop("open_time"), unit="ms", utc=True)
    return frame[[*FIELDS, "quote_volume"]]


@pytest.fixture(scope="module")
def published(real_data) -> pd.DataFrame:
    """Hourly bars of the same month as another collector got them from the venue, by their close."""
    frame = pd.read_parquet(real_data / "ohlcv" / "binance_um_AVAXUSDT_1h.parquet")
    frame.index = pd.to_datetime(frame.pop("timestamp"), utc=True).dt.as_unit("ns")
    frame = frame.loc["2025-02", [f"{name}_perp_binance" for name in FIELDS]].set_axis(FIELDS, axis=1)
    return frame.shift(freq="1h")


def test_hours_made_of_minutes_are_those_the_venue_published(minutes, published):
    history = History(feeds.from_pandas(minutes, kind="bars:1m", venue=AVAX[0], symbol=AVAX[1]))
    now = published.index[-1].value
    found = history.frame({"AVAX": AVAX}, "1h", 10_000, field=FIELDS, now=now).droplevel("symbol", axis=1)
    assert len(found) == 28 * 24
    assert found.index.equals(published.index)
    prices = FIELDS[:4]
    assert (found[prices] == published[prices]).all(axis=None)
    # The published volumes were stored as float32.
    np.testing.assert_allclose(found["volume"], published["volume"], rtol=1e-6)


def test_quote_volume_of_the_month_is_the_sum_of_the_published_amounts(minutes):
    history = History(feeds.from_pandas(minutes, kind="bars:1m", venue=AVAX[0], symbol=AVAX[1]))
    end = (minutes.index[-1] + pd.Timedelta(minutes=1)).as_unit("ns").value
    assert history.quote_volume(*AVAX, now=end) == pytest.approx(minutes["quote_volume"].sum(), rel=1e-12)
    # Volume x close misses it by the path inside each minute only.
    bare = History(feeds.from_pandas(minutes[FIELDS], kind="bars:1m", venue=AVAX[0], symbol=AVAX[1]))
    assert bare.quote_volume(*AVAX, now=end) == pytest.approx(minutes["quote_volume"].sum(), rel=1e-3)


def test_indicators_of_real_hours_are_those_of_pandas(published):
    series = BarSeries(AVAX[1], AVAX[0], HOUR)
    volatility, highest, mean = series.volatility(336), series.highest(120), series.sma(24)
    for close, row in zip(published.index.asi8.tolist(), published.to_numpy().tolist(), strict=True):
        series.append(close - HOUR, close, *row)
    assert series.gaps == 0
    returns = np.log(published.close).diff()
    np.testing.assert_allclose(
        volatility.values, returns.rolling(336).std().dropna() * np.sqrt(365 * 24), rtol=1e-9, atol=0.0
    )
    np.testing.assert_allclose(highest.values, published.high.rolling(120).max().dropna(), rtol=0.0, atol=0.0)
    np.testing.assert_allclose(mean.values, published.close.rolling(24).mean().dropna(), rtol=1e-12, atol=0.0)
