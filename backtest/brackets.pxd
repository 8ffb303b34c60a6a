"""The verbs that send orders that belong together: one cancels the other, entries with their exits."""

from backtest.trading cimport Trading

cdef class Brackets(Trading):
    pass
