"""The tear sheet: one HTML file that needs nothing else."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest import report_overview as overview
from backtest import report_risk as risk
from backtest import report_trading as trading
from backtest import statistics
from backtest.attribution import forget
from backtest.report_axes import cap_of
from backtest.report_capital import capital as about_capital
from backtest.report_capital import exposure
from backtest.report_charts import Line
from backtest.report_html import Html, document, element, join, section, table
from backtest.report_live import Draw, live, scripts, still
from backtest.report_price import prices
from backtest.report_series import cumulative, marks, pools
from backtest.result_text import against_equity, decimals_of, money, percent
from backtest.what_if import HEADS, cells, said

if TYPE_CHECKING:
    from backtest.result import Result
    from backtest.survival import Survival
    from backtest.what_if import WhatIf


FRAME_HEIGHT = 900  # pixels in a notebook


def write(
    result: "Result",
    path: str | Path,
    *,
    what_if: "WhatIf | None" = None,
    survival: "Survival | None" = None,
    trials: int | None = None,
    variance: float | None = None,
    interactive: bool = True,
) -> Path:
    """Write the tear sheet of a result.

    Parameters
    ----------
    result : Result
    path : path
        Of the HTML file; its folder is made when missing.
    what_if : WhatIf, optional
        The same run with other costs.
    survival : Survival, optional
        The same trades at other leverages.
    trials : int, optional
        Configurations that were tried before this one was chosen, 1 = none: with it the page says what the Sharpe ratio
        is worth.
    variance : float, optional
        Of the Sharpe ratios (per day) of the trials; needed with several.
    interactive : bool
        With charts that zoom and tell values, which take 2 MB; without them the page has pictures only.

    Returns
    -------
    Path
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    made = page(result, what_if, survival, trials=trials, variance=variance, interactive=interactive)
    target.write_text(made, encoding="utf-8")
    return target


def framed(result: "Result") -> str:
    """Return the first sections of the tear sheet as an HTML element that keeps its style to itself."""
    short = [
        overview.assumptions(result),
        overview.headline(result),
        overview.attribution(result),
        _curves(result, still),
    ]
    return element(
        "iframe",
        srcdoc=_document(result, short, interactive=False),
        width="100%",
        height=str(FRAME_HEIGHT),
        frameborder="0",
    )


def page(
    result: "Result",
    what_if: "WhatIf | None" = None,
    survival: "Survival | None" = None,
    *,
    trials: int | None = None,
    variance: float | None = None,
    interactive: bool = True,
) -> str:
    """Return the tear sheet as one HTML document; everything that came from the run is escaped."""
    draw: Draw = live if interactive else still
    for by in (*overview.GROUPS, "month"):
        result.explained(by)
    forget(result.store)
    sections = [
        overview.assumptions(result),
        overview.headline(result),
        about_capital(result),
        overview.attribution(result),
        None if what_if is None else _what_if(what_if),
        None if survival is None else risk.survival(survival),
        _curves(result, draw),
        prices(result, marks(result.store, result.curve), draw),
        _leverage(result, draw),
        exposure(result, draw),
        trading.liquidations(result),
        trading.funding(result),
        trading.trades(result),
        trading.orders(result),
        overview.months(result),
        overview.figures(result),
        risk.resampled(result),
        None if trials is None else risk.track_record(result, trials, variance),
        trading.records(result, result.store, draw),
        overview.provenance(result),
    ]
    return _document(result, sections, interactive=interactive)


def _document(result: "Result", sections: Sequence[Html | None], *, interactive: bool) -> str:
    meta = result.meta
    name = ", ".join(meta["strategies"]) or "Run"
    span = f"{day(meta['start_ns'])} to {day(meta['end_ns'])}"
    venues = sorted({row["venue"] for row in meta["accounts"] if row["role"] == "user"})
    subtitle = f"{span} UTC · {', '.join(venues)} · in {meta['reporting']}"
    return document(name, subtitle, sections, scripts=scripts(interactive=interactive))


