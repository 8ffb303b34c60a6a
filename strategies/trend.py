"""Trend with leverage: buy breakouts, add to winners, let the venue hold the stop.

**Earns** on the few long moves; a unit is added each time the price has gone one average range further, so that the
position is largest when the trend has proved itself.

**Is killed by** markets that go nowhere (every breakout is bought and stopped out), by gaps through the stop, and by
leverage that is too high for the volatility: the exposure aims at a constant volatility of the equity and is cut when
the market becomes wilder. The stop rests at the venue and trails the mark, so it works between the bars, during
outages, and long before the liquidation price.
"""

from backtest import Strategy
from backtest.messages import Fill
from backtest.views import BarEvent


class TrendPyramid(Strategy):
    """Breakouts of hourly highs, up to four units, one trailing stop for all of them."""

    symbol: str = "BTC/USDT:USDT"
    timeframe: str = "1h"
    lookback: int = 48  # bars whose highest high must be broken
    units: int = 4
    vol_target: float = 0.8  # of the equity, a year, with all units on
    vol_window: int = 48  # bars
    max_leverage: float = 5.0
    stop_atr: float = 3.0  # distance of the stop in average true ranges
    atr_window: int = 24  # bars

    def on_start(self) -> None:
        """Ask for the bars and for what is computed from them."""
        bars = self.subscribe_bars(self.symbol, self.timeframe)
        self._high = bars.highest(self.lookback)
        self._atr = bars.atr(self.atr_window)
        self._vol = bars.volatility(self.vol_window)

    def on_bar(self, bar: BarEvent) -> None:
        """Enter, add, or cut back; not called before all indicators are ready."""
        position = self.position(self.symbol)
        wanted = min(self.max_leverage, self.vol_target / self._vol[-1])
        done = position.entries
        breakout = done == 0 and bar.close > self._high[-2]
        further = 0 < done < self.units and bar.close > position.last_entry_price + self._atr[-1]
        if breakout or further:
            self.target(self.symbol, leverage=wanted * (done + 1) / self.units, tag=f"unit {done + 1}")
        elif position.leverage > 1.25 * wanted:
            self.target(self.symbol, leverage=wanted, tag="volatility")
        self.record(wanted=wanted, leverage=position.leverage, stop=position.stop_price)

    def on_fill(self, fill: Fill) -> None:
        """Every addition brings the stop up to date; it closes whatever the position is when it fires."""
        if fill.increases:
            self.protect(self.symbol, trailing=self.stop_atr * self._atr[-1], trigger="mark")
