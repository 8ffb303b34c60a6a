"""Liquidation down the risk tiers (OKX, venues/okx.md section 7), beside the courses of `Liquidator`.

The long and the short of a contract are offset against each other; then, once in each stretch of the venue's pace, an
order moves a position so many tiers down; what has not so many below it, and a pool for which the requirement of the
first tier is too much, is taken over. Where debts and not positions ask for the margin, they are repaid first.
"""

from libc.math cimport ceil, fabs
from venues.account cimport Account
from venues.liquidation cimport Course, Liquidator, whole_units
from venues.margin cimport Leg, bankruptcy_price, joint_share, leg_maintenance
from venues.records cimport BY_LIQUIDATION
from venues.reductions cimport first_tier_requirement, tiers_down


cdef class TierLiquidator(Liquidator):
    """Liquidation of all accounts of a run; `Liquidator` lists its arguments."""

    cdef int proceed(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil:
        """Offset pairs, then move one position at a time down its tiers, or take over all (`pool.deadline` = pace)."""
        cdef Course *course = &self.courses[(<Account> self.accounts[account]).venue]
        cdef int32_t at, guard = 0
        cdef int64_t quantity = 0
        if course.tiers_down == 0:
            return Liquidator.proceed(self, account, pool, time)
        if pool.episode == 0:
            self.begin(account, pool, time)
            pool.deadline = time
        while guard < 1000:
            guard += 1
            (<Account> self.accounts[account]).state.look(pool)
            if pool.pool.count == 0 or pool.risk.maintenance <= 0.0:
                if pool.pool.count == 0 and (pool.asset < 0 or pool.risk.equity < 0.0):
                    self.settle(account, pool, time)
                return self.finish(account, pool, time)
            if (pool.risk.equity - pool.risk.close_fees <= 1e-12 * pool.risk.notional
                    or pool.risk.equity <= first_tier_requirement(&pool.pool)):
                if self.repaid(account, pool, time):
                    continue
                self.take_over(account, pool, time)
                return self.finish(account, pool, time)
            if self.is_offered(account, pool):
                if pool.deadline <= time:
                    pool.deadline = time + course.pace
                return 0                     # it takes the next price, even if the mark has come back
            if (<Account> self.accounts[account]).state.ratio(pool) < 1.0:
                return self.finish(account, pool, time)
            if self.offset_pair(account, pool, time):
                continue
            at = self.steps_down(account, pool, &quantity)
            if at < 0 and self.repaid(account, pool, time):
                continue
            if at < 0:
                self.take_over(account, pool, time)
                return self.finish(account, pool, time)
            if pool.deadline > time:
                return 0                     # one order in each stretch of the venue's pace
            pool.deadline = time + course.pace
            self.next_deadline = min(self.next_deadline, pool.deadline)
            self.offer(account, pool, at, quantity, bankruptcy_price(&pool.pool, at), time)
        return 0

    cdef bint repaid(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil:
        """Repay debts where positions are worth less than the equity, so that it is debts that ask for margin (U)."""
        cdef int32_t asset
        cdef int64_t before = 0, after = 0
        if pool.asset >= 0 or joint_share(&pool.pool, &pool.risk) < 1.0:
            return 0
        for asset in range(self.world.n_assets):
            before += (<Account> self.accounts[account]).state.owed(asset) > 0
        if before == 0:
            return 0
        self.auto_exchange.cover_all(account, time, True)
        for asset in range(self.world.n_assets):
            after += (<Account> self.accounts[account]).state.owed(asset) > 0
        return after < before

    cdef int32_t steps_down(self, int32_t account, PoolState *pool, int64_t *quantity) noexcept nogil:
        """The leg with tiers enough below it that asks for the most, and the units to close; -1 without one."""
        cdef int32_t down = self.courses[(<Account> self.accounts[account]).venue].tiers_down
        cdef int32_t i, found = -1
        cdef double need, closed, most = -1.0
        cdef int64_t lot
        cdef Leg *leg
        for i in range(pool.pool.count):
            leg = &pool.pool.legs[i]
            need = leg_maintenance(&pool.pool, leg) * leg.conversion
            closed = tiers_down(leg, down)
            if leg.quantity == 0.0 or closed >= fabs(leg.quantity) or need <= most:
                continue
            most = need
            found = i
            lot = max(<int64_t> 1, leg.contract.lot)
            quantity[0] = <int64_t> ceil(closed / leg.contract.quantity_unit / lot - 1e-9) * lot
        return found

    cdef int32_t offset_pair(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil:
        """Close a long and a short leg of one contract against each other at the mark; 1 when there was such a pair."""
        cdef int32_t i
        cdef int64_t quantity, price
        cdef Leg *leg
        for i in range(1, pool.pool.count):
            leg = &pool.pool.legs[i]
            if leg.contract != (leg - 1).contract or leg.quantity == 0.0 or (leg - 1).quantity == 0.0:
                continue
            quantity = min(whole_units(leg), whole_units(leg - 1))
            price = self.world.prices[leg.contract.index].mark
            # the later one first: a leg that is closed whole leaves the pool
            self.close_at(account, pool, i, quantity, price, time, BY_LIQUIDATION)
            self.close_at(account, pool, i - 1, quantity, price, time, BY_LIQUIDATION)
            return 1
        return 0
