"""Other traders in a run, as thin rows: what each holds, what it owns, and the prices at which it must be looked at."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from venues.engine import MarginEngine
from venues.world import World

class Members:
    """Accounts of a population."""
    def __init__(
        self,
        world: World,
        engine: MarginEngine,
        *,
        venue: NDArray[np.int32],
        asset: NDArray[np.int32],
        first: NDArray[np.int32],
        wallet: NDArray[np.int64],
        isolated: NDArray[np.uint8],
        instrument: NDArray[np.int32],
        quantity: NDArray[np.int64],
        price: NDArray[np.int64],
        leverage: NDArray[np.float64],
        trigger: list[float],
        start: int,
        **others: Any,
    ) -> None: ...
    looks_always: bool
    def wallets(self) -> list[int]: ...
    def wealth(self) -> dict[int, int]: ...
    def quantities(self) -> list[int]: ...
    def closes(self) -> list[int]: ...
    @property
    def n_members(self) -> int: ...
    @property
    def n_positions(self) -> int: ...
