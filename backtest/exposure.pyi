"""The verbs that reach an exposure: targets, portfolios, closing, resident stops."""

from typing import Any

from backtest.brackets import Brackets
from backtest.views import OrderView

TRIGGERS: dict[str, Any]
TIFS: dict[str, Any]

class Exposure(Brackets):
    """The verbs that compare what is wanted with what is held, and send the difference."""
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
    def quote(
        self, symbol: Any, *, bid: Any = None, ask: Any = None, levels: Any = (), tag: Any = "quote"
    ) -> list[OrderView]: ...
    def _post(self, instrument: int, account: int, side: int, price: int, units: int, tag: int) -> OrderView: ...
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
