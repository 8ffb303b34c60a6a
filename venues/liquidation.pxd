"""The venue's procedure when a margin pool falls below its requirement: cancel, close in steps, take over, insure."""

from libc.stdint cimport int32_t, int64_t, uint8_t
from venues.account cimport Account
from venues.auto_exchange cimport AutoExchange
from venues.forced_closes cimport ForcedCloses
from venues.ledger cimport PostingContext
from venues.margin cimport Leg
from venues.orders cimport Order
from venues.records cimport Journal
from venues.state cimport PoolState

cdef struct Course:                  # of a venue
    int64_t time_limit               # ns until what has not filled is taken over
    uint8_t is_at_once               # a pool of one asset: all positions are offered together
    uint8_t is_joint_at_once         # the same of the pool of multi-assets mode
    uint8_t has_limited_fund         # it may be exhausted
    uint8_t is_tiered                # an isolated leg steps down a tier once, then it is taken over
    uint8_t is_cross_tiered          # the same of a leg of a cross pool
    uint8_t cancels_contract         # only orders in the contract that is closed are cancelled
    uint8_t has_no_limit             # forced orders of stepwise closing take any price
    double target                    # ratio below which stepwise closing aims
    int64_t round_time               # ns between two parts; 0 = all that is needed at once
    double round_share               # part of a position that a round closes
    uint8_t is_in_parts              # orders for whole positions, or first for a part of a large one
    double backstop                  # taken over once equity <= that x maintenance; 0 = not for that reason
    double whole_up_to               # notional up to which the first order is for the whole position
    double part                      # of a larger one
    int32_t tiers_down               # an order moves a position down so many tiers, or all is taken over; 0 = not so
    int64_t pace                     # ns between two such orders
    int64_t lag                      # ns from the trigger until the engine acts
    int64_t cooldown                 # ns after such an order in which the account's next ones are for whole positions

cdef class Liquidator(ForcedCloses):
    cdef Journal journal
    cdef AutoExchange auto_exchange
    cdef int32_t n_markets
    cdef int32_t episodes
    cdef Course *courses             # by venue
    cdef readonly int64_t next_deadline      # earliest of all pools; INT64_MAX = none

    # Proceeds with the pools of an account whose time limit, next part or late engine is due; returns the next such ns
    cdef int64_t go_on(self, int32_t account, int64_t time) except? -1 nogil
    cdef bint waits(self, int32_t account, PoolState *pool, int64_t time) noexcept nogil
    cdef int proceed(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil
    cdef int cancel_orders(self, int32_t account, PoolState *pool, uint8_t forced, int32_t only,
                           int64_t time) except -1 nogil
    cdef int cancel_risky(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil
    cdef bint cancel_contract(self, int32_t account, PoolState *pool, int32_t leg, int64_t time) except -1 nogil
    cdef int64_t quantity_to_close(self, int32_t account, PoolState *pool, int32_t leg) noexcept nogil
    cdef int begin(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil
    cdef int step_or_take(self, int32_t account, PoolState *pool, int32_t leg, int64_t time) except -1 nogil
    cdef int64_t part_to_close(self, int32_t account, PoolState *pool, int32_t leg, int64_t time) noexcept nogil
    cdef double worst_price(self, int32_t account, const Leg *leg) noexcept nogil
    cdef bint is_offered(self, int32_t account, PoolState *pool) noexcept nogil
    cdef int offer(self, int32_t account, PoolState *pool, int32_t at, int64_t quantity, double limit,
                   int64_t time) except -1 nogil
    cdef int offer_all(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil
    cdef Order *forced(self, int32_t account, PoolState *pool, int32_t at, int64_t quantity, double limit,
                       int64_t time) except NULL nogil
    cdef int take_over(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil
    cdef int cover(
        self, const PostingContext *context, int32_t venue, int32_t fund, int32_t asset) except -1 nogil
    cdef int settle(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil
    cdef int settle_rest(self, int32_t account, int32_t asset, PoolState *pool, int64_t time) except -1 nogil
    cdef int clear(
        self, int32_t account, int32_t asset, int64_t rest, int32_t alone, int64_t time) except -1 nogil
    cdef int cover_debts(self, int32_t account, int64_t time) except -1 nogil
    cdef int tell(self, int32_t account, int32_t only, int64_t time) except -1 nogil
    cdef int finish(self, int32_t account, PoolState *pool, int64_t time) except -1 nogil

# Quantity units of a leg.
cdef int64_t whole_units(const Leg *leg) noexcept nogil
