"""Cash and carry: own the coin, be short its perpetual, and be paid the funding that leveraged longs pay.

**Earns** the funding rate on the size of the position, whatever the price does: 0.01 % every 8 hours is 11 % a year.

**Is killed by** funding that turns negative and stays there; by costs, when it goes in and out often (four fills, about
0.3 % of the position); and by a rise of the price: the coins gain what the short loses, but the gain is in one account
and the loss in another, so that the short can be liquidated while the whole is worth what it was. `FundingCarry` sells
coins before that and sends the money over; `CoinCarry` has the coins themselves as collateral and cannot be liquidated
at any price, but its coins are unhedged while they travel, and its income comes in the coin.
"""

from backtest import Strategy
from backtest.messages import Fill, MarginCall, Timer, TransferEvent
from backtest.views import OrderView


class FundingCarry(Strategy):
    """Coins in a spot account, a linear perpetual sold against them in another."""

    spot: str = "BTC/USDT@binance_spot"
    perp: str = "BTC/USDT:USDT@binance_usdm"
    enter: float = 0.08  # predicted funding a year: the costs of going in and out come back in about two weeks
    leave: float = 0.0  # out when longs are paid to hold
    worry: float = 0.4  # of the way to the liquidation of the short; then a quarter of the coins is sold

    def on_start(self) -> None:
        """Look a quarter of an hour before each funding time, when the predicted rate is nearly the one to come."""
        self.every("8h", offset="-15m")
        self.alert(self.perp, ratio=self.worry)

    def on_timer(self, timer: Timer) -> None:
        """Go in or out by the predicted funding."""
        predicted = self.funding(self.perp).predicted_annual
        self.record(delta=self.delta(self.spot.partition("/")[0]), predicted=predicted)
        if predicted is None:
            return
        if not self.position(self.perp) and predicted > self.enter:
            self.buy(self.spot, value=self.account(self.spot).free("USDT"), tag="carry")
        elif self.position(self.perp) and predicted < self.leave:
            self.target(self.spot, quantity=0, tag="carry")

    def on_fill(self, fill: Fill) -> None:
        """Hedge what was really bought or sold, in coin, fee included."""
        if fill.symbol == self.spot:
            self.target(self.perp, delta=-self.position(self.spot).delta, tag="hedge")

    def on_margin_call(self, event: MarginCall) -> None:
        """Make the position smaller before the venue does; the hedge follows the coins."""
        if event.active:
            self.target(self.spot, quantity=0.75 * self.position(self.spot).quantity, tag="margin")

    def on_order(self, order: OrderView) -> None:
        """Send what the sale has brought to where it is needed."""
        if order.tag == "margin" and order.status == "filled":
            self.transfer("USDT", "all", source=self.spot, target=self.perp)


class CoinCarry(Strategy):
    """Coins as collateral of an inverse perpetual sold against them: one account, no liquidation price."""

    spot: str = "BTC/USDT@binance_spot"
    perp: str = "BTC/USD:BTC@binance_coinm"
    band: float = 0.01  # of the coins that may be unhedged: funding arrives as coin, a contract is worth 100 dollars

    def on_start(self) -> None:
        """Turn all cash into coins."""
        self.buy(self.spot, value=self.account(self.spot).free("USDT"), tag="carry")
        self.every("8h", offset="5m")

    def on_order(self, order: OrderView) -> None:
        """Send the coins to the account of the perpetual."""
        if order.symbol == self.spot and order.status == "filled":
            self.transfer(self.spot.partition("/")[0], "all", source=self.spot, target=self.perp)

    def on_transfer(self, event: TransferEvent) -> None:
        """Hedge them when they have arrived."""
        if event.status == "arrived":
            self.hedge()

    def on_timer(self, timer: Timer) -> None:
        """Hedge the coins that the last funding has brought."""
        self.hedge()

    def hedge(self) -> None:
        """Bring the coins in the account, profit included, and the contracts to zero together."""
        coins = self.account(self.perp).equity_in(self.spot.partition("/")[0])
        contracts = self.position(self.perp).delta
        self.record(delta=coins + contracts, funding=self.funding(self.perp).last_annual)
        if abs(coins + contracts) > self.band * coins:
            self.target(self.perp, delta=-coins, tag="hedge")
