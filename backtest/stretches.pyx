"""Stretches of trades of one stream with nothing else in between: both clocks pass over them in one loop.

Most of a run on a tape is this: the next trade of the stream comes before whatever else may happen, and reaches the
strategy at its own time. What is left out here has no effect; the results are those of taking every event by itself,
which `unfolds_all` asks for.
"""

from backtest.strategy cimport Strategy
from backtest.strategy_core cimport HOOK_TRADE
from backtest.views cimport InstrumentInfo, market_event
from cpython.ref cimport PyObject
from feeds.cursor cimport Columns
from feeds.events cimport Event, TRADE
from venues.matching cimport Market

ctypedef int (*call_hook)(PyObject *hook, PyObject *info, const Event *event) except -1 nogil


cdef int python_hook(PyObject *hook, PyObject *info, const Event *event) except -1:
    (<object> hook)(market_event(<InstrumentInfo> info, event, 0))
    return 0


cdef class Stretches(StrategyClock):
    """Passes over what needs no decision between two clocks."""

    cdef bint is_straight(self, int32_t stream, Cursor cursor) noexcept nogil:
        """Whether a stream's trades reach venue and strategy at one moment, and are no mark and no asset's price."""
        return (self.kind[stream] == TRADE and not self.passive[stream] and cursor.instrument >= 0
                and cursor.latency == 0
                and <PyObject *> cursor.local_batch == <PyObject *> cursor.venue_batch
                and cursor.local_row == cursor.venue_row and cursor.next_delivery == cursor.next_ts
                and cursor.venue_batch.columns.avail == NULL and cursor.venue_batch.columns.side != NULL
                and not self.exchange.mark_from_last[cursor.instrument]
                and self.priced_asset[cursor.instrument] < 0)

    cdef int64_t horizon(self, int64_t end) noexcept nogil:
        """Time of the first thing that is not a trade of this stream; what hooks add is looked at after each."""
        return min(end, self.venue.second_time, self.local.second_time, self.next_rule, self.next_sample,
                   self.exchange.liquidator.next_deadline)

    cdef void move_cursor(self, int32_t stream, Cursor cursor, Py_ssize_t venue_row,
                          Py_ssize_t local_row) noexcept nogil:
        cursor.taken += venue_row - cursor.venue_row
        cursor.venue_row = venue_row
        cursor.next_ts = cursor.venue_batch.columns.ts[venue_row]
        self.venue.times[stream] = cursor.next_ts
        self.venue.moved(stream)
        cursor.local_row = local_row
        cursor.next_delivery = cursor.local_batch.columns.ts[local_row]
        cursor.last_delivery = cursor.next_delivery
        self.local.times[stream] = cursor.next_delivery
        self.local.moved(stream)

    cdef Py_ssize_t pass_trades(self, int64_t end, Py_ssize_t most) except -1 nogil:
        cdef int32_t s = self.venue.best
        cdef int64_t limit
        if self.kind[s] != TRADE or s != self.local.best:
            return 0
        limit = self.horizon(end)
        if (self.venue.best_time >= limit or self.venue.best_time <= self.now or not self.is_plain_moment()
                or not self.is_straight(s, <Cursor> self.cursor[s])):
            return 0
        return self.pass_rows(
            s, <Cursor> self.cursor[s], <Market> self.exchange.markets[(<Cursor> self.cursor[s]).instrument], limit,
            most)

    cdef Py_ssize_t pass_rows(self, int32_t s, Cursor cursor, Market market, int64_t limit,
                              Py_ssize_t most) except -1 nogil:
        cdef const Columns *columns = &cursor.venue_batch.columns
        cdef int32_t instrument = cursor.instrument
        cdef Py_ssize_t first = cursor.venue_row, row = first
        # The last row of a batch is left to the cursor, which then turns to the next one.
        cdef Py_ssize_t last = min(columns.n - 1, first + most)
        cdef bint is_alone = self.n_strategies == 1
        cdef bint is_compiled = is_alone and self.c_hooks[0] & HOOK_TRADE != 0
        cdef PyObject *hook = self.bound[<int> TRADE] if is_alone else NULL
        cdef PyObject *info = self.infos[instrument] if is_alone else NULL
        cdef int64_t t
        cdef Event event
        cursor.fill(columns, first, &event)                  # what all rows share
        while row < last:
            t = columns.ts[row]
            if (t >= limit or columns.ts[row + 1] == t or t >= self.venue_agenda.next_time
                    or t >= self.local_agenda.next_time):
                break
            self.now = t
            event.ts = t
            event.delivered = t
            event.a = columns.a[row] * columns.times_a
            event.b = columns.b[row] * columns.times_b
            event.c = columns.c[row] * columns.times_c if columns.c != NULL else 0
            event.side = columns.side[row]
            self.venue_world.set_last(instrument, event.a, t)
            if market.head < 0:
                market.note_trade(event.a, event.b, event.side, t)
            else:
                market.on_trade(event.a, event.b, event.side, t)
                if self.venue_world.attention or self.exchange.outbox.count > 0:
                    self.unfinished = True
                    self.move_cursor(s, cursor, row + 1, row)
                    return row + 1 - first
            row += 1
            self.context.now = t
            self.context.round += 1
            self.local_world.set_last(instrument, event.a, t)
            if not self.any_market_hook:
                continue
            if not is_alone:
                self.dispatch(&event, 0)
            else:
                if is_compiled:
                    (<Strategy> self.strategy[0])._on_trade(&event)
                if hook != NULL:
                    (<call_hook> <void *> python_hook)(hook, info, &event)
            if not self.is_plain_moment() or self.stopped:
                self.after_hooks(t)
                break
        if row > first:
            self.move_cursor(s, cursor, row, row)
        return row - first
