"""Bars on the venue's clock: each is a path of four points, and all bars of an instant move together."""

from backtest.bar_bounds cimport BarBounds
from libc.stdint cimport int32_t, int64_t
from venues.world cimport World

cdef inline double collateral_value(int64_t units) noexcept nogil:
    # Streams of collateral prices have no instrument; cursors bring them to ten decimals.
    return <double> units / 1e10

cdef class BarPaths(BarBounds):
    cdef int open_bar(self, int32_t stream, int64_t time) except -1 nogil
    cdef int bars_advance(self, int64_t time) except -1 nogil
    cdef bint down_first(self, int64_t time) noexcept nogil
    cdef int collateral(self, int32_t asset, int64_t units, double value, int64_t time) except -1 nogil
    cdef int mark_changed(self, int32_t instrument, int64_t time) except -1 nogil
    cdef void value_by_mark(self, World world, int32_t instrument) noexcept nogil
    cdef void value_in_usd(self, World world, int32_t asset, double value) noexcept nogil
