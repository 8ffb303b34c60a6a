"""What is still to come: a heap of future events of one clock."""

from libc.stdint cimport int32_t, int64_t

cdef enum EntryKind:
    # venue clock, in the order of ties
    ORDER_ARRIVES = 0        # a = row of the order
    CANCEL_ARRIVES = 1       # a = id of the order
    VERB_ARRIVES = 2         # a = number of the verb
    TRANSFER_ARRIVES = 3     # a = number of the transfer
    ORDER_EXPIRES = 8        # a = id of the order
    # strategy clock, in the order of ties
    ANSWER = 4               # a = place in the message pool
    FORCED_SALE = 5          # a = row of the fills of the population
    BAR_CLOSES = 6           # a = number of the aggregator
    TIMER = 7                # a = number of the timer

cdef struct Entry:
    int64_t time             # ns
    int64_t sequence         # order of insertion
    int64_t a
    int32_t rank             # of its kind, among entries of one time
    int32_t kind             # EntryKind

cdef class Agenda:
    cdef Entry *items
    cdef readonly Py_ssize_t count
    cdef Py_ssize_t capacity
    cdef int64_t sequence
    cdef int64_t next_time           # INT64_MAX = empty
    cdef int push(self, int64_t time, EntryKind kind, int64_t a) except -1 nogil
    cdef Entry pop(self) noexcept nogil
