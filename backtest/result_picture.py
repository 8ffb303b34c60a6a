"""A still picture of a result as PNG, for mail, papers and pages that show no HTML."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest import statistics
from backtest.errors import ConfigError
from backtest.report_axes import cap_of, downsample
from backtest.report_charts import Line, Mark
from backtest.report_series import marks, pools
from backtest.result_text import against_equity, money, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from backtest.result import Result

BUCKETS = 1_000
INKS = {"liquidation": "#c0262d", "adl": "#a21caf", "call": "#b45309", "flow": "#64748b"}
WORDS = {"liquidation": "liquidation", "adl": "deleveraged", "call": "margin call", "flow": "deposit or withdrawal"}
LINES = ("#2456c9", "#d97706", "#0f8a5f", "#a21caf", "#0e7490", "#b91c1c", "#64748b", "#854d0e")


def picture(result: "Result", path: str | Path, *, width: float = 9.0, dpi: int = 144) -> Path:
    """Write equity, drawdown, leverage and distance to liquidation as one PNG file, and return its path.

    Parameters
    ----------
    result : Result
    path : path
        Ends in ``.png``; its folder is made when missing.
    width : float
        Inches.
    dpi : int

    Raises
    ------
    ConfigError
        For a path of another kind.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    target = Path(path)
    if target.suffix.lower() != ".png":
        raise ConfigError(f"picture({str(path)!r}): the file must end in .png")
    target.parent.mkdir(parents=True, exist_ok=True)
    meta, run = result.meta, result.curve
    start, end = meta["start_ns"], max(meta["end_ns"], meta["start_ns"] + 1)
    happened = marks(result.store, run)
    found = pools(result.store, start, end)
    figure = Figure(figsize=(width, 0.85 * width), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(4, 1, sharex=True, gridspec_kw={"height_ratios": (5, 2, 2, 3)})
    summary = result.summary
    figure.suptitle(
        f"{', '.join(meta['strategies']) or 'Run'}: {percent(summary['return'])}, largest drawdown "
        f"{percent(summary['max_drawdown'])}, {summary['liquidations']} liquidations",
        fontsize=11, x=0.01, ha="left", fontweight="bold",
    )  # fmt: skip
    _draw(axes[0], [Line("equity", run.times, run.equity)], start, end, f"equity, {meta['reporting']}", money)
    fall = Line("drawdown", run.times, statistics.drawdowns(run.worth), is_filled=True)
    _draw(axes[1], [fall], start, end, "drawdown", lambda value: percent(value, 0))
    held = [Line(pool.name, pool.times, pool.leverage) for pool in found]
    cap = cap_of([line.values for line in held]) if held else math.inf
    _draw(axes[2], held, start, end, "leverage", against_equity, cap=cap)
    near = [Line(pool.name, pool.times, pool.distance) for pool in found]
    _draw(axes[3], near, start, end, "distance to\nliquidation", lambda value: percent(value, 0))
    if len(found) > 1:
        axes[3].legend(fontsize=7, frameon=False, ncols=min(3, len(found)))
    _mark(axes, happened)
    figure.savefig(target, metadata={"Software": None})  # the same result gives the same bytes
    return target


def _draw(
    axis: "Axes", lines: list[Line], start: int, end: int, title: str, form: Any, *, cap: float = math.inf
) -> None:
    """Draw lines with the extremes kept, and their axis."""
    for number, line in enumerate(lines):
        times, values = downsample(line.times, line.values, start, end, BUCKETS)
        shown = np.where(np.isfinite(values), np.minimum(values, cap), np.nan)
        stamps: Any = times.astype("datetime64[ns]")
        axis.plot(stamps, shown, color=LINES[number % len(LINES)], linewidth=1.0, label=line.name)
        if line.is_filled:
            axis.fill_between(stamps, shown, color=LINES[number % len(LINES)], alpha=0.16, linewidth=0)
    axis.set_ylabel(title, fontsize=8)
    axis.yaxis.set_major_formatter(lambda value, _: form(value))
    axis.tick_params(labelsize=8)
    axis.grid(color="#e9ecf0", linewidth=0.8)
    axis.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.set_xlim(*np.array([start, end]).astype("datetime64[ns]"))


def _mark(axes: Any, happened: list[Mark]) -> None:
    """Draw what happened through all axes, and say once what each colour means."""
    named: set[str] = set()
    for mark in happened[:500]:
        when = np.datetime64(mark.time, "ns")
        for axis in axes:
            label = WORDS[mark.kind] if axis is axes[0] and mark.kind not in named else None
            axis.axvline(when, color=INKS[mark.kind], linewidth=0.8, alpha=0.6, label=label)
        named.add(mark.kind)
    if named:
        handles, labels = axes[0].get_legend_handles_labels()
        axes[0].legend(handles[1:], labels[1:], fontsize=8, frameon=False)
