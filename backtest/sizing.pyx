"""From what a strategy says (a size, a name) to units and rows."""

import difflib

from libc.math cimport floor, fmax, isnan
from venues.collateral cimport leaving
from venues.contract cimport INVERSE, OF_LEVERAGE, OF_TIER, QUANTO, SPOT, Contract, reserved_fee
from venues.leg_margin cimport fee_to_close, initial_rate
from venues.margin cimport Leg, leg_notional
from venues.state cimport AccountState, PoolState, Slot
from venues.tiers cimport max_leverage

from backtest.errors import OrderError

NAMES = ("quantity", "value", "notional", "delta", "leverage")


cdef Size resolve_size(tuple sizes, bint signed) except *:
    cdef Size out
    given = [(kind, value) for kind, value in enumerate(sizes) if value is not None]
    if len(given) != 1:
        said = ", ".join(NAMES[kind] for kind, _ in given) or "none"
        raise OrderError(f"exactly one size is needed of {', '.join(NAMES)}; got {said}")
    out.kind, value = given[0]
    out.value = float(value)
    if isnan(out.value) or (not signed and out.value <= 0.0):
        raise OrderError(f"{NAMES[out.kind]} must be a {'number' if signed else 'positive number'}, got {value!r}")
    return out


cdef double affordable_notional(const Contract *c, double value, double rate, double price, double leverage) noexcept:
    """The largest notional whose initial margin and fees are a value, where the margin's rate follows from the size."""
    cdef double low = 0.0, high = value / rate if rate > 0.0 else value * max_leverage(c.tiers, 0.0), middle
    cdef int _halving
    if c.initial_rule == OF_TIER or c.tiers == NULL:
        high = min(high, value * max_leverage(c.tiers, 0.0))
    else:
        high = min(high, value * leverage)
    for _halving in range(100):
        middle = 0.5 * (low + high)
        if middle * (initial_rate(c, middle, price, leverage) + rate) <= value:
            low = middle
        else:
            high = middle
    return low


cdef int64_t to_units(Context context, int32_t account, int32_t instrument, Size size, int side,
                      int64_t price) except? -1:
    cdef const Contract *c = context.world.contracts[instrument]
    cdef double reference = context.price(instrument) if price == 0 else context.world.price_value(instrument, price)
    cdef double quantity = size.value, rate, leverage
    cdef int64_t taker
    if size.kind != BY_QUANTITY and reference <= 0.0:
        raise OrderError(
            f"{context.infos[instrument].address} has no price yet, so {NAMES[size.kind]}= cannot be turned into a "
            "quantity; wait for its first mark or trade, or use quantity=")
    if c.kind == QUANTO and size.kind in (BY_DELTA, BY_NOTIONAL):
        raise OrderError(
            f"{context.infos[instrument].address} is a quanto contract, whose value is in {context.assets[c.settle]}: "
            f"{NAMES[size.kind]}= has no meaning; use quantity=, value= or leverage=")
    taker = context.state(account).taker_fees[instrument]
    rate = taker * 1e-10
    if size.kind == BY_DELTA:
        quantity = size.value * reference / c.multiplier if c.kind == INVERSE else size.value / c.multiplier
    elif size.kind == BY_NOTIONAL:
        quantity = size.value / c.multiplier if c.kind == INVERSE else size.value / (c.multiplier * reference)
    elif size.kind == BY_LEVERAGE:
        # Signed notional over the equity of this account, both in the reporting currency.
        quantity = size.value * context.equity(account) / context.asset_value(c.settle if c.kind != SPOT else c.quote)
        if isnan(quantity):
            raise OrderError(
                f"leverage= needs a price of {context.assets[c.settle]} in {context.assets[context.reporting]}; "
                "give index rows or prices={...}")
        # Here it is notional in the settle asset: coins of an inverse contract, quote currency of a linear one.
        quantity = quantity * reference / c.multiplier if c.kind == INVERSE else quantity / (c.multiplier * reference)
    elif size.kind == BY_VALUE:
        if c.kind == SPOT:
            # Sized at the price that the venue assumes for a market order, so that slippage cannot overdraw the wallet.
            if price == 0 and side >= 0:
                reference *= max(1.0005, 1.0 + context.slippage[account])
            quantity = size.value / (reference * (1.0 + rate + 1e-9))
        else:
            # value = margin + fee = N / leverage + N x rate, in the settle asset; margin may hold the fee to close too
            leverage = context.state(account).leverage[instrument]
            rate += fee_to_close(c, reserved_fee(c, taker), 1.0, side if side != 0 else size.value, leverage)
            quantity = size.value * leverage / (1.0 + rate * leverage)
            if c.initial_rule != OF_LEVERAGE:
                quantity = affordable_notional(c, size.value, rate, reference, leverage)
            if c.kind == INVERSE:
                quantity = quantity * reference / c.multiplier
            else:
                quantity = quantity / (c.multiplier * reference)
    return context.units_down(instrument, quantity)


