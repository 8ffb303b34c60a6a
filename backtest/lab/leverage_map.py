"""The leverage map: how much would be closed by force at which move, from a ledger, from open interest, from a prior.

Positions are rarely observable. A ledger (transparent venues, lending) is exact; open interest tells when positions
came and went, not with what leverage; a prior knows nothing of the market but its entries. All give a `HeatMap`.
"""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from backtest.errors import ConfigError
from backtest.lab.curves import GridLiquidations, StepLiquidations
from backtest.lab.given import Array, ascending, column, count, number
from backtest.lab.positions import leverage_prices

RESUM: Final = 2048  # changes after which a total is summed anew
SOURCES: Final = {"ledger": "exact", "open_interest": "inferred from bars", "prior": "assumed"}


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Quantity closed by force up to each move from the reference price.

    Attributes
    ----------
    grid : ndarray of float64, shape (points,)
        Moves, ascending from 0: drops for longs, rises for shorts.
    longs, shorts : ndarray of float64, shape (points,)
        Cumulated, base units.
    reference : float
        Price that the moves are of.
    source : {"ledger", "open_interest", "prior"}
    """

    grid: Array
    longs: Array
    shorts: Array
    reference: float
    source: str

    @property
    def confidence(self) -> str:
        """How far the map can be trusted: exact, inferred or assumed."""
        return SOURCES[self.source]

    @property
    def falling(self) -> GridLiquidations:
        """The curve of longs, for a fall of the price."""
        return GridLiquidations(self.grid, self.longs)

    @property
    def rising(self) -> GridLiquidations:
        """The curve of shorts, for a rise: the mirror image, with the ask side of the book."""
        return GridLiquidations(self.grid, self.shorts)

    def asymmetry(self, reach: float = 0.1) -> float:
        """Return (longs - shorts) / (longs + shorts) within `reach`: above 0, a fall would close more than a rise."""
        longs, shorts = (float(np.interp(reach, self.grid, side)) for side in (self.longs, self.shorts))
        return 0.0 if longs + shorts == 0.0 else (longs - shorts) / (longs + shorts)


def heat_map(
    prices: ArrayLike, quantities: ArrayLike, *, reference: float, grid: ArrayLike, source: str = "ledger"
) -> HeatMap:
    """Return the map of positions with known liquidation prices.

    Parameters
    ----------
    prices : array_like
        Liquidation price of each, quote; nan where there is none.
    quantities : array_like
        Signed base units: longs above 0, shorts below.
    reference : float
        Present price.
    grid : array_like
        Moves, ascending from 0.
    source : {"ledger", "open_interest", "prior"}
    """
    if source not in SOURCES:
        raise ConfigError(f"source must be one of {', '.join(SOURCES)}, got {source!r}")
    edges = ascending(grid, "grid", low=0.0)
    price = number(reference, "reference", above=0.0)
    level = np.asarray(prices, dtype=np.float64)
    size = column(quantities, "quantities", len(level))
    sides = []
    for sign in (1.0, -1.0):
        mine = (size * sign > 0.0) & np.isfinite(level)
        move = sign * (1.0 - level[mine] / price)
        # what is already beyond its price is closed by the smallest move
        steps = StepLiquidations(np.maximum(move, 1e-12), np.abs(size[mine]))
        sides.append(np.where(edges > 0.0, steps.total(np.minimum(edges, 1.0)), 0.0))
    return HeatMap(edges, sides[0], sides[1], price, source)


@dataclass(slots=True)
class _Side:
    """Bins of one side: a heap by nearness to the price; one common factor makes pro-rata removal one product."""

    sign: int
    heap: list[tuple[float, int]] = field(default_factory=list)
    price: list[float] = field(default_factory=list)
    size: list[float] = field(default_factory=list)  # over `scale`; 0 = gone
    newest: list[int] = field(default_factory=list)
    scale: float = 1.0
    total: float = 0.0
    changes: int = 0

    def add(self, prices: Array, quantities: Array) -> None:
        for price, quantity in zip(prices.tolist(), quantities.tolist(), strict=True):
            if quantity > 0.0:
                row = len(self.price)
                self.price.append(price)
                self.size.append(quantity / self.scale)
                self.newest.append(row)
                heapq.heappush(self.heap, (-self.sign * price, row))
        self._changed(float(quantities.sum()))

    def cross(self, extreme: float) -> float:
        """Remove what a low (longs) or high (shorts) has passed; return its quantity."""
        gone = 0.0
        while self.heap and -self.heap[0][0] >= self.sign * extreme:
            _, row = heapq.heappop(self.heap)
            gone += self.size[row] * self.scale
            self.size[row] = 0.0
        if gone:
            self._changed(-gone)
        return gone

    def remove(self, quantity: float, is_lifo: bool) -> None:
        if self.total <= 0.0:
            return
        if not is_lifo:
            self.scale *= max(0.0, 1.0 - quantity / self.total)
            if self.scale < 1e-200:  # rescaled long before a float would underflow
                self.size = [value * self.scale for value in self.size]
                self.scale = 1.0
        left = quantity / self.scale if is_lifo else 0.0
        while left > 0.0 and self.newest:
            row = self.newest[-1]
            taken = min(left, self.size[row])
            self.size[row] -= taken
            left -= taken
            if self.size[row] <= 0.0:
                self.newest.pop()
        self._changed(-quantity)

    def _changed(self, by: float) -> None:
        """Keep the total; now and then it is summed anew, so that rounding does not gather."""
        self.total += by
        self.changes += 1
        if self.changes % RESUM == 0 or self.total <= 0.0:
            self.total = float(np.sum(self.size)) * self.scale


class InferredMap:
    """Positions inferred from open interest and bars of one contract.

    A rise of open interest in a bar adds that quantity at the bar's price, split over a mixture of leverages, long and
    short; a fall removes quantity; a price that crosses a bin removes it first, as forced. After every bar the bins of
    each side sum to open interest.

    Parameters
    ----------
    mixture : mapping of float to float
        Leverage -> weight; weights sum to 1.
    maintenance_rate : float
    contract : {"linear", "inverse"}
    removal : {"pro_rata", "lifo"}
        Which positions leave when open interest falls.
    """

    def __init__(
        self,
        mixture: Mapping[float, float],
        *,
        maintenance_rate: float = 0.005,
        contract: str = "linear",
        removal: str = "pro_rata",
    ) -> None:
        weights = column(list(mixture.values()), "mixture", low=0.0)
        if not len(weights) or abs(float(weights.sum()) - 1.0) > 1e-9:
            raise ConfigError(f"mixture must have weights that sum to 1, got {float(weights.sum()):g}")
        if removal not in ("pro_rata", "lifo"):
            raise ConfigError(f"removal must be pro_rata or lifo, got {removal!r}")
        self._weights = weights
        # prices are proportional to the entry: the engine is asked once, at an entry of 1
        leverage = list(mixture)
        self._ratios = {
            sign: leverage_prices(1.0, leverage, maintenance_rate, side=sign, contract=contract)[0] for sign in (1, -1)
        }
        for sign, ratios in self._ratios.items():
            if np.any(np.isnan(ratios)):
                word = "long" if sign > 0 else "short"
                raise ConfigError(f"mixture holds a leverage at which a {word} has no liquidation price")
        self._is_lifo = removal == "lifo"
        self._sides = {1: _Side(1), -1: _Side(-1)}
        self.open_interest = 0.0

    def update(
        self, open_interest: float, price: float, *, low: float | None = None, high: float | None = None
    ) -> "Flows":
        """Take one bar.

        Parameters
        ----------
        open_interest : float
            At its end, base units.
        price : float
            At which new positions are taken to have opened.
        low, high : float, optional
            Extremes of the bar; the price itself by default.

        Returns
        -------
        Flows
        """
        held = number(open_interest, "open_interest", low=0.0)
        at = number(price, "price", above=0.0)
        bottom = at if low is None else number(low, "low", above=0.0, high=at)
        top = at if high is None else number(high, "high", low=at)
        forced, opened, left = {}, {}, {}
        for sign, side in self._sides.items():
            forced[sign] = side.cross(bottom if sign > 0 else top)
            change = held - side.total
            opened[sign], left[sign] = max(change, 0.0), max(-change, 0.0)
            if change > 0.0:
                side.add(at * self._ratios[sign], change * self._weights)
            elif change < 0.0:
                side.remove(-change, self._is_lifo)
        self.open_interest = held
        return Flows(opened[1], opened[-1], forced[1], forced[-1], left[1], left[-1])

    def bins(self, side: int) -> tuple[Array, Array]:
        """Return liquidation prices and quantities of a side (1 long, -1 short), ascending in price."""
        mine = self._sides[side]
        price, size = np.array(mine.price, dtype=np.float64), np.array(mine.size, dtype=np.float64) * mine.scale
        kept = np.flatnonzero(size > 0.0)
        order = kept[np.argsort(price[kept], kind="stable")]
        return price[order], size[order]

    def map(self, reference: float, grid: ArrayLike) -> HeatMap:
        """Return the map at a reference price."""
        longs, shorts = self.bins(1), self.bins(-1)
        prices, sizes = np.concatenate([longs[0], shorts[0]]), np.concatenate([longs[1], -shorts[1]])
        return heat_map(prices, sizes, reference=reference, grid=grid, source="open_interest")


@dataclass(frozen=True, slots=True)
class Flows:
    """What happened to a contract's positions in one bar, base units: opened, closed by force, left of their own will.

    Voluntary deleveraging (open interest that leaves while funding rises) stands beside forced sales here.
    """

    opened_long: float
    opened_short: float
    forced_long: float
    forced_short: float
    left_long: float
    left_short: float


def prior_map(
    open_interest: float,
    *,
    entries: ArrayLike,
    volumes: ArrayLike,
    reference: float,
    grid: ArrayLike,
    median_leverage: float = 10.0,
    spread: float = 0.8,
    maintenance_rate: float = 0.005,
    points: int = 1000,
) -> HeatMap:
    """Return the map of a market of which only open interest and past prices are known.

    Parameters
    ----------
    open_interest : float
        Base units, on each side.
    entries, volumes : array_like, shape (days,)
        Volume-weighted average price and volume of the last days: entries are taken to be spread like volume.
    reference : float
        Present price.
    grid : array_like
        Moves, ascending from 0.
    median_leverage, spread : float
        Of a lognormal distribution of leverage, cut at 1.01 below.
    maintenance_rate : float
    points : int
        Equal parts of that distribution, each at its middle.
    """
    from scipy.special import ndtri

    price = column(entries, "entries", above=0.0)
    weight = column(volumes, "volumes", len(price), low=0.0)
    if not weight.sum() > 0.0:
        raise ConfigError("volumes must not all be 0")
    held = number(open_interest, "open_interest", low=0.0)
    middle = (np.arange(count(points, "points")) + 0.5) / points
    leverage = number(median_leverage, "median_leverage", low=1.01) * np.exp(
        number(spread, "spread", low=0.0) * ndtri(middle)
    )
    leverage = np.minimum(np.maximum(leverage, 1.01), 1.0 / max(2.0 * maintenance_rate, 1e-3))
    sizes = np.outer(weight / weight.sum(), np.full(points, held / points))
    prices, signed = [], []
    for sign in (1, -1):
        found = leverage_prices(price[:, None], leverage[None, :], maintenance_rate, side=sign)[0]
        alive = sign * (number(reference, "reference", above=0.0) - found) > 0.0  # the others were closed on the way
        kept = np.where(alive, sizes, 0.0)
        total = float(kept.sum())
        prices.append(found.ravel())
        signed.append(sign * (kept * (held / total) if total > 0.0 else kept).ravel())
    return heat_map(np.concatenate(prices), np.concatenate(signed), reference=reference, grid=grid, source="prior")
