"""Liquidation in slices, block by block; the other courses are those of `Liquidator`."""

from venues.liquidation import Liquidator

class SlicedLiquidator(Liquidator):
    """Liquidation of all accounts of a run."""
    def repay_first(self, venue: int) -> None: ...
    def set_slices(self, slices: list[dict[str, int | float]], seed: int) -> None: ...
