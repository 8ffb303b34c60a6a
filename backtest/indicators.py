"""Indicators of a bar series, each brought up to date by every completed bar."""

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any, Generic, TypeVar, overload

import numpy as np
import numpy.typing as npt

from backtest.growing import GrowingColumns
from feeds.errors import FeedError, LevdynError

Floats = npt.NDArray[np.float64]
Moments = tuple[int, float, float]
T = TypeVar("T")

YEAR_NS = 365 * 86_400_000_000_000  # the market never closes, so a year has 365 days of returns
FIELDS = ("open", "high", "low", "close", "volume")


class NotReadyError(LevdynError, IndexError):
    """A bar or an indicator value that does not exist (yet)."""


class Indicator(ABC):
    """Values of an indicator, indexed from the end: ``x[-1]`` belongs to the last completed bar, ``float(x)`` is it.

    Nothing exists before the window is full: reading it then is an error, never NaN. The values are kept as long as
    the bars of the series; `values` gives them as an array.
    """

    def __init__(self, label: str, keep: int) -> None:
        self.label = label
        self._values = GrowingColumns((np.float64,), keep)

    @property
    def ready(self) -> bool:
        """Whether ``x[-1]`` exists."""
        return self._values.end > 0

    @property
    def values(self) -> Floats:
        """Return the values kept, oldest first, read-only; the last one belongs to the last bar."""
        return self._values.view(0)

    def append(self, open: float, high: float, low: float, close: float, volume: float) -> None:
        """Take the next completed bar (the series calls this)."""
        value = self._next(open, high, low, close, volume)
        if value is not None:
            rows = self._values
            end = rows.end if rows.end < rows.room else rows.make_room()
            rows.cells[0][end] = value
            rows.end = end + 1

    @abstractmethod
    def _next(self, open: float, high: float, low: float, close: float, volume: float, /) -> float | None:
        """Return the value at this bar, None while the window is not full."""

    def __len__(self) -> int:
        """Return the number of values that can be read."""
        return len(self._values)

    @overload
    def __getitem__(self, key: int) -> float: ...
    @overload
    def __getitem__(self, key: slice) -> Floats: ...
    def __getitem__(self, key: int | slice) -> float | Floats:
        """Return the value so many bars back: -1 is the last; a slice gives an array.

        Raises
        ------
        NotReadyError
            If there is no such value (yet), or the index counts from the front, which moves as old values are dropped.
        """
        if isinstance(key, slice):
            return self.values[key]
        back = from_the_end(key, len(self._values), self.label, "value")
        return float(self._values.cells[0][self._values.end + back])

    def __iter__(self) -> Iterator[float]:
        """Iterate over the values kept, oldest first."""
        return iter(self.values.tolist())

    def __float__(self) -> float:
        """Return the last value."""
        return self[-1]

    def __repr__(self) -> str:
        """Return the name and the last value."""
        return f"{self.label} = {self[-1]!r}" if self.ready else f"{self.label}, not ready"


def from_the_end(key: int, size: int, label: str, what: str) -> int:
    """Return a checked index from the end, -size to -1."""
    back = operator.index(key)
    if back >= 0:
        raise NotReadyError(
            f"{label}[{back}]: count from the end, [-1] is the last completed bar; there is no fixed first {what}, "
            "because old ones are dropped"
        )
    if back < -size:
        have = "none yet" if not size else f"{size} kept so far"
        raise NotReadyError(f"{label}[{back}]: no such {what} ({have}); ask .ready, or len(), first")
    return back


class _Window(Generic[T]):
    """Folds the last n values with an associative, commutative operation that need not have an inverse.

    Time is cut into blocks of n values. The window is the tail of the block before (its folds from every place to the
    end are made once, when the block is full) and the head of the present one: one fold a value, amortised. Nothing
    is ever subtracted, so no rounding error builds up and a huge value leaves no trace once it has left the window.
    """

    __slots__ = ("_block", "_fold", "_head", "_n", "_tails")

    def __init__(self, n: int, fold: Callable[[T, T], T]) -> None:
        self._n = n
        self._fold = fold
        self._block: list[T] = []
        self._tails: list[T] = []
        self._head: Any = None

    def push(self, value: T) -> T | None:
        """Add a value and return the fold of the last n, None while there are fewer."""
        block = self._block
        head: T = self._fold(self._head, value) if block else value
        block.append(value)
        if len(block) == self._n:
            self._tails = list(accumulate(reversed(block), self._fold))
            self._block = []
            return head
        self._head = head
        if self._tails:
            return self._fold(self._tails[self._n - len(block) - 1], head)
        return None


def _merged(a: Moments, b: Moments) -> Moments:
    """Return (count, mean, sum of squared deviations) of two sets together.

    mean = mean_a + d n_b / n and M = M_a + M_b + d^2 n_a n_b / n with d = mean_b - mean_a: Chan, Golub, LeVeque,
    "Updating formulae and a pairwise algorithm for computing sample variances", 1979. No term is negative, so nothing
    cancels.
    """
    n_a, mean_a, squares_a = a
    n_b, mean_b, squares_b = b
    n = n_a + n_b
    d = mean_b - mean_a
    return n, mean_a + d * n_b / n, squares_a + squares_b + d * d * n_a * n_b / n


