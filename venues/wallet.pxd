"""Balances of one account: postings, isolated wallets, and what its owner is told."""

from libc.stdint cimport int32_t, int64_t, uint8_t
from venues.ledger cimport Ledger, PostingContext
from venues.orders cimport Order, SelfTrade
from venues.outbox cimport Message, MessageKind, Outbox
from venues.queue cimport QueueModel
from venues.records cimport Journal, PostingKind
from venues.state cimport AccountState, PoolState, Slot
from venues.world cimport World

cdef class Wallet:
    cdef readonly int32_t index
    cdef readonly int32_t label          # what its records call it: its index, or a member of a population
    cdef int32_t books                   # its row in the ledger: its index, or the one account of a population
    cdef readonly int32_t working        # orders that work in the markets, forced ones included
    cdef readonly int32_t venue
    cdef readonly AccountState state
    cdef World world
    cdef Ledger ledger
    cdef Outbox outbox
    cdef Journal journal
    cdef int64_t *maker_fees             # rates in 1e-10, by instrument
    cdef readonly double margin_call     # ratio at which the owner is warned
    cdef bint limits                     # enforce what the leverage set allows
    cdef public bint takes_no_loan       # an order needs its margin in its own settle asset
    cdef public bint cancels_early       # orders go once a cross pool has less than the margin of positions and orders
    cdef bint overdrawn                  # a pool has
    cdef bint flagged                    # a pool must be looked at
    cdef readonly bint liquidating       # a pool is in liquidation
    cdef bint fee_in_received            # spot fee: in the asset received (else in the quote)
    cdef public bint ruined
    cdef readonly double volume          # traded so far by own orders, US dollars
    cdef double *marks                   # room for the marks of a pool's legs
    cdef int64_t *locked                 # spot: atoms behind open orders, by asset
    cdef double market_buy_factor        # price at which the margin of a market order is computed, over last
    cdef double market_sell_factor
    cdef double slippage                 # fraction of the price, half-spread included, against every taker fill
    cdef double book_slippage            # the same on top of the levels of a book
    cdef QueueModel queue_model
    cdef double queue_power
    cdef SelfTrade self_trade            # what becomes of a taker that would meet an own order
    cdef bint forced_at_mark             # forced_close="mark_slippage": fills at the mark, not on the market
    cdef double trigger                  # ratio from which a pool is liquidated: 1, or the next float above it
    cdef double penalty_cap              # of a forced fill's notional, above its share of bankruptcy; negative = none
    cdef bint fee_on_forced              # fills by force pay the taker fee, not the clearance fee
    cdef bint fee_on_takeover            # a takeover pays the taker fee
    cdef int64_t part_closed             # ns at which a part of a position was last closed by force
    cdef uint8_t fill_rule               # FillRule of matching.pxd
    cdef int32_t closed_instrument       # a position went flat or turned: reduce-only orders need a look; -1 = none

    cdef void act_as(self, Wallet template, int32_t label, int64_t part_closed) noexcept nogil
    cdef int post(self, const PostingContext *context, int32_t contra, int32_t asset, PostingKind kind,
                  int64_t amount, Slot *isolated) except -1 nogil
    cdef int earmark(self, Slot *slot, int64_t atoms) except -1 nogil       # from cross to the isolated wallet
    cdef void flag(self, PoolState *pool) noexcept nogil     # to be looked at when the present event is over
    cdef Message *message(self, MessageKind kind, int64_t time, Slot *slot, int32_t asset) except NULL nogil
    cdef int order_changed(self, Order *order, int64_t time) except -1 nogil
    cdef int64_t equity_atoms(self, PoolState *pool, int32_t asset) noexcept nogil      # floor of the pool's equity
