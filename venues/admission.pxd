"""Which orders a venue takes: outages, limits of a contract, sides, triggers, numbers of open orders."""

from cpython.ref cimport PyObject
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t
from venues.auto_exchange cimport AutoExchange
from venues.crowd cimport Crowd
from venues.ledger cimport Ledger
from venues.liquidation cimport Liquidator
from venues.matching cimport Market, Move
from venues.orders cimport Order, OrderStore
from venues.outbox cimport Outbox
from venues.records cimport Journal
from venues.state cimport Slot
from venues.world cimport PriceSource, World

cdef enum:
    WINDOWS = 2

cdef struct OrderRate:       # how many orders an account may send in a window of time
    int64_t most             # 0 = no limit
    int64_t span             # ns

cdef class Admission:
    cdef readonly World world
    cdef readonly Ledger ledger
    cdef readonly Journal journal
    cdef readonly Outbox outbox
    cdef readonly OrderStore store
    cdef readonly Liquidator liquidator
    cdef AutoExchange auto_exchange
    cdef readonly list account_list
    cdef readonly list market_list
    cdef readonly Crowd crowd            # other traders who live in the run; None = nobody
    cdef PyObject **accounts             # users' accounts, then those in which members of the crowd act
    cdef PyObject **markets
    cdef readonly int32_t n_accounts
    cdef readonly int32_t n_markets
    cdef int32_t *venue_of           # venue of each instrument
    cdef uint8_t *mark_from_last     # the run's mark of this instrument is its last price
    cdef uint8_t *mark_from_index
    cdef int64_t *outage_until       # ns, by venue: orders and cancels are answered VENUE_UNAVAILABLE
    cdef int64_t *cancel_only_until  # ns, by venue: cancels are taken, orders are not
    cdef int64_t *overload_until     # ns, by venue: a share of the orders is refused
    cdef double *overload_share
    cdef int32_t *most_orders        # open limit orders that an account may have in a contract, by venue; 0 = no limit
    cdef int32_t *most_conditional   # the same for stops and take-profits
    cdef OrderRate *rates            # [venue * 2 + window]
    cdef int64_t *sent               # by account, the same: orders in the present window
    cdef int64_t *window             # number of that window
    cdef uint8_t *icebergs           # by venue: orders may show a part of their quantity
    cdef uint8_t *keeps_place        # by venue: lowering a quantity keeps the place in the queue
    cdef int64_t seed
    cdef bint limits
    cdef bint some_stand_alone       # a contract of the run allows no other in its account

    cdef int32_t alone_in(self, int32_t account) noexcept nogil
    cdef int validate(self, Order *order, int64_t time) except -1 nogil
    cdef bint is_too_fast(self, const Order *order, int64_t time) noexcept nogil
    cdef bint crowds(self, const Order *order) noexcept nogil
    cdef int too_many(self, Order *order) noexcept nogil
    cdef bint would_trigger(self, Order *order) noexcept nogil

# Whether a position has a profit at the mark, more than the rounding of floats.
cdef bint wins(World world, const Slot *slot) noexcept nogil