cdef int64_t effective_units(Context context, int32_t account, int32_t instrument, int64_t pending) noexcept nogil:
    cdef const Contract *c = context.world.contracts[instrument]
    cdef Slot *slot
    cdef int64_t units
    cdef int32_t down
    if account < 0:
        return pending
    if c.kind == SPOT:
        units = (<AccountState> context.state_rows[account]).balances[c.base]
        down = context.world.asset_scales[c.base] - c.quantity_scale
        while down > 0:
            units //= 10
            down -= 1
        # Fees taken in the coin leave a part of a lot, which cannot be sold.
        return units - units % max(<int64_t> 1, c.lot) + pending
    slot = (<AccountState> context.state_rows[account]).find(instrument, 0)
    return pending + (0 if slot == NULL else slot.position.quantity)


cdef double free_amount(AccountState state, int32_t asset, int64_t locked) noexcept nogil:
    cdef double amount = state.available(asset)
    if state.multi_assets and state.cross_pool[asset] >= 0:
        # One pool in US dollars: an asset backs its price times its collateral ratio.
        amount = per_unit(state, asset, amount, state.haircuts[asset].ratios[0])
    return amount - state.world.amount_value(asset, locked)


cdef double per_unit(AccountState state, int32_t asset, double dollars, double below) noexcept nogil:
    """Quantity of an asset that is worth so many dollars of margin; what is owed counts `below` of its value."""
    cdef double worth = state.world.asset_usd[asset]
    cdef double held = state.world.amount_value(asset, state.balances[asset])
    if not worth > 0.0:
        return 0.0
    if state.discounts_profit:
        held += state.unrealized(state.pools[state.cross_pool[asset]], asset)
    return leaving(&state.haircuts[asset], held, dollars / worth, below)


cdef double kept_beyond_initial(const PoolState *pool) noexcept nogil:
    """Equity that stays beside the initial margin when money leaves a cross pool, in its unit."""
    cdef int32_t i
    cdef double share = 0.0
    cdef const Leg *leg
    for i in range(pool.pool.count):
        leg = &pool.pool.legs[i]
        share += leg_notional(leg) * leg.contract.transfer_share * leg.conversion
    if share > 0.0:
        # venues/hyperliquid.md, margin: max(initial margin in use, 10 % of the total open notional)
        return fmax(0.0, share - pool.risk.initial - pool.risk.orders)
    return fmax(0.0, pool.risk.unrealized)


cdef int64_t withdrawable_atoms(AccountState state, int32_t asset, int64_t locked) noexcept nogil:
    cdef int64_t wallet = state.balances[asset] + state.borrowed[asset] - state.earmarked[asset] - locked
    cdef double amount = state.available(asset)
    cdef int32_t pool = state.cross_pool[asset]
    if state.withdraws_profit:
        return max(<int64_t> 0, <int64_t> floor(amount * state.world.atoms[asset] * (1.0 + 1e-15)))
    if pool >= 0:
        profit = kept_beyond_initial(state.pools[pool])
        amount -= profit
        if state.multi_assets:
            amount = per_unit(state, asset, amount, 1.0)
    # deribit.md section 2: the profit of a session is margin, but leaves only after its settlement
    wallet -= max(<int64_t> 0, state.session_profit[asset])
    return max(<int64_t> 0, min(wallet, <int64_t> floor(amount * state.world.atoms[asset])))


cdef tuple reading(Context context, object symbol):
    cdef int32_t instrument
    text = str(symbol)
    address, _, account = text.partition("@")[2].partition("/")
    name = text.partition("@")[0]
    key = f"{name}@{address}" if address else name
    found = context.addresses.get(key)
    if found is None:
        known = [info.address for info in context.infos]
        near = difflib.get_close_matches(text, known + [info.symbol for info in context.infos], n=1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        raise OrderError(f"symbol {text!r} is not in the run{hint} It has: {', '.join(known)}")
    if len(found) > 1:
        raise OrderError(f"symbol {text!r} fits more than one: {', '.join(context.infos[i].address for i in found)}; "
                         "write SYMBOL@venue")
    instrument = found[0]
    venue = context.infos[instrument].venue
    fitting = [i for i, v in enumerate(context.account_venues) if v == venue]
    if account:
        fitting = [i for i in fitting if context.accounts[i] == (venue if account == "main" else f"{venue}/{account}")]
    if len(fitting) > 1:
        mains = [i for i in fitting if context.accounts[i] == venue]
        fitting = mains or fitting
    if not fitting:
        raise OrderError(f"{text!r}: no such account; the run has {', '.join(context.accounts)}")
    if len(fitting) > 1:
        raise OrderError(f"{text!r}: several accounts at {venue}: {', '.join(context.accounts[i] for i in fitting)}; "
                         "write SYMBOL@venue/account")
    return instrument, fitting[0]


cdef int chosen(str name, object value, dict allowed) except -1:
    """The code of a word, or an error that lists the words."""
    if value not in allowed:
        raise OrderError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    return allowed[value]


cdef tuple units_of(object value, int scale, str what):
    """A positive number as given (text, Decimal, int, a float by its repr) in the nearest units, and whether exact."""
    from decimal import Decimal, InvalidOperation
    try:
        if isinstance(value, Decimal):
            number = value
        else:
            number = Decimal(repr(value) if isinstance(value, float) else str(value))
    except InvalidOperation:
        raise OrderError(f"{what} must be a number, got {value!r}") from None
    if not number.is_finite() or number <= 0:
        raise OrderError(f"{what} must be a positive number, got {value!r}")
    units = number.scaleb(scale)
    return int(units.to_integral_value()), units == units.to_integral_value()
