"""Which instruments of a venue existed at a moment of the past."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from backtest.errors import ConfigError
from backtest.history import History
from feeds.dataset import Dataset
from feeds.stream import Stream
from feeds.symbols import parse_address, parse_symbol, suggest

_TRADED = ("bars", "trades", "quotes", "book", "book_orders")
_SILENCE_NS = 3_600_000_000_000
_NEVER = 2**63 - 1
_DAYS = 30
_RANKS = ("volume",)


@dataclass(frozen=True, slots=True)
class _Life:
    """What the data and the instrument rows say of one instrument; all in ns."""

    first: int
    seen: int
    ended: int
    listings: tuple[tuple[int, int], ...]

    def is_alive(self, now: int, listed_for: int = 0) -> bool:
        """Return whether it could be traded at `now` and had been listed for so long."""
        return self.seen <= now < self.ended and any(
            begin <= now - listed_for and now < end for begin, end in self.listings
        )


class Universe:
    """The instruments of the data, as they were listed at a moment.

    An instrument is in while

    - its data have begun: the first bar has closed, or the first trade, quote or book row has come;
    - its data have not ended: the next bar is not overdue (of the finest bars that reach as far as the others), or
      the last trade, quote or book row is less than an hour old;
    - no venue event "delisting" has settled it;
    - one of its listings holds. A listing begins at `onboard` of an instrument row, or where the rows have none, at
      `valid_from` or the first row of its data, whichever is earlier, and ends at `delist` or `expiry`. Without an
      instrument row it begins with the data.

    So contracts that are delisted later are in it while they live. Nothing is read of what comes after the moment but
    whether the data go on. Data that begin later than the market did make `listed_for` count from the later time:
    load them from that much earlier, or with instrument rows.

    Parameters
    ----------
    dataset : Dataset
        All that the run reads.
    instruments : iterable of dict, optional
        Rows as in ``Dataset.instruments`` (the default): venue, symbol, ts, and valid_from, onboard, delist, expiry in
        ns or None.
    """

    def __init__(self, dataset: Dataset, instruments: Iterable[Mapping[str, Any]] | None = None) -> None:
        self._streams: dict[tuple[str, str], list[Stream]] = {}
        self._venues: dict[str, list[str]] = {}
        for stream in dataset.streams:
            if stream.kind in _TRADED:
                self._streams.setdefault((stream.venue, stream.symbol), []).append(stream)
        for venue, symbol in self._streams:
            self._venues.setdefault(symbol, []).append(venue)
        self._rows: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for row in sorted(dataset.instruments if instruments is None else instruments, key=lambda each: each["ts"]):
            self._rows.setdefault((row["venue"], row["symbol"]), []).append(row)
        self._settled: dict[tuple[str, str], int] = {}
        for event in dataset.venue_events:
            if event["what"] == "delisting":
                place = (str(event["venue"]), str(event["symbol"]))
                self._settled[place] = min(int(event["ts"]), self._settled.get(place, _NEVER))
        self._lives: dict[tuple[str, str], _Life | None] = {}

    def members(
        self,
        venue: str,
        *,
        quote: str,
        now: int,
        listed_for: str | timedelta | int | None = None,
        top: int | None = None,
        by: str | None = None,
        include: Iterable[str] = (),
        history: History | None = None,
        latency: int = 0,
    ) -> list[str]:
        """Return the symbols that were listed at a moment.

        Parameters
        ----------
        venue : str
        quote : str
            Quote currency, such as ``"USDT"``; perpetuals, dated contracts and spot pairs alike.
        now : int
            ns.
        listed_for : str, timedelta or int (ns), optional
            Only those listed for at least so long, as ``"60D"`` or ``"8W"`` (a fixed length, no months).
        top : int, optional
            Only so many, the largest by `by`.
        by : str, optional
            ``"volume"``: quote volume of the last 30 complete UTC days, from completed bars (less for a younger one).
        include : str or iterable of str
            ``SYMBOL`` or ``SYMBOL@venue``: in while alive, whatever their rank and age; named as written here.
        history : History, optional
            Needed by ``by="volume"``.
        latency : int
            ns, of the feed; see `History.frame`.

        Returns
        -------
        list of str
            Largest first where `by` is given, ties and all else by name; then those of `include` that are not among
            them, as given. ``SYMBOL@venue`` where the data have the symbol at several venues.

        Raises
        ------
        ConfigError
            For a venue, quote or symbol that the data do not have, or an argument that cannot be used.
        """
        _check_rank(top, by, history)
        age = _length(listed_for)
        chosen = [(symbol, self._place(symbol)) for symbol in ([include] if isinstance(include, str) else include)]
        found = [
            (venue, symbol)
            for symbol in self._quoted(venue, quote)
            if (life := self._life(venue, symbol)) is not None and life.is_alive(now, age)
        ]
        if by is not None and history is not None:
            volumes = {place: history.quote_volume(*place, now=now, days=_DAYS, latency=latency) for place in found}
            found = sorted(found, key=lambda place: (-volumes[place], place))[:top]
        written = {place: name for name, place in reversed(chosen)}
        names = [written.get(place, self._name(place)) for place in found]
        for name, place in chosen:
            life = self._life(*place)
            if place not in found and life is not None and life.is_alive(now):
                found.append(place)
                names.append(name)
        return names

    def _quoted(self, venue: str, quote: str) -> list[str]:
        """Return the symbols of a venue with a quote currency, sorted."""
        symbols = sorted(symbol for place, symbol in self._streams if place == venue)
        if not symbols:
            have = ", ".join(sorted({place for place, _ in self._streams}))
            raise ConfigError(f"universe: venue {venue!r} has no bars, trades or books in the data (has {have})")
        found = [symbol for symbol in symbols if parse_symbol(symbol).quote == quote]
        if not found:
            have = ", ".join(sorted({parse_symbol(symbol).quote for symbol in symbols}))
            raise ConfigError(f"universe: quote {quote!r} does not occur at {venue} in the data (has {have})")
        return found

    def _place(self, name: str) -> tuple[str, str]:
        """Return venue and symbol of a name that a user wrote."""
        address = parse_address(name)
        venues = self._venues.get(address.symbol, [])
        if address.venue is None and len(venues) > 1:
            have = ", ".join(f"{address.symbol}@{venue}" for venue in sorted(venues))
            raise ConfigError(f"universe: include {name!r} fits {have}; write the one that is meant")
        venue = address.venue if address.venue is not None else (venues[0] if venues else "")
        if venue not in venues:
            known = sorted(f"{each}@{place}" for place, each in self._streams)
            raise ConfigError(f"universe: include {name!r} is not in the data{suggest(name, known)}")
        return venue, address.symbol

    def _name(self, place: tuple[str, str]) -> str:
        """Return the shortest name that is not ambiguous in the data."""
        venue, symbol = place
        return symbol if len(self._venues[symbol]) == 1 else f"{symbol}@{venue}"

    def _life(self, venue: str, symbol: str) -> _Life | None:
        """Return when an instrument lived, None when its streams have no rows."""
        key = (venue, symbol)
        if key not in self._lives:
            streams = [stream for stream in self._streams[key] if stream.rows]
            settled = min(self._settled.get(place, _NEVER) for place in (key, (venue, "*")))
            self._lives[key] = _life(streams, self._rows.get(key, []), settled) if streams else None
        return self._lives[key]


def _life(streams: list[Stream], rows: list[Mapping[str, Any]], settled: int) -> _Life:
    """Return when an instrument lived, from its streams, its instrument rows by time, and its settlement."""
    first = min(stream.ts_min for stream in streams)
    seen = min(stream.ts_min + stream.timeframe_ns for stream in streams)
    # From coarse to fine: a finer stream that ends inside the last bar of a coarser one tells the end more exactly.
    ordered = sorted(streams, key=lambda stream: stream.timeframe_ns, reverse=True)
    last = ordered[0]
    for stream in ordered[1:]:
        if stream.ts_max + stream.timeframe_ns >= last.ts_max:
            last = stream
    if last.timeframe_ns:
        ended = last.ts_max + 2 * last.timeframe_ns
    else:
        ended = max(stream.ts_max for stream in streams if not stream.timeframe_ns) + _SILENCE_NS
    return _Life(first, seen, min(ended, settled), _listings(rows, first) if rows else ((first, _NEVER),))


def _listings(rows: list[Mapping[str, Any]], first: int) -> tuple[tuple[int, int], ...]:
    """Return when each listing began and ended, from instrument rows by time and the first row of the data."""
    onboard: int | None = None
    ends: dict[int | None, int] = {}
    for row in rows:
        given = row.get("onboard")
        onboard = onboard if given is None else int(given)
        # The newest row of a listing says how it ends: an end may be announced, or moved, later.
        ends[onboard] = min(int(_NEVER if row.get(name) is None else row[name]) for name in ("delist", "expiry"))
    if len(ends) > 1:
        ends.pop(None, None)  # rows from before anybody wrote down when it was listed
    begun = min(first, *(row.get("valid_from", row["ts"]) for row in rows))
    return tuple((begun if begin is None else begin, end) for begin, end in ends.items())


def _length(value: str | timedelta | int | None) -> int:
    """Return a length of time in ns."""
    if value is None:
        return 0
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        found = int(value)
    else:
        import pandas as pd

        try:
            if not isinstance(value, timedelta) and not (isinstance(value, str) and re.search("[A-Za-z]", value)):
                raise ValueError("a number without a unit")
            # pandas writes a day "D" and warns of "d", which timeframes here use.
            text = re.sub(r"(?<=[\d\s])d\b", "D", value) if isinstance(value, str) else value
            found = int(pd.Timedelta(text).as_unit("ns").value)
        except (ValueError, TypeError, AttributeError):
            raise ConfigError(f"universe: listed_for must be a length of time such as '60D', got {value!r}") from None
    if found < 0:
        raise ConfigError(f"universe: listed_for must not be negative, got {value!r}")
    return found


def _check_rank(top: int | None, by: str | None, history: History | None) -> None:
    """Raise ConfigError unless the arguments that rank make sense together."""
    if by is not None and by not in _RANKS:
        raise ConfigError(f"universe: by must be one of {', '.join(_RANKS)}, got {by!r}")
    if top is not None and (isinstance(top, bool) or not isinstance(top, (int, np.integer)) or top < 1):
        raise ConfigError(f"universe: top must be a whole number of at least 1, got {top!r}")
    if top is not None and by is None:
        raise ConfigError(f"universe: top={top} needs a rank: pass by='volume'")
    if by is not None and history is None:
        raise ConfigError(f"universe: by={by!r} needs history=")
