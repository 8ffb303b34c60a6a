"""The verbs that a strategy asks its accounts with."""

from backtest.trading cimport Trading

cdef class AccountVerbs(Trading):
    pass
