"""What is still to come: a heap of future events of one clock."""

from libc.stdint cimport INT64_MAX
from libc.stdlib cimport free, realloc


cdef inline bint before(const Entry *x, const Entry *y) noexcept nogil:
    if x.time != y.time:
        return x.time < y.time
    if x.rank != y.rank:
        return x.rank < y.rank
    return x.sequence < y.sequence


cdef class Agenda:
    """Binary heap by time, then rank of the kind, then order of insertion."""

    def __cinit__(self):
        self.next_time = INT64_MAX

    def __dealloc__(self):
        free(self.items)

    cdef int push(self, int64_t time, EntryKind kind, int64_t a) except -1 nogil:
        cdef Entry *grown
        cdef Entry entry
        cdef Py_ssize_t at, parent
        if self.count == self.capacity:
            grown = <Entry *> realloc(self.items, (2 * self.capacity + 64) * sizeof(Entry))
            if grown == NULL:
                with gil:
                    raise MemoryError("agenda: no memory for a future event")
            self.items = grown
            self.capacity = 2 * self.capacity + 64
        entry.time = time
        entry.sequence = self.sequence
        entry.a = a
        entry.kind = kind
        # Orders, cancels and verbs of one instant arrive in the order in which they were sent.
        entry.rank = 0 if kind <= VERB_ARRIVES else <int32_t> kind
        self.sequence += 1
        at = self.count
        self.count += 1
        while at > 0:
            parent = (at - 1) // 2
            if not before(&entry, &self.items[parent]):
                break
            self.items[at] = self.items[parent]
            at = parent
        self.items[at] = entry
        self.next_time = self.items[0].time
        return 0

    cdef Entry pop(self) noexcept nogil:
        cdef Entry top = self.items[0]
        cdef Entry last
        cdef Py_ssize_t at = 0, child
        self.count -= 1
        last = self.items[self.count]
        while True:
            child = 2 * at + 1
            if child >= self.count:
                break
            if child + 1 < self.count and before(&self.items[child + 1], &self.items[child]):
                child += 1
            if not before(&self.items[child], &last):
                break
            self.items[at] = self.items[child]
            at = child
        self.items[at] = last
        self.next_time = self.items[0].time if self.count > 0 else INT64_MAX
        return top
