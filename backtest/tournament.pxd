"""The earliest of many streams: a linear minimum for few, a tree of winners for many. Ties go to the lower number."""

from libc.stdint cimport int32_t, int64_t

cdef class Tournament:
    cdef int64_t *times              # next time of each stream; the caller writes it, then calls moved()
    cdef int32_t n
    cdef int32_t best
    cdef int64_t best_time           # INT64_MAX = none is left
    cdef int64_t second_time         # earliest of the others
    cdef int32_t size                # leaves of the tree, a power of two; 0 = linear
    cdef int32_t *winners            # [1] is the winner; the leaves are behind

    cdef void moved(self, int32_t stream) noexcept nogil     # one time has changed
    cdef void rescan(self) noexcept nogil                    # any may have
    cdef int32_t earlier(self, int32_t x, int32_t y) noexcept nogil
    cdef void crown(self) noexcept nogil
