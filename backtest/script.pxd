"""What the strategies of a run asked for, in order, so that it can be asked for again."""

from libc.stdint cimport int32_t, int64_t
from venues.orders cimport Order

cdef enum Request:
    AN_ORDER = 0             # ref = row in `orders`
    A_CANCEL = 1             # ref = id of the order
    A_VERB = 2               # ref = number of the verb

cdef struct Line:
    int64_t time             # ns, strategy clock
    int64_t round            # of deliveries; what is asked for in one does not know the answers to the others of it
    int64_t ref
    int64_t held             # signed quantity units of the order's position then, as far as told
    int32_t what             # Request

cdef class Script:
    cdef Line *lines
    cdef Py_ssize_t n_lines
    cdef Py_ssize_t line_capacity
    cdef Order *orders               # as they were sent
    cdef Py_ssize_t n_orders
    cdef Py_ssize_t order_capacity
    cdef readonly list verbs         # requests other than orders, by number
    cdef readonly dict tags
    cdef int64_t last_id             # highest id of `orders`

    cdef int note(self, int32_t what, int64_t time, int64_t round, int64_t ref, int64_t held) except -1 nogil
    cdef int note_order(self, const Order *order, int64_t round, int64_t held) except -1 nogil
    cdef int note_pair(self, int64_t group) except -1    # of the two latest orders
