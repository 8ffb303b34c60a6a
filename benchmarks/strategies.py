"""The tasks' strategies in Python, written as a user would: parameters, hooks, verbs."""

from typing import Any

from backtest import Strategy


class Count(Strategy):
    """T1: counts trades."""

    def on_start(self) -> None:
        self.count = 0

    def on_trade(self, event: Any) -> None:
        self.count += 1


class TickCross(Strategy):
    """T2: two averages of every trade; to one unit long or short when they cross, at most one order in 1000 trades."""

    symbol: str = "BTC/USDT:USDT"

    def on_start(self) -> None:
        self.sent = self.signature = self._count = self._last = self._side = 0
        self._fast = self._slow = 0.0

    def on_trade(self, event: Any) -> None:
        price = event.price
        count = self._count
        if count == 0:
            self._fast = self._slow = price
        fast = self._fast = self._fast + 2 / 301 * (price - self._fast)
        slow = self._slow = self._slow + 2 / 3001 * (price - self._slow)
        self._count = count = count + 1
        side = 1 if fast > slow else -1
        if side != self._side and count > 5000 and count - self._last >= 1000:
            trade = self.buy if side > 0 else self.sell
            trade(self.symbol, quantity=2 if self._side else 1)
            self._side = side
            self._last = count
            self.sent += 1
            self.signature += count * side


class BarCross(Strategy):
    """T4: two averages of every close; 100 units in the direction of each cross after bar 240."""

    symbol: str = "B00/USDT:USDT"

    def on_start(self) -> None:
        self.sent = self.signature = self._count = self._side = self._held = 0
        self._fast = self._slow = 0.0

    def on_bar(self, bar: Any) -> None:
        price = bar.close
        if self._count == 0:
            self._fast = self._slow = price
        fast = self._fast = self._fast + 2 / 61 * (price - self._fast)
        slow = self._slow = self._slow + 2 / 241 * (price - self._slow)
        self._count += 1
        side = 1 if fast > slow else -1
        if side == self._side or self._count <= 240:
            return
        if self._side:
            trade = self.buy if side > 0 else self.sell
            trade(self.symbol, quantity=abs(100 * side - self._held))
            self._held = 100 * side
            self.sent += 1
            self.signature += self._count * side
        self._side = side


class BarCrosses(Strategy):
    """The same on several instruments."""

    def on_start(self) -> None:
        self.sent = self.signature = 0
        self._states: dict[str, list[Any]] = {}

    def on_bar(self, bar: Any) -> None:
        price = bar.close
        symbol = bar.symbol
        state = self._states.get(symbol)
        if state is None:
            state = self._states[symbol] = [0, price, price, 0, 0]
        count, fast, slow, side, held = state
        fast += 2 / 61 * (price - fast)
        slow += 2 / 241 * (price - slow)
        count += 1
        state[0], state[1], state[2] = count, fast, slow
        now = 1 if fast > slow else -1
        if now == side or count <= 240:
            return
        if side:
            trade = self.buy if now > 0 else self.sell
            trade(symbol, quantity=abs(100 * now - held))
            state[4] = 100 * now
            self.sent += 1
            self.signature += count * now
        state[3] = now


class TouchMaker(Strategy):
    """T3: every second one unit at the bid and one at the ask, post-only, moved when the touch has; at most 10 held."""

    symbol: str = "BTC/USDT:USDT"
    most: float = 10.0

    def on_start(self):
        """Look once a second."""
        self.requests = 0
        self.working = {"bid": None, "ask": None}
        self.every("1s")

    def on_timer(self, timer):
        """Move what no longer stands at the touch."""
        book, held = self.book(self.symbol), self.position(self.symbol).quantity
        wanted = {"bid": book.bid if held < self.most else None, "ask": book.ask if held > -self.most else None}
        for side, price in wanted.items():
            order = self.working[side]
            if order is not None and not order.is_open:
                order = None
            if order is not None and order.limit != price:
                self.cancel(order)
                self.requests += 1
                order = None
            if order is None and price is not None:
                send = self.buy if side == "bid" else self.sell
                order = send(self.symbol, quantity=1, limit=price, post_only=True)
                self.requests += 1
            self.working[side] = order
