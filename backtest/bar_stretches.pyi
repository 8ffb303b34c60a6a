"""Stretches of bars that touch nothing, with their marks: both clocks pass over them in one loop."""

from backtest.strategy_clock import StrategyClock

class BarStretches(StrategyClock):
    """Passes over bars that need no decision between two deliveries."""
    @property
    def bars_passed(self) -> int: ...
