"""Orders: kinds, states, reasons, and the store that keeps every order of a run at one address."""

from libc.stdlib cimport calloc, free, realloc

cdef enum:
    BLOCK = 4096

TYPES = ("market", "limit", "stop", "take", "trailing", "stop_limit", "take_limit")
TIFS = ("GTC", "IOC", "FOK", "GTD")
STATUSES = ("sent", "working", "filled", "canceled", "rejected", "expired")
REASONS = (
    "", "INSUFFICIENT_MARGIN", "OFF_TICK", "OFF_LOT", "BELOW_MINIMUM", "ABOVE_MAXIMUM", "OUTSIDE_BAND", "WOULD_TAKE",
    "NOTHING_TO_REDUCE", "SIDE_NOT_ALLOWED", "IN_LIQUIDATION", "VENUE_UNAVAILABLE", "BY_USER", "BY_VENUE",
    "NOT_FILLABLE", "UNKNOWN_ORDER", "TOO_MANY_ORDERS", "POSITION_LIMIT", "NO_PRICE", "DELISTED", "WOULD_TRIGGER",
    "POSITION_CLOSED", "INSUFFICIENT_BALANCE", "VENUE_OVERLOADED", "VOLUME_EXHAUSTED", "LEVERAGE_ABOVE_TIER",
    "LEVERAGE_NOT_WHOLE", "TIME_OVER", "SIBLING_MET", "TOO_MANY_REQUESTS", "NOT_ALONE",
    "MORE_THAN_BORROWED", "SELF_TRADE", "NO_ENTRY", "NOT_OFFERED",
)


cdef class OrderStore:
    """Every order of a run, in blocks that never move."""

    def __cinit__(self):
        self.blocks = NULL
        self.n_blocks = 0
        self.count = 0

    def __dealloc__(self):
        cdef int32_t i
        for i in range(self.n_blocks):
            free(self.blocks[i])
        free(self.blocks)

    cdef Order *new(self) except NULL nogil:
        cdef Order **grown
        cdef Order *order
        if self.count == self.n_blocks * BLOCK:
            grown = <Order **> realloc(self.blocks, (self.n_blocks + 1) * sizeof(Order *))
            if grown != NULL:
                self.blocks = grown
                grown[self.n_blocks] = <Order *> calloc(BLOCK, sizeof(Order))
            if grown == NULL or grown[self.n_blocks] == NULL:
                with gil:
                    raise MemoryError("orders: no memory for another block")
            self.n_blocks += 1
        order = &self.blocks[self.count // BLOCK][self.count % BLOCK]
        order.row = self.count
        order.next = -1
        order.tag = -1
        self.count += 1
        order.id = self.count
        return order

    cdef Order *at(self, int32_t row) noexcept nogil:
        return &self.blocks[row // BLOCK][row % BLOCK]

    cdef Order *by_id(self, int64_t id) noexcept nogil:
        if id < 1 or id > self.count:
            return NULL
        return self.at(<int32_t> (id - 1))
