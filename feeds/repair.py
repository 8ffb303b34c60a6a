"""Putting a catalog in order: killed writers, damaged partitions, rows that a repairing rule would change."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from feeds import store
from feeds.catalog import Catalog
from feeds.errors import FeedError
from feeds.normalize import normalize
from feeds.paths import LAYOUT, local_filesystem
from feeds.schema import split_kind
from feeds.store import DATA, LEDGER, Partition
from feeds.tables import content_sha256

SET_ASIDE = "set-aside"


@dataclass(frozen=True, slots=True)
class Repair:
    """One thing that was done, or would be.

    Attributes
    ----------
    what : str
        ``finished``: writes that were killed half-way, finished or undone; ``rewritten``: rows that a repairing rule
        changes; ``set aside``: bytes that are not those that were written, moved out of the way so that an import or a
        download can fill their place; ``cannot``: rows that a rule rejects, left as they are.
    where : str
        Folder of the partition, or the catalog.
    detail : str
    """

    what: str
    where: str
    detail: str

    @property
    def is_loss(self) -> bool:
        """Return whether something is missing or wrong afterwards."""
        return self.what in ("set aside", "cannot")

    def to_dict(self) -> dict[str, str]:
        """Return plain values."""
        return {"what": self.what, "where": self.where, "detail": self.detail}


def repair(root: str | Path, *, dry_run: bool = False) -> list[Repair]:
    """Put a local catalog in order. Deletes no data: what cannot be read is moved to the folder ``set-aside``.

    Parameters
    ----------
    root : str or Path
    dry_run : bool
        Only say what would be done.

    Returns
    -------
    list of Repair
        Empty when nothing was wrong.

    Raises
    ------
    FeedError
        If there is no local catalog at the root, or another process is writing in it.
    """
    catalog = Catalog(root)
    folder = Path(str(root)).expanduser().absolute()
    if "://" in str(root) or not (folder / LAYOUT).is_dir():
        raise FeedError(f"{root}: no catalog in a local folder (one with {LAYOUT}/ in it); only such a one is repaired")
    done = []
    if not dry_run and (count := store.sweep(folder)):
        done.append(Repair("finished", str(root), f"{count} files of writers that were killed"))
    for place in _folders(folder / LAYOUT):
        partition, reason = _sound(place)
        name = str(place.relative_to(folder))
        if reason:
            if not dry_run:
                _set_aside(folder, place)
            done.append(Repair("set aside", name, reason))
        elif partition is not None:
            done += _normalized(catalog, partition, name, dry_run=dry_run)
    return done


def _folders(top: Path) -> Iterator[Path]:
    """Yield the folders that hold a ledger or data, in name order."""
    for directory, inside, files in os.walk(top):
        inside.sort()
        if LEDGER in files or DATA in files:
            yield Path(directory)


def _sound(place: Path) -> tuple[Partition | None, str]:
    """Return the partition of a folder, or why its bytes cannot be trusted."""
    try:
        partition = store.read_partition(local_filesystem(), str(place))
        if partition is None:
            return None, "data without a ledger: it was never finished"
        partition.verify()
    except FeedError as error:
        return None, str(error)
    return partition, ""


def _set_aside(root: Path, place: Path) -> None:
    """Move a folder out of the catalog, beside it, under a name that is free."""
    target = root / SET_ASIDE / place.relative_to(root / LAYOUT)
    number = 0
    while target.exists():
        number += 1
        target = target.with_name(f"{place.name}.{number}")
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(place, target)


def _normalized(catalog: Catalog, partition: Partition, name: str, *, dry_run: bool) -> list[Repair]:
    """Rewrite a partition whose rows the repairing rules change."""
    word, timeframe_ns = split_kind(partition.kind)
    if not partition.rows:
        return []
    before = partition.table()
    try:
        after, findings = normalize(before, word, timeframe_ns=timeframe_ns)
    except FeedError as error:
        return [Repair("cannot", name, str(error))]
    fresh = [each for each in findings if each not in partition.findings]
    if not after.num_rows:
        return [Repair("cannot", name, "no row would be left: " + "; ".join(each.message for each in fresh))]
    if content_sha256(after.combine_chunks()) == content_sha256(before):
        return []
    if not dry_run:
        catalog.write(
            partition.venue,
            partition.symbol,
            partition.kind,
            after,
            source=partition.ledger["sources"],
            findings=[*partition.findings, *fresh],
            gaps=partition.gaps,
            status=partition.status,
            proof=partition.ledger["proof"],
            replace=True,
        )
    what = ", ".join(dict.fromkeys(f"{each.rule} ({each.count:,})" for each in fresh))
    return [Repair("rewritten", name, f"{before.num_rows - after.num_rows:,} rows fewer: {what}")]
