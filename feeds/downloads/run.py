"""One download from beginning to end: what is asked for, by which ways, and what came of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feeds.downloads import capabilities
from feeds.downloads.endpoints import from_environment
from feeds.downloads.http import Client
from feeds.downloads.pace import Pace
from feeds.downloads.report import DownloadReport, Progress, StreamReport
from feeds.downloads.windows import Source, Wanted, Window, windows
from feeds.errors import FeedError
from feeds.schema import MONTHLY_KINDS, RULE_KINDS, split_kind
from feeds.symbols import to_native, to_unified
from feeds.times import iso, time_ns

if TYPE_CHECKING:
    from feeds.catalog import Catalog
    from feeds.downloads.context import Context


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user chose for all streams of a download; see `download`."""

    source: str | None
    check_revisions: bool
    accept_revision: bool


def download(
    venue: str,
    symbols: str | Iterable[str],
    *,
    kinds: str | Iterable[str],
    start: Any,
    end: Any = None,
    catalog: "Catalog | str | Path",
    source: str | None = None,
    check_revisions: bool = True,
    accept_revision: bool = False,
    base_urls: Mapping[str, str] | None = None,
    key_file: str | Path | None = None,
    progress: Progress | None = None,
    client: Client | None = None,
) -> DownloadReport:
    """Download history into a catalog, each day (month for sparse kinds) proved complete or marked as what it is.

    Days that are complete are not asked for again, so a download that was interrupted in any way goes on where it
    stopped. Archives come first, REST gives the tail and what archives lack.

    Parameters
    ----------
    venue : str
        A venue id, or ccxt's id of any other exchange.
    symbols : str or iterable of str
        Unified or native.
    kinds : str or iterable of str
        ``trades, bars:1m, mark, index, premium, funding, open_interest, liquidations, instruments, tiers``; the bare
        words of mark, index and premium mean bars of a minute.
    start, end : str, datetime or int ns
        Whole days (months) that touch ``start <= t < end`` are stored; the present when `end` is absent.
    catalog : Catalog, str or Path
    source : {"archive", "rest", "tardis"}, optional
        Only this source. Without it the venue's own archive and its REST; tardis is asked only when it is named: with
        the user's key (``LEVDYN_TARDIS_KEY`` or the key file) for all days, without one for the first of each month.
        There the words of mark and index mean its points.
    check_revisions : bool
        Whether the checksums that an archive publishes of the files of complete days are asked for again: a file that
        was replaced since makes its days a ``conflict`` (rule C2), their rows stay.
    accept_revision : bool
        Rows of files that their vendor has replaced give way to those of the new files.
    base_urls : mapping of str to str, optional
        Public host name to the URL that is asked instead; wins over ``LEVDYN_BASE_URLS``.
    key_file : str or Path, optional
        JSON file with the user's keys; otherwise only the environment is looked at.
    progress : Progress, optional
        Kept up to date for a display.
    client : Client, optional
        Instead of the usual one.

    Returns
    -------
    DownloadReport

    Raises
    ------
    FeedError
        Before anything is asked for: an unknown venue or symbol, kinds that the venue cannot give (each with what to
        do instead), times that are none.
    """
    from feeds.catalog import Catalog
    from feeds.downloads.context import Context

    names = unified_symbols(venue, symbols)
    labels = capabilities.checked(venue, [kinds] if isinstance(kinds, str) else kinds, source)
    target = catalog if isinstance(catalog, Catalog) else Catalog(catalog)
    root = target.local_root()
    pace = Pace(memory=root / "downloads" / "bans.json")
    asker = Client(from_environment(base_urls), pace=pace) if client is None else client
    now = asker.clock.now_ns()
    first, last = time_ns(start, name="start"), now if end is None else time_ns(end, name="end")
    if first >= min(last, now):
        bound = f"end {iso(last)}" if end is not None and last <= now else f"the present {iso(now)}"
        raise FeedError(f"start {iso(first)} is not before {bound}")
    context = Context(asker, root, first, last, now, Path(key_file) if key_file is not None else None)
    chosen = Choice(source, check_revisions, accept_revision)
    seen = Progress() if progress is None else progress
    seen.bytes, seen.waiting = (lambda: asker.traffic.bytes), asker.pace.waiting
    try:
        streams = [
            _stream(context, target, Wanted(venue, symbol, to_native(venue, symbol), *split_kind(label)), chosen, seen)
            for symbol in names
            for label in labels
        ]
    finally:
        context.receivers.close()
        if client is None:
            asker.close()
    traffic = asker.traffic
    return DownloadReport(streams, str(root), traffic.requests, traffic.bytes, traffic.retries, dict(asker.pace.waited))


