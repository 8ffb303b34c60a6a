"""What a venue's margin rules make of one leg: valued at the mark or at its entry, the fee to close inside or not.

A leg without a close_fee, valued at the mark, is Binance's case: everything here is then zero or the plain rule.
Bybit (venues/bybit.md section 3): fee to close = value at the bankruptcy price x taker rate, inside initial and
maintenance margin; of an isolated leg it is fixed, and maintenance may be that of the entry value whatever the mark.
BitMEX (venues/bitmex.md section 3): that fee is of value and initial margin together, the initial rate at least what
the risk limit asks. Deribit (venues/deribit.md section 4): both rates grow with the position in coins.
OKX (venues/okx.md section 3): the fee of closing at the mark, inside maintenance; the rate of a tier on the whole.
"""

from libc.math cimport fabs, floor
from venues.contract cimport AT_ENTRY, AT_MARK, INVERSE, OF_LEVERAGE, OF_TIER, Contract, notional
from venues.margin cimport Leg, Pool
from venues.tiers cimport maintenance, max_leverage, tier_at

cdef inline double shrinks(const Contract *c, double side) noexcept nogil:
    """+1 where the notional falls while the leg loses (linear longs, inverse shorts), else -1."""
    return 1.0 if (side > 0.0) != (c.kind == INVERSE) else -1.0

cdef inline double profit_of(const Leg *leg) noexcept nogil:
    # linear q x size x mark - entry value; inverse entry value - q x size / mark
    if leg.quantity == 0.0:
        return 0.0
    if leg.contract.kind == INVERSE:
        return leg.entry_value - leg.quantity * leg.contract.multiplier / leg.mark
    return leg.quantity * leg.contract.multiplier * leg.mark - leg.entry_value

cdef inline double shrinks_at_close(const Contract *c, double side) noexcept nogil:
    """The same for the fee to close that margins reserve."""
    return -1.0 if c.close_fee_is_wide else shrinks(c, side)

cdef inline double fee_to_close(
    const Contract *c, double rate, double value, double side, double leverage
) noexcept nogil:
    """Fee to close at a rate, inside the margins, at the price where value / leverage is lost."""
    if rate == 0.0 or c.close_fee_at_mark:
        return 0.0
    return value * (1.0 - shrinks_at_close(c, side) / leverage) * rate

cdef inline double size_rate(const Contract *c, double value, double price) noexcept nogil:
    """What the size of a position, in coins, adds to its rates."""
    if c.tiers == NULL or c.tiers.size_rate == 0.0:
        return 0.0
    return c.tiers.size_rate * (value if c.kind == INVERSE else value / price)

cdef inline double scaled_rate(double base, double lower, double upper, double interest) noexcept nogil:
    """Initial rate at an open interest (quote): from its base at `lower` to 1 at `upper`, cut to a millionth."""
    # venues/dydx_v4.md, margin: base + (1 - base) x (N - L) / (U - L); a rate within 1e-15 of a millionth is on it
    if upper <= 0.0 or interest <= lower:
        return base
    if interest >= upper:
        return 1.0
    return floor((base + (1.0 - base) * (interest - lower) / (upper - lower)) * 1e6 + 1e-9) * 1e-6

cdef inline double leverage_now(const Leg *leg) noexcept nogil:
    """The leverage set, or what open interest leaves of it."""
    cdef const Contract *c = leg.contract
    if c.interest_upper == 0.0 or c.tiers == NULL:
        return leg.leverage
    return min(leg.leverage, 1.0 / scaled_rate(
        1.0 / max_leverage(c.tiers, 0.0), c.interest_lower, c.interest_upper,
        c.open_interest * c.multiplier * leg.mark))

cdef inline double initial_rate(const Contract *c, double value, double price, double leverage) noexcept nogil:
    """Initial margin of a position of that value, without fees, as a share of it."""
    cdef double asked
    if c.initial_rule == OF_LEVERAGE or c.tiers == NULL:
        return 1.0 / leverage
    asked = 1.0 / max_leverage(c.tiers, value) + size_rate(c, value, price)
    return asked if c.initial_rule == OF_TIER else max(asked, 1.0 / leverage)

cdef inline double initial_margin(const Leg *leg, double value) noexcept nogil:
    """Initial margin of a value of a leg's contract, the fee to close inside it."""
    cdef double leverage = leverage_now(leg)
    cdef double rate
    if leg.contract.initial_rule == OF_LEVERAGE:
        return value / leverage + fee_to_close(leg.contract, leg.close_fee, value, leg.quantity, leverage)
    rate = initial_rate(leg.contract, value, leg.mark, leverage)
    return value * rate + fee_to_close(leg.contract, leg.close_fee, value, leg.quantity, 1.0 / rate)

cdef inline bint _is_at_entry(const Pool *pool, const Leg *leg) noexcept nogil:
    """Whether initial margin and fee to close are those of the entry value."""
    return leg.contract.isolated_rule != AT_MARK if pool.isolated else leg.contract.cross_at_entry

cdef inline bint is_fixed(const Pool *pool, const Leg *leg) noexcept nogil:
    """Whether maintenance is that of the entry value, whatever the mark."""
    return leg.contract.isolated_rule == AT_ENTRY if pool.isolated else leg.contract.cross_at_entry

