"""One account at a venue: fills, fees and funding become postings, records and messages here."""

from libc.math cimport ceil, fabs, floor, rint
from libc.stdint cimport int8_t
from venues.coins cimport room_of
from venues.contract cimport OF_LEVERAGE, QUANTO, SPOT, Contract, notional, quote_notional, reserved_fee
from venues.leg_margin cimport fee_to_close, initial_rate
from venues.ledger cimport COUNTERPARTIES, VENUE_FEES, PostingContext
from venues.margin_watch cimport MarginWatch
from venues.orders cimport Order
from venues.outbox cimport DELEVERAGED, FILLED_PART, FUNDING_PAID, LIQUIDATED, STATE_ONLY, Message
from venues.position cimport FillEffect, accrued_payment, apply_fill, entry_value, fee, funding_payment, pay_out
from venues.records cimport (
    ADL_PROFIT, BY_ADL, BY_LIQUIDATION, BY_SETTLEMENT, BY_TAKEOVER, FEE, FUNDING_PAYMENT, INSURANCE, INSURANCE_FUND,
    LIQUIDATION_FEE, OWN_ORDER, SETTLEMENT_PROFIT, SPOT_TRADE, TRADE_PROFIT, ExposureRow, FillRow, Forced, FundingRow,
    LiquidationRow, PostingKind,
)
from venues.slices cimport bankruptcy_value, insurance_delta
from venues.state cimport PoolState, Slot
from venues.units cimport add, int128_t, join, mul, split, widen


