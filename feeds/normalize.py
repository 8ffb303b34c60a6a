"""From what a source says to a canonical table: the repairing rules of feeds.md section 5."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from feeds import funding_grid
from feeds.combine import deduplicate
from feeds.errors import FeedError
from feeds.findings import Finding, Gap
from feeds.scales import as_arrow
from feeds.schema import BAR_KINDS, COVERAGES, SETTLED, join_kind, layout, split_kind
from feeds.tables import build, check, ints
from feeds.times import iso

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Finding", "Gap", "bad_bars", "bad_values", "grid_gaps", "no_number", "normalize", "stamps_ns"]

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_UNITS = (("s", 9, 10**9), ("ms", 12, 10**6), ("us", 15, 10**3), ("ns", 18, 1))
_FIRST_NS = 1_230_940_800_000_000_000  # 2009-01-03: before it no venue existed
_LATE_NS = 5 * 60 * 10**9
_TOLERATED = 0.001  # share of bad rows above which a file is refused (T1, V1)
_TOLERATED_BARS = 0.01  # above it columns are in another order than claimed (V4)
_POSITIVE = {
    "trades": ("price", "quantity"),
    "quotes": ("bid_price", "ask_price"),
    "book": ("price",),
    "book_orders": ("price",),
    "mark": ("price",),
    "index": ("price",),
    "liquidations": ("price", "quantity"),
}
_NUMBERLESS = {"", "nan", "inf", "+inf", "-inf", "infinity", "-infinity", "none", "null"}


def normalize(
    table: "pa.Table | Mapping[str, Any]", kind: str, *, timeframe_ns: int = 0, now_ns: int | None = None
) -> tuple["pa.Table", list[Finding]]:
    """Make a canonical table and say what was repaired.

    Parameters
    ----------
    table : pa.Table or mapping of str to array
        Columns under their canonical names. Either canonical already (scales in the metadata, mantissas), or raw:
        numbers as text, Decimal, integer or float; `ts` as integers of one unit (s, ms, us or ns, told by magnitude);
        columns that the schema can default may be absent; funding may lack `interval_s`.
    kind : str
        Bare or with its timeframe.
    timeframe_ns : int
    now_ns : int, optional
        When the data was fetched; rows more than 5 min later are impossible (T1).

    Returns
    -------
    table : pa.Table
        Canonical, sorted by ts (trades then by id, then in the order of the source).
    findings : list of Finding
        Rules T1, T2, V1, V4, O1, O2, D1, D2, D3, F1 to F4. A `fatal` one means that the rows of its days contradict
        each other; the first of each was kept.

    Raises
    ------
    FeedError
        When a rule says reject: mixed units, more than 0.1 % of bad rows, order that cannot be restored.
    """
    if ":" in kind:
        kind, timeframe_ns = split_kind(kind)
    label = join_kind(kind, timeframe_ns)
    findings: list[Finding] = []
    if _is_canonical(table):
        found = table
    else:
        values = {name: table[name] for name in (table.column_names if hasattr(table, "column_names") else table)}
        found = _from_raw(values, kind, timeframe_ns, findings)
    found = _drop(found, _impossible_times(found, now_ns), "T1", "rows with impossible times", findings, label)
    found = _drop(found, bad_values(found, kind, timeframe_ns), "V1", "price or size not above 0", findings, label)
    if timeframe_ns and kind in BAR_KINDS:
        found = _drop(found, bad_bars(found), "V4", "bars with high < low, or a price outside them", findings, label)
    found = _sort(found, kind, findings, label)
    if kind == "funding":
        found = _fix_funding(found, findings)
    found = _close_bars(found, timeframe_ns)
    result = deduplicate(found, kind, timeframe_ns)
    findings += result.findings
    found = result.table
    if kind == "liquidations":
        _check_liquidations(found)
    if kind == "funding" and found.num_rows:
        settled = ints(found, "kind") == SETTLED
        findings += funding_grid.inspect(ints(found, "ts")[settled], ints(found, "interval_s")[settled]).findings
    check(found, kind, timeframe_ns)
    return found, findings


def stamps_ns(values: Any, *, name: str = "ts") -> tuple[Int64s, list[Finding]]:
    """Return integer times of one unit, told by their magnitude, as ns (T2).

    Raises
    ------
    FeedError
        If magnitudes of several units, or of none, occur.
    """
    array = as_arrow(values, name)
    if array.null_count:
        raise FeedError(f"{name}: row {int(np.flatnonzero(np.asarray(array.is_null()))[0])} is empty")
    try:
        stamps = np.asarray(array.cast("int64").to_numpy(zero_copy_only=False))
    except ValueError as error:
        raise FeedError(f"{name}: times must be whole numbers: {error}") from None
    if not stamps.size:
        return stamps, []
    low, high = int(stamps.min()), int(stamps.max())
    for unit, digits, factor in _UNITS:
        if low >= 10**digits and high < 10 ** (digits + 1):
            finding = [] if factor == 1 else [Finding("T2", "repair", stamps.size, f"times read as {unit}")]
            return stamps * factor, finding
    raise FeedError(
        f"{name}: times from {low} to {high} are not of one unit (s have 10 digits, ms 13, us 16, ns 19); "
        "split the file, or convert the column first"
    )


def grid_gaps(table: "pa.Table", kind: str, timeframe_ns: int) -> list[Gap]:
    """Return the missing slots between the rows of a kind that has a grid: bars (G3) and settled funding (F6)."""
    stamps = ints(table, "ts")
    if kind == "funding":
        settled = ints(table, "kind") == SETTLED
        return funding_grid.inspect(stamps[settled], ints(table, "interval_s")[settled]).gaps
    if not timeframe_ns:
        return []
    holes = np.flatnonzero(np.diff(stamps) > timeframe_ns)
    return [Gap(int(stamps[i]) + timeframe_ns, int(stamps[i + 1]), "missing", "bars") for i in holes.tolist()]


def _is_canonical(table: Any) -> bool:
    """Tell whether integers of a table are mantissas: its metadata then names their scales."""
    metadata = getattr(getattr(table, "schema", None), "metadata", None) or {}
    return any(key.endswith(b"_scale") for key in metadata)


def _from_raw(values: dict[str, Any], kind: str, timeframe_ns: int, findings: list[Finding]) -> "pa.Table":
    """Build a table from raw columns, leaving out rows whose numbers are no numbers (V1)."""
    import pyarrow as pa

    label = join_kind(kind, timeframe_ns)
    if "ts" not in values:
        raise FeedError(f"{label}: column 'ts' is missing (given: {', '.join(values)})")
    values["ts"], found = stamps_ns(values["ts"], name=f"{label}.ts")
    findings += found
    bad = np.zeros(len(values["ts"]), dtype=bool)
    for column in layout(kind, timeframe_ns):
        if column.scale is not None and not column.nullable and column.name in values:
            values[column.name] = as_arrow(values[column.name], column.name)
            if len(values[column.name]) == bad.size:
                bad |= no_number(values[column.name])
    if bad.any():
        _refuse_many(bad, "V1", "price or size that is no number", label)
        examples = tuple(iso(ts) for ts in values["ts"][bad][:5].tolist())
        count = int(np.count_nonzero(bad))
        findings.append(Finding("V1", "flag", count, "rows with a price or size that is no number dropped", examples))
        keep = pa.array(~bad)
        values = {name: as_arrow(column, name).filter(keep) for name, column in values.items()}
    if kind == "funding" and "interval_s" not in values:
        values["interval_s"] = _intervals(np.asarray(values["ts"]), values)
    return build(kind, values, timeframe_ns=timeframe_ns)


def _intervals(stamps: Int64s, values: dict[str, Any]) -> Int64s:
    """Return the interval of each funding row from the spacing of the settled ones."""
    kinds = np.asarray(values["kind"]) if "kind" in values else np.full(stamps.size, SETTLED)
    settled = np.unique(funding_grid.snap(stamps)[0][kinds == SETTLED])
    known = funding_grid.intervals_from_spacing(settled)
    # A predicted row is about the next settlement: it takes the interval of the one that follows it.
    places = np.searchsorted(settled, funding_grid.snap(stamps)[0])
    return known[np.minimum(places, known.size - 1)]


def no_number(array: "pa.Array") -> Bools:
    """Tell which cells are empty, NaN, infinite, or a word for these."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(array.type):
        return ~np.isfinite(np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float64))
    empty = np.asarray(array.is_null())
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        # Numbers have no letters but e; looking at the rest only keeps the common case to one pass.
        odd = np.asarray(pc.fill_null(pc.match_substring_regex(array, "^$|[a-df-zA-DF-Z]"), True))
        if odd.any():
            words = array.filter(pa.array(odd)).to_pylist()
            empty[odd] = [word is None or word.strip().lower() in _NUMBERLESS for word in words]
    return empty


