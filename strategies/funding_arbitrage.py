"""Funding arbitrage: long the perpetual whose longs pay less, short the one whose longs pay more.

**Earns** the difference of two funding rates of one coin, here between dollar-margined and coin-margined contracts.

**Is killed by** the difference turning round faster than the costs are earned; and by a large move: one side loses what
the other gains, at another venue. Money then has to be sent, which takes time, and must be converted because one side
is margined in dollars and the other in coins. A side that is liquidated or deleveraged leaves the other alone.

All coins count, collateral and money in transit included: the dollar-margined leg is whatever makes them zero.
"""

from backtest import Strategy
from backtest.messages import Fill, Liquidated, Timer, TransferEvent


class FundingArbitrage(Strategy):
    """A dollar-margined and a coin-margined perpetual of one coin, long one and short the other."""

    linear: str = "BTC/USDT:USDT@binance_usdm"
    inverse: str = "BTC/USD:BTC@binance_coinm"
    size: float = 1.0  # notional of the coin-margined leg as a multiple of all equity
    enter: float = 0.30  # difference of the predicted rates a year: four fills cost 0.25 %, nine payments of 0.03 %
    leave: float = 0.10  # against us: a payment or two of that costs less than going out and in again
    floor: float = 0.30  # of all equity: a side that has less is filled up to a half

    def on_start(self) -> None:
        """Choose ten minutes before each funding time, when the predicted rates are nearly those to come."""
        self._moving = False
        self.every("8h", offset="-10m", name="choose")
        self.every("1h", name="keep")

    def on_timer(self, timer: Timer) -> None:
        """Turn to the side that pays; stay neutral and keep both sides alive."""
        if timer.name == "choose":
            self.choose()
        self.stay_neutral()
        self.share_out()

    def choose(self) -> None:
        """Open, turn or close the coin-margined leg."""
        ours, theirs = self.funding(self.linear).predicted_annual, self.funding(self.inverse).predicted_annual
        if ours is None or theirs is None:
            return
        edge = ours - theirs  # > 0: dollar-margined longs pay more, so be short there and long here
        held = self.position(self.inverse).notional
        self.record(edge=edge, delta=self.delta("BTC"))
        if abs(edge) > self.enter and held * edge <= 0:
            self.target(self.inverse, notional=self.size * self.equity * (1 if edge > 0 else -1), tag="carry")
        elif held and edge * held < -self.leave * abs(held):
            self.target(self.inverse, quantity=0, tag="carry")

    def stay_neutral(self) -> None:
        """Hedge all coins, wherever they are, with the dollar-margined leg."""
        self.target(self.linear, delta=self.position(self.linear).delta - self.delta("BTC"), tag="hedge")

    def share_out(self) -> None:
        """Send half of the difference from the rich side to the poor one, converted on the way."""
        poor, rich = sorted((self.account(self.linear), self.account(self.inverse)), key=lambda side: side.equity)
        if not self._moving and poor.equity < self.floor * self.equity:
            asset = rich.asset
            amount = min(0.5 * (rich.equity_in(asset) - poor.equity_in(asset)), rich.withdrawable(asset))
            if amount > 0:
                self._moving = True
                self.transfer(asset, amount, source=rich, target=poor, receive=poor.asset)

    def on_fill(self, fill: Fill) -> None:
        """Hedge what was really filled."""
        if fill.symbol == self.inverse:
            self.stay_neutral()

    def on_transfer(self, event: TransferEvent) -> None:
        """Coins that were converted are coins no more."""
        self._moving = event.status == "sent"
        self.stay_neutral()

    def on_liquidated(self, event: Liquidated) -> None:
        """A leg is lost: close the other rather than hold it alone."""
        self.close(self.inverse if event.symbol == self.linear else self.linear, tag="leg lost")

    on_adl = on_liquidated
