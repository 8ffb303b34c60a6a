"""The steps that a scenario is made of: prices, depth, funding, oracles, coins, and venues that stop."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from backtest.errors import ConfigError
from backtest.scenario import END, Step
from backtest.scenario_streams import (
    PRICES,
    SIZES,
    changed_columns,
    replaced,
    scaled,
    shifted_columns,
    streams_of,
)
from backtest.timers import duration_ns
from feeds.dataset import Dataset
from feeds.times import iso
from venues.checks import suggesting

Moment = Any  # what `feeds.times.time_ns` reads


@suggesting(ConfigError)
@dataclass(frozen=True, slots=True, kw_only=True)
class LagOracle(Step):
    """Index and mark of a contract show what they were `delay` ago, from `start` until `until`.

    Parameters
    ----------
    symbol : str
        ``SYMBOL`` or ``SYMBOL@venue``.
    start, until : time
    delay : duration
    kinds : tuple of str
        Which of index and mark lag.
    """

    what: ClassVar[str] = "lag_oracle"
    symbol: str
    delay: str | int
    start: Moment = None
    until: Moment = None
    kinds: tuple[str, ...] = ("index", "mark")

    def apply(self, data: Dataset) -> Dataset:
        """Return the data with the step carried out."""
        delay, (low, high) = duration_ns(self.delay), self.window(self.start, self.until)
        if delay <= 0:
            raise ConfigError(f"{self.what}: delay must be above 0, got {self.delay!r}")
        if not self.kinds or set(self.kinds) - {"index", "mark"}:
            raise ConfigError(f"{self.what}: kinds must hold index, mark or both, got {self.kinds!r}")
        found = streams_of(data, self.symbol, self.what, self.kinds)
        for stream in found:
            if delay < stream.timeframe_ns:
                raise ConfigError(
                    f"{self.what}: a delay of {self.delay} is shorter than the bars of {stream.kind}, it has no effect"
                )
        return replaced(data, {id(s): shifted_columns(s, PRICES[s.kind], delay, low, high) for s in found})


@suggesting(ConfigError)
@dataclass(frozen=True, slots=True, kw_only=True)
class LagEngine(Step):
    """The liquidation engine of a venue acts `delay` after a trigger; until then the account is frozen.

    It looks again when it acts: an account that is back above its requirement then goes on.
    """

    what: ClassVar[str] = "lag_engine"
    venue: str
    delay: str | int

    def apply(self, data: Dataset) -> Dataset:
        """Return the data as they are: the engine is told by the run."""
        if duration_ns(self.delay) <= 0:
            raise ConfigError(f"{self.what}: delay must be above 0, got {self.delay!r}")
        if duration_ns(self.jitter):
            raise ConfigError(f"{self.what}: it has no time that jitter could move")
        return data


@suggesting(ConfigError)
@dataclass(frozen=True, slots=True, kw_only=True)
class ThinDepth(Step):
    """Book, quotes, trades and volume of bars of a contract have only a share of their quantities.

    A book changes level by level, so it is thinned as a whole: with a book, a window has to cover the data.
    """

    what: ClassVar[str] = "thin_depth"
    symbol: str
    share: float
    start: Moment = None
    until: Moment = None

    def apply(self, data: Dataset) -> Dataset:
        """Return the data with the step carried out."""
        share = self.check("share", above=0.0, high=1.0)
        low, high = self.window(self.start, self.until)
        found = streams_of(data, self.symbol, self.what, SIZES)
        for stream in found:
            if stream.kind == "book" and (low > stream.ts_min or high <= stream.ts_max):
                raise ConfigError(
                    f"{self.what}: the book of {self.symbol} goes from {iso(stream.ts_min)} to {iso(stream.ts_max)} "
                    "and is thinned as a whole; leave start and until out"
                )
        return replaced(data, {id(s): changed_columns(s, SIZES[s.kind], scaled(share), low, high) for s in found})


@dataclass(frozen=True, slots=True, kw_only=True)
class _MovePrices(Step):
    """Prices of some kinds are multiplied inside a window."""

    _kinds: ClassVar[tuple[str, ...]]

    def _apply(self, data: Dataset, symbol: str, by: float, low: int, high: int) -> Dataset:
        streams = streams_of(data, symbol, self.what)
        for stream in streams:
            if stream.kind == "book" and low <= stream.ts_max and high > stream.ts_min:
                raise ConfigError(
                    f"{self.what}: {symbol} has a book, whose levels do not jump with one message; take it out of the "
                    "data (Dataset.select(kinds=...)), or move prices before it begins"
                )
            width = stream.timeframe_ns
            if width and stream.ts_min < low <= stream.ts_max and (low - stream.ts_min) % width:
                raise ConfigError(
                    f"{self.what}: prices move where bars open, and at {iso(low)} no bar of {symbol} does"
                )
        found = streams_of(data, symbol, self.what, self._kinds)
        return replaced(data, {id(s): changed_columns(s, PRICES[s.kind], scaled(1.0 + by), low, high) for s in found})


@suggesting(ConfigError)
@dataclass(frozen=True, slots=True, kw_only=True)
class WidenBasis(_MovePrices):
    """Trades, quotes, bars and mark of a contract stand `by` (0.02 = 2 %) above where they were; its index stays."""

    what: ClassVar[str] = "widen_basis"
    _kinds: ClassVar[tuple[str, ...]] = ("trades", "quotes", "bars", "mark")
    symbol: str
    by: float
    start: Moment = None
    until: Moment = None

    def apply(self, data: Dataset) -> Dataset:
        """Return the data with the step carried out."""
        low, high = self.window(self.start, self.until)
        return self._apply(data, self.symbol, self.check("by", above=-1.0), low, high)


@suggesting(ConfigError)
@dataclass(frozen=True, slots=True, kw_only=True)
class GapPrice(_MovePrices):
    """All prices of a contract, its index too, leap by `by` (-0.1 = -10 %) at a time, for good or until another."""

    what: ClassVar[str] = "gap_price"
    _kinds: ClassVar[tuple[str, ...]] = ("trades", "quotes", "bars", "mark", "index")
    symbol: str
    by: float
    at: Moment
    until: Moment = None

    def apply(self, data: Dataset) -> Dataset:
        """Return the data with the step carried out."""
        low, high = self.window(self.at, self.until)
        return self._apply(data, self.symbol, self.check("by", above=-1.0), low, high)


@suggesting(ConfigError)
@dataclass(frozen=True, slots=True, kw_only=True)
class MultiplyFunding(Step):
    """Funding rates of a contract, settled and predicted, are multiplied; a factor below 0 turns them round."""

    what: ClassVar[str] = "multiply_funding"
    symbol: str
    factor: float
    start: Moment = None
    until: Moment = None

    def apply(self, data: Dataset) -> Dataset:
        """Return the data with the step carried out."""
        factor = self.check("factor")
        low, high = self.window(self.start, self.until)
        found = streams_of(data, self.symbol, self.what, ("funding",))

        def times(rates: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.int64]]:
            made: np.ndarray[Any, np.dtype[np.int64]] = np.rint(rates * factor).astype(np.int64)
            return made

        return replaced(data, {id(s): changed_columns(s, ("rate",), times, low, high) for s in found})


@suggesting(ConfigError)
@dataclass(frozen=True, slots=True, kw_only=True)
class Depeg(Step):
    """A coin that serves as collateral is worth `price` US dollars inside the window.

    Its index rows (``ASSET/USD``) are multiplied by it; where the data have none, they are made: 1 before and after.
    """

    what: ClassVar[str] = "depeg"
    asset: str
    price: float
    start: Moment = None
    until: Moment = None

    def apply(self, data: Dataset) -> Dataset:
        """Return the data with the step carried out."""
        price = self.check("price", above=0.0)
        low, high = self.window(self.start, self.until)
        symbol = f"{self.asset}/USD"
        found = [s for s in data.streams if s.symbol == symbol and s.kind == "index" and s.rows]
        if found:
            return replaced(data, {id(s): changed_columns(s, PRICES["index"], scaled(price), low, high) for s in found})
        return data + self._made(data, symbol, price, low, high)

    def _made(self, data: Dataset, symbol: str, price: float, low: int, high: int) -> Dataset:
        import pandas as pd

        from feeds.frames import from_pandas

        filled = [s for s in data.streams if s.rows]
        if not any(self.asset in (s.symbol.partition("/")[2].partition(":")[::2]) for s in filled):
            raise ConfigError(f"{self.what}: nothing in the data is quoted or settled in {self.asset}")
        first = min(s.ts_min for s in filled)
        rows = [(first, 1.0), (low, price), (high, 1.0)] if low > first else [(first, price), (high, 1.0)]
        frame = pd.DataFrame([row for row in rows if row[0] < END], columns=["ts", "price"])
        return from_pandas(frame, kind="index", venue=filled[0].venue, symbol=symbol)


@dataclass(frozen=True, slots=True, kw_only=True)
class _AtVenue(Step):
    """A row of `venue_events`."""

    venue: str

    def _event(self, data: Dataset, what: str, ts: int, *, until: int = 0, value: float | None = None,
               symbol: str = "*") -> Dataset:  # fmt: skip
        if self.venue not in data.venues:
            raise ConfigError(f"{self.what}: {self.venue} is no venue of the data ({', '.join(data.venues)})")
        row = {
            "ts": ts, "ts_avail": 0, "until": until, "venue": self.venue, "symbol": symbol, "what": what,
            "value": None if value is None else repr(float(value)), "source": "scenario",
        }  # fmt: skip
        return replaced(data, {}, events=(row,))


@suggesting(ConfigError)
@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze(_AtVenue):
    """A venue answers neither orders nor cancels; with `cancels` it takes cancels. Marks and liquidations go on."""

    what: ClassVar[str] = "freeze"
    start: Moment
    until: Moment
    cancels: bool = False

    def apply(self, data: Dataset) -> Dataset:
        """Return the data with the step carried out."""
        low, high = self.window(self.start, self.until)
        return self._event(data, "cancel_only" if self.cancels else "outage", low, until=high)


@suggesting(ConfigError)
@dataclass(frozen=True, slots=True, kw_only=True)
class Overload(_AtVenue):
    """A venue refuses a share of all orders, drawn by order."""

    what: ClassVar[str] = "overload"
    start: Moment
    until: Moment
    refused: float

    def apply(self, data: Dataset) -> Dataset:
        """Return the data with the step carried out."""
        low, high = self.window(self.start, self.until)
        return self._event(data, "overload", low, until=high, value=self.check("refused", low=0.0, high=1.0))


@suggesting(ConfigError)
@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendTransfers(_AtVenue):
    """No money leaves or enters a venue."""

    what: ClassVar[str] = "suspend_transfers"
    start: Moment
    until: Moment

    def apply(self, data: Dataset) -> Dataset:
        """Return the data with the step carried out."""
        low, high = self.window(self.start, self.until)
        return self._event(data, "transfer_suspended", low, until=high)


@suggesting(ConfigError)
@dataclass(frozen=True, slots=True, kw_only=True)
class FailVenue(_AtVenue):
    """A venue stops for good; of every balance a share is kept."""

    what: ClassVar[str] = "fail_venue"
    at: Moment
    kept: float

    def apply(self, data: Dataset) -> Dataset:
        """Return the data with the step carried out."""
        return self._event(data, "failure", self.moment(self.at, "at"), value=self.check("kept", low=0.0, high=1.0))


@suggesting(ConfigError)
@dataclass(frozen=True, slots=True, kw_only=True)
class Deleverage(_AtVenue):
    """A venue closes a share of winning positions in a contract at the mark, of accounts with adl='recorded'."""

    what: ClassVar[str] = "deleverage"
    symbol: str
    at: Moment
    share: float = 1.0

    def apply(self, data: Dataset) -> Dataset:
        """Return the data with the step carried out."""
        share = self.check("share", above=0.0, high=1.0)
        streams_of(data, f"{self.symbol}@{self.venue}", self.what)
        return self._event(data, "adl", self.moment(self.at, "at"), value=share, symbol=self.symbol)


STEPS: Final[Mapping[str, type[Step]]] = {
    kind.what: kind
    for kind in (
        LagOracle, LagEngine, ThinDepth, WidenBasis, GapPrice, MultiplyFunding, Depeg, Freeze, Overload,
        SuspendTransfers, FailVenue, Deleverage,
    )
}  # fmt: skip
