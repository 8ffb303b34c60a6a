"""The event loop: two clocks over the same columns, and nothing else."""

from typing import Any

from backtest.strategy_clock import StrategyClock

class Loop(StrategyClock):
    """Runs one set of strategies over one dataset."""
    def run(self) -> Any: ...
