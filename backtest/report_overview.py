"""Sections of the report about the run as a whole: assumptions, headline, where it came from, months, figures."""

import json
import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from backtest.attribution import Attribution
from backtest.attribution_entries import FLOWS, LINES
from backtest.attribution_sums import round_to_sum
from backtest.report_html import Html, definitions, element, join, section, table
from backtest.result_text import ALWAYS, LINE_NAMES, against_equity, decimals_of, money, percent, shown_lines

if TYPE_CHECKING:
    from backtest.result import Result

FEW_DAYS = 30
GROUPS = ("symbol", "venue", "strategy", "tag")
MAX_GROUPS = 30
STATISTICS = (
    ("cagr", "growth per year", percent),
    ("volatility", "volatility per year", percent),
    ("sharpe", "Sharpe ratio over cash", lambda value: number(value)),
    ("sortino", "Sortino ratio over cash", lambda value: number(value)),
    ("best_day", "best day", percent),
    ("worst_day", "worst day", percent),
    ("win_rate", "days won", percent),
    ("payoff_ratio", "average win / average loss", lambda value: number(value)),
    ("profit_factor", "sum of wins / sum of losses", lambda value: number(value)),
    ("skew", "skew", lambda value: number(value)),
    ("kurtosis", "excess kurtosis", lambda value: number(value)),
    ("value_at_risk", "value at risk, 95 %, normal", percent),
    ("expected_shortfall", "mean of the worst 5 % of days", percent),
    ("tail_ratio", "95 % / 5 % quantile", lambda value: number(value)),
    ("kelly", "Kelly fraction", percent),
    ("consecutive_wins", "most days won in a row", lambda value: number(value, 0)),
    ("consecutive_losses", "most days lost in a row", lambda value: number(value, 0)),
)


def number(value: float, decimals: int = 2) -> str:
    """Return a plain number; nan is a dash."""
    return "–" if math.isnan(value) else f"{value:,.{decimals}f}"


def days_of(count: float) -> str:
    """Return a number of daily returns in words."""
    return f"{count:.0f} daily return{'' if count == 1 else 's'}"


def assumptions(result: "Result") -> Html:
    """Return the box that comes first: what the run assumed, and what must be known to read it."""
    rows = [
        (
            row["name"],
            join((str(row["value"]), " ", element("em", "your choice"))) if row.get("is_choice") else str(row["value"]),
            row.get("note") or "",
        )
        for row in result.assumptions
    ]
    box = [table(("assumption", "value", "note"), rows, text=(0, 1, 2))] if rows else [element("p", "none recorded")]
    for title, sentences in (("Findings", result.findings), ("Warnings", result.warnings)):
        if sentences:
            items = [element("li", sentence) for sentence in sentences]
            box.append(element("div", element("b", title), element("ul", *items), class_=title.lower()))
    return element("section", element("h2", "Assumptions"), *box, id_="assumptions", class_="box")


def headline(result: "Result") -> Html:
    """Return the tiles."""
    found = result.summary
    asset = result.meta["reporting"]
    decimals = decimals_of(max(abs(found["start_equity"]), abs(found["end_equity"])))
    # The same rounding as in the waterfall below.
    lines = {name: money(float(amount), decimals) for name, amount in shown_lines(result.explained(), decimals)}
    few = f"of {days_of(found['days'])} only" if found["days"] < FEW_DAYS else "over cash, per year"
    flows = found["deposits"] + found["withdrawals"]
    closed = f"shortfall {money(found['shortfall'], decimals)}" if found["liquidations"] else "closed by force"
    tiles = [
        ("return", percent(found["return"]), "time-weighted" if flows else ""),
        ("equity", money(found["end_equity"], decimals), f"from {money(found['start_equity'], decimals)} {asset}"),
        ("max drawdown", percent(found["max_drawdown"]), f"longest {found['longest_drawdown_days']:.1f} days"),
        ("liquidations", f"{found['liquidations']:d}", closed),
        ("nearest liquidation", percent(found["min_distance"]), "distance of the mark"),
        ("highest margin ratio", against_equity(found["max_margin_ratio"], "%"), "100 % is liquidation"),
        ("highest leverage", against_equity(found["max_leverage"]), "notional / equity"),
        ("Sharpe", number(found["sharpe"]), few),
        ("funding", lines["funding"], f"{found['funding_payments']:,d} payments"),
        ("fees", lines["fees"], _bps(found["fees"], found["turnover"])),
        ("slippage", lines["slippage"], _bps(found["slippage"], found["turnover"])),
        ("time in market", percent(found["time_in_market"], 1), f"{found['fills']:,d} fills"),
    ]
    return element(
        "section",
        *(
            element(
                "div",
                element("span", name),
                element("strong", value, class_="neg" if value.startswith("-") else None),
                element("small", note),
            )
            for name, value, note in tiles
        ),
        class_="tiles",
        id_="headline",
    )


