"""The verbs that send, change and cancel orders."""

from backtest.early_orders cimport EarlyOrders
from libc.stdint cimport int64_t
from venues.orders cimport Order

cdef class Trading(EarlyOrders):
    cdef int _end_at(self, Order *order, int64_t expires) except -1
