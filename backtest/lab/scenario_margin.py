"""Portfolio margin by scenarios: the largest loss over a grid of price and volatility moves, as configuration.

Deribit-, OKX- and SPAN-like models differ only in their scenarios, covers, offsets and contingencies.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from backtest.errors import ConfigError
from backtest.lab.given import Array, array, column, number


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario: relative move of the price, of the volatility (vol x (1 + move)), share of the loss that counts."""

    price: float
    volatility: float = 0.0
    cover: float = 1.0

    def __post_init__(self) -> None:
        """Check every field."""
        number(self.price, "price", above=-1.0)
        number(self.volatility, "volatility", above=-1.0)
        number(self.cover, "cover", above=0.0, high=1.0)


@dataclass(frozen=True, slots=True)
class ScenarioModel:
    """A margin model.

    Parameters
    ----------
    scenarios : tuple of Scenario
        At least one.
    contingency : float
        Charged on gross notional whatever the offsets, at least 0.
    source : str
        Where the figures come from.
    is_unverified : bool
        No page seen confirms all of them.
    """

    scenarios: tuple[Scenario, ...]
    contingency: float = 0.0
    source: str = ""
    is_unverified: bool = False

    def __post_init__(self) -> None:
        """Check every field."""
        if not self.scenarios:
            raise ConfigError("scenarios must hold at least one scenario")
        number(self.contingency, "contingency", low=0.0)

    @property
    def moves(self) -> Array:
        """Price moves, one per scenario."""
        return np.array([scenario.price for scenario in self.scenarios])

    def requirement(self, quantities: ArrayLike, profits: ArrayLike, notionals: ArrayLike | None = None) -> float:
        """Return the requirement of a portfolio in quote.

        Parameters
        ----------
        quantities : array_like, shape (instruments,)
            Signed.
        profits : array_like, shape (instruments, scenarios)
            Profit of one unit of each in each scenario, quote.
        notionals : array_like, shape (instruments,), optional
            Of one unit, quote; needed by a contingency.
        """
        q = column(quantities, "quantities")
        table = array(profits, "profits")
        if table.shape != (len(q), len(self.scenarios)):
            raise ConfigError(f"profits must have shape {(len(q), len(self.scenarios))}, got {table.shape}")
        covers = np.array([scenario.cover for scenario in self.scenarios])
        worst = max(0.0, float((-(q @ table) * covers).max()))
        if self.contingency == 0.0:
            return worst
        if notionals is None:
            raise ConfigError("notionals are needed: the model has a contingency on gross notional")
        gross = float(np.abs(q) @ column(notionals, "notionals", len(q), low=0.0))
        return worst + self.contingency * gross

    def delta_one(self, price: float) -> Array:
        """Return the profit of one linear unit in each scenario."""
        made: Array = number(price, "price", above=0.0) * self.moves
        return made

    def option(self, price: float, *, strike: float, volatility: float, expiry: float, is_call: bool) -> Array:
        """Return the profit of one option on a forward in each scenario (Black 1976, expiry in years), quote."""
        forward = number(price, "price", above=0.0)
        vols = np.array([scenario.volatility for scenario in self.scenarios])
        moved = forward * (1.0 + self.moves)
        sigma = number(volatility, "volatility", above=0.0) * (1.0 + vols)
        now = black(np.array(forward), strike, np.array(volatility), expiry, is_call)
        made: Array = black(moved, strike, sigma, expiry, is_call) - now
        return made


def black(forward: Array, strike: float, volatility: Array, expiry: float, is_call: bool) -> Array:
    """Return the undiscounted price of an option on a forward (Black 1976)."""
    k = number(strike, "strike", above=0.0)
    root = volatility * math.sqrt(number(expiry, "expiry", above=0.0))
    first = np.log(forward / k) / root + 0.5 * root
    sign = 1.0 if is_call else -1.0
    made: Array = sign * (forward * ndtr(sign * first) - k * ndtr(sign * (first - root)))
    return made


def price_grid(reach: float, buckets: int) -> tuple[float, ...]:
    """Return moves from -reach to reach, evenly, in an odd number so that 0 is one of them."""
    if buckets < 3 or buckets % 2 == 0:
        raise ConfigError(f"buckets must be odd and at least 3, got {buckets}")
    return tuple((np.linspace(-1.0, 1.0, buckets) * number(reach, "reach", above=0.0, below=1.0)).tolist())


def span_model(price_range: float, volatility_range: float, *, extreme_cover: float = 0.35) -> ScenarioModel:
    """Return the 16 scenarios of SPAN: 0, 1/3, 2/3, 3/3 of the range both ways, volatility up and down, two extremes.

    The extremes are twice the range, of which a share counts (legacy: 35 %).
    """
    reach = number(price_range, "price_range", above=0.0, below=0.5)
    vol = number(volatility_range, "volatility_range", low=0.0, below=1.0)
    steps = (0.0, 1 / 3, -1 / 3, 2 / 3, -2 / 3, 1.0, -1.0)
    plain = [Scenario(step * reach, change) for step in steps for change in (vol, -vol)]
    extremes = [Scenario(sign * 2.0 * reach, 0.0, extreme_cover) for sign in (1.0, -1.0)]
    return ScenarioModel((*plain, *extremes), source="SPAN, 16 scenarios (leverage_lab.md section 7.3)")


OKX_BTC_2025: Final = ScenarioModel(
    (
        *(Scenario(move, vol) for move in (-0.12, -0.08, -0.04, 0.0, 0.04, 0.08, 0.12) for vol in (-0.25, 0.0, 0.25)),
        *(Scenario(move, 0.0, 0.5) for move in (-0.24, 0.24)),
    ),
    source="OKX portfolio margin since 2025-01: MR1 +-{0,4,8,12} %, MR6 +-24 % (leverage_lab.md section 7.3)",
    is_unverified=True,  # the volatility moves and the cover of MR6 were on no page seen
)
"""OKX-like model of BTC and ETH."""

DERIBIT_BTC: Final = ScenarioModel(
    tuple(Scenario(move, vol) for move in price_grid(0.16, 9) for vol in (-0.25, 0.0, 0.5)),
    source="Deribit S:PM, +-16 % in 9 buckets (leverage_lab.md section 7.3)",
    is_unverified=True,  # the volatility shock depends on the days to expiry; these are its order of size
)
"""Deribit-like model of BTC."""
