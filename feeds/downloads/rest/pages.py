"""From pages of an exchange to hauls: streams on a grid, funding, and rows that the venue numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from feeds.downloads.context import Context
from feeds.downloads.proof import missing_settlements, missing_slots
from feeds.downloads.rest.paging import Ask, Missing, Row, fill
from feeds.downloads.windows import Haul, Wanted, Window
from feeds.normalize import normalize
from feeds.schema import BAR_KINDS, DAY_NS, columns
from feeds.tables import ints, with_scales

if TYPE_CHECKING:
    import pyarrow as pa

    from feeds.findings import Finding

MS = 1_000_000
OHLC = ("open", "high", "low", "close")
BARS = (*OHLC, "volume", "quote_volume", "count")


def empty(wanted: Wanted) -> "pa.Table":
    """Return a canonical table of a stream without rows."""
    names = ("price", "quantity", "rate", "quote")
    return with_scales(columns(wanted.kind, wanted.timeframe_ns).empty_table(), dict.fromkeys(names, 0))


def table_of(
    wanted: Wanted, values: Mapping[str, Any], low: int, high: int, now: int
) -> "tuple[pa.Table, tuple[Finding, ...]]":
    """Return canonical rows with ``low <= ts < high`` of raw columns, and what was repaired in them."""
    if not len(values["ts"]):
        return empty(wanted), ()
    table, findings = normalize(dict(values), wanted.kind, timeframe_ns=wanted.timeframe_ns, now_ns=now)
    stamps = ints(table, "ts")
    first, last = int(np.searchsorted(stamps, low)), int(np.searchsorted(stamps, high))
    return table.slice(first, max(last - first, 0)), tuple(findings)


def transposed(rows: Sequence[tuple[int, Row]], names: Sequence[str]) -> dict[str, Any]:
    """Return rows as columns, those without any value left out (the schema has a default for them)."""
    found: dict[str, Any] = {"ts": [ts for ts, _ in rows]}
    for place, name in enumerate(names):
        cells = [None if row[place] is None else str(row[place]) for _, row in rows]
        if not rows or any(cell is not None for cell in cells):
            found[name] = cells
    if "count" in found:
        found["count"] = [None if cell is None else int(float(cell)) for cell in found["count"]]
    return found


@dataclass
class Paged:
    """A source of rows that are asked for by time; what one request brings beyond a window is kept for the next.

    Attributes
    ----------
    wanted : Wanted
    ask : callable
        See `paging.fill`.
    names : sequence of str
        Canonical columns of the rows that `ask` returns.
    span : int
        ns that one request may cover.
    end : int
        Nothing later will be wanted.
    now : int
    source : dict
        For the ledger.
    constants : mapping
        Canonical columns that are the same in all rows.
    """

    wanted: Wanted
    ask: Ask
    names: Sequence[str]
    span: int
    end: int
    now: int
    source: dict[str, Any]
    constants: Mapping[str, Any] = field(default_factory=dict)
    _rows: list[tuple[int, Row]] = field(default_factory=list)
    _from: int = 0
    _to: int = 0

    def fetch(self, window: Window) -> Haul:
        """Return the rows of a window."""
        step, high = self.wanted.step_ns, window.high
        low = window.low // step * step if step else window.low - DAY_NS
        if step:
            high = high // step * step if window.is_running else high
        if not (self._from <= low and high <= self._to):
            top = max(high, min(low + self.span, self.end // step * step if step else self.end))
            self._rows = fill(self.ask, self._missing(window), low, top, self.span)
            self._from, self._to = low, top
        rows = [each for each in self._rows if low <= each[0] < high]
        values = transposed(rows, self.names)
        if self.wanted.kind in BAR_KINDS:
            values.setdefault("volume", [0] * len(rows))
        for name, value in self.constants.items():
            values[name] = [value] * len(rows)
        if self.wanted.kind == "funding" and len(rows) < 2 and "interval_s" not in values:
            values["interval_s"] = [8 * 3600] * len(rows)  # a lone row does not show its interval: the usual one
        table, findings = table_of(self.wanted, values, window.low // (step or 1) * (step or 1), high, self.now)
        return Haul(table, (self.source,), findings=findings)

    def _missing(self, window: Window) -> Missing:
        """Return the test for missing rows of this kind."""
        if self.wanted.kind == "funding":
            bottom = window.low // (3600 * 1_000_000_000) * 3600 * 1_000_000_000

            def settlements(stamps: Any, low: int, high: int) -> list[tuple[int, int]]:
                # The day before a window only shows the interval of its first row.
                return missing_settlements(stamps, max(low, bottom), high) if high > bottom else []

            return settlements
        return lambda stamps, low, high: missing_slots(stamps, low, high, self.wanted.step_ns)


def rest_source(name: str) -> dict[str, Any]:
    """Return the entry of the ledger for rows of an exchange's REST interface, `name` its host and endpoint."""
    return {"name": name, "vendor": name.partition(" ")[0], "interface": "rest"}


def paged(
    context: Context,
    wanted: Wanted,
    ask: Ask,
    names: Sequence[str],
    span: int,
    name: str,
    constants: Mapping[str, Any] | None = None,
) -> Paged:
    """Return a source of rows asked for by time (`Paged`), named after its host and endpoint."""
    return Paged(wanted, ask, names, span, context.end, context.now, rest_source(name), constants or {})
