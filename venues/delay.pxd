"""How long requests of an account are on their way to its venue, and answers back."""

from libc.stdint cimport int64_t
from feeds.draws cimport Purpose

cdef class Delay:
    cdef readonly int64_t order          # ns, constant or median
    cdef readonly int64_t response
    cdef double sigma                    # of the logarithm; 0 = always the same
    cdef int64_t seed
    cdef int64_t account
    cdef const int64_t[::1] times        # of recorded round trips, ns; None = not recorded
    cdef const int64_t[::1] orders
    cdef const int64_t[::1] responses
    cdef Py_ssize_t n
    cdef int64_t last_arrival
    cdef int64_t last_answer
    cdef int64_t n_requests
    cdef int64_t n_answers

    cdef int64_t arrival(self, int64_t now) noexcept nogil       # of a request that is sent now; none overtakes another
    cdef int64_t answer(self, int64_t time) noexcept nogil       # of a message of the venue
    cdef int64_t drawn(self, int64_t median, Purpose purpose, int64_t number) noexcept nogil
    cdef int64_t recorded(self, const int64_t[::1] values, int64_t time) noexcept nogil
