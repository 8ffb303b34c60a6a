"""One sorted columnar stream with two read positions, one for each clock; a batch lives until the slower passed it."""

from typing import Any

SLOTS: tuple[str, ...]

class Batch:
    """Decoded columns, and the batch that comes after."""

    ...

class Cursor:
    """Read a stream on two clocks."""
    def __init__(
        self,
        *,
        stream: int,
        instrument: int,
        kind: int,
        timeframe: int,
        batches: Any,
        names: list[Any],
        factors: list[Any],
        latency: int,
        label: str,
        sigma: float = 0.0,
        seed: int = 0,
    ) -> None: ...
    @property
    def stream(self) -> Any: ...
    @property
    def instrument(self) -> int: ...
    @property
    def kind(self) -> int: ...
    @property
    def timeframe(self) -> int: ...
    @property
    def latency(self) -> int: ...
    @property
    def taken(self) -> int: ...
    @property
    def label(self) -> str: ...
