"""Margin that open orders hold, and the settings that change it: leverage and margin mode."""

from libc.stdint cimport int32_t, int64_t
from venues.contract cimport Contract
from venues.orders cimport Order
from venues.state cimport Slot
from venues.wallet cimport Wallet

cdef class OrderMargin(Wallet):
    # These return a Reason; NO_REASON = done.
    cdef int try_hold(self, Order *order, bint takes) except -1 nogil       # takes: a limit that the market reaches
    cdef int set_leverage(self, int32_t instrument, double leverage, int64_t time) except -1 nogil
    cdef int set_isolated(self, int32_t instrument, bint isolated) except -1 nogil
    cdef int hold(self, Slot *slot, Order *order, double value, double loss, int sign) except -1 nogil
    cdef int release(self, Order *order, int64_t quantity) except -1 nogil
    cdef bint falls_short(self, int32_t asset, double before, double after, double value) noexcept nogil
    cdef bint needs_loan(self, int32_t asset, double before, double value) noexcept nogil
    cdef double signed_notional(self, Slot *slot, double mark) noexcept nogil
    cdef int64_t spot_cost(self, const Contract *c, Order *order, int64_t quantity) except? -1 nogil
    # How much of a spot order's next fill the balance pays for: a gap may ask for more than was set aside.
    cdef int64_t affordable(self, const Contract *c, Order *order, int64_t quantity, int64_t price) except? -1 nogil
    cdef int64_t base_atoms(self, const Contract *c, int64_t quantity) noexcept nogil
    cdef int apply_leverage(self, int32_t instrument, double leverage) except -1 nogil
