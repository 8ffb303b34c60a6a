"""A strategy that asks again for what was asked for in another run."""

from collections.abc import Callable
from typing import Any

from backtest.script import Script
from backtest.strategy import Strategy

class Repeat(Strategy):
    """The requests of a script, made again at their moments."""
    def __init__(
        self, script: Script, *, shares: list[float], settings: Callable[[int, int, float], float]
    ) -> None: ...
    def on_start(self) -> None: ...
    @property
    def shares(self) -> list[float]: ...
    @property
    def settings(self) -> Callable[[int, int, float], float]: ...
    @property
    def changed(self) -> int: ...

def part(amount: Any, share: float) -> Any: ...
