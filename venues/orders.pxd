"""Orders: kinds, states, reasons, and the store that keeps every order of a run at one address."""

from libc.math cimport rint
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t

cdef enum OrderType:
    MARKET = 0
    LIMIT = 1
    STOP_MARKET = 2
    TAKE_MARKET = 3
    TRAILING_STOP = 4
    STOP_LIMIT = 5           # becomes a limit order when it is triggered
    TAKE_LIMIT = 6

cdef enum TimeInForce:
    GTC = 0
    IOC = 1
    FOK = 2
    GTD = 3                  # until `expires`

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
    EXPIRED = 5              # IOC or FOK rest, or its time is over

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
    LEVERAGE_NOT_WHOLE = 26
    TIME_OVER = 27           # GTD
    SIBLING_MET = 28         # the other order of one-cancels-the-other was filled or triggered
    TOO_MANY_REQUESTS = 29   # order rate of the venue
    NOT_ALONE = 30           # a contract that stands alone in its account, or beside one that does
    MORE_THAN_BORROWED = 31
    SELF_TRADE = 32          # it would have met an own order
    NO_ENTRY = 33            # the entry of its bracket ended without a fill
    NOT_OFFERED = 34         # the venue has no such orders

cdef enum SelfTrade:         # what happens when a taker would meet a resting order of its own account
    ALLOW_SELF_TRADE = 0     # nothing: it trades with the rest of the market
    CANCEL_TAKER = 1
    CANCEL_MAKER = 2
    CANCEL_BOTH = 3

cdef struct Order:
    int64_t id               # > 0, in order of submission
    int64_t quantity         # sent, quantity units, > 0 (0 with CLOSE_POSITION)
    int64_t filled
    int64_t price            # price units; 0 = market
    int64_t trigger          # price units; 0 = none
    int64_t trail            # distance of a trailing stop, price units; 0 = by trail_rate
    int64_t activation       # price units from which on a trailing stop follows; 0 = from its arrival
    int64_t group            # orders of which one cancels the others; 0 = none
    int64_t parent           # id of the entry of its bracket; 0 = none
    int64_t shown            # of an iceberg, quantity units; 0 = all
    int64_t visible          # what is left of the shown part
    int64_t extreme          # best price since a trailing stop works, price units
    int64_t queue            # estimated quantity ahead at this price, quantity units
    int64_t decision_price   # price units at the decision: mid, else last, else mark; 0 = unknown
    int64_t submitted        # ns, strategy clock
    int64_t arrived          # ns, venue clock
    int64_t touched          # number of the bar segment that last filled a part of it
    int64_t expires          # ns at which a forced or GTD order gives up; 0 = never
    int64_t place            # in a book told order by order: its own in time
    double ahead             # quantity ahead of it in the queue of its level, quantity units
    double level             # quantity of its level as the feed last told it; -1 = not known
    double traded            # of it at its price since then
    int64_t traded_at        # ns of the last such trade
    double filled_value      # sum of quantity x price in units
    double trail_rate        # distance of a trailing stop as a share of the best price
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
    uint8_t type             # of a triggered stop-limit: LIMIT
    uint8_t sent_type        # what it was sent as
    uint8_t tif
    uint8_t flags
    uint8_t status
    uint8_t reason
    uint8_t trigger_source
    uint8_t triggered        # a stop that has become a market order
    uint8_t counted          # its margin is held
    uint8_t canceling        # a cancel is on its way
    uint8_t children         # exits of its bracket: the orders with the next ids
    uint8_t held             # an exit that waits for its entry

cdef class OrderStore:
    cdef Order **blocks
    cdef int32_t n_blocks
    cdef readonly int32_t count
    cdef Order *new(self) except NULL nogil      # zeroed, with row, id and next set
    cdef Order *at(self, int32_t row) noexcept nogil
    cdef Order *by_id(self, int64_t id) noexcept nogil   # NULL = none

cdef inline bint is_stop(int type) noexcept nogil:
    """Triggered by a price that moves against the position it protects; a take-profit by the other way."""
    return type == STOP_MARKET or type == STOP_LIMIT or type == TRAILING_STOP


cdef inline bint has_limit(int type) noexcept nogil:
    """Whether it rests, now or once it is triggered."""
    return type == LIMIT or type == STOP_LIMIT or type == TAKE_LIMIT


cdef inline void follow(Order *order, int64_t price) noexcept nogil:
    """The trigger of a trailing stop follows the best price from its distance, once it is active."""
    if order.extreme == 0:
        if order.activation != 0 and order.side * (order.activation - price) < 0:
            return                       # a sell waits for a price at or above its activation
        order.extreme = price
    elif order.side * (price - order.extreme) < 0:
        order.extreme = price
    else:
        return
    order.trigger = order.extreme + order.side * (
        order.trail if order.trail != 0 else <int64_t> rint(order.trail_rate * <double> order.extreme))
