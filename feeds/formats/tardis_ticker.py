"""Derivative tickers of tardis.dev: marks, index prices, open interest, and the rates that funding was settled at."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from feeds.formats.cells import numbers, times
from feeds.formats.files import Source
from feeds.formats.heads import Head
from feeds.formats.records import batches
from feeds.formats.shape import Format, Piece, Wanted
from feeds.formats.tardis import SERIES, TICKER, read_tardis, venue_of

# A rate that was last published so long before its time is not taken for the one that was settled.
_NEAR_NS = 60 * 10**9
_SHAPES = {"exchange": "word", "symbol": "word", "local_timestamp": "time", "funding_timestamp": "time"}
_SHAPES |= {"funding_rate": "number"}


def settled(source: Source, head: Head) -> Iterator[Piece]:
    """Yield the settlements that a ticker shows: for each funding time the last rate received in the minute before it.

    The rows of a file are those received in its day, so the settlement of midnight is in the file of the day before,
    and only there. Intervals come from the spacing of the settlements.
    """
    import pyarrow.compute as pc

    newest: dict[tuple[str, str], dict[int, tuple[int, str]]] = {}  # instrument, funding time: receipt, rate
    for table in batches(source, head, head.columns, _SHAPES):
        whole = table.select(list(_SHAPES)).drop_null()
        for pair in whole.group_by(["exchange", "symbol"], use_threads=False).aggregate([]).to_pylist():
            exchange, symbol = pair["exchange"], pair["symbol"]
            is_this = pc.and_(
                pc.equal(whole["exchange"].cast("string"), exchange), pc.equal(whole["symbol"].cast("string"), symbol)
            )
            rows = whole.filter(is_this).combine_chunks()
            known, due = (
                np.asarray(times(rows[name].combine_chunks(), header=name))
                for name in ("local_timestamp", "funding_timestamp")
            )
            rates = numbers(rows["funding_rate"].combine_chunks(), header="funding_rate")
            places = np.flatnonzero(known < due)[::-1]
            seen = newest.setdefault((exchange, symbol), {})
            for first in np.unique(due[places], return_index=True)[1].tolist():
                place = int(places[first])
                seen[int(due[place])] = (int(known[place]), str(rates[place].as_py()))
    for (exchange, symbol), seen in newest.items():
        kept = [(due, rate) for due, (known_at, rate) in sorted(seen.items()) if due - known_at <= _NEAR_NS]
        if kept:
            columns = {
                "ts": np.array([due for due, _ in kept], dtype=np.int64),
                "rate": [rate for _, rate in kept],
                "interval_s": np.zeros(len(kept), dtype=np.int64),
            }
            yield Piece("funding", columns, venue_of(exchange), symbol)


def _read_ticker(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Mark, index, open interest and funding; rows in which the one asked for is empty are none of its own."""
    for records in SERIES:
        if wanted.kind in (None, records.kind):
            for piece in read_tardis(records, source, head, wanted):
                if len(piece.columns["ts"]):
                    yield replace(piece, notes=())
    if wanted.kind in (None, "funding"):
        yield from settled(source, head)


FORMATS = (
    Format(
        "tardis-derivative-ticker",
        "tardis.dev derivative_ticker CSV: mark, index, open interest, the last rate before each funding time",
        lambda head: set(head.columns) == set(TICKER),
        _read_ticker,
        may_be_empty=True,
    ),
)
