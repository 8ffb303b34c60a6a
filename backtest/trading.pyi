"""The verbs that send, change and cancel orders."""

from typing import Any

from backtest.early_orders import EarlyOrders
from backtest.views import OrderView

TRIGGERS: dict[str, Any]
TIFS: dict[str, Any]

class Trading(EarlyOrders):
    """The verbs that send, change and cancel single orders."""
    def buy(
        self,
        symbol: Any,
        *,
        quantity: Any = None,
        value: Any = None,
        notional: Any = None,
        delta: Any = None,
        leverage: Any = None,
        limit: Any = None,
        post_only: Any = False,
        reduce_only: Any = False,
        tif: Any = "GTC",
        until: Any = None,
        tag: Any = None,
        position: Any = None,
        show: Any = None,
    ) -> OrderView: ...
    def sell(
        self,
        symbol: Any,
        *,
        quantity: Any = None,
        value: Any = None,
        notional: Any = None,
        delta: Any = None,
        leverage: Any = None,
        limit: Any = None,
        post_only: Any = False,
        reduce_only: Any = False,
        tif: Any = "GTC",
        until: Any = None,
        tag: Any = None,
        position: Any = None,
        show: Any = None,
    ) -> OrderView: ...
    def _trade(
        self,
        side: int,
        symbol: Any,
        sizes: tuple[Any, ...],
        limit: Any,
        post_only: bool,
        reduce_only: bool,
        tif: Any,
        until: Any,
        tag: Any,
        position: Any,
        show: Any = None,
        early: OrderView | None = None,
    ) -> Any: ...
    def _leg(self, account: int, position: Any) -> Any: ...
    def _may_trade(self) -> Any: ...
    def submit(
        self,
        symbol: Any,
        *,
        side: Any,
        quantity: Any,
        limit: Any = None,
        stop: Any = None,
        take: Any = None,
        trailing: Any = None,
        activation: Any = None,
        post_only: Any = False,
        reduce_only: Any = False,
        tif: Any = "GTC",
        until: Any = None,
        tag: Any = None,
        position: Any = None,
        trigger: Any = "mark",
    ) -> OrderView: ...
    def _time_in_force(self, tif: Any, until: Any) -> Any: ...
    def _trail(self, instrument: int, trailing: Any) -> Any: ...
    def cancel(self, order: Any) -> Any: ...
    def cancel_all(self, symbol: Any = None) -> Any: ...
    def amend(self, order: Any, *, limit: Any = None, quantity: Any = None) -> Any: ...
    def _ask(self, what: Any, account: int, text: Any, *arguments: Any) -> Any: ...
    def orders(self, symbol: Any = None) -> list[OrderView]: ...
    def round_price(self, symbol: Any, price: Any, side: Any) -> float: ...
    def round_quantity(self, symbol: Any, quantity: Any) -> float: ...
    def minimum(self, symbol: Any) -> float: ...
