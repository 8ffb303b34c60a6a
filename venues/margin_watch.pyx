"""Looks after the margin of positions: warnings, the trigger of a liquidation, samples for the journal."""

from libc.math cimport INFINITY, fabs
from libc.stdint cimport int8_t
from venues.contract cimport Contract
from venues.margin cimport Risk
from venues.order_margin cimport OrderMargin
from venues.orders cimport INSUFFICIENT_MARGIN, NO_REASON, NOTHING_TO_REDUCE
from venues.outbox cimport MARGIN_CALL, STATE_ONLY, Message
from venues.records cimport MarginCallRow, MarginRow
from venues.state cimport LIQUIDATING, NORMAL, WARNED, PoolState, Slot


cdef class MarginWatch(OrderMargin):
    """Decides when an account is warned and when it is liquidated."""

    cdef void mark_moved(self, int32_t instrument) noexcept nogil:
        cdef int leg
        cdef Slot *slot
        cdef double mark = self.world.prices[instrument].mark_value
        for leg in range(-1, 2):
            slot = self.state.find(instrument, <int8_t> leg)
            if slot != NULL and slot.pool >= 0 and self.state.mark_moved(slot, mark):
                self.flag(self.state.pools[slot.pool])

    cdef int check(self, int64_t time) except -1 nogil:
        cdef int32_t i
        self.flagged = False
        for i in range(self.state.n_pools):
            if self.state.pools[i].stale >= 2:
                self.examine(self.state.pools[i], time)
        return 0

    cdef int examine(self, PoolState *pool, int64_t time) except -1 nogil:
        cdef double ratio, threshold
        cdef Message *m
        cdef MarginCallRow *call
        cdef Slot *slot
        cdef int32_t i
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
        if ratio >= self.trigger:
            pool.condition = LIQUIDATING
            pool.trigger_ratio = ratio
            for i in range(pool.pool.count):
                slot = self.state.slots[pool.slots[i]]
                slot.trigger_mark = self.world.prices[slot.position.instrument].mark
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
            call.account = self.label
            call.asset = pool.asset
            call.instrument = m.instrument
            call.strategy = -1
            call.active = m.active
            self.sample(pool, time, 2)
        if self.cancels_early and pool.isolated < 0 and pool.risk.orders > 0.0:
            # okx.md sections 4 and 7: orders go before positions, once equity fails the test that admits orders
            pool.stale = 1                   # no band is about that test
            if self.lacks_margin(pool):
                pool.is_overdrawn = True
                self.overdrawn = True
                self.world.attention = True
            return 0
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

    cdef bint lacks_margin(self, const PoolState *pool) noexcept nogil:
        """Whether equity was below the margin of positions and orders at the last look, by more than rounding."""
        return pool.risk.equity < pool.risk.initial + pool.risk.orders - 1e-12 * (
            fabs(pool.risk.equity) + pool.risk.notional + pool.risk.orders)

    cdef int write_margin(self, PoolState *pool, const Risk *risk, double distance, int64_t time,
                          int32_t flags) except -1 nogil:
        cdef MarginRow *row = <MarginRow *> self.journal.margin.append()
        row.time = time
        row.equity = risk.equity
        row.initial = risk.initial + risk.orders
        row.maintenance = risk.maintenance
        row.ratio = (
            0.0 if risk.maintenance <= 0.0 else INFINITY if risk.equity <= 0.0 else risk.maintenance / risk.equity)
        row.leverage = 0.0 if risk.notional <= 0.0 else INFINITY if risk.equity <= 0.0 else risk.notional / risk.equity
        # At or beyond the liquidation price nothing is left, however far the mark has leapt over it.
        row.distance = 0.0 if 0.0 < risk.maintenance and risk.equity <= risk.maintenance else distance
        row.account = self.label
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
        if atoms < 0 and pool.risk.equity < max(pool.risk.initial, pool.risk.notional * c.transfer_share):
            self.earmark(slot, -atoms)
            return INSUFFICIENT_MARGIN
        self.examine(pool, time)
        self.message(STATE_ONLY, time, slot, c.settle)
        return NO_REASON
