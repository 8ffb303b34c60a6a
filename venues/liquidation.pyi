"""The venue's procedure when a margin pool falls below its requirement: cancel, close in steps, take over, insure."""

from typing import Any

from venues.forced_closes import ForcedCloses

class Liquidator(ForcedCloses):
    """Liquidation of all accounts of a run."""
    def __init__(self, *, courses: list[dict[str, int | float | bool]]) -> None: ...
    def set_course(self, venue: int, course: dict[str, int | float | bool]) -> Any: ...
    @property
    def next_deadline(self) -> int: ...
