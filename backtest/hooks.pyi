"""Calls the Python hooks of strategies, and the C ones of fills and timers."""

from typing import Any

from backtest.context import Context

PAID_BY: tuple[str, ...]
TRANSFER_STATUS: tuple[str, ...]

class Hooks:
    """The hooks of all strategies of a run."""
    def __init__(self, context: Context, strategies: list[Any]) -> None: ...
    def listeners(self, hook: Any, account: int, instrument: int) -> Any: ...
    def own_series(self, i: int) -> Any: ...

def account_ratio_of(context: Context, account: int) -> Any: ...
