"""Requests other than orders, carried out when they arrive at the venue: settings, margin, transfers, conversion."""

from typing import Any

from backtest.context import Context
from venues.failure import VenueFailures
from venues.venue import Exchange

class Verbs:
    """Carries out requests on the venue's clock."""
    def __init__(
        self,
        exchange: Exchange,
        context: Context,
        *,
        delays: Any,
        fees: dict[Any, Any],
        minimums: dict[Any, Any],
        start_balances: list[Any],
        suspended: Any,
        failures: VenueFailures,
        gated: list[bool],
    ) -> None: ...
    def open_books(self) -> Any: ...
    def execute(self, arrival: bool, number: int, time: int) -> Any: ...
    def answer(self, verb: Any, reason: int, time: int, allowed: str = "") -> Any: ...
    def pay_in(self, number: int, asset: int, atoms: int, time: int) -> Any: ...
    def refill(self, number: int, time: int) -> Any: ...
    def loan(self, verb: Any, time: int) -> Any: ...
    def transfer_out(
        self, id: int, asset: int, amount: Any, source: int, target: int, receive: int, time: int
    ) -> Any: ...
    def transfer_in(self, moving: Any, time: int) -> Any: ...
    @property
    def refusals(self) -> list[Any]: ...
