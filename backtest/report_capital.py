"""Sections of the report about what the return is measured by: capital, coin, market, days; and about exposure."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backtest.attribution_moments import asset_prices
from backtest.report_charts import Line
from backtest.report_html import Html, definitions, element, section, table
from backtest.report_live import Draw
from backtest.result_frames import scaled
from backtest.result_storage import grouped
from backtest.result_summary import break_even_fee, committed
from backtest.result_text import decimals_of, money, percent

if TYPE_CHECKING:
    from backtest.result import Result

HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
FEWEST = 30  # hours that a beta takes
BEST = 5
MAX_LINES = 6


def capital(result: "Result") -> Html:
    """Return what the profit is a return on, how much of it was the market, and how few days it came from."""
    found, asset = result.summary, result.meta["reporting"]
    change, start = float(found["change"]), float(found["start_equity"])
    most = committed(result.store)
    flows = bool(found["deposits"] or found["withdrawals"])
    pairs = [
        ("return on all capital" + (", time-weighted" if flows else ""), percent(found["return"])),
        (
            "change of equity / largest initial margin",
            f"{percent(change / most)} of {money(most, decimals_of(most))} {asset}" if most > 0 else "no margin used",
        ),
    ]
    if start > 0 and not flows:
        pairs.append(("return without its funding (on paper)", percent((change - float(found["funding"])) / start)))
    gross = abs(float(found["price_pnl"]))
    if gross > 0:
        shares = (percent(float(found[name]) / gross, 1) for name in ("funding", "fees", "slippage"))
        pairs.append(("funding, fees, slippage / price profit or loss", ", ".join(shares)))
    beta = market_beta(result)
    if beta is not None:
        pairs.append((f"beta to {beta[1]}, hourly while held", f"{beta[0]:,.2f}"))
    pairs.append((f"share of the profit from the {BEST} best days", best_days(result)))
    turnover = float(found["turnover"])
    if turnover > 0:
        fee = 1e4 * break_even_fee(found)
        said = f"{fee:,.2f} bp of turnover" if fee >= 0 else "none: it lost before fees"
        pairs += [
            ("fee at which it would have ended where it began", said),
            ("turnover", f"{money(turnover, 0)} {asset}" + (f", {turnover / start:,.1f}x equity" if start > 0 else "")),
        ]
    parts = [definitions(pairs)]
    rows = other_assets(result)
    if rows:
        parts += [
            element("h3", "Equity counted in other assets"),
            table(("asset", "price at the start", "at the end", "equity at the start", "at the end", "change"), rows),
        ]
    return section("Capital", *parts)


def market_beta(result: "Result") -> tuple[float, str] | None:
    """Return the slope of the hourly returns of the run on those of the mark of what it traded most, and its name.

    Over the hours at whose beginning and end a position in it was open; None for fewer than 30 of them.
    """
    from backtest.report_price import most_traded

    store, run = result.store, result.curve
    for account, instrument in most_traded(store)[:1]:
        held = store.columns("exposure")
        rows = np.flatnonzero((held["account"] == account) & (held["instrument"] == instrument) & (held["mark"] > 0))
        rows = rows[held["time"][rows] % HOUR_NS == 0]
        times, first = np.unique(held["time"][rows].astype(np.int64), return_index=True)
        marks = held["mark"][rows][first]
        pairs = np.flatnonzero(np.diff(times) == HOUR_NS)
        worth = run.worth[np.maximum(np.searchsorted(run.times, times, side="right") - 1, 0)]
        with np.errstate(divide="ignore", invalid="ignore"):
            market = marks[pairs + 1] / marks[pairs] - 1.0
            own = worth[pairs + 1] / worth[pairs] - 1.0
        known = np.isfinite(own)
        market, own = market[known], own[known]
        if len(market) < FEWEST or market.var() == 0.0:
            return None
        return float(np.cov(own, market, ddof=1)[0, 1] / market.var(ddof=1)), str(store.symbols[instrument])
    return None


def daily_profit(result: "Result") -> NDArray[np.float64]:
    """Return the change of equity of each day (UTC), deposits and withdrawals left out, reporting asset."""
    run = result.curve
    if len(run.times) < 2:
        return np.zeros(0)
    edges = np.arange(run.times[0] // DAY_NS * DAY_NS, run.times[-1] + DAY_NS, DAY_NS)
    edges = np.append(edges[edges < run.times[-1]], run.times[-1])
    equity = run.equity[np.maximum(np.searchsorted(run.times, edges, side="right") - 1, 0)]
    sums = np.concatenate([np.zeros(1), np.cumsum(run.flows, dtype=np.float64)])
    return np.diff(equity - sums[np.searchsorted(run.flow_times, edges, side="right")])


def best_days(result: "Result") -> str:
    """Return the profit of the five best days as a share of all of it."""
    days, change = daily_profit(result), float(result.summary["change"])
    if len(days) == 0 or change <= 0:
        return "no profit"
    share = float(np.sort(days)[-BEST:].sum()) / change
    said = percent(share, 0) if share < 10 else f"{share:,.0f} times all of it"
    return f"{said} ({len(days):,d} days)"


def other_assets(result: "Result") -> list[tuple[str, ...]]:
    """Return start and end counted in each asset that was held beside the reporting one."""
    store, meta, found = result.store, result.meta, result.summary
    held = store.columns("holdings")
    mine = np.unique(held["asset"][(held["instrument"] < 0) & (held["amount"] != 0)])
    out: list[tuple[str, ...]] = []
    for asset in mine.tolist():
        name = store.assets[asset]
        if name == meta["reporting"]:
            continue
        when = np.array([meta["start_ns"], meta["end_ns"]], dtype=np.int64)
        first, last = asset_prices(store).at(np.array([asset, asset]), when).tolist()
        if not (math.isfinite(first) and math.isfinite(last) and first > 0 and last > 0):
            continue
        start, end = float(found["start_equity"]) / first, float(found["end_equity"]) / last
        change = percent(end / start - 1.0) if start > 0 else "–"
        decimals = decimals_of(max(abs(start), abs(end)))
        out.append((str(name), f"{first:,.6g}", f"{last:,.6g}", money(start, decimals), money(end, decimals), change))
    return out


def exposure(result: "Result", draw: Draw) -> Html | None:
    """Return how much was held of what, over time and on average; None where nothing was."""
    store, meta = result.store, result.meta
    held = store.columns("exposure")
    if len(held["time"]) == 0:
        return None
    times = np.unique(held["time"].astype(np.int64))
    keys, which = grouped(held["account"], held["instrument"])
    place = np.searchsorted(times, held["time"])
    grid = np.zeros((keys.shape[1], len(times)))
    np.add.at(grid, (which, place), held["notional"])
    order = np.argsort(-np.abs(grid).sum(axis=1), kind="stable")
    several = len(set(keys[0].tolist())) > 1

    def name(number: int) -> str:
        symbol = str(store.symbols[int(keys[1, number])])
        return f"{symbol}, {store.accounts[int(keys[0, number])]}" if several else symbol

    asset = meta["reporting"]
    lines = [Line(name(number), times, grid[number], is_step=True) for number in order[:MAX_LINES].tolist()]
    if len(order) > MAX_LINES:
        lines.append(Line(f"{len(order) - MAX_LINES} more", times, grid[order[MAX_LINES:]].sum(axis=0), is_step=True))
    if len(order) > 1:
        lines.append(Line("net", times, grid.sum(axis=0), is_step=True, ink="warn"))
    heads = ("position", "mean size", "mean, signed", "largest", "smallest", "time held")
    more = len(order) - 30
    note = f"Notional in {asset}, sampled every hour; below zero is short. Means are over the whole run."
    return section(
        "Exposure",
        draw(
            f"Notional held, {asset}",
            lines,
            form=lambda value: money(value, 0),
            hover=f"%{{y:,.0f}} {asset}",
            has_zero=True,
            start=meta["start_ns"],
            end=meta["end_ns"],
        ),
        table(heads, _sizes(result, times, grid, keys, order[:30].tolist(), name)),
        element("p", f"{more:,d} more in the table of the result.", class_="note") if more > 0 else Html(),
        note=note,
    )


def _sizes(
    result: "Result",
    times: NDArray[np.int64],
    grid: NDArray[np.float64],
    keys: NDArray[np.int64],
    chosen: list[int],
    name: Callable[[int], str],
) -> list[tuple[str, ...]]:
    """Return one row per position: mean sizes over the whole run, largest, smallest, and how long it was held."""
    meta = result.meta
    length = np.diff(np.append(times, max(int(meta["end_ns"]), int(times[-1])))).astype(np.float64)
    length = np.minimum(length, 1.5 * HOUR_NS)  # samples are an hour apart; where there are none nothing was held
    whole = max(1.0, float(meta["end_ns"] - meta["start_ns"]))
    held_for = _time_held(result)
    rows: list[tuple[str, ...]] = []
    for number in chosen:
        values = grid[number]
        sizes = (np.abs(values) * length).sum() / whole, (values * length).sum() / whole, values.max(), values.min()
        share = held_for.get((int(keys[0, number]), int(keys[1, number])), 0.0) / whole
        rows.append((name(number), *(money(float(size), 0) for size in sizes), percent(share, 1)))
    return rows


def _time_held(result: "Result") -> dict[tuple[int, int], float]:
    """Return how long each account held each instrument, ns; two legs at once count once."""
    store = result.store
    fills = store.columns("fills")
    out: dict[tuple[int, int], float] = {}
    for account, instrument in grouped(fills["account"], fills["instrument"])[0].T.tolist():
        rows = np.flatnonzero((fills["account"] == account) & (fills["instrument"] == instrument))
        rows = rows[np.argsort(fills["time"][rows], kind="stable")]
        times = np.append(fills["time"][rows].astype(np.int64), int(store.meta["end_ns"]))
        signed = fills["side"][rows].astype(np.int64) * fills["quantity"][rows]
        is_held = np.zeros(len(rows), dtype=bool)
        for leg in np.unique(fills["leg"][rows]).tolist():
            is_held |= np.cumsum(np.where(fills["leg"][rows] == leg, signed, 0)) != 0
        out[account, instrument] = float(np.diff(times)[is_held].sum())
    return out


def funding_by(result: "Result") -> list[Html]:
    """Return funding by month and by hour of the day, paid beside received, each asset by itself."""
    store = result.store
    paid = store.columns("funding")
    if len(paid["time"]) == 0:
        return []
    amounts = scaled(paid["amount"], store.asset_scales[paid["asset"]])
    months = paid["time"].astype("datetime64[ns]").astype("datetime64[M]")
    hours = paid["time"] // HOUR_NS % 24
    parts = []
    for title, keys, form in (("month", months, str), ("hour, UTC", hours, lambda hour: f"{int(hour):02d}:00")):
        rows = []
        for asset in np.unique(paid["asset"]).tolist():
            mine = paid["asset"] == asset
            for key in np.unique(keys[mine]):
                part = amounts[mine & (keys == key)]
                got, gave = float(part[part > 0].sum()), float(part[part < 0].sum())
                decimals = decimals_of(max(got, -gave))
                cells = (money(value, decimals) for value in (got, gave, got + gave))
                rows.append((form(key), str(store.assets[asset]), f"{len(part):,d}", *cells))
        if len(rows) > 1:
            heads = (title, "in", "payments", "received", "paid", "net")
            parts.append(element("div", table(heads, rows, text=(0, 1))))
    return [element("div", *parts, class_="pair")] if parts else []
