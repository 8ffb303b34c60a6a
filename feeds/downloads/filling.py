"""Filling one stream: for each partition ask the sources in order, judge what they brought, commit it whole."""

from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from feeds import store
from feeds.catalog import Catalog
from feeds.downloads import revisions
from feeds.downloads.bulk.cutting import edge_gap, is_numbered
from feeds.downloads.context import Context
from feeds.downloads.continuing import continued, known_to
from feeds.downloads.http import HostError, RefusedError
from feeds.downloads.probes import Probes
from feeds.downloads.proof import Verdict, has_grid, judge
from feeds.downloads.report import Progress, StreamReport
from feeds.downloads.rest.pages import empty
from feeds.downloads.revisions import Revisions
from feeds.downloads.windows import Haul, Source, Wanted, Window
from feeds.errors import FeedError
from feeds.findings import Finding, Gap
from feeds.formats.rows import at_one_scale, merged
from feeds.normalize import normalize
from feeds.tables import ints
from feeds.times import day_text

if TYPE_CHECKING:
    import pyarrow as pa

_LOOK_AHEAD = 40  # windows: more than the days of a month, which stand in one file
_REFUSALS = 3  # in a row, after which a source is not asked for this stream any more
_KEPT_STATUSES = ("complete", "absent", "conflict")


