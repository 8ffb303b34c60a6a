"""The venue's clock: every event of an instant in the order of ties, margin after its marks, then what arrives."""

from typing import Any

from backtest.bar_paths import BarPaths

class VenueClock(BarPaths):
    """Applies market data and requests to the venues."""
    def open_books(self) -> Any: ...
    def ruined(self, account: int, time: int) -> Any: ...
