"""Messages of books and quotes on both clocks: rows that belong together are applied together."""

from backtest.bar_paths cimport BarPaths
from feeds.events cimport Event
from libc.stdint cimport int32_t, int64_t

cdef class BookMessages(BarPaths):
    cdef int book_message(self, int32_t stream, Event *event, int64_t time) except -1 nogil
    cdef int quote_message(self, const Event *event, int64_t time) except -1 nogil
    # Delivers the next row, of a book the whole message; `event` becomes what hooks are told
    cdef int hear(self, int32_t stream, Event *event) except -1 nogil
    cdef int tell_touch(self, Event *event) except -1 nogil
