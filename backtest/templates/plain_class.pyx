"""Template: a strategy as a plain class in a .pyx; the same parameters, hooks and verbs as in Python, compiled.

Copy it, rename it, and compile the copy where it lies: ``cythonize -3 -i plain_class.pyx``; import it like any
module.
"""

from backtest import Strategy


class Cross(Strategy):
    """Long while the fast average of trade prices is above the slow one, short while it is below."""

    symbol: str = "BTC/USDT:USDT"
    quantity: float = 0.01          # base coin
    fast: int = 300                 # trades
    slow: int = 3000
    pause: int = 1000               # trades between two orders, at least

    def on_start(self):
        self._count = 0
        self._ordered = 0
        self._side = 0
        self._fast = self._slow = 0.0

    def on_trade(self, event):
        cdef double price = event.price
        if event.symbol != self.symbol:
            return
        self._count += 1
        if self._count == 1:
            self._fast = self._slow = price
        self._fast += (price - self._fast) * 2.0 / (self.fast + 1)
        self._slow += (price - self._slow) * 2.0 / (self.slow + 1)
        if self._count <= self.slow or self._count - self._ordered < self.pause:
            return
        side = 1 if self._fast > self._slow else -1
        if side == self._side:
            return
        size = self.quantity if self._side == 0 else 2 * self.quantity
        if side > 0:
            self.buy(self.symbol, quantity=size)
        else:
            self.sell(self.symbol, quantity=size)
        self._side = side
        self._ordered = self._count
