"""Stretches of trades of one stream with nothing else in between: both clocks pass over them in one loop."""

from backtest.strategy_clock cimport StrategyClock
from feeds.cursor cimport Cursor
from libc.stdint cimport int32_t, int64_t
from venues.matching cimport Market

cdef class Stretches(StrategyClock):
    # The venue's part of the instant `now` is done, the rest of it (margin, answers, delivery) is to come.
    cdef bint unfinished

    # Passes over trades that come before everything else; how many, 0 = the next event is none of these.
    cdef Py_ssize_t pass_trades(self, int64_t end, Py_ssize_t most) except -1 nogil
    cdef Py_ssize_t pass_rows(self, int32_t s, Cursor cursor, Market market, int64_t limit,
                              Py_ssize_t most) except -1 nogil
    cdef bint is_straight(self, int32_t stream, Cursor cursor) noexcept nogil
    # Nothing waits that looks at each event: bars in the making, trailing stops, alerts, first prices.
    cdef inline bint is_plain_moment(self) noexcept nogil:
        return not (self.unfolds_all or self.n_aggregators > 0 or self.context.trailing > 0
                    or self.context.waiting > 0 or self.context.warming or self.hooks.n_arrived > 0
                    or (self.context.alerts_due and self.context.marks_moved)
                    or self.venue_world.attention or self.exchange.outbox.count > 0)

    cdef int64_t horizon(self, int64_t end) noexcept nogil
    cdef void move_cursor(self, int32_t stream, Cursor cursor, Py_ssize_t venue_row,
                          Py_ssize_t local_row) noexcept nogil
