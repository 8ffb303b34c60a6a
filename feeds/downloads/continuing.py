"""Going on inside a day: numbered rows are kept while they come, and not asked for a second time."""

from typing import TYPE_CHECKING

from feeds.combine import merge
from feeds.downloads.windows import Wanted
from feeds.store import Partition
from feeds.tables import ints
from feeds.update import alike

if TYPE_CHECKING:
    import pyarrow as pa


def known_to(wanted: Wanted, part: Partition | None) -> int:
    """Return the id up to which a stored day has every trade from its beginning on, -1 when that is not known."""
    if part is None or wanted.kind != "trades" or not part.rows:
        return -1
    is_gapless = part.status == "partial" and part.ledger["proof"] == "id_contiguous" and not part.gaps
    return int(part.ledger["id_last"]) if is_gapless else -1


def continued(wanted: Wanted, part: Partition | None, table: "pa.Table") -> "pa.Table | None":
    """Return what is stored of a day together with the rows that follow it.

    None when nothing is stored that could be gone on from, or when the rows contradict it: then the catalog tells.
    """
    known = known_to(wanted, part)
    if part is None or known < 0 or not table.num_rows or int(ints(table, "id")[0]) > known:
        return None
    old, new = alike(part.table(), table, wanted.kind, 0)
    found = merge(old, new, wanted.kind, 0)
    return None if found.conflicts.num_rows else found.table
