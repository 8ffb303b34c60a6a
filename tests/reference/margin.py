"""Margin of a pool of positions in exact numbers (binance.md sections 3 to 5)."""

from dataclasses import dataclass
from fractions import Fraction

from reference.rounding import ceiling


@dataclass
class Leg:
    """One position with its mark and what its open orders hold; `side` is 0 in one-way mode, +1 or -1 in hedge mode."""

    position: object
    mark: Fraction
    leverage: Fraction = Fraction(1)
    side: int = 0
    bids: Fraction = Fraction(0)
    asks: Fraction = Fraction(0)
    open_loss: Fraction = Fraction(0)

    @property
    def contract(self):
        """Return the contract of the position."""
        return self.position.contract

    @property
    def notional(self):
        """Return the unsigned notional at the mark."""
        return self.contract.notional(self.position.quantity, self.mark)

    @property
    def maintenance(self):
        """Return the maintenance margin at the mark."""
        return maintenance(self.contract.tiers, self.notional)

    @property
    def order_margin(self):
        """Return what open orders need beyond the position's own initial margin, open loss included."""
        if self.side != 0:
            opening = self.bids if self.side > 0 else self.asks
            return opening / self.leverage + self.open_loss
        here = self.notional * (1 if self.position.quantity >= 0 else -1)
        netted = max(abs(here + self.bids), abs(here - self.asks))
        return (netted - abs(here)) / self.leverage + self.open_loss


def bracket(table, notional):
    """Return the bracket of a notional: floor < notional <= cap."""
    below = [row for row in table if row.floor < notional]
    return below[-1] if below else table[0]


def maintenance(table, notional):
    """Return notional x rate - amount in the bracket of the notional."""
    if notional == 0:
        return Fraction(0)
    row = bracket(table, notional)
    return notional * row.rate - row.amount


@dataclass
class Pool:
    """What shares one equity: an isolated leg, or the cross legs of a settle asset."""

    wallet: Fraction
    legs: list[Leg]

    @property
    def equity(self):
        """Return wallet plus profit at the marks."""
        return self.wallet + sum((leg.position.unrealized(leg.mark) for leg in self.legs), Fraction(0))

    @property
    def maintenance(self):
        """Return the maintenance margin of all legs."""
        return sum((leg.maintenance for leg in self.legs), Fraction(0))

    @property
    def initial(self):
        """Return the initial margin of all positions at the marks."""
        return sum((leg.notional / leg.leverage for leg in self.legs), Fraction(0))

    @property
    def orders(self):
        """Return the margin of all open orders."""
        return sum((leg.order_margin for leg in self.legs), Fraction(0))

    @property
    def notional(self):
        """Return the sum of notionals."""
        return sum((leg.notional for leg in self.legs), Fraction(0))

    @property
    def is_open(self):
        """Return whether anything is held."""
        return any(leg.position.quantity for leg in self.legs)

    def at(self, contract, price):
        """Return this pool with all legs of a contract marked at a price."""
        moved = [Leg(leg.position, price if leg.contract is contract else leg.mark) for leg in self.legs]
        return Pool(self.wallet, moved)

    def bankruptcy_price(self, leg):
        """Return the mark of a leg's contract at which equity is zero, all other marks held; None without one."""
        here, away = leg.mark, leg.mark * 2
        first, second = self.equity, self.at(leg.contract, away).equity
        if leg.contract.kind == "inverse":
            here, away = 1 / here, 1 / away
        if first == second:
            return None
        root = here - first * (away - here) / (second - first)
        if root <= 0:
            return None
        return 1 / root if leg.contract.kind == "inverse" else root

    def joint_bankruptcy_price(self, leg):
        """Return a leg's price when every leg has lost the same share of its notional and equity is zero."""
        share = self.equity / self.notional * (1 if leg.position.quantity > 0 else -1)
        if leg.contract.kind == "inverse":
            return leg.mark / (1 + share) if share > -1 else Fraction(0)
        return leg.mark * (1 - share) if share < 1 else Fraction(0)


def least_reduction(pool, leg, price):
    """Return the least number of lots whose closing leaves maintenance below equity; all of them if none does.

    They are closed at `price` and pay the clearance fee there (binance.md section 5: as far as needed to comply).
    """
    held = leg.position.quantity
    contract = leg.contract
    whole = ceiling(abs(held) / contract.lot)
    side = 1 if held > 0 else -1

    def surplus(lots):
        quantity = min(lots * contract.lot, abs(held))
        at_mark, sold = contract.notional(quantity, leg.mark), contract.notional(quantity, price)
        lost = (at_mark - sold) * side * (-1 if contract.kind == "inverse" else 1)
        rest = contract.notional(abs(held) - quantity, leg.mark)
        required = pool.maintenance - leg.maintenance + maintenance(contract.tiers, rest)
        return pool.equity - lost - sold * contract.clearance - required

    # Between two borders of tiers the surplus is a straight line: its sign changes once.
    one = contract.notional(contract.lot, leg.mark)
    ends = sorted(
        {min(whole, max(0, ceiling((leg.notional - row.floor) / one) - 1)) for row in contract.tiers} | {whole}
    )
    start = 1
    for end in ends:
        if end < start:
            continue
        if surplus(start) > 0:
            return start
        if surplus(end) > 0:
            low, high = start, end
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if surplus(middle) > 0 else (middle, high)
            return high
        start = end + 1
    return whole