cdef class Account(MarginWatch):
    """One account at one venue, on the venue's clock; `Wallet` lists its arguments."""

    cdef int fill(self, Order *order, int64_t quantity, int64_t price, bint is_maker, int64_t time,
                  Forced forced) except -1 nogil:
        cdef const Contract *c = self.world.contracts[order.instrument]
        cdef Slot *slot = NULL
        cdef PostingContext context
        cdef FillEffect effect
        cdef int64_t rate, cost = 0
        cdef int32_t fee_asset = c.settle
        context.time = time
        context.ref = order.id
        context.instrument = order.instrument
        context.strategy = order.strategy
        context.tag = order.tag
        effect.realized = 0
        effect.closed = 0
        effect.opened = 0
        self.release(order, quantity)
        order.filled += quantity
        order.filled_value += <double> quantity * <double> price
        rate = self.maker_fees[order.instrument] if is_maker else self.state.taker_fees[order.instrument]
        if c.kind == SPOT:
            effect.opened = quantity if order.side > 0 else 0
            self.fill_spot(order, quantity, price, rate, &context, &cost, &fee_asset)
        else:
            slot = self.state.slot(order.instrument, order.leg)
            self.fill_position(slot, order, quantity, price, rate, forced, &context, &effect, &cost)
        self.record_fill(slot, order, quantity, price, is_maker, forced, &effect, cost, fee_asset, time)
        if slot != NULL:
            if forced == BY_ADL or forced == BY_SETTLEMENT:
                self.state.look(self.state.pool_of(slot))
                self.flag(self.state.pool_of(slot))      # both legs of hedge mode go at once
            else:
                self.examine(self.state.pool_of(slot), time)
            if slot.position.quantity == 0:
                self.record_flat(order.instrument, self.state.pool_of(slot), time)
        return 0

    cdef int record_flat(self, int32_t instrument, PoolState *pool, int64_t time) except -1 nogil:
        """A position has ended: samples of margin and exposure end with it, not with the next minute."""
        cdef ExposureRow *row = <ExposureRow *> self.journal.exposure.append()
        row.time = time
        row.mark = self.world.prices[instrument].mark_value
        row.account = self.label
        row.instrument = instrument
        return self.sample(pool, time, 2)

    cdef int fill_position(self, Slot *slot, Order *order, int64_t quantity, int64_t price, int64_t rate, Forced forced,
                           const PostingContext *context, FillEffect *effect, int64_t *cost) except -1 nogil:
        """Position, realised profit, fee or clearance fee, isolated wallet."""
        cdef const Contract *c = self.world.contracts[order.instrument]
        cdef int64_t before = slot.position.quantity
        cdef PostingKind profit = TRADE_PROFIT
        cdef PoolState *pool
        cdef double bankruptcy = 0.0
        if c.funding_accrues:
            self.accrue(slot, context.time)
        if forced == BY_LIQUIDATION and self.penalty_cap >= 0.0:
            pool = self.state.pool_of(slot)
            self.state.look(pool)
            bankruptcy = bankruptcy_value(
                &pool.pool, &pool.risk, slot.leg, self.world.quantity_value(order.instrument, quantity))
        apply_fill(&slot.position, c, order.side * quantity, price, effect)
        if effect.closed > 0 and (slot.position.quantity == 0 or effect.opened > 0):
            self.closed_instrument = order.instrument
            self.world.attention = True
        if effect.opened > 0:
            slot.position.last_entry_price = price
            if effect.closed > 0 or before == 0:
                slot.position.opened = context.time
                slot.position.entries = 1
                slot.position.last_order = order.id
            elif slot.position.last_order != order.id:
                slot.position.entries += 1
                slot.position.last_order = order.id
        if forced == BY_ADL:
            profit = ADL_PROFIT
        elif forced == BY_SETTLEMENT:
            profit = SETTLEMENT_PROFIT
        if forced == BY_LIQUIDATION and slot.position.quantity != 0:
            self.part_closed = context.time
        self.state.refresh(slot)
        self.post(context, self.ledger.pseudo(self.venue, COUNTERPARTIES), c.settle, profit, effect.realized, slot)
        if forced == OWN_ORDER:
            fee(c, quantity, price, rate, cost)
            self.post(context, self.ledger.pseudo(self.venue, VENUE_FEES), c.settle, FEE, -cost[0], slot)
        elif forced == BY_SETTLEMENT and c.delivery_fee != 0 and context.time >= c.expiry:
            fee(c, quantity, price, c.delivery_fee, cost)
            self.post(context, self.ledger.pseudo(self.venue, VENUE_FEES), c.settle, FEE, -cost[0], slot)
        elif forced == BY_LIQUIDATION and self.penalty_cap >= 0.0:
            self.charge_penalty(slot, order, quantity, price, bankruptcy, context, cost)
        elif forced == BY_LIQUIDATION or (forced == BY_TAKEOVER and self.fee_on_takeover):
            # binance.md section 5: min(rate x filled notional, what the margin holds above zero), and no trading fee;
            # bybit.md section 6: the taker fee and no other, also of a takeover.
            fee(c, quantity, price, rate if self.fee_on_forced else c.clearance_fee, cost)
            pool = self.state.pool_of(slot)
            self.state.refresh_wallet(pool)
            self.state.look(pool)
            if forced == BY_LIQUIDATION:         # the price of a takeover leaves just the fee
                cost[0] = max(0, min(cost[0], self.equity_atoms(pool, c.settle)))
            if self.fee_on_forced:
                self.post(context, self.ledger.pseudo(self.venue, VENUE_FEES), c.settle, FEE, -cost[0], slot)
            else:
                self.post(context, self.ledger.fund(self.venue, order.instrument), c.settle, LIQUIDATION_FEE, -cost[0],
                          slot)
        if slot.position.margin_mode == 1:
            self.move_isolated(slot, before, price, forced, context, effect, cost[0])
        return self.state.refresh(slot)

    cdef int charge_penalty(self, Slot *slot, const Order *order, int64_t quantity, int64_t price, double bankruptcy,
                            const PostingContext *context, int64_t *cost) except -1 nogil:
        """Pay the insurance fund the surplus over bankruptcy up to the cap, or be paid what lacks (cost < 0)."""
        cdef const Contract *c = self.world.contracts[order.instrument]
        cdef PoolState *pool = self.state.pool_of(slot)
        cdef int32_t fund = self.ledger.fund(self.venue, order.instrument)
        cdef double size = self.world.quantity_value(order.instrument, quantity) * c.multiplier
        cdef double unit = 10.0 ** <int> c.money_scale
        cdef double paid = insurance_delta(
            -order.side * size * self.world.price_value(order.instrument, price), bankruptcy, self.penalty_cap, unit)
        cost[0] = <int64_t> rint(paid * self.world.atoms[c.settle])
        self.post(context, fund, c.settle, LIQUIDATION_FEE if cost[0] > 0 else INSURANCE, -cost[0], slot)
        pool.block_closed += size * self.world.prices[order.instrument].mark_value
        pool.block_loss -= min(0.0, paid)
        pool.waits_since = context.time
        slot.is_sliced = 2
        return 0

    cdef int move_isolated(self, Slot *slot, int64_t before, int64_t price, Forced forced,
                           const PostingContext *context, const FillEffect *effect, int64_t cost) except -1 nogil:
        """What a fill moves between the isolated and the cross wallet."""
        cdef const Contract *c = self.world.contracts[slot.position.instrument]
        cdef int64_t opening, closing, stays, whole = before if before > 0 else -before
        cdef double price_value, leverage, value
        if forced == BY_TAKEOVER and slot.position.quantity == 0:
            # Taken over at zero equity: what rounding left is the fund's, not the cross wallet's.
            self.post(context, self.ledger.fund(self.venue, slot.position.instrument), c.settle, INSURANCE,
                      -slot.position.isolated_wallet, slot)
        if effect.closed > 0:
            # The closed share of the isolated wallet goes back to the cross wallet, together with the profit and less
            # the fee of what was closed, so that the liquidation price of the rest stays where it was (Bybit's help
            # page "Adjust margin": reduced in proportion; of Binance no document seen: U). While the leg is being
            # liquidated all of it stays, to bring what is left back to its requirement.
            closing = slot.position.isolated_wallet
            if effect.closed < whole and forced == BY_LIQUIDATION:
                closing = 0
            elif effect.closed < whole:
                stays = closing - effect.realized + cost
                stays -= <int64_t> (<int128_t> stays * <int128_t> effect.closed / <int128_t> whole)
                closing = max(<int64_t> 0, closing - max(<int64_t> 0, stays))
            self.earmark(slot, -closing)
        if effect.opened > 0:
            # A value within 1e-15 of an atom is on it: floats must not cost an atom.
            price_value = self.world.price_value(slot.position.instrument, price)
            leverage = slot.position.leverage
            if c.initial_rule != OF_LEVERAGE:        # the rate is that of the whole position
                leverage = 1.0 / initial_rate(c, fabs(entry_value(&slot.position, c)), price_value, leverage)
            value = notional(c, self.world.quantity_value(slot.position.instrument, effect.opened), price_value)
            opening = <int64_t> ceil(
                (value / leverage + fee_to_close(
                    c, reserved_fee(c, self.state.taker_fees[c.index]), value, slot.position.quantity, leverage))
                * self.world.atoms[c.settle] * (1.0 - 1e-15))
            if effect.closed == 0:
                opening += cost              # the wallet is the initial margin after its fee
            # A fill beyond the price that it was margined at may need more than there is: the leg gets what there is.
            opening = min(opening, max(<int64_t> 0, self.state.balances[c.settle] - self.state.earmarked[c.settle]))
            self.earmark(slot, opening)
        return 0

    cdef int record_fill(self, Slot *slot, Order *order, int64_t quantity, int64_t price, bint is_maker, Forced forced,
                         const FillEffect *effect, int64_t cost, int32_t fee_asset, int64_t time) except -1 nogil:
        """Write a fill into the journal and tell its owner."""
        cdef const Contract *c = self.world.contracts[order.instrument]
        cdef FillRow *row = <FillRow *> self.journal.fills.append()
        cdef double price_value, dollars
        cdef Message *m
        row.time = time
        row.order = order.id
        row.price = price
        row.quantity = quantity
        row.fee = cost if forced == OWN_ORDER else max(<int64_t> 0, cost)
        row.realized_pnl = effect.realized
        if forced == OWN_ORDER:
            price_value = self.world.price_value(order.instrument, price)
            dollars = self.world.asset_usd[c.settle if c.kind == QUANTO else c.quote]
            self.volume += quote_notional(c, self.world.quantity_value(order.instrument, quantity), price_value) * (
                dollars if dollars > 0.0 else 1.0)
        # A resident stop was decided at its trigger, whatever the price was when it was sent.
        row.decision_price = order.trigger if order.trigger != 0 else order.decision_price
        row.account = self.label
        row.instrument = order.instrument
        row.strategy = order.strategy
        row.tag = order.tag
        row.fee_asset = fee_asset
        row.side = order.side
        row.leg = order.leg
        row.is_maker = is_maker
        row.forced = forced
        row.increases = effect.opened > 0
        if forced == BY_LIQUIDATION or forced == BY_TAKEOVER or forced == BY_ADL:
            self.record_forced(slot, self.state.pool_of(slot), -order.side * quantity, price, cost, forced, time)
        m = self.message(FILLED_PART, time, slot, c.settle if slot != NULL else c.quote)
        m.row = self.journal.fills.rows - 1
        m.order = order[0]
        m.strategy = order.strategy
        m.instrument = order.instrument
        if slot == NULL:
            m.assets[1] = c.base
            m.balances[1] = self.state.balances[c.base]
            m.locked[1] = self.locked[c.base]
            m.borrowed[1] = self.state.borrowed[c.base]
        return 0

    cdef int record_forced(self, Slot *slot, PoolState *pool, int64_t quantity, int64_t price, int64_t cost,
                           Forced forced, int64_t time) except -1 nogil:
        cdef LiquidationRow *row = <LiquidationRow *> self.journal.liquidations.append()
        cdef Message *m
        cdef int32_t settle = self.world.contracts[slot.position.instrument].settle
        pool.step += 1
        row.time = time
        row.trigger_mark = self.world.prices[slot.position.instrument].mark if forced == BY_ADL else slot.trigger_mark
        row.price = price
        row.quantity = quantity
        row.fee = max(<int64_t> 0, cost)
        if cost < 0:                     # the fund has paid up to the bankruptcy price
            row.shortfall = -cost
            row.paid_by = INSURANCE_FUND
        row.ratio = pool.trigger_ratio
        row.account = self.label
        row.instrument = slot.position.instrument
        row.step = pool.step
        row.asset = settle
        row.what = forced
        row.episode = pool.episode
        m = self.message(DELEVERAGED if forced == BY_ADL else LIQUIDATED, time, slot, settle)
        m.row = self.journal.liquidations.rows - 1
        return 0

    cdef int fill_spot(self, Order *order, int64_t quantity, int64_t price, int64_t rate, const PostingContext *context,
                       int64_t *fee_out, int32_t *fee_asset) except -1 nogil:
        cdef const Contract *c = self.world.contracts[order.instrument]
        cdef int64_t cost = 0, charge = 0, base = self.base_atoms(c, quantity), whole = 10000000000
        cdef int32_t others = self.ledger.pseudo(self.venue, COUNTERPARTIES)
        fee(c, quantity, price, 10000000000, &cost)
        self.post(context, others, c.quote, SPOT_TRADE, -order.side * cost, NULL)
        self.post(context, others, c.base, SPOT_TRADE, order.side * base, NULL)
        if self.fee_in_received and order.side > 0:
            charge = <int64_t> (<int128_t> base * <int128_t> rate / <int128_t> whole)
            fee_asset[0] = c.base
        else:
            fee(c, quantity, price, rate, &charge)
            fee_asset[0] = c.quote
        self.post(context, self.ledger.pseudo(self.venue, VENUE_FEES), fee_asset[0], FEE, -charge, NULL)
        fee_out[0] = charge
        return 0

    cdef int64_t available_atoms(self, int32_t asset) noexcept nogil:
        """Atoms that may leave the cross wallet, >= 0."""
        cdef double free = floor(self.state.available(asset) * self.world.atoms[asset] * (1.0 + 1e-15))
        return max(<int64_t> 0, min(<int64_t> free, self.state.balances[asset] - self.state.earmarked[asset]))

    cdef int accrue(self, Slot *slot, int64_t time) except -1 nogil:
        """Count what a position has held since it was last looked at, quantity x time."""
        cdef int128_t held
        if slot.accrued_from == 0:
            slot.accrued_from = time
        mul(widen(slot.position.quantity), widen(time - slot.accrued_until), &held)
        add(join(slot.accrued), held, &held)
        slot.accrued = split(held)
        slot.accrued_until = time
        return 0

    cdef int64_t spare_atoms(self, PoolState *pool, int32_t asset) noexcept nogil:
        """Atoms that a cross pool may lose before its equity is its maintenance, less one, >= 0."""
        cdef double spare
        self.state.look(pool)
        spare = pool.risk.equity - pool.risk.maintenance - 1e-12 * pool.risk.notional
        if pool.pool.coin_count > 0:
            spare = room_of(&pool.pool.coins[asset],
                            pool.pool.coins[asset].balance + pool.pool.coins[asset].profit, max(0.0, spare))
        elif pool.asset < 0:
            spare /= self.world.asset_usd[asset]
        return max(<int64_t> 0, <int64_t> floor(spare * self.world.atoms[asset]) - 1)

    cdef int pay_funding(self, int32_t instrument, int64_t mark, int64_t rate, int32_t rate_scale, int64_t interval,
                         int64_t time) except -1 nogil:
        cdef const Contract *c = self.world.contracts[instrument]
        cdef Slot *slot
        cdef FundingRow *row
        cdef Message *m
        cdef PostingContext context
        cdef int64_t amount = 0, own, quantity
        cdef int leg
        context.time = time
        context.ref = 0
        context.instrument = instrument
        context.strategy = -1
        context.tag = -1
        for leg in range(-1, 2):
            slot = self.state.find(instrument, <int8_t> leg)
            if slot == NULL:
                continue
            quantity = slot.position.quantity
            if c.funding_accrues:
                # deribit.md section 8: rate x position x time; what was held for a part of the interval pays that part
                self.accrue(slot, time)
                # where rows are missing, what was held since the last one counts on average
                accrued_payment(c, join(slot.accrued), max(interval, time - slot.accrued_from), mark, c.price_scale,
                                rate, rate_scale, &quantity, &amount)
                slot.accrued = split(widen(0))
                slot.accrued_from = time
                if quantity == 0 and amount == 0:
                    continue
            elif quantity == 0:
                continue
            else:
                funding_payment(c, quantity, mark, c.price_scale, rate, rate_scale, &amount)
            if amount < 0 and c.funding_is_capped and slot.position.margin_mode == 0:
                # okx.md section 9: funding alone never takes equity under maintenance and the fee to close
                amount = max(amount, -self.spare_atoms(self.state.pool_of(slot), c.settle))
            if slot.position.quantity != 0:
                slot.position.funding += amount
            own = amount
            if c.funding_from_available and slot.position.margin_mode == 1:
                # venues/bybit.md section 9: the available balance first, what it lacks from the position's margin
                own = min(0, amount + self.available_atoms(c.settle)) if amount < 0 else 0
                self.post(&context, self.ledger.pseudo(self.venue, COUNTERPARTIES), c.settle, FUNDING_PAYMENT,
                          amount - own, NULL)
            self.post(&context, self.ledger.pseudo(self.venue, COUNTERPARTIES), c.settle, FUNDING_PAYMENT, own, slot)
            row = <FundingRow *> self.journal.funding.append()
            row.time = time
            row.quantity = quantity
            row.mark = mark
            row.rate = rate
            row.amount = amount
            row.account = self.label
            row.instrument = instrument
            row.asset = c.settle
            row.rate_scale = rate_scale
            row.leg = leg
            m = self.message(FUNDING_PAID, time, slot, c.settle)
            m.row = self.journal.funding.rows - 1
            self.flag(self.state.pool_of(slot))          # one leg of hedge mode may receive what the other pays
        return 0

    cdef int pay_profit(self, int32_t instrument, int64_t time) except -1 nogil:
        """Daily settlement: profit up to the mark moves into the balance; the position counts from there on."""
        cdef Slot *slot
        cdef PostingContext context
        cdef int64_t amount = 0
        cdef int leg
        context.time = time
        context.ref = 0
        context.instrument = instrument
        context.strategy = -1
        context.tag = -1
        for leg in range(-1, 2):
            slot = self.state.find(instrument, <int8_t> leg)
            if slot == NULL or slot.position.quantity == 0:
                continue
            pay_out(&slot.position, self.world.contracts[instrument], self.world.prices[instrument].mark, &amount)
            self.state.refresh(slot)
            if amount != 0:
                self.post(&context, self.ledger.pseudo(self.venue, COUNTERPARTIES),
                          self.world.contracts[instrument].settle, SETTLEMENT_PROFIT, amount, slot)
            self.flag(self.state.pool_of(slot))
            self.message(STATE_ONLY, time, slot, self.world.contracts[instrument].settle)
        return 0