@dataclass
class Filler:
    """Fills the windows of one stream in time order.

    Attributes
    ----------
    context : Context
    catalog : Catalog
    wanted : Wanted
    sources : list of Source
        Archives first.
    probes : Probes
    report : StreamReport
    progress : Progress
    accepts_revisions, checks_revisions : bool
        Whether stored rows give way to those of files that their vendor has replaced, and whether that is looked at.
    """

    context: Context
    catalog: Catalog
    wanted: Wanted
    sources: list[Source]
    probes: Probes
    report: StreamReport
    progress: Progress
    accepts_revisions: bool = False
    checks_revisions: bool = True
    _revised: set[str] = field(default_factory=set)
    _unreached: int = 0
    _dead: dict[str, str] = field(default_factory=dict)
    _refusals: dict[str, int] = field(default_factory=dict)

    def fill(self, windows: list[Window]) -> None:
        """Fill all windows. A host that fails for good is not asked again for this stream."""
        try:
            todo = self._todo(windows)
            for place, window in enumerate(todo):
                self.progress.what = f"{self.wanted} {window.name}"
                self._prepare(todo, place)
                self._fill(window)
                self.progress.done += 1
        finally:
            for source in self.sources:
                if source.ahead is not None:
                    source.ahead.close()
        if self._unreached:
            self.report.say(f"before {day_text(self._unreached)}: no source reaches that far back")

    def _todo(self, windows: list[Window]) -> list[Window]:
        """Return the windows that are not stored already, or whose rows give way to those of replaced files."""
        parts = [self._stored(window) for window in windows]
        published = Revisions(self.context, self.sources)
        if self.checks_revisions or self.accepts_revisions:
            published.begin(part for part in parts if part is not None)
        todo = []
        for window, part in zip(windows, parts, strict=True):
            replaced = published.replaced(part) if part is not None else []
            if replaced and self.accepts_revisions:
                self._revised.add(window.name)
            if part is None or part.status not in _KEPT_STATUSES or window.name in self._revised:
                known = -1 if window.name in self._revised else known_to(self.wanted, part)
                seen = part.ts_max if part is not None and part.rows else -1
                todo.append(replace(window, known=known, seen=seen, keep=partial(self._checkpoint, window)))
            else:
                self._keep(window, part, replaced)
        self.report.notes += [f"not compared with what is published now: {text}" for text in published.problems]
        return todo

    def _keep(self, window: Window, part: store.Partition, replaced: list[str]) -> None:
        """Leave a stored window as it is, and say so where that is no good news."""
        self.report.kept += 1
        self.progress.done += 1
        if replaced:
            revisions.mark(self.catalog.local_root(), part, replaced)
            self.report.count("conflict")
            self.report.say(
                f"{window.name}: conflict (C2): its vendor has replaced {'; '.join(replaced)}; the stored rows are "
                "kept, --accept-revision takes the new ones"
            )
            return
        self.report.count(part.status)
        if part.status != "complete":
            self.report.say(f"{window.name}: {part.status} since an earlier download or import")

    def _prepare(self, todo: list[Window], place: int) -> None:
        """Let archives receive what the windows from a place on will be made of."""
        for source in self.sources:
            if source.ahead is not None and source.name not in self._dead:
                source.ahead.prepare(
                    window
                    for window in islice(todo, place, place + _LOOK_AHEAD)
                    if source.reaches(window, self.context.now) and (source.has_running or not window.is_running)
                )

    def _fill(self, window: Window) -> None:
        """Ask the sources for one window until its rows are proved to be all there are."""
        hauls: list[Haul] = []
        failures: list[str] = []
        absences: list[str] = []
        reached = [source for source in self.sources if source.reaches(window, self.context.now)]
        for source in reached:
            if source.name in self._dead:
                failures.append(self._dead[source.name])
                continue
            if window.is_running and not source.has_running:
                absences.append("not yet")
                continue
            try:
                haul = source.fetch(window)
            except HostError as error:
                self._dead[source.name] = str(error)
                failures.append(str(error))
                continue
            except RefusedError as error:
                self._refuse(source, str(error))
                failures.append(str(error))
                continue
            except FeedError as error:
                failures.append(str(error))
                continue
            self._refusals.pop(source.name, None)
            if haul.table is None:
                absences.append(self.probes.absence(self.wanted, window, source, haul.absence))
                continue
            hauls = self._chosen([*hauls, haul])
            table, _ = self._joined(hauls)
            if judge(self.wanted, window, table, hauls).status in ("complete", "partial"):
                break
        if hauls:
            self._store(window, hauls, failures)
        else:
            self._nothing(window, failures, absences, bool(reached))

    def _refuse(self, source: Source, text: str) -> None:
        """Count a refusal: the first days of a look-back are refused by themselves, a delisted symbol always."""
        count = self._refusals[source.name] = self._refusals.get(source.name, 0) + 1
        if count >= _REFUSALS:
            self._dead[source.name] = text

    def _store(self, window: Window, hauls: list[Haul], failures: list[str]) -> None:
        """Commit what was brought for a window."""
        table, more = self._joined(hauls)
        verdict = judge(self.wanted, window, table, hauls)
        gap = self._gap_to_day_before(window, table)
        findings = merged([note for haul in hauls for note in haul.findings] + more)
        if gap is not None:
            verdict = Verdict("suspect", "none", (*verdict.gaps, gap))
            findings.append(Finding("G1", "flag", 1, "ids missing after the day before", (str(gap),), (window.name,)))
        status = "conflict" if any(each.severity == "fatal" for each in findings) else verdict.status
        sources = [dict(each) for each in {str(source): source for haul in hauls for source in haul.sources}.values()]
        if table.num_rows:
            status = self._write(window, table, sources, findings, Verdict(status, verdict.proof, verdict.gaps))
        else:
            self._store_nothing(window, sources, Verdict(status, verdict.proof, verdict.gaps), findings)
        self.report.rows += table.num_rows
        self.progress.rows += table.num_rows
        self._tell(window, status, verdict.gaps, findings, failures)

    def _write(
        self,
        window: Window,
        table: "pa.Table",
        sources: list[dict[str, Any]],
        findings: list[Finding],
        verdict: Verdict,
    ) -> str:
        """Commit the rows of a window; those that go on from what is stored are one whole with it."""
        wanted = self.wanted
        is_revised = window.name in self._revised or self._supersedes(table, verdict)
        part = None if is_revised else self._stored(window)
        whole = continued(wanted, part, table)
        if part is not None and whole is not None:
            table, is_revised = whole, True
            sources = [*part.ledger["sources"], *(each for each in sources if each not in part.ledger["sources"])]
        parts = self.catalog.write(
            wanted.venue,
            wanted.symbol,
            wanted.label,
            table,
            source=sources,
            findings=findings,
            gaps=verdict.gaps,
            status=verdict.status,
            proof=verdict.proof,
            replace=is_revised,
        )
        return parts[-1].status

    def _supersedes(self, table: "pa.Table", verdict: Verdict) -> bool:
        """Tell whether rows replace what is stored: whole days of trades without numbers.

        Nothing tells such a trade from the same one of another source, whose stamps may be less exact: both would stay.
        """
        is_trades = self.wanted.kind == "trades" and verdict.status == "complete"
        return is_trades and bool(table.num_rows) and int(ints(table, "id").max()) < 0

    def _checkpoint(self, window: Window, haul: Haul) -> None:
        """Commit what has come of a window so far, which is without a hole from its beginning on."""
        if haul.table is not None and haul.table.num_rows and self._gap_to_day_before(window, haul.table) is None:
            sources = [dict(source) for source in haul.sources]
            self._write(window, haul.table, sources, [], Verdict("partial", haul.proof))

    def _stored(self, window: Window) -> store.Partition | None:
        """Return the partition of a window as it is stored."""
        return self.catalog.partition(self.wanted.venue, self.wanted.symbol, self.wanted.label, window.name)

    def _store_nothing(
        self, window: Window, sources: list[dict[str, Any]], verdict: Verdict, findings: list[Finding]
    ) -> None:
        """Commit that a window has no rows, or none that can be had; rows that are there already are left alone."""
        wanted = self.wanted
        old = self._stored(window)
        if old is None or not old.rows:
            store.write_partition(
                self.catalog.local_root(),
                wanted.venue,
                wanted.symbol,
                wanted.label,
                empty(wanted),
                source=sources,
                findings=findings,
                gaps=verdict.gaps,
                status=verdict.status,
                partition=window.name,
                proof=verdict.proof,
            )

    def _tell(
        self, window: Window, status: str, gaps: tuple[Gap, ...], findings: list[Finding], failures: list[str]
    ) -> None:
        """Report on a stored window."""
        self.report.count(status)
        self.report.gaps += gaps
        self.report.findings += [each for each in findings if each.severity != "repair"]
        if status in ("suspect", "conflict"):
            words = [*failures, *(str(gap) for gap in gaps[:2])] or ["completeness cannot be shown"]
            self.report.say(f"{window.name}: {status}: {'; '.join(words)}")

    def _nothing(self, window: Window, failures: list[str], absences: list[str], was_reached: bool) -> None:
        """Report on, and where it is final record, a window for which no source has anything."""
        if failures:
            self.report.count("failed")
            for text in failures:
                self.report.say(text)
        elif not was_reached:
            self.report.count("missing")
            self._unreached = window.end
        elif absences and all(word == "absent" for word in absences):
            self.report.count("absent")
            self.report.say(f"{window.name}: absent: the archive does not have it (asked twice, some time apart)")
            asked = [{"name": source.name, "vendor": source.name} for source in self.sources]
            self._store_nothing(window, asked, Verdict("absent", "none"), [])
        else:
            self.report.count("missing")
            word = "not yet published" if "not yet" in absences else "not in the archive; ask again in ten minutes"
            self.report.say(f"{window.name}: {word}")

    def _chosen(self, hauls: list[Haul]) -> list[Haul]:
        """Return the hauls to make a window of: where no grid shows holes, the first that is whole stands alone."""
        if has_grid(self.wanted):
            return hauls
        return next(([haul] for haul in hauls if haul.is_whole and not haul.gaps), hauls)

    def _joined(self, hauls: list[Haul]) -> "tuple[pa.Table, list[Finding]]":
        """Return the rows of several sources as one table; those of the first win, contradictions are findings."""
        import pyarrow as pa

        tables = [haul.table for haul in hauls if haul.table is not None and haul.table.num_rows]
        if not tables:
            return empty(self.wanted), []
        if len(tables) == 1:
            return tables[0], []
        levelled = at_one_scale(tables, self.wanted.kind, self.wanted.timeframe_ns)
        rows = pa.concat_tables(levelled).combine_chunks()
        return normalize(rows, self.wanted.kind, timeframe_ns=self.wanted.timeframe_ns)

    def _gap_to_day_before(self, window: Window, table: "pa.Table") -> Gap | None:
        """Return the hole between the ids of the stored day before and the first of this day, where ids have none."""
        if not is_numbered(self.wanted, table) or 0 <= int(ints(table, "id")[0]) <= window.known:
            return None  # those that go on from stored rows were looked at before
        name = day_text(window.start - 1)
        part = self.catalog.partition(self.wanted.venue, self.wanted.symbol, self.wanted.label, name)
        if part is None or part.status != "complete" or not part.rows:
            return None
        gap = edge_gap(table, (int(part.ledger.get("id_last", -1)), part.ts_max))
        return gap and Gap(max(gap.start, window.start), gap.end, gap.reason, gap.detail)
