"""What a run leaves behind: packed records in fixed blocks that are never moved (design.md section 5, journal)."""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t

cdef enum PostingKind:
    TRADE_PROFIT = 0
    FEE = 1
    FUNDING_PAYMENT = 2
    INTEREST = 3
    CONVERSION = 4
    LIQUIDATION_FEE = 5
    INSURANCE = 6
    ADL_PROFIT = 7
    TRANSFER = 8
    DEPOSIT = 9
    WITHDRAWAL = 10
    SETTLEMENT_PROFIT = 11
    SOCIALISED = 12
    UNFUNDED_LOSS = 13
    SPOT_TRADE = 14
    VENUE_FAILURE = 15
    BORROW = 16              # a loan comes, or goes back (REPAY); DEBT is what is owed for it, the other way round
    REPAY = 17
    DEBT = 18

cdef enum Forced:            # why a fill happened
    OWN_ORDER = 0
    BY_LIQUIDATION = 1
    BY_TAKEOVER = 2
    BY_ADL = 3
    BY_SETTLEMENT = 4

cdef enum PaidBy:            # who bore a shortfall
    NOBODY = 0
    INSURANCE_FUND = 1
    ADL_COUNTERPARTIES = 2
    UNFUNDED = 3

cdef packed struct PostingRow:
    int64_t time             # ns
    int64_t amount           # atoms, signed for the account
    int64_t balance          # atoms, after
    int64_t ref              # order, transfer or liquidation id; 0 = none
    double value_price       # reporting asset per unit of the asset, at that time
    int32_t account
    int32_t asset
    int32_t instrument       # -1 = none
    int32_t strategy         # -1 = none
    int32_t tag              # -1 = none
    int32_t kind             # PostingKind
    int32_t contra           # the account on the other side of the posting

cdef packed struct FillRow:
    int64_t time
    int64_t order
    int64_t price            # price units of the instrument
    int64_t quantity         # quantity units, > 0
    int64_t fee              # atoms, paid > 0, rebate < 0
    int64_t realized_pnl     # atoms of the settle asset
    int64_t decision_price   # price units when the order was decided; 0 = unknown
    int32_t account
    int32_t instrument
    int32_t strategy         # -1 = forced
    int32_t tag
    int32_t fee_asset
    int8_t side
    int8_t leg
    uint8_t is_maker
    uint8_t forced           # Forced
    uint8_t increases

cdef packed struct FundingRow:
    int64_t time
    int64_t quantity         # signed quantity units
    int64_t mark             # price units
    int64_t rate             # rate units
    int64_t amount           # atoms received
    int32_t account
    int32_t instrument
    int32_t asset
    int32_t rate_scale
    int32_t leg

cdef packed struct MarginRow:
    int64_t time
    double equity            # settle asset of the pool (reporting asset in multi-assets mode)
    double initial
    double maintenance
    double ratio             # maintenance / equity; 1 = liquidation
    double leverage          # sum of abs(notional) / equity
    double distance          # smallest |mark - liquidation price| / mark; inf without one
    int32_t account
    int32_t asset            # settle asset of the pool; -1 = all
    int32_t instrument       # isolated leg; -1 = cross
    int32_t flags            # 1 periodic, 2 change, 4 new extreme

cdef packed struct EquityRow:
    int64_t time
    double equity            # reporting asset, all accounts and money in transit
    double cash              # balances valued at the index
    double unrealized

cdef packed struct ExposureRow:
    int64_t time
    double notional          # signed, reporting asset
    double quantity          # signed
    double mark
    int32_t account
    int32_t instrument

cdef packed struct OrderRow:     # one state change of an order
    int64_t time
    int64_t order
    int64_t price            # price units; 0 = market
    int64_t trigger
    int64_t quantity         # sent, quantity units
    int64_t filled
    int64_t submitted        # ns
    double filled_value      # sum of quantity x price, in units
    double requested_quantity
    double requested_price
    int32_t account
    int32_t instrument
    int32_t strategy
    int32_t tag
    int8_t side
    int8_t leg
    uint8_t type
    uint8_t tif
    uint8_t flags
    uint8_t status
    uint8_t reason

cdef packed struct LiquidationRow:
    int64_t time
    int64_t trigger_mark     # price units
    int64_t price            # price units of this step's close
    int64_t quantity         # signed quantity units closed
    int64_t fee              # atoms
    int64_t shortfall        # atoms that the account could not pay
    int64_t bankruptcy       # price units; 0 = none
    double ratio             # at the trigger
    int32_t account
    int32_t instrument
    int32_t step
    int32_t asset
    int32_t what             # Forced
    int32_t paid_by          # PaidBy
    int32_t episode          # number of the liquidation in the run

cdef packed struct MarginCallRow:
    int64_t time
    double ratio
    double distance
    int32_t account
    int32_t asset            # -1 = all
    int32_t instrument       # isolated leg, or of an alert; -1 = cross
    int32_t strategy         # whose alert; -1 = the venue's call
    int32_t active           # 1 raised, 0 over

cdef packed struct TransferRow:
    int64_t time             # ns of this state
    int64_t id
    int64_t amount           # atoms of asset
    int64_t received         # atoms of receive_asset
    int64_t fee              # atoms of asset
    int32_t source           # account; -1 = outside
    int32_t target
    int32_t asset
    int32_t receive_asset
    int32_t status           # 0 sent, 1 arrived, 2 refused
    int32_t reason

cdef packed struct SeriesRow:
    int64_t time
    double value
    int32_t name
    int32_t strategy

cdef packed struct LogRow:
    int64_t time
    int32_t text
    int32_t strategy

cdef class RecordBlocks:
    """Append-only rows of one size in blocks of 64 Ki rows; pointers to the newest 64 Ki rows stay good."""
    cdef readonly str name
    cdef readonly Py_ssize_t itemsize
    cdef readonly Py_ssize_t rows
    cdef readonly Py_ssize_t written  # blocks that are on disk as well, the first ones
    cdef Py_ssize_t capacity         # rows that the blocks so far can hold
    cdef void **blocks               # NULL where a block is on disk only
    cdef Py_ssize_t n_blocks
    cdef Py_ssize_t n_held           # blocks in memory
    cdef readonly object dtype
    cdef object spill                # asked before each new block (backtest/spill.py); None = all stays in memory

    cdef void *append(self) except NULL nogil        # a zeroed row; fill it in
    cdef void *at(self, Py_ssize_t row) except NULL nogil
    cdef int grow(self) except -1
    cdef int restore(self, Py_ssize_t block) except -1

cdef class Journal:
    """All tables of a run."""
    cdef readonly RecordBlocks fills
    cdef readonly RecordBlocks funding
    cdef readonly RecordBlocks margin
    cdef readonly RecordBlocks equity
    cdef readonly RecordBlocks exposure
    cdef readonly RecordBlocks orders
    cdef readonly RecordBlocks liquidations
    cdef readonly RecordBlocks margin_calls
    cdef readonly RecordBlocks transfers
    cdef readonly RecordBlocks series
    cdef readonly RecordBlocks log