def attribution(result: "Result") -> Html:
    """Return the waterfall and the tables by symbol, venue, tag and strategy."""
    found = result.explained()
    asset = result.meta["reporting"]
    decimals = decimals_of(max(abs(float(found.start)), abs(float(found.end))))
    lines = shown_lines(found, decimals)
    parts = [_waterfall(lines, decimals)]
    flows = [(name, found.total(name)) for name in FLOWS[:2] if found.total(name)]
    if flows:
        said = ", ".join(f"{name} {money(float(amount), decimals)}" for name, amount in flows)
        parts.append(element("p", f"Apart from that: {said}.", class_="note"))
    if found.unknown_decisions:
        said = f"{found.unknown_decisions:,d} fills have no price at the decision; their slippage is in the price line."
        parts.append(element("p", said, class_="note"))
    for by in GROUPS:
        other = result.explained(by)
        if len(other.groups) > 1:
            parts += [element("h3", f"By {by}"), _groups(other, decimals)]
    note = (
        f"In {asset}, every posting at the price of its time. The lines add up to the change of equity exactly. "
        "Unrealised profit is part of price."
    )
    return section("Where it came from", *parts, note=note)


def months(result: "Result") -> Html:
    """Return one row per month: return, lines, change."""
    found = result.explained("month")
    returns = result.returns("MS")
    by_month = {f"{time:%Y-%m}": value for time, value in returns.items()}
    decimals = decimals_of(max(abs(float(found.start)), abs(float(found.end))))
    lines = [line for line in LINES if line in ALWAYS or found.total(line)]
    rows = []
    for month, group in found.groups.items():
        rounded = round_to_sum([group[line] for line in lines], decimals)
        amounts = [money(float(amount), decimals) for amount in (*rounded, sum(rounded, Fraction(0)))]
        rows.append((month, percent(by_month.get(month, float("nan"))), *amounts))
    return section(
        "Months",
        table(("month", "return", *(LINE_NAMES[line] for line in lines), "change"), rows),
        note="UTC. What happens at 00:00 of the first belongs to the month that begins.",
    )


def figures(result: "Result") -> Html:
    """Return the standard statistics."""
    found = result.statistics()
    shown = [(name, form(found[key])) for key, name, form in STATISTICS]
    rate = percent(float(result.meta["cash_rate"]))
    note = f"Of {days_of(found['days'])} (UTC), a year of 365 days, cash at {rate} a year."
    if found["days"] < FEW_DAYS:
        note += f" Fewer than {FEW_DAYS} days: no growth per year, and the ratios say little."
    return section("Statistics", definitions(shown), note=note)


def provenance(result: "Result") -> Html:
    """Return what is needed to repeat the run."""
    meta = result.meta
    pairs = [
        ("data fingerprint", result.fingerprint or "none"),
        ("seed", str(meta["seed"])),
        *((name, str(version)) for name, version in sorted(meta["versions"].items())),
    ]
    parts = [definitions(pairs)]
    if meta["data"]:
        rows = [
            (
                str(row["name"]), f"{row['rows']:,}" if isinstance(row["rows"], int) else str(row["rows"]),
                _moment(row.get("from")), _moment(row.get("to")), str(row.get("note", "")),
            )
            for row in meta["data"]
        ]  # fmt: skip
        parts += [element("h3", "Data"), table(("stream", "rows", "from", "to", "note"), rows, text=(0, 2, 3, 4))]
    if meta["rules"]:
        rows = [
            (
                str(row["name"]),
                str(row["value"]),
                _moment(row.get("from")),
                str(row.get("source", "")),
                _verified(row.get("verified")),
            )
            for row in meta["rules"]
        ]
        parts += [
            element("h3", "Rules of the venues"),
            table(("rule", "value", "in force from", "source", "verified"), rows, text=(0, 1, 2, 3, 4)),
        ]
    config = json.dumps(meta["config"], indent=2, sort_keys=True, ensure_ascii=False)
    parts.append(element("details", element("summary", "Configuration"), element("pre", config)))
    return section("Provenance", *parts)


