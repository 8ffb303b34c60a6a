"""Stretches of bars that touch nothing: no order rests, no margin band is left, so only their prices move on.

What a quiet stretch leaves out has no effect: the results are those of unfolding every part (design.md section 4).
"""

from backtest.loop_state cimport BarPath
from backtest.samples cimport Samples
from feeds.cursor cimport Cursor
from feeds.events cimport BAR, MARK_BAR
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t, int8_t
from venues.account cimport Account
from venues.margin cimport Band, Leg, Risk
from venues.matching cimport Market
from venues.state cimport LIQUIDATING, PoolState, Slot
from venues.world cimport INDEX_PRICE, LAST_PRICE, MARK_PRICE


cdef class QuietBars(Samples):
    """Finds stretches of bars in which nothing happens, and passes over them."""

    cdef bint is_calm(self, int32_t instrument) noexcept nogil:
        cdef int32_t i, j
        if self.unfolds_all or (<Market> self.exchange.markets[instrument]).active:
            return False
        if self.exchange.crowd is not None and self.exchange.crowd.n_active > 0:
            return False
        for i in range(self.exchange.n_accounts):
            for j in range((<Account> self.exchange.accounts[i]).state.n_pools):
                if (<Account> self.exchange.accounts[i]).state.pools[j].condition == LIQUIDATING:
                    return False
        return True

    cdef int quiet_part(self, int64_t time) noexcept nogil:
        cdef int32_t s
        cdef int part = 0
        if self.unfolds_all or self.venue_world.attention:
            return 0
        if self.common_close(time) > 0 and self.stays_quiet(time, 3):
            return 3
        for s in range(self.n_streams):
            if self.kind[s] >= BAR and self.venue.times[s] == time and self.paths[s].phase > 0:
                if part != 0 and part != self.paths[s].phase:
                    return 0
                part = self.paths[s].phase
        return part if self.stays_quiet(time, part) else 0

    cdef int64_t common_close(self, int64_t time) noexcept nogil:
        cdef int32_t s
        cdef int64_t close = 0
        for s in range(self.n_streams):
            if self.kind[s] >= BAR and self.venue.times[s] == time and self.paths[s].phase > 0:
                if close != 0 and close != self.paths[s].times[3]:
                    return 0
                close = self.paths[s].times[3]
        if (close >= self.end or close >= self.next_sample or close >= self.next_rule
                or close >= self.local.best_time or close >= self.local_agenda.next_time
                or close >= self.venue_agenda.next_time or close >= self.exchange.liquidator.next_deadline
                or self.exchange.outbox.count > 0):
            return 0
        for s in range(self.n_streams):
            if self.venue.times[s] <= close and self.venue.times[s] != time:
                return 0
            if self.venue.times[s] == time and (self.kind[s] < BAR or self.paths[s].phase == 0):
                return 0
        return close

    cdef bint stays_quiet(self, int64_t time, int part) noexcept nogil:
        """Whether the bars of this instant may go on to a part."""
        cdef int32_t s, instrument
        cdef int64_t low, high
        cdef int k
        cdef BarPath *path
        for s in range(self.n_streams):
            path = &self.paths[s]
            if self.kind[s] < BAR or self.venue.times[s] != time or path.phase == 0:
                continue
            if self.asset[s] >= 0:
                return False             # the worth of collateral moves
            instrument = (<Cursor> self.cursor[s]).instrument
            if not self.is_calm(instrument):
                return False
            if self.kind[s] == MARK_BAR:
                low = path.here
                high = path.here
                for k in range(path.phase, part + 1):
                    low = min(low, path.prices[k])
                    high = max(high, path.prices[k])
                if not self.margin_stays(instrument, low, high):
                    return False
        return self.slack_is_left()

    cdef bint margin_stays(self, int32_t instrument, int64_t low, int64_t high) noexcept nogil:
        """Whether a mark stays inside all bands between two prices; books the worst on the slack for the moment.

        The booking is made good by `pass_price`, or by the look at every pool when the stretch is not quiet after all.
        """
        cdef int32_t i
        cdef int leg
        cdef Slot *slot
        cdef PoolState *pool
        cdef Band *band
        cdef double down = self.venue_world.price_value(instrument, low)
        cdef double up = self.venue_world.price_value(instrument, high)
        cdef double reference, worst
        if self.exchange.crowd is not None and self.exchange.crowd.is_met(instrument, down, up):
            return False
        for i in range(self.exchange.n_accounts):
            for leg in range(-1, 2):
                slot = (<Account> self.exchange.accounts[i]).state.find(instrument, <int8_t> leg)
                if slot == NULL or slot.pool < 0:
                    continue
                pool = (<Account> self.exchange.accounts[i]).state.pools[slot.pool]
                band = &pool.bands[slot.leg]
                if pool.stale or down <= band.low or up >= band.high:
                    return False
                # The loss is a kinked line through 0 at the reference: its largest value is at one of the ends.
                reference = pool.pool.legs[slot.leg].mark
                worst = max(loss(band, reference, down), loss(band, reference, up))
                if down < reference < up and worst < 0.0:
                    worst = 0.0
                pool.total_spent += worst - pool.spent[slot.leg]
                pool.spent[slot.leg] = worst
        return True

    cdef bint slack_is_left(self) noexcept nogil:
        cdef int32_t i, j
        cdef PoolState *pool
        for i in range(self.exchange.n_accounts):
            for j in range((<Account> self.exchange.accounts[i]).state.n_pools):
                pool = (<Account> self.exchange.accounts[i]).state.pools[j]
                if pool.pool.count > 0 and (pool.stale or pool.total_spent >= pool.slack):
                    return False
        return True

    cdef void pass_price(self, int32_t stream, int64_t price, int64_t time) noexcept nogil:
        """The price of a bar's stream moves on; bands take note of a mark."""
        cdef int32_t i, instrument = (<Cursor> self.cursor[stream]).instrument
        if self.kind[stream] == BAR:
            self.venue_world.set_price(instrument, LAST_PRICE, price, time)
        elif self.kind[stream] == MARK_BAR:
            self.venue_world.set_price(instrument, MARK_PRICE, price, time)
            for i in range(self.exchange.n_accounts):
                (<Account> self.exchange.accounts[i]).mark_moved(instrument)
        else:
            self.venue_world.set_price(instrument, INDEX_PRICE, price, time)

    cdef double highest_ratio(self) noexcept nogil:
        """Highest ratio of any pool that is not in liquidation at the present prices; bands stay as they are."""
        cdef int32_t i, j, k
        cdef PoolState *pool
        cdef Leg *legs
        cdef double *marks
        cdef Risk risk
        cdef double ratio, worst = 0.0
        for i in range(self.exchange.n_accounts):
            for j in range((<Account> self.exchange.accounts[i]).state.n_pools):
                pool = (<Account> self.exchange.accounts[i]).state.pools[j]
                if pool.pool.count == 0 or pool.condition == LIQUIDATING:
                    continue
                legs = pool.pool.legs
                marks = (<Account> self.exchange.accounts[i]).marks
                for k in range(pool.pool.count):
                    marks[k] = legs[k].mark
                    legs[k].mark = self.venue_world.prices[legs[k].contract.index].mark_value
                (<Account> self.exchange.accounts[i]).state.engine.risk(&pool.pool, &risk)
                for k in range(pool.pool.count):
                    legs[k].mark = marks[k]
                ratio = 0.0
                if risk.maintenance > 0.0:
                    ratio = risk.maintenance / risk.equity if risk.equity > 0.0 else INFINITY
                if ratio > worst:
                    worst = ratio
        return worst
