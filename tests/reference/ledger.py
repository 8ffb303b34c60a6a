"""Balances in atoms and the postings that made them: each takes from one account what it gives to another."""

from collections import defaultdict
from dataclasses import dataclass

OUTSIDE, TRANSIT, UNFUNDED = "outside", "in_transit", "unfunded"


def fees_of(venue):
    """Return the account in which a venue gathers its fees."""
    return f"{venue} venue_fees"


def fund_of(venue):
    """Return the account of a venue's insurance fund."""
    return f"{venue} insurance_fund"


def others_of(venue):
    """Return the account of everybody else at a venue."""
    return f"{venue} counterparties"


@dataclass(frozen=True, order=True)
class Posting:
    """`amount` atoms of `asset` go to `account` from `contra`."""

    time: int
    account: str
    contra: str
    asset: str
    kind: str
    amount: int


class Ledger:
    """All money of a run."""

    def __init__(self):
        self.balances = defaultdict(int)
        self.postings = []

    def post(self, time, account, contra, asset, kind, amount):
        """Move money; nothing is posted when there is nothing to move."""
        if amount == 0:
            return
        self.balances[account, asset] += amount
        self.balances[contra, asset] -= amount
        self.postings.append(Posting(time, account, contra, asset, kind, amount))
