"""Calls the Python hooks of strategies, and the C one of fills."""

from backtest.context cimport Context
from feeds.events cimport Event
from libc.stdint cimport int32_t, int64_t
from venues.outbox cimport Message

cdef class Hooks:
    cdef Context context
    cdef list strategies
    cdef list names                      # of each strategy: set of overridden Python hooks
    cdef bytes bar_hooks                 # of each strategy: 1 = on_bar, 2 = on_bars
    cdef list ready                      # of each strategy: all its series have values
    cdef list series_of                  # of each strategy: the series it subscribed to
    cdef dict arrived                    # strategy -> name -> bar of this instant
    cdef int32_t n_arrived
    cdef int message(self, const Message *m) except -1
    cdef int order_message(self, const Message *m, bint filled) except -1
    cdef int bar(self, const Event *event, int64_t timeframe) except -1
    cdef int plain_bar(self, const Event *event, int64_t timeframe) except -1
    cdef int tell_bar(self, Py_ssize_t i, const Event *event, int64_t timeframe) except -1
    cdef int bars(self, int64_t time) except -1
    cdef int first_prices(self) except -1
    cdef int follow(self, const Event *event, bint is_mark) except -1
    cdef int timer(self, int64_t number, int64_t time) except -1
    cdef int alerts(self, int64_t time) except -1
