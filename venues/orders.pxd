"""Orders: kinds, states, reasons, and the store that keeps every order of a run at one address."""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t

cdef enum OrderType:
    MARKET = 0
    LIMIT = 1
    STOP_MARKET = 2
    TAKE_MARKET = 3
    TRAILING_STOP = 4

cdef enum TimeInForce:
    GTC = 0
    IOC = 1
    FOK = 2

cdef enum OrderFlag:
    POST_ONLY = 1
    REDUCE_ONLY = 2
    CLOSE_POSITION = 4       # sized at the trigger: whatever the position is then
    FORCED_ORDER = 8         # sent by the venue's liquidation
    PROTECTIVE = 16          # belongs to protect(): resized with the position

cdef enum TriggerSource:
    ON_MARK = 0
    ON_LAST = 1
    ON_INDEX = 2

cdef enum OrderStatus:
    SENT = 0                 # on its way to the venue
    WORKING = 1              # accepted, nothing or a part filled
    FILLED = 2
    CANCELED = 3
    REJECTED = 4
    EXPIRED = 5              # IOC or FOK rest

cdef enum Reason:
    NO_REASON = 0
    INSUFFICIENT_MARGIN = 1
    OFF_TICK = 2
    OFF_LOT = 3
    BELOW_MINIMUM = 4
    ABOVE_MAXIMUM = 5
    OUTSIDE_BAND = 6
    WOULD_TAKE = 7           # post-only
    NOTHING_TO_REDUCE = 8
    SIDE_NOT_ALLOWED = 9     # hedge mode without a leg, or a leg in one-way mode
    IN_LIQUIDATION = 10
    VENUE_UNAVAILABLE = 11
    BY_USER = 12
    BY_VENUE = 13            # cancelled by the liquidation procedure
    NOT_FILLABLE = 14        # IOC or FOK rest
    UNKNOWN_ORDER = 15
    TOO_MANY_ORDERS = 16
    POSITION_LIMIT = 17      # above what the leverage set allows
    NO_PRICE = 18
    DELISTED = 19
    WOULD_TRIGGER = 20
    POSITION_CLOSED = 21     # protective order without a position
    INSUFFICIENT_BALANCE = 22
    VENUE_OVERLOADED = 23
    VOLUME_EXHAUSTED = 24    # bar share used up and the rest is not carried over
    LEVERAGE_ABOVE_TIER = 25
    NOT_ALONE = 26           # a contract that stands alone in its account, or beside one that does

cdef struct Order:
    int64_t id               # > 0, in order of submission
    int64_t quantity         # sent, quantity units, > 0 (0 with CLOSE_POSITION)
    int64_t filled
    int64_t price            # price units; 0 = market
    int64_t trigger          # price units; 0 = none
    int64_t trail            # distance of a trailing stop, price units
    int64_t extreme          # best price since a trailing stop works, price units
    int64_t queue            # estimated quantity ahead at this price, quantity units
    int64_t decision_price   # price units at the decision: mid, else last, else mark; 0 = unknown
    int64_t submitted        # ns, strategy clock
    int64_t arrived          # ns, venue clock
    int64_t touched          # number of the bar segment that last filled a part of it
    int64_t expires          # ns at which a forced order gives up; 0 = never
    double filled_value      # sum of quantity x price in units
    double requested_quantity
    double requested_price
    double margin_price      # price that its margin was computed at
    double held_value        # notional held for its rest, settle asset
    double held_loss         # open loss held for its rest
    int32_t account
    int32_t instrument
    int32_t strategy         # -1 = the venue
    int32_t tag
    int32_t next             # list of the market it works in; -1 = end
    int32_t row              # own place in the store
    int8_t side              # +1 buy, -1 sell
    int8_t leg               # 0, +1, -1
    uint8_t type
    uint8_t tif
    uint8_t flags
    uint8_t status
    uint8_t reason
    uint8_t trigger_source
    uint8_t triggered        # a stop that has become a market order
    uint8_t counted          # its margin is held
    uint8_t canceling        # a cancel is on its way

cdef class OrderStore:
    cdef Order **blocks
    cdef int32_t n_blocks
    cdef readonly int32_t count
    cdef Order *new(self) except NULL nogil      # zeroed, with row, id and next set
    cdef Order *at(self, int32_t row) noexcept nogil
    cdef Order *by_id(self, int64_t id) noexcept nogil   # NULL = none
