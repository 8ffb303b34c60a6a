"""Balances of one account: postings, isolated wallets, and what its owner is told."""

from typing import Any

from venues.ledger import Ledger
from venues.outbox import Outbox
from venues.records import Journal
from venues.state import AccountState

class Wallet:
    """Money and messages of one account, on the venue's clock."""
    def __init__(
        self,
        *,
        index: int,
        venue: int,
        state: AccountState,
        ledger: Ledger,
        outbox: Outbox,
        journal: Journal,
        fees: list[Any],
        margin_call: float,
        limits: bool,
        fee_in_received: bool,
        slippage: float,
        fill_rule: int,
    ) -> None: ...
    @property
    def volume(self) -> float: ...
    def set_fees(self, instrument: int, maker: int, taker: int) -> Any: ...
    def assume_prices(self, buy_markup: float, sell_markup: float) -> Any: ...
    def charge_forced_fills(self, *, fills: bool, takeovers: bool) -> Any: ...
    def meet_own_orders(self, policy: int) -> Any: ...
    def meet_books(self, model: int, power: float, slippage: float) -> Any: ...
    def spare_at_equality(self) -> None: ...
    def cap_penalty(self, rate: float) -> None: ...
    def close_at_mark(self) -> Any: ...
    @property
    def index(self) -> int: ...
    @property
    def venue(self) -> int: ...
    @property
    def state(self) -> AccountState: ...
    @property
    def margin_call(self) -> float: ...
    @property
    def liquidating(self) -> bool: ...
    ruined: bool
    takes_no_loan: bool
    cancels_early: bool
