"""The legs of one contract inside a pool as a function of their own price: pieces of lines, or of concave curves.

Everything is affine, piece by piece, in x = price (linear) or x = 1/price (inverse); where a coin's discount tiers end
there is a bend; where the rate of an inverse
contract grows with its coins, a square of x comes in.
"""

from libc.math cimport fabs
from libc.stdint cimport int32_t
from venues.coins cimport Coin
from venues.contract cimport INVERSE, Contract
from venues.margin cimport Leg, Pool

cdef enum:
    UP = 1
    DOWN = -1

cdef struct Line:              # threshold x equity - maintenance = constant + slope x - curve x x, within one segment
    double constant
    double slope
    double curve               # >= 0
    double gross               # sum of the absolute values behind constant
    double gross_slope

cdef struct Group:             # the legs of one contract inside a pool
    const Pool *pool
    const Contract *contract
    int32_t first
    int32_t last
    double x                   # at the present mark
    double threshold           # weight of equity
    double others              # threshold x (wallet + profit of the others) - their maintenance; the group's coin apart
    double others_gross
    const Coin *coin           # that the group settles in, where profit counts with the balance of its coin; else NULL
    double amount              # equity of that coin without the group's own profit, quantity

cdef inline double per_x(const Leg *leg) noexcept nogil:
    return fabs(leg.quantity) * leg.contract.multiplier

cdef inline bint in_group(const Group *group, const Leg *leg) noexcept nogil:
    return leg.contract == group.contract and leg.quantity != 0.0

cdef inline double price_of(const Group *group, double x) noexcept nogil:
    if group.contract.kind == INVERSE:
        return 1.0 / x
    return x

cdef inline double value_at(const Line *line, double x) noexcept nogil:
    return line.constant + (line.slope - line.curve * x) * x

# The legs of the contract of a leg, with what all others are worth at their marks; equity weighs `threshold`.
cdef Group group_of(const Pool *pool, int32_t index, double threshold, bint with_maintenance) noexcept nogil
# Takes what the coins of a pool are worth, all of them in `others`, for that of the group; with_maintenance as there.
cdef void set_coin(Group *group, bint with_maintenance) noexcept nogil
# The line of the segment that begins at x (a border of tiers belongs to the segment above it).
cdef Line line_of(const Group *group, double x, bint with_maintenance) noexcept nogil
# The nearest border of tiers above x (infinite without one) or below it (0 without one).
cdef double border_of(const Group *group, double x, int direction) noexcept nogil
# Where a curve (curve > 0) is zero: the upper or the lower one of its two roots; -1 without a root.
cdef double zero_of(const Line *line, int direction) noexcept nogil