def _moment(value: object) -> str:
    """Return a time in ns as UTC, words as they are; 0 is since ever."""
    if isinstance(value, int):
        return f"{np.datetime64(value, 'ns').astype('datetime64[s]').item():%Y-%m-%d %H:%M}" if value else "always"
    return "" if value is None else str(value)


def _verified(value: object) -> str:
    return "" if value is None else ("yes" if value else "no")


def _bps(cost: float, turnover: float) -> str:
    return f"{1e4 * cost / turnover:,.2f} bp of turnover" if turnover > 0 else "no turnover"


def _waterfall(lines: list[tuple[str, Fraction]], decimals: int) -> Html:
    """Return one bar per line, each beginning where the one before it ended, and the sum."""
    amounts = [float(amount) for _, amount in lines]
    reached = [0.0]
    for amount in amounts:
        reached.append(reached[-1] + amount)
    low, high = min(reached), max(reached)
    span = high - low if high > low else 1.0
    rows = [(name, begin, end) for (name, _), begin, end in zip(lines, reached, reached[1:], strict=False)]
    rows.append(("change of equity", 0.0, reached[-1]))
    drawn = []
    for index, (name, begin, end) in enumerate(rows):
        left, width = (min(begin, end) - low) / span, abs(end - begin) / span
        kind = "sum" if index == len(rows) - 1 else ("neg" if end < begin else "pos")
        exact = sum((amount for _, amount in lines), Fraction(0)) if kind == "sum" else lines[index][1]
        text = money(float(exact), decimals)
        bar = (
            Html()
            if exact == 0
            else element("i", class_=kind, style=f"left:{100 * left:.2f}%;width:{100 * width:.2f}%")
        )
        zero = element("u", style=f"left:{100 * -low / span:.2f}%")
        drawn.append(
            element(
                "tr",
                element("td", name, class_="t"),
                element("td", text, class_="neg" if text.startswith("-") else None),
                element("td", element("div", zero, bar), class_="bar"),
                class_=kind if kind == "sum" else None,
            )
        )
    return element("table", element("tbody", *drawn), class_="waterfall")


def _groups(found: Attribution, decimals: int) -> Html:
    """Return one row per group, the largest changes first, and the total."""
    lines = [line for line in LINES if any(group[line] for group in found.groups.values())]
    flows = [flow for flow in FLOWS if any(group[flow] for group in found.groups.values())]
    changes = {name: sum((group[line] for line in LINES), Fraction(0)) for name, group in found.groups.items()}
    order = sorted(changes, key=lambda name: (-abs(changes[name]), name))

    def row(name: str, amounts: list[Fraction], apart: list[Fraction]) -> tuple[str, ...]:
        rounded = round_to_sum(amounts, decimals)
        shown = [*rounded, sum(rounded, Fraction(0)), *apart]
        return (name, *(money(float(amount), decimals) for amount in shown))

    rows = [
        row(name, [found.groups[name][line] for line in lines], [found.groups[name][flow] for flow in flows])
        for name in order[:MAX_GROUPS]
    ]
    rest = order[MAX_GROUPS:]
    if rest:
        sums = [
            [sum((found.groups[name][key] for name in rest), Fraction(0)) for key in keys] for keys in (lines, flows)
        ]
        rows.append(row(f"{len(rest)} more", *sums))
    foot = row("total", [found.total(line) for line in lines], [found.total(flow) for flow in flows])
    return table((found.by, *(LINE_NAMES[line] for line in lines), "change", *flows), rows, foot=foot)
