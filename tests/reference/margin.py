"""Margin of a pool of positions in exact numbers, by the rules of its venue (`reference.house`)."""

from dataclasses import dataclass, replace
from fractions import Fraction

from reference.house import House, shrinks
from reference.position import Position
from reference.rounding import ceiling, floor


@dataclass
class Leg:
    """One position with its mark and what its open orders hold; `side` is 0 in one-way mode, +1 or -1 in hedge mode."""

    position: Position
    mark: Fraction
    house: House
    leverage: Fraction = Fraction(1)
    side: int = 0
    bids: Fraction = Fraction(0)
    asks: Fraction = Fraction(0)
    open_loss: Fraction = Fraction(0)
    isolated: bool = False

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
        return self.house.maintenance(self) if self.position.quantity else Fraction(0)

    @property
    def initial(self):
        """Return the initial margin of the position."""
        return self.house.initial(self) if self.position.quantity else Fraction(0)

    @property
    def close_fee(self):
        """Return the fee of closing that is held back."""
        return self.house.close_fee(self) if self.position.quantity else Fraction(0)

    @property
    def loss_in_equity(self):
        """Return what open orders take from the pool's equity."""
        return self.open_loss if self.house.loss_in == "equity" and not self.isolated else Fraction(0)

    @property
    def order_margin(self):
        """Return what open orders need beyond the position's own initial margin."""
        return self.house.order_margin(self) + self.open_loss - self.loss_in_equity

    def holding(self, quantity):
        """Return this leg with another quantity at the same average entry."""
        part = Position(self.contract, keeps_average=self.house.keeps_average)
        part.quantity = quantity
        part.entry_value = self.position.entry_value * quantity / self.position.quantity
        return replace(self, position=part)


@dataclass
class Pool:
    """What shares one equity: an isolated leg, or the cross legs of a settle asset."""

    wallet: Fraction
    legs: list[Leg]

    @property
    def equity(self):
        """Return wallet plus profit at the marks."""
        gains = (leg.position.unrealized(leg.mark) - leg.loss_in_equity for leg in self.legs)
        return self.wallet + sum(gains, Fraction(0))

    @property
    def maintenance(self):
        """Return the maintenance margin of all legs."""
        return sum((leg.maintenance for leg in self.legs), Fraction(0))

    @property
    def initial(self):
        """Return the initial margin of all positions."""
        return sum((leg.initial for leg in self.legs), Fraction(0))

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

    @property
    def left(self):
        """Return the equity after the fees of closing everything that are held back."""
        return self.equity - sum((leg.close_fee for leg in self.legs), Fraction(0))

    def at(self, contract, price):
        """Return this pool with all legs of a contract marked at a price."""
        moved = [replace(leg, mark=price) if leg.contract is contract else leg for leg in self.legs]
        return Pool(self.wallet, moved)

    def left_at(self, contract, price):
        """Return the equity after the fees of closing one contract at a price."""
        moved = self.at(contract, price)
        return moved.equity - sum((leg.close_fee for leg in moved.legs if leg.contract is contract), Fraction(0))

    def bankruptcy_price(self, leg):
        """Return the price of a leg's contract whose close leaves nothing, all other marks held; None without one."""
        here, away = leg.mark, leg.mark * 2
        first, second = self.left_at(leg.contract, here), self.left_at(leg.contract, away)
        if leg.contract.kind == "inverse":
            here, away = 1 / here, 1 / away
        if first == second:
            return None
        root = here - first * (away - here) / (second - first)
        if root <= 0:
            return None
        return 1 / root if leg.contract.kind == "inverse" else root

    def joint_bankruptcy_price(self, leg):
        """Return a leg's price when every leg has lost the same share of its notional and nothing is left."""
        # a fee of the closing price moves with it: less of it where the notional shrinks as the leg loses
        moving = [one for one in self.legs if one.house.fee_moves]
        moved = sum((one.close_fee * shrinks(one, one.position.quantity) for one in moving), Fraction(0))
        share = self.left / (self.notional - moved) * (1 if leg.position.quantity > 0 else -1)
        if leg.contract.kind == "inverse":
            return leg.mark / (1 + share) if share > -1 else Fraction(0)
        return leg.mark * (1 - share) if share < 1 else Fraction(0)


def least_reduction(pool, leg, price):
    """Return the least number of lots whose closing leaves maintenance below the aim; all of them if none does.

    They are closed at `price` and pay the fee of forced fills there (binance.md section 5: as far as needed to comply).
    """
    held, contract, house = leg.position.quantity, leg.contract, leg.house
    whole = ceiling(abs(held) / contract.lot)
    side = 1 if held > 0 else -1
    others = pool.maintenance - leg.maintenance
    fee = house.taker if house.forced_fee == "trading" and house.holds_fee else contract.clearance

    def surplus(lots):
        quantity = min(lots * contract.lot, abs(held))
        at_mark, sold = contract.notional(quantity, leg.mark), contract.notional(quantity, price)
        lost = (at_mark - sold) * side * (-1 if contract.kind == "inverse" else 1)
        return (
            house.target * (pool.equity - lost - sold * fee) - others - leg.holding(held - side * quantity).maintenance
        )

    if house.curved:
        most = min(whole, floor(house.round_share * abs(held) / contract.lot) + 1)
        return next((lots for lots in range(1, most) if surplus(lots) > 0), most)
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
