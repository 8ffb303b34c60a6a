"""Other orders of the same days: how deep the drawdown of a run might have been, and how near its liquidation.

The stationary bootstrap (Politis and Romano, 1994) draws the run's periods again in blocks of random length. A block
brings along what it earned and how near it came to the maintenance margin: a path that has lost more before than the
run had at that moment touches the liquidation price where the run did not, and stays at its residual equity from there
on. Trades keep their sizes; they do not shrink with the equity of a path.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backtest.attribution_moments import asset_prices
from backtest.errors import ConfigError
from backtest.result_frames import scaled
from backtest.result_storage import Store, grouped
from backtest.result_summary import Curve
from backtest.statistics import falls
from backtest.tables import LEDGER_KINDS

if TYPE_CHECKING:
    import pandas as pd

HOUR_NS = 3_600_000_000_000
STEPS_NS = tuple(hours * HOUR_NS for hours in (1, 4, 24, 168))
MOST_PERIODS = 500
LEAST_PERIODS = 20
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
FLOW_KINDS = ("deposit", "withdrawal", "transfer")


@dataclass(frozen=True, slots=True)
class Periods:
    """What each period of a run brings to a path.

    Attributes
    ----------
    step : int
        Length, ns.
    start : float
        Equity at the start, reporting asset.
    pnl : ndarray of float64, shape (n,)
        Change of equity, flows left out.
    flows : ndarray of float64, shape (n,)
        Deposits and withdrawals of each calendar period.
    capital : ndarray of float64, shape (pools, n)
        What was paid into each pool up to each calendar period.
    pool_pnl : ndarray of float64, shape (pools, n)
    slack : ndarray of float64, shape (pools, n)
        Lowest (profit since the period's beginning - maintenance margin) inside it; infinity without a position.
    maintenance : ndarray of float64, shape (pools, n)
        At that moment.
    """

    step: int
    start: float
    pnl: NDArray[np.float64]
    flows: NDArray[np.float64]
    capital: NDArray[np.float64]
    pool_pnl: NDArray[np.float64]
    slack: NDArray[np.float64]
    maintenance: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Resampled:
    """Paths of a run in other orders.

    Attributes
    ----------
    max_drawdown : ndarray of float64, shape (paths,)
        -1 to 0, from one end of a period to another.
    final : ndarray of float64, shape (paths,)
        What one unit has become.
    under_water : ndarray of float64, shape (paths,)
        Longest time below an earlier peak, days.
    is_liquidated : ndarray of bool, shape (paths,)
        The path touched the liquidation price.
    own : tuple of (float, float, float)
        Drawdown, end and time under water of the run itself, at the same moments.
    periods, mean_block : int, float
    step_days : float
    """

    max_drawdown: NDArray[np.float64]
    final: NDArray[np.float64]
    under_water: NDArray[np.float64]
    is_liquidated: NDArray[np.bool_]
    own: tuple[float, float, float]
    periods: int
    mean_block: float
    step_days: float

    @property
    def share_liquidated(self) -> float:
        """Return the share of paths that touched the liquidation price."""
        return float(self.is_liquidated.mean())

    @property
    def table(self) -> "pd.DataFrame":
        """Return quantiles of drawdown, return and time under water; the worse half of the drawdowns comes first."""
        import pandas as pd

        rows = {q: [float(np.quantile(part, q)) for part in (self.max_drawdown, self.final - 1.0, self.under_water)]
                for q in QUANTILES}  # fmt: skip
        made = pd.DataFrame.from_dict(rows, orient="index", columns=["max_drawdown", "return", "under_water"])
        made.index.name = "quantile"
        made.attrs["units"] = {"max_drawdown": "fraction", "return": "fraction", "under_water": "days"}
        return made


def resample(
    store: Store, run: Curve, *, paths: int = 1000, mean_block: float | None = None, seed: int = 0
) -> Resampled:
    """Return paths of a run by the stationary bootstrap.

    Parameters
    ----------
    store : Store
    run : Curve
    paths : int
    mean_block : float, optional
        Mean length of a block in periods; the cube root of their number.
    seed : int

    Raises
    ------
    ConfigError
        For a run of fewer than twenty hours, and one whose equity never changes.
    """
    from backtest.lab.resampling import stationary_rows

    found = periods(store, run)
    n = len(found.pnl)
    if n < LEAST_PERIODS:
        raise ConfigError(f"too short to be resampled: {n} hours, at least {LEAST_PERIODS} are needed")
    if not found.pnl.any():
        raise ConfigError("the equity never changes: there is nothing to resample")
    block = max(1.0, n ** (1 / 3)) if mean_block is None else mean_block
    rows = stationary_rows(n, mean_block=block, samples=paths, seed=seed)
    worth, is_liquidated = walk(found, rows)
    own, _ = walk(found, np.arange(n)[np.newaxis], is_watched=False)
    days = found.step / (24 * HOUR_NS)
    fell, wet = falls(worth)
    own_fell, own_wet = falls(own)
    return Resampled(
        fell, worth[:, -1], wet * days, is_liquidated,
        (float(own_fell[0]), float(own[0, -1]), float(own_wet[0]) * days), n, block, days,
    )  # fmt: skip


def walk(
    found: Periods, rows: NDArray[np.int64], *, is_watched: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the worth of one unit along paths, and which of them touched the liquidation price.

    Parameters
    ----------
    found : Periods
    rows : ndarray of int64, shape (paths, periods)
        Which period of the run comes when; deposits and withdrawals stay where they were.
    is_watched : bool
        Whether touching it ends a path.

    Returns
    -------
    worth : ndarray of float64, shape (paths, periods + 1)
    is_liquidated : ndarray of bool, shape (paths,)
    """
    paths, n = rows.shape
    equity = np.full(paths, found.start)
    own = np.zeros((len(found.capital), paths))
    worth = np.ones((paths, n + 1))
    ended, closed = np.zeros(paths, dtype=bool), np.zeros(paths, dtype=bool)
    for number in range(n):
        row = rows[:, number]
        base = equity + found.flows[number]
        after = base + found.pnl[row]
        if is_watched:
            before = found.capital[:, number, np.newaxis] + own
            touched = before + found.slack[:, row] <= 0.0
            lost = np.where(touched, before - np.clip(found.maintenance[:, row], 0.0, np.maximum(before, 0.0)), 0.0)
            any_touched = touched.any(axis=0) & ~ended
            after = np.where(any_touched, base - lost.sum(axis=0), after)
            closed |= any_touched
        after = np.maximum(after, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = np.where(base > 0.0, after / base, 0.0)
        worth[:, number + 1] = np.where(ended, worth[:, number], worth[:, number] * factor)
        ended |= closed | (after <= 0.0)
        equity = np.where(ended, equity, after)
        own += found.pool_pnl[:, row]
    return worth, closed


def periods(store: Store, run: Curve) -> Periods:
    """Return the run in periods of an hour, four hours, a day or a week: the shortest that are at most 500."""
    start, end = int(store.meta["start_ns"]), int(store.meta["end_ns"])
    step = next((step for step in STEPS_NS if (end - start) // step <= MOST_PERIODS), STEPS_NS[-1])
    edges = np.append(np.arange(start, end, step), end)  # the last period may be shorter
    if len(edges) < 2 or len(run.times) == 0:
        empty = np.zeros((0, 0))
        return Periods(step, 0.0, np.zeros(0), np.zeros(0), empty, empty, empty, empty)
    equity = _at(edges, run.times, run.equity)
    flows = np.diff(_sums(edges, run.flow_times, run.flows))
    pools = [_pool(store, edges, *key) for key in _cross_pools(store)]
    shape = (len(pools), len(edges) - 1)

    def stacked(part: int) -> NDArray[np.float64]:
        return np.array([pool[part] for pool in pools], dtype=np.float64).reshape(shape)

    return Periods(
        step, float(equity[0]), np.diff(equity) - flows, flows, stacked(0), stacked(1), stacked(2), stacked(3)
    )


def _cross_pools(store: Store) -> list[tuple[int, int]]:
    """Return account and asset of the pools whose equity is what the account has won and lost before.

    Isolated positions hold the margin that they were given, whatever happened before.
    """
    margin = store.columns("margin")
    pools, which = grouped(margin["account"], margin["asset"], margin["instrument"])
    charged = np.bincount(which, margin["maintenance"], minlength=pools.shape[1]) > 0.0
    isolated = {(account, int(store.settle[row])) for account, _, row in pools.T.tolist() if row >= 0}
    cross = {
        (account, asset)
        for (account, asset, row), is_charged in zip(pools.T.tolist(), charged.tolist(), strict=True)
        if row < 0 and is_charged
    }
    return sorted(cross - isolated)


def _pool(store: Store, edges: NDArray[np.int64], account: int, asset: int) -> tuple[NDArray[np.float64], ...]:
    """Return capital, profit, lowest slack and maintenance margin then, of one pool in each period."""
    margin = store.columns("margin")
    rows = np.flatnonzero((margin["account"] == account) & (margin["asset"] == asset) & (margin["instrument"] < 0))
    rows = rows[np.argsort(margin["time"][rows], kind="stable")]
    times = margin["time"][rows].astype(np.int64)
    price = np.ones(len(rows))
    if asset >= 0:
        price = asset_prices(store).at(np.full(len(rows), asset), times)
    maintenance = margin["maintenance"][rows] * price
    flow_times, flows = _paid_in(store, account, asset)
    earned = margin["equity"][rows] * price - _sums(times, flow_times, flows)
    at_edges = _at(edges, times, earned, before=0.0)
    room = np.where(maintenance > 0.0, earned - maintenance, np.inf)
    period = np.searchsorted(edges, times, side="left") - 1
    inside = np.flatnonzero((period >= 0) & (period < len(edges) - 1) & np.isfinite(room))
    slack, then = np.full(len(edges) - 1, np.inf), np.zeros(len(edges) - 1)
    # The lowest of each period comes first in it.
    order = inside[np.lexsort((room[inside], period[inside]))]
    which, first = np.unique(period[order], return_index=True)
    slack[which] = room[order[first]] - at_edges[which]
    then[which] = maintenance[order[first]]
    return _sums(edges[1:], flow_times, flows), np.diff(at_edges), slack, then


def _paid_in(store: Store, account: int, asset: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return times and amounts (reporting asset) of what an account was given and gave away."""
    ledger = store.columns("ledger")
    kinds = [LEDGER_KINDS.index(kind) for kind in FLOW_KINDS]
    side = (ledger["account"] == account).astype(np.int64) - (ledger["contra"] == account)
    rows = np.flatnonzero(np.isin(ledger["kind"], kinds) & (side != 0) & ((asset < 0) | (ledger["asset"] == asset)))
    rows = rows[np.argsort(ledger["time"][rows], kind="stable")]
    assets, times = ledger["asset"][rows], ledger["time"][rows].astype(np.int64)
    amounts = scaled(ledger["amount"][rows] * side[rows], store.asset_scales[assets])
    return times, amounts * asset_prices(store).fill(assets, times, ledger["value_price"][rows])


def _at(
    times: NDArray[np.int64], when: NDArray[np.int64], values: NDArray[np.float64], *, before: float | None = None
) -> NDArray[np.float64]:
    """Return the latest value at each time; earlier than all of them the first one, or `before`."""
    found = np.searchsorted(when, times, side="right") - 1
    out = values[np.maximum(found, 0)]
    return out if before is None else np.where(found < 0, before, out)


def _sums(times: NDArray[np.int64], when: NDArray[np.int64], amounts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of the amounts up to each time."""
    sums = np.concatenate([np.zeros(1), np.cumsum(amounts, dtype=np.float64)])
    return sums[np.searchsorted(when, times, side="right")]


def risk_per_day(found: Resampled) -> float:
    """Return the chance per day of touching the liquidation price that gives this share of paths; nan when all did."""
    share = found.share_liquidated
    days = found.periods * found.step_days
    return math.nan if share == 1.0 else 1.0 - (1.0 - share) ** (1.0 / days)
