"""Multi-assets mode: a negative balance is covered by selling other assets of the account at their haircut."""

from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t
from venues.ledger cimport Ledger
from venues.state cimport PoolState
from venues.world cimport World

cdef class AutoExchange:
    cdef World world
    cdef Ledger ledger
    cdef PyObject **accounts         # borrowed array
    cdef uint8_t *at_haircut         # by venue
    cdef int64_t *thresholds         # atoms, <= 0, by venue and asset: a balance below it is covered; INT64_MAX = other
    cdef double *other_thresholds    # US dollars, <= 0, by venue, of assets without one of their own

    cdef bint is_due(self, int32_t account, int32_t asset) noexcept nogil
    cdef int cover(self, int32_t account, int32_t asset, int64_t time) except -1 nogil
    cdef int cover_all(self, int32_t account, int64_t time, bint whatever) except -1 nogil
    # Covers debts until maintenance is at most target x equity of the pool of all assets.
    cdef int repay_to(self, int32_t account, PoolState *pool, double target, int64_t time) except -1 nogil
    cdef double needed(self, int32_t account, const PoolState *pool, double target, int32_t asset,
                       int32_t other) noexcept nogil
    cdef int64_t sellable(self, int32_t account, int32_t other) noexcept nogil
    cdef int exchange(self, int32_t account, int32_t other, int32_t asset, int64_t sold, int64_t received,
                      int64_t time) except -1 nogil
    # Loans; they return a Reason.
    cdef int borrow(self, int32_t account, int32_t asset, int64_t atoms, int64_t time) except -1
    cdef int repay(self, int32_t account, int32_t asset, int64_t atoms, int64_t time) except -1
    cdef int64_t repayable(self, int32_t account, int32_t asset) noexcept nogil
    cdef int repay_all(self, int32_t account, int64_t time) except -1 nogil
    cdef int lend(self, int32_t account, int32_t asset, int64_t atoms, int64_t time) except -1 nogil
