"""Which orders a venue takes: outages, limits of a contract, sides, triggers, numbers of open orders."""

from typing import Any

from venues.auto_exchange import AutoExchange
from venues.crowd import Crowd
from venues.ledger import Ledger
from venues.liquidation import Liquidator
from venues.orders import OrderStore
from venues.outbox import Outbox
from venues.records import Journal
from venues.world import World

class Admission:
    """What venues take and refuse, and when they are not there."""
    def __init__(
        self,
        *,
        world: World,
        ledger: Ledger,
        journal: Journal,
        outbox: Outbox,
        store: OrderStore,
        accounts: list[Any],
        markets: list[Any],
        venue_of: list[Any],
        liquidator: Liquidator,
        auto_exchange: AutoExchange,
        limits: bool,
        seed: int,
        order_limits: list[Any],
        order_rates: list[Any],
        icebergs: list[bool],
        keeps_place: list[Any],
    ) -> None: ...
    def is_gated(self, account: int) -> bool: ...
    def outage(self, venue: int, until: int) -> Any: ...
    def cancel_only(self, venue: int, until: int) -> Any: ...
    def overload(self, venue: int, until: int, share: float) -> Any: ...
    @property
    def world(self) -> World: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def journal(self) -> Journal: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def store(self) -> OrderStore: ...
    @property
    def liquidator(self) -> Liquidator: ...
    def profits(self, account: int, instrument: int) -> Any: ...
    def admit_crowd(self, crowd: Crowd) -> None: ...
    @property
    def crowd(self) -> Crowd | None: ...
    @property
    def account_list(self) -> list[Any]: ...
    @property
    def market_list(self) -> list[Any]: ...
    @property
    def n_accounts(self) -> int: ...
    @property
    def n_markets(self) -> int: ...
