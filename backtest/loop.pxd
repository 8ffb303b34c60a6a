"""The event loop: two clocks over the same columns, and nothing else."""

from backtest.bar_stretches cimport BarStretches
from libc.stdint cimport int64_t

cdef class Loop(BarStretches):
    cdef int run_until(self, int64_t end) except -1 nogil
    cdef int finish_instant(self, int64_t t) except -1 nogil
