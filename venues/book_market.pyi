"""The market of one instrument where the data are a book: orders walk it, and wait in the queues of its levels."""

from venues.book import Book
from venues.matching import Market

class BookMarket(Market):
    """Orders of all accounts in one instrument, against its book."""
    def replay(self, book: Book, *, is_touch: bool, sets_last: bool) -> None: ...
