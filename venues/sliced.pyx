"""Liquidation in slices, block by block, and debts repaid before anything is closed; else as `TierLiquidator` does it.

dYdX v4 (venues/dydx_v4.md, liquidation). All open orders are cancelled (U: the chain drops those that fail its margin
check when they match). In each block, while maintenance exceeds equity, every position once, the first drawn, is
offered in part as an immediate-or-cancel order at the fillable price, or a better one where the insurance fund or the
block's limit could not pay what that price may cost. On a tape the order meets the next price that comes before the
block ends. Below zero equity a position whose order was refused, or has waited for the venue's time limit (a tape
without trades shows no book), goes whole to other traders at the bankruptcy price.
"""

from libc.math cimport ceil, fabs, floor, rint
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free

from venues.account cimport Account
from feeds.draws cimport SLICE_START, uniform
from venues.ledger cimport PostingContext
from venues.down_tiers cimport TierLiquidator
from venues.margin cimport Leg, leg_notional
from venues.matching cimport Market
from venues.orders cimport FORCED_ORDER, IOC, WORKING, Order
from venues.records cimport ADL_COUNTERPARTIES, BY_TAKEOVER, LiquidationRow
from venues.slices cimport bankruptcy_value, fillable_price, slice_notional
from venues.state cimport PoolState, Slot


