"""Line charts as inline SVG: axes with units and dates, marks, extremes kept when there are too many points."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from backtest.report_axes import downsample, time_ticks, value_axis
from backtest.report_html import Html, element, join

WIDTH = 1000  # of the plot in its own units; it stretches to the page
MARKS = 120
KINDS = ("flow", "call", "adl", "liquidation")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart.

    Attributes
    ----------
    name : str
    times : ndarray of int64
        ns, ascending.
    values : ndarray of float64
        Gaps where not finite.
    is_filled : bool
        Shade the area to zero.
    is_step : bool
        Hold each value until the next.
    """

    name: str
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    is_filled: bool = False
    is_step: bool = False
    points: str | None = None
    texts: Sequence[str] = ()
    ink: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at a time; `kind` is one of `KINDS`."""

    time: int
    kind: str
    text: str


def chart(
    title: str,
    lines: Sequence[Line],
    *,
    form: Callable[[float], str],
    start: int,
    end: int,
    marks: Sequence[Mark] = (),
    references: Sequence[tuple[float, str]] = (),
    has_zero: bool = False,
    cap: float = math.inf,
    height: int = 190,
) -> Html:
    """Return a chart with its title and legend.

    Parameters
    ----------
    title : str
    lines : sequence of Line
        Coloured in order.
    form : callable
        Value to text with its unit, for the axis and the legend.
    start, end : int
        ns; what the time axis spans.
    marks : sequence of Mark
        Vertical lines; those that would touch are merged.
    references : sequence of (float, str)
        Named levels, drawn where they are near the lines.
    has_zero : bool
        The value axis includes zero.
    cap : float
        Higher values are drawn at this one; the legend says so.
    height : int
        Of the plot in pixels.

    Returns
    -------
    Html
    """
    end = max(end, start + 1)
    highest = max((float(line.values[np.isfinite(line.values)].max(initial=-math.inf)) for line in lines), default=0.0)
    cut = [element("span", f"drawn up to {form(cap)}, highest {form(highest)}")] if highest > cap else []
    legend = _legend(lines, form)
    lines = [replace(line, values=np.where(line.values > cap, cap, line.values)) for line in lines] if cut else lines
    finite = [line.values[np.isfinite(line.values)] for line in lines]
    seen = np.concatenate([*finite, np.zeros(1 if has_zero else 0)])
    heading = element("figcaption", element("b", title), *legend, *cut)
    values = np.concatenate([*finite, np.zeros(0)])
    if not values.any():
        said = "Zero all the time." if len(values) else "Nothing to show."
        return element("figure", heading, element("p", said, class_="note"), class_="chart")
    low, high = float(seen.min()), float(seen.max())
    shown = [
        (value, text) for value, text in references if low - 0.6 * (high - low) <= value <= high + 0.6 * (high - low)
    ]
    low, high = min([low, *(value for value, _ in shown)]), max([high, *(value for value, _ in shown)])
    ticks, low, high = value_axis(low, high)
    rise = height / (high - low)

    def y(value: float) -> float:
        return round((high - value) * rise, 1)

    def below(value: float) -> float:
        return y(value) - 3 if y(value) > 14 else y(value) + 12

    grid = [
        element("line", x1="0", x2="100%", y1=str(y(tick)), y2=str(y(tick)), class_="zero" if tick == 0 else "grid")
        for tick in ticks
    ]
    labels = [element("text", form(tick), x="2", y=str(y(tick) - 3), class_="y") for tick in ticks if y(tick) > 10]
    levels = [
        join(
            (
                element("line", x1="0", x2="100%", y1=str(y(value)), y2=str(y(value)), class_="level"),
                element("text", text, x="100%", dx="-2", y=str(below(value)), text_anchor="end", class_="level"),
            )
        )
        for value, text in shown
    ]
    drawn = [
        *grid,
        *_time_axis(start, end, height),
        *levels,
        *_drawn(lines, start, end, low, high, height),
        *labels,
        *_marks(marks, start, end, height),
    ]
    said = f"{title}: from {form(float(seen.min()))} to {form(float(seen.max()))}"
    return element(
        "figure",
        heading,
        element("svg", *drawn, width="100%", height=str(height + 22), role="img", aria_label=said),
        class_="chart",
    )


def colour_of(line: Line, number: int) -> str:
    """Return the class of a line's colour: its own, else that of its number."""
    return line.ink if line.ink is not None else f"c{number % 8}"


def _legend(lines: Sequence[Line], form: Callable[[float], str]) -> list[Html]:
    out = []
    for number, line in enumerate(lines):
        if line.points is not None:
            out.append(element("span", element("i", class_=f"point {line.points}"), line.name))
            continue
        is_known = len(line.values) > 0 and not math.isnan(line.values[-1])
        last = f" {form(float(line.values[-1]))}" if is_known else ""
        name = line.name if len(lines) > 1 else ""
        out.append(
            element("span", element("i", class_=colour_of(line, number)), f"{name}{last}" if name else last.strip())
        )
    return out


