"""What own orders leave in a market without a book: its depth, the cost of an order, how the market recovers."""

from collections.abc import Iterable

class Footprint:
    """Depth of one market and what own orders of all accounts have taken from it."""
    def __init__(
        self,
        *,
        law: int,
        depth: float,
        factor: float,
        knee: float,
        volatility: float,
        daily_volume: float,
        spread: float,
        half_life: float,
        permanent: float,
        nodes: list[tuple[float, float]],
        moves_mark: bool,
    ) -> None: ...
    @property
    def law(self) -> int: ...
    @property
    def moves_mark(self) -> bool: ...
    @property
    def measures(self) -> bool: ...
    def move(self, side: int, quantity: float, time: int = 0) -> tuple[float, float]: ...
    def order(self, side: int, quantity: float, time: int) -> float: ...
    def capacity(self, side: int, impact: float, time: int = 0) -> float: ...
    def observe(self, rows: Iterable[tuple[float, float]]) -> None: ...
    def see(self, trades: Iterable[tuple[int, float, float]]) -> tuple[float, float]: ...

def power_nodes(scale: float, exponent: float) -> list[tuple[float, float]]: ...
