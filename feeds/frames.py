"""pandas DataFrames as datasets, checked in full."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from feeds.dataset import Dataset, Stream
from feeds.errors import FeedError
from feeds.frame_checks import check_numbers, check_order, check_spacing, check_table
from feeds.normalize import grid_gaps, normalize
from feeds.scales import Int64s, as_arrow
from feeds.schema import ACCOUNT_KINDS, BAR_KINDS, RULE_KINDS, Column, join_kind, layout, split_kind
from feeds.schema import timeframe_ns as read_timeframe
from feeds.symbols import parse_address, to_native
from feeds.tables import build

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_SIDES = {"buy": 1, "b": 1, "bid": 1, "long": 1, "sell": -1, "s": -1, "ask": -1, "short": -1, "unknown": 0, "": 0}
_FUNDING_KINDS = {"settled": 0, "predicted": 1, "accrual": 2}
# The table says these itself: a frame need not.
_DERIVED = ("ts_close", "ts_raw", "valid_from", "interval_s", "venue")


def from_pandas(frame: "pd.DataFrame", *, kind: str, venue: str, symbol: str, timeframe: str | None = None) -> Dataset:
    """Return a DataFrame as a dataset of one stream (or of one rule table).

    Parameters
    ----------
    frame : pandas.DataFrame
        With a time-zone-aware DatetimeIndex, or an integer column `ts` in ns. Columns by kind; numbers may be float
        (read as the decimal they print), Decimal, text or integer:

        - trades: price, quantity, side (``"buy"``/``"sell"`` or +1, -1, 0); optional id, flags
        - bars: open, high, low, close, volume, indexed by their **open**; optional quote_volume, count
        - mark, index, premium: price (the value true at that instant), or open, high, low, close with a timeframe
        - funding: rate; optional interval_hours (else derived from the spacing), mark, kind (``"settled"`` or
          ``"predicted"``); stamps within 60 s of the hour are moved onto it
        - borrow_rates: asset, rate, interval_hours
        - book: seq, prev_seq, is_snapshot, side, price, quantity (0 = the level is gone)
        - book_orders: seq, is_snapshot, order_id, side, price, quantity (what is left of the order; 0 = it is gone)
        - depth: percentage (from the middle; below 0 bids), quantity and notional up to there
        - other kinds: the columns of `feeds.schema.layout`
        - any kind: ts_avail, the earliest time the row could be known (DatetimeIndex-like or int ns)
    kind : str
        ``"bars"`` with `timeframe`, or ``"bars:1m"``.
    venue, symbol : str
        Unified name: ``"BTC/USDT:USDT"`` at ``"binance_usdm"``.
    timeframe : str, optional
        ``"1m"``, ``"1h"`` ...

    Returns
    -------
    Dataset
        Its `gaps` list the missing bars and settlements, its `findings` what was repaired.

    Raises
    ------
    FeedError
        For a missing, unknown or misspelt column; an index without a time zone; rows out of order or twice (the row
        is named); NaN, infinite or non-positive prices; high < low; spacing that does not fit the timeframe.
    """
    word, length = _kind_of(frame, kind, timeframe)
    symbol = _symbol_of(venue, symbol)
    label = f"{symbol}@{venue} {join_kind(word, length)}"
    stamps = _stamps(frame, label)
    values = _values(frame, word, length, label)
    check_order(stamps, label)
    values["ts"] = stamps
    if word == "venue_events":
        values["venue"] = [venue] * stamps.size
        values.setdefault("symbol", [symbol] * stamps.size)
    if word in RULE_KINDS:
        table = build(word, values)
        return _rule_dataset(word, table, venue, symbol)
    check_numbers(values, stamps, word, length, label)
    if length:
        check_spacing(stamps, length, label)
    table, findings = _normal(values, word, length, label)
    stream = Stream.from_table(
        venue, symbol, join_kind(word, length), table, gaps=grid_gaps(table, word, length), findings=findings
    )
    return Dataset([stream])


def _kind_of(frame: Any, kind: str, timeframe: str | None) -> tuple[str, int]:
    """Return kind and timeframe, told from both arguments and the columns."""
    if not hasattr(frame, "columns") or not hasattr(frame, "index"):
        raise FeedError(f"from_pandas takes a pandas DataFrame, got {type(frame).__name__}")
    text = kind if timeframe is None or ":" in kind else f"{kind}:{timeframe}"
    word, length = split_kind(text)
    if timeframe is not None and ":" in kind and read_timeframe(timeframe) != length:
        raise FeedError(f"kind {kind!r} and timeframe {timeframe!r} contradict each other")
    if word in ACCOUNT_KINDS:
        raise FeedError(f"kind {word!r} is an account's export, not market data: use feeds.import_file")
    if word in BAR_KINDS and word != "bars":
        has_bars = {"open", "high", "low", "close"} <= set(frame.columns)
        if has_bars and not length:
            raise FeedError(f"{word}: columns open, high, low, close are bars: pass timeframe='1m' (their length)")
        if length and not has_bars and "price" in frame.columns:
            raise FeedError(
                f"{word}: a column price holds values at instants and has no timeframe; leave timeframe={timeframe!r} "
                "out and index each value by the instant at which it is true"
            )
    if not len(frame):
        raise FeedError(f"{word}: the frame has no rows")
    return word, length


def _symbol_of(venue: str, symbol: str) -> str:
    """Return the unified symbol after checking that it and the venue exist and agree."""
    if "@" not in symbol:
        to_native(venue, symbol)
        return symbol
    address = parse_address(symbol)
    if address.venue not in (None, venue):
        raise FeedError(f"symbol {symbol!r} names another venue than venue={venue!r}")
    to_native(venue, address.symbol)
    return address.symbol


def _stamps(frame: "pd.DataFrame", label: str) -> Int64s:
    """Return the times of the rows in ns."""
    import pandas as pd

    if "ts" in frame.columns:
        return _moments(frame["ts"], "ts", label)
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex):
        raise FeedError(
            f"{label}: the frame needs a DatetimeIndex with a time zone, or an integer column ts in ns; its index is "
            f"{type(index).__name__} of {index.dtype}. For a text column: frame.index = pd.to_datetime(frame['date'], "
            "utc=True)"
        )
    return _moments(index.to_series(), "index", label)


def _moments(series: "pd.Series[Any]", name: str, label: str) -> Int64s:
    """Return a column of times as ns: aware datetimes, or integers that are ns."""
    import pandas as pd

    if isinstance(series.dtype, pd.DatetimeTZDtype):
        if series.isna().any():
            raise FeedError(f"{label}: {name} of row {int(np.flatnonzero(series.isna())[0])} is NaT")
        return np.asarray(series.dt.tz_convert("UTC").dt.as_unit("ns").astype("int64"))
    if pd.api.types.is_datetime64_dtype(series.dtype):
        raise FeedError(f"{label}: {name} has no time zone; if it is UTC, write frame.tz_localize('UTC')")
    if pd.api.types.is_integer_dtype(series.dtype):
        found = np.asarray(series.astype("int64"))
        small = np.flatnonzero((found < 10**17) & (found != 0))
        if small.size:
            raise FeedError(
                f"{label}: {name} must be ns since 1970; row {int(small[0])} is {found[small[0]]}, which looks like a "
                "coarser unit: multiply ms by 1_000_000"
            )
        return found
    raise FeedError(f"{label}: {name} is {series.dtype}; give datetimes with a time zone or integers in ns")


def _values(frame: "pd.DataFrame", kind: str, timeframe_ns: int, label: str) -> dict[str, Any]:
    """Return the columns under their canonical names, after checking that all are known and none is missing."""
    wanted = {column.name: column for column in layout(kind, timeframe_ns, aggregates=True)}
    if kind == "funding":
        wanted["interval_hours"] = Column("interval_hours", default=None)
    elif kind == "borrow_rates":
        wanted["interval_hours"] = Column("interval_hours")
    given = [name for name in frame.columns if name != "ts"]
    required = [name for name, column in wanted.items() if column.default is ... and name not in (*_DERIVED, "ts")]
    optional = [name for name in wanted if name not in required and name not in (*_DERIVED, "ts")]
    required = [name for name in required if name not in ("first_id", "last_id")]
    if kind == "trades":
        required.append("side")
    _check_columns(given, required, [*optional, "first_id", "last_id"] if kind == "trades" else optional, label)
    values: dict[str, Any] = {}
    for name in given:
        series = frame[name]
        if name in ("ts_avail", "until", "valid_to", "onboard", "delist", "expiry"):
            values[name] = _moments(series, name, label)
        elif name == "interval_hours":
            values["interval_s"] = _seconds(series, label)
        elif name in ("side", "kind") and kind != "instruments":
            values[name] = _words(series, _SIDES if name == "side" else _FUNDING_KINDS, name, label)
        else:
            values[name] = _cells(series, wanted[name], label)
    return values


def _check_columns(given: list[Any], required: list[str], optional: list[str], label: str) -> None:
    """Raise FeedError for a missing or an unknown column, with the likeliest cause."""
    spare = [str(name) for name in given if name not in required and name not in optional]
    missing = [name for name in required if name not in given]
    if missing:
        lower = {name.lower(): name for name in spare}
        near = get_close_matches(missing[0], lower, n=1, cutoff=0.5)
        if near:
            found = lower[near[0]]
            hint = f"; did you mean it by {found!r}? frame.rename(columns={{{found!r}: {missing[0]!r}}})"
        else:
            hint = ""
        raise FeedError(f"{label}: column {missing[0]!r} is missing{hint} (given: {', '.join(map(str, given))})")
    if spare:
        near = get_close_matches(spare[0].lower(), optional, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise FeedError(
            f"{label}: column {spare[0]!r} is not used{hint} Used are {', '.join([*required, *optional])}; "
            f"to leave it out: frame.drop(columns={spare!r})"
        )


def _cells(series: "pd.Series[Any]", column: Column, label: str) -> Any:
    """Return a column as an array that the encoder takes."""
    if series.dtype.kind in "fiub":
        return series.to_numpy()
    if column.type == "string" or series.isna().any():
        return [None if item is None or item != item else item for item in series.tolist()]
    try:
        return as_arrow(series.tolist(), column.name)
    except FeedError as error:
        raise FeedError(f"{label}: {error}") from None


def _seconds(series: "pd.Series[Any]", label: str) -> Int64s:
    """Return hours as whole seconds."""
    hours = np.asarray(series, dtype=np.float64)
    bad = np.flatnonzero(~(np.isfinite(hours) & (hours > 0) & (hours <= 24)))
    if bad.size:
        raise FeedError(f"{label}: interval_hours of row {int(bad[0])} is {hours[bad[0]]:g}; allowed are 0 to 24")
    return np.rint(hours * 3600).astype(np.int64)


def _words(series: "pd.Series[Any]", table: Mapping[str, int], name: str, label: str) -> Int64s:
    """Return a column of words, or of their numbers, as numbers."""
    numbers = set(table.values())
    codes: dict[Any, int] = {}
    for item in series.unique().tolist():
        value = table.get(item.lower()) if isinstance(item, str) else item
        if isinstance(value, bool) or value not in numbers:
            row = series.tolist().index(item) if item == item else int(np.flatnonzero(series.isna())[0])
            raise FeedError(
                f"{label}: {name} of row {row} is {item!r}; allowed are {', '.join(filter(None, table))} "
                f"or {', '.join(map(str, sorted(numbers)))}"
            )
        codes[item] = int(value)
    return np.asarray(series.map(codes), dtype=np.int64)


def _normal(values: dict[str, Any], kind: str, timeframe_ns: int, label: str) -> "tuple[pa.Table, tuple[Any, ...]]":
    """Return the canonical table and findings, refusing what a source file would only have flagged."""
    given = dict(values)
    if kind == "funding" and "interval_s" not in given:
        raw, findings = normalize(given, kind)
    else:
        try:
            built = build(kind, given, timeframe_ns=timeframe_ns)
        except FeedError as error:
            hint = ": round the column first, as frame['price'].round(8)" if "fit 64" in str(error) else ""
            hint = ": round the column first, as frame.round(12)" if "decimals; at most" in str(error) else hint
            raise FeedError(f"{label}: {error}{hint}") from None
        check_table(built, kind, timeframe_ns, label)
        raw, findings = normalize(built, kind, timeframe_ns=timeframe_ns)
    fatal = [finding for finding in findings if finding.severity == "fatal"]
    if fatal:
        raise FeedError(f"{label}: {fatal[0].count} {fatal[0].message} ({fatal[0].rule}), at {fatal[0].examples[0]}")
    return raw, tuple(findings)


def _rule_dataset(kind: str, table: "pa.Table", venue: str, symbol: str) -> Dataset:
    """Return a dataset that holds the rows of a rule table."""
    rows = [{"venue": venue, "symbol": symbol} | row for row in table.to_pylist()]
    return Dataset((), **{kind: rows})
