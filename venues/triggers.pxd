"""Sorted triggers: heaps of prices at which somebody must be looked at, the nearest on top."""

from libc.stdint cimport int32_t

cdef struct Trigger:
    double key               # the smallest is met first
    int32_t member
    int32_t stamp            # of the member when it was set; another one now: it is void

cdef struct Triggers:
    Trigger *items
    Py_ssize_t count
    Py_ssize_t capacity

cdef int push(Triggers *heap, double key, int32_t member, int32_t stamp) except -1 nogil
cdef Trigger pop(Triggers *heap) noexcept nogil
