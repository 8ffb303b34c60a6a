"""One account at a venue: fills, fees and funding become postings, records and messages here."""

from libc.stdint cimport int32_t, int64_t
from venues.ledger cimport PostingContext
from venues.margin_watch cimport MarginWatch
from venues.orders cimport Order
from venues.position cimport FillEffect
from venues.records cimport Forced
from venues.state cimport PoolState, Slot

cdef class Account(MarginWatch):
    cdef int fill(self, Order *order, int64_t quantity, int64_t price, bint is_maker, int64_t time,
                  Forced forced) except -1 nogil
    cdef int fill_position(self, Slot *slot, Order *order, int64_t quantity, int64_t price, int64_t rate, Forced forced,
                           const PostingContext *context, FillEffect *effect, int64_t *cost) except -1 nogil
    cdef int charge_penalty(self, Slot *slot, const Order *order, int64_t quantity, int64_t price, double bankruptcy,
                            const PostingContext *context, int64_t *cost) except -1 nogil
    cdef int move_isolated(self, Slot *slot, int64_t before, int64_t price, Forced forced,
                           const PostingContext *context, const FillEffect *effect, int64_t cost) except -1 nogil
    cdef int fill_spot(self, Order *order, int64_t quantity, int64_t price, int64_t rate, const PostingContext *context,
                       int64_t *fee_out, int32_t *fee_asset) except -1 nogil
    cdef int record_fill(self, Slot *slot, Order *order, int64_t quantity, int64_t price, bint is_maker, Forced forced,
                         const FillEffect *effect, int64_t cost, int32_t fee_asset, int64_t time) except -1 nogil
    cdef int record_flat(self, int32_t instrument, PoolState *pool, int64_t time) except -1 nogil
    cdef int record_forced(self, Slot *slot, PoolState *pool, int64_t quantity, int64_t price, int64_t cost,
                           Forced forced, int64_t time) except -1 nogil
    cdef int64_t available_atoms(self, int32_t asset) noexcept nogil
    cdef int accrue(self, Slot *slot, int64_t time) except -1 nogil
    cdef int64_t spare_atoms(self, PoolState *pool, int32_t asset) noexcept nogil
    cdef int pay_funding(self, int32_t instrument, int64_t mark, int64_t rate, int32_t rate_scale, int64_t interval,
                         int64_t time) except -1 nogil
    cdef int pay_profit(self, int32_t instrument, int64_t time) except -1 nogil
