"""Margin of a pool of positions: equity, requirement, liquidation and bankruptcy prices. Pure functions on structs.

Everything here is affine, piece by piece, in x = price (linear) or x = 1/price (inverse): with n = abs(quantity) x size
the notional is n x, profit is +-n x + constant, and within one risk tier maintenance is n x rate - amount. Where the
rate grows with the position in coins, maintenance of an inverse contract has a square of x too: equity less maintenance
is then a concave curve, of a linear contract (whose coins do not move with the price) still a line.
"""

from libc.math cimport INFINITY, fabs
from libc.stdint cimport int32_t

from venues.coins cimport (
    Coin, Piece, least_gain, loan_initial, loan_maintenance, most_loss, owed_at, piece_of, surplus_of,
)
from venues.contract cimport INVERSE, OF_LEVERAGE, notional
from venues.leg_margin cimport (
    backing, fixed_fee, floating_fee, gross_backing, has_fixed_fee, initial_rate, is_fixed, leg_initial, leverage_now,
    loss_reduces_equity, margin_required, order_fees, profit_of, profit_outside, shrinks, size_rate, tier_rate,
    tier_requirement,
)
from venues.lines cimport (
    DOWN, UP, Group, Line, border_of, group_of, line_of, per_x, price_of, set_coin, value_at, zero_of,
)
from venues.tiers cimport TierTable, tier_at

cdef extern from *:
    """
    #define LEVDYN_ROUNDING 1e-12
    #define LEVDYN_SHRINK 1e-9
    #define LEVDYN_REACH 0.1
    """
    const double ROUNDING "LEVDYN_ROUNDING"    # of the gross amounts: covers the rounding of risk() at any price
    const double SHRINK "LEVDYN_SHRINK"        # relative shrinking of bands and slack
    const double REACH "LEVDYN_REACH"          # bands of several contracts reach this far, so that slopes stay tight


cdef double leg_unrealized(const Leg *leg) noexcept nogil:
    return profit_of(leg)


cdef double leg_notional(const Leg *leg) noexcept nogil:
    return notional(leg.contract, leg.quantity, leg.mark)


cdef double leg_maintenance(const Pool *pool, const Leg *leg) noexcept nogil:
    return margin_required(pool, leg)


cdef inline double _growth(const Leg *leg, double before, double after) noexcept nogil:
    """By how much the initial margin of a position grows with its value, at the rate of the whole."""
    return leg.at_index * max(0.0, after * initial_rate(leg.contract, after, leg.mark, leg.leverage)
                              - before * initial_rate(leg.contract, before, leg.mark, leg.leverage))


cdef double order_margin(const Leg *leg) noexcept nogil:
    # One-way: max(|position + bids|, |position - asks|) / leverage less the position's part. Hedge: the opening side.
    cdef double size, long_side, short_side
    cdef double leverage = leverage_now(leg)
    if leg.side != 0 and leg.contract.initial_rule != OF_LEVERAGE:
        size = leg_notional(leg)
        long_side = leg.bids if leg.side > 0 else 0.0
        short_side = leg.asks if leg.side < 0 else 0.0
        return _growth(leg, size, size + long_side + short_side) + order_fees(leg, long_side, short_side)
    if leg.side > 0:
        return leg.bids / leverage + order_fees(leg, leg.bids, 0.0)
    if leg.side < 0:
        return leg.asks / leverage + order_fees(leg, 0.0, leg.asks)
    size = leg_notional(leg)
    if leg.quantity < 0.0:
        size = -size
    long_side = fabs(size + leg.bids)
    short_side = fabs(size - leg.asks)
    if leg.contract.initial_rule != OF_LEVERAGE:
        return _growth(leg, fabs(size), max(long_side, short_side)) + order_fees(
            leg, long_side - fabs(size), short_side - fabs(size))
    return (max(long_side, short_side) - fabs(size)) / leverage + order_fees(
        leg, long_side - fabs(size), short_side - fabs(size))


