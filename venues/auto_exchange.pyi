"""Multi-assets mode: a negative balance is covered by selling other assets of the account at their haircut."""

from typing import Any

from venues.ledger import Ledger
from venues.world import World

class AutoExchange:
    """Covers negative balances."""
    def __init__(
        self,
        world: World,
        ledger: Ledger,
        *,
        thresholds: list[Any],
        other_thresholds: list[float],
        at_haircut: list[bool],
    ) -> None: ...
