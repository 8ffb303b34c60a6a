"""Compiled strategies that look at the engine: which hooks it calls, with which lock, and what becomes of errors."""

from libc.stdint cimport int32_t, int64_t

from backtest import Strategy as PlainBase
from backtest.strategy cimport Strategy
from feeds.events cimport Event


cdef extern from "Python.h":
    int PyGILState_Check() nogil


cdef class Every(Strategy):
    """Counts the calls of every C hook; of those of the market, the calls with the GIL held too."""

    PARAMETERS = {"symbol": "BTC/USDT:USDT", "timeframe": "1h", "report": None}

    cdef public str symbol
    cdef public str timeframe
    cdef public object report            # called with a dict when the run is over
    cdef int64_t calls[9]
    cdef int64_t locked
    cdef int64_t wrong
    cdef int64_t ordered
    cdef int64_t hourly
    cdef int32_t _instrument

    def on_start(self):
        self._instrument = self.instrument(self.symbol)
        self.subscribe_bars(self.symbol, self.timeframe)
        self.every("1d")
        self.hourly = self.every("1h")

    cdef int count(self, int which) noexcept nogil:
        self.calls[which] += 1
        self.locked += PyGILState_Check()
        return 0

    cdef int _on_trade(self, const Event *event) except -1 nogil:
        self.count(0)
        if event.instrument == self._instrument and not self.ordered:
            self.ordered = self.market_order(self._instrument, self.units_of(self._instrument, 1000.0), False)
        return 0

    cdef int _on_bar(self, const Event *event) except -1 nogil:
        if event.instrument != self._instrument or self.bar_timeframe() != 3600 * 1000000000LL:
            self.wrong += 1
        return self.count(1)

    cdef int _on_mark(self, const Event *event) except -1 nogil:
        return self.count(2)

    cdef int _on_index(self, const Event *event) except -1 nogil:
        return self.count(3)

    cdef int _on_funding(self, const Event *event) except -1 nogil:
        return self.count(4)

    cdef int _on_liquidation(self, const Event *event) except -1 nogil:
        return self.count(5)

    cdef int _on_open_interest(self, const Event *event) except -1 nogil:
        return self.count(6)

    cdef int _on_fill(self, int32_t instrument, int64_t quantity, int64_t price) except -1 nogil:
        self.calls[7] += 1
        if instrument != self._instrument or quantity <= 0 or self.position_units(instrument) != quantity:
            self.wrong += 1
        return 0

    cdef int _on_timer(self, int64_t timer) except -1 nogil:
        if timer == self.hourly:
            self.calls[8] += 1
        return 0

    def on_stop(self):
        names = ("trade", "bar", "mark", "index", "funding", "liquidation", "open_interest", "fill", "timer")
        self.report({**dict(zip(names, self.calls)), "locked": self.locked, "wrong": self.wrong})


cdef class Trades(Strategy):
    """Has one C hook."""

    cdef int _on_trade(self, const Event *event) except -1 nogil:
        return 0


cdef class Heir(Trades):
    """Has another, and its parent's."""

    cdef int _on_mark(self, const Event *event) except -1 nogil:
        return 0


cdef class Silent(Strategy):
    """Has none."""


cdef class Faulty(Strategy):
    """Fails at a trade, in a bar, at a fill or in a timer."""

    PARAMETERS = {"symbol": "BTC/USDT:USDT", "where": "trade", "after": 100}

    cdef public str symbol
    cdef public str where
    cdef public int64_t after
    cdef int32_t _instrument
    cdef int64_t seen

    def on_start(self):
        self._instrument = self.instrument(self.symbol)
        self.every("1h")
        self.subscribe_bars(self.symbol, "1h")

    cdef int fail(self, str where) except -1 with gil:
        if self.where == where:
            raise ArithmeticError(f"fault {where}")
        return 0

    cdef int _on_trade(self, const Event *event) except -1 nogil:
        self.seen += 1
        if self.seen == 1:
            self.market_order(self._instrument, self.units_of(self._instrument, 1000.0), False)
        if self.seen == self.after:
            self.fail("trade")
        return 0

    cdef int _on_bar(self, const Event *event) except -1 nogil:
        return self.fail("bar")

    cdef int _on_fill(self, int32_t instrument, int64_t quantity, int64_t price) except -1 nogil:
        return self.fail("fill")

    cdef int _on_timer(self, int64_t timer) except -1 nogil:
        return self.fail("timer")


cdef class Patient(Strategy):
    """Keeps one unit away from its wish by sending again and again; what works already counts."""

    PARAMETERS = {"symbol": "BTC/USDT:USDT", "notional": 5000.0}

    cdef public str symbol
    cdef public double notional
    cdef int32_t _instrument

    def on_start(self):
        self._instrument = self.instrument(self.symbol)

    cdef int _on_mark(self, const Event *event) except -1 nogil:
        if event.instrument == self._instrument and self.expected_units(self._instrument) == 0:
            self.market_order(self._instrument, self.units_of(self._instrument, self.notional), False)
        return 0


class Plain(PlainBase):
    """A plain class in a compiled file."""

    symbol: str = "BTC/USDT:USDT"
    size: float = 0.01

    def on_start(self):
        self._trades = 0

    def on_trade(self, event):
        cdef double price = event.price
        if event.symbol == self.symbol and price > 0.0:
            self._trades += 1
            if self._trades == 10:
                self.buy(self.symbol, quantity=self.size, tag="tenth")
