"""Orders and targets that wait for the first price of their instrument."""

from backtest.sizing cimport BY_QUANTITY, Size
from backtest.strategy_core cimport StrategyCore
from backtest.views cimport OrderView
from libc.stdint cimport int8_t, int32_t
from venues.orders cimport BY_USER, CANCELED


cdef class EarlyOrders(StrategyCore):
    """What a strategy asks for before anybody has told it a price."""

    cdef bint _lacks_price(self, int32_t instrument, Size size):
        return size.kind != BY_QUANTITY and self.context.price(instrument) <= 0.0

    cdef OrderView _early(self, int32_t account, int32_t instrument, int side, tag, double requested):
        """An order that waits for the first price of its instrument."""
        cdef OrderView view = OrderView.__new__(OrderView)
        self._early_orders += 1
        view.order.id = -self._early_orders
        view.order.account = account
        view.order.instrument = instrument
        view.order.side = <int8_t> side
        view.order.requested_quantity = requested
        view.order.submitted = self.context.now
        view.info = self.told(instrument, account)
        view.account = self.context.accounts[account]
        view.tag = None if tag is None else str(tag)
        view.clock = self._clock
        self._orders[view.order.id] = view
        return view

    cdef int _withdraw(self, OrderView early) except -1:
        """An order that still waits is taken back by who sent it."""
        self._forget(early)
        self._orders.pop(early.order.id)
        early.order.status = CANCELED
        early.order.reason = BY_USER
        return 0

    def _wait(self, int32_t instrument, key, call):
        """Call later, when an instrument has a price; a waiting call of the same key is replaced."""
        self._forget(key)
        self._waiting.append((instrument, key, call))
        self.context.waiting += 1

    def _forget(self, key):
        kept = [each for each in self._waiting if each[1] != key]
        self.context.waiting -= len(self._waiting) - len(kept)
        self._waiting = kept

    def first_prices(self):
        """Send what waited for the first price of its instrument (the engine calls this)."""
        due = [each for each in self._waiting if self.context.price(each[0]) > 0.0]
        self._waiting = [each for each in self._waiting if each not in due]
        self.context.waiting -= len(due)
        for _, _, call in due:
            call()
