"""The venue's clock: every event of an instant in the order of ties, margin after its marks, then what arrives."""

from backtest.book_messages cimport BookMessages
from feeds.events cimport Event
from libc.stdint cimport int32_t, int64_t

cdef class VenueClock(BookMessages):
    cdef int venue_event(self, int64_t time) except -1 nogil
    cdef int look_at_margin(self, int64_t time) except -1 nogil
    cdef int settle_funding(self, const Event *event, int64_t time) except -1 nogil
    cdef int formula_mark(self, int32_t instrument, int64_t time) except -1 nogil
    cdef int set_formula_mark(self, int32_t instrument, double mark, int64_t time) except -1 nogil
    cdef int look_for_ruin(self, int64_t time) except -1 nogil
    cdef int arrivals(self, int64_t time) except -1 nogil
    cdef int flush(self, int64_t time) except -1 nogil
