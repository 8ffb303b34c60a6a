"""State of a run's event loop: cursors, clocks, room for what is pending; which stream comes next."""

from typing import Any

from backtest.context import Context
from backtest.hooks import Hooks
from venues.venue import Exchange

MINUTE_NS: int
HOUR_NS: int

class LoopState:
    """What the loop works on. Built by `backtest.assembly`, which explains each argument."""
    def __init__(
        self,
        *,
        exchange: Exchange,
        context: Context,
        hooks: Hooks,
        cursors: list[Any],
        strategies: list[Any],
        verbs: Any,
        rules: Any,
        assets_of_streams: list[Any],
        passive: list[Any],
        feeds_book: list[Any],
        mid_is_last: list[Any],
        priced_asset: list[Any],
        reporting: int,
        start: int,
        end: int,
        formulas: list[Any],
        max_mark_age: list[Any],
        premium_scales: list[Any],
        rate_scales: list[Any],
        mark_formulas: list[Any],
        announced: list[Any],
        path_rule: int,
        on_ruin: int,
        on_gap: int,
    ) -> None: ...
    @property
    def exchange(self) -> Exchange: ...
    @property
    def context(self) -> Context: ...
    @property
    def cursors(self) -> list[Any]: ...
    @property
    def strategies(self) -> list[Any]: ...
    @property
    def n_aggregators(self) -> int: ...
    @property
    def snapshots(self) -> list[Any]: ...
    @property
    def now(self) -> int: ...
    @property
    def events(self) -> int: ...
    @property
    def stopped(self) -> bool: ...
    @property
    def interrupted(self) -> bool: ...
    @property
    def equity(self) -> float: ...
    @property
    def ratio(self) -> float: ...
    @property
    def ruins(self) -> list[Any]: ...
    @property
    def findings(self) -> list[Any]: ...
