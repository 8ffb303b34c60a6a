"""The verbs that a strategy trades with."""

from backtest.sizing cimport Size
from backtest.strategy_core cimport StrategyCore
from backtest.views cimport OrderView
from libc.stdint cimport int32_t, int64_t

cdef class Trading(StrategyCore):
    cdef OrderView _early(self, int32_t account, int32_t instrument, int side, tag, double requested)
    cdef bint _lacks_price(self, int32_t instrument, Size size)
    cdef int64_t _pending(self, int32_t instrument, int32_t account)