def _curves(result: "Result", draw: Draw) -> Html:
    """Return equity, drawdown and what came from where over time."""
    run, meta = result.curve, result.meta
    asset = meta["reporting"]
    span = {"start": meta["start_ns"], "end": meta["end_ns"]}
    highest = float(np.abs(run.equity).max(initial=0.0))

    def amount(value: float) -> str:
        if highest < 1000:
            return money(value, decimals_of(highest))
        return money(value, 0 if abs(value) >= 10 or value == 0 else 2)

    happened = marks(result.store, run)
    return section(
        "Equity",
        draw(
            f"Equity, {asset}",
            [Line("equity", run.times, run.equity)],
            form=amount,
            hover=f"%{{y:,.2f}} {asset}",
            marks=happened,
            **span,
        ),
        draw(
            "Drawdown",
            [Line("drawdown", run.times, statistics.drawdowns(run.worth), is_filled=True)],
            form=lambda value: percent(value, 1),
            hover="%{y:.2%}",
            has_zero=True,
            height=110,
            **span,
        ),
        draw(
            f"Where it came from so far, {asset}",
            cumulative(result.store, run),
            form=amount,
            hover=f"%{{y:,.2f}} {asset}",
            has_zero=True,
            **span,
        ),
        _legend_of_marks({mark.kind for mark in happened}),
    )


def _what_if(found: "WhatIf") -> Html:
    """Return the runs with other costs."""
    notes = [element("p", text, class_="note") for text in said(found)]
    return section(
        "What if", table(HEADS, cells(found)), *notes, note="The same run with other costs, each carried out anew."
    )


def _leverage(result: "Result", draw: Draw) -> Html:
    """Return leverage, margin ratio and distance to liquidation of each margin pool."""
    meta = result.meta
    span = {"start": meta["start_ns"], "end": meta["end_ns"]}
    found = pools(result.store, meta["start_ns"], meta["end_ns"])
    happened = [mark for mark in marks(result.store, result.curve) if mark.kind != "flow"]
    return section(
        "Leverage",
        draw(
            "Leverage",
            [Line(pool.name, pool.times, pool.leverage) for pool in found],
            form=lambda value: f"{value:,.4g}x" if math.isfinite(value) else against_equity(value),
            hover="%{y:,.4~g}x",
            has_zero=True,
            cap=cap_of([pool.leverage for pool in found]),
            marks=happened,
            **span,
        ),
        draw(
            "Margin ratio: maintenance / equity",
            [Line(pool.name, pool.times, pool.ratio) for pool in found],
            form=lambda value: against_equity(value, "%"),
            hover="%{y:.2%}",
            has_zero=True,
            references=((1.0, "liquidation"),),
            marks=happened,
            **span,
        ),
        draw(
            "Distance to liquidation, of the mark",
            [Line(pool.name, pool.times, pool.distance) for pool in found],
            form=lambda value: percent(value, 1),
            hover="%{y:.2%}",
            has_zero=True,
            cap=1.0,
            marks=happened,
            **span,
        ),
        *risk.leverage_figures(result),
        _bounds(meta),
        note="One line per margin pool; gaps are times without a position, or without a liquidation price.",
    )


def _bounds(meta: Mapping[str, Any]) -> Html:
    """Return how bad bars could have been for accounts with several positions; nothing when there were none."""
    if not meta["margin_bounds"]:
        return Html()
    rows = [
        (row["account"], against_equity(math.inf if row["ratio"] is None else row["ratio"], "%"))
        for row in meta["margin_bounds"]
    ]
    return join(
        (
            table(("account", "highest margin ratio with every extreme at once"), rows, text=(0,)),
            element(
                "p",
                "A bar does not tell which extreme came when. The run goes all down first or all up first, so that "
                "positions that hedge each other are not hit at once; the bound puts every instrument of an account "
                "at its adverse extreme at the same moment.",
                class_="note",
            ),
        )
    )


def _legend_of_marks(kinds: set[str]) -> Html:
    words = {"liquidation": "liquidation", "call": "margin call", "adl": "deleveraged", "flow": "deposit or withdrawal"}
    shown = [
        element("span", element("i", class_=f"mark {kind}"), text) for kind, text in words.items() if kind in kinds
    ]
    return element("p", *shown, class_="marks") if shown else Html()


def day(time: int) -> str:
    """Return a time as a day, with hours and minutes where it is not its beginning."""
    moment = np.datetime64(time, "ns").astype("datetime64[s]").item()
    return f"{moment:%Y-%m-%d}" if time % 86_400_000_000_000 == 0 else f"{moment:%Y-%m-%d %H:%M}"