cdef void standard_risk(const Pool *pool, Risk *out) noexcept nogil:
    cdef const Leg *leg
    cdef double size, unrealized, fee, loss = 0.0
    cdef int32_t index
    gather(pool)
    out.initial = pool.debt_initial
    out.orders = 0.0
    out.maintenance = pool.debt_maintenance
    out.unrealized = 0.0
    out.notional = 0.0
    out.signed_notional = 0.0
    out.close_fees = 0.0
    out.signed_close_fees = 0.0
    for index in range(pool.count):
        leg = &pool.legs[index]
        size = leg_notional(leg)
        unrealized = leg_unrealized(leg)
        out.unrealized += unrealized * leg.conversion
        out.notional += size * leg.conversion
        out.signed_notional += (size if leg.quantity > 0.0 else -size) * leg.conversion
        out.initial += leg_initial(pool, leg) * leg.conversion
        if loss_reduces_equity(pool, leg):
            out.orders += order_margin(leg) * leg.conversion
            loss += leg.open_loss * leg.conversion
        else:
            out.orders += (order_margin(leg) + leg.open_loss) * leg.conversion
        out.maintenance += margin_required(pool, leg) * leg.conversion
        if has_fixed_fee(pool, leg):
            out.close_fees += fixed_fee(pool, leg) * leg.conversion
            continue
        fee = size * leg.close_fee * leg.conversion
        out.close_fees += fee
        out.signed_close_fees += shrinks(leg.contract, leg.quantity) * fee
    if pool.coin_count == 0:
        out.equity = pool.wallet - loss + out.unrealized
        return
    out.equity = -loss
    for index in range(pool.coin_count):
        _add_coin(&pool.coins[index], out)


cdef void _add_coin(const Coin *coin, Risk *out) noexcept nogil:
    cdef double equity = coin.balance + coin.profit
    cdef double owed = owed_at(coin.borrowed, equity)
    out.equity += surplus_of(coin, equity, 1.0, False)
    if owed > 0.0:
        out.initial += loan_initial(coin.loans, owed) * coin.price
        out.maintenance += loan_maintenance(coin.loans, owed) * coin.price


cdef void gather(const Pool *pool) noexcept nogil:
    cdef int32_t index
    for index in range(pool.coin_count):
        pool.coins[index].profit = 0.0
    if pool.coin_count > 0:
        for index in range(pool.count):
            pool.coins[pool.legs[index].coin].profit += profit_of(&pool.legs[index])


# ---------------------------------------------------------------------------------------------------------------------
# Prices at which a pool meets a threshold

cdef void _nearer(const Group *group, double root, double *found) noexcept nogil:
    """Keep the price of a root where it is nearer to the mark than what was found."""
    cdef double mark = price_of(group, group.x)
    cdef double price
    # beyond a million million times the mark, or under that part of it, is rounding, not a price
    if group.x * ROUNDING < root < group.x / ROUNDING:
        price = price_of(group, root)
        if found[0] == 0.0 or fabs(price - mark) < fabs(found[0] - mark):
            found[0] = price


cdef double _nearest_root(const Group *group, bint with_maintenance) noexcept nogil:
    """Price at which the group's line meets zero, the nearest to the mark; 0 = none."""
    cdef Line line
    cdef double start, end, root
    cdef double found = 0.0
    cdef bint positive, positive_end
    cdef bint before = True
    cdef int direction
    start = 0.0
    while start < INFINITY:
        line = line_of(group, start, with_maintenance)
        end = border_of(group, start, UP) if with_maintenance or group.coin != NULL else INFINITY
        positive = value_at(&line, start) > 0.0
        if end < INFINITY:
            positive_end = value_at(&line, end) > 0.0
        elif line.curve > 0.0:
            positive_end = False
        else:
            positive_end = line.slope > 0.0 or (line.slope == 0.0 and positive)
        if start > 0.0 and positive != before:
            _nearer(group, start, &found)        # a table that jumps at a border crosses zero there
        if line.curve > 0.0:
            # concave: it may rise above zero and fall again inside one segment
            for direction in range(DOWN, UP + 1, 2):
                root = zero_of(&line, direction)
                if start <= root <= end:
                    _nearer(group, root, &found)
        elif positive != positive_end:
            root = min(max(-line.constant / line.slope, start), end)
            _nearer(group, root, &found)
        before = positive_end
        start = end
    return found


