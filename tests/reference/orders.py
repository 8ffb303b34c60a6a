"""Orders and the prices that wake them."""

from dataclasses import dataclass
from fractions import Fraction

from reference.inputs import Contract


@dataclass
class Order:
    """One order; `kind` is market, limit, stop, take or trailing, `side` +1 to buy and -1 to sell."""

    number: int
    account: object
    contract: Contract
    side: int
    quantity: Fraction
    kind: str = "market"
    leg: int = 0
    price: Fraction = Fraction(0)  # limit; 0 = none
    trigger: Fraction = Fraction(0)
    trail: Fraction = Fraction(0)
    source: str = "mark"  # price that triggers: mark, last or index
    tif: str = "GTC"
    post_only: bool = False
    reduce_only: bool = False
    whole: bool = False  # closes whatever the position is when it fires
    forced: bool = False
    status: str = "sent"
    reason: str = ""
    filled: Fraction = Fraction(0)
    takes: bool = False  # a limit that the touch has reached, or a stop that has fired
    queue: int = 0
    extreme: Fraction = Fraction(0)
    counted: bool = False
    held_value: Fraction = Fraction(0)
    held_loss: Fraction = Fraction(0)
    margin_price: Fraction = Fraction(0)

    @property
    def rest(self):
        """Return what has not filled."""
        return self.quantity - self.filled

    @property
    def is_stop(self):
        """Return whether a price must wake it first."""
        return self.kind in ("stop", "take", "trailing")

    @property
    def is_reducing(self):
        """Return whether it can only reduce."""
        return self.reduce_only or self.whole

    def is_beyond(self, price):
        """Return whether a price has passed the trigger."""
        if self.kind == "take":
            return self.side * (self.trigger - price) >= 0
        return self.side * (price - self.trigger) >= 0

    def is_woken(self, source, price):
        """Return whether a price of a source fires this order; a trailing trigger follows the best price so far."""
        if not self.is_stop or self.takes or source != self.source:
            return False
        if self.kind == "trailing" and (self.extreme == 0 or self.side * (price - self.extreme) < 0):
            self.extreme = price
            self.trigger = price + self.side * self.trail
        return self.is_beyond(price)
