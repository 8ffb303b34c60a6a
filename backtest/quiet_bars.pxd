"""Stretches of bars that touch nothing: no order rests, no margin band is left, so only their prices move on."""

from backtest.samples cimport Samples
from libc.stdint cimport int32_t, int64_t
from venues.margin cimport Band

# What a price takes of the slack of its band.
cdef inline double loss(const Band *band, double reference, double price) noexcept nogil:
    if price < reference:
        return band.slope_down * (reference - price)
    return band.slope_up * (price - reference)

cdef class QuietBars(Samples):
    cdef public bint unfolds_all         # every event and every part of every bar by itself, for comparison

    # Nothing rests in an instrument and nobody is being liquidated: a jump of its last price meets nothing.
    cdef bint is_calm(self, int32_t instrument) noexcept nogil
    # Last part (1 .. 3) that the bars of this instant can go to without meeting anything; 0 = not even the next.
    cdef int quiet_part(self, int64_t time) noexcept nogil
    cdef int64_t common_close(self, int64_t time) noexcept nogil         # 0 = something comes before it
    cdef bint stays_quiet(self, int64_t time, int part) noexcept nogil
    cdef bint margin_stays(self, int32_t instrument, int64_t low, int64_t high) noexcept nogil
    cdef bint slack_is_left(self) noexcept nogil
    cdef void pass_price(self, int32_t stream, int64_t price, int64_t time) noexcept nogil
    cdef double highest_ratio(self) noexcept nogil
