"""Stretches of bars that touch nothing, with their marks: both clocks pass over them in one loop."""

from backtest.stretches cimport Stretches
from feeds.cursor cimport Columns, Cursor
from libc.stdint cimport int32_t, int64_t
from venues.margin cimport Band
from venues.state cimport PoolState

cdef struct Lane:            # a stream of bars inside a stretch
    const Columns *columns
    Py_ssize_t row           # opens next on the venue's clock; the one before it is delivered at that instant
    int32_t stream
    int32_t instrument
    bint is_mark
    double divisor
    double low               # quote: what a mark's bar reaches, and where it ends
    double high
    double close

cdef struct Watch:           # a leg whose pool must stay inside its bands
    PoolState *pool
    const Band *band
    double reference
    double worst             # the most of the slack that the present bar takes
    int32_t leg
    int32_t lane             # -1 = its mark stands still

cdef class BarStretches(Stretches):
    cdef Lane *lanes
    cdef int32_t n_lanes
    cdef Watch *watches
    cdef int32_t n_watches
    cdef int32_t watch_capacity
    cdef bint has_pairs                  # a pool has two legs, so bounds are asked for
    cdef bint is_alone                   # no other marks than those of the stretch move inside their bars
    cdef bint marks_heard                # a hook is for bars of marks
    cdef readonly int64_t bars_passed

    # Passes over bars that come before everything else; how many, 0 = what comes next is none of these.
    cdef Py_ssize_t pass_bars(self, int64_t end, Py_ssize_t most) except -1 nogil
    cdef int64_t gather(self, int64_t time, int64_t timeframe, int64_t end) except -1 nogil
    cdef bint is_lane(self, int32_t stream, Cursor cursor, int64_t time, int64_t timeframe) noexcept nogil
    cdef bint watch_margin(self) except -1 nogil
    cdef Py_ssize_t pass_instants(self, int64_t time, int64_t timeframe, int64_t limit,
                                  Py_ssize_t most) except -1 nogil
    cdef bint rows_are_there(self, int64_t time, int64_t delivered) noexcept nogil
    cdef bint margin_holds(self) noexcept nogil
    cdef int deliver_bars(self, int64_t time, int64_t timeframe) except -1 nogil
    cdef void close_bars(self, int64_t close) noexcept nogil
    cdef void bound_ratios(self) noexcept nogil
    cdef void move_lane(self, const Lane *lane, Cursor cursor, int64_t timeframe, bint is_open) noexcept nogil
    cdef int leave(self, int64_t time, int64_t timeframe, bint is_open) except -1 nogil