def _drawn(lines: Sequence[Line], start: int, end: int, low: float, high: float, height: int) -> list[Html]:
    """Return all lines in a plot of their own, which stretches to the page, and single points on top of it."""
    paths = [
        path
        for number, line in enumerate(lines)
        if line.points is None
        for path in _paths(line, number, start, end, low, high, height)
    ]
    plot = element(
        "svg", *paths, x="0", y="0", width="100%", height=str(height), viewBox=f"0 0 {WIDTH} {height}",
        preserveAspectRatio="none", class_="plot",
    )  # fmt: skip
    single = [line for line in lines if line.points is not None]
    return [plot, *(point for line in single for point in _points(line, start, end, low, high, height))]


def _paths(line: Line, number: int, start: int, end: int, low: float, high: float, height: int) -> list[Html]:
    times, values = downsample(line.times, line.values, start, end)
    if line.is_step and len(times):
        times = np.r_[np.repeat(times, 2)[1:], end]
        values = np.repeat(values, 2)
    x = (times - start) / (end - start) * WIDTH
    y = (high - values) / (high - low) * height
    finite = np.isfinite(y)
    pieces = np.split(np.arange(len(x)), np.flatnonzero(np.diff(finite.astype(np.int8))) + 1) if len(x) else []
    runs = [piece for piece in pieces if len(piece) and finite[piece[0]]]
    colour = colour_of(line, number)
    drawn, area = [], []
    base = min(max(0.0, high / (high - low) * height), float(height))
    for piece in runs:
        points = [f"{a:.1f},{b:.1f}" for a, b in zip(x[piece].tolist(), y[piece].tolist(), strict=True)]
        drawn.append(f"M{'L'.join(points)}" + ("h0.1" if len(points) == 1 else ""))
        if line.is_filled:
            area.append(f"M{x[piece[0]]:.1f},{base:.1f}L{'L'.join(points)}L{x[piece[-1]]:.1f},{base:.1f}Z")
    out = [element("path", d="".join(area), class_=f"area {colour}")] if area else []
    return [*out, element("path", d="".join(drawn), class_=f"line {colour}")] if drawn else out


def _time_axis(start: int, end: int, height: int) -> list[Html]:
    out = []
    ticks = time_ticks(start, end)
    for number, (time, label) in enumerate(ticks):
        at = 100 * (time - start) / (end - start)
        hidden = " odd" if number % 2 and len(ticks) > 5 else ""
        out.append(element("line", x1=f"{at:.2f}%", x2=f"{at:.2f}%", y1="0", y2=str(height), class_="grid"))
        if 3 <= at <= 96:
            out.append(
                element("text", label, x=f"{at:.2f}%", y=str(height + 16), text_anchor="middle", class_=f"x{hidden}")
            )
    return out


def merged(marks: Sequence[Mark], start: int, end: int) -> list[Mark]:
    """Return marks, those of one kind that fall into one part of the axis as one with a count, the gravest last."""
    groups: dict[tuple[int, str], list[Mark]] = {}
    for mark in marks:
        groups.setdefault(((mark.time - start) * MARKS // (end - start), mark.kind), []).append(mark)
    return [
        group[0] if len(group) == 1 else replace(group[0], text=f"{group[0].text} (and {len(group) - 1} more)")
        for _, group in sorted(groups.items(), key=lambda item: KINDS.index(item[0][1]))
    ]


def _marks(marks: Sequence[Mark], start: int, end: int, height: int) -> list[Html]:
    out = []
    # The gravest last, so that nothing hides it.
    for mark in merged(marks, start, end):
        at = f"{100 * (mark.time - start) / (end - start):.2f}%"
        out.append(
            element(
                "g",
                element("title", mark.text),
                element("line", x1=at, x2=at, y1="0", y2=str(height)),
                element("circle", cx=at, cy="4", r="4"),
                class_=f"mark {mark.kind}",
            )
        )
    return out


def _points(line: Line, start: int, end: int, low: float, high: float, height: int) -> list[Html]:
    """Draw single points; the many of a long run lie on each other."""
    return [
        element(
            "circle",
            element("title", text),
            cx=f"{100 * (time - start) / (end - start):.2f}%",
            cy=f"{(high - value) / (high - low) * height:.1f}",
            r="2" if line.points == "funding" else "3.5",
            class_=f"point {line.points}",
        )
        for time, value, text in zip(line.times.tolist(), line.values.tolist(), line.texts, strict=True)
        if math.isfinite(value)
    ]
