"""Balances, positions and pools of one account, as one clock knows them: one for the venue, one for the local view."""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t
from venues.collateral cimport Haircut
from venues.engine cimport MarginEngine
from venues.margin cimport Band, Leg, Pool, Risk
from venues.position cimport Position
from venues.tiers cimport TierTable
from venues.units cimport Int128
from venues.world cimport World

cdef enum PoolCondition:
    NORMAL = 0
    WARNED = 1
    LIQUIDATING = 2
    RUINED = 3

cdef struct PoolState:
    Pool pool
    Risk risk                # of the last look
    Risk extreme_risk        # at the highest ratio so far
    int64_t extreme          # ns of it; 0 = written
    double extreme_distance
    Band *bands
    int32_t *slots           # position of each leg
    double *spent            # slack that each leg's price has used up
    double *after            # room for `nearest_liquidation`
    double total_spent
    double slack
    double threshold         # ratio that slack and bands are about
    double max_ratio         # highest ratio of the run
    double min_distance      # smallest distance to liquidation of the run
    int32_t capacity
    int32_t asset            # settle asset; -1 = all (multi-assets)
    int32_t isolated         # position that has this pool for itself; -1 = cross
    int32_t alone            # instrument of the leg that came in last, where it stands alone in its account; else -1
    uint8_t condition        # PoolCondition
    int32_t episode          # number of the liquidation in the run
    int32_t step             # of this liquidation
    uint8_t has_stepped      # the one order down the tiers has been sent
    int32_t blocks           # of a liquidation in slices so far
    int64_t waits_since      # ns of its latest fill, or of its beginning
    double block_closed      # of the present block of a liquidation in slices: notional closed ...
    double block_loss        # ... and paid by the insurance fund
    int64_t deadline         # ns at which what has not filled is taken over
    int64_t ready            # ns from which a late engine acts on the present trigger; 0 = not asked yet
    int64_t next_round       # ns before which no further part is offered; 0 = no rounds
    double trigger_ratio     # when it began
    uint8_t is_overdrawn     # equity is below the margin of positions and orders: the orders go
    uint8_t stale            # 1: bands are of no use, look at the next change; 2: look when the present event is over

cdef struct Slot:            # where a position stands
    Position position
    int32_t pool             # -1 = not in any
    int32_t leg
    int32_t open_orders      # that hold margin
    int32_t forced_orders    # of the venue, that work
    double bids
    double asks
    double open_loss
    uint8_t is_sliced        # in the present block of a liquidation in slices: 1 = offered, 2 = at least a part filled
    int64_t trigger_mark     # price units, when the liquidation of its pool began
    int64_t accrued_from     # ns from which quantity x time is in `accrued` (funding that accrues); 0 = never held
    int64_t accrued_until    # ns up to which it is
    Int128 accrued           # quantity units x ns since the last funding

cdef class AccountState:
    cdef World world
    cdef MarginEngine engine
    cdef readonly bint multi_assets
    cdef readonly bint hedge
    cdef public bint withdraws_profit    # all equity above the initial margin may leave, not only the wallet
    cdef readonly bint discounts_profit  # multi-assets mode: the haircut of an asset is of balance and profit together
    cdef int64_t *balances           # atoms, isolated wallets included
    cdef int64_t *earmarked          # atoms in isolated wallets, by asset
    cdef int64_t *session_profit     # atoms realised since the last daily settlement, by asset; above 0 they must stay
    cdef readonly bint has_sessions
    cdef Haircut *haircuts           # by asset, multi-assets mode
    cdef int64_t *borrowed           # atoms taken as a loan, by asset; balances are net of them
    cdef const TierTable **loans     # by asset: margin of what is owed; NULL = none
    cdef list loan_boxes             # that own them
    cdef int32_t *slot_of            # [instrument * 3 + leg + 1]; -1 = none
    cdef int32_t *cross_pool         # by settle asset
    cdef double *leverage            # margin leverage set, by instrument
    cdef int64_t *taker_fees         # 1e-10, by instrument: margins may reserve them for closing
    cdef uint8_t *isolated           # margin mode, by instrument
    cdef Slot **slots
    cdef readonly int32_t n_slots
    cdef PoolState **pools
    cdef readonly int32_t n_pools

    cdef Slot *slot(self, int32_t instrument, int8_t leg) except NULL nogil       # made when missing
    cdef Slot *find(self, int32_t instrument, int8_t leg) noexcept nogil          # NULL when missing
    cdef PoolState *pool_of(self, Slot *slot) except NULL nogil                   # made when missing
    cdef PoolState *new_pool(self, int32_t asset, int32_t isolated) except NULL nogil
    cdef int attach(self, Slot *slot) except -1 nogil
    cdef void detach(self, Slot *slot) noexcept nogil
    cdef int refresh(self, Slot *slot) except -1 nogil        # after a change of position, orders, leverage
    cdef void refresh_wallet(self, PoolState *pool) noexcept nogil
    cdef int refresh_wallets(self, int32_t asset) except -1 nogil                 # after a change of balance
    cdef void refresh_marks(self, PoolState *pool) noexcept nogil
    cdef void look(self, PoolState *pool) noexcept nogil      # risk() with the present marks and wallet
    cdef void arm(self, PoolState *pool, double threshold) noexcept nogil         # slack and bands for a threshold
    # One price has changed: returns 1 when the pool of that leg must be looked at.
    cdef bint mark_moved(self, Slot *slot, double mark) noexcept nogil
    cdef double ratio(self, const PoolState *pool) noexcept nogil                 # maintenance / equity
    cdef int open_cross_pool(self) except -1 nogil            # multi-assets mode: where debts without a position stand
    cdef int64_t owed(self, int32_t asset) noexcept nogil     # atoms that cost interest
    cdef double own_available(self, int32_t asset) noexcept nogil     # of an asset's own equity, multi-assets mode
    cdef double available(self, int32_t asset) noexcept nogil                     # may back a new order, settle asset
    # At the present marks, of the legs that settle in an asset, in units of it.
    cdef double unrealized(self, const PoolState *pool, int32_t settle) noexcept nogil
    cdef double distance(self, PoolState *pool) noexcept nogil                    # smallest of its legs
