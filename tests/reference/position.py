"""One position: what it holds, what its entry was worth, what closing it realises (binance.md sections 1 and 5).

Other venues' profit is that of the exact entry value.
"""

from fractions import Fraction

from reference.rounding import atoms, digits, half_up, toward_zero

VALUE_STEP = Fraction(1, 10**16)  # decimals that an entry value keeps (design.md, law 2)
AVERAGE_STEP = Fraction(1, 10**13)
DIGITS = 13  # of Binance's average entry and of the profit from it (rules of binance_usdm, "average_digits")


class Position:
    """Signed quantity of one contract; a linear one keeps Binance's average entry beside its entry value."""

    def __init__(self, contract, *, keeps_average=True):
        self.contract = contract
        self.keeps_average = keeps_average
        self.clear()

    def clear(self):
        """Hold nothing."""
        self.quantity = Fraction(0)
        self.entry_value = Fraction(0)  # settle asset, signed like the quantity
        self.average = Fraction(0)

    def value(self, quantity, price):
        """Return the signed value of a signed quantity, at the decimals of an entry value."""
        exact = self.contract.notional(quantity, price) * (1 if quantity > 0 else -1)
        return half_up(exact / VALUE_STEP) * VALUE_STEP

    def fill(self, quantity, price):
        """Apply one fill and return (profit in atoms, quantity closed, quantity opened), both without sign."""
        profit = 0
        closed = opened = Fraction(0)
        if self.quantity * quantity < 0:
            part = quantity if abs(quantity) < abs(self.quantity) else -self.quantity
            profit = self.close(-part, price)
            closed = abs(part)
            quantity -= part
        if quantity != 0:
            self.open(quantity, price)
            opened = abs(quantity)
        return profit, closed, opened

    def close(self, quantity, price):
        """Take out a quantity signed like the position and return its profit in atoms."""
        share = quantity / self.quantity
        part = toward_zero(self.entry_value * share / VALUE_STEP) * VALUE_STEP
        if share == 1:
            part = self.entry_value
        if self.contract.kind == "inverse":
            profit = part - self.value(quantity, price)  # contracts x size x (1/entry - 1/exit)
        elif not self.keeps_average:
            profit = self.value(quantity, price) - part
        else:
            profit = digits(quantity * self.contract.size * (price - self.average), DIGITS)
        if share == 1:
            self.clear()
        else:
            self.quantity -= quantity
            self.entry_value -= part
        return atoms(profit)

    def open(self, quantity, price):
        """Add a quantity signed like the position, or from flat."""
        total = self.quantity + quantity
        average = (self.average * self.quantity + price * quantity) / total
        if digits(average, DIGITS) % AVERAGE_STEP:
            self.average = half_up(average / AVERAGE_STEP) * AVERAGE_STEP
        else:
            self.average = digits(average, DIGITS)
        self.entry_value += self.value(quantity, price)
        self.quantity = total

    def unrealized(self, mark):
        """Return the profit at a mark, settle asset."""
        if self.quantity == 0:
            return Fraction(0)
        value = self.contract.notional(self.quantity, mark) * (1 if self.quantity > 0 else -1)
        return self.entry_value - value if self.contract.kind == "inverse" else value - self.entry_value
