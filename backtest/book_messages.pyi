"""Messages of books and quotes on both clocks: rows that belong together are applied together."""

from typing import Any

from backtest.bar_paths import BarPaths

class BookMessages(BarPaths):
    """Applies books and quotes to the venues and to the local view."""
    def lost_book(self, instrument: int, time: int) -> Any: ...
