"""The venue's clock: every event of an instant in the order of ties, margin after its marks, then what arrives."""

from typing import Any

from backtest.book_messages import BookMessages

class VenueClock(BookMessages):
    """Applies market data and requests to the venues."""
    def open_books(self) -> Any: ...
    def ruined(self, account: int, time: int) -> Any: ...
