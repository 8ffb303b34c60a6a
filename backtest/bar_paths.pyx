"""Bars on the venue's clock: each is a path of four points, and all bars of an instant move together."""

from backtest.bar_bounds cimport BarBounds
from backtest.loop_state cimport BarPath
from feeds.cursor cimport Cursor
from feeds.events cimport BAR, Event, MARK_BAR
from libc.math cimport isnan
from libc.stdint cimport INT64_MAX, int32_t, int64_t
from venues.matching cimport Market, Move
from venues.world cimport INDEX_PRICE, LAST_PRICE, MARK_PRICE


cdef class BarPaths(BarBounds):
    """Unfolds bars (design.md section 4), and the prices that follow from marks and collateral."""

    cdef int mark_changed(self, int32_t instrument, int64_t time) except -1 nogil:
        cdef int32_t asset = self.priced_asset[instrument]
        if asset >= 0:
            self.value_by_mark(self.venue_world, instrument)
            self.exchange.ledger.asset_prices[asset] = self.venue_world.asset_prices[asset]
        return 0

    cdef void value_by_mark(self, World world, int32_t instrument) noexcept nogil:
        """The asset that an instrument prices, on one clock: at its mark, without one at its last price."""
        cdef double value = world.prices[instrument].mark_value
        if value <= 0.0:
            value = world.price_value(instrument, world.prices[instrument].last)
        if value > 0.0:
            world.asset_prices[self.priced_asset[instrument]] = value

    cdef int collateral(self, int32_t asset, int64_t units, double value, int64_t time) except -1 nogil:
        """A US dollar price of an asset has come in: its reporting price and its worth as collateral follow."""
        cdef int32_t i
        self.value_in_usd(self.venue_world, asset, value)
        for i in range(self.venue_world.n_assets):
            if not isnan(self.venue_world.asset_prices[i]):
                self.exchange.ledger.asset_prices[i] = self.venue_world.asset_prices[i]
        return self.exchange.asset_price_moved(time)

    cdef void value_in_usd(self, World world, int32_t asset, double value) noexcept nogil:
        """A US dollar price of an asset on one clock; reporting prices are quotients of two of them."""
        cdef int32_t i
        cdef double unit
        world.asset_usd[asset] = value
        unit = world.asset_usd[self.reporting]
        for i in range(world.n_assets):
            if (i == asset or asset == self.reporting) and not isnan(unit) and not isnan(world.asset_usd[i]):
                world.asset_prices[i] = world.asset_usd[i] / unit

    cdef bint down_first(self, int64_t time) noexcept nogil:
        """Worst path: which extreme of the bars that open now leaves the accounts nearer to liquidation."""
        cdef int32_t i, j, n
        cdef Event head
        cdef double ratio
        cdef double worst[2]
        if self.path_rule == 1:
            return False
        if self.path_rule == 2:
            return True
        for j in range(2):
            n = 0
            for i in range(self.n_streams):
                if self.kind[i] == MARK_BAR and self.paths[i].phase == 0 and self.venue.times[i] == time:
                    (<Cursor> self.cursor[i]).peek(&head)
                    self.moves[n].instrument = head.instrument
                    self.moves[n].source = MARK_PRICE
                    self.moves[n].start = self.venue_world.prices[head.instrument].mark
                    self.moves[n].end = head.c if j == 0 else head.b
                    n += 1
            if n == 0:
                return True
            for i in range(n):
                self.venue_world.set_price(self.moves[i].instrument, MARK_PRICE, self.moves[i].end,
                                           self.venue_world.prices[self.moves[i].instrument].mark_ts)
            worst[j] = self.exchange.worst_ratio() if self.unfolds_all else self.highest_ratio()
            for i in range(n):
                self.venue_world.set_price(self.moves[i].instrument, MARK_PRICE, self.moves[i].start,
                                           self.venue_world.prices[self.moves[i].instrument].mark_ts)
        ratio = worst[1]
        return worst[0] >= ratio

    cdef int open_bar(self, int32_t s, int64_t time) except -1 nogil:
        cdef Event event
        cdef BarPath *path = &self.paths[s]
        cdef int64_t third
        cdef Move move
        if self.group_time != (time if self.kind[s] != BAR else time - 1):
            self.group_time = time if self.kind[s] != BAR else time - 1
            self.group_down = self.down_first(time)
        (<Cursor> self.cursor[s]).take(&event)
        third = (<Cursor> self.cursor[s]).timeframe // 3
        path.times[0] = time
        path.times[1] = event.ts + third
        path.times[2] = event.ts + 2 * third
        path.times[3] = event.ts + (<Cursor> self.cursor[s]).timeframe - 1
        path.prices[0] = event.a
        path.prices[1] = event.c if self.group_down else event.b
        path.prices[2] = event.b if self.group_down else event.c
        path.prices[3] = event.d
        path.here = event.a
        path.phase = 1
        self.venue.times[s] = path.times[1]
        if self.asset[s] >= 0:
            self.collateral(self.asset[s], event.a, collateral_value(event.a), time)
            return 0
        move.instrument = event.instrument
        move.end = event.a
        if self.kind[s] == BAR:
            (<Market> self.exchange.markets[event.instrument]).begin_bar(path.times, path.prices, event.e)
            move.source = LAST_PRICE
            move.start = self.venue_world.prices[event.instrument].last
        elif self.kind[s] == MARK_BAR:
            move.source = MARK_PRICE
            move.start = self.venue_world.prices[event.instrument].mark
        else:
            move.source = INDEX_PRICE
            move.start = self.venue_world.prices[event.instrument].index
        if move.source == MARK_PRICE:
            self.begin_range(event.instrument, event.c, event.b)
            # Margin waits for the other marks of the instant, as for points.
            self.exchange.mark(event.instrument, event.a, time)
            self.mark_changed(event.instrument, time)
        elif move.source == INDEX_PRICE:
            self.exchange.index(event.instrument, event.a, time)
        else:
            if self.is_calm(event.instrument):
                self.venue_world.set_price(event.instrument, LAST_PRICE, event.a, time)
            else:
                self.exchange.jump(&move, 1, time)
            if self.venue_world.prices[event.instrument].mark == 0:
                self.mark_changed(event.instrument, time)
        return 0

    cdef int bars_advance(self, int64_t time) except -1 nogil:
        """All bars that have a part at this instant go there together along straight lines."""
        cdef int32_t s, n = 0
        cdef BarPath *path
        cdef int32_t instrument
        cdef int quiet = self.quiet_part(time)
        self.note_bounds()
        for s in range(self.n_streams):
            if self.kind[s] < BAR or self.venue.times[s] != time or self.paths[s].phase == 0:
                continue
            path = &self.paths[s]
            instrument = (<Cursor> self.cursor[s]).instrument
            if quiet > 0:
                path.phase = quiet
                self.now = path.times[quiet]         # the close, when nothing comes before it
                self.pass_price(s, path.prices[quiet], self.now)
                if self.kind[s] == BAR or self.kind[s] == MARK_BAR:
                    self.mark_changed(instrument, self.now)
            elif self.asset[s] >= 0:
                self.collateral(self.asset[s], path.prices[path.phase],
                                collateral_value(path.prices[path.phase]), time)
            else:
                self.moves[n].instrument = instrument
                self.moves[n].source = (LAST_PRICE if self.kind[s] == BAR
                                        else MARK_PRICE if self.kind[s] == MARK_BAR else INDEX_PRICE)
                self.moves[n].start = path.here
                self.moves[n].end = path.prices[path.phase]
                n += 1
            path.here = path.prices[path.phase]
            path.phase += 1
            if path.phase == 4:
                path.phase = 0
                if self.kind[s] == MARK_BAR:
                    self.end_range(instrument)
                self.venue.times[s] = (<Cursor> self.cursor[s]).next_ts
                if self.kind[s] == BAR and self.venue.times[s] != INT64_MAX:
                    self.venue.times[s] = self.venue.times[s] + 1
            else:
                self.venue.times[s] = path.times[path.phase]
            if self.venue.size > 0:
                self.venue.moved(s)
        if self.venue.size == 0:
            self.venue.rescan()
        if n > 0:
            self.exchange.advance(self.moves, n, time)
            for s in range(n):
                if self.moves[s].source != INDEX_PRICE:
                    self.mark_changed(self.moves[s].instrument, time)
        return 0
