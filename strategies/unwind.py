"""Unwinding a leveraged position over time, faster at first the more it fears the price.

**Saves** what one large market order would pay to a thin book.

**Is killed by** what it waits for: the rest of the position is at risk until the last step, and a forced close takes it
at the worst prices of all. So it hurries with the square of volatility, and closes at once when liquidation is near.
"""

from backtest import Strategy
from backtest.messages import MarginCall, Timer
from backtest.schedules import almgren_chriss


class Unwind(Strategy):
    """Closes the position of a symbol in steps of the Almgren-Chriss schedule, with immediate-or-cancel orders."""

    symbol: str = "BTC/USDT:USDT"
    delay: str = "1m"  # after the beginning of the run
    open: float = 0.0  # notional opened at first, to have something to unwind; 0 = there is a position
    steps: int = 20
    pause: str = "15s"
    volatility: float = 20.0  # of the price, quote currency per square root of a step
    temporary: float = 0.5  # price concession of one unit a step
    permanent: float = 0.0
    aversion: float = 1e-3

    def on_start(self) -> None:
        """Begin later; look at liquidation all the time."""
        self._left: tuple[float, ...] = ()
        self._size = 0.0
        self.once(self.delay, name="begin")
        self.alert(self.symbol, distance=0.02)

    def on_timer(self, timer: Timer) -> None:
        """Open, plan, then hold what the schedule says."""
        if timer.name == "begin" and self.open:
            self.buy(self.symbol, notional=self.open)
            self.once("1s", name="plan")
        elif timer.name in ("begin", "plan"):
            self._size = self.position(self.symbol).quantity
            plan = almgren_chriss(
                abs(self._size), steps=self.steps, time=self.steps, volatility=self.volatility,
                temporary=self.temporary, permanent=self.permanent, aversion=self.aversion,
            )  # fmt: skip
            self._left = plan.holdings[1:]
            self.every(self.pause, name="step")
        elif self._left:
            wanted, self._left = self._left[0], self._left[1:]
            self.target(self.symbol, quantity=wanted if self._size > 0 else -wanted, tag="unwind")

    def on_margin_call(self, event: MarginCall) -> None:
        """Too near: the rest at once."""
        if event.active:
            self._left = ()
            self.close(self.symbol, tag="unwind")
