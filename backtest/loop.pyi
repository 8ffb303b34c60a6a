"""The event loop: two clocks over the same columns, and nothing else."""

from typing import Any

from backtest.bar_stretches import BarStretches

class Loop(BarStretches):
    """Runs one set of strategies over one dataset."""
    def run(self) -> Any: ...
    def stop(self) -> None: ...