class Sma(Indicator):
    """Mean of the last n closes."""

    def __init__(self, n: int, label: str, keep: int) -> None:
        super().__init__(label, keep)
        self._n = n
        self._sum = _Window[float](n, operator.add)

    def _next(self, open: float, high: float, low: float, close: float, volume: float, /) -> float | None:
        total = self._sum.push(close)
        return None if total is None else total / self._n


class Ema(Indicator):
    """Exponential mean of the closes: e += 2 / (n + 1) x (close - e), begun with the mean of the first n closes.

    The first value is that mean, at bar n. (``pandas.ewm(span=n, adjust=False)`` begins with the first close instead;
    the difference shrinks by 1 - 2 / (n + 1) a bar.)
    """

    def __init__(self, n: int, label: str, keep: int) -> None:
        super().__init__(label, keep)
        self._n = n
        self._alpha = 2.0 / (n + 1)
        self._seen = 0
        self._mean = 0.0

    def _next(self, open: float, high: float, low: float, close: float, volume: float, /) -> float | None:
        if self._seen < self._n:
            self._seen += 1
            self._mean += (close - self._mean) / self._seen
            return self._mean if self._seen == self._n else None
        self._mean += self._alpha * (close - self._mean)
        return self._mean


class Atr(Indicator):
    """Average true range of Wilder ("New Concepts in Technical Trading Systems", 1978, "Volatility system").

    True range = max(high, close before) - min(low, close before); of the first bar high - low. The first value is the
    mean of the first n, at bar n; then a += (true range - a) / n.
    """

    def __init__(self, n: int, label: str, keep: int) -> None:
        super().__init__(label, keep)
        self._n = n
        self._seen = 0
        self._before = 0.0
        self._mean = 0.0

    def _next(self, open: float, high: float, low: float, close: float, volume: float, /) -> float | None:
        reach = max(high, self._before) - min(low, self._before) if self._seen else high - low
        self._before = close
        if self._seen < self._n:
            self._seen += 1
        self._mean += (reach - self._mean) / self._seen
        return self._mean if self._seen == self._n else None


class Highest(Indicator):
    """Highest high of the last n bars, the last one included: ``[-2]`` is the highest before it."""

    def __init__(self, n: int, label: str, keep: int) -> None:
        super().__init__(label, keep)
        self._max = _Window[float](n, max)

    def _next(self, open: float, high: float, low: float, close: float, volume: float, /) -> float | None:
        return self._max.push(high)


class Lowest(Indicator):
    """Lowest low of the last n bars, the last one included: ``[-2]`` is the lowest before it."""

    def __init__(self, n: int, label: str, keep: int) -> None:
        super().__init__(label, keep)
        self._min = _Window[float](n, min)

    def _next(self, open: float, high: float, low: float, close: float, volume: float, /) -> float | None:
        return self._min.push(low)


class Volatility(Indicator):
    """Annual volatility: sample standard deviation of the last n log returns of closes x sqrt(bars in 365 days).

    The first value is at bar n + 1. A return over a gap counts as one return.
    """

    def __init__(self, n: int, label: str, keep: int, timeframe_ns: int) -> None:
        super().__init__(label, keep)
        self._n = n
        self._annual = YEAR_NS / timeframe_ns
        self._before = math.nan
        self._moments = _Window[Moments](n, _merged)

    def _next(self, open: float, high: float, low: float, close: float, volume: float, /) -> float | None:
        logarithm = math.log(close) if close > 0.0 else math.nan
        change = logarithm - self._before
        self._before = logarithm
        if math.isnan(logarithm):
            raise FeedError(f"{self.label}: a log return needs prices above 0, this bar closes at {close!r}")
        if math.isnan(change):
            return None
        found = self._moments.push((1, change, 0.0))
        return None if found is None else math.sqrt(found[2] / (self._n - 1) * self._annual)


class Zscore(Indicator):
    """(close - mean) / sample standard deviation, both of the last n closes; 0 when all of them are equal."""

    def __init__(self, n: int, label: str, keep: int) -> None:
        super().__init__(label, keep)
        self._moments = _Window[Moments](n, _merged)

    def _next(self, open: float, high: float, low: float, close: float, volume: float, /) -> float | None:
        found = self._moments.push((1, close, 0.0))
        if found is None:
            return None
        n, mean, squares = found
        return (close - mean) / math.sqrt(squares / (n - 1)) if squares > 0.0 else 0.0


class Applied(Indicator):
    """What a user's function makes of the last n values of one field; it costs what that function costs a bar."""

    def __init__(self, function: Callable[[Floats], float], n: int, label: str, keep: int, field: str) -> None:
        super().__init__(label, keep)
        self._function = function
        self._n = n
        self._place = FIELDS.index(field)
        self._last = GrowingColumns((np.float64,), n)

    def _next(self, *bar: float) -> float | None:
        last = self._last
        end = last.end if last.end < last.room else last.make_room()
        last.cells[0][end] = bar[self._place]
        last.end = end + 1
        return float(self._function(last.view(0))) if len(last) == self._n else None
