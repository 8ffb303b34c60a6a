"""State of a run's event loop: cursors, clocks, room for what is pending; which stream comes next."""

from backtest.agenda cimport Agenda
from backtest.context cimport Context
from backtest.hooks cimport Hooks
from backtest.tournament cimport Tournament
from cpython.ref cimport PyObject
from feeds.events cimport Event
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint32_t
from venues.funding cimport BasisAverage, FundingFormula, PremiumAverage
from venues.matching cimport Move
from venues.outbox cimport Message
from venues.venue cimport Exchange
from venues.world cimport World

cdef struct BarPath:         # the venue's side of a stream of bars
    int64_t times[4]         # open, two extremes, close
    int64_t prices[4]
    int64_t here             # price at the latest part
    int32_t phase            # the part that comes next; 0 = the open of the next row

cdef struct Aggregator:      # bars of a timeframe made from trades or finer bars
    int64_t timeframe
    int64_t offset           # weeks open on Monday; the epoch was a Thursday
    int64_t ts_open
    int64_t open
    int64_t high
    int64_t low
    int64_t close
    int64_t volume
    int64_t latency
    int32_t instrument
    int32_t source           # stream
    uint8_t is_open
    uint8_t from_trades

cdef enum MarkFormula:
    MEDIAN = 0
    FAIR = 1
    EMA = 2
    BASIS = 3                # index + moving average of the basis, no median

cdef struct FormulaMark:     # mark price by the venue's formula (binance.md section 2), on the venue's clock
    BasisAverage basis
    int64_t spacing          # ns between two samples of the basis; 0 = this instrument's mark comes from elsewhere
    int64_t next_sample
    int64_t rate_ts          # latest settled funding
    int64_t interval         # ns
    double rate
    uint8_t rule             # MarkFormula
    double bound             # share of the index that the mark may be away from it; 0 = any
    double average           # EMA of price - index
    int64_t average_at       # ns

cdef class LoopState:
    cdef readonly Exchange exchange
    cdef readonly Context context
    cdef World venue_world
    cdef World local_world
    cdef Agenda venue_agenda
    cdef Agenda local_agenda
    cdef readonly list cursors
    cdef readonly list strategies
    cdef object verbs                    # backtest.verbs.Verbs
    cdef object rules                    # backtest.rule_events.RuleEvents
    cdef PyObject **cursor
    cdef PyObject **strategy
    cdef int32_t n_streams
    cdef int32_t n_strategies
    cdef bint repeats                    # the only strategy is a Repeat
    cdef int32_t n_instruments
    cdef Tournament venue                # next event of each stream on the venue's clock
    cdef Tournament local                # next delivery of each stream on the strategy's clock
    cdef uint8_t *kind
    cdef uint8_t *early                  # of the kinds up to MARK: margin waits until all of an instant are in
    cdef uint8_t *passive                # nothing of it reaches the market
    cdef uint8_t *feeds_book             # streams that make the local book of their instrument
    cdef PyObject **local_books          # by instrument; NULL = none
    cdef uint8_t *mid_is_last            # by instrument: no trades or bars
    cdef int32_t *asset                  # stream of a collateral price; -1 = of an instrument
    cdef BarPath *paths
    cdef int32_t *priced_asset           # asset that an instrument's mark gives the reporting price of; -1 = none
    cdef int32_t reporting
    cdef int32_t usd_of_reporting        # asset whose US dollar price values the reporting asset
    cdef FundingFormula *formulas        # by instrument
    cdef FormulaMark *formula_marks
    cdef PremiumAverage *premiums
    cdef int64_t *max_mark_age           # ns, by instrument
    cdef double *premium_divisors
    cdef uint8_t *announces              # the next rate is public at a settlement
    cdef int32_t *rate_scales
    cdef uint8_t *has_formula
    # strategies
    cdef PyObject **bound                # Python market hooks: [strategy * 16 + EventKind]; NULL = none
    cdef uint32_t *c_hooks
    cdef uint8_t *python_orders          # by strategy: Python hooks, which may look at orders
    cdef Hooks hooks
    cdef bint bars_due                   # a Python strategy or a series wants bars
    cdef bint any_market_hook
    cdef bint holds_gil
    cdef list bound_objects
    cdef list info_objects
    cdef PyObject **infos                # [strategy * n_instruments + instrument]
    # pending deliveries of one instant
    cdef Event *pending
    cdef int64_t *pending_timeframe
    cdef Py_ssize_t n_pending
    cdef Py_ssize_t pending_capacity
    cdef Message *pool
    cdef Py_ssize_t pool_capacity
    cdef int64_t *free_slots
    cdef Py_ssize_t n_free
    cdef int64_t *answers
    cdef Py_ssize_t n_answers
    cdef Py_ssize_t answers_capacity
    cdef Aggregator *aggregators
    cdef readonly int32_t n_aggregators
    # time
    cdef int64_t end
    cdef int64_t next_sample
    cdef int64_t sample_interval
    cdef int64_t hour
    cdef int64_t next_exposure
    cdef int64_t next_snapshot
    cdef readonly list snapshots         # rows of the holdings table
    cdef int n_snapshots
    cdef int64_t next_rule
    cdef int64_t group_time              # bars that open at this instant go ...
    cdef bint group_down                 # ... down first
    cdef int path_rule                   # 0 worst, 1 ohlc (high first), 2 olhc (low first)
    cdef Move *moves
    cdef readonly int64_t now
    cdef readonly int64_t events
    cdef readonly bint stopped
    cdef readonly bint interrupted       # stopped by whoever watches
    cdef readonly double equity          # of the latest sample, reporting asset
    cdef readonly double ratio           # highest margin ratio of all pools then
    cdef readonly list ruins             # (account, ns)
    cdef int on_ruin                     # 0 stop, 1 continue, 2 refill
    cdef int on_gap                      # 0 error, 1 skip, 2 warn
    cdef readonly list findings
    cdef dict gap_seen
