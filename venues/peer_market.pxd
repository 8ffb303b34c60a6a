"""The two exchange models of hftbacktest, to compare order by order."""

from libc.stdint cimport int64_t
from venues.book_market cimport BookMarket
from venues.orders cimport Order

cdef class PeerMarket(BookMarket):
    cdef bint fills_whole            # no partial fills
    cdef int64_t last_bid            # best prices after the last message, price units; 0 = none
    cdef int64_t last_ask

    cdef int give_all(self, Order *order, int64_t time) except -1 nogil
