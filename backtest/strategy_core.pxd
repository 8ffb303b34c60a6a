"""What the engine needs of a strategy: parameters, hooks, its C side, the names it uses."""

from backtest.context cimport Context
from backtest.views cimport InstrumentInfo, OrderView
from feeds.events cimport Event
from libc.stdint cimport int32_t, int64_t, uint32_t
from venues.orders cimport Order

cdef enum Hook:              # bits of the hooks that a class overrides
    HOOK_TRADE = 1
    HOOK_BAR = 2
    HOOK_MARK = 4
    HOOK_INDEX = 8
    HOOK_FUNDING = 16
    HOOK_LIQUIDATION = 32
    HOOK_OPEN_INTEREST = 64
    HOOK_TIMER = 128
    HOOK_FILL = 256
    HOOK_QUOTE = 512
    HOOK_BOOK = 1024
    MARKET_HOOK_BITS = 1663  # those of market data

cdef struct OpenOrder:       # one that a compiled strategy sent, as far as told
    int64_t id
    int64_t rest             # signed quantity units that may still fill
    int32_t instrument

cdef class StrategyCore:
    cdef readonly Context context        # None outside a run
    cdef readonly int32_t number         # in the run
    cdef readonly str name
    cdef readonly uint32_t c_hooks       # Hook bits of overridden C hooks
    cdef list infos                      # InstrumentInfo of each instrument, named as this strategy names it
    cdef dict _orders                    # id -> OrderView
    cdef int64_t _n_views                # ever made: 0 = Python has seen no order of this strategy
    cdef dict _found                     # symbol -> (instrument, account)
    cdef dict _told                      # (instrument, account) -> InstrumentInfo
    cdef set _heard                      # accounts that it has named
    cdef list _waiting                   # (instrument, key, call): orders that wait for a first price
    cdef int64_t _early_orders
    cdef list _trailing                  # OrderView of own working trailing stops
    cdef public object _portfolio        # backtest.portfolio.Portfolio, once there was a plan
    cdef int64_t *_bars                  # pairs of instrument and timeframe: the bars subscribed to
    cdef int32_t _n_bars
    cdef OpenOrder *_open
    cdef int32_t _n_open
    cdef int32_t _open_capacity
    cdef bint _starting

    # C hooks, market
    cdef int _on_trade(self, const Event *event) except -1 nogil
    cdef int _on_bar(self, const Event *event) except -1 nogil
    cdef int _on_mark(self, const Event *event) except -1 nogil
    cdef int _on_index(self, const Event *event) except -1 nogil
    cdef int _on_funding(self, const Event *event) except -1 nogil
    cdef int _on_liquidation(self, const Event *event) except -1 nogil
    cdef int _on_open_interest(self, const Event *event) except -1 nogil
    cdef int _on_quote(self, const Event *event) except -1 nogil     # a bid, b its quantity, c ask, d its quantity
    cdef int _on_book(self, const Event *event) except -1 nogil      # the same after a message, e whether it is valid
    # C hooks, own account and time
    cdef int _on_fill(self, int32_t instrument, int64_t quantity, int64_t price) except -1 nogil   # signed quantity
    cdef int _on_timer(self, int64_t timer) except -1 nogil

    # C verbs
    cdef int32_t instrument(self, str symbol) except -1          # with the GIL: call it in on_start
    cdef int64_t position_units(self, int32_t instrument) noexcept nogil     # one-way position in the default account
    # with own C orders that work counted as filled
    cdef int64_t expected_units(self, int32_t instrument) noexcept nogil
    # signed, on the lot; 0 without a price
    cdef int64_t units_of(self, int32_t instrument, double notional) noexcept nogil
    # of the instrument's account, reporting currency
    cdef double equity_value(self, int32_t instrument) noexcept nogil
    cdef double price(self, int32_t instrument) noexcept nogil               # mark, else last; 0 = none yet
    cdef int64_t bid_units(self, int32_t instrument) noexcept nogil          # of the delivered book; 0 = none
    cdef int64_t ask_units(self, int32_t instrument) noexcept nogil
    cdef int64_t tick_units(self, int32_t instrument) noexcept nogil
    # a price on the tick, to the passive side of a buy (1) or a sell (-1)
    cdef int64_t limit_units(self, int32_t instrument, double price, int side) noexcept nogil
    cdef int64_t lot_units(self, int32_t instrument, double quantity) noexcept nogil     # on the lot, toward zero
    # between mark and liquidation price of the position in the default account, of the mark; infinite without one
    cdef double distance(self, int32_t instrument) noexcept nogil
    cdef int64_t now_ns(self) noexcept nogil
    cdef int64_t bar_timeframe(self) noexcept nogil              # ns, of the bar that _on_bar was given
    cdef double price_divisor(self, int32_t instrument) noexcept nogil
    cdef double quantity_divisor(self, int32_t instrument) noexcept nogil
    # signed
    cdef int64_t market_order(self, int32_t instrument, int64_t quantity, bint reduce_only) except? -1 nogil
    cdef int64_t limit_order(self, int32_t instrument, int64_t quantity, int64_t price, bint post_only) except? -1 nogil
    cdef bint is_working(self, int64_t id) noexcept nogil        # an own C order that may still fill, as far as told
    cdef int cancel_order(self, int64_t id) except -1 nogil

    cdef int64_t _send_units(self, int32_t instrument, int64_t quantity, int type, int64_t price,
                             int flags) except? -1 nogil
    cdef void _follow_order(self, const Order *order) noexcept nogil
    cdef tuple find(self, object symbol)
    cdef InstrumentInfo _claim(self, int32_t instrument, str name)
    cdef InstrumentInfo told(self, int32_t instrument, int32_t account)
    cdef OrderView view(self, int64_t id)
    cdef bint wants_bar(self, int32_t instrument, int64_t timeframe) noexcept nogil
    cdef int32_t *_account_of            # default account of each instrument, for C verbs; -1 = none
