"""Closing positions without a market: at a takeover, at a settlement, by deleveraging."""

from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t
from venues.ledger cimport Ledger
from venues.members cimport Members
from venues.orders cimport Order, OrderStore
from venues.records cimport Forced
from venues.state cimport PoolState, Slot
from venues.world cimport World

cdef class ForcedCloses:
    cdef World world
    cdef Ledger ledger
    cdef OrderStore store
    cdef PyObject **accounts         # borrowed arrays
    cdef PyObject **markets
    cdef Members crowd               # who may be deleveraged when a fund is exhausted; None = nobody
    cdef uint8_t *deleverages        # by venue

    # Close units of a leg at a price
    cdef Order *close_at(self, int32_t account, PoolState *pool, int32_t at, int64_t quantity, int64_t price,
                         int64_t time, Forced what) except NULL nogil
    # Atoms that who takes signed units over at a price has lost at the mark
    cdef int64_t loss_of(self, int32_t instrument, int64_t quantity, int64_t price, int64_t mark) except? -1 nogil
    cdef int64_t cede(self, int32_t venue, int32_t instrument, int64_t quantity, int64_t price,
                      int64_t time) except? -1 nogil
    cdef int deleverage(self, int32_t account, Slot *slot, int64_t quantity, int64_t price,
                        int64_t time) except -1 nogil
