"""Liquidation down the risk tiers (OKX, venues/okx.md section 7), beside the courses of `Liquidator`."""

from venues.liquidation import Liquidator

class TierLiquidator(Liquidator):
    """Liquidation of all accounts of a run; `Liquidator` lists its arguments."""

    ...
