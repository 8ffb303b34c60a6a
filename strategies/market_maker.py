"""Market making: a bid and an ask around the middle of the book, leaning against what it holds.

**Earns** half the spread on every fill of a resting order, and the rebate where makers get one.

**Is killed by** whoever knows more: its bid fills just before the price falls, so that what it earns of the spread it
loses on what it holds. By its place in the queue, which it gives up with every move of its quotes. And by leverage:
what it cannot get rid of in a one-way market becomes a position that the venue closes. `most` bounds what it holds,
`lean` moves both quotes away from it, and below `guard` of distance to the liquidation price it only reduces.
"""

from backtest import Strategy
from backtest.messages import Timer


class MarketMaker(Strategy):
    """One order a side, moved when the middle has moved or what is held has changed."""

    symbol: str = "BTC/USDT:USDT"
    size: float = 0.1  # of each order, in the instrument's unit
    most: float = 0.5  # held at most
    half_spread: float = 0.5  # of each quote to its middle, in spreads of the book; 0.5 is at the touch
    lean: float = 1.0  # spreads of the book that both quotes move when the most is held
    guard: float = 0.05  # distance to liquidation below which it only reduces
    pause: str = "250ms"  # between two looks

    def on_start(self) -> None:
        """Look regularly, not at every message: each request costs a place in a queue."""
        self.every(self.pause)

    def on_timer(self, timer: Timer) -> None:
        """Quote around the leaning middle."""
        book, position = self.book(self.symbol), self.position(self.symbol)
        if not book.is_valid or book.mid is None:
            self.quote(self.symbol)
            return
        held = position.quantity
        middle = book.mid - self.lean * book.spread * held / self.most
        near = position.distance < self.guard
        bid = min(middle - self.half_spread * book.spread, book.ask - book.tick)
        ask = max(middle + self.half_spread * book.spread, book.bid + book.tick)
        buys = min(self.size, -held) if near else min(self.size, self.most - held)
        sells = min(self.size, held) if near else min(self.size, self.most + held)
        self.quote(self.symbol, bid=(bid, max(buys, 0.0)), ask=(ask, max(sells, 0.0)))
