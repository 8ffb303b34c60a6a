"""What goes into a run of the reference model: contracts, accounts, market events, operations of a trader."""

from dataclasses import dataclass, field
from fractions import Fraction

ATOM = Fraction(1, 10**8)  # the ledger's unit of every asset (design.md, law 2)
SECOND = 10**9


@dataclass(frozen=True)
class Tier:
    """One bracket: maintenance = notional x rate - amount, for floor < notional (binance.md section 4)."""

    floor: Fraction
    rate: Fraction
    leverage: Fraction
    amount: Fraction
    by_size: Fraction = Fraction(0)  # what each coin of the position adds to both rates (deribit.md section 4)


def tiers(*rows):
    """Return a table of (floor, rate, largest leverage); amounts by the recursion of binance.md section 4."""
    table = []
    for floor, rate, leverage in ((Fraction(x) for x in row) for row in rows):
        amount = table[-1].amount + floor * (rate - table[-1].rate) if table else Fraction(0)
        table.append(Tier(floor, rate, leverage, amount))
    return tuple(table)


def steps(*rows):
    """Return a table of (floor, rate, largest leverage) whose rates hold for the whole position."""
    return tuple(Tier(*(Fraction(x) for x in row), Fraction(0)) for row in rows)


def by_size(rate, leverage, each):
    """Return a table of one row whose rates grow by `each` with every coin of the position."""
    return (Tier(Fraction(0), Fraction(rate), Fraction(leverage), Fraction(0), Fraction(each)),)


@dataclass(frozen=True)
class Contract:
    """A contract or a spot pair; `size` is base coins (linear, spot) or quote currency (inverse) per unit."""

    symbol: str
    venue: str
    kind: str  # linear | inverse | spot
    base: str
    quote: str
    tick: Fraction
    lot: Fraction
    size: Fraction = Fraction(1)
    tiers: tuple[Tier, ...] = ()
    clearance: Fraction = Fraction(0)

    @property
    def address(self):
        """Return SYMBOL@venue."""
        return f"{self.symbol}@{self.venue}"

    @property
    def settle(self):
        """Return the asset of profit and margin."""
        return self.base if self.kind == "inverse" else self.quote

    def notional(self, quantity, price):
        """Return what a quantity is worth at a price, settle asset, unsigned (binance.md section 1)."""
        size = abs(quantity) * self.size
        return size / price if self.kind == "inverse" else size * price


@dataclass(frozen=True)
class Owner:
    """One account and the choices that it was opened with."""

    name: str
    venue: str
    balances: dict[str, Fraction]
    leverage: Fraction = Fraction(10)
    isolated: bool = False
    hedge: bool = False
    maker: Fraction = Fraction(0)
    taker: Fraction = Fraction(0)
    slippage: Fraction = Fraction(0)  # share of the price
    margin_call: Fraction = Fraction(8, 10)
    at_mark: bool = False  # forced orders fill at the mark, not on the tape
    adl: bool = False  # recorded deleveraging hits it
    fund: dict[str, Fraction] | None = None  # what the venue's insurance fund has; None = all that it needs


@dataclass(frozen=True)
class Event:
    """One row of data. `what`: index, mark, funding, trade, adl, settlement."""

    time: int
    what: str
    venue: str
    symbol: str
    price: Fraction = Fraction(0)  # of a funding row: its own mark, 0 = none
    quantity: Fraction = Fraction(0)
    side: int = 0
    rate: Fraction = Fraction(0)  # of an adl row: the share


@dataclass(frozen=True)
class Operation:
    """One request of the trader at a time; `words` are its arguments (see `reference.run.Run.carry_out`)."""

    time: int
    what: str
    account: str
    words: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Transfers:
    """How money moves between venues; inside one venue it is at once and free."""

    delay: int = 0
    fees: dict[str, Fraction] = field(default_factory=dict)
    minimum: dict[str, Fraction] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """All that a run is a function of."""

    contracts: tuple[Contract, ...]
    owners: tuple[Owner, ...]
    events: tuple[Event, ...]
    operations: tuple[Operation, ...]
    transfers: Transfers = field(default_factory=Transfers)
