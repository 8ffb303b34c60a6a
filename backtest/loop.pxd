"""The event loop: two clocks over the same columns, and nothing else."""

from backtest.strategy_clock cimport StrategyClock
from libc.stdint cimport int64_t

cdef class Loop(StrategyClock):
    cdef int run_until(self, int64_t end) except -1 nogil
