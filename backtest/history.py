"""Completed bars of the past for a strategy, never one that was not complete at that moment."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.bar_columns import FIELDS, BarColumns
from backtest.errors import ConfigError
from feeds.dataset import Dataset
from feeds.errors import FeedError
from feeds.schema import DAY_NS, join_kind, timeframe_ns, timeframe_text
from feeds.stream import Stream
from feeds.symbols import parse_symbol, suggest

if TYPE_CHECKING:
    import pandas as pd


class History:
    """Looks back into the data of a run.

    The bars of an instrument come from the first of these that its data have: bars of that timeframe; the longest
    bars whose timeframe divides it; trades; mark prices (bars of that timeframe, the longest that divide it, points).
    Each column of a stream is read once, when first asked for, and stays in memory as float64 of the timeframe asked
    for.

    Parameters
    ----------
    dataset : Dataset
        All that the run reads, its warm-up included.
    contract_sizes : mapping of (venue, symbol) to float, optional
        Used for quote volumes that the data do not have; the newest instrument row of the dataset, then 1, for those
        that are not in it.
    feed_latency : mapping of venue to int, optional
        ns that a row takes from its `ts_avail` to the strategy; 0 for venues that are not in it.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        contract_sizes: Mapping[tuple[str, str], float] | None = None,
        feed_latency: Mapping[str, int] | None = None,
    ) -> None:
        self._streams: dict[tuple[str, str], list[Stream]] = {}
        for stream in dataset.streams:
            self._streams.setdefault((stream.venue, stream.symbol), []).append(stream)
        rows = {(row["venue"], row["symbol"]): row["contract_size"] for row in dataset.instruments}
        self._sizes = rows | dict(contract_sizes if contract_sizes is not None else {})
        self._latency = dict(feed_latency if feed_latency is not None else {})
        self._bars: dict[tuple[str, str, int], BarColumns] = {}

    def frame(
        self,
        requests: Mapping[str, tuple[str, str]],
        timeframe: str,
        n: int,
        *,
        field: str | Sequence[str],
        now: int,
        latency: int = 0,
    ) -> "pd.DataFrame":
        """Return the last bars that were complete and delivered at a moment.

        Parameters
        ----------
        requests : mapping of str to (venue, symbol)
            Name of a column -> what it shows.
        timeframe : str
            ``"1h"``, ``"1d"`` ...
        n : int
            At most so many rows: the last `n` closes that at least one of the instruments has.
        field : str or sequence of str
            ``open | high | low | close | volume | quote_volume``.
        now, latency : int
            ns: a bar is in when its close and its `ts_avail` are at or before now - latency - feed latency.

        Returns
        -------
        DataFrame of float64
            A row per close (UTC, ascending; index name ``time``), a column per request in their order; fewer rows when
            there are fewer, nan where an instrument has no bar. With a sequence of fields the columns are a MultiIndex
            (field, name), so that ``frame["close"]`` is what ``field="close"`` gives.

        Raises
        ------
        ConfigError
            For an unknown field, or `n` that is not a whole number of at least 1.
        FeedError
            For an unknown timeframe or instrument, or one whose data cannot give these bars.
        """
        import pandas as pd

        length = timeframe_ns(timeframe)
        fields = [field] if isinstance(field, str) else list(field)
        _check(n, fields)
        tables = [self.bars(venue, symbol, length) for venue, symbol in requests.values()]
        ends = [table.known(self._limit(table.stream.venue, now - latency)) for table in tables]
        slices = [slice(max(end - n, 0), end) for end in ends]
        closes = [table.closes[part] for table, part in zip(tables, slices, strict=True)]
        times = np.unique(np.concatenate(closes))[-n:] if closes else np.empty(0, np.int64)
        values = np.full((len(fields) * len(tables), times.size), np.nan)
        for place, (table, part, own) in enumerate(zip(tables, slices, closes, strict=True)):
            skipped = int(own.searchsorted(times[0])) if own.size and own[0] < times[0] else 0
            shown = slice(part.start + skipped, part.stop)
            is_whole = own.size - skipped == times.size
            rows = slice(None) if is_whole else times.searchsorted(own[skipped:])
            for number, name in enumerate(fields):
                values[number * len(tables) + place, rows] = table.field(name)[shown]
        names = list(requests)
        columns = (
            pd.Index(names)
            if isinstance(field, str)
            else pd.MultiIndex.from_product([fields, names], names=["field", "symbol"])
        )
        return pd.DataFrame(values.T, index=pd.to_datetime(times, unit="ns", utc=True).rename("time"), columns=columns)

    def quote_volume(self, venue: str, symbol: str, *, now: int, days: int = 30, latency: int = 0) -> float:
        """Return what was traded in the last `days` UTC days that were complete at a moment, in quote currency."""
        table = self.bars(venue, symbol, DAY_NS)
        limit = self._limit(venue, now - latency)
        end = table.known(limit)
        since = limit - limit % DAY_NS - days * DAY_NS
        start = int(table.closes[:end].searchsorted(since, side="right"))
        return float(table.field("quote_volume")[start:end].sum())

    def bars(self, venue: str, symbol: str, timeframe_ns: int) -> BarColumns:
        """Return the bars of one instrument, all that the data have, future ones too (`BarColumns.known` tells)."""
        key = (venue, symbol, timeframe_ns)
        found = self._bars.get(key)
        if found is None:
            size = self._sizes.get((venue, symbol))
            parts = parse_symbol(symbol)
            found = self._bars[key] = BarColumns(
                self._source(venue, symbol, timeframe_ns),
                timeframe_ns,
                contract_size=1.0 if size is None else float(size),
                is_inverse=parts.settle == parts.base,
            )
        return found

    def _limit(self, venue: str, now: int) -> int:
        """Return until when rows of a venue have reached the strategy."""
        return now - self._latency.get(venue, 0)

    def _source(self, venue: str, symbol: str, timeframe_ns: int) -> Stream:
        """Return the stream that bars of a timeframe are made from."""
        streams = self._streams.get((venue, symbol), [])
        if not streams:
            known = sorted(f"{each}@{place}" for place, each in self._streams)
            raise FeedError(
                f"history: no data of {symbol}@{venue}{suggest(f'{symbol}@{venue}', known)} (has {', '.join(known)})"
            )
        for kind in ("bars", "trades", "mark"):
            fitting = [
                stream
                for stream in streams
                if stream.kind == kind
                and (not stream.timeframe_ns or timeframe_ns % stream.timeframe_ns == 0)
                and stream.rows
            ]
            if fitting:
                return max(fitting, key=lambda stream: stream.timeframe_ns)
        wanted = timeframe_text(timeframe_ns)
        have = ", ".join(join_kind(stream.kind, stream.timeframe_ns) for stream in streams)
        raise FeedError(
            f"history of {symbol}@{venue}: its data ({have}) cannot give {wanted} bars; they need bars of {wanted} or "
            "of a timeframe that divides it, trades, or mark prices"
        )


def _check(n: Any, fields: Sequence[str]) -> None:
    """Raise ConfigError for arguments of `frame` that cannot be used."""
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ConfigError(f"history: n must be a whole number of at least 1, got {n!r}")
    if not fields or len(set(fields)) < len(fields):
        raise ConfigError(f"history: field needs one name, or several different ones, got {list(fields)!r}")
    for name in fields:
        if name not in FIELDS:
            raise ConfigError(f"history: field must be one of {', '.join(FIELDS)}, got {name!r}")
