"""Instruments and tiers: today's facts of a venue, stored as rows that hold from a date on."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from feeds.catalog import Catalog
from feeds.downloads.context import Context
from feeds.downloads.report import Progress, StreamReport
from feeds.downloads.rest import adapter
from feeds.downloads.windows import Wanted
from feeds.errors import FeedError
from feeds.tables import build
from feeds.times import day_text, iso

if TYPE_CHECKING:
    import pyarrow as pa

SNAPSHOT_KINDS = ("instruments", "tiers")
_STAMPS = ("ts", "ts_avail", "valid_from", "valid_to")


def observe(context: Context, catalog: Catalog, wanted: Wanted, report: StreamReport, progress: Progress) -> None:
    """Ask for today's facts of an instrument and store them where they differ from the last ones stored.

    Nobody publishes past facts. The first facts seen are taken to hold since the start that was asked for (and the
    report says so); later ones hold from the day they were seen on.
    """
    progress.what = str(wanted)
    module = adapter(wanted.venue)
    facts = module.instrument(context, wanted) if wanted.kind == "instruments" else module.tiers(context, wanted)
    rows = [facts] if isinstance(facts, Mapping) else list(facts)
    if not rows:
        raise FeedError(f"{wanted}: the venue has none of it")
    stored = _stored(catalog, wanted)
    today = context.now // 86_400_000_000_000 * 86_400_000_000_000
    since = today if stored else min(context.start, today)
    table = _table(wanted.kind, rows, since)
    if stored and _content(stored) == _content(table.to_pylist()):
        report.kept += 1
        report.count("complete")
    else:
        parts = catalog.write(
            wanted.venue,
            wanted.symbol,
            wanted.kind,
            table,
            source={"name": f"{wanted.venue} {wanted.kind}", "interface": "rest", "observed": day_text(context.now)},
            replace=bool(stored) and stored[0]["valid_from"] == since,
        )
        report.rows += table.num_rows
        progress.rows += table.num_rows
        report.count(parts[-1].status)
        if not stored and since < today:
            seen = datetime.fromtimestamp(context.now / 1e9, UTC).date()
            report.notes.append(f"facts of {seen}, taken to hold since {iso(since)[:10]}: nobody publishes past ones")
    progress.done += 1


def _table(kind: str, rows: list[Mapping[str, Any]], since: int) -> "pa.Table":
    """Return facts as a canonical table whose rows hold from a time on."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    values: dict[str, Any] = {name: [row.get(name) for row in rows] for name in names}
    return build(kind, {"ts": [since] * len(rows), "valid_from": [since] * len(rows)} | values)


def _stored(catalog: Catalog, wanted: Wanted) -> list[dict[str, Any]]:
    """Return the newest facts stored of an instrument, in the order of their rows."""
    folders = catalog.partition_folders(wanted.venue, wanted.symbol, wanted.kind)
    for name, _ in reversed(folders):
        part = catalog.partition(wanted.venue, wanted.symbol, wanted.kind, name)
        if part is not None and part.rows:
            rows = part.table().to_pylist()
            return [row for row in rows if row["valid_from"] == rows[-1]["valid_from"]]
    return []


def _content(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return facts without their dates."""
    return [{name: value for name, value in row.items() if name not in _STAMPS} for row in rows]
