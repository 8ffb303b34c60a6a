"""Premium samples to the rate of a funding interval, and the mark price formula. Payments: venues/position.pxd."""

from collections.abc import Sequence

def interval_rate(
    premium: float,
    *,
    interval_hours: float,
    interest_rate: float,
    clamp: float,
    cap: float | None = None,
    floor: float | None = None,
    is_added: bool = False,
) -> float: ...
def formula_mark(
    *,
    index: float,
    last_rate: float,
    hours_left: float,
    interval_hours: float,
    basis: float,
    contract_price: float,
) -> float: ...
def ema_mark(*, index: float, average: float, bound: float = 0.0) -> float: ...
def fair_mark(*, index: float, last_rate: float, hours_left: float, interval_hours: float) -> float: ...
def outside_mark(
    *,
    index: float,
    basis: float,
    contract_price: float,
    outside: float | None = None,
    short_average: float | None = None,
) -> float: ...
def decayed_average(samples: Sequence[float], seconds: float, decay: float) -> float: ...
def impact_premium(impact_bid: float, impact_ask: float, index: float) -> float: ...

class FundingEstimator:
    """The rate of a running interval from the premium samples known so far."""

    def __init__(
        self,
        *,
        interval_hours: float,
        interest_rate: float,
        clamp: float,
        cap: float | None = None,
        floor: float | None = None,
        is_weighted: bool = True,
        is_added: bool = False,
    ) -> None: ...
    @property
    def interval_hours(self) -> float: ...
    def add(self, premium: float) -> None: ...
    def reset(self) -> None: ...
    @property
    def premium(self) -> float | None: ...
    @property
    def rate(self) -> float | None: ...

class BasisWindow:
    """Moving average of mid - index over the latest samples."""

    def __init__(self, points: int) -> None: ...
    def add(self, basis: float) -> None: ...
    @property
    def mean(self) -> float: ...
