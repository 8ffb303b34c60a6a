"""A book told order by order: which order stands where, and how much has gone from ahead of a place."""

from collections.abc import Iterable

from venues.book import Book

class OrderBook(Book):
    """Levels and single orders of both sides; `Book` lists its argument."""
    @property
    def count(self) -> int: ...
    def apply_orders(
        self,
        time: int,
        rows: Iterable[tuple[int, int, int, int]],
        *,
        sequence: int = -1,
        is_snapshot: bool = False,
    ) -> None: ...
    def ahead_of(self, side: int, price: int, order: int) -> int: ...
