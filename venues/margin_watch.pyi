"""Looks after the margin of positions: warnings, the trigger of a liquidation, samples for the journal."""

from venues.order_margin import OrderMargin

class MarginWatch(OrderMargin):
    """Decides when an account is warned and when it is liquidated."""

    ...
