"""The event loop: two clocks over the same columns, and nothing else.

Venue clock: everything of an instant in the order of ties (streams are numbered by it), margin after its marks, then what
arrives from strategies. Strategy clock: all deliveries of the instant are applied to the local view, then hooks run: own
answers, market data, timers. What a hook sends arrives at the venue one order latency later, at the earliest after the
present instant's market data.
"""

from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport PyObject
from feeds.cursor cimport Cursor
from feeds.events cimport (
    BAR, FUNDING, INDEX, INDEX_BAR, LIQUIDATION, MARK, MARK_BAR, OPEN_INTEREST, PREMIUM, PREMIUM_BAR, TRADE, Event,
)
from libc.math cimport NAN, fabs, isnan
from libc.stdint cimport INT64_MAX
from libc.stdlib cimport calloc, free, realloc
from backtest.agenda cimport ANSWER, BAR_CLOSES, CANCEL_ARRIVES, ORDER_ARRIVES, TIMER, TRANSFER_ARRIVES, Agenda, Entry
from backtest.strategy cimport (
    HOOK_BAR, HOOK_FILL, HOOK_FUNDING, HOOK_INDEX, HOOK_LIQUIDATION, HOOK_MARK, HOOK_OPEN_INTEREST, HOOK_TIMER,
    HOOK_TRADE, Strategy,
)
from backtest.hooks cimport Hooks
from backtest.views cimport InstrumentInfo, market_event
from venues.account cimport Account
from venues.contract cimport SPOT, ContractBox
from venues.funding cimport predicted_rate, premium_add, premium_reset
from venues.matching cimport Market, Move
from venues.orders cimport Order
from venues.position cimport unrealized
from venues.outbox cimport (
    DELEVERAGED, FILLED_PART, FUNDING_PAID, LIQUIDATED, MARGIN_CALL, ORDER_STATE, SETTLED, STATE_ONLY, TRANSFERRED,
    Message,
)
from venues.records cimport EquityRow, ExposureRow, FillRow
from venues.state cimport PoolState, Slot
from venues.world cimport INDEX_PRICE, LAST_PRICE, MARK_PRICE, PriceSource

from backtest.errors import InvariantError
from feeds.errors import FeedError

cdef enum:
    KINDS = 16
    BURST = 65536            # events between two looks at signals and the GIL
    STUCK = 1000000          # rounds of one instant after which a strategy is talking to itself

# Streams of collateral prices have no instrument; their cursors bring them to ten decimals.
cdef double COLLATERAL_DIVISOR = 1e10
MINUTE_NS = 60_000_000_000
HOUR_NS = 3_600_000_000_000
WEEK_NS = 604_800_000_000_000
MONDAY_NS = 345_600_000_000_000      # 1970-01-05, the first Monday: weeks open on it

ctypedef int (*call_hook)(PyObject *hook, PyObject *info, const Event *event, int64_t timeframe) except -1 nogil


cdef int python_hook(PyObject *hook, PyObject *info, const Event *event, int64_t timeframe) except -1:
    (<object> hook)(market_event(<InstrumentInfo> info, event, timeframe))
    return 0


cdef int yield_gil() except -1:
    with nogil:
        pass
    return PyErr_CheckSignals()


ctypedef int (*plain)() except -1 nogil


