"""The bars of one instrument as float columns: those of its data, or put together from something finer."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from feeds.errors import FeedError
from feeds.scales import to_floats
from feeds.schema import DAY_NS, join_kind, scale_of, timeframe_text
from feeds.stream import Stream
from feeds.tables import ints

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

PRICES = ("open", "high", "low", "close")
FIELDS = (*PRICES, "volume", "quote_volume")

_WEEK_NS = 7 * DAY_NS
_MONDAY_NS = 4 * DAY_NS  # 1970-01-05; the epoch was a Thursday


class BarColumns:
    """Bars of one instrument and timeframe; each column is read from its stream once, when it is first asked for.

    A bar from `ts` to its close is *known* when it has closed and every row in it could be known (`ts_avail`), and
    never before an earlier bar is. One that is put together opens at a multiple of the timeframe in UTC (weeks on
    Monday) and has no row when nothing happened in it.

    Parameters
    ----------
    stream : Stream
        Bars of the timeframe or of one that divides it, trades, or mark prices.
    timeframe_ns : int
    contract_size : float
        Base coins (linear) or quote currency (inverse) in one unit of volume.
    is_inverse : bool
    """

    def __init__(self, stream: Stream, timeframe_ns: int, *, contract_size: float, is_inverse: bool) -> None:
        self.stream = stream
        self.timeframe_ns = timeframe_ns
        self._contract_size = contract_size
        self._is_inverse = is_inverse
        self._columns: dict[str, Floats] = {}

    @property
    def closes(self) -> Int64s:
        """Return the times of closing, ns, ascending."""
        return self._times[0]

    def known(self, limit: int) -> int:
        """Return how many bars, counted from the first, are known at `limit` (ns)."""
        return int(self._times[1].searchsorted(limit, side="right"))

    def field(self, name: str) -> Floats:
        """Return a column, a value per bar.

        Parameters
        ----------
        name : str
            ``open | high | low | close`` (quote), ``volume`` (the instrument's unit) or ``quote_volume`` (quote
            currency; where the data have none: volume x close x contract size, of an inverse contract volume x size).

        Raises
        ------
        FeedError
            If it is a volume and the bars come from mark prices, which have none.
        """
        found = self._columns.get(name)
        if found is None:
            found = self._columns[name] = self._read(name)
        return found

    @cached_property
    def _times(self) -> tuple[Int64s, Int64s]:
        """Return when each bar closes, and when it is known."""
        opens, known = self._reduced(("ts_avail",), self._known_rows, np.maximum.reduceat)
        closes = opens + self.timeframe_ns
        # A stream is delivered in its own order: nothing overtakes a row that is late.
        return closes, np.maximum.accumulate(np.maximum(closes, known))

    def _known_rows(self, stamps: Int64s, columns: Sequence[Array]) -> Array:
        """Return when each row of the stream could be known."""
        return np.maximum(columns[0], stamps + self.stream.timeframe_ns)

    def _read(self, name: str) -> Floats:
        """Read one column."""
        if name in PRICES:
            reduce = _REDUCTIONS[name]
            return self._reduced((name if self.stream.timeframe_ns else "price",), self._values, reduce)[1]
        if self.stream.kind == "mark":
            raise FeedError(
                f"{self.stream.symbol}@{self.stream.venue}: field {name!r} of {timeframe_text(self.timeframe_ns)} bars "
                f"is not known: they come from {join_kind('mark', self.stream.timeframe_ns)}, which has no volume; "
                "add bars or trades to the data"
            )
        if name == "volume":
            column = "volume" if self.stream.timeframe_ns else "quantity"
            return self._reduced((column,), self._values, np.add.reduceat)[1]
        columns = ("volume", "close", "quote_volume") if self.stream.timeframe_ns else ("quantity", "price")
        return self._reduced(columns, self._quote_volumes, np.add.reduceat)[1]

    def _values(self, stamps: Int64s, columns: Sequence[Array]) -> Array:
        """Return the only column."""
        return columns[0]

    def _quote_volumes(self, stamps: Int64s, columns: Sequence[Array]) -> Array:
        """Return what each row of the stream is worth in quote currency."""
        volume = columns[0] * self._contract_size
        if self._is_inverse:
            return volume
        estimate = volume * columns[1]
        if len(columns) == 2:
            return estimate
        stored = columns[2]  # an empty cell is read as 0
        return np.where(stored > 0.0, stored, estimate)

    def _reduced(
        self,
        names: tuple[str, ...],
        values: Callable[[Int64s, Sequence[Array]], Array],
        reduce: Callable[[Array, Int64s], Array],
    ) -> tuple[Int64s, Array]:
        """Return the opening time of each bar, and what its rows reduce to, reading batch by batch.

        The rows of a bar are reduced together, however many batches they came in: a sum of floats must not depend on
        how the data are cut into files.
        """
        stream = self.stream
        scales = [scale_of(stream.kind, name, stream.timeframe_ns) for name in names]
        found: list[tuple[Int64s, Array]] = []
        held: list[tuple[Int64s, Array]] = []  # rows of a bar that may go on in the next batch
        for batch in stream.batches(("ts", *names)):
            stamps = ints(batch, "ts")
            columns = [
                ints(batch, name) if scale is None else to_floats(ints(batch, name), stream.scales[scale])
                for name, scale in zip(names, scales, strict=True)
            ]
            opens = self._opening(stamps)
            held.append((opens, values(stamps, columns)))
            if opens[-1] != held[0][0][0]:
                opens, rows = _joined(held)
                last = int(np.searchsorted(opens, opens[-1]))
                found.append(_by_bar(opens[:last], rows[:last], reduce))
                held = [(opens[last:], rows[last:])]
        found.append(_by_bar(*_joined(held), reduce))
        return _joined(found)

    def _opening(self, stamps: Int64s) -> Int64s:
        """Return when the bar of each row opens."""
        if self.stream.timeframe_ns == self.timeframe_ns:
            return stamps
        shift = _MONDAY_NS if self.timeframe_ns % _WEEK_NS == 0 else 0
        return stamps - (stamps - shift) % self.timeframe_ns


def _by_bar(opens: Int64s, rows: Array, reduce: Callable[[Array, Int64s], Array]) -> tuple[Int64s, Array]:
    """Return each opening time once, and what its rows reduce to."""
    starts = np.concatenate([np.zeros(1, np.int64), np.flatnonzero(opens[1:] != opens[:-1]) + 1])
    return opens[starts], reduce(rows, starts)


def _joined(pieces: list[tuple[Int64s, Array]]) -> tuple[Int64s, Array]:
    """Return pieces of two columns as whole columns."""
    if len(pieces) == 1:
        return pieces[0]
    return np.concatenate([piece[0] for piece in pieces]), np.concatenate([piece[1] for piece in pieces])


def _first(values: Array, starts: Int64s) -> Array:
    """Return the first value of each group."""
    first: Array = values[starts]
    return first


def _last(values: Array, starts: Int64s) -> Array:
    """Return the last value of each group."""
    last: Array = values[np.append(starts[1:], values.size) - 1]
    return last


_REDUCTIONS: dict[str, Callable[[Array, Int64s], Array]] = {
    "open": _first,
    "high": np.maximum.reduceat,
    "low": np.minimum.reduceat,
    "close": _last,
}
