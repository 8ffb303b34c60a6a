"""What the strategies of a run asked for, in order, so that it can be asked for again."""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, realloc
from venues.orders cimport GTD, OFF_LOT, OFF_TICK, REJECTED, Order, OrderStore


cdef class Script:
    """Every order, cancel and other request of one run; `backtest.Repeat` makes them again."""

    def __cinit__(self):
        self.lines = NULL
        self.orders = NULL

    def __init__(self):
        self.verbs = []
        self.tags = {}

    def __dealloc__(self):
        free(self.lines)
        free(self.orders)

    def __len__(self):
        return self.n_lines

    cdef int note(self, int32_t what, int64_t time, int64_t round, int64_t ref, int64_t held) except -1 nogil:
        cdef Line *grown
        cdef Line *line
        if self.n_lines == self.line_capacity:
            grown = <Line *> realloc(self.lines, (2 * self.line_capacity + 64) * sizeof(Line))
            if grown == NULL:
                with gil:
                    raise MemoryError("script: no memory")
            self.lines = grown
            self.line_capacity = 2 * self.line_capacity + 64
        line = &self.lines[self.n_lines]
        line.time = time
        line.round = round
        line.ref = ref
        line.held = held
        line.what = what
        self.n_lines += 1
        return 0

    cdef int note_order(self, const Order *order, int64_t round, int64_t held) except -1 nogil:
        cdef Order *grown
        if self.n_orders == self.order_capacity:
            grown = <Order *> realloc(self.orders, (2 * self.order_capacity + 64) * sizeof(Order))
            if grown == NULL:
                with gil:
                    raise MemoryError("script: no memory")
            self.orders = grown
            self.order_capacity = 2 * self.order_capacity + 64
        self.orders[self.n_orders] = order[0]
        self.n_orders += 1
        self.last_id = order.id
        return self.note(AN_ORDER, order.submitted, round, self.n_orders - 1, held)

    cdef int note_pair(self, int64_t group) except -1:
        self.orders[self.n_orders - 2].group = group
        self.orders[self.n_orders - 1].group = group
        return 0

    def close(self, OrderStore store, list verbs, dict tags):
        """Take over what verbs set on their orders after these were noted, requests other than orders, and tags.

        Price, quantity and trigger stay as sent: amendments and trailing have moved those of the store.
        """
        cdef Py_ssize_t i
        cdef Order *sent
        cdef Order *live
        for i in range(self.n_orders):
            sent = &self.orders[i]
            live = store.by_id(sent.id)
            sent.trigger_source = live.trigger_source
            sent.trail_rate = live.trail_rate
            sent.activation = live.activation
            sent.requested_price = live.requested_price
            sent.shown = live.shown
            if sent.tif == GTD:
                sent.expires = live.expires
            if live.status == REJECTED and (live.reason == OFF_LOT or live.reason == OFF_TICK):
                sent.reason = live.reason        # finer than the run's units when it was sent
        self.verbs = list(verbs)
        self.tags = dict(tags)
