"""All venues of a run on their clock: prices come by one door, orders and verbs arrive, accounts are looked after."""

from libc.stdint cimport int8_t, int32_t, int64_t
from venues.admission cimport Admission
from venues.matching cimport Move
from venues.orders cimport Order
from venues.state cimport PoolState

cdef class Exchange(Admission):
    cdef int crowd_moved(self, int64_t time) except -1 nogil
    cdef int trade(self, int32_t instrument, int64_t price, int64_t quantity, int8_t side, int64_t time) except -1 nogil
    cdef int book_changed(self, int32_t instrument, int64_t time) except -1 nogil
    cdef int mark(self, int32_t instrument, int64_t price, int64_t time) except -1 nogil
    cdef int index(self, int32_t instrument, int64_t price, int64_t time) except -1 nogil
    cdef int asset_price_moved(self, int64_t time) except -1 nogil
    cdef int funding(self, int32_t instrument, int64_t mark, int64_t rate, int32_t rate_scale, int64_t interval,
                     int64_t time) except -1 nogil
    # The mark of a dated contract in the window before its expiry, from the index so far and now.
    cdef int64_t walked(self, int32_t instrument, int64_t price, int64_t time) noexcept nogil
    cdef int move_marks(self, int64_t time) except -1 nogil
    cdef int attend(self, int64_t time) except -1 nogil      # margin checks, liquidations, orphaned reduce-only orders
    cdef int deadlines(self, int64_t time) except -1 nogil
    cdef int arrive(self, Order *order, int64_t time) except -1 nogil
    cdef int forced(self, int32_t account, int32_t instrument, int8_t leg, int64_t quantity, int64_t price,
                    int64_t decision, int64_t time, int what) except -1 nogil
    cdef int cancel(self, int64_t id, int64_t time) except -1 nogil
    cdef bint is_met(self, int64_t group) noexcept nogil
    cdef int expire(self, int64_t id, int64_t time) except -1 nogil
    cdef int settle(self, int32_t instrument, int64_t price, int64_t time) except -1 nogil
    cdef int deleverage(self, int32_t account, int32_t instrument, int64_t quantity, int64_t price,
                        int64_t time) except -1 nogil
    # Bars of one instant advance together along straight lines; stops, limits and liquidations are met in their order.
    cdef int jump(self, const Move *moves, int32_t n, int64_t time) except -1 nogil
    cdef int advance(self, const Move *moves, int32_t n, int64_t time) except -1 nogil
    cdef void set_progress(self, const Move *moves, int32_t n, double progress, int64_t time) noexcept nogil
    cdef bint is_burdened(self, int32_t account, const PoolState *pool) noexcept nogil
    cdef bint breached(self) noexcept nogil
    cdef double worst_ratio(self) noexcept nogil
    cdef int flag_all(self) except -1 nogil
    cdef bint quiet(self, int32_t instrument) noexcept nogil
