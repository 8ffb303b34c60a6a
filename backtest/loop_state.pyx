"""State of a run's event loop: cursors, clocks, room for what is pending; which stream comes next."""

from backtest.context cimport Context
from backtest.hooks cimport Hooks
from backtest.repeat cimport Repeat
from backtest.strategy cimport Strategy
from backtest.tournament cimport Tournament
from cpython.ref cimport PyObject
from feeds.cursor cimport Cursor
from feeds.events cimport BAR, EVENT_KINDS, Event, FUNDING, MARK, MARK_BAR
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint32_t, uint8_t
from libc.stdlib cimport calloc, free
from venues.funding cimport basis_reset
from venues.matching cimport Move
from venues.venue cimport Exchange

MINUTE_NS = 60_000_000_000
HOUR_NS = 3_600_000_000_000


cdef class LoopState:
    """What the loop works on. Built by `backtest.assembly`, which explains each argument."""

    def __init__(self, *, Exchange exchange, Context context, Hooks hooks, list cursors, list strategies, verbs, rules,
                 list assets_of_streams, list passive, list feeds_book, list mid_is_last, list priced_asset,
                 int reporting, int64_t start, int64_t end, list formulas, list max_mark_age, list premium_scales,
                 list rate_scales, list mark_formulas, list announced, int path_rule, int on_ruin, int on_gap):
        cdef int32_t i, j, n = len(cursors), m = exchange.n_markets
        cdef Cursor cursor
        cdef Event head
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
        self.repeats = self.n_strategies == 1 and isinstance(strategies[0], Repeat)
        self.cursor = <PyObject **> calloc(n + 1, sizeof(PyObject *))
        self.strategy = <PyObject **> calloc(self.n_strategies + 1, sizeof(PyObject *))
        self.venue = Tournament(n)
        self.local = Tournament(n)
        self.kind = <uint8_t *> calloc(n + 1, sizeof(uint8_t))
        self.early = <uint8_t *> calloc(n + 1, sizeof(uint8_t))
        self.passive = <uint8_t *> calloc(n + 1, sizeof(uint8_t))
        self.feeds_book = <uint8_t *> calloc(n + 1, sizeof(uint8_t))
        self.mid_is_last = <uint8_t *> calloc(m + 1, sizeof(uint8_t))
        self.local_books = context.book_rows
        self.asset = <int32_t *> calloc(n + 1, sizeof(int32_t))
        self.paths = <BarPath *> calloc(n + 1, sizeof(BarPath))
        self.moves = <Move *> calloc(n + 1, sizeof(Move))
        self.priced_asset = <int32_t *> calloc(m + 1, sizeof(int32_t))
        self.formulas = <FundingFormula *> calloc(m + 1, sizeof(FundingFormula))
        self.formula_marks = <FormulaMark *> calloc(m + 1, sizeof(FormulaMark))
        self.premiums = <PremiumAverage *> calloc(m + 1, sizeof(PremiumAverage))
        self.has_formula = <uint8_t *> calloc(m + 1, sizeof(uint8_t))
        self.max_mark_age = <int64_t *> calloc(m + 1, sizeof(int64_t))
        self.premium_divisors = <double *> calloc(m + 1, sizeof(double))
        self.announces = <uint8_t *> calloc(m + 1, sizeof(uint8_t))
        self.rate_scales = <int32_t *> calloc(m + 1, sizeof(int32_t))
        self.python_orders = <uint8_t *> calloc(self.n_strategies + 1, sizeof(uint8_t))
        self.c_hooks = <uint32_t *> calloc(self.n_strategies + 1, sizeof(uint32_t))
        self.bound = <PyObject **> calloc(self.n_strategies * EVENT_KINDS + 1, sizeof(PyObject *))
        self.infos = <PyObject **> calloc(self.n_strategies * m + 1, sizeof(PyObject *))
        if (self.cursor == NULL or self.strategy == NULL or self.kind == NULL or self.early == NULL
                or self.passive == NULL or self.feeds_book == NULL or self.mid_is_last == NULL
                or self.asset == NULL or self.paths == NULL or self.moves == NULL
                or self.priced_asset == NULL or self.formulas == NULL
                or self.formula_marks == NULL or self.premiums == NULL or self.has_formula == NULL
                or self.max_mark_age == NULL or self.premium_divisors == NULL or self.rate_scales == NULL
                or self.announces == NULL
                or self.c_hooks == NULL or self.python_orders == NULL or self.bound == NULL or self.infos == NULL):
            raise MemoryError("loop: no memory")
        for i in range(n):
            cursor = cursors[i]
            self.cursor[i] = <PyObject *> cursor
            self.kind[i] = cursor.kind
            self.early[i] = cursor.kind <= MARK or cursor.kind >= MARK_BAR
            self.passive[i] = passive[i]
            self.feeds_book[i] = feeds_book[i]
            self.asset[i] = assets_of_streams[i]
            self.venue.times[i] = cursor.next_ts
            if cursor.kind == BAR and not passive[i] and cursor.next_ts != INT64_MAX:
                # A bar opens just after its time; its open as a mark is true at it.
                self.venue.times[i] = self.venue.times[i] + 1
            self.local.times[i] = cursor.next_delivery
        for i in range(m):
            self.priced_asset[i] = priced_asset[i]
            self.mid_is_last[i] = mid_is_last[i]
            self.max_mark_age[i] = max_mark_age[i]
            self.premium_divisors[i] = 10.0 ** <int> premium_scales[i]
            self.rate_scales[i] = rate_scales[i]
            self.announces[i] = announced[i]
            if mark_formulas[i] is not None:
                (points, self.formula_marks[i].spacing, self.formula_marks[i].rule,
                 self.formula_marks[i].bound) = mark_formulas[i]
                basis_reset(&self.formula_marks[i].basis, points)
            if formulas[i] is not None:
                self.has_formula[i] = 1
                (self.formulas[i].interest_rate, self.formulas[i].clamp, self.formulas[i].cap, self.formulas[i].floor,
                 self.formulas[i].is_weighted, self.formulas[i].is_added) = formulas[i]
        for i in range(n):
            cursor = cursors[i]
            if cursor.kind == FUNDING and cursor.next_ts != INT64_MAX and self.announces[cursor.instrument]:
                # the first rate of the data was public one interval before it
                cursor.peek(&head)
                self.formula_marks[cursor.instrument].rate = <double> head.a / 10.0 ** self.rate_scales[head.instrument]
                self.formula_marks[cursor.instrument].interval = head.b * 1000000000
                self.formula_marks[cursor.instrument].rate_ts = head.ts - head.b * 1000000000
        self.bound_objects = []
        self.n_instruments = m
        for i in range(self.n_strategies):
            self.strategy[i] = <PyObject *> strategies[i]
            for j in range(m):
                self.infos[i * m + j] = <PyObject *> (<Strategy> strategies[i]).infos[j]
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
        self.venue.rescan()
        self.local.rescan()

    def __dealloc__(self):
        free(self.cursor)
        free(self.strategy)
        free(self.kind)
        free(self.early)
        free(self.passive)
        free(self.feeds_book)
        free(self.mid_is_last)
        free(self.asset)
        free(self.paths)
        free(self.moves)
        free(self.priced_asset)
        free(self.formulas)
        free(self.formula_marks)
        free(self.premiums)
        free(self.has_formula)
        free(self.announces)
        free(self.max_mark_age)
        free(self.premium_divisors)
        free(self.rate_scales)
        free(self.c_hooks)
        free(self.python_orders)
        free(self.bound)
        free(self.infos)
        free(self.pending)
        free(self.pending_timeframe)
        free(self.pool)
        free(self.free_slots)
        free(self.answers)
        free(self.aggregators)