cdef double liquidation_price(const Pool *pool, int32_t leg) noexcept nogil:
    # Binance FAQ b3c689c1 (linear), ceccfcfb (inverse), solved in every bracket; the one whose price is inside counts
    cdef Group group
    if pool.legs[leg].quantity == 0.0:
        return 0.0
    group = group_of(pool, leg, 1.0, True)
    return _nearest_root(&group, True)


cdef double nearest_liquidation(const Pool *pool, double *after) noexcept nogil:
    # What `_group` sums over the other legs, as the sum before and the sum after: one pass each way, not one a leg.
    cdef Group group
    cdef const Leg *leg
    cdef double price, required, nearest = INFINITY
    cdef double sum = 0.0, gross = 0.0
    cdef int32_t index
    cdef bint is_held = False
    for index in range(pool.count - 1, -1, -1):
        leg = &pool.legs[index]
        after[2 * index] = sum
        after[2 * index + 1] = gross
        required = leg_maintenance(pool, leg) * leg.conversion
        sum += profit_outside(pool, leg) - required
        gross += (fabs(leg.entry_value) + leg_notional(leg)) * leg.conversion + required
    group.threshold = 1.0
    group.first = 0
    group.pool = pool
    group.coin = NULL
    gather(pool)
    sum = backing(pool) - pool.debt_maintenance
    gross = gross_backing(pool) + pool.debt_maintenance
    for index in range(pool.coin_count):
        sum += surplus_of(&pool.coins[index], pool.coins[index].balance + pool.coins[index].profit, 1.0, True)
    for index in range(pool.count):
        leg = &pool.legs[index]
        is_held = is_held or leg.quantity != 0.0
        if index + 1 < pool.count and pool.legs[index + 1].contract == leg.contract:
            continue                             # both legs of hedge mode share one price
        if is_held:
            group.contract = leg.contract
            group.last = index
            group.x = 1.0 / leg.mark if leg.contract.kind == INVERSE else leg.mark
            group.others = sum + after[2 * index]
            group.others_gross = gross + after[2 * index + 1]
            if pool.coin_count > 0:
                set_coin(&group, True)
            price = _nearest_root(&group, True)
            if price > 0.0 and leg.mark > 0.0:
                nearest = min(nearest, fabs(leg.mark - price) / leg.mark)
        while group.first <= index:
            leg = &pool.legs[group.first]
            required = leg_maintenance(pool, leg) * leg.conversion
            sum += profit_outside(pool, leg) - required
            gross += (fabs(leg.entry_value) + leg_notional(leg)) * leg.conversion + required
            group.first += 1
        is_held = False
    return nearest


cdef double bankruptcy_price(const Pool *pool, int32_t leg) noexcept nogil:
    cdef Group group
    if pool.legs[leg].quantity == 0.0:
        return 0.0
    group = group_of(pool, leg, 1.0, False)
    return _nearest_root(&group, False)


cdef double joint_bankruptcy_price(const Pool *pool, const Risk *risk, int32_t leg) noexcept nogil:
    # every leg loses equity / sum of notionals of its own notional
    if pool.legs[leg].quantity == 0.0 or risk.notional <= 0.0:
        return 0.0
    return price_at_share(&pool.legs[leg], joint_share(pool, risk))


cdef double price_at_share(const Leg *leg, double share) noexcept nogil:
    if leg.quantity < 0.0:
        share = -share
    if leg.contract.kind == INVERSE:
        return leg.mark / (1.0 + share) if share > -1.0 else 0.0
    return leg.mark * (1.0 - share) if share < 1.0 else 0.0


