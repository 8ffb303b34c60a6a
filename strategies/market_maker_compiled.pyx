"""The market maker, compiled: the same quotes as those of `strategies.market_maker`, order for order.

**Earns** half the spread on every fill of a resting order. **Is killed by** whoever knows more, by its place in the
queue, and by leverage; `market_maker.py` says how, and what the parameters do.

A `cdef class` with C hooks: the run holds no GIL. The file compiles with
``cythonize -3 -i market_maker_compiled.pyx``; `backtest/templates` explains the form line by line.
"""

from libc.stdint cimport int32_t, int64_t

from backtest.strategy cimport Strategy


cdef class MarketMaker(Strategy):
    """One order a side, moved when the middle has moved or what is held has changed.

    Parameters
    ----------
    symbol : str
    size, most : float
        Of each order, and held at most, in the instrument's unit.
    half_spread, lean : float
        Of each quote to its middle, and by how far both move when the most is held; spreads of the book.
    guard : float
        Distance to liquidation below which it only reduces.
    pause : str
        Between two looks.
    """

    PARAMETERS = {"symbol": "BTC/USDT:USDT", "size": 0.1, "most": 0.5, "half_spread": 0.5, "lean": 1.0, "guard": 0.05,
                  "pause": "250ms"}

    cdef public str symbol
    cdef public double size
    cdef public double most
    cdef public double half_spread
    cdef public double lean
    cdef public double guard
    cdef public str pause

    cdef int32_t _instrument
    cdef int64_t _ids[2]             # working quotes, bid and ask; 0 = none
    cdef int64_t _prices[2]          # where they stand, price units

    def on_start(self):
        """Look the name up while Python may be touched, and look regularly."""
        self._instrument = self.instrument(self.symbol)
        self.every(self.pause)

    cdef int _on_timer(self, int64_t timer) except -1 nogil:
        cdef double divisor = self.price_divisor(self._instrument)
        cdef double bid = self.bid_units(self._instrument) / divisor, ask = self.ask_units(self._instrument) / divisor
        cdef double tick = self.tick_units(self._instrument) / divisor
        cdef double held = self.position_units(self._instrument) / self.quantity_divisor(self._instrument)
        cdef double spread = ask - bid, middle, buys, sells
        if bid == 0.0 or ask == 0.0:
            return self.reconcile(0, 0, 0, 0)
        middle = 0.5 * (bid + ask) - self.lean * spread * held / self.most
        if self.distance(self._instrument) < self.guard:
            buys = min(self.size, -held)
            sells = min(self.size, held)
        else:
            buys = min(self.size, self.most - held)
            sells = min(self.size, self.most + held)
        return self.reconcile(
            self.limit_units(self._instrument, min(middle - self.half_spread * spread, ask - tick), 1),
            self.lot_units(self._instrument, max(buys, 0.0)),
            self.limit_units(self._instrument, max(middle + self.half_spread * spread, bid + tick), -1),
            self.lot_units(self._instrument, max(sells, 0.0)))

    cdef int reconcile(self, int64_t bid, int64_t buys, int64_t ask, int64_t sells) except -1 nogil:
        """Have a bid and an ask where they are wanted and nowhere else; what stands there already keeps its place."""
        cdef int64_t prices[2]
        cdef int64_t units[2]
        cdef int turn, i, first = 0 if self._ids[0] < self._ids[1] else 1
        prices[0], prices[1] = bid, ask
        units[0], units[1] = buys, sells
        for turn in range(2):            # the older one first
            i = first if turn == 0 else 1 - first
            if self._ids[i] != 0 and not self.is_working(self._ids[i]):
                self._ids[i] = 0
            if self._ids[i] != 0 and (units[i] == 0 or self._prices[i] != prices[i]):
                self.cancel_order(self._ids[i])
                self._ids[i] = 0
        for i in range(2):
            if self._ids[i] == 0 and units[i] > 0 and prices[i] > 0:
                self._ids[i] = self.limit_order(self._instrument, units[i] if i == 0 else -units[i], prices[i], True)
                self._prices[i] = prices[i]
        return 0
