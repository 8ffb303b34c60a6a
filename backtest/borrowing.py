"""Interest on the debts of accounts whose assets all back one pool: rates come from rows of kind `borrow_rates`."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from backtest.rule_events import Event

if TYPE_CHECKING:
    from backtest.assembly import Assembly
    from feeds.stream import Stream

SECOND_NS = 1_000_000_000
_ROWS = 65_536


def interest_events(assembly: "Assembly") -> list[Event]:
    """Return the ends of all interest intervals of a run, at which the debts of multi-assets accounts cost interest.

    A row's rate is for `interval_s` seconds and holds from its `ts` until the next row of the asset; interest falls due
    at the ends of the intervals, counted from 1970, on what is owed then, rounded up to an atom.
    """
    events: list[Event] = []
    for stream in assembly.dataset.streams:
        numbers = [n for n, v in enumerate(assembly.venues) if v.name == stream.venue and v.collateral == "multi"]
        if stream.kind != "borrow_rates" or not numbers:
            continue
        for asset, rows in _rows(stream).items():
            if asset in assembly.assets:
                row = assembly.assets.index(asset)
                events += [(at, _charge(assembly, numbers, row, rate)) for at, rate in _due(assembly, rows)]
    return events


def _rows(stream: "Stream") -> dict[str, list[tuple[int, Fraction, int]]]:
    """Return (ts, rate, interval in ns) of each asset, ascending."""
    found: dict[str, list[tuple[int, Fraction, int]]] = {}
    unit = 10 ** stream.scales["rate"]
    for batch in stream.batches(["ts", "asset", "rate", "interval_s"], _ROWS):
        for row in batch.to_pylist():
            found.setdefault(row["asset"], []).append(
                (row["ts"], Fraction(row["rate"], unit), row["interval_s"] * SECOND_NS)
            )
    return found


def _due(assembly: "Assembly", rows: list[tuple[int, Fraction, int]]) -> Iterator[tuple[int, Fraction]]:
    start, end = assembly.first, assembly.settings.end
    for number, (ts, rate, interval) in enumerate(rows):
        until = rows[number + 1][0] if number + 1 < len(rows) else end - 1
        first = (max(ts, start) // interval + 1) * interval
        yield from ((at, rate) for at in range(first, min(until, end - 1) + 1, interval))


def _charge(assembly: "Assembly", numbers: list[int], asset: int, rate: Fraction) -> Callable[[int], None]:
    def apply(time: int) -> None:
        for number in numbers:
            owed = assembly.exchange.debt(number, asset)
            if owed:
                assembly.exchange.charge_interest(number, asset, ceil(owed * rate), time)

    return apply