cdef double joint_share(const Pool *pool, const Risk *risk) noexcept nogil:
    # after the fees to close at those prices
    cdef double share = (risk.equity - risk.close_fees) / (risk.notional - risk.signed_close_fees)
    cdef double value, slope, lost, equity
    cdef Piece piece
    cdef const Coin *coin
    cdef int32_t index, row, guard = 0
    if pool.coin_count == 0:
        return share
    # The equity is a concave line in the share: after the first step Newton's come from one side and end on its piece.
    gather(pool)
    while guard < 64:
        guard += 1
        value = risk.equity - risk.close_fees + share * risk.signed_close_fees
        slope = risk.signed_close_fees
        for index in range(pool.coin_count):
            coin = &pool.coins[index]
            lost = 0.0
            for row in range(pool.count):
                if pool.legs[row].coin == index:
                    lost += leg_notional(&pool.legs[row])
            if lost == 0.0:
                continue
            equity = coin.balance + coin.profit
            piece = piece_of(coin, equity - share * lost, 1.0, False)
            value += piece.constant + piece.slope * (equity - share * lost) - surplus_of(coin, equity, 1.0, False)
            slope -= piece.slope * lost
        if fabs(value) <= 1e-15 * (fabs(risk.equity) + risk.notional) or slope >= 0.0:
            return share
        share -= value / slope
    return share


# ---------------------------------------------------------------------------------------------------------------------
# Bands

cdef double _safe_reach(const Group *group, int direction) noexcept nogil:
    """Farthest x, from the present one, up to which the threshold surely is not met; the present x when it may be."""
    cdef Line line
    cdef double start = group.x
    cdef double end, value
    while True:
        end = border_of(group, start, direction)
        line = line_of(group, start if direction == UP else end, True)
        line.constant -= ROUNDING * line.gross
        line.slope -= ROUNDING * line.gross_slope
        line.curve *= 1.0 + ROUNDING
        if value_at(&line, start) <= 0.0:
            return start
        if line.curve > 0.0:
            value = zero_of(&line, direction)
            if direction == UP and value < end or direction == DOWN and value > end:
                return value
            if end == 0.0:
                return end
            start = end
            continue
        value = line.slope if end == INFINITY else line.constant + line.slope * end
        if value < 0.0:
            return -line.constant / line.slope
        if end == INFINITY or end == 0.0:
            return end
        start = end


cdef double _contract_slack(const Pool *pool, const Risk *risk, double threshold, Band *bands) noexcept nogil:
    """Exact bands of a pool whose legs are all of one contract."""
    cdef Group group = group_of(pool, 0, threshold, True)
    cdef double near = _safe_reach(&group, DOWN)
    cdef double far = _safe_reach(&group, UP)
    cdef Band band
    cdef int32_t index
    band.slope_down = 0.0
    band.slope_up = 0.0
    if group.contract.kind == INVERSE:
        band.low = 1.0 / far
        band.high = INFINITY if near == 0.0 else 1.0 / near
    else:
        band.low = near
        band.high = far
    band.low *= 1.0 + SHRINK
    band.high *= 1.0 - SHRINK
    for index in range(pool.count):
        bands[index] = band
    if not band.low <= pool.legs[0].mark <= band.high:
        return 0.0
    return threshold * risk.equity - risk.maintenance


