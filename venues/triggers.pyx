"""Sorted triggers: heaps of prices at which somebody must be looked at, the nearest on top.

Ties are met in the order of members, so that a run does not depend on the order in which triggers were set.
"""

from libc.stdlib cimport realloc


cdef inline bint before(const Trigger *x, const Trigger *y) noexcept nogil:
    return x.key < y.key or (x.key == y.key and x.member < y.member)


cdef int push(Triggers *heap, double key, int32_t member, int32_t stamp) except -1 nogil:
    cdef Trigger *grown
    cdef Trigger made
    cdef Py_ssize_t at, parent
    if heap.count == heap.capacity:
        grown = <Trigger *> realloc(heap.items, (2 * heap.capacity + 64) * sizeof(Trigger))
        if grown == NULL:
            with gil:
                raise MemoryError("population: no memory for triggers")
        heap.items = grown
        heap.capacity = 2 * heap.capacity + 64
    made.key = key
    made.member = member
    made.stamp = stamp
    at = heap.count
    heap.count += 1
    while at > 0:
        parent = (at - 1) // 2
        if not before(&made, &heap.items[parent]):
            break
        heap.items[at] = heap.items[parent]
        at = parent
    heap.items[at] = made
    return 0


cdef Trigger pop(Triggers *heap) noexcept nogil:
    cdef Trigger top = heap.items[0], last
    cdef Py_ssize_t at = 0, child
    heap.count -= 1
    last = heap.items[heap.count]
    while True:
        child = 2 * at + 1
        if child >= heap.count:
            break
        if child + 1 < heap.count and before(&heap.items[child + 1], &heap.items[child]):
            child += 1
        if not before(&heap.items[child], &last):
            break
        heap.items[at] = heap.items[child]
        at = child
    if heap.count > 0:
        heap.items[at] = last
    return top
