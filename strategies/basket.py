"""A basket of shorts hedged with one long: the weakest coins against Bitcoin, all in one cross margin account.

**Earns** when weak coins go on falling behind, and the funding of shorts that are paid.

**Is killed by** a rally of the weak: thirty coins that fall apart rise together, all against one account, and beta is
measured in quiet times. A coin that is delisted or deleveraged leaves the hedge too large: both put it right at once.
In cross margin the legs share their collateral, so the whole is liquidated or nothing is.
"""

from backtest import Strategy
from backtest.messages import Liquidated, Settlement, Timer


class WeakBasket(Strategy):
    """Equal shorts of the coins with the lowest returns, and as much of the hedge as they move with it."""

    venue: str = "binance_usdm"
    hedge: str = "BTC/USDT:USDT"
    names: int = 30  # shorts; fewer when fewer are listed
    gross: float = 1.5  # of the equity, all shorts together
    lookback: int = 60  # bars that returns and betas are measured over
    timeframe: str = "1d"
    listed_for: str = "60D"
    top: int = 150  # by volume: what can be traded
    rebalance: str = "1d"
    over: str = "30m"  # each change is spread over this time

    def on_start(self) -> None:
        """Rebalance a quarter of an hour after the close of the bars."""
        self.every(self.rebalance, offset="15m")

    def on_timer(self, timer: Timer | None) -> None:
        """Choose the weakest of what was listed at this moment, contracts that were delisted later included."""
        listed = {"quote": "USDT", "listed_for": self.listed_for, "top": self.top, "by": "volume"}
        alive = self.universe(self.venue, **listed, include=[self.hedge])
        closes = self.history(alive, self.timeframe, self.lookback + 1, field="close")
        returns = closes.pct_change().iloc[1:].dropna(axis=1)
        if self.hedge not in returns or returns.shape[1] < 2:
            return
        hedge, coins = returns[self.hedge], returns.drop(columns=self.hedge)
        picked = coins.sum().nsmallest(self.names).index
        betas = coins[picked].apply(hedge.cov) / hedge.var()
        weights = dict.fromkeys(picked, -self.gross / len(picked))
        weights[self.hedge] = self.gross * float(betas.mean())
        self.record(beta=float(betas.mean()), shorts=len(picked))
        self.target_portfolio(weights, tolerance=0.2, over=self.over, reduce_first=True, tag="rebalance")

    def on_settlement(self, event: Settlement | Liquidated) -> None:
        """A leg has gone (delisted, or closed by the venue): make the others fit again."""
        self.on_timer(None)

    on_adl = on_settlement
