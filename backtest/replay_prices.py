"""Prices and rates that a replay takes from data: funding, marks, and proxies for contracts without a series."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backtest.replay_inputs import Inputs
from venues.instrument import parse_symbol

if TYPE_CHECKING:
    from feeds.dataset import Dataset
    from feeds.stream import Stream

Floats = NDArray[np.float64]
_HOUR = 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class Bars:
    """Prices of one series: bars of `step` ns (0: values at instants), ascending."""

    label: str
    step: int
    ts: NDArray[np.int64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats

    def row(self, ts: int) -> int:
        """Return the row that holds a time, -1 without one; an instant holds for an hour at most."""
        row = int(np.searchsorted(self.ts, ts, side="right")) - 1
        return row if row >= 0 and ts < int(self.ts[row]) + (self.step or _HOUR) else -1


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where the mark of a symbol comes from: series in order of preference, times a ratio."""

    series: tuple[Bars, ...]
    ratio: float
    fills: int
    note: str

    def bar(self, ts: int) -> tuple[float, float, float, float] | None:
        """Return open, high, low, close of the bar that holds a time; None without one."""
        for bars in self.series:
            row = bars.row(ts)
            if row >= 0:
                values = (bars.open[row], bars.high[row], bars.low[row], bars.close[row])
                return tuple(float(value) * self.ratio for value in values)  # type: ignore[return-value]
        return None

    def price(self, ts: int) -> float | None:
        """Return the price at a time inside a bar, linear between its open and close; None without one."""
        found = _between(self.series, ts)
        return None if found is None else found * self.ratio


class Market:
    """The part of a dataset that a replay reads.

    Parameters
    ----------
    data : Dataset or None
        Kinds funding, mark, bars and tiers are read, of any venue; all else is left.
    inputs : Inputs
    basis : float, optional
        Price of every dated contract over that of its perpetual; None = the median over own fills, by contract.
    """

    def __init__(self, data: "Dataset | None", inputs: Inputs, basis: float | None = None) -> None:
        self.rates: dict[str, tuple[list[int], list[int], int]] = {}
        self.series: dict[tuple[str, str], list[Bars]] = {}
        self.tiers = {} if data is None else _tier_rows(data, inputs.venue)
        for stream in () if data is None else data.streams:
            if stream.kind == "funding" and stream.venue == inputs.venue:
                ts, rates, kinds = _columns(stream, ("ts", "rate", "kind"))
                settled = kinds == 0
                self.rates[stream.symbol] = (ts[settled].tolist(), rates[settled].tolist(), stream.scales["rate"])
            elif stream.kind in ("mark", "bars"):
                self.series.setdefault((stream.venue, stream.symbol), []).append(_bars(stream))
        for found in self.series.values():
            found.sort(key=lambda bars: ("mark" not in bars.label, bars.step))
        self.proxies = {symbol: self._proxy(symbol, inputs, basis) for symbol in inputs.specs}

    def rate(self, symbol: str, ts: int) -> tuple[int, int] | None:
        """Return the settled rate at a funding time as mantissa and scale; None without a row."""
        if symbol not in self.rates:
            return None
        stamps, rates, scale = self.rates[symbol]
        row = bisect_left(stamps, ts)
        return (rates[row], scale) if row < len(stamps) and stamps[row] == ts else None

    def open_at(self, symbol: str, venue: str, ts: int) -> float | None:
        """Return the symbol's own price at an instant: the open of a bar that begins there, or a value at it."""
        for bars in self.series.get((venue, symbol), ()):
            row = bars.row(ts)
            if row >= 0 and int(bars.ts[row]) == ts:
                return float(bars.open[row])
        return None

    def times(self, start: int, end: int) -> list[int]:
        """Return the beginnings of all bars between two times, ascending."""
        stamps: set[int] = set()
        for found in self.series.values():
            for bars in found:
                low, high = np.searchsorted(bars.ts, start), np.searchsorted(bars.ts, end)
                stamps.update(bars.ts[low:high].tolist())
        return sorted(stamps)

    def _proxy(self, symbol: str, inputs: Inputs, basis: float | None) -> Proxy | None:
        """Return the symbol's own series and those of perpetuals of the same coin; marks and short bars first."""
        base = parse_symbol(symbol)["base"]
        is_dated = bool(inputs.specs[symbol].expiry)
        found = [
            ("mark" not in bars.label, bars.step, venue != inputs.venue, other != symbol, bars)
            for (venue, other), series in self.series.items()
            for bars in series
            if parse_symbol(other)["base"] == base and (other == symbol or not parse_symbol(other)["date"])
        ]
        rest = tuple(row[-1] for row in sorted(found, key=lambda row: (*row[:4], row[-1].label)))
        own = [row for row in found if not row[2] and not row[3]]
        if not rest:
            return None
        if own and not is_dated:
            return Proxy(rest, 1.0, 0, ", then ".join(dict.fromkeys(bars.label for bars in rest)))
        names = ", then ".join(dict.fromkeys(bars.label for bars in rest))
        if is_dated and basis is not None:
            return Proxy(rest, basis, 0, f"{names} x {basis:.6f} (as given)")
        ratios = []
        for fill in inputs.fills:
            if fill.symbol == symbol and fill.order not in inputs.forced:
                price = _between(rest, fill.ts)
                if price is not None:
                    ratios.append(float(fill.price) / price)
        ratio = median(ratios) if ratios else 1.0
        return Proxy(rest, ratio, len(ratios), f"{names} x {ratio:.6f} (median of {len(ratios)} own fills)")


def _between(series: tuple[Bars, ...], ts: int) -> float | None:
    """Return the price at a time inside a bar, linear between its open and close."""
    for bars in series:
        row = bars.row(ts)
        if row >= 0:
            share = (ts - int(bars.ts[row])) / bars.step if bars.step else 0.0
            return float(bars.open[row] + (bars.close[row] - bars.open[row]) * share)
    return None


def _columns(stream: "Stream", names: tuple[str, ...]) -> list[NDArray[np.int64]]:
    """Return columns of a stream, concatenated."""
    parts: list[list[NDArray[np.int64]]] = [[] for _ in names]
    for batch in stream.batches(names):
        for part, column in zip(parts, batch.columns, strict=True):
            part.append(column.to_numpy(zero_copy_only=False))
    return [np.concatenate(part) if part else np.zeros(0, np.int64) for part in parts]


def _bars(stream: "Stream") -> Bars:
    """Return a stream of marks or bars as prices."""
    names = ("ts", "open", "high", "low", "close") if stream.timeframe_ns else ("ts", "price")
    ts, *mantissas = _columns(stream, names)
    prices = [values / 10.0 ** stream.scales["price"] for values in mantissas]
    opened, high, low, close = prices if len(prices) == 4 else prices * 4
    return Bars(stream.label, stream.timeframe_ns, ts, opened, high, low, close)


def _tier_rows(data: "Dataset", venue: str) -> dict[str, list[tuple[int, list[dict[str, object]]]]]:
    """Return the tier tables of a venue: symbol -> dated rows."""
    tables: dict[str, dict[int, list[dict[str, object]]]] = {}
    for row in data.tiers:
        if row.get("venue") == venue:
            tables.setdefault(row["symbol"], {}).setdefault(int(row["valid_from"]), []).append(row)
    return {symbol: sorted(dated.items()) for symbol, dated in tables.items()}


def held_at(stamps: list[int], ts: int) -> int:
    """Return the row of the last stamp at or before a time, -1 without one."""
    return bisect_right(stamps, ts) - 1
