"""What a venue tells the owner of an account. The loop delivers each message one response latency later."""

from libc.stdlib cimport free, realloc
from libc.string cimport memset


cdef class Outbox:
    """Messages in the order in which they were written; the loop empties it after every event of the venue clock."""

    def __cinit__(self):
        self.items = NULL
        self.count = 0
        self.capacity = 0

    def __dealloc__(self):
        free(self.items)

    cdef Message *new(self) except NULL nogil:
        cdef Message *grown
        cdef Message *message
        if self.count == self.capacity:
            grown = <Message *> realloc(self.items, (2 * self.capacity + 16) * sizeof(Message))
            if grown == NULL:
                with gil:
                    raise MemoryError("outbox: no memory for a message")
            self.items = grown
            self.capacity = 2 * self.capacity + 16
        message = &self.items[self.count]
        self.count += 1
        memset(message, 0, sizeof(Message))
        message.row = -1
        message.strategy = -1
        message.instrument = -1
        message.pool_asset = -1
        message.assets[0] = -1
        message.assets[1] = -1
        return message
