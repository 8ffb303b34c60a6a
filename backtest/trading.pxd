"""The verbs that send, change and cancel orders."""

from backtest.early_orders cimport EarlyOrders

cdef class Trading(EarlyOrders):
    pass
