"""What strategies see of a population: its forced orders, and marks that its sales have moved."""

from backtest.venue_clock cimport VenueClock
from feeds.events cimport Event
from libc.stdint cimport int32_t, int64_t

cdef class ForcedSales(VenueClock):
    cdef int64_t *sale_delays        # ns from the venue to strategies, by instrument; NULL = nobody listens
    cdef int64_t *sales              # rows of the population's fills that are delivered now
    cdef Py_ssize_t n_sales
    cdef Py_ssize_t sales_capacity

    cdef int publish(self, int64_t time) except -1 nogil             # puts new forced fills on their way
    cdef int keep_sale(self, int64_t row) except -1 nogil
    cdef int sale_event(self, int64_t row, int64_t time, Event *event) except -1 nogil
    # A mark of the feed as the venue published it then, own sales of the population included
    cdef void show_mark(self, int32_t stream, Event *event) noexcept nogil
    cdef int64_t as_mark(self, const Event *event) noexcept nogil    # the mark that a trade or an index price made
