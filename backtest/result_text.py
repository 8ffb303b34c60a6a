"""A result on one screen of plain text, the assumptions first."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from backtest.attribution import Attribution
from backtest.attribution_entries import LINES
from backtest.attribution_sums import round_to_sum

WIDTH = 100
LINE_NAMES = {
    "price": "price at decision",
    "slippage": "slippage",
    "funding": "funding",
    "fees": "fees",
    "interest": "interest",
    "liquidation": "liquidation less insurance",
    "adl": "ADL and socialised loss",
    "settlement": "settlement",
    "failure": "lost with failed venues",
    "conversion": "conversion",
    "revaluation": "revaluation of balances",
}
ALWAYS = ("price", "slippage", "funding", "fees")


def decimals_of(largest: float) -> int:
    """Return the decimals with which amounts of this size are shown: 2, more for amounts below 100."""
    if not math.isfinite(largest) or largest == 0.0 or largest >= 100.0:
        return 2
    return min(8, 2 + max(0, math.ceil(2.0 - math.log10(largest))))


def money(value: float, decimals: int = 2) -> str:
    """Return an amount with thousands separators; nan is a dash and nothing is ever minus zero."""
    if math.isnan(value):
        return "–"
    text = f"{value:,.{decimals}f}"
    return text.lstrip("-") if float(text.replace(",", "")) == 0.0 else text


def percent(value: float, decimals: int = 2) -> str:
    """Return a fraction in percent; nan is a dash, infinity says so."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "none" if value > 0 else "-inf"
    text = f"{100.0 * value:,.{decimals}f}"
    return f"{text.lstrip('-') if float(text.replace(',', '')) == 0.0 else text} %"


def against_equity(value: float, unit: str = "x") -> str:
    """Return a leverage (``x``) or a margin ratio (``%``); infinite is where no equity was left."""
    if math.isinf(value):
        return "no equity left"
    return percent(value, 1) if unit == "%" else f"{value:,.{2 if value < 100 else 0}f}x"


def shown_lines(attribution: Attribution, decimals: int) -> list[tuple[str, Fraction]]:
    """Return name and amount of the lines worth showing, rounded so that they add up to the rounded change."""
    lines = [line for line in LINES if line in ALWAYS or attribution.total(line) != 0]
    rounded = round_to_sum([attribution.total(line) for line in lines], decimals)
    return [(LINE_NAMES[line], amount) for line, amount in zip(lines, rounded, strict=True)]


def screen(
    meta: Mapping[str, Any], summary: Mapping[str, float], attribution: Attribution, *, width: int = WIDTH
) -> str:
    """Return the screen.

    Parameters
    ----------
    meta : mapping
        Of the result.
    summary : mapping
        From `result_summary.summary`.
    attribution : Attribution
        Of the whole run.
    width : int
        Columns at which sentences are wrapped.

    Returns
    -------
    str
        Assumptions (those that the user chose are marked), return, where it came from, liquidations and distance,
        findings and warnings.
    """
    asset = meta["reporting"]
    out = ["ASSUMPTIONS (* = your choice)"]
    out += _assumptions(meta["assumptions"], width)
    out += ["", f"RESULT in {asset}, {_period(meta)}"]
    decimals = decimals_of(max(abs(summary["start_equity"]), abs(summary["end_equity"])))
    out += _pairs(
        [
            ("start", money(summary["start_equity"], decimals)),
            ("end", money(summary["end_equity"], decimals)),
            ("return", percent(summary["return"])),
            ("max drawdown", percent(summary["max_drawdown"])),
            ("deposits", money(summary["deposits"], decimals) if summary["deposits"] else ""),
            ("withdrawals", money(summary["withdrawals"], decimals) if summary["withdrawals"] else ""),
            ("Sharpe", _ratio(summary["sharpe"], summary["days"])),
            ("time in market", percent(summary["time_in_market"], 1)),
        ]
    )
    out += ["", "WHERE IT CAME FROM"]
    lines = shown_lines(attribution, decimals)
    out += [f"  {name:<26}{money(float(amount), decimals):>20}" for name, amount in lines]
    total = sum((amount for _, amount in lines), Fraction(0))
    out += [f"  {'change of equity':<26}{money(float(total), decimals):>20}"]
    out += ["", "LEVERAGE"]
    out += _pairs(
        [
            ("liquidations", f"{summary['liquidations']:d}"),
            ("shortfall", money(summary["shortfall"], decimals) if summary["liquidations"] else ""),
            ("smallest distance to liquidation", percent(summary["min_distance"])),
            ("highest margin ratio", against_equity(summary["max_margin_ratio"], "%")),
            ("with every extreme at once", _bound(summary)),
            ("highest leverage", against_equity(summary["max_leverage"])),
            ("margin calls", f"{summary['margin_calls']:d}"),
        ]
    )
    counts = ("fills", "orders", "rejected_orders", "funding_payments")
    out += ["", "  " + ", ".join(_count(int(summary[key]), key.replace("_", " ")) for key in counts)]
    for title, rows in (("FINDINGS", meta["findings"]), ("WARNINGS", meta["warnings"])):
        if rows:
            out += ["", title, *(line for row in rows for line in _wrapped("  - ", row, width))]
    return "\n".join(out)


def _bound(summary: Mapping[str, float]) -> str:
    """Return the margin ratio at independent extremes of bars where it says more than the one of the path."""
    bound = summary["max_margin_ratio_bound"]
    return against_equity(bound, "%") if bound > summary["max_margin_ratio"] else ""


def _assumptions(rows: Sequence[Mapping[str, Any]], screen_width: int) -> list[str]:
    if not rows:
        return ["  none recorded"]
    width = min(26, max(len(row["name"]) for row in rows))
    out = []
    for row in rows:
        note = f" ({row['note']})" if row.get("note") else ""
        head = f"{'*' if row.get('is_choice') else ' '} {row['name']:<{width}}  "
        out += _wrapped(head, f"{row['value']}{note}", screen_width)
    return out


def _count(number: int, plural: str) -> str:
    return f"{number:,d} {plural.removesuffix('s') if number == 1 else plural}"


def _period(meta: Mapping[str, Any]) -> str:
    import pandas as pd

    start, end = (pd.Timestamp(meta[key], unit="ns", tz="UTC") for key in ("start_ns", "end_ns"))
    return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"


def _ratio(value: float, days: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.2f}" if days >= 30 else f"{value:.2f} ({days:.0f} day{'' if days == 1 else 's'} only)"


def _pairs(pairs: Sequence[tuple[str, str]]) -> list[str]:
    return [f"  {name:<34}{value:>20}" for name, value in pairs if value]


def _wrapped(head: str, text: str, width: int) -> list[str]:
    """Return text after a head, its later lines below its first word."""
    import textwrap

    return textwrap.wrap(
        text,
        width,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
