"""The strategy's clock: all deliveries of an instant reach the local view, then hooks run: answers, market, timers."""

from backtest.forced_sales cimport ForcedSales
from backtest.loop_state cimport Aggregator
from feeds.events cimport Event
from libc.stdint cimport int64_t
from venues.outbox cimport Message

cdef class StrategyClock(ForcedSales):
    cdef int deliver(self, int64_t time) except -1 nogil
    cdef int receive(self, const Event *event) except -1 nogil
    cdef int announce(self, const Event *event) except -1 nogil
    cdef int receive_collateral(self, const Event *event) except -1 nogil
    cdef int push_pending(self, const Event *event, int64_t timeframe) except -1 nogil
    cdef int push_sales(self, int64_t time) except -1 nogil
    cdef int aggregate(self, const Event *event, int64_t timeframe, int64_t time) except -1 nogil
    cdef int close_bar(self, Aggregator *a, int64_t time) except -1 nogil
    cdef int dispatch(self, const Event *event, int64_t timeframe) except -1 nogil
    cdef bint heard_in_c(self, const Message *m) except -1 nogil
    cdef int timers(self, int64_t time) except -1 nogil
    cdef int after_hooks(self, int64_t time) except -1 nogil
