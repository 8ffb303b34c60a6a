"""Figures of the lab as PNG, for mail and papers."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.lab.figures import Figure, Shaded
from backtest.result_picture import LINES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 9.0, 3.6  # inches of one figure
BAD = "#c0262d"


def picture(figures: Sequence[Figure | Shaded], path: Path) -> Path:
    """Write figures below each other into one PNG file, and return its path."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(WIDTH, HEIGHT * len(figures)), dpi=144, layout="constrained")
    FigureCanvasAgg(canvas)
    axes: Any = canvas.subplots(len(figures), 1, squeeze=False)
    for axis, figure in zip(axes[:, 0], figures, strict=True):
        axis.set_title(figure.title, loc="left", fontsize=10, fontweight="bold")
        axis.tick_params(labelsize=8)
        if isinstance(figure, Shaded):
            _shaded(axis, figure)
        else:
            _curves(axis, figure)
    canvas.savefig(path, metadata={"Software": None})  # the same answer gives the same bytes
    return path


def _curves(axis: "Axes", figure: Figure) -> None:
    for number, curve in enumerate(figure.curves):
        ink = LINES[number % len(LINES)]
        if not curve.is_dots:
            axis.plot(curve.x, curve.y, color=ink, linewidth=1.4, label=curve.name)
            continue
        axis.plot(curve.x, curve.y, "o", color=ink, markersize=5, label=curve.name)
        for x, y, text in zip(curve.x, curve.y, curve.labels or [""] * len(curve.x), strict=True):
            if np.isfinite(x) and np.isfinite(y):
                axis.annotate(text, (x, y), xytext=(6, -3), textcoords="offset points", fontsize=7)
    for value, text in figure.lines:
        axis.axvline(value, color=BAD, linewidth=0.9, linestyle="--")
        axis.annotate(
            text, (value, 1.0), xycoords=("data", "axes fraction"), xytext=(3, -9), textcoords="offset points",
            fontsize=7, color=BAD,
        )  # fmt: skip
    axis.set_xlabel(figure.x_name, fontsize=8)
    axis.set_ylabel(figure.y_name, fontsize=8)
    axis.xaxis.set_major_formatter(lambda value, _: figure.x_form(value))
    axis.yaxis.set_major_formatter(lambda value, _: figure.y_form(value))
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    if len(figure.curves) > 1:
        axis.legend(fontsize=7, frameon=False)


def _shaded(axis: "Axes", figure: Shaded) -> None:
    values = np.asarray(figure.values)
    places = np.arange(len(figure.names))
    axis.imshow(values, cmap="Reds", aspect="auto", alpha=0.7)
    axis.set_xticks(places, figure.names)
    axis.set_yticks(places, figure.names)
    for row, column in np.ndindex(*values.shape):
        axis.text(column, row, figure.form(float(values[row, column])), ha="center", va="center", fontsize=7)
    axis.set_xlabel(figure.note, fontsize=7, wrap=True)
