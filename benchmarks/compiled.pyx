"""The tasks' strategies as cdef classes with C hooks; compiled on the fly against the installed tree, never shipped."""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free

from backtest.strategy cimport Strategy
from feeds.events cimport Event


cdef class Count(Strategy):
    """Counts trades."""

    cdef readonly int64_t count

    def on_start(self):
        """Begin at nothing."""
        self.count = 0

    cdef int _on_trade(self, const Event *event) except -1 nogil:
        self.count += 1
        return 0


cdef class Hold(Count):
    """Buys at its first timer and holds; counts trades and marks."""

    PARAMETERS = {"symbols": (), "quantity": 1.0}

    cdef public object symbols
    cdef public double quantity

    def on_start(self):
        """Order once the marks are there."""
        self.count = 0
        self.once("1m")

    def on_timer(self, timer):
        """Take the positions."""
        for symbol in self.symbols:
            self.buy(symbol, quantity=self.quantity)

    cdef int _on_mark(self, const Event *event) except -1 nogil:
        self.count += 1
        return 0


cdef class TickCross(Strategy):
    """T2: two averages of every trade; to one unit long or short when they cross, at most one order in 1000 trades."""

    PARAMETERS = {"symbol": "BTC/USDT:USDT"}

    cdef public str symbol
    cdef readonly int64_t sent
    cdef readonly int64_t signature      # sum over orders of (trades seen) x (side)
    cdef int32_t _instrument
    cdef int64_t _unit
    cdef int64_t _count
    cdef int64_t _last
    cdef int64_t _held
    cdef int _side
    cdef double _divisor
    cdef double _fast
    cdef double _slow

    def on_start(self):
        """Look names up once, while Python may be touched."""
        self._instrument = self.instrument(self.symbol)
        self._unit = <int64_t> self.quantity_divisor(self._instrument)
        self._divisor = self.price_divisor(self._instrument)
        self.sent = self.signature = self._count = self._last = self._held = self._side = 0

    cdef int _on_trade(self, const Event *event) except -1 nogil:
        cdef double price = event.a / self._divisor
        cdef int side
        if self._count == 0:
            self._fast = self._slow = price
        self._fast += 2.0 / 301.0 * (price - self._fast)
        self._slow += 2.0 / 3001.0 * (price - self._slow)
        self._count += 1
        side = 1 if self._fast > self._slow else -1
        if side != self._side and self._count > 5000 and self._count - self._last >= 1000:
            self.market_order(self._instrument, side * self._unit - self._held, False)
            self._held = side * self._unit
            self._side = side
            self._last = self._count
            self.sent += 1
            self.signature += self._count * side
        return 0


cdef struct Bars:                        # of one instrument
    double fast
    double slow
    int64_t count
    int64_t held
    int side

cdef class BarCross(Strategy):
    """T4: two averages of every close; 100 units in the direction of each cross after bar 240."""

    cdef readonly int64_t sent
    cdef readonly int64_t signature
    cdef Bars *_bars

    def __dealloc__(self):
        free(self._bars)

    def on_start(self):
        """Make room for the state of each instrument."""
        self._bars = <Bars *> calloc(len(self.infos), sizeof(Bars))
        if self._bars == NULL:
            raise MemoryError("no memory for the averages")
        self.sent = self.signature = 0

    cdef int _on_bar(self, const Event *event) except -1 nogil:
        cdef Bars *b = &self._bars[event.instrument]
        cdef double price = event.d / self.price_divisor(event.instrument)
        cdef int64_t unit
        cdef int side
        if b.count == 0:
            b.fast = b.slow = price
        b.fast += 2.0 / 61.0 * (price - b.fast)
        b.slow += 2.0 / 241.0 * (price - b.slow)
        b.count += 1
        side = 1 if b.fast > b.slow else -1
        if b.count <= 240 or side == b.side:
            return 0
        if b.side != 0:
            unit = side * 100 * <int64_t> self.quantity_divisor(event.instrument)
            self.market_order(event.instrument, unit - b.held, False)
            b.held = unit
            self.sent += 1
            self.signature += b.count * side
        b.side = side
        return 0


cdef class TouchMaker(Strategy):
    """T3: every second one unit at the bid and one at the ask, post-only, moved when the touch has; at most 10 held."""

    PARAMETERS = {"symbol": "BTC/USDT:USDT", "most": 10}

    cdef public str symbol
    cdef public int most
    cdef readonly int64_t requests
    cdef readonly int64_t looks
    cdef int32_t _instrument
    cdef int64_t _unit
    cdef int64_t _ids[2]
    cdef int64_t _prices[2]

    def on_start(self):
        """Look once a second."""
        self._instrument = self.instrument(self.symbol)
        self._unit = <int64_t> self.quantity_divisor(self._instrument)
        self.requests = self.looks = 0
        self._ids[0] = self._ids[1] = 0
        self.every("1s")

    cdef int _on_timer(self, int64_t timer) except -1 nogil:
        cdef int64_t held = self.position_units(self._instrument)
        cdef int64_t wanted[2]
        cdef int i
        self.looks += 1
        wanted[0] = self.bid_units(self._instrument) if held < self.most * self._unit else 0
        wanted[1] = self.ask_units(self._instrument) if held > -self.most * self._unit else 0
        for i in range(2):
            if self._ids[i] != 0 and not self.is_working(self._ids[i]):
                self._ids[i] = 0
            if self._ids[i] != 0 and wanted[i] != self._prices[i]:
                self.cancel_order(self._ids[i])
                self._ids[i] = 0
                self.requests += 1
            if self._ids[i] == 0 and wanted[i] != 0:
                self._ids[i] = self.limit_order(
                    self._instrument, self._unit if i == 0 else -self._unit, wanted[i], True)
                self._prices[i] = wanted[i]
                self.requests += 1
        return 0
