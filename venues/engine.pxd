"""A venue's margin engine: what a pool must hold, and how far prices may move before that must be looked at again."""

from venues.margin cimport Band, Pool, Risk

cdef class MarginEngine:
    cdef void risk(self, const Pool *pool, Risk *out) noexcept nogil          # the only one that decides
    # How much may be lost before maintenance >= threshold x equity, and bands (margin.pxd); 0 = ask at every change.
    cdef double slack(self, const Pool *pool, const Risk *risk, double threshold, Band *bands) noexcept nogil
