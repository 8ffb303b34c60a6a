"""What strategies see of a population: its forced orders, and marks that its sales have moved.

A forced order of the population is public when it fills, one feed latency of its venue later, like a row of a feed of
liquidations. A mark of the feed is shown as the venue published it at its time: with what forced sales up to then have
added, nothing of later ones.
"""

from backtest.agenda cimport FORCED_SALE
from feeds.cursor cimport Cursor
from feeds.events cimport LIQUIDATION, MARK, MARK_BAR
from libc.stdlib cimport calloc, free, realloc
from venues.records cimport BY_LIQUIDATION, FillRow


cdef class ForcedSales(VenueClock):
    """Delivers the population's forced orders, as `on_liquidation` events, and its effect on marks."""

    def __dealloc__(self):
        free(self.sale_delays)
        free(self.sales)

    def hear_sales(self, list delays):
        """Tell strategies of the population's forced orders, so many ns after they fill, by instrument."""
        cdef Py_ssize_t i
        self.sale_delays = <int64_t *> calloc(len(delays) + 1, sizeof(int64_t))
        if self.sale_delays == NULL:
            raise MemoryError("loop: no memory")
        for i in range(len(delays)):
            self.sale_delays[i] = delays[i]

    cdef int publish(self, int64_t time) except -1 nogil:
        cdef FillRow *row
        if self.sale_delays == NULL:
            self.exchange.crowd.published = self.exchange.crowd.journal.fills.rows
        while self.exchange.crowd.published < self.exchange.crowd.journal.fills.rows:
            row = <FillRow *> self.exchange.crowd.journal.fills.at(self.exchange.crowd.published)
            if row.forced == BY_LIQUIDATION:
                self.local_agenda.push(
                    time + self.sale_delays[row.instrument], FORCED_SALE, self.exchange.crowd.published)
            self.exchange.crowd.published = self.exchange.crowd.published + 1
        return 0

    cdef int keep_sale(self, int64_t row) except -1 nogil:
        cdef int64_t *grown
        if self.n_sales == self.sales_capacity:
            grown = <int64_t *> realloc(self.sales, (2 * self.sales_capacity + 64) * sizeof(int64_t))
            if grown == NULL:
                with gil:
                    raise MemoryError("loop: no memory for forced orders")
            self.sales = grown
            self.sales_capacity = 2 * self.sales_capacity + 64
        self.sales[self.n_sales] = row
        self.n_sales += 1
        return 0

    cdef int sale_event(self, int64_t row, int64_t time, Event *event) except -1 nogil:
        cdef FillRow *fill = <FillRow *> self.exchange.crowd.journal.fills.at(row)
        event.ts = fill.time
        event.delivered = time
        event.instrument = fill.instrument
        event.stream = -1
        event.kind = LIQUIDATION
        event.side = fill.side
        event.a = fill.price
        event.b = fill.quantity
        event.c = 0
        event.d = 0
        event.e = 0
        return 0

    cdef void show_mark(self, int32_t stream, Event *event) noexcept nogil:
        cdef int64_t close
        if event.kind == MARK:
            event.a = self.exchange.crowd.shifted(event.instrument, event.a, event.ts)
        elif event.kind == MARK_BAR:
            close = event.ts + (<Cursor> self.cursor[stream]).timeframe - 1
            event.d = self.exchange.crowd.shifted(event.instrument, event.d, close)
            event.b = max(event.b, event.d)
            event.c = min(event.c, event.d)

    cdef int64_t as_mark(self, const Event *event) noexcept nogil:
        if self.exchange.crowd is None:
            return event.a
        return self.exchange.crowd.shifted(event.instrument, event.a, event.ts)
