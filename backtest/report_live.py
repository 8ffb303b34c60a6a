"""Charts that answer to a pointer: the data of each beside its picture, plotly packed into the page.

A page is whole without a script: its pictures are drawn, and are what is printed. Where the reader's browser runs the
page's two scripts (no others: their hashes are in its policy), plotly takes the pictures' places, with zoom over all
charts at once.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from backtest.report_axes import downsample
from backtest.report_charts import Line, chart, colour_of, merged
from backtest.report_html import Html, element

BUCKETS = 1_000  # a line has at most four points in each, the extremes among them
MILLISECOND = 1_000_000
Draw = Callable[..., Html]


def still(title: str, lines: Sequence[Line], *, hover: str = "", **options: Any) -> Html:
    """Return a chart as it is drawn; what a pointer would show is left out."""
    return chart(title, lines, **options)


def live(title: str, lines: Sequence[Line], *, hover: str = "%{y:,.6~g}", **options: Any) -> Html:
    """Return a chart as it is drawn, with its data for the script.

    Parameters
    ----------
    title, lines, options
        As in `report_charts.chart`.
    hover : str
        Plotly's template of a value with its unit.
    """
    drawn = chart(title, lines, **options)
    if "<svg" not in drawn:
        return drawn
    start, end = options["start"], max(options["end"], options["start"] + 1)
    data = {
        "title": title,
        "start": start // MILLISECOND,
        "end": -(-end // MILLISECOND),
        "height": options.get("height", 190),
        "hover": hover,
        "zero": options.get("has_zero", False),
        "lines": [
            _line(line, start, end, options.get("cap", float("inf"))) | {"ink": f"--{colour_of(line, number)}"}
            for number, line in enumerate(lines)
        ],
        "levels": [[value, text] for value, text in options.get("references", ())],
        "marks": [
            [mark.time // MILLISECOND, mark.kind, mark.text] for mark in merged(options.get("marks", ()), start, end)
        ],
    }
    return Html(drawn.replace("<figure ", f'<figure data-live="{packed(json.dumps(data).encode())}" ', 1))


def _line(line: Line, start: int, end: int, cap: float) -> dict[str, Any]:
    """Return the points of a line: ms since the start, values of seven digits, nothing where there is no value."""
    times, values = (line.times, line.values)
    if line.points is None:
        times, values = downsample(times, values, start, end, BUCKETS)
    shown = [float(f"{value:.7g}") if ok else None for value, ok in zip(np.minimum(values, cap).tolist(),
             np.isfinite(values).tolist(), strict=True)]  # fmt: skip
    made: dict[str, Any] = {"name": line.name, "x": ((times - start) // MILLISECOND).tolist(), "y": shown}
    if line.is_filled:
        made["fill"] = 1
    if line.is_step:
        made["step"] = 1
    if line.points is not None:
        made["points"] = line.points
        made["text"] = list(line.texts)
    return made


def packed(data: bytes) -> str:
    """Return bytes as the script unpacks them: gzip without a time stamp, as text."""
    return base64.b64encode(gzip.compress(data, 6, mtime=0)).decode()


@cache
def library() -> tuple[str, str]:
    """Return plotly's script, packed, and the hash of what is run.

    It is that of the installed plotly package, whose licence (MIT) stands at its beginning.
    """
    spec = find_spec("plotly")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the charts of a report need plotly; interactive=False leaves them as they are drawn")
    text = (Path(spec.origin).parent / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    return packed(text.encode()), hashed(text)


def hashed(text: str) -> str:
    """Return what a policy calls a script by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def scripts(*, interactive: bool) -> tuple[Html, str]:
    """Return the elements at the end of the page, and what its policy allows to run."""
    own = (files("backtest") / "templates" / "report.js").read_text(encoding="utf-8")
    script = Html(f"<script>{own}</script>")
    if not interactive:
        return script, hashed(own)
    text, sum_ = library()
    data = element("script", Html(text), type="text/plain", id="library")
    return Html(data + script), f"{hashed(own)} {sum_}"
