"""How much of a position a forced order closes: as much as is needed, or down to a lower risk tier."""

from libc.stdint cimport int32_t
from venues.margin cimport Leg, Pool

# Quantity (>= 0, not on the lot) of a leg beyond which closing at `price`, paying fee_rate x closed notional, leaves
# maintenance < target x equity; all of it when no part is enough.
cdef double reduction(const Pool *pool, int32_t leg, double price, double fee_rate, double target) noexcept nogil
# Quantity (>= 0, not on the lot) of an isolated leg to close at `price`, paying fee_rate x closed notional, so that the
# rest stands in the highest lower tier in which maintenance < equity; all of it when no tier suffices.
cdef double step_down(const Pool *pool, int32_t leg, double price, double fee_rate) noexcept nogil
# Quantity (>= 0, not on the lot) to close so that a leg stands so many tiers lower, at the upper end of that tier; all
# of it where there are not so many below.
cdef double tiers_down(const Leg *leg, int32_t tiers) noexcept nogil
# Maintenance of a pool if every leg were in the first tier, fees to close included.
cdef double first_tier_requirement(const Pool *pool) noexcept nogil
# Quantity (>= 0, not on the lot) of the first order: all of a leg with a notional of at most whole_up_to, else a part.
cdef double part_of(const Leg *leg, double whole_up_to, double part) noexcept nogil
