"""A strategy that asks again for what was asked for in another run."""

from backtest.script cimport Line, Script
from backtest.strategy cimport Strategy
from libc.stdint cimport int32_t, int64_t

cdef class Repeat(Strategy):
    cdef Script script
    cdef readonly list shares        # by account: what its money is multiplied with
    cdef readonly object settings    # callable: (account, instrument, leverage asked for) -> leverage to set
    cdef readonly int64_t changed    # orders that could only reduce, because the position was another than then
    cdef Py_ssize_t next             # line of the script
    cdef int64_t timer
    cdef int64_t *ids                # of the orders here, by their ids there; 0 = not sent

    cdef int play(self, int64_t time) except -1 nogil
    cdef int ask_round(self) except -1 nogil
    cdef int send_again(self, const Line *line) except -1 nogil
    cdef int cancel_again(self, int64_t id) except -1 nogil
    cdef int ask_again(self, int64_t number) except -1
