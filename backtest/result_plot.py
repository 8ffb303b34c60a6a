"""An interactive figure of a result: equity, drawdown, leverage and distance to liquidation on one axis of time."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backtest import statistics
from backtest.report_axes import cap_of, downsample
from backtest.report_series import marks, pools

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from backtest.result import Result

BUCKETS = 2_000  # a line has at most four points in each, the extremes among them
COLOURS = {"liquidation": "#c0262d", "adl": "#a21caf", "call": "#d97706", "flow": "#64748b"}


def figure(result: "Result") -> "Figure":
    """Return a plotly figure of a result; what has no samples is left out."""
    from plotly.subplots import make_subplots

    meta, run = result.meta, result.curve
    start, end = meta["start_ns"], max(meta["end_ns"], meta["start_ns"] + 1)
    drawdown = statistics.drawdowns(run.worth)
    found = pools(result.store, start, end)
    rows = [f"equity, {meta['reporting']}", "drawdown", "leverage", "distance to liquidation"]
    made = make_subplots(rows=len(rows), cols=1, shared_xaxes=True, vertical_spacing=0.03, row_heights=[5, 2, 2, 3])

    def add(row: int, name: str, times: NDArray[np.int64], values: NDArray[np.float64], form: str, **look: Any) -> None:
        finite = np.where(np.isfinite(values), values, np.nan)
        x, y = downsample(times, finite, start, end, BUCKETS)
        made.add_scatter(
            x=x.astype("datetime64[ns]").astype("datetime64[us]").tolist(), y=y.tolist(), name=name, mode="lines",
            hovertemplate=f"%{{y:{form}}}<extra>{name}</extra>", row=row, col=1, **look,
        )  # fmt: skip

    add(1, "equity", run.times, run.equity, ",.2f", line={"width": 1.5})
    add(2, "drawdown", run.times, drawdown, ".2%", fill="tozeroy", line={"width": 1})
    for pool in found:
        add(3, pool.name, pool.times, pool.leverage, ".3f", line={"width": 1}, showlegend=False)
        add(4, pool.name, pool.times, pool.distance, ".2%", line={"width": 1})
    for mark in marks(result.store, run):
        when = np.datetime64(mark.time, "ns").astype("datetime64[us]").item()
        made.add_vline(x=when, line={"color": COLOURS[mark.kind], "width": 1, "dash": "dot"})
        made.add_annotation(
            x=when, y=1.0, xref="x", yref="paper", text="●", hovertext=mark.text, showarrow=False,
            font={"color": COLOURS[mark.kind], "size": 10},
        )  # fmt: skip
    cap = cap_of([pool.leverage for pool in found])
    if math.isfinite(cap):
        made.update_yaxes(range=[0.0, cap], row=3, col=1)  # that of an account being wiped out has no bound
    for number, title in enumerate(rows, start=1):
        made.update_yaxes(title_text=title, row=number, col=1, tickformat=".0%" if number in (2, 4) else None)
    made.update_layout(
        height=760, hovermode="x unified", template="plotly_white", margin={"l": 70, "r": 20, "t": 30, "b": 30},
        legend={"orientation": "h", "y": 1.04},
    )  # fmt: skip
    return made
