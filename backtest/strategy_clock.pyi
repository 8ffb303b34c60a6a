"""The strategy's clock: all deliveries of an instant reach the local view, then hooks run: answers, market, timers."""

from typing import Any

from backtest.forced_sales import ForcedSales

WEEK_NS: int
MONDAY_NS: int

class StrategyClock(ForcedSales):
    """Delivers to strategies."""
    def connect(self, hooks_of_strategies: list[Any], *, bars_due: bool) -> Any: ...
    def add_aggregator(self, instrument: int, timeframe: int, source: int, from_trades: bool, latency: int) -> Any: ...
