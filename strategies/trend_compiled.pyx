"""Trend, compiled: long while a fast average of closes is above a slow one, short while it is below.

**Earns** on long moves in either direction. **Is killed by** markets without direction, in which every cross costs two
fees, and by a leverage that a gap can turn into a liquidation.

A `cdef class` with C hooks: the run holds no GIL, and a bar costs nanoseconds. The file compiles with
``cythonize -3 -i trend_compiled.pyx``; `backtest/templates` explains the form line by line.
"""

from libc.stdint cimport int32_t, int64_t

from backtest.strategy cimport Strategy
from feeds.events cimport Event


cdef class EmaCross(Strategy):
    """Cross of two exponential averages of the closes of bars, made from trades or from finer bars.

    Parameters
    ----------
    symbol : str
    timeframe : str
    fast, slow : int
        Bars of the averages; the first `slow` bars are only looked at.
    notional : float
        Size of the position in quote currency (US dollars of an inverse contract).
    """

    PARAMETERS = {"symbol": "BTC/USDT:USDT", "timeframe": "1m", "fast": 60, "slow": 600, "notional": 10_000.0}

    cdef public str symbol
    cdef public str timeframe
    cdef public int64_t fast
    cdef public int64_t slow
    cdef public double notional

    cdef int32_t _instrument
    cdef int64_t _bars
    cdef double _fast
    cdef double _slow

    def on_start(self):
        """Look names up while Python may be touched, and have the bars made."""
        self._instrument = self.instrument(self.symbol)
        self.subscribe_bars(self.symbol, self.timeframe)

    cdef int _on_bar(self, const Event *event) except -1 nogil:
        cdef double close = event.d / self.price_divisor(self._instrument)
        cdef int64_t wanted, held
        self._bars += 1
        if self._bars == 1:
            self._fast = self._slow = close
        self._fast += (close - self._fast) * 2.0 / (self.fast + 1)
        self._slow += (close - self._slow) * 2.0 / (self.slow + 1)
        if self._bars <= self.slow:
            return 0
        held = self.expected_units(self._instrument)
        if (held > 0 and self._fast > self._slow) or (held < 0 and self._fast < self._slow):
            return 0
        wanted = self.units_of(self._instrument, self.notional if self._fast > self._slow else -self.notional)
        self.market_order(self._instrument, wanted - held, False)
        return 0
