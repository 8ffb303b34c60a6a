"""Other traders in a run: thin rows of `Members`, and the few that are met, which become accounts for a while."""

from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t
from venues.account cimport Account
from venues.ledger cimport Ledger
from venues.liquidation cimport Liquidator
from venues.members cimport Members
from venues.outbox cimport Outbox
from venues.records cimport Journal
from venues.state cimport Slot
from venues.triggers cimport Trigger

cdef struct Shift:           # of a mark by own sales
    int64_t time             # ns from which it holds
    double price             # price units, added to the mark

cdef struct Shifts:          # of an instrument
    double depth             # price units of the mark per quantity unit sold; 0 = the mark does not move
    double rate              # by which the shift decays, per ns
    Shift *items             # as it was after each change
    Py_ssize_t count
    Py_ssize_t capacity
    int64_t raw              # the mark without it
    double reference         # quote; the first mark
    uint8_t changed

cdef class Crowd(Members):
    cdef Ledger ledger
    cdef Liquidator liquidator
    cdef readonly Journal journal        # what happened to them; `account` in its rows is the member
    cdef Outbox outbox                   # nobody listens
    cdef PyObject **accounts             # borrowed: users' accounts, then hosts
    cdef PyObject **markets
    cdef int32_t n_users
    cdef int32_t n_markets
    cdef readonly int32_t n_hosts
    cdef list hosts
    cdef object make                     # venue, index -> Account
    cdef int32_t *templates              # by venue: the user's account whose settings hold
    cdef int32_t *free_hosts             # by host: the next free one of its venue; -1 = the last
    cdef int32_t *first_free             # by venue
    cdef int32_t *active                 # hosts in use, in the order in which they came
    cdef readonly int32_t n_active
    cdef Shifts *shifts                  # by instrument
    cdef Py_ssize_t heard                # rows of fills that have moved marks
    cdef Py_ssize_t published            # rows of fills that strategies have been told of, or are about to be
    cdef readonly int32_t most_active

    cdef int admit(self, int32_t instrument, int64_t time) except -1 nogil
    cdef int look_again(self, const Trigger *met, int64_t time) except -1 nogil
    cdef int board(self, int32_t member, int64_t time) except -1 nogil
    cdef int32_t take_host(self, int32_t venue) except -1 nogil
    cdef int32_t enter(self, int32_t member) except -1 nogil
    cdef bint holds(self, int32_t member, int32_t instrument) noexcept nogil
    cdef int fill_host(self, int32_t member, int32_t host, Account account) except -1 nogil
    cdef int leave(self, int32_t host, Account account) except -1 nogil
    cdef bint is_done(self, Account account) noexcept nogil
    cdef int attend(self, int64_t time) except -1 nogil
    cdef int follow_fills(self, int64_t time) except -1 nogil
    cdef int move_shift(self, int32_t instrument, double by, int64_t time) except -1 nogil
    cdef double shift_at(self, int32_t instrument, int64_t time) noexcept nogil
    cdef int64_t note_mark(self, int32_t instrument, int64_t price, int64_t time) noexcept nogil
    cdef int64_t shifted(self, int32_t instrument, int64_t price, int64_t time) noexcept nogil
    cdef void host_marks_moved(self, int32_t instrument) noexcept nogil
    cdef int funding(self, int32_t instrument, int64_t mark, int64_t rate, int32_t rate_scale, int64_t interval,
                     int64_t time) except -1 nogil
    cdef int settle(self, int32_t instrument, int64_t price, int64_t time) except -1 nogil
    cdef int pay_out(self, int32_t venue, int64_t time) except -1 nogil
    cdef int let_go(self, int32_t host, Account account) except -1 nogil
    cdef int64_t deadlines(self, int64_t time) except -1 nogil      # ns of the next one
