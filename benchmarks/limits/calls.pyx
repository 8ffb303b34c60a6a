"""The least that handing one trade to a strategy costs: a loop over arrays that calls a method, in Python or in C."""

from libc.stdint cimport int8_t, int64_t

import time


cdef class Trade:
    cdef readonly int64_t ts
    cdef readonly double price
    cdef readonly double size
    cdef readonly int side


cdef class Hook:
    cdef void on_trade(self, Trade trade) noexcept:
        pass


cdef class Cross(Hook):
    """The averages of T2 and their orders, filled at once at the price of the trade."""

    cdef readonly int64_t orders
    cdef readonly int64_t signature
    cdef readonly double cash
    cdef double fast
    cdef double slow
    cdef int64_t count
    cdef int64_t last
    cdef int side

    cdef void on_trade(self, Trade trade) noexcept:
        cdef int side
        if self.count == 0:
            self.fast = self.slow = trade.price
        self.fast += 2.0 / 301.0 * (trade.price - self.fast)
        self.slow += 2.0 / 3001.0 * (trade.price - self.slow)
        self.count += 1
        side = 1 if self.fast > self.slow else -1
        if side != self.side and self.count > 5000 and self.count - self.last >= 1000:
            self.cash -= (side - self.side) * trade.price
            self.side = side
            self.last = self.count
            self.orders += 1
            self.signature += self.count * side


def call_python(hook, const int64_t[::1] ts, const double[::1] price, const double[::1] size, const int8_t[::1] side):
    """Call a Python function with one shared object for each trade; return CPU seconds."""
    cdef Py_ssize_t i
    cdef Trade trade = Trade()
    begin = time.process_time()
    for i in range(ts.shape[0]):
        trade.ts = ts[i]
        trade.price = price[i]
        trade.size = size[i]
        trade.side = side[i]
        hook(trade)
    return time.process_time() - begin


def call_virtual(Hook hook, const int64_t[::1] ts, const double[::1] price, const double[::1] size,
                 const int8_t[::1] side):
    """Call a C method through the method table for each trade; return CPU seconds."""
    cdef Py_ssize_t i
    cdef Trade trade = Trade()
    begin = time.process_time()
    for i in range(ts.shape[0]):
        trade.ts = ts[i]
        trade.price = price[i]
        trade.size = size[i]
        trade.side = side[i]
        hook.on_trade(trade)
    return time.process_time() - begin
