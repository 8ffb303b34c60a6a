"""Stretches of bars that touch nothing, with their marks: both clocks pass over them in one loop.

At an instant the bars before it are delivered and the next ones open; what is left out is only their way to the close,
while no order rests and no band of margin can be left between the extremes. The results are those of unfolding every
part of every bar, which `unfolds_all` asks for.
"""

from backtest.quiet_bars cimport loss
from backtest.stretches cimport Stretches
from feeds.cursor cimport Cursor
from feeds.events cimport BAR, EVENT_KINDS, Event, MARK_BAR
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free, realloc
from venues.account cimport Account
from venues.matching cimport Market
from venues.state cimport LIQUIDATING, PoolState
from venues.world cimport MARK_PRICE


cdef class BarStretches(Stretches):
    """Passes over bars that need no decision between two deliveries."""

    def __dealloc__(self):
        free(self.lanes)
        free(self.watches)

    cdef Py_ssize_t pass_bars(self, int64_t end, Py_ssize_t most) except -1 nogil:
        cdef int32_t s = self.local.best
        cdef int64_t time = self.local.best_time, timeframe, limit
        if ((self.kind[s] != BAR and self.kind[s] != MARK_BAR) or time <= self.now
                or (self.venue.best_time != time and self.venue.best_time != time + 1)):
            return 0
        timeframe = (<Cursor> self.cursor[s]).timeframe
        # A longer bar has a sample on its way.
        if (timeframe > self.sample_interval or (<Cursor> self.cursor[s]).latency > 0 or self.context.alerts_due
                or not self.is_plain_moment()):
            return 0
        limit = self.gather(time, timeframe, end)
        if self.n_lanes == 0 or time + timeframe > limit or not self.watch_margin():
            return 0
        return self.pass_instants(time, timeframe, limit, most)

    cdef int64_t gather(self, int64_t time, int64_t timeframe, int64_t end) except -1 nogil:
        """Find the streams whose bars are delivered and open now; return when anything else is due."""
        cdef int32_t s, i
        cdef Lane *lane
        cdef int64_t limit = min(end, self.next_rule, self.exchange.liquidator.next_deadline)
        if self.lanes == NULL:
            self.lanes = <Lane *> calloc(self.n_streams + 1, sizeof(Lane))
            if self.lanes == NULL:
                with gil:
                    raise MemoryError("loop: no memory for streams of bars")
            for i in range(self.n_strategies):
                self.marks_heard |= self.bound[i * EVENT_KINDS + <int> MARK_BAR] != NULL
        self.n_lanes = 0
        self.is_alone = True
        for s in range(self.n_streams):
            if not self.is_lane(s, <Cursor> self.cursor[s], time, timeframe):
                limit = min(limit, self.venue.times[s], self.local.times[s])
                self.is_alone &= self.kind[s] != MARK_BAR or self.paths[s].phase == 0
                continue
            lane = &self.lanes[self.n_lanes]
            lane.columns = &(<Cursor> self.cursor[s]).venue_batch.columns
            lane.row = (<Cursor> self.cursor[s]).venue_row
            lane.stream = s
            lane.instrument = (<Cursor> self.cursor[s]).instrument
            lane.is_mark = self.kind[s] == MARK_BAR
            lane.divisor = self.venue_world.divisors[lane.instrument]
            self.n_lanes += 1
        return limit

    cdef bint is_lane(self, int32_t stream, Cursor cursor, int64_t time, int64_t timeframe) noexcept nogil:
        if ((self.kind[stream] != BAR and self.kind[stream] != MARK_BAR) or self.passive[stream]
                or self.asset[stream] >= 0 or self.paths[stream].phase != 0 or self.local.times[stream] != time):
            return False
        return (cursor.next_ts == time and cursor.timeframe == timeframe and cursor.latency == 0
                and <void *> cursor.local_batch == <void *> cursor.venue_batch
                and cursor.local_row + 1 == cursor.venue_row
                and (<Market> self.exchange.markets[cursor.instrument]).active == 0
                and self.priced_asset[cursor.instrument] < 0)

    cdef bint watch_margin(self) except -1 nogil:
        """List the legs of all pools; False when one must be looked at with every change."""
        cdef int32_t i, j, k, s
        cdef PoolState *pool
        cdef Watch *watch
        cdef Watch *grown
        self.n_watches = 0
        self.has_pairs = False
        if self.exchange.crowd is not None and self.exchange.crowd.n_active > 0:
            return False
        for i in range(self.exchange.n_accounts):
            for j in range((<Account> self.exchange.accounts[i]).state.n_pools):
                pool = (<Account> self.exchange.accounts[i]).state.pools[j]
                if pool.condition == LIQUIDATING or (pool.pool.count > 0 and pool.stale):
                    return False
                self.has_pairs |= pool.pool.count > 1
                if self.n_watches + pool.pool.count > self.watch_capacity:
                    k = 2 * (self.n_watches + pool.pool.count) + 8
                    grown = <Watch *> realloc(self.watches, k * sizeof(Watch))
                    if grown == NULL:
                        with gil:
                            raise MemoryError("loop: no memory for legs")
                    self.watches = grown
                    self.watch_capacity = k
                for k in range(pool.pool.count):
                    watch = &self.watches[self.n_watches]
                    self.n_watches += 1
                    watch.pool = pool
                    watch.band = &pool.bands[k]
                    watch.reference = pool.pool.legs[k].mark
                    watch.leg = k
                    watch.lane = -1
                    for s in range(self.n_lanes):
                        if self.lanes[s].is_mark and self.lanes[s].instrument == pool.pool.legs[k].contract.index:
                            watch.lane = s
        return not (self.has_pairs and self.lows == NULL)

    cdef Py_ssize_t pass_instants(self, int64_t time, int64_t timeframe, int64_t limit,
                                  Py_ssize_t most) except -1 nogil:
        cdef Py_ssize_t passed = 0
        cdef int64_t close, at
        cdef bint is_open = False
        while passed < most:
            close = time + timeframe - 1
            if (close >= limit or close >= self.venue_agenda.next_time or close >= self.local_agenda.next_time
                    or time >= self.next_snapshot or not self.rows_are_there(time, close + 1)):
                break
            at = time // self.sample_interval * self.sample_interval
            if (close >= (at + self.sample_interval if time >= self.next_sample else self.next_sample)
                    or not self.margin_holds()):
                break
            if time >= self.next_sample:
                self.sample(time, at)
            self.now = time
            self.deliver_bars(time, timeframe)
            if (self.context.alerts_due or self.stopped or close >= self.venue_agenda.next_time
                    or close >= self.local_agenda.next_time or not self.is_plain_moment()):
                is_open = True
                break
            if self.has_pairs:
                self.bound_ratios()
            self.close_bars(close)
            self.now = close
            passed += self.n_lanes
            time += timeframe
        self.bars_passed += passed
        if passed > 0 or is_open:
            self.leave(time, timeframe, is_open)
        return passed

    cdef bint rows_are_there(self, int64_t time, int64_t delivered) noexcept nogil:
        """Whether every stream opens a bar now that is known at its close.

        The last row of a batch is left to the cursor, which then turns to the next one.
        """
        cdef int32_t i
        cdef Py_ssize_t row
        cdef const Columns *columns
        for i in range(self.n_lanes):
            row = self.lanes[i].row
            columns = self.lanes[i].columns
            if (row + 1 >= columns.n or columns.ts[row] != time
                    or (columns.avail != NULL and columns.avail[row] > delivered)):
                return False
        return True

    cdef bint margin_holds(self) noexcept nogil:
        """Whether no pool can leave its bands between the extremes of the bars that open now."""
        cdef int32_t i
        cdef Lane *lane
        cdef Watch *watch
        cdef const Columns *columns
        cdef PoolState *pool = NULL
        cdef double spent = 0.0
        for i in range(self.n_lanes):
            lane = &self.lanes[i]
            if lane.is_mark:
                columns = lane.columns
                lane.low = <double> (
                    min(columns.a[lane.row], columns.c[lane.row], columns.d[lane.row]) * columns.times_c) / lane.divisor
                lane.high = <double> (
                    max(columns.a[lane.row], columns.b[lane.row], columns.d[lane.row]) * columns.times_b) / lane.divisor
                lane.close = <double> (columns.d[lane.row] * columns.times_d) / lane.divisor
                if (self.exchange.crowd is not None
                        and self.exchange.crowd.is_met(lane.instrument, lane.low, lane.high)):
                    return False
        for i in range(self.n_watches):
            watch = &self.watches[i]
            if watch.pool != pool:
                if pool != NULL and spent >= pool.slack:
                    return False
                pool = watch.pool
                spent = 0.0
            if watch.lane < 0:
                spent += pool.spent[watch.leg]
                continue
            lane = &self.lanes[watch.lane]
            if lane.low <= watch.band.low or lane.high >= watch.band.high:
                return False
            # The loss is a kinked line through 0 at the reference: its largest value is at one of the ends.
            watch.worst = max(
                loss(watch.band, watch.reference, lane.low), loss(watch.band, watch.reference, lane.high))
            if lane.low < watch.reference < lane.high and watch.worst < 0.0:
                watch.worst = 0.0
            spent += watch.worst
        return pool == NULL or spent < pool.slack

    cdef int deliver_bars(self, int64_t time, int64_t timeframe) except -1 nogil:
        """The bars before reach the local view, all of them before the first hook runs."""
        cdef int32_t i
        cdef Lane *lane
        cdef int64_t price
        cdef Event event
        self.context.now = time
        self.context.round += 1
        for i in range(self.n_lanes):
            lane = &self.lanes[i]
            price = lane.columns.d[lane.row - 1] * lane.columns.times_d
            if lane.is_mark:
                self.local_world.set_price(lane.instrument, MARK_PRICE, price, time)
                self.context.marks_moved = True
            else:
                self.local_world.set_last(lane.instrument, price, time)
        if self.any_market_hook:
            for i in range(self.n_lanes):
                lane = &self.lanes[i]
                if not lane.is_mark or self.marks_heard:
                    (<Cursor> self.cursor[lane.stream]).fill(lane.columns, lane.row - 1, &event)
                    event.delivered = time
                    self.dispatch(&event, timeframe)
        self.after_hooks(time)
        if self.n_lanes > 1:
            self.timers(time)            # as `deliver` does for more than one event
        return 0

    cdef void bound_ratios(self) noexcept nogil:
        """Note the bounds of the bars, unless bands say that none can be higher than what was noted before."""
        cdef int32_t i, j
        cdef PoolState *pool
        cdef bint is_known = self.is_alone
        cdef const Columns *columns
        for i in range(self.exchange.n_accounts):
            for j in range((<Account> self.exchange.accounts[i]).state.n_pools):
                pool = (<Account> self.exchange.accounts[i]).state.pools[j]
                if pool.pool.count > 1 and pool.threshold > self.bounds[i]:
                    is_known = False
        if is_known:
            return
        for i in range(self.n_lanes):
            if self.lanes[i].is_mark:
                columns = self.lanes[i].columns
                j = self.lanes[i].instrument
                self.lows[j] = self.venue_world.price_value(j, columns.c[self.lanes[i].row] * columns.times_c)
                self.highs[j] = self.venue_world.price_value(j, columns.b[self.lanes[i].row] * columns.times_b)
        self.note_bounds()
        for i in range(self.n_lanes):
            if self.lanes[i].is_mark:
                self.end_range(self.lanes[i].instrument)

    cdef void close_bars(self, int64_t close) noexcept nogil:
        cdef int32_t i
        cdef Lane *lane
        cdef int64_t price
        for i in range(self.n_lanes):
            lane = &self.lanes[i]
            price = lane.columns.d[lane.row] * lane.columns.times_d
            if lane.is_mark:
                self.venue_world.prices[lane.instrument].mark = price
                self.venue_world.prices[lane.instrument].mark_ts = close
                self.venue_world.prices[lane.instrument].mark_value = lane.close
            else:
                self.venue_world.set_last(lane.instrument, price, close)
                if (<Market> self.exchange.markets[lane.instrument]).measures:
                    (<Market> self.exchange.markets[lane.instrument]).note_bar(
                        lane.columns.a[lane.row] * lane.columns.times_a, price,
                        lane.columns.e[lane.row] * lane.columns.times_e if lane.columns.e != NULL else 0,
                        lane.columns.ts[lane.row], close + 1)
            lane.row += 1

    cdef void move_lane(self, const Lane *lane, Cursor cursor, int64_t timeframe, bint is_open) noexcept nogil:
        cursor.taken += lane.row - cursor.venue_row
        cursor.venue_row = lane.row
        cursor.next_ts = lane.columns.ts[lane.row]
        cursor.local_row = lane.row if is_open else lane.row - 1
        cursor.next_delivery = lane.columns.ts[cursor.local_row] + timeframe
        cursor.last_delivery = cursor.next_delivery
        self.local.times[lane.stream] = cursor.next_delivery
        self.venue.times[lane.stream] = cursor.next_ts if lane.is_mark else cursor.next_ts + 1

    cdef int leave(self, int64_t time, int64_t timeframe, bint is_open) except -1 nogil:
        """Cursors, clocks and bands are as if every event had been taken by itself; marks of an open instant open."""
        cdef int32_t i
        cdef Watch *watch
        cdef double spent
        for i in range(self.n_lanes):
            self.move_lane(&self.lanes[i], <Cursor> self.cursor[self.lanes[i].stream], timeframe, is_open)
        for i in range(self.n_watches):
            watch = &self.watches[i]
            if watch.lane >= 0:
                # While marks open one after the other, none may seem to leave what all of them together keep.
                spent = watch.worst if is_open else loss(
                    watch.band, watch.reference, self.venue_world.prices[self.lanes[watch.lane].instrument].mark_value)
                watch.pool.total_spent += spent - watch.pool.spent[watch.leg]
                watch.pool.spent[watch.leg] = spent
        if is_open:
            for i in range(self.n_lanes):
                if self.lanes[i].is_mark:
                    self.open_bar(self.lanes[i].stream, time)
        self.local.rescan()
        self.venue.rescan()
        return self.look_at_margin(time)
