"""The strategy's clock: all deliveries of an instant reach the local view, then hooks run: answers, market, timers."""

from backtest.agenda cimport ANSWER, BAR_CLOSES, Entry, FORCED_SALE, TIMER
from backtest.bar_paths cimport collateral_value
from backtest.context cimport TimerRow
from backtest.hooks cimport Hooks
from backtest.strategy cimport Strategy
from backtest.strategy_core cimport (
    HOOK_BAR, HOOK_BOOK, HOOK_FILL, HOOK_FUNDING, HOOK_INDEX, HOOK_LIQUIDATION, HOOK_MARK, HOOK_OPEN_INTEREST,
    HOOK_QUOTE, HOOK_TIMER, HOOK_TRADE, MARKET_HOOK_BITS,
)
from backtest.loop_state cimport Aggregator
from backtest.forced_sales cimport ForcedSales
from backtest.repeat cimport Repeat
from backtest.views cimport InstrumentInfo, market_event
from cpython.ref cimport PyObject
from feeds.cursor cimport Cursor
from feeds.events cimport (
    BAR, BOOK, EVENT_KINDS, Event, FUNDING, INDEX, LIQUIDATION, MARK, MARK_BAR, OPEN_INTEREST, PREMIUM, PREMIUM_BAR,
    QUOTE, TRADE,
)
from libc.math cimport NAN
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint32_t
from libc.stdlib cimport realloc
from venues.funding cimport predicted_rate, premium_add, premium_reset
from venues.orders cimport TRAILING_STOP
from venues.outbox cimport FILLED_PART, ORDER_STATE, Message
from venues.records cimport FillRow
from venues.world cimport INDEX_PRICE, LAST_PRICE, MARK_PRICE

ENDS = {"on_start", "on_stop"}
WEEK_NS = 604_800_000_000_000
MONDAY_NS = 345_600_000_000_000      # 1970-01-05, the first Monday: weeks open on it

ctypedef int (*call_hook)(PyObject *hook, PyObject *info, const Event *event, int64_t timeframe) except -1 nogil
ctypedef int (*call_bar)(PyObject *hooks, const Event *event, int64_t timeframe) except -1 nogil


cdef int python_bar(PyObject *hooks, const Event *event, int64_t timeframe) except -1:
    return (<Hooks> hooks).bar(event, timeframe)


cdef int python_hook(PyObject *hook, PyObject *info, const Event *event, int64_t timeframe) except -1:
    (<object> hook)(market_event(<InstrumentInfo> info, event, timeframe))
    return 0