cdef inline double leg_initial(const Pool *pool, const Leg *leg) noexcept nogil:
    cdef double value = notional(leg.contract, leg.quantity, leg.mark)
    if _is_at_entry(pool, leg):
        value = fabs(leg.entry_value)
    return initial_margin(leg, value) * leg.at_index

cdef inline double floating_fee(const Pool *pool, const Leg *leg) noexcept nogil:
    """Fee to close inside maintenance, per unit of notional at the mark."""
    if leg.contract.close_fee_at_mark:
        return leg.close_fee
    if leg.close_fee == 0.0 or _is_at_entry(pool, leg):
        return 0.0
    return (1.0 - shrinks_at_close(leg.contract, leg.quantity) / leg.leverage) * leg.close_fee

cdef inline double fixed_fee(const Pool *pool, const Leg *leg) noexcept nogil:
    """Fee to close inside maintenance that does not move with the mark."""
    cdef double value = fabs(leg.entry_value)
    cdef double sign = shrinks(leg.contract, leg.quantity)
    cdef double rate = leg.close_fee
    if rate == 0.0 or leg.quantity == 0.0 or leg.contract.close_fee_at_mark or not _is_at_entry(pool, leg):
        return 0.0
    if is_fixed(pool, leg):
        return fee_to_close(
            leg.contract, rate, value, leg.quantity, 1.0 / initial_rate(leg.contract, value, leg.mark, leg.leverage))
    # At the price where the wallet is gone after that fee (page of 2026-05: extra margin / (1 +- taker rate))
    return max(0.0, (value - sign * pool.wallet) / (1.0 - sign * rate)) * rate

cdef inline double tier_rate(const Contract *c, double quantity) noexcept nogil:
    """Maintenance rate of a contract whose tiers count quantity; 0 without a table."""
    return 0.0 if c.tiers == NULL else tier_at(c.tiers, fabs(quantity)).maintenance_rate

cdef inline double tier_requirement(const Contract *c, double quantity, double value) noexcept nogil:
    """Maintenance of a position by its tier alone (OKX: the rate of the tier on the whole position)."""
    if c.tiers_by_quantity:
        return value * tier_rate(c, quantity)
    return maintenance(c.tiers, value)

cdef inline double leverage_limit(const Contract *c, double value, double price) noexcept nogil:
    """Largest margin leverage of a notional, settle asset, at a price."""
    if not c.tiers_by_quantity:
        return max_leverage(c.tiers, value)
    # a quantity within 1e-12 of a floor is on it: floats must not move a position up a tier
    return max_leverage(c.tiers, 0.0 if price <= 0.0 else value / notional(c, 1.0, price) * (1.0 - 1e-12))

cdef inline double margin_required(const Pool *pool, const Leg *leg) noexcept nogil:
    """Maintenance margin of a leg, settle asset."""
    cdef double value = notional(leg.contract, leg.quantity, leg.mark)
    if leg.close_fee == 0.0 and not _is_at_entry(pool, leg):
        return (tier_requirement(leg.contract, leg.quantity, value)
                + value * size_rate(leg.contract, value, leg.mark)) * leg.at_index
    if is_fixed(pool, leg):
        return tier_requirement(leg.contract, leg.quantity, fabs(leg.entry_value)) + fixed_fee(pool, leg)
    return (tier_requirement(leg.contract, leg.quantity, value)
            + value * (size_rate(leg.contract, value, leg.mark) + floating_fee(pool, leg)) + fixed_fee(pool, leg))

cdef inline bint has_fixed_fee(const Pool *pool, const Leg *leg) noexcept nogil:
    """Whether the fee to close that is held back does not follow the price of the close."""
    return leg.contract.close_fee_is_wide and is_fixed(pool, leg)

cdef inline double order_fees(const Leg *leg, double bids, double asks) noexcept nogil:
    """Fee to open and fee to close of what orders add, the dearer side (Order Cost: value / L + both fees)."""
    if leg.close_fee == 0.0:
        return 0.0
    return max(0.0, max(
        bids * leg.close_fee + fee_to_close(leg.contract, leg.close_fee, bids, 1.0, leg.leverage),
        asks * leg.close_fee + fee_to_close(leg.contract, leg.close_fee, asks, -1.0, leg.leverage)))

cdef inline bint loss_reduces_equity(const Pool *pool, const Leg *leg) noexcept nogil:
    """Whether the loss that open orders would start with is taken from equity, not added to their margin."""
    return leg.contract.order_loss_in_equity and not pool.isolated

cdef inline double backing(const Pool *pool) noexcept nogil:
    """The wallet less the losses of open orders where they reduce equity."""
    cdef double sum = pool.wallet
    cdef int index
    for index in range(pool.count):
        if loss_reduces_equity(pool, &pool.legs[index]):
            sum -= pool.legs[index].open_loss * pool.legs[index].conversion
    return sum

cdef inline double profit_outside(const Pool *pool, const Leg *leg) noexcept nogil:
    """Profit of a leg that counts as it is, unit of the pool; with coins it counts in the one that it settles in."""
    return 0.0 if pool.coin_count > 0 else profit_of(leg) * leg.conversion

cdef inline double gross_backing(const Pool *pool) noexcept nogil:
    """The absolute amounts behind what backs a pool."""
    cdef double sum = fabs(backing(pool))
    cdef int index
    for index in range(pool.coin_count):
        if pool.coins[index].balance != 0.0:
            sum += fabs(pool.coins[index].balance) * pool.coins[index].price
    return sum
