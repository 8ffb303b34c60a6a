"""One account at a venue: fills, fees, funding and margin become postings, records and messages here."""

from libc.math cimport INFINITY, ceil, fabs, floor, isnan
from libc.stdlib cimport calloc, free
from venues.contract cimport INVERSE, SPOT, Contract, notional
from venues.ledger cimport COUNTERPARTIES, INSURANCE_FUND_ACCOUNT, VENUE_FEES, PostingContext
from venues.margin cimport Risk
from venues.orders cimport (
    CLOSE_POSITION, FORCED_ORDER, INSUFFICIENT_BALANCE, INSUFFICIENT_MARGIN, LEVERAGE_ABOVE_TIER, NO_PRICE, NO_REASON,
    NOTHING_TO_REDUCE, POSITION_LIMIT, REDUCE_ONLY, Order,
)
from venues.outbox cimport DELEVERAGED, FILLED_PART, FUNDING_PAID, LIQUIDATED, MARGIN_CALL, ORDER_STATE, STATE_ONLY, Message, MessageKind
from venues.position cimport FillEffect, apply_fill, fee, funding_payment
from venues.records cimport (
    BY_LIQUIDATION, BY_TAKEOVER, FEE, FUNDING_PAYMENT, INSURANCE, LIQUIDATION_FEE, OWN_ORDER, SETTLEMENT_PROFIT, SPOT_TRADE, TRADE_PROFIT,
    BY_ADL, ADL_PROFIT, BY_SETTLEMENT, FillRow, LiquidationRow, MarginCallRow, Forced, FundingRow, MarginRow, OrderRow, PostingKind,
)
from venues.state cimport LIQUIDATING, NORMAL, WARNED, PoolState, Slot
from venues.tiers cimport max_leverage
from venues.units cimport int128_t


