"""Sections of the report about what might have been: other leverages, other orders of the days, chance."""

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backtest.errors import ConfigError
from backtest.report_columns import Column, columns, histogram
from backtest.report_html import Html, definitions, element, section, table
from backtest.resampled import risk_per_day
from backtest.result_storage import grouped
from backtest.result_text import percent
from backtest.survival import HEADS, cells, said

if TYPE_CHECKING:
    from backtest.result import Result
    from backtest.survival import Survival

Array = NDArray[np.float64]
TITLE = "Other orders of the same days"
LEVELS = {"worst 1 %": 0.01, "worst 5 %": 0.05, "worst 25 %": 0.25, "median": 0.5, "best 25 %": 0.75, "best 5 %": 0.95}


def survival(found: "Survival") -> Html:
    """Return the same trades at other leverages."""
    notes = [element("p", text, class_="note") for text in said(found)]
    bars = [
        Column(
            f"{factor:g}x", result.summary["return"], f"{factor:g}x: {percent(result.summary['return'], 1)}",
            bool(result.summary["liquidations"]),
        )
        for factor, result in found.results.items()
    ]  # fmt: skip
    return section(
        "Survival",
        columns("Return by leverage", bars, form=lambda value: percent(value, 0), said=["red: closed by force"]),
        table(HEADS, cells(found), text=(0,)),
        *notes,
        note="The same orders in accounts with less or more capital, each carried out anew.",
    )


def resampled(result: "Result") -> Html:
    """Return the distribution of the drawdown over other orders of the run's periods."""
    try:
        found = result.resampled()
    except ConfigError as error:
        return section(TITLE, element("p", f"{error}.".capitalize(), class_="note"))
    fell, end, wet = found.own
    worse = float((found.max_drawdown <= fell).mean())
    rows = [
        (
            name,
            *(percent(float(np.quantile(part, q)), 1) for part in (found.max_drawdown, found.final - 1.0)),
            f"{np.quantile(found.under_water, 1.0 - q):,.1f}",
        )
        for name, q in LEVELS.items()
    ]
    rows.append(("this run", percent(fell, 1), percent(end - 1.0, 1), f"{wet:,.1f}"))
    share = found.share_liquidated
    touched = f"{percent(share, 1)} of the paths touched the liquidation price"
    if 0.0 < share < 1.0:
        touched += f" ({percent(risk_per_day(found))} a day)"
    length = {1 / 24: "hours", 4 / 24: "four-hour periods", 1.0: "days", 7.0: "weeks"}[found.step_days]
    note = (
        f"{len(found.final):,d} paths of {found.periods:,d} {length} in blocks of {found.mean_block:.1f} on average, "
        "drawn from the run. A path that has lost more than the run before a fall touches the liquidation price where "
        "the run did not, and stays at what is left to it. Sizes of trades do not follow the equity of a path."
    )
    return section(
        TITLE,
        histogram(
            "Deepest drawdown of each path",
            found.max_drawdown,
            form=lambda value: percent(value, 0),
            said=[f"this run {percent(fell, 1)}, deeper in {percent(worse, 0)} of the paths", touched],
            bad_below=fell,
        ),
        table(("paths", "deepest drawdown", "return", "days under water"), rows),
        note=note,
    )


def track_record(result: "Result", trials: int, variance: float | None) -> Html:
    """Return what the Sharpe ratio is worth."""
    try:
        found = result.track_record(trials=trials, variance=variance)
    except ConfigError as error:
        return section("Track record", element("p", f"{error}.".capitalize(), class_="note"))
    year = math.sqrt(365.0)
    shortest = found["shortest_record"]
    pairs = [
        ("Sharpe ratio per day (per year)", f"{found['sharpe']:.4f} ({found['sharpe'] * year:.2f})"),
        ("chance that the true one is above zero (PSR)", percent(found["probability"], 1)),
        (f"chance that it is more than luck in {trials:,d} trials (DSR)", percent(found["deflated"], 1)),
        ("days that 95 % confidence takes", "no number of days" if math.isinf(shortest) else f"{shortest:,.0f}"),
        ("days of this run", f"{found['observations']:,.0f}"),
        ("skew, raw kurtosis", f"{found['skew']:.2f}, {found['kurtosis']:.2f}"),
    ]
    return section("Track record", definitions(pairs), note="Of daily returns above cash; Bailey and Lopez de Prado.")