cdef class StrategyClock(ForcedSales):
    """Delivers to strategies."""

    def connect(self, list hooks_of_strategies, *, bint bars_due):
        """Take the market hooks: for each strategy a mapping of EventKind to a bound Python method."""
        cdef int32_t i
        for i, hooks in enumerate(hooks_of_strategies):
            self.c_hooks[i] = (<Strategy> self.strategies[i]).c_hooks
            self.python_orders[i] = bool(set(self.strategies[i].python_hooks()) - ENDS)
            if self.c_hooks[i] & MARKET_HOOK_BITS:
                self.any_market_hook = True
            for kind, method in hooks.items():
                self.bound_objects.append(method)
                self.bound[i * EVENT_KINDS + <int> kind] = <PyObject *> method
                self.holds_gil = True
                self.any_market_hook = True
        self.bars_due = bars_due
        if bars_due:
            self.any_market_hook = True
            if any({"on_bar", "on_bars"} & set(strategy.python_hooks()) for strategy in self.strategies):
                self.holds_gil = True

    def add_aggregator(self, int instrument, int64_t timeframe, int source, bint from_trades, int64_t latency):
        """Make bars of a timeframe from a stream of trades or of finer bars."""
        cdef Aggregator *grown = <Aggregator *> realloc(self.aggregators, (self.n_aggregators + 1) * sizeof(Aggregator))
        cdef Aggregator *a
        if grown == NULL:
            raise MemoryError("loop: no memory for an aggregator")
        self.aggregators = grown
        a = &grown[self.n_aggregators]
        a.timeframe = timeframe
        a.instrument = instrument
        a.source = source
        a.from_trades = from_trades
        a.latency = latency
        a.is_open = 0
        a.offset = MONDAY_NS if timeframe % WEEK_NS == 0 else 0
        if from_trades:
            a.ts_open = (self.now - a.offset) // timeframe * timeframe + a.offset
            self.local_agenda.push(a.ts_open + timeframe + latency, BAR_CLOSES, self.n_aggregators)
        self.n_aggregators += 1

    cdef int push_pending(self, const Event *event, int64_t timeframe) except -1 nogil:
        cdef Event *grown
        cdef int64_t *frames
        cdef Py_ssize_t more
        if self.n_pending == self.pending_capacity:
            more = 2 * self.pending_capacity + 64
            grown = <Event *> realloc(self.pending, more * sizeof(Event))
            if grown != NULL:
                self.pending = grown
            frames = <int64_t *> realloc(self.pending_timeframe, more * sizeof(int64_t))
            if frames != NULL:
                self.pending_timeframe = frames
            if grown == NULL or frames == NULL:
                with gil:
                    raise MemoryError("loop: no memory for deliveries")
            self.pending_capacity = more
        self.pending[self.n_pending] = event[0]
        self.pending_timeframe[self.n_pending] = timeframe
        self.n_pending += 1
        return 0

    cdef int deliver(self, int64_t time) except -1 nogil:
        cdef Entry entry
        cdef Event event
        cdef int32_t s
        cdef Py_ssize_t i
        cdef int64_t *grown
        cdef int64_t frame
        self.context.now = time
        self.context.round += 1
        if (self.local.best_time == time < self.local.second_time and self.local_agenda.next_time > time
                and self.n_aggregators == 0):
            # One market event and nothing else at this instant: most of a run.
            s = self.local.best
            self.hear(s, &event)
            if self.exchange.crowd is not None:
                self.show_mark(s, &event)
            if not self.passive[s]:
                self.receive(&event)
            if self.context.waiting > 0:
                with gil:
                    self.hooks.first_prices()
            if self.any_market_hook:
                self.dispatch(&event, (<Cursor> self.cursor[s]).timeframe)
            return self.after_hooks(time)
        self.n_pending = 0
        self.n_answers = 0
        # Everything that is delivered now is applied before the first hook runs.
        while self.local_agenda.next_time <= time and self.local_agenda.items[0].kind != TIMER:
            entry = self.local_agenda.pop()
            if entry.kind == ANSWER:
                if self.n_answers == self.answers_capacity:
                    grown = <int64_t *> realloc(self.answers, (2 * self.answers_capacity + 64) * sizeof(int64_t))
                    if grown == NULL:
                        with gil:
                            raise MemoryError("loop: no memory for answers")
                    self.answers = grown
                    self.answers_capacity = 2 * self.answers_capacity + 64
                self.answers[self.n_answers] = entry.a
                self.n_answers += 1
                self.context.apply(&self.pool[entry.a])
            elif entry.kind == FORCED_SALE:
                self.keep_sale(entry.a)
            else:
                self.close_bar(&self.aggregators[entry.a], time)
                self.local_agenda.push(time + self.aggregators[entry.a].timeframe, BAR_CLOSES, entry.a)
        while self.local.best_time <= time:
            s = self.local.best
            if self.n_sales > 0 and self.kind[s] > LIQUIDATION:
                self.push_sales(time)
            frame = (<Cursor> self.cursor[s]).timeframe
            self.hear(s, &event)
            if self.exchange.crowd is not None:
                self.show_mark(s, &event)
            if not self.passive[s]:
                self.receive(&event)
            if self.any_market_hook:
                self.push_pending(&event, frame)
            if self.n_aggregators > 0:
                self.aggregate(&event, frame, time)
        self.push_sales(time)
        if self.context.waiting > 0 and not self.context.warming:
            with gil:
                self.hooks.first_prices()
        if self.n_answers > 0:
            self.context.marks_moved = True
        for i in range(self.n_answers):
            if not self.heard_in_c(&self.pool[self.answers[i]]):
                with gil:
                    self.hooks.message(&self.pool[self.answers[i]])
            self.free_slots[self.n_free] = self.answers[i]
            self.n_free += 1
        for i in range(self.n_pending):
            self.dispatch(&self.pending[i], self.pending_timeframe[i])
        self.after_hooks(time)
        self.timers(time)
        if self.repeats:
            (<Repeat> self.strategy[0]).play(time)
        return 0

    cdef int push_sales(self, int64_t time) except -1 nogil:
        cdef Event event
        cdef Py_ssize_t i
        for i in range(self.n_sales):
            self.sale_event(self.sales[i], time, &event)
            self.push_pending(&event, 0)
        self.n_sales = 0
        return 0

    cdef bint heard_in_c(self, const Message *m) except -1 nogil:
        """Tell a strategy of an order that only its C side knows; False when Python must hear of it."""
        cdef FillRow *row
        if m.kind != ORDER_STATE and m.kind != FILLED_PART:
            return False
        if m.strategy < 0:
            return m.kind == FILLED_PART
        if (self.python_orders[m.strategy] or (<Strategy> self.strategy[m.strategy])._n_views > 0
                or m.order.type == TRAILING_STOP):
            return False
        (<Strategy> self.strategy[m.strategy])._follow_order(&m.order)
        if m.kind == FILLED_PART and self.c_hooks[m.strategy] & HOOK_FILL:
            row = <FillRow *> self.exchange.journal.fills.at(m.row)
            (<Strategy> self.strategy[m.strategy])._on_fill(m.order.instrument, row.side * row.quantity, row.price)
        return True

    cdef int timers(self, int64_t time) except -1 nogil:
        cdef Entry entry
        cdef TimerRow row
        while self.local_agenda.next_time <= time and self.local_agenda.items[0].kind == TIMER:
            entry = self.local_agenda.pop()
            row = self.context.timer_rows[entry.a]
            if self.c_hooks[row.owner] & HOOK_TIMER and not row.is_call and not self.context.warming:
                if row.period > 0:
                    self.local_agenda.push(time + row.period, TIMER, entry.a)
                (<Strategy> self.strategy[row.owner])._on_timer(entry.a)
                continue
            with gil:
                self.hooks.timer(entry.a, time)
        return 0

    cdef int after_hooks(self, int64_t time) except -1 nogil:
        """What comes when every bar of the instant is there and every price is known."""
        if self.hooks.n_arrived > 0:
            with gil:
                self.hooks.bars(time)
        if self.context.alerts_due and self.context.marks_moved:
            with gil:
                self.hooks.alerts(time)
        return 0

    cdef int receive(self, const Event *event) except -1 nogil:
        """A market event reaches the strategy's clock: prices and funding as it knows them."""
        cdef int32_t k = event.instrument
        cdef double estimate
        cdef bint is_mark = False
        if k < 0:
            return self.receive_collateral(event)
        if event.kind == TRADE:
            self.local_world.set_last(k, event.a, event.delivered)
            if self.exchange.mark_from_last[k]:
                is_mark = True
                self.local_world.set_price(k, MARK_PRICE, self.as_mark(event), event.delivered)
        elif event.kind == MARK:
            is_mark = True
            self.local_world.set_price(k, MARK_PRICE, event.a, event.delivered)
        elif event.kind == INDEX:
            self.local_world.set_price(k, INDEX_PRICE, event.a, event.delivered)
            if self.exchange.mark_from_index[k] and (
                    event.delivered != event.ts or not self.exchange.world.contracts[k].expiry):
                self.local_world.set_price(k, MARK_PRICE, self.as_mark(event), event.delivered)
            elif event.delivered == event.ts and (
                    self.formula_marks[k].spacing > 0 or self.exchange.mark_from_index[k]):
                # The venue publishes its mark beside the index; with a delay it is not known here which one it was.
                self.local_world.set_price(k, MARK_PRICE, self.venue_world.prices[k].mark, event.delivered)
        elif event.kind == BAR:
            self.local_world.set_price(k, LAST_PRICE, event.d, event.delivered)
        elif event.kind == MARK_BAR:
            is_mark = True
            self.local_world.set_price(k, MARK_PRICE, event.d, event.delivered)
        elif event.kind == PREMIUM and self.has_formula[k]:
            premium_add(&self.premiums[k], &self.formulas[k], <double> event.a / self.premium_divisors[k])
            estimate = predicted_rate(
                &self.premiums[k], &self.formulas[k],
                self.context.funding[k].interval / 3600.0 if self.context.funding[k].interval else 8.0)
            self.context.funding[k].estimate = estimate
            self.context.funding[k].samples = self.context.funding[k].samples + 1
        elif event.kind == FUNDING:
            if event.d == 0:
                self.context.funding[k].last_ts = event.ts
                self.context.funding[k].rate = event.a
                self.context.funding[k].interval = event.b
                self.context.funding[k].samples = 0
                self.context.funding[k].estimate = NAN
                premium_reset(&self.premiums[k])
                if self.announces[k]:
                    self.announce(event)
            elif event.d == 1:
                self.context.funding[k].predicted = event.a
                self.context.funding[k].predicted_ts = event.delivered
        if self.priced_asset[k] >= 0:
            self.value_by_mark(self.local_world, k)
        if is_mark:
            self.context.marks_moved = True
        if self.context.trailing > 0:
            with gil:
                self.hooks.follow(event, is_mark)
        return 0

    cdef int announce(self, const Event *event) except -1 nogil:
        """The rate of the next settlement is public with this one: the next row of the stream, where it has one."""
        cdef Event following
        if (<Cursor> self.cursor[event.stream]).next_delivery == INT64_MAX:
            return 0
        (<Cursor> self.cursor[event.stream]).head_of_local(&following)
        if following.d == 0 and following.ts <= event.ts + event.b * 1000000000:
            self.context.funding[event.instrument].predicted = following.a
            self.context.funding[event.instrument].predicted_ts = event.delivered
            self.context.funding[event.instrument].is_announced = True
        return 0

    cdef int receive_collateral(self, const Event *event) except -1 nogil:
        """The US dollar price of an asset reaches the strategy's clock: what it owns is worth that, so far as known."""
        if self.asset[event.stream] < 0:
            return 0
        self.value_in_usd(self.local_world, self.asset[event.stream],
                          collateral_value(event.a if event.kind == INDEX else event.d))
        with gil:
            self.context.value_collateral()
        return 0

    cdef int aggregate(self, const Event *event, int64_t timeframe, int64_t time) except -1 nogil:
        cdef int32_t i
        cdef Aggregator *a
        for i in range(self.n_aggregators):
            a = &self.aggregators[i]
            if a.source != event.stream:
                continue
            if event.kind == TRADE:
                if not a.is_open:
                    a.is_open = 1
                    a.open = event.a
                    a.high = event.a
                    a.low = event.a
                    a.volume = 0
                a.high = max(a.high, event.a)
                a.low = min(a.low, event.a)
                a.close = event.a
                a.volume += event.b
                continue
            if not a.is_open:
                a.is_open = 1
                a.ts_open = (event.ts - a.offset) // a.timeframe * a.timeframe + a.offset
                a.open = event.a
                a.high = event.b
                a.low = event.c
                a.volume = 0
            a.high = max(a.high, event.b)
            a.low = min(a.low, event.c)
            a.close = event.d
            a.volume += event.e
            if event.ts + timeframe >= a.ts_open + a.timeframe:
                self.close_bar(a, time)
        return 0

    cdef int close_bar(self, Aggregator *a, int64_t time) except -1 nogil:
        cdef Event event
        if a.is_open or a.close != 0:
            event.ts = a.ts_open
            event.delivered = time
            event.instrument = a.instrument
            event.stream = -1
            event.kind = BAR
            event.side = 0
            event.a = a.open if a.is_open else a.close        # nothing traded: flat at the last price, no volume
            event.b = a.high if a.is_open else a.close
            event.c = a.low if a.is_open else a.close
            event.d = a.close
            event.e = a.volume if a.is_open else 0
            self.push_pending(&event, a.timeframe)
        a.is_open = 0
        if a.from_trades:
            a.ts_open += a.timeframe
        return 0

    cdef int dispatch(self, const Event *event, int64_t timeframe) except -1 nogil:
        cdef int32_t i
        cdef PyObject *hook
        cdef uint32_t c
        if self.context.warming and event.kind != BAR:
            return 0
        if event.kind >= BAR:
            if event.kind == BAR and self.bars_due:
                if self.holds_gil:
                    (<call_bar> <void *> python_bar)(<PyObject *> self.hooks, event, timeframe)
                else:
                    with gil:
                        self.hooks.bar(event, timeframe)
            if event.kind == BAR:
                self.context.bar_timeframe = timeframe
                for i in range(self.n_strategies):
                    if (self.c_hooks[i] & HOOK_BAR and not self.context.warming
                            and (<Strategy> self.strategy[i]).wants_bar(event.instrument, timeframe)):
                        (<Strategy> self.strategy[i])._on_bar(event)
                return 0
            if event.kind == PREMIUM_BAR or event.instrument < 0:
                return 0
        elif event.instrument < 0:
            return 0
        for i in range(self.n_strategies):
            c = self.c_hooks[i]
            if c & MARKET_HOOK_BITS:
                if event.kind == TRADE and c & HOOK_TRADE:
                    (<Strategy> self.strategy[i])._on_trade(event)
                elif event.kind == MARK and c & HOOK_MARK:
                    (<Strategy> self.strategy[i])._on_mark(event)
                elif event.kind == INDEX and c & HOOK_INDEX:
                    (<Strategy> self.strategy[i])._on_index(event)
                elif event.kind == FUNDING and c & HOOK_FUNDING:
                    (<Strategy> self.strategy[i])._on_funding(event)
                elif event.kind == LIQUIDATION and c & HOOK_LIQUIDATION:
                    (<Strategy> self.strategy[i])._on_liquidation(event)
                elif event.kind == OPEN_INTEREST and c & HOOK_OPEN_INTEREST:
                    (<Strategy> self.strategy[i])._on_open_interest(event)
                elif event.kind == QUOTE and c & HOOK_QUOTE:
                    (<Strategy> self.strategy[i])._on_quote(event)
                elif event.kind == BOOK and c & HOOK_BOOK:
                    (<Strategy> self.strategy[i])._on_book(event)
            hook = self.bound[i * EVENT_KINDS + event.kind]
            if hook != NULL:
                (<call_hook> <void *> python_hook)(
                    hook, self.infos[i * self.n_instruments + event.instrument], event, timeframe)
        return 0
