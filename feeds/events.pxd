"""The one shared C type: what happened, where, when. 64 bytes, passed as const Event *, valid only during the call."""

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t

cdef enum EventKind:         # the order of ties on the venue clock (design.md section 4)
    VENUE_EVENT = 0          # outage, ADL, delisting ...
    RULE = 1                 # instrument or tier change
    INDEX = 2
    PREMIUM = 3
    MARK = 4
    FUNDING = 5
    SETTLEMENT = 6
    TRADE = 7
    LIQUIDATION = 8
    OPEN_INTEREST = 9
    QUOTE = 10
    BOOK = 11
    BOOK_ORDER = 12          # one order of a book
    DEPTH = 13               # quantity within a distance of the middle
    BAR = 14
    MARK_BAR = 15
    INDEX_BAR = 16
    PREMIUM_BAR = 17
    EVENT_KINDS = 18         # how many there are

cdef struct Event:
    int64_t ts               # ns, venue clock (bars: open)
    int64_t delivered        # ns, strategy clock
    int32_t instrument       # row in the run's table
    int16_t stream           # number of the stream in the run
    uint8_t kind             # EventKind
    int8_t side              # trades: aggressor; liquidations: forced order; +1 buy, -1 sell, 0 unknown
    int64_t a                # price | open | rate (rate units) | distance (rate units; < 0: bids)
    int64_t b                # quantity | high | interval, seconds
    int64_t c                # flags | low | mark (0 = none)
    int64_t d                # close | funding kind: 0 settled, 1 predicted, 2 accrual
    int64_t e                # volume
