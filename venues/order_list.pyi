"""The working orders of one instrument: their list, what ends them, what they may still fill, what triggers them."""

from venues.orders import OrderStore
from venues.world import World

class OrderList:
    """Working orders of all accounts in one instrument, oldest first."""
    def __init__(self, world: World, store: OrderStore, instrument: int, **_: object) -> None: ...
    @property
    def instrument(self) -> int: ...
    @property
    def active(self) -> int: ...
    @property
    def closed(self) -> bool: ...
