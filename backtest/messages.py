"""What the hooks of the own account are given."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution of an own order.

    `price` in quote, `quantity` > 0 in the instrument's unit, `side` +1 or -1, `fee` paid > 0 in `fee_asset`,
    `increases` whether the position grew.
    """

    order: Any
    symbol: str
    venue: str
    time: int
    price: float
    quantity: float
    side: int
    fee: float
    fee_asset: str
    realized_pnl: float
    is_maker: bool
    increases: bool


@dataclass(frozen=True, slots=True)
class FundingPayment:
    """One funding payment: `amount` received (negative: paid) in `asset`, on `quantity` at `mark`."""

    symbol: str
    venue: str
    account: str
    time: int
    amount: float
    asset: str
    rate: float
    mark: float
    quantity: float


@dataclass(frozen=True, slots=True)
class MarginCall:
    """The ratio of maintenance to equity has crossed the warning (`active`: upwards), or an own alert has fired."""

    account: str
    time: int
    ratio: float
    distance: float
    active: bool
    symbol: str | None = None


@dataclass(frozen=True, slots=True)
class Liquidated:
    """One step of a forced close, or a reduction by ADL: a row of the result's table."""

    account: str
    symbol: str
    venue: str
    time: int
    step: int
    trigger_mark: float
    price: float
    quantity: float
    fee: float
    shortfall: float
    paid_by: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """A contract has settled: the position was closed at `price`."""

    account: str
    symbol: str
    venue: str
    time: int
    price: float
    quantity: float
    realized_pnl: float


@dataclass(frozen=True, slots=True)
class TransferEvent:
    """A transfer's state: `status` is ``sent | arrived | refused``; amounts in units of their assets."""

    id: int
    time: int
    status: str
    reason: str
    asset: str
    amount: float
    receive: str
    received: float
    source: str | None
    target: str | None


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer has gone off: `time` in ns."""

    time: int
    name: str