def _impossible_times(table: "pa.Table", now_ns: int | None) -> Bools:
    """Tell which rows have a time before the first venue or after the fetch (T1)."""
    stamps = ints(table, "ts")
    late = np.zeros(stamps.size, dtype=bool) if now_ns is None else stamps > now_ns + _LATE_NS
    return (stamps <= _FIRST_NS) | late


def bad_values(table: "pa.Table", kind: str, timeframe_ns: int) -> Bools:
    """Tell which rows have a price or size that is not above 0 (V1)."""
    names = ("open", "high", "low", "close") if timeframe_ns else _POSITIVE.get(kind, ())
    bad = np.zeros(table.num_rows, dtype=bool)
    if kind == "premium":
        return bad
    for name in names:
        bad |= ints(table, name) <= 0
    if kind in ("book", "book_orders"):
        bad |= ints(table, "quantity") < 0
    return bad


def bad_bars(table: "pa.Table") -> Bools:
    """Tell which bars contradict themselves (V4)."""
    high, low = ints(table, "high"), ints(table, "low")
    bad = (high < low) | (ints(table, "volume") < 0)
    for name in ("open", "close"):
        price = ints(table, name)
        bad |= (price > high) | (price < low)
    return bad


def _drop(table: "pa.Table", bad: Bools, rule: str, what: str, findings: list[Finding], label: str) -> "pa.Table":
    """Drop bad rows with a finding, or refuse the table when there are too many."""
    import pyarrow as pa

    if not bad.any():
        return table
    _refuse_many(bad, rule, what, label)
    examples = tuple(iso(ts) for ts in ints(table, "ts")[bad][:5].tolist())
    findings.append(Finding(rule, "flag", int(np.count_nonzero(bad)), f"{what}: dropped", examples))
    return table.filter(pa.array(~bad))


