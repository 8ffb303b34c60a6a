"""How much of a position a forced order closes: as much as is needed, or down to a lower risk tier."""

from libc.math cimport fabs, sqrt

from venues.coins cimport Coin, surplus_of
from venues.contract cimport INVERSE, notional
from venues.leg_margin cimport fixed_fee, floating_fee, is_fixed, margin_required
from venues.margin cimport Leg, Risk, gather, leg_notional, leg_unrealized, standard_risk
from venues.tiers cimport TierTable, maintenance, tier_at


cdef double reduction(const Pool *pool, int32_t leg, double price, double fee_rate, double target) noexcept nogil:
    # Close y of the notional at mark: equity falls by y x cost (the price against the mark, and the clearance fee), the
    # leg's maintenance follows its tiers down; the first y at which maintenance = target x equity
    cdef const Leg *one = &pool.legs[leg]
    cdef const TierTable *table = one.contract.tiers
    cdef double here = leg_notional(one)
    cdef double ratio, cost, short_of, rate, amount, end, most, rest, left, need, fee, curve
    cdef Risk risk
    cdef int32_t row
    if one.quantity == 0.0 or table == NULL or is_fixed(pool, one):
        return fabs(one.quantity)        # margins at the entry value go with tiers: `step_down`
    standard_risk(pool, &risk)
    short_of = (target * risk.equity - risk.maintenance) / one.conversion
    if short_of > 0.0:
        return 0.0
    # notional at the price of the closing order, per unit of notional at mark
    ratio = one.mark / price if one.contract.kind == INVERSE else price / one.mark
    cost = (ratio - 1.0) if (one.quantity > 0.0) == (one.contract.kind == INVERSE) else (1.0 - ratio)
    cost += fee_rate * ratio
    cost *= target
    fee = floating_fee(pool, one)
    # of the rate that grows with the coins of the position: maintenance has a part curve x notional x notional
    curve = table.size_rate if one.contract.kind == INVERSE else table.size_rate / one.mark
    curve *= one.at_index
    need = maintenance(table, here) * one.at_index + here * (fee + curve * here)
    row = <int32_t> (tier_at(table, here) - table.rows)
    rest = here
    # surplus(rest) = short_of - cost x (here - rest) + MM(here) - MM(rest); walk the tiers down from `here`
    while True:
        rate = table.rows[row].maintenance_rate * one.at_index + fee
        amount = table.rows[row].amount * one.at_index
        end = table.rows[row].floor
        left = short_of - cost * (here - end) + need - (end * (rate + curve * end) - amount)
        if left > 0.0:
            # surplus is affine in `rest` or a concave square, not positive at `rest`, positive at `end`
            left = short_of - cost * here + need + amount
            rate -= cost
            most = rest                      # where maintenance leaps at a border, the root lies beyond the tier
            rest = left / rate if curve == 0.0 else (sqrt(rate * rate + 4.0 * curve * left) - rate) / (2.0 * curve)
            rest = min(rest, most)
            return fabs(one.quantity) * min(max((here - rest) / here, 0.0), 1.0)
        rest = end
        if row == 0:
            return fabs(one.quantity)
        row -= 1


cdef bint _leaps(const TierTable *table, int32_t row) noexcept nogil:
    """Whether maintenance is larger just above a floor than at it."""
    cdef double floor = table.rows[row].floor
    cdef double below = floor * table.rows[row - 1].maintenance_rate - table.rows[row - 1].amount
    return floor * table.rows[row].maintenance_rate - table.rows[row].amount > below * (1.0 + 1e-9)


cdef double step_down(const Pool *pool, int32_t leg, double price, double fee_rate) noexcept nogil:
    # venues/bybit.md section 6: an order for the difference to a tier that satisfies; in the lowest one there is none
    cdef Leg one = pool.legs[leg]
    cdef Leg at_price = one
    cdef Pool trial = pool[0]
    cdef Risk risk
    cdef const TierTable *table = one.contract.tiers
    cdef double whole = fabs(one.quantity)
    cdef double value, kept, paid, equity, others, held
    cdef int32_t row
    if table == NULL or whole == 0.0:
        return whole
    value = fabs(one.entry_value) if is_fixed(pool, &one) else leg_notional(&one)
    at_price.mark = price
    paid = leg_unrealized(&at_price) - fee_rate * notional(one.contract, whole, price)
    standard_risk(pool, &risk)
    held = leg_unrealized(&one)
    others = risk.maintenance - margin_required(pool, &one) * one.conversion
    row = <int32_t> (tier_at(table, value) - table.rows)
    while row > 0:
        kept = table.rows[row].floor / value         # a value equal to a floor belongs to the row below it
        if _leaps(table, row):
            kept *= 1.0 - 1e-9           # rounding must not leave it on the wrong side of a leap
        one.quantity = pool.legs[leg].quantity * kept
        one.entry_value = pool.legs[leg].entry_value * kept
        trial.wallet = pool.wallet + (1.0 - kept) * paid * one.conversion
        equity = risk.equity + (1.0 - kept) * (paid - held) * one.conversion
        if others + margin_required(&trial, &one) * one.conversion < equity:
            return whole * (1.0 - kept)
        row -= 1
    return whole


cdef double part_of(const Leg *leg, double whole_up_to, double part) noexcept nogil:
    # venues/hyperliquid.md, liquidation stage 2: all of it up to 100,000 USDC, else 20 %
    if leg_notional(leg) <= whole_up_to:
        return fabs(leg.quantity)
    return fabs(leg.quantity) * part


cdef double tiers_down(const Leg *leg, int32_t tiers) noexcept nogil:
    # venues/okx.md section 7.3: the contracts needed to drop two tiers
    cdef const TierTable *table = leg.contract.tiers
    cdef double whole = fabs(leg.quantity)
    cdef double per_unit = 1.0
    cdef int32_t row
    if table == NULL or whole == 0.0:
        return whole
    if not leg.contract.tiers_by_quantity:
        per_unit = leg_notional(leg) / whole
    row = <int32_t> (tier_at(table, whole * per_unit) - table.rows)
    if row < tiers:
        return whole
    return whole - table.rows[row - tiers + 1].floor / per_unit      # a floor belongs to the row below it


cdef double first_tier_requirement(const Pool *pool) noexcept nogil:
    cdef const Leg *leg
    cdef const Coin *coin
    cdef double rate, sum = pool.debt_maintenance
    cdef int32_t index
    gather(pool)
    for index in range(pool.coin_count):
        coin = &pool.coins[index]
        sum += surplus_of(coin, coin.balance + coin.profit, 0.0, False) - surplus_of(
            coin, coin.balance + coin.profit, 0.0, True)
    for index in range(pool.count):
        leg = &pool.legs[index]
        rate = 0.0 if leg.contract.tiers == NULL else leg.contract.tiers.rows[0].maintenance_rate
        rate = rate * leg.at_index + floating_fee(pool, leg)
        sum += (leg_notional(leg) * rate + fixed_fee(pool, leg)) * leg.conversion
    return sum
