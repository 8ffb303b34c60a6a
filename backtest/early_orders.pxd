"""Orders and targets that wait for the first price of their instrument."""

from backtest.sizing cimport Size
from backtest.strategy_core cimport StrategyCore
from backtest.views cimport OrderView
from libc.stdint cimport int32_t

cdef class EarlyOrders(StrategyCore):
    cdef bint _lacks_price(self, int32_t instrument, Size size)
    cdef OrderView _early(self, int32_t account, int32_t instrument, int side, tag, double requested)
    cdef int _withdraw(self, OrderView early) except -1
