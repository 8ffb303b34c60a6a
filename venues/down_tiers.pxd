"""Liquidation down the risk tiers (OKX, venues/okx.md section 7), beside the courses of `Liquidator`."""

from libc.stdint cimport int32_t, int64_t
from venues.liquidation cimport Liquidator
from venues.state cimport PoolState

cdef class TierLiquidator(Liquidator):
    # The leg with tiers enough below it that asks for the most, and the units to close; -1 without one.
    cdef bint repaid(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil
    cdef int32_t steps_down(self, int32_t account, PoolState *pool, int64_t *quantity) noexcept nogil
    # Close a long and a short leg of one contract against each other at the mark; 1 when there was such a pair.
    cdef int32_t offset_pair(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil
