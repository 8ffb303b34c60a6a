"""The page of a comparison: the figures side by side, equity and distance to liquidation in one picture each."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest import statistics
from backtest.report import day
from backtest.report_charts import Line, Mark
from backtest.report_html import Html, document, element, section, table
from backtest.report_live import Draw, live, scripts, still
from backtest.report_series import worst
from backtest.result_text import money, percent

if TYPE_CHECKING:
    from backtest.comparison import Comparison

ROWS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "reporting": ("counted in", str),
    "end_equity": ("equity at the end", money),
    "return": ("return", lambda x: percent(x, 1)),
    "max_drawdown": ("largest drawdown", lambda x: percent(x, 1)),
    "funding": ("funding", money),
    "fees": ("fees", money),
    "slippage": ("slippage", money),
    "liquidation_costs": ("liquidation less insurance", money),
    "liquidations": ("forced closes", str),
    "first_liquidation": ("first one, UTC", lambda x: "" if x != x else f"{x:%m-%d %H:%M:%S}"),
    "liquidation_mark": ("at the mark", lambda x: "" if math.isnan(x) else money(x)),
    "shortfall": ("shortfall", money),
    "min_distance": ("nearest to liquidation", lambda x: percent(x, 1)),
    "max_margin_ratio": ("highest margin ratio", lambda x: percent(x, 1)),
    "max_leverage": ("highest leverage", lambda x: f"{x:,.4g}x"),
    "capital": ("capital: largest initial margin", money),
    "efficiency": ("change of equity / capital", lambda x: "–" if math.isnan(x) else f"{x:,.2f}"),
    "rejected_orders": ("orders refused", str),
    "rejected_for": ("mostly for", lambda x: x.lower().replace("_", " ")),
}


def write(comparison: "Comparison", path: str | Path, *, interactive: bool = True) -> Path:
    """Write the page of a comparison; the folder is made when missing."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(comparison, interactive=interactive), encoding="utf-8")
    return target


def cells(comparison: "Comparison") -> list[tuple[str, ...]]:
    """Return the figures as text: one row per figure, its name first, then one cell per label."""
    frame = comparison.table
    return [(name, *(form(value) for value in frame[key])) for key, (name, form) in ROWS.items()]


def page(comparison: "Comparison", *, interactive: bool = True) -> str:
    """Return the page as one HTML document; everything that came from the runs is escaped."""
    metas = [result.meta for result in comparison.results.values()]
    names = list(dict.fromkeys(name for meta in metas for name in meta["strategies"]))
    name = ", ".join(names) or "Strategy"
    span = f"{day(min(meta['start_ns'] for meta in metas))} to {day(max(meta['end_ns'] for meta in metas))} UTC"
    labels = list(comparison.results)
    sections = [
        section("Side by side", table(("", *labels), cells(comparison))),
        _pictures(comparison, live if interactive else still),
        _notes(comparison),
    ]
    subtitle = f"{span} · {', '.join(labels)}"
    return document(f"{name}, compared", subtitle, sections, scripts=scripts(interactive=interactive))


def _pictures(comparison: "Comparison", draw: Draw) -> Html:
    metas = [result.meta for result in comparison.results.values()]
    span = {"start": min(meta["start_ns"] for meta in metas), "end": max(meta["end_ns"] for meta in metas)}
    closes = _closes(comparison)
    wealth = [Line(label, result.curve.times, result.curve.worth) for label, result in comparison.results.items()]
    falls = [Line(line.name, line.times, statistics.drawdowns(line.values)) for line in wealth]
    nearest = []
    for label, result in comparison.results.items():
        margin = result.store.columns("margin")
        if len(margin["time"]):
            pool = worst(margin, label, span["start"], span["end"])
            nearest.append(Line(label, pool.times, np.where(np.isfinite(pool.distance), pool.distance, np.nan)))
    fraction = {"form": lambda x: percent(x, 1), "hover": "%{y:.2%}", "has_zero": True}
    return section(
        "Pictures",
        draw(
            "Worth of one unit, deposits taken out",
            wealth,
            form=lambda x: f"{x:,.3f}",
            hover="%{y:,.4f}",
            has_zero=True,
            marks=closes,
            **span,
        ),
        draw("Drawdown", falls, height=110, **fraction, **span),
        draw("Distance to liquidation, of the mark", nearest, cap=1.0, marks=closes, **fraction, **span),
        note="Vertical lines are forced closes; one line per account, the nearest of its pools.",
    )


def _closes(comparison: "Comparison") -> list[Mark]:
    out = []
    for label, result in comparison.results.items():
        forced = result.store.columns("liquidations")
        _, first = np.unique(forced["episode"], return_index=True)
        out += [Mark(int(forced["time"][row]), "liquidation", f"{label}: forced close") for row in first.tolist()]
    return out


def _notes(comparison: "Comparison") -> Html:
    notes = [element("li", text) for text in comparison.notes()]
    own = "Every venue has data of its own." if comparison.base else "The runs have the same data, span and currency."
    said = [element("ul", *notes)] if notes else [element("p", own, class_="note")]
    found = [element("li", text) for text in comparison.findings]
    if found:
        said.append(element("div", element("b", "Findings"), element("ul", *found), class_="findings"))
    if not comparison.base:
        return section("What to know", *said)
    return section(
        "What stood in for what",
        *said,
        note="Marks, funding and trades of another venue are an approximation: each venue has prices of its own.",
    )
