"""Orders and targets that wait for the first price of their instrument."""

from typing import Any

from backtest.strategy_core import StrategyCore

class EarlyOrders(StrategyCore):
    """What a strategy asks for before anybody has told it a price."""
    def _wait(self, instrument: int, key: Any, call: Any) -> Any: ...
    def _forget(self, key: Any) -> Any: ...
    def first_prices(self) -> Any: ...
