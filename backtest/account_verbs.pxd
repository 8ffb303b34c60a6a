"""The verbs that a strategy asks its accounts with."""

from backtest.exposure cimport Exposure

cdef class AccountVerbs(Exposure):
    pass
