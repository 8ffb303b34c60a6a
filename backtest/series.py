"""The completed bars of one instrument, as a strategy sees them."""

from collections.abc import Callable, Hashable, Iterator
from typing import Any, NamedTuple, TypeVar, overload

import numpy as np
import numpy.typing as npt

from backtest.errors import ConfigError, InvariantError
from backtest.growing import GrowingColumns
from backtest.indicators import (
    FIELDS,
    Applied,
    Atr,
    Ema,
    Floats,
    Highest,
    Indicator,
    Lowest,
    NotReadyError,
    Sma,
    Volatility,
    Zscore,
    from_the_end,
)
from feeds.schema import timeframe_text
from feeds.times import iso

__all__ = ["Bar", "BarSeries", "Indicator", "NotReadyError"]

DEFAULT_KEEP = 4096
_DTYPES = (np.int64, np.int64, *(np.float64 for _ in FIELDS))
_Found = TypeVar("_Found", bound=Indicator)


class Bar(NamedTuple):
    """A completed bar: ``ts_open <= t < ts_close`` (ns UTC), prices in quote, volume in the instrument's unit."""

    ts_open: int
    ts_close: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class BarSeries:
    """Completed bars of one instrument, indexed from the end, with indicators that follow them.

    ``series[-1]`` is the last completed bar and ``series.close[-1]`` its close; only the last `keep` bars stay in
    memory, and views of older ones stay what they were. An indicator asked for twice is the same object; one made when
    bars exist is filled from the bars kept.

    Parameters
    ----------
    symbol, venue : str
        Unified name and venue id.
    timeframe_ns : int
        Length of a bar.
    keep : int
        Bars that stay readable, at least 1; raised to the largest window among the indicators.

    Raises
    ------
    ConfigError
        If `timeframe_ns` or `keep` is below 1.
    """

    def __init__(self, symbol: str, venue: str, timeframe_ns: int, *, keep: int = DEFAULT_KEEP) -> None:
        self.symbol = symbol
        self.venue = venue
        self.timeframe_ns = _whole("timeframe_ns", timeframe_ns, 1)
        self._label = f"{symbol}@{venue} {timeframe_text(timeframe_ns)}"
        self._rows = GrowingColumns(_DTYPES, _whole("keep", keep, 1))
        self._indicators: dict[Hashable, Indicator] = {}
        self._appends: list[Callable[[float, float, float, float, float], None]] = []
        self._last_close: int | None = None
        self._gaps = 0
        self._is_ready = True

    def append(
        self, ts_open: int, ts_close: int, open: float, high: float, low: float, close: float, volume: float
    ) -> None:
        """Take the next completed bar and bring every indicator up to date (the engine calls this before the hooks).

        Raises
        ------
        InvariantError
            If the bar has not the length of the timeframe, or begins before the last one has ended. Nothing changes.
        """
        if ts_close - ts_open != self.timeframe_ns:
            raise InvariantError(
                f"{self._label}: the bar from {iso(ts_open)} to {iso(ts_close)} has not the length of the timeframe"
            )
        if self._last_close is not None and ts_open != self._last_close:
            if ts_open < self._last_close:
                raise InvariantError(
                    f"{self._label}: a bar that opens at {iso(ts_open)} came after one that closed at "
                    f"{iso(self._last_close)}; bars must come in order of time"
                )
            self._gaps += -(-(ts_open - self._last_close) // self.timeframe_ns)
        self._last_close = ts_close
        rows = self._rows
        end = rows.end if rows.end < rows.room else rows.make_room()
        opens_at, closes_at, opens, highs, lows, closes, volumes = rows.cells
        opens_at[end] = ts_open
        closes_at[end] = ts_close
        opens[end] = open
        highs[end] = high
        lows[end] = low
        closes[end] = close
        volumes[end] = volume
        rows.end = end + 1
        for take in self._appends:
            take(open, high, low, close, volume)

    # -- the bars

    @property
    def timeframe(self) -> str:
        """Return the length of a bar as text, such as ``1h``."""
        return timeframe_text(self.timeframe_ns)

    @property
    def gaps(self) -> int:
        """Return how many bars were missing between those that came."""
        return self._gaps

    @property
    def ready(self) -> bool:
        """Whether every indicator has a value at the last bar and at the one before (``x[-1]`` and ``x[-2]``).

        Two, because a cross or a breakout compares the last value with the one before. True without indicators.
        """
        if not self._is_ready:
            self._is_ready = all(len(each) > 1 for each in self._indicators.values())
        return self._is_ready

    @property
    def ts_open(self) -> npt.NDArray[np.int64]:
        """Return the times of opening (ns UTC) of the bars kept, oldest first, read-only."""
        return self._rows.view(0)

    @property
    def ts_close(self) -> npt.NDArray[np.int64]:
        """Return the times of closing (ns UTC) of the bars kept, oldest first, read-only."""
        return self._rows.view(1)

    @property
    def open(self) -> Floats:
        """Return the opening prices of the bars kept, oldest first, read-only."""
        return self._rows.view(2)

    @property
    def high(self) -> Floats:
        """Return the highs of the bars kept, oldest first, read-only."""
        return self._rows.view(3)

    @property
    def low(self) -> Floats:
        """Return the lows of the bars kept, oldest first, read-only."""
        return self._rows.view(4)

    @property
    def close(self) -> Floats:
        """Return the closing prices of the bars kept, oldest first, read-only."""
        return self._rows.view(5)

    @property
    def volume(self) -> Floats:
        """Return the volumes of the bars kept, oldest first, read-only."""
        return self._rows.view(6)

    def __len__(self) -> int:
        """Return the number of bars that can be read."""
        return len(self._rows)

    @overload
    def __getitem__(self, key: int) -> Bar: ...
    @overload
    def __getitem__(self, key: slice) -> list[Bar]: ...
    def __getitem__(self, key: int | slice) -> Bar | list[Bar]:
        """Return the bar so many back: -1 is the last completed one; a slice gives a list of bars.

        Raises
        ------
        NotReadyError
            If there is no such bar, or the index counts from the front, which moves as old bars are dropped.
        """
        if isinstance(key, slice):
            return list(self._bars(key))
        place = self._rows.end + from_the_end(key, len(self._rows), self._label, "bar")
        return Bar(*(cells[place] for cells in self._rows.cells))

    def __iter__(self) -> Iterator[Bar]:
        """Iterate over the bars kept, oldest first."""
        return self._bars(slice(None))

    def __repr__(self) -> str:
        """Return what it is, how many bars are kept and how many are missing."""
        return f"BarSeries({self._label}, {len(self)} bars, {self._gaps} missing)"

    def _bars(self, part: slice) -> Iterator[Bar]:
        """Iterate over some of the bars kept."""
        columns = (self._rows.view(column)[part].tolist() for column in range(len(_DTYPES)))
        return map(Bar._make, zip(*columns, strict=True))

    # -- the indicators

    def sma(self, n: int) -> Sma:
        """Return the mean of the last `n` closes."""
        return self._indicator(Sma, "sma", n)

    def ema(self, n: int) -> Ema:
        """Return the exponential mean of the closes, alpha = 2 / (n + 1), begun at bar `n` with the mean of `n`."""
        return self._indicator(Ema, "ema", n)

    def atr(self, n: int) -> Atr:
        """Return Wilder's average true range, begun at bar `n` with the mean of `n` true ranges."""
        return self._indicator(Atr, "atr", n)

    def highest(self, n: int) -> Highest:
        """Return the highest high of the last `n` bars, this one included: ``[-2]`` leaves this one out."""
        return self._indicator(Highest, "highest", n)

    def lowest(self, n: int) -> Lowest:
        """Return the lowest low of the last `n` bars, this one included: ``[-2]`` leaves this one out."""
        return self._indicator(Lowest, "lowest", n)

    def volatility(self, n: int) -> Volatility:
        """Return the annual standard deviation (365 days) of the last `n` >= 2 log returns; ready at bar `n` + 1."""
        return self._indicator(Volatility, "volatility", n, self.timeframe_ns, least=2)

    def zscore(self, n: int) -> Zscore:
        """Return (close - mean) / sample standard deviation of the last `n` >= 2 closes; 0 when all are equal."""
        return self._indicator(Zscore, "zscore", n, least=2)

    def apply(self, fn: Callable[[Floats], float], n: int, *, field: str = "close") -> Applied:
        """Return ``fn(window)`` at every bar, `window` being the last `n` values of a field, oldest first.

        Parameters
        ----------
        fn : callable
            Gets a read-only array of shape (n,) and returns a number, which is kept as it is (nan too). The same
            function object with the same `n` and `field` gives the same indicator.
        n : int
        field : str
            ``open | high | low | close | volume``.
        """
        if field not in FIELDS:
            raise ConfigError(f"{self._label}: field must be one of {', '.join(FIELDS)}, got {field!r}")
        if not callable(fn):
            raise ConfigError(f"{self._label}: apply(fn, n) needs a function of an array, got {fn!r}")
        _whole(f"{self._label}: n of apply", n, 1)
        name = f"apply({getattr(fn, '__name__', 'fn')}, {n}, field={field!r})"
        return self._made((fn, n, field), n, lambda keep: Applied(fn, n, f"{self._label} {name}", keep, field))

    def _indicator(self, kind: Callable[..., _Found], name: str, n: int, *more: Any, least: int = 1) -> _Found:
        """Return the indicator of this name and window."""
        _whole(f"{self._label}: n of {name}", n, least)
        return self._made((name, n), n, lambda keep: kind(n, f"{self._label} {name}({n})", keep, *more))

    def _made(self, key: Hashable, n: int, make: Callable[[int], _Found]) -> _Found:
        """Return the indicator of a key, made and filled from the bars kept if it is new."""
        known: Any = self._indicators.get(key)
        if known is not None:
            found: _Found = known
            return found
        # One more than the window, so that the window of the bar before can be looked at too.
        self._rows.keep = max(self._rows.keep, n + 1)
        found = make(self._rows.keep)
        for bar in self:
            found.append(*bar[2:])
        self._indicators[key] = found
        self._appends.append(found.append)
        self._is_ready = False
        return found


def _whole(name: str, value: int, least: int) -> int:
    """Return a whole number that is at least so large."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return int(value)
