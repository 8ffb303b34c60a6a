"""Dated contracts of a run: when they settle and at which price, and the daily settlements of venues that have them."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from backtest.errors import ConfigError
from backtest.rule_events import Event
from backtest.run_instruments import RunInstrument
from feeds.arrays import plain
from feeds.stream import Stream
from feeds.times import iso

if TYPE_CHECKING:
    from backtest.assembly import Assembly

DAY_NS = 86_400_000_000_000
HOUR_NS = 3_600_000_000_000
MINUTE_NS = 60_000_000_000
OLDEST_NS = 3_600_000_000_000  # how old the index may be at the start of the average


def deliveries(assembly: "Assembly", ended: set[int]) -> list[Event]:
    """Return the settlements of all dated contracts whose expiry lies inside the run.

    Parameters
    ----------
    assembly : Assembly
    ended : set of int
        Instruments that a recorded settlement (venue event 'delisting') ends.

    Raises
    ------
    ConfigError
        If the settlement price cannot be known: the venue has no rule, or the data no index of the window.
    """
    events = []
    for run in assembly.instruments:
        expiry = run.instrument.expiry
        if expiry is None or not run.is_derivative or not assembly.first < expiry < assembly.settings.end:
            continue
        rules = next(venue.book for venue in assembly.venues if venue.name == run.venue).delivery(run.symbol, expiry)
        window = round(rules.window_minutes * MINUTE_NS)
        assembly.exchange.set_delivery(run.index, expiry - window, expiry)
        if run.index not in ended:
            events.append((expiry, _settlement(assembly, run, expiry, window)))
    return events


def sessions(assembly: "Assembly") -> list[Event]:
    """Return the daily settlements of venues that pay out unrealised profit each day."""
    return [
        (time, _session(assembly, number))
        for number, name in enumerate(assembly.venue_names)
        for time in _session_times(assembly, name)
    ]


def _session(assembly: "Assembly", number: int) -> Callable[[int], None]:
    return lambda time: assembly.exchange.pay_out(number, time)


def _session_times(assembly: "Assembly", name: str) -> Iterator[int]:
    facts = next(venue.book.facts for venue in assembly.venues if venue.name == name).session_hour
    ends = [*(fact.since for fact in facts[1:]), assembly.settings.end][: len(facts)]
    for fact, end in zip(facts, ends, strict=True):
        first = max(assembly.first, fact.since)
        time = first // DAY_NS * DAY_NS + fact.value * HOUR_NS
        while time < min(end, assembly.settings.end):
            if time > first:
                yield time
            time += DAY_NS


def _settlement(assembly: "Assembly", run: RunInstrument, expiry: int, window: int) -> Callable[[int], None]:
    price = settlement_price(assembly, run, expiry, window)
    return lambda time: assembly.exchange.settle_at(run.index, price, time)


def settlement_price(assembly: "Assembly", run: RunInstrument, expiry: int, window: int) -> int:
    """Return the time average of the index over the window before the expiry, in price units of the instrument.

    The index is that of the contract, else that of another contract or pair of the venue on the same two assets. It is
    read when the run is built and applied at the expiry: no strategy sees it before.
    """
    streams = _index_streams(assembly, run)
    if not streams:
        raise ConfigError(
            f"{run.address} expires at {iso(expiry)}, in the run, and settles at the average of its index, of which "
            f"the data have none; add index rows of {run.symbol}, a venue event 'delisting' with value= the price, "
            "or end the run before"
        )
    average = time_average(streams[0], expiry - window, expiry)
    if average is None:
        raise ConfigError(
            f"{run.address} settles at the average of {streams[0].label} from {iso(expiry - window)} to {iso(expiry)}, "
            "which the data do not cover; add index rows, a venue event 'delisting' with value= the settlement price, "
            "or end the run before"
        )
    return round(average * 10.0 ** (run.price_scale - streams[0].scales["price"]))


def _index_streams(assembly: "Assembly", run: RunInstrument) -> list[Stream]:
    """Return the index streams that a dated contract may settle by, its own first, points before bars."""
    pair = run.symbol.partition(":")[0]
    found = [
        stream
        for stream in assembly.dataset.streams
        if stream.kind == "index" and stream.venue == run.venue and stream.symbol.partition(":")[0] == pair
    ]
    return sorted(found, key=lambda stream: (stream.symbol != run.symbol, stream.timeframe_ns, stream.symbol))


def time_average(stream: Stream, start: int, end: int) -> float | None:
    """Return the time average of an index stream over [start, end), in its units; None where it is not covered.

    Points hold until the next one. A bar counts with the mean of its open, high, low and close.
    """
    names = ["ts", "open", "high", "low", "close"] if stream.timeframe_ns else ["ts", "price"]
    parts = [
        [plain(column) for column in batch.columns]
        for batch in stream.batches(names, start=start - max(OLDEST_NS, stream.timeframe_ns), end=end)
    ]
    if not parts:
        return None
    times, *values = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    prices = np.mean([column.astype(np.float64) for column in values], axis=0)
    ends = times + stream.timeframe_ns if stream.timeframe_ns else np.append(times[1:], end)
    begin, stop = np.maximum(times, start), np.minimum(ends, end)
    length = np.maximum(stop - begin, 0)
    if length.sum() != end - start:
        return None  # it begins later, or bars are missing
    return float((prices * length).sum() / (end - start))