cdef class SlicedLiquidator(TierLiquidator):
    """Liquidation of all accounts of a run.

    Parameters
    ----------
    courses : list of dict
        By venue, the fields of `Course`; `set_slices` puts slices in the place of one.
    """

    def __cinit__(self, *, list courses):
        self.slices = <Slices *> calloc(len(courses) + 1, sizeof(Slices))
        self.repays = <uint8_t *> calloc(len(courses) + 1, sizeof(uint8_t))
        self.repay_targets = <double *> calloc(len(courses) + 1, sizeof(double))
        if self.slices == NULL or self.repays == NULL or self.repay_targets == NULL:
            raise MemoryError("liquidation: no memory")

    def set_slices(self, list slices, int64_t seed):
        """Give the fields of `Slices` by venue, empty for a venue with another course, and the seed of the draws."""
        cdef Py_ssize_t i
        self.seed = seed
        for i in range(len(slices)):
            if slices[i]:
                self.slices[i] = slices[i]

    def __dealloc__(self):
        free(self.slices)
        free(self.repays)
        free(self.repay_targets)

    def repay_first(self, int venue, double target=0.0):
        """Let a venue sell other assets for an account's debts before it closes positions; to a ratio, 0 = for all."""
        self.repays[venue] = True
        self.repay_targets[venue] = target

    cdef int proceed(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil:
        cdef int32_t at, guard = 0
        cdef int64_t units
        if self.waits(account, pool, time):
            return 0
        if pool.asset < 0 and pool.episode == 0 and self.repays[(<Account> self.accounts[account]).venue]:
            self.auto_exchange.repay_to(
                account, pool, self.repay_targets[(<Account> self.accounts[account]).venue], time)
            (<Account> self.accounts[account]).state.look(pool)
            if (<Account> self.accounts[account]).state.ratio(pool) < (<Account> self.accounts[account]).trigger:
                return self.finish(account, pool, time)
        if self.slices[(<Account> self.accounts[account]).venue].block == 0:
            return TierLiquidator.proceed(self, account, pool, time)
        if pool.episode == 0:
            self.episodes += 1
            pool.episode = self.episodes
            pool.waits_since = time
            pool.deadline = time
            pool.has_stepped = False
            self.cancel_orders(account, pool, False, -1, time)
        while guard < 1000:
            guard += 1
            (<Account> self.accounts[account]).state.look(pool)
            self.cover_fund(account, pool, time)
            if pool.pool.count == 0 or pool.risk.maintenance <= 0.0:
                if pool.pool.count == 0 and (pool.has_stepped or pool.risk.equity < 0.0):
                    self.settle(account, pool, time)
                return self.finish(account, pool, time)
            at = self.without_buyer(account, pool, time)
            if at >= 0:
                self.give_away(account, pool, at, time)
                continue
            if time >= pool.deadline:
                self.begin_block(account, pool, time)
            if self.is_offered(account, pool):
                return 0
            if (<Account> self.accounts[account]).state.ratio(pool) < (<Account> self.accounts[account]).trigger:
                return self.finish(account, pool, time)
            at = self.next_leg(account, pool)
            units = 0 if at < 0 else self.slice_units(account, pool, &pool.pool.legs[at])
            if units == 0:
                return 0                         # the next block goes on
            self.offer_slice(account, pool, at, units, time)
        return 0

    cdef int cover_fund(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil:
        """A limit was right when its order was sent: what prices have added since may be more than a fund has."""
        cdef PostingContext context
        context.time = time
        context.ref = 0
        context.instrument = -1
        context.strategy = -1
        context.tag = -1
        self.cover(&context, (<Account> self.accounts[account]).venue,
                   self.ledger.fund((<Account> self.accounts[account]).venue, pool.alone), pool.asset)
        return 0

    cdef int begin_block(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil:
        """Withdraw what the last block left, and count anew."""
        cdef int32_t i
        self.cancel_orders(account, pool, True, -1, time)
        pool.deadline = time + self.slices[(<Account> self.accounts[account]).venue].block
        self.next_deadline = min(self.next_deadline, pool.deadline)
        pool.blocks += 1
        pool.block_closed = 0.0
        pool.block_loss = 0.0
        for i in range(pool.pool.count):
            (<Account> self.accounts[account]).state.slots[pool.slots[i]].is_sliced = 0
        return 0

    cdef int32_t next_leg(self, int32_t account, PoolState *pool) noexcept nogil:
        """The first position from a drawn one on that this block has not offered; -1 without one."""
        cdef int32_t i, at, count = pool.pool.count
        # a thousand million blocks of one liquidation are thirty years
        cdef int32_t start = <int32_t> (count * uniform(
            self.seed, SLICE_START, (<Account> self.accounts[account]).venue,
            <int64_t> pool.episode * 1000000000 + pool.blocks))
        for i in range(count):
            at = (start + i) % count
            if (pool.pool.legs[at].quantity != 0.0
                    and (<Account> self.accounts[account]).state.slots[pool.slots[at]].is_sliced == 0):
                return at
        return -1

    cdef int32_t without_buyer(self, int32_t account, PoolState *pool, int64_t time) noexcept nogil:
        """With equity below zero: a position whose order was refused or has waited too long; -1 without one."""
        cdef int32_t i, row
        cdef Slot *slot
        cdef Order *order
        cdef bint waits
        cdef int64_t since, patience = self.courses[(<Account> self.accounts[account]).venue].time_limit
        if pool.risk.equity >= -1e-12 * pool.risk.notional:
            return -1
        for i in range(pool.pool.count):
            slot = (<Account> self.accounts[account]).state.slots[pool.slots[i]]
            if pool.pool.legs[i].quantity == 0.0 or slot.is_sliced != 1:
                continue
            waits = False
            row = (<Market> self.markets[slot.position.instrument]).head
            while row >= 0:
                order = self.store.at(row)
                waits = waits or (order.account == account and order.flags & FORCED_ORDER and order.status == WORKING)
                row = order.next
            since = max(pool.waits_since, self.world.prices[slot.position.instrument].last_ts)
            if not waits or time - since >= patience:
                return i
        return -1

    cdef int64_t slice_units(self, int32_t account, PoolState *pool, const Leg *leg) noexcept nogil:
        """Quantity units of the slice, down on the lot, at least one; the whole where the block covers it."""
        cdef Slices *s = &self.slices[(<Account> self.accounts[account]).venue]
        cdef double value = leg_notional(leg)
        cdef double most = slice_notional(value, s.least, s.share, s.most_closed, pool.block_closed)
        cdef int64_t whole = <int64_t> rint(fabs(leg.quantity) / leg.contract.quantity_unit)
        cdef int64_t lot = max(<int64_t> 1, leg.contract.lot)
        if most <= 0.0:
            return 0
        if value <= most or whole <= lot:
            return whole
        return min(whole, max(lot, <int64_t> floor(
            most / (leg.mark * leg.contract.multiplier * leg.contract.quantity_unit) / lot + 1e-9) * lot))

    cdef double limit(self, int32_t account, PoolState *pool, int32_t at, double quantity) noexcept nogil:
        """The fillable price, or the price at which fund and block can still pay; on the tick, not beyond it."""
        cdef Slices *s = &self.slices[(<Account> self.accounts[account]).venue]
        cdef Leg *leg = &pool.pool.legs[at]
        cdef double price = fillable_price(&pool.pool, &pool.risk, at, s.adjustment, s.spread)
        cdef double payable = s.most_lost - pool.block_loss
        cdef double tick = max(<int64_t> 1, leg.contract.tick) * leg.contract.price_unit
        cdef double value
        cdef int32_t fund
        if self.courses[(<Account> self.accounts[account]).venue].has_limited_fund:
            fund = self.ledger.fund((<Account> self.accounts[account]).venue, leg.contract.index)
            payable = min(payable, self.world.amount_value(pool.asset, self.ledger.balance(fund, pool.asset)))
        value = bankruptcy_value(&pool.pool, &pool.risk, at, quantity) - max(0.0, payable)
        value /= quantity * leg.contract.multiplier
        if leg.quantity > 0.0:
            return max(1.0, ceil(max(price, value) / tick - 1e-9)) * tick
        return max(1.0, floor(min(price, -value) / tick + 1e-9)) * tick

    cdef int offer_slice(
        self, int32_t account, PoolState *pool, int32_t at, int64_t units, int64_t time
    ) except -1 nogil:
        cdef Leg *leg = &pool.pool.legs[at]
        cdef Order *order = self.forced(
            account, pool, at, units, self.limit(account, pool, at, units * leg.contract.quantity_unit), time)
        order.tif = IOC
        (<Account> self.accounts[account]).state.slots[pool.slots[at]].is_sliced = 1
        return (<Market> self.markets[order.instrument]).add(order, time)

    cdef int give_away(self, int32_t account, PoolState *pool, int32_t at, int64_t time) except -1 nogil:
        """Other traders take a position whole at its bankruptcy price, and with it its share of the shortfall."""
        cdef Leg *leg = &pool.pool.legs[at]
        cdef double size = fabs(leg.quantity)
        cdef double price = fabs(bankruptcy_value(&pool.pool, &pool.risk, at, size)) / (size * leg.contract.multiplier)
        cdef double mark = leg.mark
        cdef Order *order
        cdef LiquidationRow *row
        self.cancel_orders(account, pool, True, -1, time)
        order = self.forced(account, pool, at, <int64_t> rint(size / leg.contract.quantity_unit), price, time)
        order.price = max(<int64_t> 1, order.price)
        pool.has_stepped = True
        size *= leg.contract.multiplier
        (<Account> self.accounts[account]).fill(order, order.quantity, order.price, False, time, BY_TAKEOVER)
        row = <LiquidationRow *> (<Account> self.accounts[account]).journal.liquidations.at(
            (<Account> self.accounts[account]).journal.liquidations.rows - 1)
        row.bankruptcy = order.price
        row.shortfall = max(<int64_t> 0, <int64_t> rint(
            -order.side * (self.world.price_value(order.instrument, order.price) - mark) * size
            * self.world.atoms[self.world.contracts[order.instrument].settle]))
        row.paid_by = ADL_COUNTERPARTIES
        return 0
