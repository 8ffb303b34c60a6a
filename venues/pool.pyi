"""A pool of positions for Python: the calculator, the population of the lab and the tests call the engine itself."""

from collections.abc import Sequence
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from venues.contract import ContractBox
from venues.tiers import TierBox

class PoolRisk(NamedTuple):
    """Figures of a pool, in its unit."""

    equity: float
    initial: float
    orders: float
    maintenance: float
    unrealized: float
    notional: float
    signed_notional: float
    close_fees: float

class PoolCoin(NamedTuple):
    """One asset of a pool: quantities, price in the pool's unit, rows of (floor, ratio), tiers of what is owed."""

    balance: float
    price: float
    brackets: Sequence[tuple[float, float]]
    loans: TierBox | None = None
    borrowed: float = 0.0

class LegRisk(NamedTuple):
    """Figures of one leg in its settle asset; prices are None where there is none."""

    notional: float
    unrealized: float
    initial: float
    maintenance: float
    liquidation_price: float | None
    bankruptcy_price: float | None

@final
class PoolBox:
    """Positions that share one equity."""

    def __new__(
        cls,
        wallet: float,
        isolated: bool = False,
        *,
        debts: tuple[float, float] = ...,
        coins: Sequence[PoolCoin] = ...,
    ) -> PoolBox: ...
    def __len__(self) -> int: ...
    @property
    def wallet(self) -> float: ...
    def add(
        self,
        box: ContractBox,
        *,
        quantity: float,
        entry_price: float,
        mark: float,
        leverage: float = 1.0,
        side: int = 0,
        conversion: float = 1.0,
        bids: float = 0.0,
        asks: float = 0.0,
        open_loss: float = 0.0,
        index: float | None = None,
        coin: int = 0,
    ) -> int: ...
    def set_mark(self, row: int, mark: float) -> None: ...
    def quantity(self, row: int) -> float: ...
    def close(self, row: int, *, quantity: float, price: float, fee: float) -> None: ...
    def risk(self) -> PoolRisk: ...
    def leg(self, row: int) -> LegRisk: ...
    def slack(self, threshold: float) -> tuple[float, list[tuple[float, float, float, float]]]: ...
    def joint_bankruptcy_price(self, row: int) -> float | None: ...
    def reduction(self, row: int, *, price: float, fee_rate: float, target: float = 1.0) -> float: ...
    def tiers_down(self, row: int, *, tiers: int) -> float: ...
    def first_tier_requirement(self) -> float: ...
    def part(self, row: int, *, whole_up_to: float, part: float) -> float: ...
    def fillable_price(self, row: int, *, adjustment: float, spread: float) -> float: ...
    def bankruptcy_value(self, row: int, *, quantity: float) -> float: ...
    def step_down(self, row: int, *, price: float, fee_rate: float) -> float: ...

def risk_arrays(
    boxes: list[ContractBox],
    contract: NDArray[np.int32],
    first: NDArray[np.int64],
    quantity: NDArray[np.float64],
    entry_price: NDArray[np.float64],
    mark: NDArray[np.float64],
    leverage: NDArray[np.float64],
    wallet: NDArray[np.float64],
    out: NDArray[Any],
) -> None: ...
def price_arrays(
    boxes: list[ContractBox],
    contract: NDArray[np.int32],
    quantity: NDArray[np.float64],
    entry_price: NDArray[np.float64],
    wallet: NDArray[np.float64],
    out: NDArray[Any],
) -> None: ...
