"""The venue's procedure when a margin pool falls below its requirement: cancel, close in steps, take over, insure.

All open orders are cancelled and the ratio is computed again. Then one of these courses (venues/binance.md section 5,
venues/bybit.md section 6, venues/hyperliquid.md liquidation):

Stepwise (B4, B13): one order at a time reduces the position with the largest maintenance (the order over symbols is not
documented: U) as far as needed, never worse than the bankruptcy price; realised loss and clearance fee are deducted and
the test is repeated.

At once (a multi-assets account of 2025-10-10, R): every position is offered whole at prices at which the pool is worth
zero.

In rounds (deribit.md section 6): the same, a part of the position at a time.

By tiers (Bybit isolated, BitMEX): one fill-or-kill order for the difference to a lower tier that suffices; in the
lowest tier, or when the order did not help, the position is taken over.

In parts (Hyperliquid): orders for whole positions, largest maintenance first, of a large one first for a part; never
worse than the price at which the pool is worth zero (U). Below a share of the maintenance a vault takes all of it.

After the time limit, in steps also when the equity is gone, the rest is taken over at prices at which the pool is then
worth zero.
"""

from libc.math cimport ceil, fabs, rint
from libc.stdint cimport INT64_MAX
from libc.stdlib cimport calloc, free
from venues.account cimport Account
from venues.contract cimport SPOT
from venues.forced_closes cimport ForcedCloses
from venues.ledger cimport COUNTERPARTIES, PostingContext
from venues.margin cimport (
    Leg, Risk, bankruptcy_price, joint_bankruptcy_price, joint_share, leg_maintenance, price_at_share,
)
from venues.matching cimport Market
from venues.outbox cimport STATE_ONLY
from venues.orders cimport BY_VENUE, FOK, FORCED_ORDER, GTC, MARKET, Order
from venues.reductions cimport part_of, reduction, step_down
from venues.records cimport (
    ADL_COUNTERPARTIES, BY_TAKEOVER, INSURANCE, INSURANCE_FUND, UNFUNDED, UNFUNDED_LOSS, LiquidationRow,
)
from venues.state cimport LIQUIDATING, NORMAL, PoolState, Slot


