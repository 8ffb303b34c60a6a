"""Template: a strategy as a cdef class with C hooks; it runs without the GIL and costs a few nanoseconds an event.

Copy it, rename it, and compile the copy where it lies: ``cythonize -3 -i cdef_class.pyx``; import it like any
module. C hooks must not touch Python objects. Prices and quantities are whole numbers of units: a price is ``event.a``
divided by ``price_divisor(instrument)``, a quantity is multiplied by ``quantity_divisor(instrument)``.
"""

from libc.math cimport llround
from libc.stdint cimport int32_t, int64_t

from backtest.strategy cimport Strategy
from feeds.events cimport Event


cdef class Cross(Strategy):
    """Long while the fast average of trade prices is above the slow one, short while it is below."""

    # The parameters and their defaults; each has a public field. State has fields that are not public.
    PARAMETERS = {"symbol": "BTC/USDT:USDT", "quantity": 0.01, "fast": 300, "slow": 3000, "pause": 1000}

    cdef public str symbol
    cdef public double quantity     # base coin
    cdef public int64_t fast        # trades
    cdef public int64_t slow
    cdef public int64_t pause       # trades between two orders, at least

    cdef int32_t _instrument
    cdef int64_t _units
    cdef double _divisor
    cdef int64_t _count
    cdef int64_t _ordered
    cdef double _fast
    cdef double _slow

    def on_start(self):
        """Look names up once, while Python may be touched."""
        self._instrument = self.instrument(self.symbol)
        self._units = llround(self.quantity * self.quantity_divisor(self._instrument))
        self._divisor = self.price_divisor(self._instrument)
        self._count = 0
        self._ordered = 0

    cdef int _on_trade(self, const Event *event) except -1 nogil:
        cdef double price
        cdef int64_t wanted, held
        if event.instrument != self._instrument:
            return 0
        price = event.a / self._divisor
        self._count += 1
        if self._count == 1:
            self._fast = self._slow = price
        self._fast += (price - self._fast) * 2.0 / (self.fast + 1)
        self._slow += (price - self._slow) * 2.0 / (self.slow + 1)
        if self._count <= self.slow or self._count - self._ordered < self.pause:
            return 0
        wanted = self._units if self._fast > self._slow else -self._units
        held = self.position_units(self._instrument)
        if wanted != held:
            self.market_order(self._instrument, wanted - held, False)
            self._ordered = self._count
        return 0
