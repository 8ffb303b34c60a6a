"""Joining new rows with those a partition already holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from feeds.combine import merge
from feeds.findings import Finding, Gap
from feeds.normalize import grid_gaps
from feeds.schema import AGGREGATE_COLUMNS, SCALES
from feeds.store import Partition
from feeds.tables import content_sha256, ints, rescale_table, scales_of, strip_scales

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Joined:
    """What a partition is to hold after an update.

    Attributes
    ----------
    table : pa.Table
        Canonical.
    conflicts : pa.Table
        Rows that contradict stored ones; for the quarantine.
    sources : list of dict
    findings : list of Finding
    gaps : list of Gap
    status : str
    rows_in : int
        Rows of all sources before they were joined.
    """

    table: "pa.Table"
    conflicts: "pa.Table"
    sources: list[dict[str, Any]]
    findings: list[Finding]
    gaps: list[Gap]
    status: str
    rows_in: int


def join(
    old: Partition | None,
    new: "pa.Table",
    kind: str,
    timeframe_ns: int,
    *,
    sources: list[dict[str, Any]],
    findings: Iterable[Finding],
    gaps: Iterable[Gap],
    status: str,
) -> Joined | None:
    """Return what the partition is to hold, or None when the update adds nothing to what it has.

    Parameters
    ----------
    old : Partition or None
        What is stored.
    new : pa.Table
        Canonical rows of this partition.
    sources, findings, gaps, status
        Of the new rows. Gaps that a grid shows are computed here from the joined rows.
    """
    found = list(findings)
    if old is None:
        table = _finish(new, kind, timeframe_ns)
        holes = sorted({*gaps, *grid_gaps(table, kind, timeframe_ns)})
        word = "conflict" if _is_fatal(found) else status
        return Joined(table, table.slice(0, 0), sources, found, holes, word, new.num_rows)
    before, after = alike(old.table(), new, kind, timeframe_ns)
    merged = merge(before, after, kind, timeframe_ns)
    table = _finish(_ordered(merged.table, kind), kind, timeframe_ns)
    found += merged.findings
    all_sources = [*old.ledger["sources"], *(each for each in sources if each not in old.ledger["sources"])]
    all_findings = [*old.findings, *(each for each in found if each not in old.findings)]
    word = "conflict" if old.status == "conflict" or _is_fatal(found) else status
    holes = sorted({*_open_gaps(old, before, after, kind, timeframe_ns), *gaps, *grid_gaps(table, kind, timeframe_ns)})
    is_known = len(all_sources) == len(old.ledger["sources"])
    is_same = is_known and len(all_findings) == len(old.findings) and word == old.status
    if is_same and tuple(holes) == old.gaps and content_sha256(table) == old.content():
        return None
    rows_in = int(old.ledger["rows_in"]) + (0 if is_known else new.num_rows)
    return Joined(table, merged.conflicts, all_sources, all_findings, holes, word, rows_in)


def source_list(source: Mapping[str, Any] | str | Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return where rows came from as a list of plain dicts; an empty text is no source."""
    if isinstance(source, str):
        return [{"name": source}] if source else []
    return [dict(source)] if isinstance(source, Mapping) else [dict(each) for each in source]


def _is_fatal(findings: Iterable[Finding]) -> bool:
    """Tell whether a finding makes the partition contradictory."""
    return any(each.severity == "fatal" for each in findings)


def _finish(table: "pa.Table", kind: str, timeframe_ns: int) -> "pa.Table":
    """Return the table as it is stored: least scales; `seq` of trades is the place in the partition."""
    import pyarrow as pa

    if kind == "trades":
        place = table.column_names.index("seq")
        numbers = np.arange(table.num_rows, dtype=np.int64)
        if not np.array_equal(ints(table, "seq"), numbers):
            table = table.set_column(place, table.schema.field("seq"), pa.array(numbers))
        del numbers
    return strip_scales(table.combine_chunks(), kind, timeframe_ns)


def alike(old: "pa.Table", new: "pa.Table", kind: str, timeframe_ns: int) -> tuple["pa.Table", "pa.Table"]:
    """Return both tables with the same columns and scales."""
    import pyarrow as pa

    tables = [old, new]
    scales = {name: max(scales_of(table)[name] for table in tables) for name in SCALES}
    wide = max(tables, key=lambda table: int(table.num_columns)).schema
    for number, table in enumerate(tables):
        for column in AGGREGATE_COLUMNS:
            if column.name in wide.names and column.name not in table.column_names:
                empty = pa.array(np.full(table.num_rows, -1, dtype=np.int64))
                table = table.append_column(wide.field(column.name), empty)
        tables[number] = rescale_table(table, kind, timeframe_ns, scales)
    return tables[0], tables[1]


def _ordered(table: "pa.Table", kind: str) -> "pa.Table":
    """Return rows by time, trades with ids by id inside a stamp, else stored rows before new ones."""
    import pyarrow as pa

    stamps = ints(table, "ts")
    ids = ints(table, "id") if kind == "trades" else np.full(stamps.size, -1)
    if np.all(np.diff(stamps) >= 0) and np.all((np.diff(stamps) > 0) | (np.diff(ids) >= 0)):
        return table
    return table.take(pa.array(np.lexsort((ids, stamps))))


def _open_gaps(old: Partition, before: "pa.Table", after: "pa.Table", kind: str, timeframe_ns: int) -> list[Gap]:
    """Return the declared gaps of the stored partition that no new row falls into."""
    seen = set(grid_gaps(before, kind, timeframe_ns))
    stamps = ints(after, "ts")
    return [
        gap
        for gap in old.gaps
        if gap not in seen and np.searchsorted(stamps, gap.start) == np.searchsorted(stamps, gap.end)
    ]
