"""A book told order by order: which order stands where, and how much has gone from ahead of a place."""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t
from venues.book cimport Book

cdef struct MarketOrder:
    int64_t id
    int64_t price            # price units
    int64_t quantity
    int64_t place            # in time: of two at a price the smaller one is served first
    int32_t generation       # number of the snapshot that it was last told in or after
    int8_t side
    uint8_t state            # 0 = never used, 1 = in use, 2 = was in use

cdef struct Loss:            # what an order has given up, by a trade or taken back
    int64_t price
    int64_t place
    int64_t quantity
    int8_t side

cdef class OrderBook(Book):
    cdef MarketOrder *slots
    cdef int64_t room        # a power of two
    cdef int64_t used        # slots in use or used before
    cdef readonly int64_t count
    cdef int64_t next_place
    cdef int32_t generation
    cdef Loss *losses        # of the present message
    cdef int32_t n_losses
    cdef int32_t losses_room

    cdef MarketOrder *find(self, int64_t id) noexcept nogil
    cdef int grow(self) except -1 nogil
    cdef int lose(self, const MarketOrder *order, int64_t quantity) except -1 nogil
    cdef int change(self, int8_t side, int64_t price, int64_t by) except -1 nogil
    # One row: the state of an order from now on; quantity 0 = it is gone
    cdef int put_order(self, int8_t side, int64_t price, int64_t quantity, int64_t id) except -1 nogil

    cdef inline int64_t take_place(self) noexcept nogil:     # for an own order: behind all that are there
        self.next_place += 1
        return self.next_place
