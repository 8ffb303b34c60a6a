"""Rows of a replay beside rows of the export."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from backtest.replay_inputs import Inputs
from backtest.replay_walk import Walk, atoms
from backtest.tables import LEDGER_KINDS

Group = tuple[int, str, str]  # ns, symbol, asset
# Our kinds of posting and the export's kinds of row that they answer.
COMPARED = {
    "realized": (("trade_profit", "settlement"), ("realized_pnl", "settlement")),
    "fee": (("fee",), ("fee",)),
    "funding": (("funding",), ("funding",)),
    "clearance": (("liquidation_fee",), ("insurance",)),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One pair in atoms; None on the side that has no such row."""

    ts: int
    symbol: str
    asset: str
    ours: int | None
    theirs: int | None

    @property
    def is_exact(self) -> bool:
        """Whether both sides agree to the atom."""
        return self.ours == self.theirs


@dataclass(frozen=True, slots=True)
class Wallet:
    """Balance of one asset, atoms: at the end, and the largest difference after any second."""

    asset: str
    ours: int
    theirs: int
    largest_difference: int


def pair(ours: Iterable[tuple[Group, int]], theirs: Iterable[tuple[Group, int]]) -> list[Row]:
    """Pair amounts of the same second, symbol and asset: equal ones first, the rest by size.

    The order of rows inside a second is not kept by the export, so a row has no other name.
    """
    left: dict[Group, list[int]] = {}
    right: dict[Group, list[int]] = {}
    for side, rows in ((left, ours), (right, theirs)):
        for group, amount in rows:
            side.setdefault(group, []).append(amount)
    out: list[Row] = []
    for group in sorted(left.keys() | right.keys()):
        mine, export = Counter(left.get(group, ())), Counter(right.get(group, ()))
        equal = mine & export
        out += [Row(*group, amount, amount) for amount in sorted(equal.elements())]
        rest, other = sorted((mine - equal).elements()), sorted((export - equal).elements())
        for place in range(max(len(rest), len(other))):
            a = rest[place] if place < len(rest) else None
            b = other[place] if place < len(other) else None
            out.append(Row(*group, a, b))
    return out


def compare(inputs: Inputs, walk: Walk, what: str) -> list[Row]:
    """Return our postings of one kind beside the export's ledger rows.

    Parameters
    ----------
    what : {"realized", "fee", "funding", "clearance"}
    """
    kinds, words = COMPARED[what]
    codes = [LEDGER_KINDS.index(kind) for kind in kinds]
    symbols = list(inputs.specs)
    ours = [
        (
            (
                int(row["time"]),
                symbols[row["instrument"]] if row["instrument"] >= 0 else "",
                inputs.assets[row["asset"]],
            ),
            int(row["amount"]),
        )
        for row in walk.money.postings()
        if row["account"] == 0 and row["kind"] in codes
    ]
    theirs = [
        ((entry.ts, entry.symbol, entry.asset), atoms(entry.amount))
        for entry in inputs.entries
        if entry.kind in words and (entry.symbol or what != "clearance")
    ]
    return pair(ours, theirs)


def wallets(inputs: Inputs, walk: Walk) -> list[Wallet]:
    """Return the balance of every asset after each second, ours and the export's, as their largest difference."""
    postings = walk.money.postings()
    out = []
    for row, asset in enumerate(inputs.assets):
        changes: dict[int, list[int]] = {}
        for posting in postings[postings["asset"] == row]:
            changes.setdefault(int(posting["time"]), [0, 0])[0] += int(posting["amount"])
        for entry in inputs.entries:
            if entry.asset == asset:
                changes.setdefault(entry.ts, [0, 0])[1] += atoms(entry.amount)
        ours = theirs = largest = 0
        for ts in sorted(changes):
            ours, theirs = ours + changes[ts][0], theirs + changes[ts][1]
            largest = max(largest, abs(ours - theirs))
        out.append(Wallet(asset, ours, theirs, largest))
    return out
