"""The verbs that reach an exposure: targets, portfolios, closing, resident stops."""

from backtest.brackets cimport Brackets
from backtest.views cimport OrderView
from libc.stdint cimport int32_t, int64_t

cdef class Exposure(Brackets):
    cdef int64_t _pending(self, int32_t instrument, int32_t account)
    cdef OrderView _standing(self, int32_t instrument, int32_t account, int leg, int side, int kind, int64_t price,
                             double rate)
