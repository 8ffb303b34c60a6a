"""What a venue tells the owner of an account. The loop delivers each message one response latency later."""

from libc.stdint cimport int32_t, int64_t, uint8_t
from venues.orders cimport Order
from venues.position cimport Position

cdef enum MessageKind:
    ORDER_STATE = 0
    FILLED_PART = 1          # row of the fills table
    FUNDING_PAID = 2         # row of the funding table
    MARGIN_CALL = 3
    LIQUIDATED = 4           # row of the liquidations table
    DELEVERAGED = 5          # row of the liquidations table
    SETTLED = 6              # row of the fills table
    TRANSFERRED = 7          # row of the transfers table
    STATE_ONLY = 8           # nothing but new balances, a new position or a new setting

cdef struct Message:
    int64_t time             # ns, venue clock
    int64_t row              # -1 = none
    Order order              # as it was then (ORDER_STATE, FILLED_PART)
    Position position        # as it is now
    int64_t balances[2]      # atoms
    int64_t earmarked[2]
    int64_t locked[2]        # spot: behind open orders
    int64_t borrowed[2]      # taken as a loan
    int64_t session_profit[2]
    double bids              # held by open orders of the position
    double asks
    double open_loss
    int32_t assets[2]        # -1 = none
    double ratio             # margin call
    double distance
    int32_t account
    int32_t strategy         # whose order; -1 = of every strategy with this account
    int32_t pool_asset       # margin call
    int32_t instrument       # -1 = none
    int32_t open_orders      # that hold margin
    uint8_t kind
    uint8_t has_position
    uint8_t active           # margin call: 1 raised, 0 over
    uint8_t condition        # of the account's pool: PoolCondition

cdef class Outbox:
    cdef Message *items
    cdef readonly Py_ssize_t count
    cdef Py_ssize_t capacity
    cdef Message *new(self) except NULL nogil
