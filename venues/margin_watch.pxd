"""Looks after the margin of positions: warnings, the trigger of a liquidation, samples for the journal."""

from libc.stdint cimport int8_t, int32_t, int64_t
from venues.margin cimport Risk
from venues.order_margin cimport OrderMargin
from venues.state cimport PoolState

cdef class MarginWatch(OrderMargin):
    cdef void mark_moved(self, int32_t instrument) noexcept nogil           # flags the account when a band is left
    cdef int check(self, int64_t time) except -1 nogil                      # looks at flagged pools
    cdef bint lacks_margin(self, const PoolState *pool) noexcept nogil
    cdef int examine(self, PoolState *pool, int64_t time) except -1 nogil
    # Returns a Reason.
    cdef int move_margin(self, int32_t instrument, int8_t leg, int64_t atoms, int64_t time) except -1 nogil
    cdef int write_margin(self, PoolState *pool, const Risk *risk, double distance, int64_t time,
                          int32_t flags) except -1 nogil
    cdef int sample(self, PoolState *pool, int64_t time, int32_t flags) except -1 nogil
    cdef int extreme_sample(self, PoolState *pool) except -1 nogil          # the highest ratio since the last sample
    cdef int periodic_sample(self, PoolState *pool, int64_t time) except -1 nogil
