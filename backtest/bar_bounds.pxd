"""How bad the bars in progress could have been for accounts with several positions: a bound beside the path used."""

from backtest.quiet_bars cimport QuietBars
from libc.stdint cimport int32_t, int64_t
from venues.account cimport Account
from venues.state cimport PoolState

cdef class BarBounds(QuietBars):
    cdef double *lows                # quote, by instrument: of its mark's bar in progress; nan = none
    cdef double *highs
    cdef double *bounds              # by account: highest ratio found; 0 = never two positions on bars

    cdef int begin_range(self, int32_t instrument, int64_t low, int64_t high) except -1 nogil
    cdef void end_range(self, int32_t instrument) noexcept nogil
    cdef void note_bounds(self) noexcept nogil
    cdef double independent_ratio(self, Account account, PoolState *pool) noexcept nogil
