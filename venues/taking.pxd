"""What a taker gets where the data have no book: the price against it, and how much lies within its limit."""

from libc.stdint cimport int8_t, int64_t
from venues.footprint cimport Footprint
from venues.order_list cimport OrderList
from venues.orders cimport Order

cdef int64_t away(int64_t price, double slippage, int8_t side, int64_t tick) noexcept nogil

cdef class Taking(OrderList):
    cdef readonly Footprint footprint    # of own orders; None = they leave none
    cdef bint has_footprint
    cdef bint measures               # what trades is noted for it
    cdef bint moves_mark             # the mark of the feed is moved by it
    cdef bint mark_due               # own orders have moved it since
    cdef int64_t feed_mark           # price units, before that
    cdef double distance_unit        # of recorded depth: what the whole price is there ...
    cdef double depth_unit           # ... and one unit of quantity

    cdef void on_depth(self, int64_t distance, int64_t quantity, int64_t time) noexcept nogil
    # What a taker may fill within its limit, and at what price; 0 = nothing
    cdef int64_t within_limit(self, const Order *order, int64_t price, int64_t quantity, int64_t time) noexcept nogil
    cdef int64_t taker_price(self, const Order *order, int64_t price, int64_t quantity, int64_t time) noexcept nogil
    cdef void note_for_footprint(self, int64_t price, int64_t quantity, int64_t time) noexcept nogil
    cdef int64_t displaced(self, int64_t mark, int64_t time) noexcept nogil      # a mark moved by own orders
