"""The venue's clock: every event of an instant in the order of ties, margin after its marks, then what arrives."""

from backtest.agenda cimport ANSWER, CANCEL_ARRIVES, Entry, ORDER_ARRIVES, ORDER_EXPIRES, TRANSFER_ARRIVES
from backtest.bar_paths cimport collateral_value
from backtest.book_messages cimport BookMessages
from backtest.loop_state cimport BASIS, EMA, FAIR, FormulaMark
from feeds.cursor cimport Cursor
from feeds.events cimport (
    BAR, BOOK, BOOK_ORDER, DEPTH, Event, FUNDING, INDEX, MARK, MARK_BAR, OPEN_INTEREST, QUOTE, TRADE,
)
from libc.math cimport exp, isnan, rint
from libc.stdint cimport INT64_MAX, int32_t, int64_t, int8_t, uint8_t
from libc.stdlib cimport realloc
from venues.account cimport Account
from venues.delay cimport Delay
from venues.matching cimport Market
from venues.funding cimport basis_add, basis_mean, bounded_price, fair_price, mark_price
from venues.outbox cimport Message
from venues.state cimport Slot

from feeds.errors import FeedError

cdef double HOUR = 3.6e12


cdef class VenueClock(BookMessages):
    """Applies market data and requests to the venues."""

    def open_books(self):
        """Value what is held before an asset's first price by that price: in the books only; nobody trades on it."""
        cdef Event head
        cdef int32_t s
        cdef int asset
        first = {}
        usd = {}
        for s in range(self.n_streams):
            if self.venue.times[s] == INT64_MAX or (self.passive[s] and self.asset[s] < 0):
                continue
            (<Cursor> self.cursor[s]).peek(&head)
            if self.asset[s] >= 0:
                usd.setdefault(self.asset[s], collateral_value(head.a))
            elif self.priced_asset[head.instrument] >= 0 and (
                    head.kind == TRADE or head.kind == MARK or head.kind == BAR or head.kind == MARK_BAR
                    or (head.kind == INDEX and self.exchange.mark_from_index[head.instrument])):
                found = (self.venue.times[s], self.venue_world.price_value(head.instrument, head.a))
                asset = self.priced_asset[head.instrument]
                first[asset] = min(first.get(asset, found), found)
        for asset in range(self.venue_world.n_assets):
            if not isnan(self.exchange.ledger.asset_prices[asset]):
                continue
            one = usd.get(asset, self.venue_world.asset_usd[asset])
            unit = usd.get(self.reporting, self.venue_world.asset_usd[self.reporting])
            self.exchange.ledger.asset_prices[asset] = first[asset][1] if asset in first else one / unit

    cdef int venue_event(self, int64_t time) except -1 nogil:
        cdef int32_t s = self.venue.best
        cdef Event event, head
        cdef uint8_t kind = self.kind[s]
        if self.passive[s]:
            # Nothing of it reaches the market: finer data of the same kind do, or it is told to strategies only.
            (<Cursor> self.cursor[s]).take(&event)
            self.venue.times[s] = (<Cursor> self.cursor[s]).next_ts
        elif kind >= BAR:
            if self.paths[s].phase == 0:
                self.open_bar(s, time)
            else:
                self.bars_advance(time)
        else:
            (<Cursor> self.cursor[s]).take(&event)
            self.venue.times[s] = (<Cursor> self.cursor[s]).next_ts
            if kind == TRADE:
                self.exchange.trade(event.instrument, event.a, event.b, event.side, time)
                if self.exchange.mark_from_last[event.instrument]:
                    self.mark_changed(event.instrument, time)
                elif self.priced_asset[event.instrument] >= 0 and self.venue_world.prices[event.instrument].mark == 0:
                    self.mark_changed(event.instrument, time)
            elif kind == BOOK or kind == BOOK_ORDER:
                self.book_message(s, &event, time)
            elif kind == QUOTE:
                self.quote_message(&event, time)
            elif kind == DEPTH:
                (<Market> self.exchange.markets[event.instrument]).on_depth(event.a, event.b, time)
            elif kind == MARK:
                self.exchange.mark(event.instrument, event.a, time)
                if (<Market> self.exchange.markets[event.instrument]).moves_mark:
                    (<Market> self.exchange.markets[event.instrument]).footprint.push_mark(
                        self.venue_world.prices[event.instrument].mark)
                self.mark_changed(event.instrument, time)
            elif kind == INDEX:
                if self.asset[s] >= 0:
                    self.collateral(self.asset[s], event.a, collateral_value(event.a), time)
                else:
                    self.exchange.index(event.instrument, event.a, time)
                    if self.formula_marks[event.instrument].spacing > 0:
                        self.formula_mark(event.instrument, time)
                    if self.exchange.mark_from_index[event.instrument]:
                        self.mark_changed(event.instrument, time)
            elif kind == OPEN_INTEREST:
                self.venue_world.set_open_interest(
                    event.instrument, self.venue_world.quantity_value(event.instrument, event.a))
            elif kind == FUNDING:
                if event.d == 0:
                    self.formula_marks[event.instrument].rate_ts = time
                    self.formula_marks[event.instrument].interval = event.b * 1000000000
                    self.formula_marks[event.instrument].rate = (
                        <double> event.a / 10.0 ** self.rate_scales[event.instrument])
                    if self.announces[event.instrument] and self.venue.times[s] != INT64_MAX:
                        # what is left to pay is the rate of the next settlement, public now
                        (<Cursor> self.cursor[s]).peek(&head)
                        self.formula_marks[event.instrument].rate = (
                            <double> head.a / 10.0 ** self.rate_scales[event.instrument])
                    self.settle_funding(&event, time)
        self.venue.moved(s)
        return self.look_at_margin(time)

    cdef int look_at_margin(self, int64_t time) except -1 nogil:
        """Margin is checked when all marks of the instant are in: a basket is not judged on half of its prices."""
        if self.venue_world.attention and (self.venue.best_time != time or not self.early[self.venue.best]):
            self.exchange.attend(time)
            if self.on_ruin != 1:
                self.look_for_ruin(time)
        return 0

    cdef int formula_mark(self, int32_t instrument, int64_t time) except -1 nogil:
        """The mark from index, last funding rate and basis; the last trade stands for the mid, unknown on a tape.

        A "fair" mark (bitmex.md section 2) is index and rate alone, taken anew at most once a spacing; an "ema" mark
        (deribit.md section 2) is the index and an exponential average of the basis, within a bound.
        """
        cdef FormulaMark *f = &self.formula_marks[instrument]
        cdef double index = self.venue_world.prices[instrument].index_value
        cdef double last = self.venue_world.price_value(instrument, self.venue_world.prices[instrument].last)
        cdef double left, mark, basis
        if last <= 0.0:
            last = index                 # nothing has traded yet
        if f.rule == FAIR and time < f.next_sample:
            return 0                     # taken anew by the minute
        if f.rule == EMA:
            basis = last - index
            if f.average_at > 0:
                f.average += (basis - f.average) * (1.0 - exp(-<double> (time - f.average_at) / <double> f.spacing))
            else:
                f.average = basis
            f.average_at = time
            return self.set_formula_mark(instrument, bounded_price(index, f.average, f.bound), time)
        if time >= f.next_sample:
            basis_add(&f.basis, last - index)
            f.next_sample = (time // f.spacing + 1) * f.spacing
        left = 0.0
        if f.rate_ts > 0 and f.interval > 0:
            left = max(0.0, <double> (f.rate_ts + f.interval - time) / HOUR)
        if f.rule == FAIR:
            mark = fair_price(index, f.rate, left, max(<double> f.interval / HOUR, 1.0))
        elif f.rule == BASIS:
            mark = index + basis_mean(&f.basis)
        else:
            mark = mark_price(index, f.rate, left, max(<double> f.interval / HOUR, 1.0), basis_mean(&f.basis), last)
        return self.set_formula_mark(instrument, mark, time)

    cdef int set_formula_mark(self, int32_t instrument, double mark, int64_t time) except -1 nogil:
        cdef int64_t units = <int64_t> rint(mark * self.venue_world.divisors[instrument])
        cdef int64_t index = self.venue_world.prices[instrument].index
        cdef int64_t walked = self.exchange.walked(instrument, index, time)
        # in the window before the expiry of a dated contract its basis is gone
        self.exchange.mark(instrument, units if walked == index else walked, time)
        return self.mark_changed(instrument, time)

    cdef int look_for_ruin(self, int64_t time) except -1 nogil:
        cdef int32_t i
        for i in range(self.exchange.n_accounts):
            if (<Account> self.exchange.accounts[i]).ruined:
                with gil:
                    self.ruined(i, time)
        return 0

    def ruined(self, int account, int64_t time):
        """An account has nothing left."""
        self.ruins.append((account, time))
        (<Account> self.exchange.account_list[account]).ruined = False
        if self.on_ruin == 2:
            self.verbs.refill(account, time)
        else:
            self.stopped = True

    cdef int settle_funding(self, const Event *event, int64_t time) except -1 nogil:
        cdef int64_t mark = event.c
        cdef int64_t mark_ts = time
        cdef int32_t i
        cdef Event head
        cdef bint held = self.exchange.crowd is not None
        cdef Slot *slot
        cdef int leg
        if mark == 0 and self.venue_world.contracts[event.instrument].funding_at_index:
            mark = self.venue_world.prices[event.instrument].index
            mark_ts = self.venue_world.prices[event.instrument].index_ts
        if mark == 0:
            mark_ts = self.venue_world.prices[event.instrument].mark_ts
            mark = self.venue_world.prices[event.instrument].mark
            if self.exchange.mark_from_last[event.instrument]:
                # A trade at the very instant is its mark too; trades come after funding in the order of ties.
                for i in range(self.n_streams):
                    if self.kind[i] == TRADE and self.venue.times[i] == time:
                        (<Cursor> self.cursor[i]).peek(&head)
                        if head.instrument == event.instrument:
                            mark = head.a
        for i in range(self.exchange.n_accounts):
            for leg in range(-1, 2):
                slot = (<Account> self.exchange.accounts[i]).state.find(event.instrument, <int8_t> leg)
                if slot != NULL and (slot.position.quantity != 0 or slot.accrued.lo != 0):
                    held = True
        if held:
            if mark == 0:
                with gil:
                    raise FeedError(
                        f"{self.context.infos[event.instrument].address} at {time} ns: a funding rate is due on an "
                        "open position and there is no mark; give mark rows, a mark column in the funding rows, "
                        "or mark='last'")
            if time - mark_ts > self.max_mark_age[event.instrument]:
                with gil:
                    self.finding(
                        "old mark at funding", event.instrument, time,
                        f"the mark is {(time - mark_ts) / 1e9:.0f} s old")
            self.exchange.funding(event.instrument, mark, event.a, self.rate_scales[event.instrument],
                                  event.b * 1000000000, time)
        return 0

    cdef int arrivals(self, int64_t time) except -1 nogil:
        cdef Entry entry
        while self.venue_agenda.next_time <= time:
            entry = self.venue_agenda.pop()
            if entry.kind == ORDER_ARRIVES:
                self.exchange.arrive(self.exchange.store.at(<int32_t> entry.a), time)
            elif entry.kind == CANCEL_ARRIVES:
                self.exchange.cancel(entry.a, time)
            elif entry.kind == ORDER_EXPIRES:
                self.exchange.expire(entry.a, time)
            else:
                with gil:
                    self.verbs.execute(entry.kind == TRANSFER_ARRIVES, entry.a, time)
            if self.venue_world.attention:
                self.exchange.attend(time)
                if self.on_ruin != 1:
                    self.look_for_ruin(time)
        return 0

    cdef int flush(self, int64_t time) except -1 nogil:
        """Put the venue's messages on their way."""
        cdef Py_ssize_t i, more
        cdef int64_t slot
        cdef Message *grown
        cdef int64_t *slots
        for i in range(self.exchange.outbox.count):
            if self.n_free == 0:
                more = self.pool_capacity + 64
                grown = <Message *> realloc(self.pool, (self.pool_capacity + more) * sizeof(Message))
                if grown != NULL:
                    self.pool = grown
                slots = <int64_t *> realloc(self.free_slots, (self.pool_capacity + more) * sizeof(int64_t))
                if slots != NULL:
                    self.free_slots = slots
                if grown == NULL or slots == NULL:
                    with gil:
                        raise MemoryError("loop: no memory for messages")
                for slot in range(more):
                    self.free_slots[slot] = self.pool_capacity + more - 1 - slot
                self.n_free = more
                self.pool_capacity += more
            self.n_free -= 1
            slot = self.free_slots[self.n_free]
            self.pool[slot] = self.exchange.outbox.items[i]
            self.local_agenda.push(
                (<Delay> self.context.delay_rows[self.exchange.outbox.items[i].account]).answer(time), ANSWER, slot)
        self.exchange.outbox.count = 0
        return 0
