"""The margin of a replayed account over its whole history, at proxy marks where a contract has no series."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from backtest.replay_inputs import SETTLE_SCALE, Inputs
from backtest.replay_prices import Market, held_at
from backtest.replay_walk import Snapshot
from venues.calculator import margin_ratio
from venues.contract import ContractBox
from venues.instrument import Tier, parse_symbol
from venues.pool import PoolBox

_ATOMS = 10.0**SETTLE_SCALE
_HOUR = 3_600_000_000_000
# The prices of a bar: all legs at the same one, since legs on one coin are never at opposite extremes at once.
_WORDS = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class MarginPoint:
    """The worst moment of one bar in one pool (a settle asset); money in that asset.

    `moment` is open, high, low, close, or change: the state just after a fill or transfer inside the bar. `distance` is
    the smallest |mark - liquidation price| / mark of its legs, infinite without one. Without any priced leg all are at
    their entry prices, which says nothing about margin.
    """

    ts: int
    asset: str
    equity: float
    maintenance: float
    ratio: float
    notional: float
    distance: float
    moment: str
    is_priced: bool


@dataclass(slots=True)
class Timeline:
    """Margin over time and what it rests on.

    Attributes
    ----------
    points : list of MarginPoint
        One per bar and pool with a position.
    triggers : dict of asset to MarginPoint
        The first point of each pool at which maintenance reached equity.
    marks, tiers : dict of symbol to str
        Where they came from.
    unpriced : set of str
        Symbols without any series: held at their entry price.
    samples : list of (ns, asset, wallet, unrealized)
        Every pool at the opening of every bar and after every change.
    """

    points: list[MarginPoint] = field(default_factory=list)
    samples: list[tuple[int, str, float, float]] = field(default_factory=list)
    triggers: dict[str, MarginPoint] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    tiers: dict[str, str] = field(default_factory=dict)
    unpriced: set[str] = field(default_factory=set)

    def worst(self, asset: str) -> MarginPoint | None:
        """Return the point with the largest ratio of a pool."""
        return max((p for p in self.points if p.asset == asset), key=lambda p: p.ratio, default=None)


def timeline(inputs: Inputs, market: Market, snapshots: Sequence[Snapshot]) -> Timeline:
    """Return the margin of every bar.

    Parameters
    ----------
    inputs : Inputs
    market : Market
    snapshots : sequence of Snapshot
        States in time order; one holds until the next.

    Notes
    -----
    Isolated legs count in the pool of their asset, since their wallets are not in the export. Tiers: the symbol's own,
    else those of the latest dated contract of the same pair, of its perpetual, or the venue's nearest.
    """
    out = Timeline()
    boxes = {symbol: _box(inputs, market, symbol, out) for symbol in inputs.specs}
    for symbol, proxy in market.proxies.items():
        out.marks[symbol] = proxy.note if proxy else "its entry price (no series)"
        if proxy is None:
            out.unpriced.add(symbol)
    if not snapshots:
        return out
    stamps = [snapshot.ts for snapshot in snapshots]
    # The last row of the export may be a forced close that a scaled account does not have.
    end = max(stamps[-1], *(fill.ts for fill in inputs.fills[-1:]), *(entry.ts for entry in inputs.entries[-1:]))
    times = sorted({stamps[0], *market.times(stamps[0] - _HOUR, end + _HOUR)})
    assets = sorted({spec.settle for spec in inputs.specs.values()})
    pools = _Pools(inputs, market, boxes)
    for ts, following in zip(times, [*times[1:], 1 << 62], strict=True):
        row, after = held_at(stamps, ts), held_at(stamps, following - 1)
        inside = snapshots[row + 1 : after + 1]
        for asset in assets:
            found = [pools.at_bar(snapshots[row], asset, ts, which) for which in range(4)] if row >= 0 else []
            if row >= 0:
                out.samples.append((ts, asset, *_worth(snapshots[row], asset, found[0])))
            for snapshot in inside:
                found.append(pools.at_change(snapshot, asset, ts))
                out.samples.append((snapshot.ts, asset, *_worth(snapshot, asset, found[-1])))
            point = max((p for p in found if p is not None and p.is_priced), key=lambda p: p.ratio, default=None)
            if point is not None:
                out.points.append(point)
                if point.ratio >= 1.0:
                    out.triggers.setdefault(asset, point)
    return out


def _worth(snapshot: Snapshot, asset: str, point: MarginPoint | None) -> tuple[float, float]:
    """Return wallet and unrealised profit of a pool."""
    wallet = snapshot.wallets[asset] / _ATOMS
    return wallet, 0.0 if point is None else point.equity - wallet


class _Pools:
    """Evaluates the pools of a snapshot."""

    def __init__(self, inputs: Inputs, market: Market, boxes: dict[str, ContractBox]) -> None:
        self.settle = {symbol: spec.settle for symbol, spec in inputs.specs.items()}
        self.market = market
        self.boxes = boxes

    def at_bar(self, snapshot: Snapshot, asset: str, ts: int, which: int) -> MarginPoint | None:
        """Return the pool at one price of the bars that hold a time; None without a priced position."""
        marks: dict[str, float] = {}
        for symbol, _ in snapshot.legs:
            proxy = self.market.proxies[symbol]
            bar = None if proxy is None else proxy.bar(ts)
            if bar is not None:
                marks[symbol] = bar[which]
        return self._point(snapshot, asset, ts, marks, _WORDS[which])

    def at_change(self, snapshot: Snapshot, asset: str, ts: int) -> MarginPoint | None:
        """Return the pool just after a change, at the prices of that moment."""
        marks: dict[str, float] = {}
        for symbol, _ in snapshot.legs:
            proxy = self.market.proxies[symbol]
            price = None if proxy is None else proxy.price(snapshot.ts)
            if price is not None:
                marks[symbol] = price
        return self._point(snapshot, asset, ts, marks, "change")

    def _point(
        self, snapshot: Snapshot, asset: str, ts: int, marks: dict[str, float], moment: str
    ) -> MarginPoint | None:
        pool, used, is_priced = PoolBox(snapshot.wallets[asset] / _ATOMS), [], False
        for (symbol, leg), (quantity, entry) in snapshot.legs.items():
            if self.settle[symbol] == asset:
                used.append(marks.get(symbol, entry))
                is_priced = is_priced or symbol in marks
                pool.add(self.boxes[symbol], quantity=quantity, entry_price=entry, mark=used[-1], side=leg)
        if not used:
            return None
        risk = pool.risk()
        ratio = margin_ratio(risk.maintenance, risk.equity)
        prices = [pool.leg(row).liquidation_price for row in range(len(used))]
        distance = min(
            (abs(mark - price) / mark for mark, price in zip(used, prices, strict=True) if price is not None),
            default=float("inf"),
        )
        return MarginPoint(ts, asset, risk.equity, risk.maintenance, ratio, risk.notional, distance, moment, is_priced)


def _box(inputs: Inputs, market: Market, symbol: str, out: Timeline) -> ContractBox:
    """Return the contract with its tiers."""
    parts = parse_symbol(symbol)
    perpetual = f"{parts['base']}/{parts['quote']}:{parts['settle']}"
    siblings = sorted(name for name in market.tiers if name.startswith(f"{perpetual}-"))
    family = [symbol, *(siblings[-1:] if parts["date"] else []), perpetual]
    for name in family:
        if name in market.tiers:
            out.tiers[symbol] = f"data: {name}"
            return inputs.rules.box(symbol, tiers=_rows(market.tiers[name][-1][1]))
    for name in (symbol, perpetual):
        if inputs.rules.tier_tables(name):
            out.tiers[symbol] = f"rule book: {name}"
            return inputs.rules.box(symbol, tiers=inputs.rules.tiers(name))
    out.tiers[symbol] = "rule book: nearest"
    return inputs.rules.box(symbol, tiers=inputs.rules.nearest_tiers(symbol))


def _rows(rows: list[dict[str, Any]]) -> list[Tier]:
    """Return rows of a dataset as tiers, ascending."""
    return [
        Tier(
            floor=float(row["floor"]),
            maintenance_rate=float(row["maintenance_rate"]),
            max_leverage=float(row["max_leverage"]),
            amount=None if row["amount"] is None else float(row["amount"]),
        )
        for row in sorted(rows, key=lambda row: row["floor"])
    ]
