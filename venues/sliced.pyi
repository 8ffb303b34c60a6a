"""Liquidation in slices, block by block; the other courses are those of `TierLiquidator`."""

from venues.down_tiers import TierLiquidator

class SlicedLiquidator(TierLiquidator):
    """Liquidation of all accounts of a run."""
    def repay_first(self, venue: int, target: float = 0.0) -> None: ...
    def set_slices(self, slices: list[dict[str, int | float]], seed: int) -> None: ...