def unified_symbols(venue: str, symbols: str | Iterable[str]) -> list[str]:
    """Return unified names of what may be unified or native."""
    given = [symbols] if isinstance(symbols, str) else list(symbols)
    if not given:
        raise FeedError("no symbol is asked for: give at least one")
    return list(dict.fromkeys(to_unified(venue, symbol) for symbol in given))


def _stream(context: "Context", catalog: "Catalog", wanted: Wanted, chosen: Choice, progress: Progress) -> StreamReport:
    """Download one stream; what goes wrong with it is in its report and stops no other."""
    from feeds.downloads.filling import Filler
    from feeds.downloads.probes import Probes
    from feeds.downloads.snapshots import observe

    report = StreamReport(wanted.venue, wanted.symbol, wanted.label)
    try:
        if wanted.kind in RULE_KINDS:
            progress.total += 1
            observe(context, catalog, wanted, report, progress)
            return report
        todo = _windows(context, wanted, chosen.source, report)
        progress.total += len(todo)
        if todo:
            probes = Probes(context.root / "downloads" / "probes.json", context.now)
            sources = _sources(context, wanted, chosen.source)
            revisions = (chosen.accept_revision, chosen.check_revisions)
            Filler(context, catalog, wanted, sources, probes, report, progress, *revisions).fill(todo)
    except FeedError as error:
        report.count("failed")
        report.say(str(error))
    return report


def _windows(context: "Context", wanted: Wanted, source: str | None, report: StreamReport) -> list[Window]:
    """Return the partitions to fill, those before the listing left out where an exchange is asked for it."""
    from feeds.downloads.rest import adapter

    listed, delisted = (None, None) if source == "tardis" else adapter(wanted.venue).listing(context, wanted)
    found = windows(wanted, context.start, context.end, now=context.now, listed=listed, delisted=delisted)
    if listed is not None and listed > context.start:
        report.notes.append(f"listed {iso(listed)[:10]}: nothing before that")
    if delisted is not None and delisted < context.end:
        report.notes.append(f"delisted {iso(delisted)[:10]}: nothing after that")
    return found


def _sources(context: "Context", wanted: Wanted, source: str | None) -> list[Source]:
    """Return the sources of a stream, archives first."""
    from feeds.downloads.bulk import archive_of
    from feeds.downloads.rest import adapter
    from feeds.downloads.rest.hyperliquid import NEWEST

    found = []
    for way in capabilities.ways(wanted.venue, wanted.kind, source):
        is_rest = way.source == "rest"
        files = None if is_rest else archive_of(context, wanted, way.source)
        fetch = adapter(wanted.venue).rest(context, wanted) if files is None else files.fetch
        since = time_ns(way.since) if way.since else 0
        if wanted.venue == "hyperliquid" and wanted.kind == "bars":
            since = context.now - NEWEST * wanted.timeframe_ns
        until = time_ns(way.until) + 86_400_000_000_000 if way.until else 0
        has_running = is_rest or (way.source == "tardis" and wanted.kind in MONTHLY_KINDS)
        found.append(Source(way.host, fetch, has_running, way.days, since, until, files))
    return found