cdef class Account:
    """One account at one venue, on the venue's clock.

    Parameters
    ----------
    index : int
        Row in the run's table of accounts.
    venue : int
        Row in the run's table of venues.
    state : AccountState
    ledger : Ledger
    outbox : Outbox
    journal : Journal
    fees : list of (int, int)
        Maker and taker rate in 1e-10 for each instrument of the run.
    margin_call : float
        Ratio of maintenance to equity at which the owner is warned.
    limits : bool
        Refuse what the leverage set does not allow.
    fee_in_received : bool
        Spot: the fee is taken from the asset received, else from the quote asset.
    slippage : float
        Fraction of the price, half-spread included, against every taker fill.
    fill_rule : int
        FillRule of matching.pxd.
    """

    def __cinit__(self, *, int index, int venue, AccountState state, Ledger ledger, Outbox outbox, Journal journal,
                  list fees, double margin_call, bint limits, bint fee_in_received, double slippage, int fill_rule):
        cdef int32_t i, n = state.world.n_instruments
        self.index = index
        self.venue = venue
        self.state = state
        self.world = state.world
        self.ledger = ledger
        self.outbox = outbox
        self.journal = journal
        self.margin_call = margin_call
        self.limits = limits
        self.fee_in_received = fee_in_received
        self.slippage = slippage
        self.fill_rule = fill_rule
        self.closed_instrument = -1
        # binance.md section 3: assuming price of a market order, last + 0.15 % to sell (V) and ask + 0.05 % to buy (U).
        self.market_buy_factor = 1.0005
        self.market_sell_factor = 1.0015
        self.maker_fees = <int64_t *> calloc(n + 1, sizeof(int64_t))
        self.taker_fees = <int64_t *> calloc(n + 1, sizeof(int64_t))
        self.locked = <int64_t *> calloc(state.world.n_assets + 1, sizeof(int64_t))
        self.marks = <double *> calloc(3 * n + 1, sizeof(double))
        if self.marks == NULL or self.maker_fees == NULL or self.taker_fees == NULL or self.locked == NULL:
            raise MemoryError("account: no memory")
        for i in range(n):
            self.maker_fees[i], self.taker_fees[i] = fees[i]

    def __dealloc__(self):
        free(self.maker_fees)
        free(self.taker_fees)
        free(self.locked)
        free(self.marks)

    def set_fees(self, int instrument, int64_t maker, int64_t taker):
        """Set the rates of an instrument, 1e-10."""
        self.maker_fees[instrument] = maker
        self.taker_fees[instrument] = taker

    def close_at_mark(self):
        """Fill forced orders at the mark and its slippage instead of on the market."""
        self.forced_at_mark = True

    # ------------------------------------------------------------------ money

    cdef int post(self, const PostingContext *context, int32_t contra, int32_t asset, PostingKind kind,
                  int64_t amount, Slot *isolated) except -1 nogil:
        self.ledger.post(context, self.index, contra, asset, kind, amount)
        self.state.balances[asset] = self.ledger.balance(self.index, asset)
        if isolated != NULL and isolated.position.margin_mode == 1:
            isolated.position.isolated_wallet += amount
            self.state.earmarked[asset] = self.state.earmarked[asset] + amount
        self.state.refresh_wallets(asset)
        return 0

    cdef int earmark(self, Slot *slot, int64_t atoms) except -1 nogil:
        cdef int32_t asset = self.world.contracts[slot.position.instrument].settle
        slot.position.isolated_wallet += atoms
        self.state.earmarked[asset] = self.state.earmarked[asset] + atoms
        self.state.refresh_wallets(asset)
        return 0

    cdef int64_t equity_atoms(self, PoolState *pool, int32_t asset) noexcept nogil:
        cdef double unit = 1.0
        if pool.risk.notional == 0.0 and pool.isolated >= 0:
            return self.state.slots[pool.isolated].position.isolated_wallet      # nothing open: exact
        if pool.risk.notional == 0.0 and pool.asset >= 0:
            return self.state.balances[asset] - self.state.earmarked[asset]
        if pool.asset < 0:
            unit = self.world.asset_usd[asset]
        return <int64_t> floor(pool.risk.equity / unit * self.world.atoms[asset])

    # ------------------------------------------------------------------ messages and records

    cdef Message *message(self, MessageKind kind, int64_t time, Slot *slot, int32_t asset) except NULL nogil:
        cdef Message *m = self.outbox.new()
        m.kind = kind
        m.time = time
        m.account = self.index
        if slot != NULL:
            m.position = slot.position
            m.has_position = 1
            m.bids = slot.bids
            m.asks = slot.asks
            m.open_loss = slot.open_loss
            m.open_orders = slot.open_orders
            m.instrument = slot.position.instrument
        if asset >= 0:
            m.assets[0] = asset
            m.balances[0] = self.state.balances[asset]
            m.earmarked[0] = self.state.earmarked[asset]
            m.locked[0] = self.locked[asset]
        return m

    cdef int order_changed(self, Order *order, int64_t time) except -1 nogil:
        cdef OrderRow *row = <OrderRow *> self.journal.orders.append()
        cdef Message *m
        cdef const Contract *c = self.world.contracts[order.instrument]
        row.time = time
        row.order = order.id
        row.price = order.price
        row.trigger = order.trigger
        row.quantity = order.quantity
        row.filled = order.filled
        row.submitted = order.submitted
        row.filled_value = order.filled_value
        row.requested_quantity = order.requested_quantity
        row.requested_price = order.requested_price
        row.account = order.account
        row.instrument = order.instrument
        row.strategy = order.strategy
        row.tag = order.tag
        row.side = order.side
        row.leg = order.leg
        row.type = order.type
        row.tif = order.tif
        row.flags = order.flags
        row.status = order.status
        row.reason = order.reason
        if order.strategy >= 0:
            m = self.message(ORDER_STATE, time, self.state.find(order.instrument, order.leg), c.settle)
            m.order = order[0]
            m.strategy = order.strategy
            m.instrument = order.instrument
        return 0

    # ------------------------------------------------------------------ margin of orders

    cdef int try_hold(self, Order *order) except -1 nogil:
        cdef const Contract *c = self.world.contracts[order.instrument]
        cdef double last = self.world.price_value(order.instrument, self.world.prices[order.instrument].last)
        cdef double mark = self.world.prices[order.instrument].mark_value
        cdef double before, after, price, quantity, value, loss = 0.0
        cdef Slot *slot
        cdef int64_t cost, base
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
        value = notional(c, quantity, price)
        if mark > 0.0:
            # binance.md section 3: open loss = quantity x |min(0, side x (mark - price))|, here in the settle asset.
            loss = max(0.0, order.side * (value - notional(c, quantity, mark)))
            if c.kind == INVERSE:
                loss = max(0.0, order.side * (notional(c, quantity, mark) - value))
        self.hold(slot, order, value, loss, 1)
        after = self.state.available(c.settle)
        if after < 0.0 and after < before:
            self.hold(slot, order, value, loss, -1)
            return INSUFFICIENT_MARGIN
        if self.limits and c.tiers != NULL:
            value = max(fabs(self.signed_notional(slot, mark) + slot.bids), fabs(self.signed_notional(slot, mark) - slot.asks))
            if value > fabs(self.signed_notional(slot, mark)) and max_leverage(c.tiers, value) < slot.position.leverage:
                self.hold(slot, order, notional(c, quantity, price), loss, -1)
                return POSITION_LIMIT
        order.counted = 1
        return NO_REASON

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
            price = <int64_t> ceil(order.margin_price * self.world.divisors[order.instrument])
            fee(c, quantity, price, 10000000000, &out)
            if not self.fee_in_received:
                fee(c, quantity, price, self.taker_fees[order.instrument], &extra)
            return out + extra + 1
        return self.base_atoms(c, quantity)

    cdef int64_t base_atoms(self, const Contract *c, int64_t quantity) noexcept nogil:
        """Quantity units in atoms of the base asset; its scale is at least that of the quantity (checked at the start)."""
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

    # ------------------------------------------------------------------ fills

    cdef int fill(self, Order *order, int64_t quantity, int64_t price, bint is_maker, int64_t time,
                  Forced forced) except -1 nogil:
        cdef const Contract *c = self.world.contracts[order.instrument]
        cdef Slot *slot = NULL
        cdef PostingContext context
        cdef FillEffect effect
        cdef FillRow *row
        cdef Message *m
        cdef PoolState *pool
        cdef PostingKind profit = TRADE_PROFIT
        cdef int64_t before, rate, cost = 0, part, opening = 0, closing = 0
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
        rate = self.maker_fees[order.instrument] if is_maker else self.taker_fees[order.instrument]
        if c.kind == SPOT:
            effect.opened = quantity if order.side > 0 else 0
            self.fill_spot(order, quantity, price, rate, &context, &cost, &fee_asset)
        else:
            slot = self.state.slot(order.instrument, order.leg)
            before = slot.position.quantity
            part = slot.position.isolated_wallet
            apply_fill(&slot.position, c, order.side * quantity, price, &effect)
            if effect.closed > 0 and (slot.position.quantity == 0 or effect.opened > 0):
                self.closed_instrument = order.instrument
                self.world.attention = True
            if effect.opened > 0:
                slot.position.last_entry_price = price
                if effect.closed > 0 or before == 0:
                    slot.position.opened = time
                    slot.position.entries = 1
                    slot.position.last_order = order.id
                elif slot.position.last_order != order.id:
                    slot.position.entries += 1
                    slot.position.last_order = order.id
            if forced == BY_ADL:
                profit = ADL_PROFIT
            elif forced == BY_SETTLEMENT:
                profit = SETTLEMENT_PROFIT
            self.state.refresh(slot)
            self.post(&context, self.ledger.pseudo(self.venue, COUNTERPARTIES), c.settle, profit, effect.realized, slot)
            if forced == OWN_ORDER:
                fee(c, quantity, price, rate, &cost)
                self.post(&context, self.ledger.pseudo(self.venue, VENUE_FEES), c.settle, FEE, -cost, slot)
            elif forced == BY_LIQUIDATION:
                # binance.md section 5: min(rate x filled notional, what the margin still holds above zero), and no trading fee.
                fee(c, quantity, price, c.clearance_fee, &cost)
                pool = self.state.pool_of(slot)
                self.state.refresh_wallet(pool)
                self.state.look(pool)
                cost = max(0, min(cost, self.equity_atoms(pool, c.settle)))
                self.post(&context, self.ledger.pseudo(self.venue, INSURANCE_FUND_ACCOUNT), c.settle, LIQUIDATION_FEE,
                          -cost, slot)
            if slot.position.margin_mode == 1:
                if forced == BY_TAKEOVER and slot.position.quantity == 0:
                    # Taken over at zero equity: what rounding left is the fund's, not the cross wallet's.
                    self.post(&context, self.ledger.pseudo(self.venue, INSURANCE_FUND_ACCOUNT), c.settle, INSURANCE,
                              -slot.position.isolated_wallet, slot)
                if effect.closed > 0:
                    # The closed share of the isolated wallet, profit and fee in it, goes back to the cross wallet.
                    closing = slot.position.isolated_wallet
                    if effect.closed < (before if before > 0 else -before):
                        closing = <int64_t> (<int128_t> closing * <int128_t> effect.closed / <int128_t> (before if before > 0 else -before))
                    self.earmark(slot, -closing)
                if effect.opened > 0:
                    opening = <int64_t> ceil(
                        notional(c, self.world.quantity_value(order.instrument, effect.opened),
                                 self.world.price_value(order.instrument, price))
                        / slot.position.leverage * self.world.atoms[c.settle])
                    if effect.closed == 0:
                        opening += cost          # the wallet is the initial margin after its fee
                    self.earmark(slot, opening)
            self.state.refresh(slot)
        row = <FillRow *> self.journal.fills.append()
        row.time = time
        row.order = order.id
        row.price = price
        row.quantity = quantity
        row.fee = cost
        row.realized_pnl = effect.realized
        row.decision_price = order.decision_price
        row.account = self.index
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
        if slot != NULL:
            pool = self.state.pool_of(slot)
            self.examine(pool, time)
        return 0

    cdef int record_forced(self, Slot *slot, PoolState *pool, int64_t quantity, int64_t price, int64_t cost, Forced forced,
                           int64_t time) except -1 nogil:
        cdef LiquidationRow *row = <LiquidationRow *> self.journal.liquidations.append()
        cdef Message *m
        cdef int32_t settle = self.world.contracts[slot.position.instrument].settle
        pool.step += 1
        row.time = time
        row.trigger_mark = self.world.prices[slot.position.instrument].mark
        row.price = price
        row.quantity = quantity
        row.fee = cost
        row.ratio = pool.trigger_ratio
        row.account = self.index
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

    cdef int pay_funding(self, int32_t instrument, int64_t mark, int64_t rate, int32_t rate_scale,
                         int64_t time) except -1 nogil:
        cdef const Contract *c = self.world.contracts[instrument]
        cdef Slot *slot
        cdef FundingRow *row
        cdef Message *m
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
            funding_payment(c, slot.position.quantity, mark, c.price_scale, rate, rate_scale, &amount)
            slot.position.funding += amount
            self.post(&context, self.ledger.pseudo(self.venue, COUNTERPARTIES), c.settle, FUNDING_PAYMENT, amount, slot)
            row = <FundingRow *> self.journal.funding.append()
            row.time = time
            row.quantity = slot.position.quantity
            row.mark = mark
            row.rate = rate
            row.amount = amount
            row.account = self.index
            row.instrument = instrument
            row.asset = c.settle
            row.rate_scale = rate_scale
            row.leg = leg
            m = self.message(FUNDING_PAID, time, slot, c.settle)
            m.row = self.journal.funding.rows - 1
            self.examine(self.state.pool_of(slot), time)
        return 0

    # ------------------------------------------------------------------ margin of positions

    cdef void mark_moved(self, int32_t instrument) noexcept nogil:
        cdef int leg
        cdef Slot *slot
        cdef double mark = self.world.prices[instrument].mark_value
        for leg in range(-1, 2):
            slot = self.state.find(instrument, <int8_t> leg)
            if slot != NULL and slot.pool >= 0 and self.state.mark_moved(slot, mark):
                self.state.pools[slot.pool].stale = 2
                self.flagged = True
                self.world.attention = True

    cdef int check(self, int64_t time) except -1 nogil:
        cdef int32_t i
        self.flagged = False
        for i in range(self.state.n_pools):
            if self.state.pools[i].stale == 2:
                self.examine(self.state.pools[i], time)
        return 0

    cdef int examine(self, PoolState *pool, int64_t time) except -1 nogil:
        cdef double ratio, threshold
        cdef Message *m
        cdef MarginCallRow *call
        self.state.look(pool)
        ratio = self.state.ratio(pool)
        if pool.condition == LIQUIDATING:
            self.liquidating = True
            self.world.attention = True
            return 0
        if ratio > pool.max_ratio:            # an infinite one included: the extremes of the run are exact
            pool.max_ratio = ratio
            pool.extreme = time
            pool.extreme_risk = pool.risk
            pool.extreme_distance = self.state.distance(pool)
            pool.min_distance = min(pool.min_distance, pool.extreme_distance)
        if ratio >= 1.0:
            pool.condition = LIQUIDATING
            pool.trigger_ratio = ratio
            pool.step = 0
            pool.episode = 0
            self.liquidating = True
            self.world.attention = True
            self.sample(pool, time, 2)
            return 0
        if (ratio >= self.margin_call) != (pool.condition == WARNED):
            pool.condition = WARNED if ratio >= self.margin_call else NORMAL
            m = self.message(MARGIN_CALL, time, NULL, -1)
            m.ratio = ratio
            m.distance = self.state.distance(pool)
            m.active = pool.condition == WARNED
            m.pool_asset = pool.asset
            m.condition = pool.condition
            if pool.isolated >= 0:
                m.instrument = self.state.slots[pool.isolated].position.instrument
            call = <MarginCallRow *> self.journal.margin_calls.append()
            call.time = time
            call.ratio = ratio
            call.distance = m.distance
            call.account = self.index
            call.asset = pool.asset
            call.instrument = m.instrument
            call.strategy = -1
            call.active = m.active
            self.sample(pool, time, 2)
        if pool.condition == WARNED:
            pool.stale = 1               # either side of the warning may come next: look at every change
            return 0
        threshold = min(1.0, self.margin_call)
        if ratio < pool.max_ratio < threshold:
            threshold = pool.max_ratio   # so that the extremes of the run are exact
        elif ratio == pool.max_ratio and ratio > 0.0:
            pool.stale = 1
            return 0
        self.state.arm(pool, threshold)
        return 0

    cdef int write_margin(self, PoolState *pool, const Risk *risk, double distance, int64_t time, int32_t flags) except -1 nogil:
        cdef MarginRow *row = <MarginRow *> self.journal.margin.append()
        row.time = time
        row.equity = risk.equity
        row.initial = risk.initial + risk.orders
        row.maintenance = risk.maintenance
        row.ratio = 0.0 if risk.maintenance <= 0.0 else INFINITY if risk.equity <= 0.0 else risk.maintenance / risk.equity
        row.leverage = 0.0 if risk.notional <= 0.0 else INFINITY if risk.equity <= 0.0 else risk.notional / risk.equity
        row.distance = distance
        row.account = self.index
        row.asset = pool.asset
        row.instrument = -1 if pool.isolated < 0 else self.state.slots[pool.isolated].position.instrument
        row.flags = flags
        return 0

    cdef int sample(self, PoolState *pool, int64_t time, int32_t flags) except -1 nogil:
        return self.write_margin(pool, &pool.risk, self.state.distance(pool), time, flags)

    cdef int extreme_sample(self, PoolState *pool) except -1 nogil:
        self.write_margin(pool, &pool.extreme_risk, pool.extreme_distance, pool.extreme, 4)
        pool.extreme = 0
        return 0

    cdef int periodic_sample(self, PoolState *pool, int64_t time) except -1 nogil:
        """Margin at the present marks, without disturbing the bands of the last look."""
        cdef Risk risk
        cdef int32_t i
        cdef double distance
        for i in range(pool.pool.count):
            self.marks[i] = pool.pool.legs[i].mark
            pool.pool.legs[i].mark = self.world.prices[pool.pool.legs[i].contract.index].mark_value
        self.state.engine.risk(&pool.pool, &risk)
        distance = self.state.distance(pool)
        for i in range(pool.pool.count):
            pool.pool.legs[i].mark = self.marks[i]
        return self.write_margin(pool, &risk, distance, time, 1)

    # ------------------------------------------------------------------ verbs of the owner

    cdef int set_leverage(self, int32_t instrument, double leverage, int64_t time) except -1 nogil:
        cdef const Contract *c = self.world.contracts[instrument]
        cdef int leg
        cdef Slot *slot
        cdef double mark = self.world.prices[instrument].mark_value
        cdef double old = self.state.leverage[instrument]
        cdef double before, after
        for leg in range(-1, 2):
            slot = self.state.find(instrument, <int8_t> leg)
            if slot == NULL:
                continue
            if max_leverage(c.tiers, fabs(self.signed_notional(slot, mark)) + max(slot.bids, slot.asks)) < leverage:
                return LEVERAGE_ABOVE_TIER
            if slot.position.margin_mode == 1 and slot.position.quantity != 0 and leverage < old:
                return INSUFFICIENT_MARGIN       # binance.md section 3 (U): an isolated position's leverage only rises
        if max_leverage(c.tiers, 0.0) < leverage:
            return LEVERAGE_ABOVE_TIER
        before = self.state.available(c.settle)
        self.apply_leverage(instrument, leverage)
        after = self.state.available(c.settle)
        if after < 0.0 and after < before:
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

    cdef int move_margin(self, int32_t instrument, int8_t leg, int64_t atoms, int64_t time) except -1 nogil:
        cdef const Contract *c = self.world.contracts[instrument]
        cdef Slot *slot = self.state.find(instrument, leg)
        cdef PoolState *pool
        if slot == NULL or slot.position.quantity == 0 or slot.position.margin_mode != 1:
            return NOTHING_TO_REDUCE
        if atoms > 0 and self.world.amount_value(c.settle, atoms) > self.state.available(c.settle):
            return INSUFFICIENT_MARGIN
        self.earmark(slot, atoms)
        pool = self.state.pool_of(slot)
        self.state.look(pool)
        if atoms < 0 and pool.risk.equity < pool.risk.initial:
            self.earmark(slot, -atoms)
            return INSUFFICIENT_MARGIN
        self.examine(pool, time)
        self.message(STATE_ONLY, time, slot, c.settle)
        return NO_REASON
