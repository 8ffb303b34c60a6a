"""Liquidation in slices of one position at dYdX Chain, block by block, in exact fractions."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

QUANTUM = Fraction(1, 10**6)


@dataclass
class Step:
    """One forced close: what the account got for it, and what it paid to the insurance fund (< 0: was paid)."""

    price: Fraction
    quantity: Fraction
    paid: Fraction
    is_given: bool = False


def penalty(value: Fraction, bankruptcy: Fraction) -> Fraction:
    """What a close pays to the insurance fund (< 0: is paid) of what it yields above the bankruptcy price."""
    surplus = floor((value - bankruptcy) / QUANTUM) * QUANTUM
    if surplus <= 0:
        return surplus
    return min(surplus, floor(abs(value) * Fraction(15, 1000) / QUANTUM) * QUANTUM)


@dataclass
class Subaccount:
    """A quote balance and one position, as the chain keeps them; rates of venues/dydx_v4.md, genesis."""

    quote: Fraction
    size: Fraction
    maintenance_rate: Fraction
    step: Fraction
    tick: Fraction

    def collateral(self, oracle: Fraction) -> Fraction:
        return self.quote + self.size * oracle

    def requirement(self, oracle: Fraction) -> Fraction:
        return abs(self.size) * oracle * self.maintenance_rate

    def is_liquidatable(self, oracle: Fraction) -> bool:
        return self.size != 0 and self.requirement(oracle) > self.collateral(oracle)

    def most(self, oracle: Fraction) -> Fraction:
        """Notional that a block closes at most."""
        notional = abs(self.size) * oracle
        return min(max(min(Fraction(1000), notional), notional / 10), Fraction(100_000))

    def delta(self, oracle: Fraction) -> Fraction:
        """Size to close in this block, unsigned."""
        notional, most = abs(self.size) * oracle, self.most(oracle)
        if notional <= most or abs(self.size) <= self.step:
            return abs(self.size)
        return max(self.step, floor(most / oracle / self.step) * self.step)

    def fillable(self, oracle: Fraction) -> Fraction:
        """The worst price at which a slice may go."""
        rating = min(max(1 - self.collateral(oracle) / self.requirement(oracle), Fraction(0)), Fraction(1))
        return (self.size * oracle - rating * Fraction(3, 2) * self.requirement(oracle)) / self.size

    def limit(self, oracle: Fraction) -> Fraction:
        """The fillable price on the tick."""
        price = self.fillable(oracle)
        return (ceil(price / self.tick) if self.size > 0 else floor(price / self.tick)) * self.tick

    def bankruptcy(self, oracle: Fraction, delta: Fraction) -> Fraction:
        """Quote received (< 0 paid) for `delta` at the bankruptcy price."""
        share = self.collateral(oracle) * delta / abs(self.size)
        sign = 1 if self.size > 0 else -1
        return sign * delta * oracle - floor(share / QUANTUM) * QUANTUM

    def close(self, oracle: Fraction, price: Fraction, delta: Fraction) -> Step:
        """Close a slice at a price within its limit."""
        sign = 1 if self.size > 0 else -1
        value = sign * delta * price
        paid = penalty(value, self.bankruptcy(oracle, delta))
        self.quote += value - paid
        self.size -= sign * delta
        return Step(price, delta, paid)

    def give_away(self, oracle: Fraction) -> Step:
        """Let others take all of it at the bankruptcy price."""
        delta = abs(self.size)
        value = self.bankruptcy(oracle, delta)
        self.quote += value
        self.size = Fraction(0)
        return Step(abs(value) / delta, delta, Fraction(0), is_given=True)


def play(account: Subaccount, oracles: list[Fraction], prices: list[Fraction]) -> list[Step]:
    """Return the steps where an oracle price and then a traded price come in turn."""
    steps: list[Step] = []
    for oracle, price in zip(oracles, prices, strict=True):
        if not account.is_liquidatable(oracle):
            continue
        limit = account.limit(oracle)
        refused = price < limit if account.size > 0 else price > limit
        if not refused:
            steps.append(account.close(oracle, price, account.delta(oracle)))
        elif account.collateral(oracle) < 0:
            steps.append(account.give_away(oracle))
    return steps
