"""Files that a vendor has replaced since their rows were stored: told by the checksums it publishes now (rule C2)."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from feeds import store
from feeds.downloads.context import Context
from feeds.downloads.windows import Source
from feeds.errors import FeedError
from feeds.findings import Finding

RULE = "C2"


@dataclass
class Revisions:
    """Compares stored partitions with what is published now; several checksums are asked for at a time.

    Attributes
    ----------
    context : Context
    sources : sequence of Source
        Of the stream; those that are archives say what is published of a file.
    problems : list of str
        Why checksums could not be had.
    """

    context: Context
    sources: Sequence[Source]
    problems: list[str] = field(default_factory=list)
    _sums: "dict[tuple[str, str], Future[str]]" = field(default_factory=dict)

    def begin(self, parts: Iterable[store.Partition]) -> None:
        """Begin to ask for the checksums of the files that partitions were made of."""
        archives = {source.name: source.ahead for source in self.sources if source.ahead is not None}
        for vendor, path in (_place(entry) for part in parts for entry in _published(part)):
            archive = archives.get(vendor)
            if archive is not None and (vendor, path) not in self._sums:
                self._sums[vendor, path] = self.context.receivers.submit(
                    lambda archive=archive, path=path: archive.published(path)  # type: ignore[misc]
                )

    def replaced(self, part: store.Partition) -> list[str]:
        """Return the files of a partition that are others now, with both checksums."""
        found = []
        for entry in _published(part):
            coming = self._sums.get(_place(entry))
            try:
                now = coming.result() if coming is not None else ""
            except FeedError as error:
                if str(error) not in self.problems:
                    self.problems.append(str(error))
                continue
            if now and now != entry["published_sha256"]:
                found.append(f"{entry['name']}: sha256 {now[:16]}... in place of {entry['published_sha256'][:16]}...")
        return found


def mark(root: Any, part: store.Partition, replaced: Sequence[str]) -> None:
    """Let a stored partition say that its vendor has replaced files of it; its rows stay as they are."""
    if any(finding.rule == RULE for finding in part.findings):
        return
    message = "files replaced by their vendor after they were stored; the stored rows were kept"
    finding = Finding(RULE, "fatal", len(replaced), message, tuple(replaced))
    store.write_partition(
        root,
        part.venue,
        part.symbol,
        part.kind,
        part.table(),
        source=part.ledger["sources"],
        findings=[*part.findings, finding],
        gaps=part.gaps,
        status="conflict",
        partition=part.name,
        proof=part.ledger["proof"],
        rows_in=part.ledger["rows_in"],
        dropped=part.ledger["dropped"],
    )


def _published(part: store.Partition) -> list[Mapping[str, Any]]:
    """Return the sources of a partition whose vendor published a checksum."""
    return [entry for entry in part.ledger["sources"] if "published_sha256" in entry]


def _place(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Return vendor and path of a source."""
    return str(entry["vendor"]), str(entry["url"])
