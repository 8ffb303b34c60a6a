"""Column charts as inline SVG: one column for each bin or case, and named levels among them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backtest.report_axes import value_axis
from backtest.report_html import Html, element

HEIGHT = 120
FLAT = 0.005  # values that differ by less than this share of them have no distribution to speak of


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what stands below it, its value, what is said of it, and whether it is drawn as a warning."""

    label: str
    value: float
    text: str
    is_bad: bool = False


def columns(
    title: str,
    found: Sequence[Column],
    *,
    form: Callable[[float], str],
    said: Sequence[str] = (),
    every: int = 1,
    height: int = HEIGHT,
) -> Html:
    """Return a column chart with its title.

    Parameters
    ----------
    title : str
    found : sequence of Column
        From left to right, of one width.
    form : callable
        Value to text with its unit, for the axis.
    said : sequence of str
        Beside the title.
    every : int
        Only every so many labels are drawn.
    height : int
        Of the plot in pixels.
    """
    heading = element("figcaption", element("b", title), *(element("span", text) for text in said))
    values = [column.value for column in found if np.isfinite(column.value)]
    if not any(values):
        return element("figure", heading, element("p", "Nothing to show.", class_="note"), class_="chart")
    ticks, low, high = value_axis(min(0.0, *values), max(0.0, *values))
    rise = height / (high - low)

    def y(value: float) -> float:
        return round((high - value) * rise, 1)

    width = 100.0 / len(found)
    drawn = [
        element("line", x1="0", x2="100%", y1=str(y(tick)), y2=str(y(tick)), class_="zero" if tick == 0 else "grid")
        for tick in ticks
    ]
    for number, column in enumerate(found):
        if np.isfinite(column.value) and column.value:
            top, bottom = sorted((y(column.value), y(0.0)))
            drawn.append(
                element(
                    "rect",
                    element("title", column.text),
                    x=f"{(number + 0.1) * width:.3f}%", width=f"{0.8 * width:.3f}%", y=str(top),
                    height=str(max(1.0, round(bottom - top, 1))), class_="bad" if column.is_bad else "column",
                )
            )  # fmt: skip
        if number % every == 0:
            drawn.append(
                element("text", column.label, x=f"{(number + 0.5) * width:.3f}%", y=str(height + 16),
                        text_anchor="middle", class_="x odd" if number // every % 2 and len(found) > 8 * every else "x")
            )  # fmt: skip
    drawn += [element("text", form(tick), x="2", y=str(y(tick) - 3), class_="y") for tick in ticks if y(tick) > 10]
    text = f"{title}: {len(found)} columns from {form(min(values))} to {form(max(values))}"
    svg = element("svg", *drawn, width="100%", height=str(height + 22), role="img", aria_label=text)
    return element("figure", heading, svg, class_="chart")


def histogram(
    title: str,
    values: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
    *,
    form: Callable[[float], str],
    said: Sequence[str] = (),
    bins: int = 30,
    bad_below: float = -np.inf,
    bad_above: float = np.inf,
) -> Html:
    """Return how values are distributed: the share of them, or of their weights, in each of some bins of one width.

    Parameters
    ----------
    values : ndarray of float64
        Those that are not finite are left out.
    weights : ndarray of float64, optional
    form : callable
        Value to text with its unit, for the labels.
    bad_below, bad_above : float
        Bins whose middle lies beyond are drawn as warnings.
    """
    finite = np.isfinite(values)
    kept, weight = values[finite], np.ones(len(values))[finite] if weights is None else weights[finite]
    if len(kept) == 0 or weight.sum() <= 0:
        return columns(title, [], form=form, said=said)
    if kept.max() - kept.min() <= FLAT * np.abs(kept).max():
        return element(
            "figure",
            element("figcaption", element("b", title)),
            element("p", f"All the time {form(float(np.median(kept)))}.", class_="note"),
            class_="chart",
        )
    counts, edges = np.histogram(kept, bins=bins, weights=weight)
    shares = counts / counts.sum()
    middles = (edges[1:] + edges[:-1]) / 2
    found = [
        Column(
            form(float(middle)), float(share), f"{form(float(low))} to {form(float(high))}: {share:.1%}",
            bool(middle < bad_below or middle > bad_above),
        )
        for middle, low, high, share in zip(middles, edges, edges[1:], shares, strict=False)
    ]  # fmt: skip
    return columns(title, found, form=lambda share: f"{share:.0%}", said=said, every=max(1, bins // 6))
