"""The verbs that a strategy trades with."""

from typing import Any

from backtest.strategy_core import StrategyCore
from backtest.views import OrderView

TRIGGERS: dict[str, Any]
TIFS: dict[str, Any]
SIZES: tuple[str, ...]

class Trading(StrategyCore):
    """The verbs that send, change and cancel orders."""
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
        tag: Any = None,
        position: Any = None,
    ) -> OrderView | None: ...
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
        tag: Any = None,
        position: Any = None,
    ) -> OrderView | None: ...
    def _trade(
        self,
        side: int,
        symbol: Any,
        sizes: tuple[Any, ...],
        limit: Any,
        post_only: bool,
        reduce_only: bool,
        tif: Any,
        tag: Any,
        position: Any,
        early: OrderView | None = None,
    ) -> Any: ...
    def _wait(self, instrument: int, key: Any, call: Any) -> Any: ...
    def _forget(self, key: Any) -> Any: ...
    def first_prices(self) -> Any: ...
    def _leg(self, account: int, position: Any) -> Any: ...
    def _may_trade(self) -> Any: ...
    def target(
        self,
        symbol: Any,
        *,
        quantity: Any = None,
        value: Any = None,
        notional: Any = None,
        delta: Any = None,
        leverage: Any = None,
        limit: Any = None,
        tif: Any = "GTC",
        tag: Any = None,
    ) -> list[OrderView]: ...
    def adjust(
        self,
        symbol: Any,
        *,
        quantity: Any = None,
        value: Any = None,
        notional: Any = None,
        delta: Any = None,
        leverage: Any = None,
        limit: Any = None,
        tif: Any = "GTC",
        tag: Any = None,
    ) -> list[OrderView]: ...
    def _reach(self, symbol: Any, sizes: tuple[Any, ...], limit: Any, tif: Any, tag: Any, by: bool) -> Any: ...
    def _send_part(
        self,
        instrument: int,
        account: int,
        side: int,
        units: int,
        limit: Any,
        tif: Any,
        tag: Any,
        reduces: bool,
        requested: float,
    ) -> Any: ...
    def target_portfolio(
        self, weights: Any, *, tolerance: Any = 0.0, over: Any = None, reduce_first: Any = True, tag: Any = None
    ) -> list[OrderView]: ...
    def _place(self, symbol: Any) -> Any: ...
    def _has_price(self, symbol: Any) -> Any: ...
    def _working_quantity(self, symbol: Any) -> Any: ...
    def _quantity_at(self, symbol: Any, leverage: float) -> Any: ...
    def _contracts_held(self, accounts: Any) -> Any: ...
    def close(self, symbol: Any, *, tag: Any = None) -> list[OrderView]: ...
    def _leg_units(self, account: int, instrument: int, leg: int) -> Any: ...
    def protect(
        self,
        symbol: Any,
        *,
        stop: Any = None,
        take: Any = None,
        trailing: Any = None,
        trigger: Any = "mark",
        position: Any = None,
    ) -> list[OrderView]: ...
    def submit(
        self,
        symbol: Any,
        *,
        side: Any,
        quantity: Any,
        limit: Any = None,
        stop: Any = None,
        post_only: Any = False,
        reduce_only: Any = False,
        tif: Any = "GTC",
        tag: Any = None,
        position: Any = None,
        trigger: Any = "mark",
    ) -> OrderView: ...
    def cancel(self, order: Any) -> Any: ...
    def cancel_all(self, symbol: Any = None) -> Any: ...
    def amend(self, order: Any, *, limit: Any = None, quantity: Any = None) -> Any: ...
    def _ask(self, what: Any, account: int, text: Any, *arguments: Any) -> Any: ...
    def orders(self, symbol: Any = None) -> list[OrderView]: ...
    def round_price(self, symbol: Any, price: Any, side: Any) -> float: ...
    def round_quantity(self, symbol: Any, quantity: Any) -> float: ...
    def minimum(self, symbol: Any) -> float: ...
