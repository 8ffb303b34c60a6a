"""The legs of one contract inside a pool as a function of their own price: pieces of lines, or of concave curves."""

from libc.math cimport INFINITY, fabs, sqrt

from venues.contract cimport INVERSE, notional
from venues.leg_margin cimport (
    backing, fixed_fee, floating_fee, has_fixed_fee, is_fixed, margin_required, profit_of, size_rate, tier_rate,
)
from venues.tiers cimport Tier, TierTable


cdef Group group_of(const Pool *pool, int32_t index, double threshold, bint with_maintenance) noexcept nogil:
    cdef Group group
    cdef const Leg *leg
    cdef double unrealized, required
    cdef int32_t other
    group.pool = pool
    group.contract = pool.legs[index].contract
    group.first = index
    group.last = index
    group.x = pool.legs[index].mark
    if group.contract.kind == INVERSE:
        group.x = 1.0 / group.x
    group.threshold = threshold
    group.others = threshold * backing(pool)
    group.others_gross = fabs(group.others)
    for other in range(pool.count):
        leg = &pool.legs[other]
        if leg.contract == group.contract:
            group.first = min(group.first, other)
            group.last = max(group.last, other)
            continue
        unrealized = threshold * profit_of(leg) * leg.conversion
        required = margin_required(pool, leg) * leg.conversion if with_maintenance else 0.0
        group.others += unrealized - required
        group.others_gross += required + threshold * leg.conversion * (
            fabs(leg.entry_value) + notional(leg.contract, leg.quantity, leg.mark))
    return group


cdef Line line_of(const Group *group, double x, bint with_maintenance) noexcept nogil:
    """The line of the segment that begins at x (a border of tiers belongs to the segment above it)."""
    cdef Line line
    cdef const Leg *leg
    cdef const TierTable *table
    cdef const Tier *tier
    cdef double size, direction, weight, fee, rate
    cdef int32_t index, row
    line.constant = group.others
    line.gross = group.others_gross
    line.slope = 0.0
    line.curve = 0.0
    line.gross_slope = 0.0
    direction = -1.0 if group.contract.kind == INVERSE else 1.0
    for index in range(group.first, group.last + 1):
        leg = &group.pool.legs[index]
        if not in_group(group, leg):
            continue
        size = per_x(leg) * leg.conversion
        weight = group.threshold * leg.conversion
        line.constant -= direction * weight * leg.entry_value
        line.gross += weight * fabs(leg.entry_value)
        line.slope += direction * weight * leg.quantity * leg.contract.multiplier
        line.gross_slope += size * group.threshold
        table = leg.contract.tiers
        if not with_maintenance:
            if has_fixed_fee(group.pool, leg):
                line.constant -= fixed_fee(group.pool, leg) * leg.conversion
            else:
                line.slope -= size * leg.close_fee
            continue
        if is_fixed(group.pool, leg):
            line.constant -= margin_required(group.pool, leg) * leg.conversion
            line.gross += margin_required(group.pool, leg) * leg.conversion
            continue
        fee = floating_fee(group.pool, leg)
        line.constant -= fixed_fee(group.pool, leg) * leg.conversion
        line.slope -= size * fee
        line.gross_slope += size * fee
        if table == NULL:
            continue
        if leg.contract.tiers_by_quantity:
            rate = tier_rate(leg.contract, leg.quantity)
            line.slope -= size * rate
            line.gross_slope += size * rate
            continue
        row = 0
        while row + 1 < table.count and table.rows[row + 1].floor / per_x(leg) <= x:
            row += 1
        tier = &table.rows[row]
        line.constant += tier.amount * leg.conversion
        line.gross += fabs(tier.amount) * leg.conversion
        rate = tier.maintenance_rate
        if table.size_rate > 0.0 and leg.contract.kind == INVERSE:
            line.curve += table.size_rate * per_x(leg) * size
        else:
            rate = (rate + size_rate(leg.contract, per_x(leg), 1.0)) * leg.at_index
        line.slope -= size * rate
        line.gross_slope += size * rate
    return line


cdef double zero_of(const Line *line, int direction) noexcept nogil:
    """Where a curve (curve > 0) is zero: the upper or the lower one of its two roots; -1 without a root."""
    cdef double d = line.slope * line.slope + 4.0 * line.curve * line.constant
    cdef double q, one, other
    if d < 0.0:
        return -1.0
    q = 0.5 * (line.slope + (sqrt(d) if line.slope >= 0.0 else -sqrt(d)))
    one = q / line.curve
    other = -line.constant / q if q != 0.0 else one
    return max(one, other) if direction == UP else min(one, other)


cdef double border_of(const Group *group, double x, int direction) noexcept nogil:
    """The nearest border of tiers above x (infinite without one) or below it (0 without one)."""
    cdef const Leg *leg
    cdef const TierTable *table
    cdef double at
    cdef double nearest = INFINITY if direction == UP else 0.0
    cdef int32_t index, row
    for index in range(group.first, group.last + 1):
        leg = &group.pool.legs[index]
        table = leg.contract.tiers
        if (not in_group(group, leg) or table == NULL or is_fixed(group.pool, leg)
                or leg.contract.tiers_by_quantity):
            continue
        for row in range(1, table.count):
            at = table.rows[row].floor / per_x(leg)
            if direction == UP and x < at < nearest:
                nearest = at
            elif direction == DOWN and nearest < at < x:
                nearest = at
    return nearest
