"""The market of one instrument where the data are a book: orders walk it, and wait in the queues of its levels."""

from libc.stdint cimport int8_t, int64_t
from venues.matching cimport Market
from venues.order_book cimport OrderBook
from venues.orders cimport Order

cdef class BookMarket(Market):
    cdef OrderBook by_order          # the same book, where it is told order by order; None = by levels
    cdef bint is_by_order
    cdef bint is_touch               # quotes: what is behind the best level is not known
    cdef double quantity_divisor
    cdef bint sets_last              # no trades in the data: the middle stands for the last price
    cdef int64_t number              # of the present trade or message: an order meets each once

    cdef int64_t to_take(self, Order *order, int64_t time) except? -1 nogil
    cdef int execute(self, Order *order, int64_t time) except -1 nogil
    cdef bint has_all(self, const Order *order, int64_t quantity) noexcept nogil
    cdef Order *next_own(self, const Order *order, int64_t level) noexcept nogil
    cdef int rest(self, Order *order, int64_t time) except -1 nogil
    cdef void join(self, Order *order) noexcept nogil
    cdef void follow_level(self, Order *order) noexcept nogil
    cdef void follow_orders(self, Order *order) noexcept nogil
    cdef int64_t pass_queue(self, Order *order, int64_t quantity, int64_t left, int64_t time) noexcept nogil
    # The best-priced, then oldest order that rests and has not met this event: bids from a price up, asks to one down
    cdef Order *next_met(self, int64_t bids_from, int64_t asks_to) noexcept nogil
    cdef int cross(self, Order *order, int64_t time) except -1 nogil
