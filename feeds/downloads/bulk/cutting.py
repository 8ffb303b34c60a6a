"""From the rows of files to the rows of a window."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from feeds.downloads.bulk.archive import Contents
from feeds.downloads.rest.pages import empty
from feeds.downloads.windows import Haul, Wanted, Window
from feeds.findings import Finding, Gap, clip_gaps
from feeds.formats.rows import at_one_scale
from feeds.normalize import normalize
from feeds.schema import FLAGS
from feeds.tables import ints

if TYPE_CHECKING:
    import pyarrow as pa


def hauled(
    wanted: Wanted,
    window: Window,
    contents: Sequence[Contents | None],
    is_young: bool,
    *,
    needs_proof: bool = True,
    may_be_empty: bool = False,
) -> Haul:
    """Return the part of some files that lies in a window.

    Parameters
    ----------
    wanted : Wanted
    window : Window
    contents : sequence of Contents or None
        Files that together hold the window; None for one that the vendor does not have.
    is_young : bool
        Whether a missing file may still appear.
    needs_proof : bool
        Whether files must have a checksum or numbered rows; else a file that was received whole is all one can have.
    may_be_empty : bool
        Whether the vendor documents files without rows as days without data (rule A2).
    """
    found = [each for each in contents if each is not None]
    if not found:
        return Haul(absence="not yet" if is_young else "absent")
    tables = [_cut(table, window) for each in found for table in each.tables]
    tables = [table for table in tables if table.num_rows]
    has_all = len(found) == len(contents)
    proof = "vendor_checksum" if all(each.has_checksum for each in found) else "none"
    sources = tuple(each.source for each in found)
    notes = [note for each in found for note in each.findings if _concerns(note, window)]
    gaps = tuple(gap for each in found for gap in clip_gaps(each.gaps, window.low, window.high))
    if not tables:
        return Haul(empty(wanted), sources, proof, has_all and may_be_empty, tuple(notes), gaps)
    table, more = _one(wanted, tables)
    if proof == "none" and is_numbered(wanted, table):
        proof = "id_contiguous"  # a hole would be among the gaps
    has_proof = proof != "none" or not needs_proof
    return Haul(table, sources, proof, has_all and has_proof, (*notes, *more), gaps)


def is_numbered(wanted: Wanted, table: "pa.Table") -> bool:
    """Tell whether ids of trades are known to have no holes: Binance's aggregates, Deribit's trade_seq."""
    if wanted.kind != "trades" or not table.num_rows:
        return False
    return wanted.venue == "deribit" or bool((ints(table, "flags") & FLAGS["aggregated"]).all())


def edge_gap(table: "pa.Table", before: "tuple[int, int] | None") -> Gap | None:
    """Return the hole between the last numbered row of the day before (its id and ts) and the first of this day."""
    if before is None or not table.num_rows:
        return None
    first, ts = int(ints(table, "id")[0]), int(ints(table, "ts")[0])
    if before[0] < 0 or first <= before[0] + 1:
        return None
    return Gap(before[1], ts, "missing", f"ids {before[0] + 1} to {first - 1}")


def _cut(table: "pa.Table", window: Window) -> "pa.Table":
    """Return the rows inside a window."""
    stamps = ints(table, "ts")
    low, high = np.searchsorted(stamps, [window.low, window.high])
    return table.slice(int(low), int(high - low))


def _one(wanted: Wanted, tables: "list[pa.Table]") -> "tuple[pa.Table, list[Finding]]":
    """Return several canonical tables of one stream as one."""
    import pyarrow as pa

    if len(tables) == 1:
        return tables[0], []
    levelled = at_one_scale(tables, wanted.kind, wanted.timeframe_ns)
    return normalize(pa.concat_tables(levelled).combine_chunks(), wanted.kind, timeframe_ns=wanted.timeframe_ns)


def _concerns(finding: Finding, window: Window) -> bool:
    """Tell whether a finding of a file belongs to a window: those that name no day concern all of them."""
    return not finding.days or any(day.startswith(window.name) for day in finding.days)
