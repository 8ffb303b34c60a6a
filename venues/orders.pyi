"""Orders: kinds, states, reasons, and the store that keeps every order of a run at one address."""

TYPES: tuple[str, ...]
TIFS: tuple[str, ...]
STATUSES: tuple[str, ...]
REASONS: tuple[str, ...]

class OrderStore:
    """Every order of a run, in blocks that never move."""
    def __init__(self) -> None: ...
    @property
    def count(self) -> int: ...
