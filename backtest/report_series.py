"""The lines that the report draws: what came from where over time, and the margin pools."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtest.attribution_entries import LINES, NAMES, fill_costs
from backtest.attribution_moments import asset_prices
from backtest.report_axes import BUCKETS
from backtest.report_charts import Line, Mark
from backtest.result_storage import Store, grouped
from backtest.result_summary import Curve, valued
from backtest.result_text import LINE_NAMES
from backtest.tables import FORCED

MAX_POOLS = 5
HOLE = 5  # times the usual distance between samples
_PRICE_KINDS = ("trade_profit", "spot_trade", "adl", "settlement")


@dataclass(frozen=True, slots=True)
class Pool:
    """Samples of one margin pool: ratio, leverage and distance by time."""

    name: str
    times: NDArray[np.int64]
    ratio: NDArray[np.float64]
    leverage: NDArray[np.float64]
    distance: NDArray[np.float64]


def cumulative(store: Store, run: Curve) -> list[Line]:
    """Return the lines of the attribution as sums so far at the samples of the equity, those that are ever not zero.

    Price is at decision prices, unrealised profit in it; revaluation is what is left to the change of equity.
    """
    if len(run.times) == 0:
        return []
    # One sample per nanosecond, the last: a deposit and the samples before it would not fit together.
    last = np.flatnonzero(np.r_[run.times[1:] != run.times[:-1], True])
    sampled, equity, unrealized = run.times[last], run.equity[last], run.unrealized[last]
    sums = {line: np.zeros(len(sampled)) for line in LINES}
    kinds = {
        "price": _PRICE_KINDS, "funding": ("funding",), "fees": ("fee", "transfer"), "interest": ("interest",),
        "conversion": ("conversion",), "liquidation": ("liquidation_fee", "insurance", "unfunded_loss"),
        "adl": ("socialised",), "failure": ("venue_failure",),
    }  # fmt: skip
    for line, names in kinds.items():
        sums[line] = _at(sampled, *valued(store, names))
    sums["price"] = sums["price"] + unrealized - unrealized[0]
    costs = fill_costs(store, asset_prices(store))
    unit = np.array([10.0**scale for scale in costs.scale.tolist()])
    worth = costs.amount.astype(np.float64) / unit * costs.price if len(costs.rows) else np.zeros(0)
    times = store.columns("fills")["time"][costs.rows]
    for code in np.unique(costs.line).tolist():
        chosen = costs.line == code
        part = _at(sampled, times[chosen], worth[chosen])
        sums[NAMES[code]] += part
        sums["price"] -= part
    # A flow at the instant of a sample is inside it; see `result_summary.curve`.
    flows = _at(sampled, run.flow_times - 1, run.flows)
    # Only an asset that is not the reporting asset can be revalued; what floats leave over is not a line.
    assets = [store.assets[asset] for asset in np.unique(store.columns("ledger")["asset"]).tolist()]
    if any(asset != store.meta["reporting"] for asset in assets):
        sums["revaluation"] = equity - equity[0] - flows - sum(sums.values())
    return [Line(LINE_NAMES[name], sampled, values) for name, values in sums.items() if np.abs(values).max() > 0]


def pools(store: Store, start: int, end: int) -> list[Pool]:
    """Return each margin pool; more than `MAX_POOLS` become one, the worst of all at each time."""
    margin = store.columns("margin")
    keys, which = grouped(margin["account"], margin["asset"], margin["instrument"])
    found = keys.T.tolist()
    if len(found) > MAX_POOLS:
        return [worst(margin, f"worst of {len(found)} pools", start, end)]
    out = []
    for number, (account, asset, instrument) in enumerate(found):
        rows = np.flatnonzero(which == number)
        rows = rows[np.argsort(margin["time"][rows], kind="stable")]
        what = store.symbols[instrument] if instrument >= 0 else store.assets[asset]
        name = str(store.accounts[account]) + (f" {what}" if what is not None else "")
        out.append(_pool(name, *(margin[column][rows] for column in ("time", "ratio", "leverage", "distance"))))
    return out


def _pool(
    name: str,
    times: NDArray[np.int64],
    ratio: NDArray[np.float64],
    leverage: NDArray[np.float64],
    distance: NDArray[np.float64],
) -> Pool:
    """Return a pool with a gap wherever it was not sampled for much longer than usual: it had no position."""
    steps = np.diff(times)
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else math.inf
    holes = np.flatnonzero(steps > HOLE * usual) + 1
    values = (np.insert(column, holes, np.nan) for column in (ratio, leverage, distance))
    return Pool(name, np.insert(times, holes, times[holes - 1] + 1), *values)


def marks(store: Store, run: Curve) -> list[Mark]:
    """Return liquidations (one per episode), deleveraging, margin calls and flows as marks."""
    forced, calls = store.columns("liquidations"), store.columns("margin_calls")
    out = []
    seen: set[int] = set()
    for row in range(len(forced["time"])):
        symbol = store.symbols[forced["instrument"][row]] or ""
        if forced["what"][row] == FORCED.index("adl"):
            out.append(Mark(int(forced["time"][row]), "adl", f"deleveraged: {symbol}"))
        elif int(forced["episode"][row]) not in seen:
            seen.add(int(forced["episode"][row]))
            out.append(Mark(int(forced["time"][row]), "liquidation", f"liquidation: {symbol}"))
    for row in np.flatnonzero(calls["active"]).tolist():
        name = store.accounts[calls["account"][row]]
        what = "margin call" if calls["strategy"][row] < 0 else "own alert"
        out.append(Mark(int(calls["time"][row]), "call", f"{what}: {name} at {calls['ratio'][row]:.0%}"))
    for time, amount in zip(run.flow_times.tolist(), run.flows.tolist(), strict=True):
        out.append(Mark(time, "flow", f"{'deposit' if amount > 0 else 'withdrawal'} of {abs(amount):,.2f}"))
    return out


def recorded(store: Store) -> list[Line]:
    """Return the series that strategies recorded, by name."""
    series = store.columns("series")
    out = []
    for code in np.unique(series["name"]).tolist():
        rows = np.flatnonzero(series["name"] == code)
        rows = rows[np.argsort(series["time"][rows], kind="stable")]
        out.append(Line(store.meta["series"][code], series["time"][rows], series["value"][rows]))
    return out


def _at(times: NDArray[np.int64], when: NDArray[np.int64], amounts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of the amounts before each of `times`, at the last one the sum of all."""
    order = np.argsort(when, kind="stable")
    sums = np.concatenate([np.zeros(1), np.cumsum(amounts[order], dtype=np.float64)])
    found = np.searchsorted(when[order], times, side="left")
    found[-1] = len(amounts)
    return sums[found]


def worst(margin: Mapping[str, NDArray[Any]], name: str, start: int, end: int) -> Pool:
    """Return the worst sample of all pools in each of so many parts of the run."""
    order = np.argsort(margin["time"], kind="stable")
    times = margin["time"][order].astype(np.int64)
    part = (times - start) * (4 * BUCKETS) // max(1, end - start)
    edges = np.flatnonzero(np.r_[True, part[1:] != part[:-1]])
    return Pool(
        name,
        times[edges],
        np.fmax.reduceat(margin["ratio"][order], edges),
        np.fmax.reduceat(margin["leverage"][order], edges),
        np.fmin.reduceat(margin["distance"][order], edges),
    )