def _refuse_many(bad: Bools, rule: str, what: str, label: str) -> None:
    """Raise FeedError when the share of bad rows says that the file is not what it seems."""
    count = int(np.count_nonzero(bad))
    tolerated = _TOLERATED_BARS if rule == "V4" else _TOLERATED
    if count > tolerated * bad.size:
        raise FeedError(
            f"{label}: {count} of {bad.size} rows: {what} (rule {rule} refuses more than {tolerated:.1%}), "
            f"first at row {int(np.flatnonzero(bad)[0])}"
        )


def _sort(table: "pa.Table", kind: str, findings: list[Finding], label: str) -> "pa.Table":
    """Put rows in order of ts, trades with ids in order of id inside a stamp (O1, O2)."""
    import pyarrow as pa

    stamps = ints(table, "ts")
    ids = ints(table, "id") if kind == "trades" else np.full(stamps.size, -1)
    # Compared and not subtracted: a bit a row in place of a word, in the largest table there is.
    inversions = int(np.count_nonzero(stamps[1:] < stamps[:-1]))
    if inversions and not np.any(stamps[1:] > stamps[:-1]):
        # Wholly descending: newest first. Reversing keeps the true order inside one stamp, sorting would not.
        table = table.take(pa.array(np.arange(stamps.size - 1, -1, -1)))
        findings.append(Finding("O1", "repair", inversions, "rows were newest first; reversed"))
        stamps, ids, inversions = stamps[::-1], ids[::-1], 0
    falls = (ids[1:] < ids[:-1]) & (ids[1:] >= 0)
    if not inversions and not falls.any():
        return table
    if falls.any():
        backward = int(np.count_nonzero(np.diff(stamps[np.argsort(ids, kind="stable")]) < 0)) if np.all(ids >= 0) else 0
        if backward > _TOLERATED * stamps.size:
            raise FeedError(
                f"{label}: ids and times disagree in {backward} of {stamps.size} rows after sorting by id (rule O2); "
                "the file mixes series"
            )
        count = max(inversions, int(np.count_nonzero(falls)))
        findings.append(Finding("O2", "repair", count, "rows out of order; sorted by time and id"))
    else:
        findings.append(Finding("O1", "repair", inversions, "rows earlier than the row before; sorted by time"))
    return table.take(pa.array(np.lexsort((ids, stamps))))


def _fix_funding(table: "pa.Table", findings: list[Finding]) -> "pa.Table":
    """Snap settled rows to the grid, keeping their stamps in ts_raw (F1, F2)."""
    import pyarrow as pa

    raw, kinds = ints(table, "ts"), ints(table, "kind")
    kept = ints(table, "ts_raw")
    settled = kinds == SETTLED
    moved = raw.copy()
    moved[settled], found = funding_grid.snap(raw[settled])
    findings += found
    table = table.set_column(0, table.schema.field("ts"), pa.array(moved))
    place = table.column_names.index("ts_raw")
    stamps = pa.array(np.where(kept == 0, raw, kept))
    table = table.set_column(place, table.schema.field("ts_raw"), stamps)
    return table if np.all(np.diff(moved) >= 0) else table.take(pa.array(np.argsort(moved, kind="stable")))


def _check_liquidations(table: "pa.Table") -> None:
    """Raise FeedError when a forced order has no side or an unknown coverage (L1)."""
    sides = ints(table, "side")
    unknown = sorted(set(table.column("coverage").unique().to_pylist()) - set(COVERAGES))
    if np.any(np.abs(sides) != 1) or unknown:
        given = f"coverage {unknown[0]!r}" if unknown else f"side {sides[np.abs(sides) != 1][0]}"
        raise FeedError(
            f"liquidations: {given} is not allowed (L1): side is +1 or -1, coverage one of {', '.join(COVERAGES)}"
        )


def _close_bars(table: "pa.Table", timeframe_ns: int) -> "pa.Table":
    """Let a bar close at open + timeframe (a vendor's ...999 rounds up) and be known no earlier than that."""
    import pyarrow as pa

    if not timeframe_ns:
        return table
    close = ints(table, "ts") + timeframe_ns
    known = np.maximum(ints(table, "ts_avail"), close)
    for name, values in (("ts_close", close), ("ts_avail", known)):
        if not np.array_equal(ints(table, name), values):
            place = table.column_names.index(name)
            table = table.set_column(place, table.schema.field(name), pa.array(values))
    return table