cdef class Liquidator(ForcedCloses):
    """Liquidation of all accounts of a run.

    Parameters
    ----------
    courses : list of dict
        By venue, the fields of `Course`; empty for a venue that closes nothing by force.
    """

    def __cinit__(self, *, list courses):
        cdef Py_ssize_t i
        self.courses = <Course *> calloc(len(courses) + 1, sizeof(Course))
        if self.courses == NULL:
            raise MemoryError("liquidation: no memory")
        for i in range(len(courses)):
            if courses[i]:
                self.courses[i] = courses[i]
        self.next_deadline = INT64_MAX

    def __dealloc__(self):
        free(self.courses)

    def set_course(self, int venue, dict course):
        """Put the rules of a date in force; a liquidation that is under way keeps its deadline."""
        self.courses[venue] = course

    cdef int cancel_orders(self, int32_t account, PoolState *pool, uint8_t forced, int32_t only,
                           int64_t time) except -1 nogil:
        """Cancel the owner's orders of a pool, or the venue's own forced ones; of one contract when `only` >= 0."""
        cdef int32_t i, row, following
        cdef Slot *leg = NULL
        cdef Order *order
        if (<Account> self.accounts[account]).working == 0:
            return 0
        if pool.isolated >= 0:
            leg = (<Account> self.accounts[account]).state.slots[pool.isolated]
        for i in range(self.n_markets):
            if (<Market> self.markets[i]).active == 0 or (only >= 0 and i != only):
                continue
            if leg != NULL:
                if leg.position.instrument != i:
                    continue
            elif pool.asset >= 0 and self.world.contracts[i].settle != pool.asset:
                continue
            elif (<Account> self.accounts[account]).state.isolated[i]:
                continue
            row = (<Market> self.markets[i]).head
            while row >= 0:
                order = self.store.at(row)
                following = order.next
                if order.account == account and ((order.flags & FORCED_ORDER) != 0) == forced and not (
                        forced and leg != NULL and order.leg != leg.position.leg):
                    (<Market> self.markets[i]).cancel(order, BY_VENUE, time)
                row = following
        return 0

    cdef int cancel_risky(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil:
        """Cancel the owner's orders that hold margin in a cross pool (which of them would add risk is inferred).

        Not if further fills of the instant have brought the margin that it lacked.
        """
        cdef int32_t i, row, following
        cdef Order *order
        (<Account> self.accounts[account]).state.look(pool)
        if not (<Account> self.accounts[account]).lacks_margin(pool):
            return 0
        for i in range(self.n_markets):
            if ((<Market> self.markets[i]).active == 0 or self.world.contracts[i].kind == SPOT
                    or (pool.asset >= 0 and self.world.contracts[i].settle != pool.asset)
                    or (<Account> self.accounts[account]).state.isolated[i]):
                continue
            row = (<Market> self.markets[i]).head
            while row >= 0:
                order = self.store.at(row)
                following = order.next
                if order.account == account and order.counted:
                    (<Market> self.markets[i]).cancel(order, BY_VENUE, time)
                row = following
        return 0

    cdef int begin(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil:
        """Number the liquidation of a pool, set its deadline, cancel orders."""
        cdef Course *course = &self.courses[(<Account> self.accounts[account]).venue]
        self.episodes += 1
        pool.episode = self.episodes
        pool.deadline = time + course.time_limit if course.time_limit > 0 else INT64_MAX
        pool.has_stepped = False
        if pool.deadline < self.next_deadline:
            self.next_deadline = pool.deadline
        pool.next_round = 0
        if not course.cancels_contract:
            self.cancel_orders(account, pool, False, -1, time)
        return 0

    cdef int64_t go_on(self, int32_t account, int64_t time) except? -1 nogil:
        cdef PoolState *pool
        cdef int64_t earliest = INT64_MAX
        cdef int32_t i
        for i in range((<Account> self.accounts[account]).state.n_pools):
            pool = (<Account> self.accounts[account]).state.pools[i]
            if pool.condition == LIQUIDATING and (
                    0 < pool.ready <= time if pool.episode == 0
                    else pool.deadline <= time or 0 < pool.next_round <= time):
                self.proceed(account, pool, time)
            if pool.condition == LIQUIDATING:
                earliest = min(earliest, pool.deadline)
                if pool.next_round > time:
                    earliest = min(earliest, pool.next_round)
                if pool.ready > time:
                    earliest = min(earliest, pool.ready)
        return earliest

    cdef bint waits(self, int32_t account, PoolState *pool, int64_t time) noexcept nogil:
        """Whether the engine of the venue, which is late, has not come to this pool yet."""
        cdef Course *course = &self.courses[(<Account> self.accounts[account]).venue]
        if course.lag == 0 or pool.episode != 0:
            return False
        if pool.ready == 0:
            pool.ready = time + course.lag
        if time < pool.ready:
            self.next_deadline = min(self.next_deadline, pool.ready)
            return True
        return False

    cdef int proceed(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil:
        cdef int32_t worst, guard = 0
        cdef int64_t quantity
        cdef Course *course = &self.courses[(<Account> self.accounts[account]).venue]
        cdef bint is_offered, at_once = course.is_joint_at_once if pool.asset < 0 else course.is_at_once
        if pool.episode == 0:
            self.begin(account, pool, time)
        while guard < 1000:
            guard += 1
            (<Account> self.accounts[account]).state.look(pool)
            if pool.pool.count == 0 or pool.risk.maintenance <= 0.0:
                if pool.pool.count == 0 and (pool.asset < 0 or pool.risk.equity < 0.0):
                    self.settle(account, pool, time)
                return self.finish(account, pool, time)
            is_offered = self.is_offered(account, pool)
            # Equity within the rounding of floats is gone. What was offered at once stays so to the end.
            if time >= pool.deadline or pool.risk.equity <= course.backstop * pool.risk.maintenance or (
                    pool.risk.equity - pool.risk.close_fees <= 1e-12 * pool.risk.notional
                    and not (is_offered and at_once)):
                self.take_over(account, pool, time)
                return self.finish(account, pool, time)
            if is_offered:
                return 0                     # it takes the next price, even if the mark has come back
            if (<Account> self.accounts[account]).state.ratio(pool) < 1.0:
                return self.finish(account, pool, time)
            worst = largest(pool)
            if worst < 0:
                return self.finish(account, pool, time)
            if course.cancels_contract and self.cancel_contract(account, pool, worst, time):
                continue
            if at_once:
                self.offer_all(account, pool, time)
                continue
            if course.is_tiered if pool.isolated >= 0 else course.is_cross_tiered:
                self.step_or_take(account, pool, worst, time)
                continue
            if time < pool.next_round:
                return 0
            quantity = (self.part_to_close(account, pool, worst, time) if course.is_in_parts
                        else self.quantity_to_close(account, pool, worst))
            self.offer(account, pool, worst, quantity,
                       0.0 if course.has_no_limit else bankruptcy_price(&pool.pool, worst), time)
            if course.round_time > 0:
                pool.next_round = time + course.round_time
                self.next_deadline = min(self.next_deadline, pool.next_round)
        return 0

    cdef bint cancel_contract(self, int32_t account, PoolState *pool, int32_t leg, int64_t time) except -1 nogil:
        """Cancel the owner's orders in the contract of a leg; returns 1 when there were any."""
        cdef Slot *slot = (<Account> self.accounts[account]).state.slots[pool.slots[leg]]
        cdef int32_t before = slot.open_orders
        self.cancel_orders(account, pool, False, slot.position.instrument, time)
        return slot.open_orders < before

    cdef int64_t part_to_close(self, int32_t account, PoolState *pool, int32_t at, int64_t time) noexcept nogil:
        """Quantity units of the next order of a course in parts; a part that was closed begins the cooldown."""
        cdef Course *course = &self.courses[(<Account> self.accounts[account]).venue]
        cdef Leg *leg = &pool.pool.legs[at]
        cdef int64_t lot = max(<int64_t> 1, leg.contract.lot)
        cdef double needed = part_of(leg, course.whole_up_to, course.part)
        if time - course.cooldown < (<Account> self.accounts[account]).part_closed or needed >= fabs(leg.quantity):
            return whole_units(leg)
        return min(whole_units(leg), <int64_t> ceil(needed / leg.contract.quantity_unit / lot - 1e-9) * lot)

    cdef int step_or_take(self, int32_t account, PoolState *pool, int32_t at, int64_t time) except -1 nogil:
        """Offer the difference to a lower tier that suffices, once; else the position is taken over."""
        cdef Leg *leg = &pool.pool.legs[at]
        cdef double limit = bankruptcy_price(&pool.pool, at)
        cdef double needed = step_down(&pool.pool, at, self.worst_price(account, leg), leg.close_fee)
        cdef int64_t lot = max(<int64_t> 1, leg.contract.lot)
        cdef int64_t quantity = <int64_t> ceil(needed / leg.contract.quantity_unit / lot - 1e-9) * lot
        cdef Order *order
        if pool.has_stepped or quantity >= whole_units(leg):
            return self.take_over(account, pool, time)
        pool.has_stepped = True
        order = self.forced(account, pool, at, quantity, limit, time)
        order.tif = FOK
        return (<Market> self.markets[order.instrument]).add(order, time)

    cdef double worst_price(self, int32_t account, const Leg *leg) noexcept nogil:
        """The mark and the slippage of a taker fill that closes a leg."""
        cdef double side = -1.0 if leg.quantity > 0.0 else 1.0
        return leg.mark * (1.0 + side * (<Account> self.accounts[account]).slippage)

    cdef bint is_offered(self, int32_t account, PoolState *pool) noexcept nogil:
        """Whether a forced order of the pool is out."""
        cdef int32_t leg
        for leg in range(pool.pool.count):
            if (<Account> self.accounts[account]).state.slots[pool.slots[leg]].forced_orders > 0:
                return True
        return False

    cdef int offer_all(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil:
        """Offer every position whole, all at prices at which the pool is worth zero now."""
        cdef Risk risk = pool.risk
        cdef int32_t i, row, end, first = self.store.count
        for i in range(pool.pool.count):
            if pool.pool.legs[i].quantity != 0.0:
                self.forced(account, pool, i, whole_units(&pool.pool.legs[i]),
                            joint_bankruptcy_price(&pool.pool, &risk, i), time)
        # Only now, when all are priced: the first of them may fill at once and change the legs.
        end = self.store.count
        for row in range(first, end):
            (<Market> self.markets[self.store.at(row).instrument]).add(self.store.at(row), time)
        return 0

    cdef int64_t quantity_to_close(self, int32_t account, PoolState *pool, int32_t at) noexcept nogil:
        """Quantity units of a leg that bring the pool back to its requirement, after price and fee, else all."""
        cdef Leg *leg = &pool.pool.legs[at]
        cdef double price = self.worst_price(account, leg)
        cdef double rate = <double> leg.contract.clearance_fee * 1e-10 + leg.close_fee
        cdef Course *course = &self.courses[(<Account> self.accounts[account]).venue]
        cdef double needed = reduction(&pool.pool, at, price, rate, course.target)
        cdef int64_t lot = max(<int64_t> 1, leg.contract.lot)
        if course.round_time > 0:
            needed = min(needed, course.round_share * fabs(leg.quantity))
        # The next lot up: exactly `needed` would leave the pool on its requirement, which still triggers.
        return min(whole_units(leg), (<int64_t> (needed / leg.contract.quantity_unit) // lot + 1) * lot)

    cdef int offer(self, int32_t account, PoolState *pool, int32_t at, int64_t quantity, double limit,
                   int64_t time) except -1 nogil:
        cdef Order *order = self.forced(account, pool, at, quantity, limit, time)
        return (<Market> self.markets[order.instrument]).add(order, time)

    cdef Order *forced(self, int32_t account, PoolState *pool, int32_t at, int64_t quantity, double limit,
                       int64_t time) except NULL nogil:
        """A new order that closes units of a leg at no worse price than the limit; 0 = at any."""
        cdef Order *order = self.store.new()
        cdef Leg *leg = &pool.pool.legs[at]
        order.account = account
        order.instrument = leg.contract.index
        order.strategy = -1
        order.side = -1 if leg.quantity > 0.0 else 1
        order.leg = leg.side
        order.type = MARKET
        order.tif = GTC
        order.flags = FORCED_ORDER
        order.quantity = quantity
        order.submitted = time
        order.arrived = time
        order.expires = pool.deadline
        order.decision_price = self.world.prices[order.instrument].mark
        if limit > 0.0:
            # Rounded to the side that keeps the pool at or above zero.
            order.price = <int64_t> (ceil(limit / leg.contract.price_unit - 1e-9) if order.side < 0
                                     else limit / leg.contract.price_unit + 1e-9)
        return order

    cdef int take_over(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil:
        """The fund takes every position at prices at which the pool is worth zero, and holds them at the mark.

        What a limited fund cannot pay for goes to the winners of the other side at that price, where the run has them.
        """
        cdef int32_t i, asset, fund, unfunded
        cdef int64_t ceded
        cdef Leg *leg
        cdef Order *order
        cdef Slot *slot
        cdef PostingContext context
        cdef double share
        cdef int64_t price, quantity, mark, loss, had, kept
        cdef Py_ssize_t at
        cdef LiquidationRow *row
        self.cancel_orders(account, pool, True, -1, time)
        share = joint_share(&pool.pool, &pool.risk)      # of its notional; every leg gives up the same
        while pool.pool.count > 0:
            leg = NULL
            for i in range(pool.pool.count):
                if pool.pool.legs[i].quantity != 0.0:
                    leg = &pool.pool.legs[i]
                    break
            if leg == NULL:
                break
            slot = (<Account> self.accounts[account]).state.slots[pool.slots[i]]
            mark = self.world.prices[leg.contract.index].mark
            fund = self.ledger.fund((<Account> self.accounts[account]).venue, leg.contract.index)
            price = max(<int64_t> 1, <int64_t> rint(price_at_share(leg, share) / leg.contract.price_unit))
            quantity = slot.position.quantity
            asset = leg.contract.settle
            order = self.close_at(account, pool, i, quantity if quantity > 0 else -quantity, price, time, BY_TAKEOVER)
            at = (<Account> self.accounts[account]).journal.liquidations.rows - 1
            context.time = time
            context.ref = order.id
            context.instrument = order.instrument
            context.strategy = -1
            context.tag = -1
            ceded = 0
            if self.courses[(<Account> self.accounts[account]).venue].has_limited_fund:
                ceded = self.cede((<Account> self.accounts[account]).venue, order.instrument, quantity, price, time)
            had = max(<int64_t> 0, self.ledger.balance(fund, asset))
            kept = self.loss_of(order.instrument, quantity - ceded, price, mark)
            self.ledger.post(
                &context, fund, self.ledger.pseudo((<Account> self.accounts[account]).venue, COUNTERPARTIES),
                asset, INSURANCE, -kept)
            unfunded = self.cover(&context, (<Account> self.accounts[account]).venue, fund, asset)
            row = <LiquidationRow *> (<Account> self.accounts[account]).journal.liquidations.at(at)
            row.bankruptcy = price
            loss = self.loss_of(order.instrument, quantity, price, mark)
            if loss > 0:
                row.shortfall = loss
                # where winners took the rest, what the fund kept it could pay; a rest of rounding is not the shortfall
                row.paid_by = (UNFUNDED if unfunded and (ceded == 0 or kept > had)
                               else ADL_COUNTERPARTIES if ceded != 0 else INSURANCE_FUND)
        return self.settle(account, pool, time)

    cdef int settle(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil:
        """No position is left: debts are covered by other assets where the venue does so, then by the fund."""
        cdef int32_t i
        if pool.asset >= 0:
            return self.settle_rest(account, pool.asset, pool, time)
        self.auto_exchange.cover_all(account, time, True)
        for i in range(self.world.n_assets):
            self.settle_rest(account, i, pool, time)
        return self.auto_exchange.repay_all(account, time)

    cdef int settle_rest(self, int32_t account, int32_t asset, PoolState *pool, int64_t time) except -1 nogil:
        """What rounding left after a takeover goes to the fund; a debt is filled up to zero by it."""
        cdef int64_t rest
        if pool.isolated >= 0:
            return 0                     # Account.fill has done it for the leg's own wallet
        rest = ((<Account> self.accounts[account]).state.balances[asset]
                - (<Account> self.accounts[account]).state.earmarked[asset])
        if rest == 0 or (pool.asset < 0 and rest > 0):
            return 0                     # multi-assets: other coins stay the owner's
        return self.clear(account, asset, rest, pool.alone, time)

    cdef int clear(
        self, int32_t account, int32_t asset, int64_t rest, int32_t alone, int64_t time
    ) except -1 nogil:
        """Move the rest of a cross wallet, a debt when negative, to the insurance fund (of what stood alone there)."""
        cdef PostingContext context
        cdef int32_t fund = self.ledger.fund((<Account> self.accounts[account]).venue, alone)
        context.time = time
        context.ref = 0
        context.instrument = -1
        context.strategy = -1
        context.tag = -1
        (<Account> self.accounts[account]).post(&context, fund, asset, INSURANCE, -rest, NULL)
        self.cover(&context, (<Account> self.accounts[account]).venue, fund, asset)
        return 0

    cdef int cover(
        self, const PostingContext *context, int32_t venue, int32_t fund, int32_t asset
    ) except -1 nogil:
        """What a venue's limited fund owes is a loss that nobody pays; returns 1 when there is one."""
        cdef int64_t rest = self.ledger.balance(fund, asset)
        if rest >= 0 or not self.courses[venue].has_limited_fund:
            return 0
        self.ledger.post(context, fund, self.ledger.unfunded, asset, UNFUNDED_LOSS, -rest)
        return 1

    cdef int cover_debts(self, int32_t account, int64_t time) except -1 nogil:
        """A cross wallet below zero without a position is filled up by the fund (binance.md section 5, B4)."""
        cdef PoolState *pool
        cdef int32_t asset, cross, alone, i
        cdef int64_t rest
        cdef bint held
        for asset in range(self.world.n_assets):
            rest = ((<Account> self.accounts[account]).state.balances[asset]
                    - (<Account> self.accounts[account]).state.earmarked[asset])
            if rest >= 0:
                continue
            held = False
            alone = -1
            cross = (<Account> self.accounts[account]).state.cross_pool[asset]
            if cross >= 0:
                pool = (<Account> self.accounts[account]).state.pools[cross]
                alone = pool.alone
                for i in range(pool.pool.count):
                    held = held or pool.pool.legs[i].quantity != 0.0
            if not held:
                self.clear(account, asset, rest, alone, time)
                self.tell(account, asset, time)
        return 0

    cdef int tell(self, int32_t account, int32_t only, int64_t time) except -1 nogil:
        """Tell the owner of a new balance (-1: of all), and note when nothing is left."""
        cdef int32_t i
        cdef bint empty = True
        for i in range(self.world.n_assets):
            if i == only or only < 0:
                (<Account> self.accounts[account]).message(STATE_ONLY, time, NULL, i)
            if (<Account> self.accounts[account]).state.balances[i] > 0:
                empty = False
        if empty:
            (<Account> self.accounts[account]).ruined = True
        return 0

    cdef int finish(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil:
        self.cancel_orders(account, pool, True, -1, time)
        pool.condition = NORMAL
        pool.episode = 0
        pool.next_round = 0
        pool.ready = 0
        (<Account> self.accounts[account]).examine(pool, time)
        (<Account> self.accounts[account]).sample(pool, time, 2)
        return self.tell(account, pool.asset, time)


cdef int32_t largest(const PoolState *pool) noexcept nogil:
    """The leg that asks for the most maintenance; -1 without a position."""
    cdef int32_t i, worst = -1
    cdef double need, most = -1.0
    for i in range(pool.pool.count):
        need = leg_maintenance(&pool.pool, &pool.pool.legs[i])
        if pool.pool.legs[i].quantity != 0.0 and need > most:
            most = need
            worst = i
    return worst


cdef int64_t whole_units(const Leg *leg) noexcept nogil:
    """Quantity units of a leg."""
    return <int64_t> rint(fabs(leg.quantity) / leg.contract.quantity_unit)
