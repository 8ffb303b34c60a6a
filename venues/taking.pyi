"""What a taker gets where the data have no book: the price against it, and how much lies within its limit."""

from venues.footprint import Footprint
from venues.order_list import OrderList

class Taking(OrderList):
    """Prices of takers in one instrument, moved by slippage and by the trace of own orders."""
    @property
    def footprint(self) -> Footprint | None: ...
    def leave_footprint(self, footprint: Footprint) -> None: ...
    def read_depth(self, *, distance_unit: float, quantity_unit: float) -> None: ...
