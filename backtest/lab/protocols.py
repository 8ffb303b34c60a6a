"""Margin engines side by side: one population, the same shocks and the same book through each, one engine at a time.

An engine is what it does to four things: how near its positions are to liquidation, how fast and where they are sold,
what a liquidation pays away, who stands behind the losses. The scoreboard gives mean, 95 % interval and worst path.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from backtest.errors import ConfigError
from backtest.lab.auction import StepAuction, soft_liquidation
from backtest.lab.critical import branching_ratio, critical_shock
from backtest.lab.curves import StepLiquidations
from backtest.lab.depth import DepthCurve
from backtest.lab.given import Array, column, number
from backtest.lab.positions import drop_at_liquidation, leverage_prices
from backtest.lab.stress import Market, StressRun, stress_run
from backtest.lab.velocity import frontier

LATE: Final = 5  # rounds of oracle lag that sensitivity is measured with
SLICES: Final = 10  # of a position under soft liquidation
KINDS: Final = (
    "isolated", "cross", "portfolio", "inverse", "cdp_fixed_spread", "cdp_dutch", "soft", "backstop_vault",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One margin engine.

    Parameters
    ----------
    kind : str
        isolated: each position by itself. cross: the account's free collateral stands behind it. portfolio: like cross,
        requirement times `offset`. inverse: cross with coins as collateral. cdp_fixed_spread: a loan on its collateral,
        liquidator paid `bonus`. cdp_dutch: a clipper auction sells when it reaches the market. soft: collateral is sold
        band by band above the liquidation price. backstop_vault: a share goes to a vault, ADL behind it.
    maintenance_rate : float
    free_collateral : float
        Of cross accounts, over notional.
    offset : float
        Share of the requirement left after offsets (portfolio).
    bonus : float
        Paid to the liquidator, fraction of notional.
    auction : StepAuction
        Of cdp_dutch.
    bands : float
        Width of the band above the liquidation price over which soft liquidation sells, as a drop.
    """

    kind: str
    maintenance_rate: float = 0.005
    free_collateral: float = 0.05
    offset: float = 0.6
    bonus: float = 0.05
    auction: StepAuction = field(default_factory=lambda: StepAuction(buffer=1.2, cut=0.99, step=90.0))
    bands: float = 0.05

    def __post_init__(self) -> None:
        """Check every field."""
        if self.kind not in KINDS:
            raise ConfigError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        number(self.maintenance_rate, "maintenance_rate", low=0.0, below=1.0)
        number(self.free_collateral, "free_collateral", low=0.0)
        number(self.offset, "offset", above=0.0, high=1.0)
        number(self.bonus, "bonus", low=0.0, below=1.0)
        number(self.bands, "bands", above=0.0, below=1.0)

    def drops(self, leverages: Array) -> Array:
        """Return the drop at which a long of each leverage is closed; nan: never."""
        m = self.maintenance_rate
        if self.kind == "inverse":
            return np.asarray(1.0 - leverage_prices(1.0, leverages, m, side=1, contract="inverse")[0])
        if self.kind.startswith("cdp") or self.kind == "soft":
            # the loan is the notional less the position's own money, the collateral all of the coins
            return drop_at_liquidation(1.0 / leverages, m + self.bonus)
        if self.kind in ("cross", "portfolio"):
            rate = m * (self.offset if self.kind == "portfolio" else 1.0)
            return drop_at_liquidation(1.0 / leverages + self.free_collateral, rate)
        return np.asarray(1.0 - leverage_prices(1.0, leverages, m, side=1)[0])

    def margin(self, leverages: Array) -> Array:
        """Return the collateral behind each unit of notional."""
        extra = self.free_collateral if self.kind in ("cross", "portfolio") else 0.0
        made: Array = 1.0 / leverages + extra
        return made

    def market(self, base: Market) -> Market:
        """Return the market as this engine executes in it."""
        if self.kind == "cdp_dutch":
            # the auction reaches the market after its buffer has been cut away
            waiting = max(1, self.auction.steps_to(1.0)) * self.auction.step
            rate = min(base.execution_rate, 1.0 / waiting)
            seconds = max(base.round_seconds, waiting / 20.0)
            return replace(base, backstop_share=0.0, backstop=0.0, execution_rate=rate, round_seconds=seconds)
        if self.kind == "backstop_vault":
            return base
        discount = self.bonus if self.kind == "cdp_fixed_spread" else 0.0
        return replace(base, backstop_share=0.0, backstop=0.0, discount=discount)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the scoreboard over the paths: mean, 95 % interval of the mean, worst path."""

    mean: float
    low: float
    high: float
    worst: float


@dataclass(frozen=True, slots=True)
class Score:
    """One engine's row.

    Attributes
    ----------
    figures : dict of str to Figure
        bad_debt, liquidated, fund_used, adl (over open interest); amplification; peak_velocity (quote per second);
        seconds to clear; to_liquidators (over open interest); haircut_gini; late_oracle, slow_blocks: what bad debt
        gains when marks are 5 rounds later, and when rounds are twice as long.
    critical_shock : float or None
    amplification_99 : float
        At the 99 % shock of the paths.
    fund_999 : float
        Loss beyond margins not exceeded with 99.9 %, quote (the largest of fewer than 1,000 paths).
    capital_efficiency : float
        Open interest per unit of margin.
    admitted : float
        Part of the positions' quantity that the engine lets open: those not closed at once. The others are left out of
        every figure.
    ratio, refill : float
        The engine's point on the phase diagram: largest branching ratio within 10 %, r = rho / beta.
    frontier : float
        Ratio from which a cascade sustains itself at that refill.
    """

    figures: Mapping[str, Figure]
    critical_shock: float | None
    amplification_99: float
    fund_999: float
    capital_efficiency: float
    admitted: float
    ratio: float
    refill: float
    frontier: float


def scoreboard(
    engines: Mapping[str, Engine],
    market: Market,
    *,
    quantities: ArrayLike,
    leverages: ArrayLike,
    shocks: Sequence[float] | Array,
    winner_profits: ArrayLike | None = None,
) -> dict[str, Score]:
    """Return each engine's row: same positions, same shocks, same book.

    Parameters
    ----------
    engines : mapping of name to Engine
    market : Market
        Book, refill, execution rate; backstop and its share are used by backstop_vault only.
    quantities, leverages : array_like, shape (positions,)
        Base units; at entry, which is the reference price.
    shocks : array_like, shape (paths,)
        Outside drops, in [0, 1).
    winner_profits : array_like, optional
        Share of the longs' loss that each winner gains, for ADL; one winner by default.
    """
    size = column(quantities, "quantities", above=0.0)
    lev = column(leverages, "leverages", len(size), low=1.0)
    outside = column(shocks, "shocks", low=0.0, below=1.0)
    if not engines or len(outside) < 2:
        raise ConfigError("scoreboard needs at least one engine and two shocks")
    gains = np.ones(1) if winner_profits is None else column(winner_profits, "winner_profits", low=0.0)
    return {
        name: _score(engine, engine.market(market), size, lev, outside, gains / max(float(gains.sum()), 1e-300))
        for name, engine in engines.items()
    }


class _Book(NamedTuple):
    """Positions as an engine holds them."""

    quantities: Array
    drops: Array
    collateral: Array
    coins: Array


def _admit(engine: Engine, size: Array, lev: Array, reference: float) -> tuple[_Book, float]:
    """Return the positions that an engine lets open, and their part of all."""
    drops = engine.drops(lev)
    # the bands of soft liquidation must begin below the price, any other position must not be due at once
    is_open = ~(drops <= (engine.bands if engine.kind == "soft" else 0.0))
    admitted = float(size[is_open].sum() / size.sum())
    if admitted == 0.0:
        raise ConfigError(f"{engine.kind}: no position may be opened, all are due at once; lower leverages")
    size, drops, margin = size[is_open], drops[is_open], engine.margin(lev[is_open])
    held, nothing = margin * size * reference, np.zeros(len(size))
    if engine.kind == "inverse":
        return _Book(size, drops, nothing, margin * size), admitted
    book = _Book(size, drops, held, nothing)
    return _bands(engine, book) if engine.kind == "soft" else book, admitted


def _run(book: _Book, market: Market, shock: float, profits: Array) -> StressRun:
    return stress_run(
        market, quantities=book.quantities, liquidation_drops=book.drops, collateral=book.collateral, coins=book.coins,
        entries=np.full(len(book.quantities), market.reference), shock=shock, profits=profits,
    )  # fmt: skip


def _score(engine: Engine, market: Market, size: Array, lev: Array, shocks: Array, gains: Array) -> Score:
    book, admitted = _admit(engine, size, lev, market.reference)
    total = float(book.quantities.sum())
    interest = total * market.reference
    late = replace(market, oracle_lag=market.oracle_lag + LATE)
    slow = replace(market, round_seconds=2.0 * market.round_seconds)
    rows = []
    for shock in shocks.tolist():
        profits = shock * interest * gains
        run = _run(book, market, shock, profits)
        rows.append({
            "bad_debt": run.bad_debt / interest, "liquidated": run.liquidated / total,
            "fund_used": run.paid_by_fund / interest, "adl": run.paid_by_adl / interest,
            "amplification": run.peak_drop / shock if shock > 0.0 else 1.0,
            "peak_velocity": float(run.notional.max(initial=0.0)) / market.round_seconds, "seconds": run.seconds,
            "to_liquidators": max(run.liquidator_profit, 0.0) / interest, "haircut_gini": run.haircut_gini,
            "late_oracle": (_run(book, late, shock, profits).bad_debt - run.bad_debt) / interest,
            "slow_blocks": (_run(book, slow, shock, profits).bad_debt - run.bad_debt) / interest,
        })  # fmt: skip
    cells = {name: [row[name] for row in rows] for name in rows[0]}
    steps = StepLiquidations(book.drops, book.quantities)
    share = 1.0 - market.backstop_share
    grid = np.linspace(1e-4, 0.10, 400)
    refill = market.refill_rate / market.execution_rate if math.isfinite(market.execution_rate) else 0.0
    tall = int(np.argsort(shocks, kind="stable")[min(len(shocks) - 1, math.ceil(0.99 * len(shocks)) - 1)])
    return Score(
        figures={name: _figure(values) for name, values in cells.items()},
        critical_shock=critical_shock(steps, market.book, share=share).shock,
        amplification_99=cells["amplification"][tall],
        fund_999=float(np.quantile(cells["bad_debt"], 0.999, method="higher")) * interest,
        admitted=admitted,
        capital_efficiency=total / float((book.collateral / market.reference + book.coins).sum()),
        ratio=float(branching_ratio(steps, market.book, grid, share=share).max()),
        refill=refill,
        frontier=float(frontier(refill)),
    )


def _bands(engine: Engine, book: _Book) -> _Book:
    """Return soft liquidation as slices of each position, sold evenly over the band above its liquidation price."""
    steps = (np.arange(SLICES) + 0.5) / SLICES
    at = book.drops[:, None] - engine.bands * (1.0 - steps)
    left, _ = soft_liquidation(1.0, 1.0 - engine.bands, 1.0 - engine.bands * (steps + 0.5 / SLICES), bands=SLICES)
    part = -np.diff(np.concatenate([np.ones(1), left]))
    parts = [(values[:, None] * part).ravel() for values in (book.quantities, book.collateral, book.coins)]
    return _Book(parts[0], at.ravel(), parts[1], parts[2])


def _figure(values: Sequence[float]) -> Figure:
    seen = np.array(values)
    mean = float(seen.mean())
    error = float(seen.std(ddof=1)) / math.sqrt(len(seen))
    return Figure(mean, mean - 1.96 * error, mean + 1.96 * error, float(seen.max()))


def least_spread(impact: float) -> float:
    """Return the spread of a cluster of liquidation levels at which its ratio stays below 1: impact / sqrt(2 pi)."""
    return number(impact, "impact", low=0.0) / math.sqrt(2.0 * math.pi)


def scaled_margin(base: float, volatility: float, usual: float, *, floor: float) -> float:
    """Return maintenance that follows volatility, with a floor: max(floor, base x volatility / usual)."""
    ratio = number(volatility, "volatility", above=0.0) / number(usual, "usual", above=0.0)
    return max(number(floor, "floor", low=0.0), number(base, "base", above=0.0) * ratio)


def interest_cap(book: DepthCurve, *, drop: float, spread: float, target: float, share: float = 1.0) -> float:
    """Return the open interest (base units) at which the branching ratio is `target`, evenly spread over `spread`.

    With density cap / spread and the slope of impact at what is closed up to `drop`; solved for the cap by bisection.
    """
    width, at = number(spread, "spread", above=0.0, high=1.0), number(drop, "drop", above=0.0, high=spread)
    part, aim = number(share, "share", above=0.0, high=1.0), number(target, "target", above=0.0)

    def ratio(cap: float) -> float:
        return float(book.slope(part * cap * at / width)) * part * cap / width

    low, high = 0.0, 1.0
    while ratio(high) < aim:
        low, high = high, 2.0 * high
        if high > 1e30:
            return math.inf
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if ratio(middle) < aim else (low, middle)
    return low
