"""The legs of one contract inside a pool as a function of their own price: pieces of lines, or of concave curves."""

from libc.math cimport INFINITY, fabs, sqrt

from venues.coins cimport Piece, bend_after, piece_of, surplus_of
from venues.contract cimport INVERSE, notional
from venues.leg_margin cimport (
    backing, fixed_fee, floating_fee, gross_backing, has_fixed_fee, is_fixed, margin_required, profit_of,
    profit_outside, size_rate, tier_rate,
)
from venues.margin cimport Leg, Pool, gather
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
    group.others_gross = threshold * gross_backing(pool)
    if with_maintenance:
        group.others -= pool.debt_maintenance
        group.others_gross += pool.debt_maintenance
    for other in range(pool.count):
        leg = &pool.legs[other]
        if leg.contract == group.contract:
            group.first = min(group.first, other)
            group.last = max(group.last, other)
            continue
        unrealized = threshold * profit_outside(pool, leg)
        required = margin_required(pool, leg) * leg.conversion if with_maintenance else 0.0
        group.others += unrealized - required
        group.others_gross += required + threshold * leg.conversion * (
            fabs(leg.entry_value) + notional(leg.contract, leg.quantity, leg.mark))
    group.coin = NULL
    if pool.coin_count > 0:
        gather(pool)
        for other in range(pool.coin_count):
            group.others += surplus_of(
                &pool.coins[other], pool.coins[other].balance + pool.coins[other].profit, threshold, with_maintenance)
        set_coin(&group, with_maintenance)
    return group


cdef void set_coin(Group *group, bint with_maintenance) noexcept nogil:
    cdef const Coin *coin = &group.pool.coins[group.pool.legs[group.last].coin]
    cdef int32_t index
    group.coin = coin
    group.amount = coin.balance + coin.profit
    group.others -= surplus_of(coin, group.amount, group.threshold, with_maintenance)
    for index in range(group.first, group.last + 1):
        if in_group(group, &group.pool.legs[index]):
            group.amount -= profit_of(&group.pool.legs[index])


cdef void _profit_line(const Group *group, double *constant, double *slope) noexcept nogil:
    """The profit of the group, settle asset, as a line in x."""
    cdef const Leg *leg
    cdef double direction = -1.0 if group.contract.kind == INVERSE else 1.0
    cdef int32_t index
    constant[0] = 0.0
    slope[0] = 0.0
    for index in range(group.first, group.last + 1):
        leg = &group.pool.legs[index]
        if in_group(group, leg):
            constant[0] -= direction * leg.entry_value
            slope[0] += direction * leg.quantity * leg.contract.multiplier


cdef void _add_coin(const Group *group, double x, bint with_maintenance, Line *line) noexcept nogil:
    """Add what the coin of the group is worth in the segment that begins at x."""
    cdef double constant, slope, middle, end = border_of(group, x, UP)
    cdef Piece piece
    _profit_line(group, &constant, &slope)
    middle = 2.0 * x + 1.0 if end == INFINITY else 0.5 * (x + end)
    piece = piece_of(group.coin, group.amount + constant + slope * middle, group.threshold, with_maintenance)
    line.constant += piece.constant + piece.slope * (group.amount + constant)
    line.slope += piece.slope * slope
    line.gross += fabs(piece.constant)


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
        line.gross += weight * fabs(leg.entry_value)
        if group.coin == NULL:
            line.constant -= direction * weight * leg.entry_value
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
    if group.coin != NULL:
        _add_coin(group, x, with_maintenance, &line)
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
    """The nearest border of tiers, or bend of a coin, above x (infinite without one) or below it (0 without one)."""
    cdef const Leg *leg
    cdef const TierTable *table
    cdef double at, bend, constant, slope, equity
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
    if group.coin != NULL:
        _profit_line(group, &constant, &slope)
        equity = group.amount + constant
        if slope == 0.0:
            return nearest
        at = equity + slope * x
        while True:
            at = bend_after(group.coin, at, (slope > 0.0) == (direction == UP))
            if fabs(at) == INFINITY:
                return nearest
            bend = (at - equity) / slope
            if direction == UP and bend >= nearest or direction == DOWN and bend <= nearest:
                return nearest
            if direction == UP and bend > x or direction == DOWN and bend < x:
                return bend
    return nearest
