"""Signed quantity and exact entry value of one leg; realised profit by the venue's rule."""

from decimal import Decimal
from typing import Literal

Number = int | str | Decimal | float

class ExactPosition:
    """One leg of one contract, with the engine's own exact arithmetic, in decimals."""

    def __init__(
        self,
        *,
        kind: Literal["linear", "inverse", "spot"] = "linear",
        price_scale: int,
        quantity_scale: int,
        size: Number = 1,
        settle_scale: int = 8,
        entry_rule: Literal["exact_value", "average_price", "average_digits"] = "exact_value",
        entry_scale: int = 13,
        rounding: Literal["toward_zero", "half_up", "floor", "ceiling"] = "toward_zero",
        side: Literal["one_way", "long", "short"] = "one_way",
        money_decimals: int | None = None,
        funding_decimals: int | None = None,
    ) -> None: ...
    def fill(self, quantity: Number, price: Number) -> tuple[Decimal, Decimal, Decimal]: ...
    def fee(self, quantity: Number, price: Number, rate: Number) -> Decimal: ...
    def funding(self, mark: Number, rate: Number, *, mark_scale: int = 8, rate_scale: int = 10) -> Decimal: ...
    def unrealized(self, mark: float) -> float: ...
    @property
    def quantity(self) -> Decimal: ...
    @property
    def entry_value(self) -> Decimal: ...
    @property
    def average_entry(self) -> Decimal: ...
    @property
    def entry_price(self) -> float: ...
