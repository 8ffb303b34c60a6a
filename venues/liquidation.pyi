"""The venue's procedure when a margin pool falls below its requirement: cancel, close in steps, take over, insure."""

class Liquidator:
    """Liquidation of all accounts of a run."""
    def __init__(self, *, courses: list[dict[str, int | float | bool]]) -> None: ...
    @property
    def next_deadline(self) -> int: ...
