"""Closing by force in slices: how much in a block, at which limit, and what of it the insurance fund takes or pays."""

from libc.stdint cimport int32_t
from venues.margin cimport Pool, Risk

# Notional of a position to close in a block in which `closed` of the account's has been; see `SliceRules`.
cdef double slice_notional(
    double notional, double least, double share, double most_closed, double closed) noexcept nogil
# Limit of a slice of a linear leg (not on the tick), the same for any part of it.
cdef double fillable_price(
    const Pool *pool, const Risk *risk, int32_t leg, double adjustment, double spread) noexcept nogil
# Cash (received > 0, paid < 0) for closing so much (>= 0) of a linear leg that takes with it its share of the equity:
# in proportion to maintenance margin.
cdef double bankruptcy_value(const Pool *pool, const Risk *risk, int32_t leg, double quantity) noexcept nogil
# What a close for `value` pays to the insurance fund (< 0: receives from it), whole units of 1 / unit: the surplus over
# bankruptcy, at most cap x abs(value).
cdef double insurance_delta(double value, double bankruptcy, double cap, double unit) noexcept nogil
