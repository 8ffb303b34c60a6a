"""All venues of a run on their clock: prices come in by one door, orders and verbs arrive, accounts are looked after."""

from cpython.ref cimport PyObject
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t
from venues.auto_exchange cimport AutoExchange
from venues.ledger cimport Ledger
from venues.liquidation cimport Liquidator
from venues.matching cimport Market, Move
from venues.orders cimport Order, OrderStore
from venues.outbox cimport Outbox
from venues.records cimport Journal
from venues.world cimport PriceSource, World

cdef class Exchange:
    cdef readonly World world
    cdef readonly Ledger ledger
    cdef readonly Journal journal
    cdef readonly Outbox outbox
    cdef readonly OrderStore store
    cdef readonly Liquidator liquidator
    cdef AutoExchange auto_exchange
    cdef readonly list account_list
    cdef readonly list market_list
    cdef PyObject **accounts
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
    cdef int64_t seed
    cdef bint limits

    cdef int trade(self, int32_t instrument, int64_t price, int64_t quantity, int8_t side, int64_t time) except -1 nogil
    cdef int mark(self, int32_t instrument, int64_t price, int64_t time) except -1 nogil
    cdef int index(self, int32_t instrument, int64_t price, int64_t time) except -1 nogil
    cdef int asset_price_moved(self, int32_t asset, int64_t time) except -1 nogil
    cdef int funding(self, int32_t instrument, int64_t mark, int64_t rate, int32_t rate_scale, int64_t time) except -1 nogil
    cdef int attend(self, int64_t time) except -1 nogil      # margin checks, liquidations, orphaned reduce-only orders
    cdef int deadlines(self, int64_t time) except -1 nogil
    cdef int arrive(self, Order *order, int64_t time) except -1 nogil
    cdef int validate(self, Order *order, int64_t time) except -1 nogil
    cdef int too_many(self, Order *order) noexcept nogil
    cdef bint would_trigger(self, Order *order) noexcept nogil
    cdef int forced(self, int32_t account, int32_t instrument, int8_t leg, int64_t quantity, int64_t price, int64_t time,
                    int what) except -1 nogil
    cdef int cancel(self, int64_t id, int64_t time) except -1 nogil
    cdef int settle(self, int32_t instrument, int64_t price, int64_t time) except -1 nogil
    cdef int deleverage(self, int32_t account, int32_t instrument, int64_t quantity, int64_t price, int64_t time) except -1 nogil
    # Bars of one instant advance together along straight lines; stops, limits and liquidations are met in their order.
    cdef int jump(self, const Move *moves, int32_t n, int64_t time) except -1 nogil
    cdef int advance(self, const Move *moves, int32_t n, int64_t time) except -1 nogil
    cdef void set_progress(self, const Move *moves, int32_t n, double progress, int64_t time) noexcept nogil
    cdef bint breached(self) noexcept nogil
    cdef double worst_ratio(self) noexcept nogil
    cdef int flag_all(self) except -1 nogil
    cdef bint quiet(self, int32_t instrument) noexcept nogil
