"""Samples of equity, margin and exposure, snapshots of what is owned, and findings, on the venue's clock."""

from backtest.loop_state cimport LoopState
from libc.stdint cimport int32_t, int64_t

cdef class Samples(LoopState):
    cdef int sample(self, int64_t time, int64_t at) except -1 nogil
    cdef double value_of(self, int32_t asset) noexcept nogil
