"""What a balance counts as margin where several assets back one pool: shares of its quantity, bracket by bracket."""

from collections.abc import Iterable

def counted_amount(amount: float, brackets: Iterable[tuple[float, float]]) -> float: ...
