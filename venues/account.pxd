"""One account at a venue: fills, fees, funding and margin become postings, records and messages here."""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t
from venues.contract cimport Contract
from venues.margin cimport Risk
from venues.ledger cimport Ledger, PostingContext
from venues.orders cimport Order
from venues.outbox cimport Message, MessageKind, Outbox
from venues.records cimport Forced, Journal, PostingKind
from venues.state cimport AccountState, PoolState, Slot
from venues.world cimport World

cdef class Account:
    cdef readonly int32_t index
    cdef readonly int32_t venue
    cdef readonly AccountState state
    cdef World world
    cdef Ledger ledger
    cdef Outbox outbox
    cdef Journal journal
    cdef int64_t *maker_fees             # rates in 1e-10, by instrument
    cdef int64_t *taker_fees
    cdef readonly double margin_call     # ratio at which the owner is warned
    cdef bint limits                     # enforce what the leverage set allows
    cdef bint flagged                    # a pool must be looked at
    cdef readonly bint liquidating       # a pool is in liquidation
    cdef bint fee_in_received            # spot fee: in the asset received (else in the quote)
    cdef public bint ruined
    cdef double *marks                   # room for the marks of a pool's legs
    cdef int64_t *locked                 # spot: atoms behind open orders, by asset
    cdef double market_buy_factor        # price at which the margin of a market order is computed, over last
    cdef double market_sell_factor
    cdef double slippage                 # fraction of the price, half-spread included, against every taker fill
    cdef bint forced_at_mark             # forced_close="mark_slippage": fills at the mark, not on the market
    cdef uint8_t fill_rule               # FillRule of matching.pxd
    cdef int32_t closed_instrument       # a position there went flat or turned: reduce-only orders need a look; -1 = none

    cdef int post(self, const PostingContext *context, int32_t contra, int32_t asset, PostingKind kind,
                  int64_t amount, Slot *isolated) except -1 nogil
    cdef int earmark(self, Slot *slot, int64_t atoms) except -1 nogil       # from cross to the isolated wallet
    cdef Message *message(self, MessageKind kind, int64_t time, Slot *slot, int32_t asset) except NULL nogil
    cdef int order_changed(self, Order *order, int64_t time) except -1 nogil
    # The following return a Reason; NO_REASON = done.
    cdef int try_hold(self, Order *order) except -1 nogil
    cdef int set_leverage(self, int32_t instrument, double leverage, int64_t time) except -1 nogil
    cdef int set_isolated(self, int32_t instrument, bint isolated) except -1 nogil
    cdef int move_margin(self, int32_t instrument, int8_t leg, int64_t atoms, int64_t time) except -1 nogil
    cdef int hold(self, Slot *slot, Order *order, double value, double loss, int sign) except -1 nogil
    cdef double signed_notional(self, Slot *slot, double mark) noexcept nogil
    cdef int64_t spot_cost(self, const Contract *c, Order *order, int64_t quantity) except? -1 nogil
    cdef int64_t base_atoms(self, const Contract *c, int64_t quantity) noexcept nogil
    cdef int apply_leverage(self, int32_t instrument, double leverage) except -1 nogil
    cdef int release(self, Order *order, int64_t quantity) except -1 nogil
    cdef int fill(self, Order *order, int64_t quantity, int64_t price, bint is_maker, int64_t time,
                  Forced forced) except -1 nogil
    cdef int fill_spot(self, Order *order, int64_t quantity, int64_t price, int64_t rate, const PostingContext *context,
                       int64_t *fee_out, int32_t *fee_asset) except -1 nogil
    cdef int pay_funding(self, int32_t instrument, int64_t mark, int64_t rate, int32_t rate_scale,
                         int64_t time) except -1 nogil
    cdef void mark_moved(self, int32_t instrument) noexcept nogil           # flags the account when a band is left
    cdef int check(self, int64_t time) except -1 nogil                      # looks at flagged pools
    cdef int examine(self, PoolState *pool, int64_t time) except -1 nogil
    cdef int record_forced(self, Slot *slot, PoolState *pool, int64_t quantity, int64_t price, int64_t cost, Forced forced,
                           int64_t time) except -1 nogil
    cdef int write_margin(self, PoolState *pool, const Risk *risk, double distance, int64_t time, int32_t flags) except -1 nogil
    cdef int sample(self, PoolState *pool, int64_t time, int32_t flags) except -1 nogil
    cdef int extreme_sample(self, PoolState *pool) except -1 nogil          # the highest ratio since the last sample
    cdef int periodic_sample(self, PoolState *pool, int64_t time) except -1 nogil
    cdef int64_t equity_atoms(self, PoolState *pool, int32_t asset) noexcept nogil         # floor of the pool's equity, in an asset