def leverage_figures(result: "Result") -> list[Html]:
    """Return how leverage, margin ratio and distance were distributed over time, and how much would have been best."""
    margin = result.store.columns("margin")
    if len(margin["time"]) == 0:
        return []
    weights = _held(result)
    held = (weights > 0) & (margin["maintenance"] > 0)
    shown: list[tuple[str, Array, Callable[[float], str], bool]] = [
        ("leverage", margin["leverage"], lambda value: f"{value:,.3g}x", True),
        ("margin ratio", margin["ratio"], percent, True),
        ("distance to liquidation", margin["distance"], percent, False),
    ]
    rows, charts = [], []
    for name, values, form, is_worst_above in shown:
        finite = np.isfinite(values) & held
        if not finite.any():
            continue
        if form is percent:  # with the decimals that tell one column from the next
            decimals = _decimals(values[finite])
            form = partial(percent, decimals=decimals)
        quantiles = _quantiles(values[finite], weights[finite])
        rows.append((name, *(form(float(value)) for value in (quantiles if is_worst_above else quantiles[::-1]))))
        # What stands far beyond the rest would press all of it into one column.
        edge = float(np.quantile(values[finite], 0.995))
        charts.append(
            histogram(
                f"Share of time by {name}",
                np.minimum(values[finite], edge), weights[finite], form=form, bins=24,
            )
        )  # fmt: skip
    heads = ("while a position was held", "best", "best 5 %", "median", "worst 5 %", "worst")
    parts = [element("div", *charts, class_="pair"), table(heads, rows)] if rows else []
    best = growth_optimal(result)
    if best is not None:
        parts.append(element("p", best, class_="note"))
    return parts


def _decimals(values: Array) -> int:
    """Return how many decimals of a per cent the columns of a histogram differ by."""
    width = float(np.quantile(values, 0.995) - values.min()) / 6
    return 1 if width <= 0.0 else min(4, max(1, math.ceil(-math.log10(100.0 * width))))


def growth_optimal(result: "Result") -> str | None:
    """Return in words by what the leverage would have had to be multiplied to grow most: mean / variance (Kelly)."""
    daily = result.returns("1D").to_numpy(dtype=float)
    if len(daily) < 30 or daily.var(ddof=1) == 0.0 or (daily <= -1.0).any():
        return None
    from backtest.lab.growth import best_leverage, chance_of_ever

    factor = best_leverage(float(daily.mean()), float(daily.std(ddof=1)))
    if factor <= 0.0:
        return "The mean of the daily returns is not positive: no leverage would have made it grow."
    half = chance_of_ever(0.5, 1.0 / factor)
    return (
        f"Growth would have been greatest at {factor:.2f} times this leverage (mean / variance of the daily returns, "
        f"a constant multiple of them); at this leverage the chance of ever being down to half is {percent(half, 1)} "
        "if the future is as the past was and returns are normal."
    )


def _held(result: "Result") -> Array:
    """Return how long each sample of a pool stood (ns); at most five times the usual distance between its samples."""
    margin = result.store.columns("margin")
    _, pool = grouped(margin["account"], margin["asset"], margin["instrument"])
    order = np.lexsort((margin["time"], pool))
    times, pools = margin["time"][order], pool[order]
    steps = np.zeros(len(order))
    same = pools[1:] == pools[:-1]
    steps[:-1][same] = np.diff(times)[same]
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    out = np.zeros(len(order))
    out[order] = np.minimum(steps, 5.0 * usual)
    return out


def _quantiles(values: Array, weights: Array) -> list[float]:
    """Return the least, the 5 %, 50 %, 95 % quantiles and the largest of weighted values."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    places = np.minimum(np.searchsorted(reached, [0.05, 0.5, 0.95]), len(order) - 1)
    return [float(values.min()), *(float(value) for value in values[order][places]), float(values.max())]
