"""The strategy's side of a run: what has been delivered so far, what may be asked for. No strategy reads a venue."""

from backtest.agenda cimport Agenda
from backtest.script cimport Script
from backtest.views cimport InstrumentInfo, OrderView
from cpython.ref cimport PyObject
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t
from venues.contract cimport Contract
from venues.orders cimport Order, OrderStore
from venues.outbox cimport Message
from venues.records cimport Journal
from venues.state cimport AccountState, PoolState, Slot
from venues.world cimport World

cdef struct FundingView:     # of one instrument, as delivered
    int64_t last_ts          # ns; 0 = none yet
    int64_t rate             # rate units
    int64_t interval         # seconds
    int64_t predicted        # rate units, from a predicted row
    int64_t predicted_ts
    uint8_t is_announced     # it is the settled rate itself, published one interval ahead
    double estimate          # from premium samples so far; nan = none
    int32_t samples

cdef struct TimerRow:
    int64_t period           # ns; 0 = once
    int32_t owner            # strategy
    uint8_t is_call          # its name is a function of Python, called itself

cdef class Context:
    cdef readonly int64_t now                # ns, strategy clock
    cdef int64_t round                       # of deliveries
    cdef readonly bint warming               # trading verbs are refused
    cdef World world                         # prices on this clock
    cdef readonly list states                # AccountState of each account on this clock
    cdef PyObject **state_rows               # the same
    cdef int64_t **locked                    # spot: atoms behind open orders, by account and asset
    cdef OrderStore store
    cdef Agenda venue_agenda
    cdef Agenda local_agenda
    cdef readonly Journal journal
    cdef readonly list infos                 # InstrumentInfo
    cdef readonly list books                 # venues.book.Book of each instrument on this clock; None = no such data
    cdef PyObject **book_rows                # the same; NULL = none
    cdef readonly list assets                # names
    cdef readonly list accounts              # names: VENUE or VENUE/ACCOUNT
    cdef readonly list account_venues        # venue id of each account
    cdef readonly list margin_modes          # those that each account's venue has
    cdef readonly list lending               # why each account can take no loan; "" = it can
    cdef readonly list account_assets        # home asset of each account: where its first balance is
    cdef readonly list delays                # venues.delay.Delay of each account
    cdef PyObject **delay_rows               # the same
    cdef double *slippage                    # by account
    cdef readonly list verbs                 # requests other than orders, in order of sending
    cdef readonly dict tags
    cdef readonly dict names
    cdef readonly list texts
    cdef readonly dict addresses             # symbol, SYMBOL@venue -> list of instruments
    cdef readonly dict predictions           # instrument -> whether a predicted rate was ever there when asked for
    cdef readonly dict transit               # id -> (asset, atoms) on its way, as far as told
    cdef set arrivals                        # ids whose arrival was told before their departure
    cdef list postponed                      # numbers of timers that fell into the warm-up
    cdef int32_t waiting                     # calls of strategies that wait for a first price
    cdef int32_t trailing                    # own trailing stops at work, as far as told
    cdef bint alerts_due                     # there are some
    cdef bint marks_moved                    # since the alerts were looked at
    cdef int64_t bar_timeframe               # ns, of the bar that C hooks are given
    cdef readonly int32_t reporting          # asset; equity is told in it
    cdef FundingView *funding
    cdef readonly object history             # backtest.history.History
    cdef readonly object universe            # backtest.universe.Universe
    cdef readonly dict series                # (instrument, timeframe) -> BarSeries
    cdef readonly list timers                # names of timers, or functions
    cdef TimerRow *timer_rows                # the same number of them
    cdef Py_ssize_t timer_room
    cdef readonly list alerts                # [strategy, instrument, distance, ratio, raised]
    cdef int64_t next_transfer
    cdef Script script                       # what is asked for is noted here; None = it is not

    cdef AccountState state(self, int32_t account)
    cdef int32_t tag(self, object text)
    cdef int64_t add_timer(self, int32_t owner, int64_t first, int64_t period, object name) except -1
    cdef double price(self, int32_t instrument) noexcept nogil      # mark, else last; 0 = none yet
    cdef int64_t bid(self, int32_t instrument) noexcept nogil       # price units of a usable book; 0 = none
    cdef int64_t ask(self, int32_t instrument) noexcept nogil
    cdef int64_t decision_price(self, int32_t instrument) noexcept nogil   # middle, else last, else mark; 0 = none yet
    cdef int64_t units_down(self, int32_t instrument, double quantity) noexcept nogil     # toward zero, on the lot
    cdef int64_t price_units(self, int32_t instrument, double price, int side) noexcept nogil  # passive side, on tick
    cdef Order *send(self, int32_t strategy, int32_t account, int32_t instrument, int side, int64_t quantity, int type,
                     int64_t price, int64_t trigger, int64_t trail, int flags, int tif, int leg, int32_t tag,
                     double requested) except NULL nogil
    # An exit of a bracket, which travels with its entry and waits at the venue
    cdef Order *attach(self, Order *entry, int type, int64_t price, int64_t trigger, int source) except NULL nogil
    cdef int pair(self, Order *first, Order *second) except -1   # the two latest: of which one cancels the other
    cdef int send_cancel(self, Order *order) except -1 nogil
    cdef int add_verb(self, int32_t account, tuple verb) except -1
    cdef int apply(self, const Message *message) except -1 nogil    # a message arrives
    cdef int note_transfer(self, const Message *message) except -1
    cdef double equity(self, int32_t account) noexcept nogil        # reporting asset
    cdef int value_collateral(self) except -1
    cdef double asset_value(self, int32_t asset) noexcept nogil     # reporting asset per unit; nan = unknown
    cdef double pool_value(self, const PoolState *pool) noexcept nogil
