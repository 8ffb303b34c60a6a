"""How bad the bars in progress could have been for accounts with several positions: a bound beside the path used."""

from backtest.quiet_bars import QuietBars

class BarBounds(QuietBars):
    """Keeps the highest ratio of each account at independent extremes."""
    def margin_bounds(self) -> list[float]: ...
