"""What a taker gets where the data have no book: the price against it, and how much lies within its limit."""

from libc.math cimport ceil, floor, rint
from venues.account cimport Account
from venues.footprint cimport Footprint
from venues.order_list cimport OrderList
from venues.orders cimport Order


cdef int64_t away(int64_t price, double slippage, int8_t side, int64_t tick) noexcept nogil:
    """The price moved against a taker of that side, on the tick away from it."""
    cdef double moved = <double> price * (1.0 + side * slippage)
    if tick < 1:
        tick = 1
    if slippage == 0.0:
        return price
    # A value within 1e-9 of a tick is on it: floats must not cost a tick.
    if side > 0:
        return <int64_t> ceil(moved / tick - 1e-9) * tick
    return max(tick, <int64_t> floor(moved / tick + 1e-9) * tick)


cdef class Taking(OrderList):
    """Prices of takers in one instrument, moved by slippage and by the trace of own orders."""

    def leave_footprint(self, Footprint footprint not None):
        """Let own orders of all accounts move this market."""
        self.footprint = footprint
        self.has_footprint = True
        self.measures = footprint.measures
        self.moves_mark = footprint.moves_mark

    def read_depth(self, *, double distance_unit, double quantity_unit):
        """Take the units of recorded depth: of a fraction of the price, and of a quantity."""
        self.distance_unit = distance_unit
        self.depth_unit = quantity_unit

    cdef int64_t within_limit(self, const Order *order, int64_t price, int64_t quantity, int64_t time) noexcept nogil:
        """The part of a quantity that an order takes before the market has moved to its limit."""
        cdef double most
        if order.side * (price - order.price) > 0:
            return 0
        if not self.has_footprint:
            return quantity
        most = self.footprint.reachable(
            order.side, <double> (order.side * (order.price - price)) / <double> price, time)
        most *= self.world.quantity_divisors[self.instrument]
        if most >= <double> quantity:
            return quantity
        quantity = <int64_t> most
        return quantity - quantity % max(<int64_t> 1, self.contract.lot)

    cdef int64_t taker_price(self, const Order *order, int64_t price, int64_t quantity, int64_t time) noexcept nogil:
        """The price against a taker: moved by the account's slippage, and by what it takes."""
        cdef double worse = (<Account> self.accounts[order.account]).slippage
        cdef int64_t moved
        if self.has_footprint:
            worse += self.footprint.half_spread() + self.footprint.average_move(
                order.side, self.world.quantity_value(self.instrument, quantity), time)
        moved = away(price, worse, order.side, self.contract.tick)
        return order.price if order.price != 0 and order.side * (moved - order.price) > 0 else moved

    cdef void on_depth(self, int64_t distance, int64_t quantity, int64_t time) noexcept nogil:
        self.footprint.note_depth(
            <double> distance / self.distance_unit, <double> quantity / self.depth_unit, time)

    cdef void note_for_footprint(self, int64_t price, int64_t quantity, int64_t time) noexcept nogil:
        self.footprint.note_trade(self.world.price_value(self.instrument, price),
                                  self.world.quantity_value(self.instrument, quantity), time)

    cdef int64_t displaced(self, int64_t mark, int64_t time) noexcept nogil:
        return max(<int64_t> 1, <int64_t> rint(<double> mark * (1.0 + self.footprint.middle(time))))
