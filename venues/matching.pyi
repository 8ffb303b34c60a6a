"""The market of one instrument where the data are trades or bars: which orders fill, when, and at what price."""

from venues.book import Book
from venues.orders import OrderStore
from venues.taking import Taking
from venues.world import World

class Market(Taking):
    """Orders of all accounts in one instrument."""
    def __init__(self, world: World, store: OrderStore, instrument: int, *, share: float) -> None: ...
    @property
    def book(self) -> Book | None: ...
    def cap(self, *, trades: bool, drops_rest: bool) -> None: ...
