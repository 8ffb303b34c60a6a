"""Other traders in a run, as thin rows: what each holds, what it owns, and the prices at which it must be looked at."""

from libc.stdint cimport int32_t, int64_t, uint8_t
from venues.engine cimport MarginEngine
from venues.margin cimport Band, Leg, Pool, Risk
from venues.position cimport Position
from venues.triggers cimport Triggers
from venues.units cimport Int128
from venues.world cimport World

cdef struct Member:          # one account
    int64_t wallet           # atoms of its settle asset, an isolated wallet included
    int64_t part_closed      # ns at which a part of a position was last closed by force
    int32_t asset
    int32_t venue
    int32_t first            # row of its first position
    int32_t count            # of its positions
    int32_t stamp            # of its triggers
    int32_t host             # account that stands for it at the moment; -1 = none
    int32_t closes           # liquidations so far
    uint8_t isolated

cdef struct Accrual:         # of a position, as in `Slot`: what funding that accrues has counted
    int64_t since            # ns
    int64_t until            # ns
    Int128 held              # quantity units x ns

cdef class Members:
    cdef World world
    cdef MarginEngine engine
    cdef int32_t n_instruments
    cdef Member *members
    cdef readonly int32_t n_members
    cdef Position *positions
    cdef Accrual *accruals           # by position
    cdef readonly int32_t n_positions
    cdef Triggers *falls             # by instrument: keys are -price
    cdef Triggers *rises
    cdef Triggers *restless          # to be looked at with every change of a price
    cdef uint8_t *moved              # by instrument: the mark has met a trigger
    cdef double *trigger             # by venue: maintenance / equity from which a pool is liquidated
    cdef Pool pool                   # of the latest look
    cdef Leg *legs
    cdef Band *bands
    cdef const int64_t **taker_fees  # by venue, those of a user's account: 1e-10, by instrument
    cdef public bint looks_always    # at everybody with every change of a price, for comparison
    cdef int64_t start               # ns from which they are there

    # Risk at the present marks; 1 = done, 0 = a mark is not known yet
    cdef bint look(self, int32_t member, Risk *risk) noexcept nogil
    # Look, and set the triggers; 1 = it must be liquidated now
    cdef bint arm(self, int32_t member) except -1 nogil
    cdef bint is_met(self, int32_t instrument, double low, double high) noexcept nogil
    cdef bint is_any_met(self) noexcept nogil
    cdef void mark_moved(self, int32_t instrument, int64_t time) noexcept nogil
    cdef void move_all(self) noexcept nogil
    cdef int64_t wallet_now(self, int32_t member) noexcept nogil
    # Close opposite winners of a bankrupt position of signed units at a price; returns the units closed
    cdef int64_t deleverage(self, int32_t venue, int32_t instrument, int64_t quantity, int64_t price,
                            int64_t time) except -1 nogil
