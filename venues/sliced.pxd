"""Liquidation in slices, block by block; the other courses are those of `TierLiquidator`."""

from libc.stdint cimport int32_t, int64_t, uint8_t
from venues.down_tiers cimport TierLiquidator
from venues.margin cimport Leg
from venues.orders cimport Order
from venues.state cimport PoolState

cdef struct Slices:                  # of a venue; venues.facts.SliceRules
    int64_t block                    # ns between two blocks; 0 = another course
    double least
    double share
    double most_closed
    double most_lost
    double adjustment
    double spread

cdef class SlicedLiquidator(TierLiquidator):
    cdef Slices *slices              # by venue
    cdef uint8_t *repays             # by venue: debts are repaid before anything is closed ...
    cdef double *repay_targets       # ... until maintenance / equity is that; 0 = all of them
    cdef int64_t seed

    cdef int cover_fund(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil
    cdef int begin_block(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil
    cdef int32_t next_leg(self, int32_t account, PoolState *pool) noexcept nogil
    cdef int32_t without_buyer(self, int32_t account, PoolState *pool, int64_t time) noexcept nogil
    cdef int64_t slice_units(self, int32_t account, PoolState *pool, const Leg *leg) noexcept nogil
    cdef double limit(self, int32_t account, PoolState *pool, int32_t at, double quantity) noexcept nogil
    cdef int offer_slice(
        self, int32_t account, PoolState *pool, int32_t at, int64_t units, int64_t time) except -1 nogil
    cdef int give_away(self, int32_t account, PoolState *pool, int32_t at, int64_t time) except -1 nogil
