"""Auto-deleveraging in a run with a population: who of the other side takes a bankrupt position over."""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t
from venues.crowd cimport Crowd
from venues.margin cimport Pool, Risk
from venues.state cimport Slot

cdef enum:
    FIGURES = 9              # unrealized_pnl, collateral, margin_ratio, mark, entry_price, notional, account_value,
    #                          quantity, bankruptcy_price

cdef struct Candidate:
    int32_t account          # a member, or -1 - the user's account
    int8_t leg

cdef class CrowdQueue(Crowd):
    cdef object rank                     # venue, instrument, side, figures -> who is closed first at first
    cdef uint8_t *joins                  # by user's account: its winning positions may be closed
    cdef Candidate *candidates
    cdef double *figures                 # [candidate * FIGURES + figure]
    cdef Py_ssize_t n_candidates
    cdef Py_ssize_t capacity
    cdef Py_ssize_t *order               # places of candidates in the queue
    cdef Py_ssize_t place                # the next of them
    cdef int64_t queue_time              # of the present queue
    cdef int32_t queue_instrument
    cdef int8_t queue_side

    cdef int note(self, const Pool *pool, const Risk *risk, int32_t at, int32_t account, int8_t side) except -1 nogil
    cdef int collect(self, int32_t venue, int32_t instrument, int8_t side) except -1 nogil
    cdef bint stands(self, const Slot *slot, int32_t instrument) noexcept nogil
