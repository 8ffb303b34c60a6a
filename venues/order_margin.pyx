"""Margin that open orders hold, and the settings that change it: leverage and margin mode."""

from libc.math cimport ceil, fabs, rint
from libc.stdint cimport int8_t
from venues.contract cimport INVERSE, OF_LEVERAGE, SPOT, Contract, notional
from venues.leg_margin cimport leverage_limit
from venues.orders cimport (
    CLOSE_POSITION, FORCED_ORDER, INSUFFICIENT_BALANCE, INSUFFICIENT_MARGIN, LEVERAGE_ABOVE_TIER, LEVERAGE_NOT_WHOLE,
    NO_PRICE, NO_REASON, POSITION_LIMIT, REDUCE_ONLY, Order,
)
from venues.position cimport fee
from venues.state cimport Slot
from venues.tiers cimport max_leverage
from venues.wallet cimport Wallet


cdef class OrderMargin(Wallet):
    """Holds and frees the margin of open orders."""

    cdef int try_hold(self, Order *order, bint takes) except -1 nogil:
        cdef const Contract *c = self.world.contracts[order.instrument]
        cdef double last = self.world.price_value(order.instrument, self.world.prices[order.instrument].last)
        cdef double mark = self.world.prices[order.instrument].mark_value
        cdef double before, after, own, price, quantity, value, loss = 0.0
        cdef Slot *slot
        cdef int64_t cost
        cdef int32_t asset
        if last <= 0.0:
            last = mark
        if last <= 0.0:
            return NO_PRICE
        price = self.world.price_value(order.instrument, order.price)
        if order.price == 0:
            if order.trigger != 0:
                price = self.world.price_value(order.instrument, order.trigger)
            elif order.side > 0:
                price = last * self.market_buy_factor
            else:
                price = max(last * self.market_sell_factor, mark)
        elif takes and order.side < 0:
            price = max(max(last * self.market_sell_factor, mark), price)
        order.margin_price = price
        quantity = self.world.quantity_value(order.instrument, order.quantity - order.filled)
        if c.kind == SPOT:
            asset = c.quote if order.side > 0 else c.base
            cost = self.spot_cost(c, order, order.quantity - order.filled)
            if cost > self.state.balances[asset] - self.locked[asset]:
                return INSUFFICIENT_BALANCE
            self.locked[asset] += cost
            order.counted = 1
            return NO_REASON
        if order.flags & (REDUCE_ONLY | CLOSE_POSITION | FORCED_ORDER):
            return NO_REASON         # B25: reducing is never blocked by margin
        slot = self.state.slot(order.instrument, order.leg)
        before = self.state.available(c.settle)
        own = self.state.own_available(c.settle) if self.takes_no_loan else 0.0
        value = notional(c, quantity, price)
        if mark > 0.0 and not c.order_loss_is_free:
            # binance.md section 3: open loss = quantity x |min(0, side x (mark - price))|, here in the settle asset.
            loss = max(0.0, order.side * (value - notional(c, quantity, mark)))
            if c.kind == INVERSE:
                loss = max(0.0, order.side * (notional(c, quantity, mark) - value))
        self.hold(slot, order, value, loss, 1)
        after = self.state.available(c.settle)
        if self.falls_short(c.settle, before, after, value) or self.needs_loan(c.settle, own, value):
            self.hold(slot, order, value, loss, -1)
            return INSUFFICIENT_MARGIN
        if self.limits and c.tiers != NULL and c.initial_rule == OF_LEVERAGE:
            value = max(
                fabs(self.signed_notional(slot, mark) + slot.bids), fabs(self.signed_notional(slot, mark) - slot.asks))
            if (value > fabs(self.signed_notional(slot, mark))
                    and leverage_limit(c, value, mark) < slot.position.leverage):
                self.hold(slot, order, notional(c, quantity, price), loss, -1)
                return POSITION_LIMIT
        order.counted = 1
        return NO_REASON

    cdef bint falls_short(self, int32_t asset, double before, double after, double value) noexcept nogil:
        """Whether a request takes more than is available; floats must not refuse what takes exactly that."""
        cdef double rounding = 1e-12 * (
            fabs(before) + value + fabs(self.world.amount_value(asset, self.state.balances[asset])))
        return after < -rounding and after < before - rounding

    cdef bint needs_loan(self, int32_t asset, double before, double value) noexcept nogil:
        """Whether a request takes more of an asset than its own equity has, where no loan is taken for it."""
        return self.takes_no_loan and self.falls_short(asset, before, self.state.own_available(asset), value)

    cdef double signed_notional(self, Slot *slot, double mark) noexcept nogil:
        cdef const Contract *c = self.world.contracts[slot.position.instrument]
        cdef double q = self.world.quantity_value(slot.position.instrument, slot.position.quantity)
        if mark <= 0.0:
            return 0.0
        return notional(c, q, mark) if q >= 0.0 else -notional(c, q, mark)

    cdef int64_t spot_cost(self, const Contract *c, Order *order, int64_t quantity) except? -1 nogil:
        """Atoms that a spot order needs: quote with the fee where it is charged in it, or base."""
        cdef int64_t out = 0, extra = 0
        cdef int64_t price
        if order.side > 0:
            price = order.price
            if price == 0:
                price = <int64_t> ceil(order.margin_price * self.world.divisors[order.instrument] * (1.0 - 1e-15))
            fee(c, quantity, price, 10000000000, &out)
            if not self.fee_in_received:
                fee(c, quantity, price, self.state.taker_fees[order.instrument], &extra)
            return out + extra           # truncated as the postings will be: a balance of just that much is enough
        return self.base_atoms(c, quantity)

    cdef int64_t affordable(self, const Contract *c, Order *order, int64_t quantity, int64_t price) except? -1 nogil:
        cdef int64_t need = 0, extra = 0, lot = max(<int64_t> 1, c.lot)
        cdef int64_t have = self.state.balances[c.quote] - self.locked[c.quote]
        if c.kind != SPOT or order.side < 0:
            return quantity
        if order.counted:
            have += self.spot_cost(c, order, order.quantity - order.filled)
        while quantity > 0:
            fee(c, quantity, price, 10000000000, &need)
            if not self.fee_in_received:
                fee(c, quantity, price, self.state.taker_fees[order.instrument], &extra)
            if need + extra <= have:
                break
            # By the share that can be paid, at least one lot less.
            quantity = min(quantity - 1, <int64_t> (<double> quantity * max(have, <int64_t> 0) / (need + extra)))
            quantity -= quantity % lot
        return quantity

    cdef int64_t base_atoms(self, const Contract *c, int64_t quantity) noexcept nogil:
        """Quantity units in atoms of the base asset; its scale is at least the quantity's (checked at the start)."""
        cdef int32_t up = self.world.asset_scales[c.base] - c.quantity_scale
        while up > 0:
            quantity *= 10
            up -= 1
        return quantity

    cdef int hold(self, Slot *slot, Order *order, double value, double loss, int sign) except -1 nogil:
        slot.open_orders += sign
        if order.side > 0:
            slot.bids += sign * value
        else:
            slot.asks += sign * value
        slot.open_loss += sign * loss
        if slot.open_orders == 0:        # float sums must not leave a rest
            slot.bids = 0.0
            slot.asks = 0.0
            slot.open_loss = 0.0
        order.held_value = value if sign > 0 else 0.0
        order.held_loss = loss if sign > 0 else 0.0
        self.state.refresh(slot)
        if sign > 0 and self.cancels_early:
            self.flag(self.state.pool_of(slot))
        return 0

    cdef int release(self, Order *order, int64_t quantity) except -1 nogil:
        """Free what is held for a part that was filled or is gone; the order's `filled` does not include it yet."""
        cdef const Contract *c = self.world.contracts[order.instrument]
        cdef int64_t rest = order.quantity - order.filled
        cdef double part
        cdef Slot *slot
        if not order.counted:
            return 0
        if c.kind == SPOT:
            self.locked[c.quote if order.side > 0 else c.base] -= (
                self.spot_cost(c, order, rest) - (self.spot_cost(c, order, rest - quantity) if quantity < rest else 0))
            if quantity >= rest:
                order.counted = 0
            return 0
        slot = self.state.slot(order.instrument, order.leg)
        part = <double> quantity / <double> rest if rest > 0 else 1.0
        if quantity >= rest:
            self.hold(slot, order, order.held_value, order.held_loss, -1)
            order.counted = 0
            return 0
        if order.side > 0:
            slot.bids -= order.held_value * part
        else:
            slot.asks -= order.held_value * part
        slot.open_loss -= order.held_loss * part
        order.held_value -= order.held_value * part
        order.held_loss -= order.held_loss * part
        return self.state.refresh(slot)

    # ------------------------------------------------------------------ verbs of the owner

    cdef int set_leverage(self, int32_t instrument, double leverage, int64_t time) except -1 nogil:
        cdef const Contract *c = self.world.contracts[instrument]
        cdef int leg
        cdef Slot *slot
        cdef double mark = self.world.prices[instrument].mark_value
        cdef double old = self.state.leverage[instrument]
        cdef double before, after
        if c.whole_leverage and leverage != rint(leverage):
            return LEVERAGE_NOT_WHOLE
        for leg in range(-1, 2):
            slot = self.state.find(instrument, <int8_t> leg)
            if slot == NULL:
                continue
            if c.initial_rule == OF_LEVERAGE and leverage_limit(
                    c, fabs(self.signed_notional(slot, mark)) + max(slot.bids, slot.asks), mark) < leverage:
                return LEVERAGE_ABOVE_TIER
            if slot.position.margin_mode == 1 and slot.position.quantity != 0 and leverage < old:
                return INSUFFICIENT_MARGIN       # binance.md section 3 (U): an isolated position's leverage only rises
        if max_leverage(c.tiers, 0.0) < leverage:
            return LEVERAGE_ABOVE_TIER
        before = self.state.available(c.settle)
        self.apply_leverage(instrument, leverage)
        after = self.state.available(c.settle)
        if self.falls_short(c.settle, before, after, fabs(before - after)):
            self.apply_leverage(instrument, old)
            return INSUFFICIENT_MARGIN
        return NO_REASON

    cdef int apply_leverage(self, int32_t instrument, double leverage) except -1 nogil:
        cdef int leg
        cdef Slot *slot
        self.state.leverage[instrument] = leverage
        for leg in range(-1, 2):
            slot = self.state.find(instrument, <int8_t> leg)
            if slot != NULL:
                slot.position.leverage = leverage
                self.state.refresh(slot)
        return 0

    cdef int set_isolated(self, int32_t instrument, bint isolated) except -1 nogil:
        cdef int leg
        cdef Slot *slot
        if isolated and self.state.multi_assets:
            return POSITION_LIMIT        # binance.md section 6: multi-assets mode is cross only
        for leg in range(-1, 2):
            slot = self.state.find(instrument, <int8_t> leg)
            if slot != NULL and (slot.position.quantity != 0 or slot.open_orders > 0):
                if slot.position.margin_mode != isolated:
                    return POSITION_LIMIT
        self.state.isolated[instrument] = isolated
        for leg in range(-1, 2):
            slot = self.state.find(instrument, <int8_t> leg)
            if slot != NULL:
                slot.position.margin_mode = isolated
        return NO_REASON
