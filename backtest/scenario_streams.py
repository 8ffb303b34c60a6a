"""Streams with another history: columns changed inside a window, on the decimals that they have."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtest.errors import ConfigError
from feeds.dataset import Dataset, Stream
from feeds.symbols import parse_address, suggest
from feeds.tables import ints

Ints = NDArray[np.int64]
Change = Callable[[Ints], Ints]

# Columns that are prices of the contract itself, and sizes, by kind; premiums and what vendors computed stay.
PRICES: Mapping[str, tuple[str, ...]] = {
    "trades": ("price",),
    "quotes": ("bid_price", "ask_price"),
    "bars": ("open", "high", "low", "close"),
    "mark": ("price", "open", "high", "low", "close"),
    "index": ("price", "open", "high", "low", "close"),
}
SIZES: Mapping[str, tuple[str, ...]] = {
    "trades": ("quantity",),
    "quotes": ("bid_quantity", "ask_quantity"),
    "book": ("quantity",),
    "bars": ("volume",),
}


def streams_of(data: Dataset, symbol: str, where: str, kinds: Collection[str] = ()) -> list[Stream]:
    """Return the streams of ``SYMBOL`` or ``SYMBOL@venue`` that have rows; of some kinds, where these are given.

    Raises
    ------
    ConfigError
        If there is none.
    """
    place = parse_address(symbol)
    found = [s for s in data.streams if s.symbol == place.symbol and place.venue in (None, s.venue) and s.rows]
    if not found:
        names = sorted({f"{s.symbol}@{s.venue}" for s in data.streams})
        raise ConfigError(
            f"{where}: {symbol} is not in the data{suggest(place.symbol, data.symbols)} (they have {', '.join(names)})"
        )
    wanted = [s for s in found if s.kind in kinds] if kinds else found
    if not wanted:
        raise ConfigError(f"{where}: the data have no {', '.join(kinds)} of {symbol}")
    return wanted


def replaced(data: Dataset, changed: Mapping[int, Stream], *, events: tuple[dict[str, Any], ...] = ()) -> Dataset:
    """Return the dataset with some streams (by `id`) exchanged and venue events added."""
    return Dataset(
        [changed.get(id(stream), stream) for stream in data.streams],
        instruments=data.instruments,
        tiers=data.tiers,
        venue_events=(*data.venue_events, *events),
    )


def changed_columns(stream: Stream, names: tuple[str, ...], change: Change, start: int, until: int) -> Stream:
    """Return a stream whose columns are changed in the rows with ``start <= ts < until`` (bars: that open there)."""
    table = stream.table()
    ts = ints(table, "ts")
    inside = (ts >= start) & (ts < until)
    for name in names:
        if name not in table.column_names:
            continue
        values = np.array(ints(table, name))
        values[inside] = change(values)[inside]
        table = _with(table, name, values)
    return _rebuilt(stream, table)


def shifted_columns(stream: Stream, names: tuple[str, ...], delay: int, start: int, until: int) -> Stream:
    """Return a stream that shows in the window what it had `delay` ns earlier; its first value before that."""
    table = stream.table()
    ts = ints(table, "ts")
    inside = (ts >= start) & (ts < until)
    old = np.maximum(0, np.searchsorted(ts, ts - delay, side="right") - 1)
    for name in names:
        if name in table.column_names:
            values = np.array(ints(table, name))
            values[inside] = values[old[inside]]
            table = _with(table, name, values)
    return _rebuilt(stream, table)


def scaled(factor: float) -> Change:
    """Return a change of prices or sizes by a factor, rounded to the decimals that the data have.

    What was above zero stays at least one unit of the last decimal.
    """

    def change(values: Ints) -> Ints:
        made = np.rint(values * factor).astype(np.int64)
        kept: Ints = np.where(values > 0, np.maximum(made, 1), made)
        return kept

    return change


def _with(table: Any, name: str, values: Ints) -> Any:
    import pyarrow as pa

    place = table.column_names.index(name)
    field = table.schema.field(place)
    return table.set_column(place, field, pa.array(values, type=field.type, from_pandas=False))


def _rebuilt(stream: Stream, table: Any) -> Stream:
    part = Stream.from_table(
        stream.venue, stream.symbol, stream.label.partition(" ")[2], table, findings=stream.findings
    )
    return replace(part, start=stream.start, end=stream.end, gaps=stream.gaps)