cdef double _leg_reach(
    const Pool *pool, const Leg *leg, double threshold, double slack, int direction, double *slope
) noexcept nogil:
    """Notional up to which this leg's loss is bounded; slope = the bound per unit of notional moved."""
    cdef const TierTable *table = leg.contract.tiers
    cdef double here = leg_notional(leg)
    cdef double limit = here * (1.0 + REACH) if direction == UP else here * (1.0 - REACH)
    cdef bint rises = (leg.quantity > 0.0) != (leg.contract.kind == INVERSE)
    cdef double gain = threshold
    cdef double fee = floating_fee(pool, leg)
    cdef bint still = is_fixed(pool, leg)        # the requirement does not move with the mark
    # the coins of a linear contract do not move with its price; those of an inverse one are its notional
    cdef double curve = table.size_rate if table != NULL and leg.contract.kind == INVERSE and not still else 0.0
    cdef double by_size = 0.0 if curve > 0.0 or still else size_rate(leg.contract, here, leg.mark)
    cdef double base
    cdef double start = here
    cdef double end, rate, amount, loss, ratio
    cdef double worst = -INFINITY
    cdef int32_t row = 0
    if pool.coin_count > 0:              # what is gained counts at least, what is lost at most so much
        if (direction == UP) == rises:
            gain = least_gain(&pool.coins[leg.coin], threshold)
        else:
            gain = most_loss(&pool.coins[leg.coin], threshold)
    if not rises:
        gain = -gain
    base = gain * here - here * (fee + by_size + curve * here) - (
        0.0 if still else tier_requirement(leg.contract, leg.quantity, here))
    if leg.contract.tiers_by_quantity and not still:
        by_size += tier_rate(leg.contract, leg.quantity)
    if still or leg.contract.tiers_by_quantity:
        table = NULL                     # no border lies on the way of the price
    if table != NULL:
        row = <int32_t> (tier_at(table, here) - table.rows)
    while True:
        end = limit
        rate = fee + by_size
        amount = 0.0
        if table != NULL:
            rate += table.rows[row].maintenance_rate
            amount = table.rows[row].amount
            if direction == UP and row + 1 < table.count:
                end = min(limit, table.rows[row + 1].floor)
            elif direction == DOWN:
                end = max(limit, table.rows[row].floor)
        # a jump of the requirement where the segment begins counts at once: the loss at its start, then at its end
        loss = base - (gain * start - (start * (rate + curve * start) - amount))
        if fabs(start - here) > SHRINK * here:
            worst = max(worst, loss / fabs(start - here))
        elif loss > SHRINK * here:
            slope[0] = 0.0
            return here
        if loss >= slack:
            break
        loss = base - (gain * end - (end * (rate + curve * end) - amount))
        if fabs(end - here) > SHRINK * here:
            ratio = loss / fabs(end - here)
            if loss > slack:
                # the loss is at most its chord (affine, or convex): stop where that has used up the slack
                ratio = slack - (base - (gain * start - (start * (rate + curve * start) - amount)))
                end = start + (end - start) * ratio / (loss - slack + ratio)
                if fabs(end - here) <= SHRINK * here:
                    slope[0] = 0.0
                    return here
                worst = max(worst, slack / fabs(end - here))
                start = end
                break
            worst = max(worst, ratio)
        start = end
        if end == limit:
            break
        row += direction
    slope[0] = 0.0 if worst == -INFINITY else worst
    return start


cdef double standard_slack(const Pool *pool, const Risk *risk, double threshold, Band *bands) noexcept nogil:
    # Margins at the index are in no band of the mark: nothing is promised where it is not the mark that moves.
    cdef const Leg *leg
    cdef Band *band
    cdef double slack, gross, size, up, down, slope_up, slope_down
    cdef int32_t index
    cdef bint single = pool.count > 0
    gross = threshold * gross_backing(pool) + risk.maintenance
    for index in range(pool.count):
        leg = &pool.legs[index]
        if leg.contract.margin_at_index:
            return 0.0
        single = single and leg.contract == pool.legs[0].contract
        gross += threshold * (fabs(leg.entry_value) + leg_notional(leg)) * leg.conversion
    slack = threshold * risk.equity - risk.maintenance
    if single:
        return _contract_slack(pool, risk, threshold, bands)
    slack -= SHRINK * gross
    for index in range(pool.count):
        leg = &pool.legs[index]
        band = &bands[index]
        band.low = 0.0
        band.high = INFINITY
        band.slope_down = 0.0
        band.slope_up = 0.0
        if leg.quantity == 0.0 or slack <= 0.0:
            continue
        up = _leg_reach(pool, leg, threshold, slack / leg.conversion, UP, &slope_up)
        down = _leg_reach(pool, leg, threshold, slack / leg.conversion, DOWN, &slope_down)
        size = per_x(leg)
        if leg.contract.kind == INVERSE:
            # notional moves by size x (mark - price) / (mark x price), bounded at the end where the loss is larger
            band.low = size / up
            band.high = INFINITY if down <= 0.0 else size / down
            band.slope_down = slope_up * size / (leg.mark * (band.low if slope_up > 0.0 else leg.mark))
            band.slope_up = slope_down * size / (leg.mark * (leg.mark if slope_down > 0.0 else band.high))
        else:
            band.low = down / size
            band.high = up / size
            band.slope_down = slope_down * size
            band.slope_up = slope_up * size
        band.slope_down *= leg.conversion
        band.slope_up *= leg.conversion
        band.low = min(band.low * (1.0 + SHRINK), leg.mark)
        band.high = max(band.high * (1.0 - SHRINK), leg.mark)
    return slack
