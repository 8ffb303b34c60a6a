"""From tapes into the catalog: rows joined with the day they belong to, and what was not listened to as gaps."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from feeds import store
from feeds.catalog import Catalog
from feeds.downloads.live.heard import COLUMNS
from feeds.downloads.live.tape import Batch
from feeds.downloads.rest.pages import empty
from feeds.downloads.windows import Wanted
from feeds.errors import FeedError
from feeds.findings import Finding, Gap, clip_gaps
from feeds.normalize import normalize
from feeds.paths import partition_bounds, partition_of
from feeds.store import Partition
from feeds.tables import ints
from feeds.times import iso, time_ns

if TYPE_CHECKING:
    import pyarrow as pa

# The end of a day that a recording has not reached: each flush moves it, so after any end it says what is missing.
TAIL = "not recorded yet"


class Unusable(FeedError):
    """Rows that no catalog takes, however often they are offered."""


@dataclass
class Shelf:
    """The partitions of one stream that a recording writes.

    Attributes
    ----------
    catalog : Catalog
    wanted : Wanted
    host : str
        From which the rows come.
    is_sparse : bool
        Whether a day without rows is a day like others.
    until : int
        Up to where what is stored is known, ns; 0 when nothing is.
    """

    catalog: Catalog
    wanted: Wanted
    host: str
    is_sparse: bool
    until: int = 0

    def earlier(self) -> tuple[int, int | None] | None:
        """Return up to where the stream is stored, and the id of its last trade; None when nothing is."""
        folders = self.catalog.partition_folders(self.wanted.venue, self.wanted.symbol, self.wanted.label)
        for name, _ in reversed(folders):
            part = self._partition(name)
            if part is None:
                continue
            known = [time_ns(each["until"]) for each in part.ledger["sources"] if "until" in each]
            until = max([part.ts_max + 1] * bool(part.rows) + known, default=0)
            if until:
                self.until = until
                return until, int(part.ledger.get("id_last", -1)) if part.rows else None
        return None

    def put(self, batch: Batch, now: int) -> int:
        """Store what a tape holds and return the rows that are new.

        Raises
        ------
        Unusable
            If the rows break a rule that no later attempt can mend.
        FeedError
            If the catalog cannot be written now; the batch may be offered again.
        """
        if not batch.since or not batch.until or (not batch.rows and not batch.gaps and batch.until <= self.until):
            return 0
        table, findings = self._table(batch, now)
        stored = self._put_rows(table, findings, batch) if table is not None else set()
        until = max(batch.until, self.until)
        for name in self._names(batch, until) - stored:
            self._amend(name, batch, until)
        self.until = until
        return 0 if table is None else int(table.num_rows)

    def _table(self, batch: Batch, now: int) -> "tuple[pa.Table | None, list[Finding]]":
        """Return the rows of a batch as a canonical table, those of days that are complete already left out."""
        if not batch.rows:
            return None, []
        rows = sorted(batch.rows, key=lambda row: row[0])
        names = COLUMNS[self.wanted.kind][: len(rows[0])]
        values: dict[str, Any] = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
        for column, kind in (("side", np.int8), ("flags", np.uint16), ("kind", np.int8), ("is_snapshot", np.int8)):
            if column in values:
                values[column] = np.array(values[column], dtype=kind)
        try:
            table, findings = normalize(values, self.wanted.kind, now_ns=now)
        except FeedError as error:
            raise Unusable(f"{len(rows)} rows cannot be stored: {error}") from None
        stamps = ints(table, "ts")
        names_of = sorted({partition_of(self.wanted.kind, ts) for ts in (int(stamps[0]), int(stamps[-1]))})
        for name in names_of:
            part = self._partition(name)
            if part is not None and part.status == "complete":
                low, high = partition_bounds(name)
                table = table.filter(_mask((stamps < low) | (stamps >= high)))
                stamps = ints(table, "ts")
        return (table if table.num_rows else None), findings

    def _put_rows(self, table: "pa.Table", findings: list[Finding], batch: Batch) -> set[str]:
        """Store rows and return the names of the partitions in which nothing is left to be done."""
        until = max(batch.until, self.until, int(ints(table, "ts")[-1]))
        tail = self._tail(until)
        written = self.catalog.write(
            self.wanted.venue,
            self.wanted.symbol,
            self.wanted.label,
            table,
            source=self._source(batch, until),
            findings=findings,
            gaps=[*batch.gaps, *tail],
            status="partial",
        )
        tails = set(tail)
        return {
            part.name
            for part in written
            if {gap for gap in part.gaps if gap.detail == TAIL} <= tails | set(clip_gaps(tuple(tail), *part.bounds))
        }

    def _names(self, batch: Batch, until: int) -> set[str]:
        """Return the partitions that a batch concerns: from the oldest gap, or where the last one ended, to its end."""
        first = min([gap.start for gap in batch.gaps] + [self.until or batch.since or until, until])
        found, at = set(), first
        while at <= until:
            name = partition_of(self.wanted.kind, at)
            found.add(name)
            at = partition_bounds(name)[1]
        return found

    def _amend(self, name: str, batch: Batch, until: int) -> None:
        """Bring the gaps of a partition up to date where no row is added to it."""
        old = self._partition(name)
        if old is None and not self.is_sparse:
            return
        if old is not None and old.status in ("complete", "conflict"):
            return
        low, high = partition_bounds(name)
        new = clip_gaps((*batch.gaps, *self._tail(until)), low, high)
        source = self._source(batch, until)
        kept = set() if old is None else {gap for gap in old.gaps if gap.detail != TAIL}
        if old is not None and kept | set(new) == set(old.gaps):
            return
        ledger: dict[str, Any] = {"sources": [], "proof": "none", "dropped": {}} if old is None else old.ledger
        store.write_partition(
            self.catalog.local_root(),
            self.wanted.venue,
            self.wanted.symbol,
            self.wanted.label,
            empty(self.wanted) if old is None else old.table(),
            source=[*ledger["sources"], source],
            findings=() if old is None else old.findings,
            status="partial" if old is None else old.status,
            gaps=kept | set(new),
            partition=name,
            proof=ledger["proof"],
            rows_in=ledger.get("rows_in"),
            dropped=ledger["dropped"],
        )

    def _tail(self, until: int) -> list[Gap]:
        """Return what is left of the last partition."""
        end = partition_bounds(partition_of(self.wanted.kind, until))[1]
        return [Gap(until + 1, end, "missing", TAIL)] if until + 1 < end else []

    def _source(self, batch: Batch, until: int) -> dict[str, str]:
        """Return where rows come from, as a ledger has it."""
        since = max(batch.since, self.until)
        return {
            "name": f"recorded from {self.host}",
            "vendor": self.host,
            "since": iso(min(since, until)),
            "until": iso(until),
        }

    def _partition(self, name: str) -> Partition | None:
        """Return a partition of the stream, None when it does not exist."""
        return self.catalog.partition(self.wanted.venue, self.wanted.symbol, self.wanted.label, name)


def _mask(keep: Any) -> "pa.Array":
    """Return a mask as Arrow has it."""
    import pyarrow as pa

    return pa.array(keep)
