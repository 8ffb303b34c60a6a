"""The event loop: two clocks over the same columns, and nothing else.

Venue clock: everything of an instant in the order of ties (streams are numbered by it), margin after its marks, then
what arrives from strategies. Strategy clock: all deliveries of the instant are applied to the local view, then hooks
run: own answers, market data, timers. What a hook sends arrives at the venue one order latency later, at the earliest
after the present instant's market data.
"""

from backtest.bar_stretches cimport BarStretches
from cpython.exc cimport PyErr_CheckSignals
from feeds.events cimport FUNDING
from libc.stdint cimport int64_t

from backtest.errors import InvariantError
from feeds.times import iso

cdef enum:
    BURST = 65536            # events between two looks at signals and the GIL
    STUCK = 1000000          # rounds of one instant after which a strategy is talking to itself


cdef int yield_gil() except -1:
    with nogil:
        pass
    return PyErr_CheckSignals()


ctypedef int (*plain)() except -1 nogil


cdef class Loop(BarStretches):
    """Runs one set of strategies over one dataset."""

    def run(self):
        """Run to the end, or until something stops it."""
        self.open_books()
        try:
            if self.holds_gil:
                self.run_until(self.end)
            else:
                with nogil:
                    self.run_until(self.end)
        except Exception as error:
            error.add_note(f"in the run at {iso(self.now)} ({self.now} ns)")
            raise
        self.sample(min(self.end, self.now), min(self.end, self.now))
        self.next_snapshot = min(self.end, self.now)
        self.snapshot(self.next_snapshot)

    def stop(self):
        """End the run after the present instant, from another thread or a signal handler."""
        self.interrupted = True
        self.stopped = True

    cdef int run_until(self, int64_t end) except -1 nogil:
        cdef int64_t t, burst = 0, rounds = 0
        while not self.stopped:
            burst += self.pass_trades(end, BURST)
            if self.unfinished:
                self.unfinished = False
                self.look_at_margin(self.now)
                self.finish_instant(self.now)
            if not self.stopped:
                burst += self.pass_bars(end, BURST)
            if self.stopped:
                return 0
            t = self.venue.best_time
            if self.local.best_time < t:
                t = self.local.best_time
            if self.venue_agenda.next_time < t:
                t = self.venue_agenda.next_time
            if self.local_agenda.next_time < t:
                t = self.local_agenda.next_time
            if self.exchange.liquidator.next_deadline < t:
                t = self.exchange.liquidator.next_deadline
            if self.next_rule < t:
                t = self.next_rule
            if t >= end:
                return 0
            if t == self.now:
                rounds += 1
                if rounds > STUCK:
                    with gil:
                        raise InvariantError(
                            f"{STUCK} rounds of orders and answers in one instant; a hook answers its own answer")
            else:
                rounds = 0
            if t >= self.next_sample:
                self.sample(t, t // self.sample_interval * self.sample_interval)
                if t >= self.next_snapshot:
                    with gil:
                        self.snapshot(self.next_snapshot)
            self.now = t
            if self.next_rule <= t:
                with gil:
                    self.rules.apply(t)
                    self.next_rule = self.rules.next_time()
                if self.next_rule <= t:
                    # A settlement comes after the funding of its instant and before its trades.
                    while self.venue.best_time == t and (
                            self.early[self.venue.best] or self.kind[self.venue.best] == FUNDING):
                        self.venue_event(t)
                        burst += 1
                    with gil:
                        self.rules.settle(t)
                        self.next_rule = self.rules.next_time()
            while self.venue.best_time == t:
                self.venue_event(t)
                burst += 1
            self.finish_instant(t)
            if burst >= BURST:
                self.events += burst
                burst = 0
                if self.holds_gil:
                    (<plain> <void *> yield_gil)()
                else:
                    with gil:
                        PyErr_CheckSignals()
        return 0

    cdef int finish_instant(self, int64_t t) except -1 nogil:
        """What comes after the venue's events of an instant: deadlines, arrivals, messages, deliveries."""
        if self.exchange.liquidator.next_deadline <= t:
            self.exchange.deadlines(t)
        if self.venue_agenda.next_time <= t:
            self.arrivals(t)
        if self.exchange.outbox.count > 0:
            self.flush(t)
        if self.exchange.crowd is not None and self.exchange.crowd.published < self.exchange.crowd.journal.fills.rows:
            self.publish(t)
        if self.local.best_time <= t or self.local_agenda.next_time <= t:
            self.deliver(t)
        return 0
