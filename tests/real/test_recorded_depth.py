"""Binance's bookDepth of 2025-10-10 as what an order costs: the engine beside a reckoning on the file by numpy.

Data: book/ and ohlcv/ of the shared folder. The file itself is broken from about 15:00 UTC of that day on: its bids
within one percent stay at 17.65 BTC for nine hours (Binance Vision, issue 431); the test looks at the hours before.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import feeds
import venues
from backtest import Backtest, Strategy
from feeds.importing import import_file

BTC = "BTC/USDT:USDT"
DEPTH = "book/binance_um_BTCUSDT_bookDepth_2025-10-10.csv.gz"
CANDLES = "ohlcv/multi_venue_1h_BTC_SOL_2025-03_2026-03.parquet"


class Once(Strategy):
    """Buys or sells so much at ten thirty."""

    size: float = 0.0

    def on_start(self):
        """Wait."""
        self.at("10:30")

    def on_timer(self, timer):
        """Trade."""
        (self.buy if self.size > 0 else self.sell)(BTC, quantity=abs(self.size))


def average_way(rows: pd.DataFrame, size: float) -> float:
    """Return how far an order moves the price on average: the integral of the straight lines between the bands."""
    side = rows[np.sign(rows["percentage"]) == np.sign(size)].copy()
    side["away"] = side["percentage"].abs() / 100.0
    side = side.sort_values("away")
    quantity, away = np.r_[0.0, side["depth"]], np.r_[0.0, side["away"]]
    grid = np.linspace(0.0, abs(size), 200_001)
    return float(np.trapezoid(np.interp(grid, quantity, away), grid) / abs(size))


@pytest.mark.parametrize("size", [300.0, 2500.0, 5000.0, -300.0, -2500.0])
def test_an_order_costs_what_the_bands_say_at_its_time(real_data: Path, size: float) -> None:
    candles = pd.read_parquet(real_data / CANDLES)
    candles = candles[(candles["venue"] == "binance") & (candles["coin"] == "BTC")]
    day = candles.set_index("timestamp").sort_index()["2025-10-10 08:00":"2025-10-10 13:00"]
    frame = day.rename(columns=dict(zip("ohlcv", ("open", "high", "low", "close", "volume"), strict=True)))
    frame = frame[["open", "high", "low", "close", "volume"]].assign(volume=1e6).round(3)  # no cap in this test
    data = feeds.from_pandas(frame, kind="bars", venue="binance_usdm", symbol=BTC, timeframe="1h")
    data = data + import_file(real_data / DEPTH, symbol=BTC, venue="binance_usdm").dataset
    prices = []
    for model in (None, venues.Impact(law="recorded", memory="none")):
        owner = venues.Venue("binance_usdm", balances={"USDT": 1e9}, slippage=0, impact=model, participation=1.0)
        result = Backtest(data, Once(size=size), venues=owner, mark="last", limits=False, end="2025-10-10T12:00").run()
        (price,) = result.fills["price"]
        prices.append(price)
    rows = pd.read_csv(real_data / DEPTH)
    rows = rows[rows["timestamp"] <= "2025-10-10 10:30:00"]
    rows = rows[rows["timestamp"] == rows["timestamp"].max()]
    moved = (prices[1] / prices[0] - 1.0) * np.sign(size)
    assert moved == pytest.approx(average_way(rows, size), abs=2e-6)
    assert moved > 0
