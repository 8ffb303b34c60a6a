"""Rules that compare two series of one instrument: bar volume with trades (G4), mark with trade candles (M1)."""

from typing import TYPE_CHECKING

import numpy as np

from feeds.findings import Finding
from feeds.scales import rescale
from feeds.schema import FLAGS
from feeds.tables import ints, scales_of
from feeds.times import iso

if TYPE_CHECKING:
    import pyarrow as pa

_EXAMPLES = 5
_SAME_BARS = 100
_DISTINCT = 10  # closes; a price that stands still is the same in every series


def volumes_differ(trades: "pa.Table", bars: "pa.Table", timeframe_ns: int) -> list[Finding]:
    """G4: bars whose volume is not the sum of the trades inside them.

    Aggregated trades may lie across the edge of two bars: differences of opposite sign in neighbouring bars that
    cancel are that class and not listed. Only bars wholly inside the span of the trades are compared.
    """
    stamps, opens = ints(trades, "ts"), ints(bars, "ts")
    if not stamps.size or not opens.size:
        return []
    inside = (opens >= stamps[0]) & (opens + timeframe_ns <= stamps[-1])
    opens = opens[inside]
    if not opens.size:
        return []
    scale = max(scales_of(trades)["quantity"], scales_of(bars)["quantity"])
    sizes = rescale(ints(trades, "quantity"), scales_of(trades)["quantity"], scale, name="quantity")
    volume = rescale(ints(bars, "volume"), scales_of(bars)["quantity"], scale, name="volume")[inside]
    total = np.concatenate(([0], np.cumsum(sizes)))
    traded = total[np.searchsorted(stamps, opens + timeframe_ns)] - total[np.searchsorted(stamps, opens)]
    difference = traded - volume
    if np.any(ints(trades, "flags") & FLAGS["aggregated"]):
        difference = _without_edges(difference)
    bad = np.flatnonzero(difference)
    if not bad.size:
        return []
    examples = tuple(
        f"{iso(int(opens[i]))}: trades {traded[i] / 10**scale:g}, bar {volume[i] / 10**scale:g}"
        for i in bad[:_EXAMPLES].tolist()
    )
    return [Finding("G4", "flag", int(bad.size), "bar volume is not the sum of its trades", examples)]


def mark_is_trades(mark: "pa.Table", bars: "pa.Table") -> list[Finding]:
    """M1: a mark or index series that equals the trade candles: the wrong endpoint was asked."""
    _, mine, theirs = np.intersect1d(ints(mark, "ts"), ints(bars, "ts"), assume_unique=True, return_indices=True)
    if mine.size < _SAME_BARS:
        return []
    scale = max(scales_of(mark)["price"], scales_of(bars)["price"])
    same = np.ones(mine.size, dtype=bool)
    for name in ("open", "high", "low", "close"):
        first = rescale(ints(mark, name), scales_of(mark)["price"], scale, name=name)[mine]
        same &= first == rescale(ints(bars, name), scales_of(bars)["price"], scale, name=name)[theirs]
    edges = np.flatnonzero(np.diff(np.concatenate(([0], same.astype(np.int8), [0]))))
    for low, high in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if high - low >= _SAME_BARS and np.unique(ints(mark, "close")[mine[low:high]]).size >= _DISTINCT:
            stamp = iso(int(ints(mark, "ts")[mine[low]]))
            message = "bars equal the trade candles exactly: this is not a mark or index series"
            return [Finding("M1", "fatal", high - low, message, (stamp,))]
    return []


def _without_edges(difference: "np.typing.NDArray[np.int64]") -> "np.typing.NDArray[np.int64]":
    """Set to zero the differences of neighbouring bars that cancel each other, from the left."""
    left = difference.copy()
    for place in np.flatnonzero(left[:-1]).tolist():
        moved = left[place]
        # What an aggregate brought over the edge is missing on the other side of it.
        if moved and np.sign(left[place + 1]) == -np.sign(moved):
            taken = min(abs(int(moved)), abs(int(left[place + 1])))
            left[place] -= np.sign(moved) * taken
            left[place + 1] += np.sign(moved) * taken
    return left
