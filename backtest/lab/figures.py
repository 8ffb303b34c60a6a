"""Figures of the lab: lines and dots over a numeric axis as inline SVG, and a table shaded by its values."""

import math
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass

import numpy as np

from backtest.lab.given import Array
from backtest.report_axes import value_axis
from backtest.report_html import Html, element, join

WIDTH, HEIGHT = 1000, 260


@dataclass(frozen=True, slots=True)
class Curve:
    """One line, or dots, of a figure; gaps where not finite. `labels` name dots one by one."""

    name: str
    x: Array
    y: Array
    is_dots: bool = False
    labels: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """Curves over a numeric axis, both axes named.

    Parameters
    ----------
    title : str
    curves : sequence of Curve
        Coloured in order.
    x_name, y_name : str
        With the unit.
    x_form, y_form : callable
        Value to text, for ticks.
    lines : sequence of (float, str)
        Named vertical lines.
    """

    title: str
    curves: Sequence[Curve]
    _: KW_ONLY
    x_name: str
    y_name: str
    x_form: Callable[[float], str]
    y_form: Callable[[float], str]
    lines: Sequence[tuple[float, str]] = ()

    @property
    def html(self) -> Html:
        """Return it as inline SVG."""
        heading = element("figcaption", element("b", self.title), *_legend(self.curves))
        xs = np.concatenate(
            [np.asarray(c.x)[np.isfinite(c.x) & np.isfinite(c.y)] for c in self.curves] or [np.zeros(0)]
        )
        ys = np.concatenate(
            [np.asarray(c.y)[np.isfinite(c.x) & np.isfinite(c.y)] for c in self.curves] or [np.zeros(0)]
        )
        if not len(xs):
            return element("figure", heading, element("p", "Nothing to show.", class_="note"), class_="chart")
        marks = [at for at, _ in self.lines]
        x_ticks, left, right = value_axis(min([float(xs.min()), *marks]), max([float(xs.max()), *marks]))
        y_ticks, low, high = value_axis(min(0.0, float(ys.min())), float(ys.max()))

        def px(value: float) -> float:
            return round((value - left) / (right - left) * WIDTH, 1)

        def py(value: float) -> float:
            return round((high - value) / (high - low) * HEIGHT, 1)

        parts = [
            element("line", x1="0", x2=str(WIDTH), y1=str(py(tick)), y2=str(py(tick)), class_="grid")
            for tick in y_ticks
        ]
        parts += [
            element("text", self.y_form(tick), x="2", y=str(py(tick) - 3), class_="y")
            for tick in y_ticks
            if py(tick) > 10
        ]
        for tick in x_ticks:
            at = str(px(tick))
            parts.append(element("line", x1=at, x2=at, y1="0", y2=str(HEIGHT), class_="grid"))
            parts.append(element("text", self.x_form(tick), x=at, y=str(HEIGHT + 16), text_anchor="middle", class_="x"))
        for value, text in self.lines:
            at = str(px(value))
            parts.append(element("line", x1=at, x2=at, y1="0", y2=str(HEIGHT), class_="level"))
            parts.append(element("text", text, x=at, dx="4", y="12", class_="level"))
        for number, curve in enumerate(self.curves):
            parts.append(_dots(curve, number, px, py) if curve.is_dots else _line(curve, number, px, py))
        drawn = element(
            "svg",
            *parts,
            width="100%",
            viewBox=f"0 0 {WIDTH} {HEIGHT + 22}",
            role="img",
            aria_label=f"{self.title}: {self.y_name}",
        )
        note = element("p", f"Across: {self.x_name}. Up: {self.y_name}.", class_="note")
        return element("figure", heading, drawn, note, class_="chart")


@dataclass(frozen=True, slots=True)
class Shaded:
    """A square table whose cells are shaded by their values; rows are where, columns from where."""

    title: str
    names: Sequence[str]
    values: Array
    form: Callable[[float], str]
    note: str

    @property
    def html(self) -> Html:
        """Return it as a table."""
        top = float(np.max(self.values)) if np.size(self.values) else 0.0
        head = element("tr", *(element("th", name) for name in ("", *self.names)))
        rows = []
        for name, row in zip(self.names, np.asarray(self.values).tolist(), strict=True):
            shares = [60.0 * value / top if top > 0.0 else 0.0 for value in row]
            styles = [f"background: color-mix(in srgb, var(--bad) {share:.0f}%, transparent)" for share in shares]
            cells = [element("td", self.form(value), style=style) for value, style in zip(row, styles, strict=True)]
            rows.append(element("tr", element("td", name, class_="t"), *cells))
        table = element("table", element("thead", head), element("tbody", *rows))
        return element(
            "figure",
            element("figcaption", element("b", self.title)),
            element("div", table, class_="scroll"),
            element("p", self.note, class_="note"),
            class_="chart",
        )


def _legend(curves: Sequence[Curve]) -> list[Html]:
    if len(curves) < 2:
        return []
    return [element("span", element("i", class_=f"c{n % 8}"), curve.name) for n, curve in enumerate(curves)]


def _line(curve: Curve, number: int, px: Callable[[float], float], py: Callable[[float], float]) -> Html:
    pieces: list[list[str]] = [[]]
    for x, y in zip(np.asarray(curve.x).tolist(), np.asarray(curve.y).tolist(), strict=True):
        if math.isfinite(x) and math.isfinite(y):
            pieces[-1].append(f"{px(x)},{py(y)}")
        elif pieces[-1]:
            pieces.append([])
    drawn = "".join(f"M{'L'.join(piece)}" for piece in pieces if piece)
    return element("path", d=drawn, class_=f"line c{number % 8}")


def _dots(curve: Curve, number: int, px: Callable[[float], float], py: Callable[[float], float]) -> Html:
    out = []
    names = list(curve.labels) or [""] * len(curve.x)
    for x, y, name in zip(np.asarray(curve.x).tolist(), np.asarray(curve.y).tolist(), names, strict=True):
        if math.isfinite(x) and math.isfinite(y):
            spot = element("circle", element("title", name), cx=str(px(x)), cy=str(py(y)), r="5")
            label = element("text", name, x=str(px(x)), dx="8", y=str(py(y) + 4))
            out.append(element("g", spot, label, class_=f"mark c{number % 8}"))
    return join(out)
