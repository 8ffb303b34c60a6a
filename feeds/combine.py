"""Equal and contradicting rows: which rows are the same event, inside one table and between two (D1, D2, D3, F4)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from feeds.findings import Finding
from feeds.schema import BAR_KINDS, SETTLED
from feeds.tables import ints, whole
from feeds.times import day_text, iso

if TYPE_CHECKING:
    import pyarrow as pa

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_EXAMPLES = 5
_DOUBLED_ROWS = 3  # distinct rows from which on "each occurs twice" is no coincidence
_SECOND_NAME = {"tiers": "floor", "borrow_rates": "asset", "depth": "percentage"}
# Not part of what a row says: its place in a file, and stamps that differ between sources of one event.
_INCIDENTAL = ("seq", "ts_raw", "ts_avail")


@dataclass(frozen=True)
class Deduplicated:
    """What is left of a table, and what was taken out.

    Attributes
    ----------
    table : pa.Table
    conflicts : pa.Table
        Rows that claim to be an event already kept, with other content; for the quarantine.
    findings : list of Finding
    """

    table: "pa.Table"
    conflicts: "pa.Table"
    findings: list[Finding]


def keys(table: "pa.Table", kind: str, timeframe_ns: int) -> tuple[Int64s, Bools]:
    """Return an integer per row that names the event, and which rows have such a name at all.

    Trades and quotes are named by the venue's id; bars, settled funding and open interest by their time; tiers,
    borrow rates and depth by time and floor, asset or distance. Other rows have no name: two equal ones may be two
    events.
    """
    stamps = ints(table, "ts")
    everyone = np.ones(stamps.size, dtype=bool)
    if kind in ("trades", "quotes"):
        ids = ints(table, "id" if kind == "trades" else "update_id")
        return ids, ids >= 0
    if kind == "funding":
        return stamps, ints(table, "kind") == SETTLED
    if (kind in BAR_KINDS and timeframe_ns) or kind in ("open_interest", "instruments"):
        return stamps, everyone
    if kind in _SECOND_NAME:
        second = table.column(_SECOND_NAME[kind]).to_pylist()
        names: dict[Any, int] = {}
        pairs = [names.setdefault(pair, len(names)) for pair in zip(stamps.tolist(), second, strict=True)]
        return np.array(pairs, dtype=np.int64), everyone
    return stamps, ~everyone


def deduplicate(table: "pa.Table", kind: str, timeframe_ns: int) -> Deduplicated:
    """Drop repeated rows of one event and set apart rows that contradict an earlier one.

    The first row of an event is kept; empty cells of it are filled from its repeats. Rows without a name are dropped
    only when the whole table is repeated the same number of times, and is more than a few rows (D3).
    """
    name, has_name = keys(table, kind, timeframe_ns)
    order, first = _groups(name, has_name)
    if order is None:
        return _undouble(table, kind, has_name)
    equal, table = _compare(table, order, first)
    repeated = np.zeros(table.num_rows, dtype=bool)
    repeated[order] = first != np.arange(first.size)
    different = np.zeros(table.num_rows, dtype=bool)
    different[order] = ~equal
    findings = []
    if count := int(np.count_nonzero(repeated & ~different)):
        rule = "F4" if kind == "funding" else "D1"
        findings.append(
            Finding(rule, "repair", count, "repeated rows of one event dropped", _at(table, repeated & ~different))
        )
    if count := int(np.count_nonzero(different)):
        days = tuple(sorted({day_text(ts) for ts in ints(table, "ts")[different].tolist()}))
        findings.append(
            Finding(
                "D2",
                "fatal",
                count,
                "rows with the id or time of an earlier row but other content set apart; the first is kept",
                _at(table, different),
                days,
            )
        )
    return Deduplicated(_take(table, ~repeated), _take(table, different), findings)


def merge(old: "pa.Table", new: "pa.Table", kind: str, timeframe_ns: int) -> Deduplicated:
    """Join two tables of one instrument at equal scales; rows of `old` win.

    Named rows that both have are kept once. Of rows without a name the larger number of occurrences is kept, so that
    reading the same file again adds nothing and two equal trades of one file stay two.
    """
    import pyarrow as pa

    both = pa.concat_tables([old, new]).combine_chunks()
    _, has_name = keys(both, kind, timeframe_ns)
    is_new = np.arange(both.num_rows) >= old.num_rows
    surplus = np.zeros(both.num_rows, dtype=bool)
    unnamed = np.flatnonzero(~has_name)
    if unnamed.size:
        surplus[unnamed] = _occurs_in_old(_identities(both, unnamed), is_new[unnamed])
    joined = _take(both, ~surplus)
    if not has_name.any():
        return Deduplicated(joined, joined.slice(0, 0), [])
    found = deduplicate(joined, kind, timeframe_ns) if has_name.all() else _named_only(joined, kind, timeframe_ns)
    # Repeats between two imports are the normal case of reading a file again: no finding. Contradictions are.
    return Deduplicated(found.table, found.conflicts, [each for each in found.findings if each.severity == "fatal"])


def _named_only(table: "pa.Table", kind: str, timeframe_ns: int) -> Deduplicated:
    """Deduplicate the named rows of a table and leave the others as they are."""
    import pyarrow as pa

    _, has_name = keys(table, kind, timeframe_ns)
    found = deduplicate(_take(table, has_name), kind, timeframe_ns)
    return Deduplicated(pa.concat_tables([found.table, _take(table, ~has_name)]), found.conflicts, found.findings)


def _groups(name: Int64s, has_name: Bools) -> tuple[Int64s | None, Int64s]:
    """Return the named rows in key order, and for each the place (in that order) of the first with its key.

    The first is None when no key occurs twice.
    """
    nothing = np.empty(0, dtype=np.int64)
    rows = np.flatnonzero(has_name)
    if rows.size < 2:
        return None, nothing
    values = name if rows.size == name.size else name[rows]
    if np.all(values[1:] > values[:-1]):
        return None, nothing
    order = rows if np.all(values[1:] >= values[:-1]) else rows[np.argsort(values, kind="stable")]
    ordered = name[order]
    is_first = np.concatenate(([True], ordered[1:] != ordered[:-1]))
    if is_first.all():
        return None, nothing
    return order, np.maximum.accumulate(np.where(is_first, np.arange(order.size), 0))


def _compare(table: "pa.Table", order: Int64s, first: Int64s) -> tuple[Bools, "pa.Table"]:
    """Tell for each row in key order whether it says the same as the first of its key; fill empty cells of that one."""
    import pyarrow as pa

    equal = np.ones(order.size, dtype=bool)
    leaders = order[first]
    for place, column in enumerate(table.column_names):
        if column in _INCIDENTAL:
            continue
        values, empty = _codes(table.column(column))
        mine, theirs = values[order], values[leaders]
        equal &= (mine == theirs) | empty[order] | empty[leaders]
        if empty.any():
            fill = np.arange(table.num_rows)
            useful = empty[leaders] & ~empty[order]
            fill[leaders[useful][::-1]] = order[useful][::-1]  # backwards: the earliest repeat is written last
            source = whole(table.column(column))
            table = table.set_column(place, table.schema.field(place), source.take(pa.array(fill)))
    return equal, table


def _undouble(table: "pa.Table", kind: str, has_name: Bools) -> Deduplicated:
    """Drop repeats of rows without a name when every row occurs the same number of times, more than once."""
    nothing = table.slice(0, 0)
    if has_name.any() or table.num_rows < 2 or kind not in ("trades", "liquidations"):
        return Deduplicated(table, nothing, [])
    groups = _identities(table, np.arange(table.num_rows))
    _, starts, counts = np.unique(groups, return_index=True, return_counts=True)
    factor = int(counts[0])
    if factor < 2 or counts.size < _DOUBLED_ROWS or np.any(counts != factor):
        return Deduplicated(table, nothing, [])
    keep = np.zeros(table.num_rows, dtype=bool)
    keep[starts] = True
    finding = Finding("D3", "repair", int((~keep).sum()), f"every row occurs exactly {factor} times; kept once")
    return Deduplicated(_take(table, keep), nothing, [finding])


def _identities(table: "pa.Table", rows: Int64s) -> Int64s:
    """Return a number per row that is equal for equal rows (their place in the file left out)."""
    groups = np.zeros(rows.size, dtype=np.int64)
    for column in table.column_names:
        if column in _INCIDENTAL:
            continue
        values, empty = _codes(table.column(column))
        for part in (values[rows], empty[rows].astype(np.int64)):
            if part.size and np.all(part == part[0]):
                continue
            codes = np.unique(part, return_inverse=True)[1].astype(np.int64)
            groups = np.unique(groups * (int(codes.max()) + 1) + codes, return_inverse=True)[1].astype(np.int64)
    return groups


def _occurs_in_old(groups: Int64s, is_new: Bools) -> Bools:
    """Tell which new rows are the n-th of their kind when the old table already has n of them."""
    order = np.argsort(groups, kind="stable")  # old rows come first inside a group
    ordered = groups[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    sizes = np.diff(np.append(starts, ordered.size))
    old_counts = np.bincount(groups[~is_new], minlength=int(groups.max()) + 1)[ordered]
    rank = np.arange(ordered.size) - np.repeat(starts, sizes)
    new_rank = rank - old_counts  # of a new row among the new ones
    surplus = np.zeros(groups.size, dtype=bool)
    surplus[order] = is_new[order] & (new_rank < old_counts)
    return surplus


def _codes(column: "pa.ChunkedArray") -> tuple[Int64s, Bools]:
    """Return integers that are equal where the cells are equal, and which cells are empty."""
    import pyarrow as pa

    array = whole(column)
    empty = np.asarray(array.is_null()) if array.null_count else np.zeros(len(array), dtype=bool)
    if not pa.types.is_integer(array.type):
        array = array.dictionary_encode().indices
    filled = array.fill_null(0) if array.null_count else array
    return np.asarray(filled.to_numpy(zero_copy_only=False)).astype(np.int64, copy=False), empty


def _take(table: "pa.Table", keep: Bools) -> "pa.Table":
    """Return the rows of a mask."""
    import pyarrow as pa

    return table if keep.all() else table.filter(pa.array(keep))


def _at(table: "pa.Table", mask: Bools) -> tuple[str, ...]:
    """Return the times of the first rows of a mask."""
    return tuple(iso(ts) for ts in ints(table, "ts")[mask][:_EXAMPLES].tolist())
