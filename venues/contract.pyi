"""A contract as the engine sees it: what one unit is worth, its limits, its fees, its rounding rules as of a date."""

from collections.abc import Sequence
from typing import final

from venues.checks import Number
from venues.instrument import Instrument, MarginRules, RoundingRules, Tier
from venues.tiers import TierBox

@final
class ContractBox:
    """One contract in C memory."""

    @property
    def instrument(self) -> Instrument: ...
    @property
    def tiers(self) -> TierBox | None: ...
    @property
    def size(self) -> tuple[int, int]: ...
    @property
    def fees(self) -> tuple[int, int]: ...
    def __new__(
        cls,
        instrument: Instrument,
        *,
        index: int,
        assets: dict[str, int],
        price_scale: int,
        quantity_scale: int,
        settle_scale: int = 8,
        rounding: RoundingRules | None = None,
        fees: tuple[Number, Number] | None = None,
        clearance_fee: Number | None = None,
        tiers: TierBox | Sequence[Tier] | None = None,
        margin: MarginRules | None = None,
        delivery_fee: Number = 0,
        funding_accrues: bool = False,
        interest_caps: tuple[float, float] | None = None,
    ) -> ContractBox: ...
    def set_interest_caps(self, lower: float, upper: float) -> int: ...
    def set_open_interest(self, quantity: float) -> None: ...
    def swap_tiers(self, tiers: TierBox | None) -> int: ...
    def set_fees(self, maker: Number, taker: Number) -> int: ...
    def set_clearance_fee(self, rate: Number) -> int: ...
    def set_rounding(self, rounding: RoundingRules) -> int: ...
    def set_margin(self, margin: MarginRules) -> int: ...
    def swap_instrument(self, instrument: Instrument) -> int: ...
    def notional(self, quantity: float, price: float) -> float: ...
