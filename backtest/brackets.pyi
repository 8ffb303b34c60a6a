"""The verbs that send orders that belong together: one cancels the other, entries with their exits."""

from typing import Any

from backtest.trading import Trading
from backtest.views import OrderView

TRIGGERS: dict[str, Any]

class Brackets(Trading):
    """The verbs that send orders that belong together."""
    def oco(
        self,
        symbol: Any,
        *,
        side: Any,
        quantity: Any,
        limit: Any,
        stop: Any,
        stop_limit: Any = None,
        post_only: Any = False,
        reduce_only: Any = False,
        tif: Any = "GTC",
        until: Any = None,
        tag: Any = None,
        position: Any = None,
        trigger: Any = "last",
    ) -> tuple[OrderView, OrderView]: ...
    def bracket(
        self,
        symbol: Any,
        *,
        side: Any,
        quantity: Any = None,
        value: Any = None,
        notional: Any = None,
        delta: Any = None,
        leverage: Any = None,
        limit: Any = None,
        take: Any = None,
        stop: Any = None,
        stop_limit: Any = None,
        trigger: Any = "last",
        post_only: Any = False,
        tif: Any = "GTC",
        until: Any = None,
        tag: Any = None,
        position: Any = None,
    ) -> tuple[OrderView, OrderView | None, OrderView | None]: ...
