"""What strategies see of a population: its forced orders, and marks that its sales have moved."""

from backtest.venue_clock import VenueClock

class ForcedSales(VenueClock):
    """Delivers the population's forced orders, as `on_liquidation` events, and its effect on marks."""
    def hear_sales(self, delays: list[int]) -> None: ...