cdef class Loop:
    """Runs one set of strategies over one dataset. Built by `backtest.assembly`, which explains each argument."""

    def __init__(self, *, Exchange exchange, Context context, Hooks hooks, list cursors, list strategies, verbs, rules, list assets_of_streams,
                 list passive, list response_latency, list priced_asset, int reporting, int64_t start, int64_t end,
                 list formulas, list max_mark_age, list premium_scales, list rate_scales, int path_rule, int on_ruin, int on_gap):
        cdef int32_t i, j, n = len(cursors), m = exchange.n_markets
        cdef Cursor cursor
        self.exchange = exchange
        self.context = context
        self.hooks = hooks
        self.venue_world = exchange.world
        self.local_world = context.world
        self.venue_agenda = context.venue_agenda
        self.local_agenda = context.local_agenda
        self.cursors = cursors
        self.strategies = strategies
        self.verbs = verbs
        self.rules = rules
        self.reporting = reporting
        self.path_rule = path_rule
        self.on_ruin = on_ruin
        self.on_gap = on_gap
        self.ruins = []
        self.findings = []
        self.gap_seen = {}
        self.n_streams = n
        self.n_strategies = len(strategies)
        self.cursor = <PyObject **> calloc(n + 1, sizeof(PyObject *))
        self.strategy = <PyObject **> calloc(self.n_strategies + 1, sizeof(PyObject *))
        self.venue_time = <int64_t *> calloc(n + 1, sizeof(int64_t))
        self.local_time = <int64_t *> calloc(n + 1, sizeof(int64_t))
        self.kind = <uint8_t *> calloc(n + 1, sizeof(uint8_t))
        self.early = <uint8_t *> calloc(n + 1, sizeof(uint8_t))
        self.passive = <uint8_t *> calloc(n + 1, sizeof(uint8_t))
        self.asset = <int32_t *> calloc(n + 1, sizeof(int32_t))
        self.paths = <BarPath *> calloc(n + 1, sizeof(BarPath))
        self.moves = <Move *> calloc(n + 1, sizeof(Move))
        self.response_latency = <int64_t *> calloc(exchange.n_accounts + 1, sizeof(int64_t))
        self.priced_asset = <int32_t *> calloc(m + 1, sizeof(int32_t))
        self.formulas = <FundingFormula *> calloc(m + 1, sizeof(FundingFormula))
        self.premiums = <PremiumAverage *> calloc(m + 1, sizeof(PremiumAverage))
        self.has_formula = <uint8_t *> calloc(m + 1, sizeof(uint8_t))
        self.max_mark_age = <int64_t *> calloc(m + 1, sizeof(int64_t))
        self.premium_divisors = <double *> calloc(m + 1, sizeof(double))
        self.rate_scales = <int32_t *> calloc(m + 1, sizeof(int32_t))
        self.c_hooks = <uint32_t *> calloc(self.n_strategies + 1, sizeof(uint32_t))
        self.bound = <PyObject **> calloc(self.n_strategies * KINDS + 1, sizeof(PyObject *))
        self.infos = <PyObject **> calloc(m + 1, sizeof(PyObject *))
        if (self.cursor == NULL or self.strategy == NULL or self.venue_time == NULL or self.local_time == NULL
                or self.kind == NULL or self.early == NULL or self.passive == NULL or self.asset == NULL or self.paths == NULL
                or self.moves == NULL or self.response_latency == NULL or self.priced_asset == NULL or self.formulas == NULL
                or self.premiums == NULL or self.has_formula == NULL or self.max_mark_age == NULL
                or self.premium_divisors == NULL or self.rate_scales == NULL or self.c_hooks == NULL or self.bound == NULL
                or self.infos == NULL):
            raise MemoryError("loop: no memory")
        for i in range(n):
            cursor = cursors[i]
            self.cursor[i] = <PyObject *> cursor
            self.kind[i] = cursor.kind
            self.early[i] = cursor.kind <= MARK or cursor.kind >= MARK_BAR
            self.passive[i] = passive[i]
            self.asset[i] = assets_of_streams[i]
            self.venue_time[i] = cursor.next_ts
            if cursor.kind == BAR and not passive[i] and cursor.next_ts != INT64_MAX:
                self.venue_time[i] += 1          # a bar opens just after its time; its open as a mark is true at it
            self.local_time[i] = cursor.next_delivery
        for i in range(exchange.n_accounts):
            self.response_latency[i] = response_latency[i]
        for i in range(m):
            self.priced_asset[i] = priced_asset[i]
            self.max_mark_age[i] = max_mark_age[i]
            self.premium_divisors[i] = 10.0 ** <int> premium_scales[i]
            self.rate_scales[i] = rate_scales[i]
            self.infos[i] = <PyObject *> context.infos[i]
            if formulas[i] is not None:
                self.has_formula[i] = 1
                (self.formulas[i].interest_rate, self.formulas[i].clamp, self.formulas[i].cap, self.formulas[i].floor,
                 self.formulas[i].is_weighted) = formulas[i]
        self.bound_objects = []
        for i in range(self.n_strategies):
            self.strategy[i] = <PyObject *> strategies[i]
        self.now = start
        self.end = end
        self.sample_interval = MINUTE_NS
        self.hour = HOUR_NS
        self.next_sample = start
        self.next_exposure = start
        self.snapshots = []
        self.n_snapshots = 0
        self.next_snapshot = start
        self.next_rule = rules.next_time()
        self.group_time = -1
        self.find_venue()
        self.find_local()

    def __dealloc__(self):
        free(self.cursor)
        free(self.strategy)
        free(self.venue_time)
        free(self.local_time)
        free(self.kind)
        free(self.early)
        free(self.passive)
        free(self.asset)
        free(self.paths)
        free(self.moves)
        free(self.response_latency)
        free(self.priced_asset)
        free(self.formulas)
        free(self.premiums)
        free(self.has_formula)
        free(self.max_mark_age)
        free(self.premium_divisors)
        free(self.rate_scales)
        free(self.c_hooks)
        free(self.bound)
        free(self.infos)
        free(self.pending)
        free(self.pending_timeframe)
        free(self.pool)
        free(self.free_slots)
        free(self.answers)
        free(self.aggregators)

    def connect(self, list hooks_of_strategies, *, bint bars_due, bint alerts_due):
        """Take the market hooks: for each strategy a mapping of EventKind to a bound Python method."""
        cdef int32_t i
        for i, hooks in enumerate(hooks_of_strategies):
            self.c_hooks[i] = (<Strategy> self.strategies[i]).c_hooks
            if self.c_hooks[i] & 127:
                self.any_market_hook = True
            for kind, method in hooks.items():
                self.bound_objects.append(method)
                self.bound[i * KINDS + <int> kind] = <PyObject *> method
                self.holds_gil = True
                self.any_market_hook = True
        self.bars_due = bars_due
        self.alerts_due = alerts_due
        if bars_due:
            self.any_market_hook = True
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

    def open_books(self):
        """Value what is held before the first price of an asset by that price: in the books only, nobody trades on it."""
        cdef Event head
        cdef int32_t s
        cdef int asset
        first = {}
        usd = {}
        for s in range(self.n_streams):
            if self.venue_time[s] == INT64_MAX or (self.passive[s] and self.asset[s] < 0):
                continue
            (<Cursor> self.cursor[s]).peek(&head)
            if self.asset[s] >= 0:
                usd.setdefault(self.asset[s], head.a / COLLATERAL_DIVISOR)
            elif self.priced_asset[head.instrument] >= 0 and (
                    head.kind == TRADE or head.kind == MARK or head.kind == BAR or head.kind == MARK_BAR
                    or (head.kind == INDEX and self.exchange.mark_from_index[head.instrument])):
                found = (self.venue_time[s], self.venue_world.price_value(head.instrument, head.a))
                first[self.priced_asset[head.instrument]] = min(first.get(self.priced_asset[head.instrument], found), found)
        for asset in range(self.venue_world.n_assets):
            if not isnan(self.exchange.ledger.asset_prices[asset]):
                continue
            one = usd.get(asset, self.venue_world.asset_usd[asset])
            unit = usd.get(self.reporting, self.venue_world.asset_usd[self.reporting])
            self.exchange.ledger.asset_prices[asset] = first[asset][1] if asset in first else one / unit

    def run(self):
        """Run to the end, or until something stops it."""
        self.open_books()
        if self.holds_gil:
            self.run_until(self.end)
        else:
            with nogil:
                self.run_until(self.end)
        self.sample(min(self.end, self.now), min(self.end, self.now))
        self.next_snapshot = min(self.end, self.now)
        self.snapshot(self.next_snapshot)

    # ------------------------------------------------------------------ which stream is next

    cdef void find_venue(self) noexcept nogil:
        cdef int32_t i, best = 0
        cdef int64_t first = INT64_MAX, second = INT64_MAX, t
        for i in range(self.n_streams):
            t = self.venue_time[i]
            if t < first:
                second = first
                first = t
                best = i
            elif t < second:
                second = t
        self.venue_best = best
        self.venue_best_time = first
        self.venue_second_time = second

    cdef void find_local(self) noexcept nogil:
        cdef int32_t i, best = 0
        cdef int64_t first = INT64_MAX, second = INT64_MAX, t
        for i in range(self.n_streams):
            t = self.local_time[i]
            if t < first:
                second = first
                first = t
                best = i
            elif t < second:
                second = t
        self.local_best = best
        self.local_best_time = first
        self.local_second_time = second

    # ------------------------------------------------------------------ the loop

    cdef int run_until(self, int64_t end) except -1 nogil:
        cdef int64_t t, burst = 0, rounds = 0
        while not self.stopped:
            t = self.venue_best_time
            if self.local_best_time < t:
                t = self.local_best_time
            if self.venue_agenda.next_time < t:
                t = self.venue_agenda.next_time
            if self.local_agenda.next_time < t:
                t = self.local_agenda.next_time
            if self.exchange.liquidator.next_deadline < t:
                t = self.exchange.liquidator.next_deadline
            if self.next_rule < t:
                t = self.next_rule
            if t >= end:
                return 0
            if t == self.now:
                rounds += 1
                if rounds > STUCK:
                    with gil:
                        raise InvariantError(f"at {t} ns: {STUCK} rounds of orders and answers in one instant; a hook answers its own answer")
            else:
                rounds = 0
            if t >= self.next_sample:
                self.sample(t, t // self.sample_interval * self.sample_interval)
                if t >= self.next_snapshot:
                    with gil:
                        self.snapshot(self.next_snapshot)
            self.now = t
            if self.next_rule <= t:
                with gil:
                    self.rules.apply(t)
                    self.next_rule = self.rules.next_time()
            while self.venue_best_time == t:
                self.venue_event(t)
                burst += 1
            if self.exchange.liquidator.next_deadline <= t:
                self.exchange.deadlines(t)
            if self.venue_agenda.next_time <= t:
                self.arrivals(t)
            if self.exchange.outbox.count > 0:
                self.flush(t)
            if self.local_best_time <= t or self.local_agenda.next_time <= t:
                self.deliver(t)
            if burst >= BURST:
                self.events += burst
                burst = 0
                if self.holds_gil:
                    (<plain> <void *> yield_gil)()
                else:
                    with gil:
                        PyErr_CheckSignals()
        return 0

    # ------------------------------------------------------------------ venue clock

    cdef int venue_event(self, int64_t time) except -1 nogil:
        cdef int32_t s = self.venue_best
        cdef Event event
        cdef uint8_t kind = self.kind[s]
        if self.passive[s]:
            # Nothing of it reaches the market: finer data of the same kind do, or it is told to strategies only.
            (<Cursor> self.cursor[s]).take(&event)
            self.venue_time[s] = (<Cursor> self.cursor[s]).next_ts
        elif kind >= BAR:
            if self.paths[s].phase == 0:
                self.open_bar(s, time)
            else:
                self.bars_advance(time)
        else:
            (<Cursor> self.cursor[s]).take(&event)
            self.venue_time[s] = (<Cursor> self.cursor[s]).next_ts
            if kind == TRADE:
                self.exchange.trade(event.instrument, event.a, event.b, event.side, time)
                if self.exchange.mark_from_last[event.instrument]:
                    self.mark_changed(event.instrument, time)
                elif self.priced_asset[event.instrument] >= 0 and self.venue_world.prices[event.instrument].mark == 0:
                    self.mark_changed(event.instrument, time)
            elif kind == MARK:
                self.exchange.mark(event.instrument, event.a, time)
                self.mark_changed(event.instrument, time)
            elif kind == INDEX:
                if self.asset[s] >= 0:
                    self.collateral(self.asset[s], event.a, <double> event.a / COLLATERAL_DIVISOR, time)
                else:
                    self.exchange.index(event.instrument, event.a, time)
                    if self.exchange.mark_from_index[event.instrument]:
                        self.mark_changed(event.instrument, time)
            elif kind == FUNDING:
                if event.d == 0:
                    self.settle_funding(&event, time)
        if self.venue_time[s] >= self.venue_second_time or kind >= BAR:
            self.find_venue()
        else:
            self.venue_best_time = self.venue_time[s]
        # Margin is checked when all marks of the instant are in: a basket is not judged on half of its prices.
        if self.venue_world.attention and (self.venue_best_time != time or not self.early[self.venue_best]):
            self.exchange.attend(time)
            if self.on_ruin != 1:
                self.look_for_ruin(time)
        return 0

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

    cdef int mark_changed(self, int32_t instrument, int64_t time) except -1 nogil:
        cdef int32_t asset = self.priced_asset[instrument]
        cdef double value
        if asset < 0:
            return 0
        value = self.venue_world.prices[instrument].mark_value
        if value <= 0.0:
            value = self.venue_world.price_value(instrument, self.venue_world.prices[instrument].last)
        self.venue_world.asset_prices[asset] = value
        self.exchange.ledger.asset_prices[asset] = value
        self.local_world.asset_prices[asset] = value
        return 0

    cdef int collateral(self, int32_t asset, int64_t units, double value, int64_t time) except -1 nogil:
        """A US dollar price of an asset has come in: its reporting price and its worth as collateral follow."""
        cdef int32_t i
        cdef double unit
        self.venue_world.asset_usd[asset] = value
        self.local_world.asset_usd[asset] = value
        unit = self.venue_world.asset_usd[self.reporting]
        for i in range(self.venue_world.n_assets):
            if (i == asset or asset == self.reporting) and not isnan(unit) and not isnan(self.venue_world.asset_usd[i]):
                self.venue_world.asset_prices[i] = self.venue_world.asset_usd[i] / unit
                self.local_world.asset_prices[i] = self.venue_world.asset_prices[i]
                self.exchange.ledger.asset_prices[i] = self.venue_world.asset_prices[i]
        return self.exchange.asset_price_moved(asset, time)

    cdef int settle_funding(self, const Event *event, int64_t time) except -1 nogil:
        cdef int64_t mark = event.c
        cdef int32_t i, k
        cdef Event head
        cdef bint held = False
        cdef Slot *slot
        cdef int leg
        if mark == 0:
            mark = self.venue_world.prices[event.instrument].mark
            if self.exchange.mark_from_last[event.instrument]:
                # A trade at the very instant is its mark too; trades come after funding in the order of ties.
                for i in range(self.n_streams):
                    if self.kind[i] == TRADE and self.venue_time[i] == time:
                        (<Cursor> self.cursor[i]).peek(&head)
                        if head.instrument == event.instrument:
                            mark = head.a
        for i in range(self.exchange.n_accounts):
            for leg in range(-1, 2):
                slot = (<Account> self.exchange.accounts[i]).state.find(event.instrument, <int8_t> leg)
                if slot != NULL and slot.position.quantity != 0:
                    held = True
        if held:
            if mark == 0:
                with gil:
                    raise FeedError(
                        f"{self.context.infos[event.instrument].address} at {time} ns: a funding rate is due on an open position and there "
                        "is no mark; give mark rows, a mark column in the funding rows, or mark='last'")
            if event.c == 0 and time - self.venue_world.prices[event.instrument].mark_ts > self.max_mark_age[event.instrument]:
                with gil:
                    self.finding(
                        "old mark at funding", event.instrument, time,
                        f"the mark is {(time - self.venue_world.prices[event.instrument].mark_ts) / 1e9:.0f} s old")
            self.exchange.funding(event.instrument, mark, event.a, self.rate_scales[event.instrument], time)
        return 0

    def finding(self, what, int instrument, int64_t time, text):
        """Note what the first screen must print; each kind once per instrument, with a count."""
        key = (what, instrument)
        if key in self.gap_seen:
            self.gap_seen[key]["count"] += 1
            return
        entry = {"what": what, "symbol": self.context.infos[instrument].address, "time": time, "text": text, "count": 1}
        self.gap_seen[key] = entry
        self.findings.append(entry)

    # ------------------------------------------------------------------ bars on the venue clock

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
                if self.kind[i] == MARK_BAR and self.paths[i].phase == 0 and self.venue_time[i] == time:
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
            worst[j] = self.exchange.worst_ratio()
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
        self.venue_time[s] = path.times[1]
        if self.asset[s] >= 0:
            self.collateral(self.asset[s], event.a, <double> event.a / COLLATERAL_DIVISOR, time)
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
            # Margin waits for the other marks of the instant, as for points.
            self.exchange.mark(event.instrument, event.a, time)
            self.mark_changed(event.instrument, time)
        elif move.source == INDEX_PRICE:
            self.exchange.index(event.instrument, event.a, time)
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
        for s in range(self.n_streams):
            if self.kind[s] < BAR or self.venue_time[s] != time or self.paths[s].phase == 0:
                continue
            path = &self.paths[s]
            instrument = (<Cursor> self.cursor[s]).instrument
            if self.asset[s] >= 0:
                self.collateral(self.asset[s], path.prices[path.phase],
                                <double> path.prices[path.phase] / COLLATERAL_DIVISOR, time)
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
                self.venue_time[s] = (<Cursor> self.cursor[s]).next_ts
                if self.kind[s] == BAR and self.venue_time[s] != INT64_MAX:
                    self.venue_time[s] += 1
            else:
                self.venue_time[s] = path.times[path.phase]
        if n > 0:
            self.exchange.advance(self.moves, n, time)
            for s in range(n):
                if self.moves[s].source != INDEX_PRICE:
                    self.mark_changed(self.moves[s].instrument, time)
        return 0

    # ------------------------------------------------------------------ arrivals and answers

    cdef int arrivals(self, int64_t time) except -1 nogil:
        cdef Entry entry
        while self.venue_agenda.next_time <= time:
            entry = self.venue_agenda.pop()
            if entry.kind == ORDER_ARRIVES:
                self.exchange.arrive(self.exchange.store.at(<int32_t> entry.a), time)
            elif entry.kind == CANCEL_ARRIVES:
                self.exchange.cancel(entry.a, time)
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
                time + self.response_latency[self.exchange.outbox.items[i].account], ANSWER, slot)
        self.exchange.outbox.count = 0
        return 0

    # ------------------------------------------------------------------ strategy clock

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
        if self.local_best_time == time < self.local_second_time and self.local_agenda.next_time > time and self.n_aggregators == 0:
            # One market event and nothing else at this instant: most of a run.
            s = self.local_best
            (<Cursor> self.cursor[s]).deliver(&event)
            self.local_time[s] = (<Cursor> self.cursor[s]).next_delivery
            if self.local_time[s] < self.local_second_time:
                self.local_best_time = self.local_time[s]
            else:
                self.find_local()
            if not self.passive[s]:
                self.receive(&event)
            if self.any_market_hook:
                self.dispatch(&event, (<Cursor> self.cursor[s]).timeframe)
                if self.bars_due:
                    with gil:
                        self.hooks.bars(time)
            if self.alerts_due:
                with gil:
                    self.hooks.alerts(time)
            return 0
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
            else:
                self.close_bar(&self.aggregators[entry.a], time)
                self.local_agenda.push(time + self.aggregators[entry.a].timeframe, BAR_CLOSES, entry.a)
        while self.local_best_time <= time:
            s = self.local_best
            frame = (<Cursor> self.cursor[s]).timeframe
            (<Cursor> self.cursor[s]).deliver(&event)
            self.local_time[s] = (<Cursor> self.cursor[s]).next_delivery
            self.find_local()
            if not self.passive[s]:
                self.receive(&event)
            if self.any_market_hook:
                self.push_pending(&event, frame)
            if self.n_aggregators > 0:
                self.aggregate(&event, frame, time)
        for i in range(self.n_answers):
            with gil:
                self.hooks.message(&self.pool[self.answers[i]])
            self.free_slots[self.n_free] = self.answers[i]
            self.n_free += 1
        for i in range(self.n_pending):
            self.dispatch(&self.pending[i], self.pending_timeframe[i])
        if self.alerts_due:
            with gil:
                self.hooks.alerts(time)
        if self.n_pending > 0 and self.bars_due:
            with gil:
                self.hooks.bars(time)
        while self.local_agenda.next_time <= time and self.local_agenda.items[0].kind == TIMER:
            entry = self.local_agenda.pop()
            with gil:
                self.hooks.timer(entry.a, time)
        return 0

    cdef int receive(self, const Event *event) except -1 nogil:
        """A market event reaches the strategy's clock: prices and funding as it knows them."""
        cdef int32_t k = event.instrument
        cdef double estimate
        if event.kind == TRADE:
            self.local_world.set_last(k, event.a, event.delivered)
            if self.exchange.mark_from_last[k]:
                self.local_world.set_price(k, MARK_PRICE, event.a, event.delivered)
        elif event.kind == MARK:
            self.local_world.set_price(k, MARK_PRICE, event.a, event.delivered)
        elif event.kind == INDEX and k >= 0:
            self.local_world.set_price(k, INDEX_PRICE, event.a, event.delivered)
        elif event.kind == BAR:
            self.local_world.set_price(k, LAST_PRICE, event.d, event.delivered)
        elif event.kind == MARK_BAR:
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
            elif event.d == 1:
                self.context.funding[k].predicted = event.a
                self.context.funding[k].predicted_ts = event.delivered
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
                with gil:
                    self.hooks.bar(market_event(<InstrumentInfo> self.infos[event.instrument], event, timeframe), timeframe)
            if event.kind == BAR:
                for i in range(self.n_strategies):
                    if self.c_hooks[i] & HOOK_BAR and not self.context.warming:
                        (<Strategy> self.strategy[i])._on_bar(event)
                return 0
            if event.kind == PREMIUM_BAR or event.instrument < 0:
                return 0
        elif event.instrument < 0:
            return 0
        for i in range(self.n_strategies):
            c = self.c_hooks[i]
            if c & 127:
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
            hook = self.bound[i * KINDS + event.kind]
            if hook != NULL:
                (<call_hook> <void *> python_hook)(hook, self.infos[event.instrument], event, timeframe)
        return 0

    # ------------------------------------------------------------------ samples

    cdef int sample(self, int64_t time, int64_t at) except -1 nogil:
        """Equity, margin and exposure just before the first event since `at`, which is at `time`; so they were at `at` too."""
        cdef EquityRow *row
        cdef ExposureRow *seen
        cdef PoolState *pool
        cdef Slot *slot
        cdef int32_t i, j, k
        cdef double value
        cdef bint exposures = time >= self.next_exposure
        self.next_sample = at + self.sample_interval
        if exposures:
            self.next_exposure = (time // self.hour + 1) * self.hour
        row = <EquityRow *> self.exchange.journal.equity.append()
        row.time = at
        for i in range(self.exchange.n_accounts):
            for k in range(self.venue_world.n_assets):
                if self.exchange.ledger.balance(i, k) != 0:
                    row.cash += self.venue_world.amount_value(k, self.exchange.ledger.balance(i, k)) * self.value_of(k)
            for j in range((<Account> self.exchange.accounts[i]).state.n_pools):
                pool = (<Account> self.exchange.accounts[i]).state.pools[j]
                if pool.pool.count == 0:
                    continue
                value = (<Account> self.exchange.accounts[i]).state.unrealized(pool)
                row.unrealized += value * self.value_of(pool.pool.legs[0].contract.settle)
                if pool.extreme > 0:
                    (<Account> self.exchange.accounts[i]).extreme_sample(pool)
                (<Account> self.exchange.accounts[i]).periodic_sample(pool, at)
            for j in range((<Account> self.exchange.accounts[i]).state.n_slots):
                slot = (<Account> self.exchange.accounts[i]).state.slots[j]
                if slot.position.quantity == 0:
                    continue
                k = slot.position.instrument
                if self.venue_world.prices[k].mark == 0 or time - self.venue_world.prices[k].mark_ts > self.max_mark_age[k]:
                    with gil:
                        self.mark_gap(k, time)
                if exposures:
                    seen = <ExposureRow *> self.exchange.journal.exposure.append()
                    seen.time = at
                    seen.account = i
                    seen.instrument = k
                    seen.quantity = self.venue_world.quantity_value(k, slot.position.quantity)
                    seen.mark = self.venue_world.prices[k].mark_value
                    seen.notional = (<Account> self.exchange.accounts[i]).signed_notional(slot, seen.mark) * self.value_of(
                        self.venue_world.contracts[k].settle)
        for k in range(self.venue_world.n_assets):
            if self.exchange.ledger.balance(self.exchange.ledger.in_transit, k) != 0:
                row.cash += self.venue_world.amount_value(
                    k, self.exchange.ledger.balance(self.exchange.ledger.in_transit, k)) * self.value_of(k)
        row.equity = row.cash + row.unrealized
        return 0

    cdef double value_of(self, int32_t asset) noexcept nogil:
        return 1.0 if asset == self.reporting else self.exchange.ledger.asset_prices[asset]

    def mark_gap(self, int instrument, int64_t time):
        """An open position cannot be priced: an error, or what the user chose."""
        import pandas as pd

        name = self.context.infos[instrument].address
        last = self.venue_world.prices[instrument].mark_ts
        when = pd.Timestamp(time, unit="ns", tz="UTC")
        if self.on_gap == 0:
            raise FeedError(
                f"{name}: at {when} a position is open and its latest mark is of "
                f"{pd.Timestamp(last, unit='ns', tz='UTC') if last else 'never'}, older than the "
                f"{self.max_mark_age[instrument] / 1e9:.0f} s allowed for its spacing; fill the gap in the data, or accept it with "
                "on_gap='warn' (goes on with the old mark and says so) or on_gap='skip'")
        self.finding("gap in mark", instrument, time, f"no mark between {last} and {time} ns with a position open")

    def snapshot(self, int64_t time):
        """Note what is owned: at the start, at each month boundary (before the first event at or after it), at the end."""
        cdef int32_t i, j, k
        cdef Slot *slot
        cdef Order *order
        cdef double value
        ledger = self.exchange.ledger
        counts = (ledger.postings.rows, self.exchange.journal.fills.rows)
        for i in list(range(self.exchange.n_accounts)) + [ledger.in_transit]:
            for k in range(self.venue_world.n_assets):
                if self.exchange.ledger.balance(i, k) == 0 and isnan(self.value_of(k)):
                    continue             # never held: it needs no price
                self.snapshots.append((
                    time, self.exchange.ledger.balance(i, k), 0, 0, *counts, self.value_of(k), i, k, -1, -1, -1, 0, self.n_snapshots))
        for i in range(self.exchange.n_accounts):
            for j in range((<Account> self.exchange.accounts[i]).state.n_slots):
                slot = (<Account> self.exchange.accounts[i]).state.slots[j]
                if slot.position.quantity == 0:
                    continue
                k = slot.position.instrument
                order = self.exchange.store.by_id(slot.position.last_order)
                value = unrealized(&slot.position, self.venue_world.contracts[k], self.venue_world.prices[k].mark_value)
                self.snapshots.append((
                    time, <int64_t> (value * self.venue_world.atoms[self.venue_world.contracts[k].settle]),
                    slot.position.quantity, self.venue_world.prices[k].mark, *counts,
                    self.value_of(self.venue_world.contracts[k].settle), i, self.venue_world.contracts[k].settle, k,
                    order.strategy if order != NULL else -1, order.tag if order != NULL else -1, slot.position.leg,
                    self.n_snapshots))
        self.n_snapshots += 1
        self.next_snapshot = next_month(time)


def next_month(int64_t time):
    """The next 00:00 UTC of the first of a month, ns."""
    from datetime import datetime, timezone

    now = datetime.fromtimestamp(time // 1_000_000_000, tz=timezone.utc)
    following = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=timezone.utc)
    return int(following.timestamp()) * 1_000_000_000
