"""The working orders of one instrument: their list, what ends them, what they may still fill, what triggers them."""

from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t
from venues.contract cimport Contract
from venues.orders cimport Order, OrderStore, Reason
from venues.world cimport PriceSource, World

cdef class OrderList:
    cdef World world
    cdef OrderStore store
    cdef PyObject **accounts         # borrowed array, by account index
    cdef const Contract *contract
    cdef readonly int32_t instrument
    cdef int32_t head                # working orders, oldest first
    cdef int32_t tail
    cdef int32_t held                # exits of brackets that wait for their entry
    cdef bint bracket_due            # something has happened to an order of a bracket here
    cdef readonly int32_t active
    cdef readonly bint closed        # delisted or settled

    cdef void link(self, Order *order) noexcept nogil
    # Walks along the list read `next` first, and pass over what is no longer WORKING: one order can end others.
    cdef void unlink(self, Order *order) noexcept nogil
    cdef void count(self, const Order *order, int by) noexcept nogil
    cdef int cancel(self, Order *order, Reason reason, int64_t time) except -1 nogil
    cdef int64_t reducible(self, Order *order) noexcept nogil
    cdef int finish(self, Order *order, int64_t quantity, int64_t price, bint is_maker, int64_t time) except -1 nogil
    # Quantity that a taker may still fill, reduce-only orders cut to the position; 0 = it was cancelled
    cdef int64_t fillable(self, Order *order, int64_t time) except? -1 nogil
    cdef int give(self, Order *order, int64_t quantity, int64_t time) except -1 nogil
    cdef void requeue(self, Order *order) noexcept nogil     # the next part of an iceberg is shown: behind all others
    cdef Order *own_against(self, const Order *order, int64_t price) noexcept nogil
    # Whether an order that takes at a price ends there because it would meet an own one; else such ones are cancelled
    cdef bint stops_at_own(self, Order *order, int64_t price, int64_t time) except -1 nogil
    cdef int hold(self, Order *child, int64_t time) except -1 nogil
    cdef void note_bracket(self, const Order *order) noexcept nogil
    cdef int64_t exits_filled(self, const Order *entry) noexcept nogil
    cdef int end_bracket(self, Order *order, int64_t time) except -1 nogil   # an exit is triggered: the others end
    cdef int drop_siblings(self, Order *order, int64_t time) except -1 nogil
    cdef bint is_hit(self, Order *order, PriceSource source, int64_t price) noexcept nogil
