"""`validate`: a report on stored or loaded data by the rules of feeds.md section 5."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feeds import cross_checks, rules
from feeds.catalog import Catalog
from feeds.coverage import stored_gaps
from feeds.dataset import Dataset, Stream, TablePart
from feeds.errors import FeedError
from feeds.findings import Finding, Gap, Severity
from feeds.paths import local_filesystem, partition_bounds
from feeds.schema import join_kind, split_kind
from feeds.store import DATA, LEDGER, Partition, read_partition
from feeds.tables import ints, scales_of

if TYPE_CHECKING:
    import pyarrow as pa

# Rules that are told anew from the rows, partition by partition: what an import said of its whole file is older news.
_TOLD_BY_ROWS = ("F2", "F3", "F5", "F6", "G3")
_GAP_RULES = {"bars": "G3", "mark": "G3", "index": "G3", "premium": "G3", "open_interest": "G3", "funding": "F6"}


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One rule that fired in one place."""

    rule: str
    severity: str
    count: int
    where: str
    message: str
    examples: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        names = ("rule", "severity", "count", "where", "message")
        return {name: getattr(self, name) for name in names} | {"examples": list(self.examples)}


@dataclass(slots=True)
class Report:
    """What `validate` found.

    Attributes
    ----------
    rows : list of ReportRow
        Sorted by rule and place. Repairs of earlier imports are not repeated.
    checked_rows, checked_files : int
    """

    rows: list[ReportRow] = field(default_factory=list)
    checked_rows: int = 0
    checked_files: int = 0

    @property
    def exit_code(self) -> int:
        """Return 0 when clean, 1 with findings, 2 when data cannot be used."""
        if any(row.severity in ("fatal", "reject") for row in self.rows):
            return 2
        return 1 if self.rows else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON."""
        return {
            "exit_code": self.exit_code,
            "checked_rows": self.checked_rows,
            "checked_files": self.checked_files,
            "rows": [row.to_dict() for row in self.rows],
        }

    def __str__(self) -> str:
        """Return a table for the terminal."""
        head = f"{self.checked_rows:,} rows, {self.checked_files} files checked"
        if not self.rows:
            return f"{head}: clean"
        lines = [f"{head}:", f"{'rule':<5} {'severity':<8} {'count':>9}  where"]
        for row in self.rows:
            lines.append(f"{row.rule:<5} {row.severity:<8} {row.count:>9,}  {row.where}: {row.message}")
            lines += [f"{'':<26}{example}" for example in row.examples[:3]]
        return "\n".join(lines)

    def add(self, where: str, findings: list[Finding]) -> None:
        """Take findings into the report; repairs already done are no news."""
        self.rows += [
            ReportRow(each.rule, each.severity, each.count, where, each.message, each.examples)
            for each in findings
            if each.severity != "repair"
        ]

    def finish(self) -> "Report":
        """Sort and merge equal rows."""
        unique = dict.fromkeys(self.rows)
        self.rows = sorted(unique, key=lambda row: (row.rule, row.where, row.message))
        return self


def validate(target: "str | Path | Catalog | Dataset | Stream") -> Report:
    """Check data by the rules of feeds.md section 5 that apply to stored rows.

    Parameters
    ----------
    target : str, Path, Catalog, Dataset or Stream
        A catalog's root, one of its partition folders or ``data.parquet`` files, or loaded data. Stored bytes are
        compared with every hash of their ledger (C1).

    Returns
    -------
    Report
        `exit_code` 0 clean, 1 findings, 2 data that must not be used.

    Raises
    ------
    FeedError
        If there is nothing at the path that is ours.
    """
    report = Report()
    if isinstance(target, Dataset):
        _check_dataset(target, report)
    elif isinstance(target, Stream):
        _check_dataset(Dataset([target]), report)
    elif isinstance(target, Catalog):
        _check_catalog(target, report)
    else:
        _check_path(target, report)
    return report.finish()


def _check_path(path: str | Path, report: Report) -> None:
    """Check a catalog root, a partition folder or its data file."""
    if "://" in str(path):
        _check_catalog(Catalog(path), report)
        return
    folder = Path(path).expanduser()
    if not folder.exists():
        raise FeedError(f"{folder}: there is no such file or folder")
    if folder.name in (DATA, LEDGER):
        folder = folder.parent
    if (folder / LEDGER).exists():
        _check_partition(str(folder), report)
    elif (folder / "v1").is_dir():
        _check_catalog(Catalog(folder), report)
    else:
        raise FeedError(
            f"{folder}: neither a catalog (a folder with v1/) nor one of its partitions (with {LEDGER}); other files "
            "are checked when they are imported: feeds.import_file, or levdyn import"
        )


def _check_partition(folder: str, report: Report) -> None:
    """Check one partition by itself."""
    partition, table = _opened(local_filesystem(), folder, report)
    if partition is not None and table is not None:
        word, timeframe_ns = split_kind(partition.kind)
        findings = rules.check_table(table, word, timeframe_ns)
        report.add(_place(partition), [*findings, *_unusable(partition), *_imported(partition.findings, findings)])


def _check_catalog(catalog: Catalog, report: Report) -> None:
    """Check every partition, continuity between them, and series against each other."""
    found_any = False
    for venue, symbol, kinds in catalog.instruments():
        found_any = True
        facts = _facts(catalog, venue, symbol) if "instruments" in kinds else ()
        names: dict[str, set[str]] = {}
        for kind in kinds:
            names[kind] = {name for name, _ in catalog.partition_folders(venue, symbol, kind)}
            _check_series(catalog, venue, symbol, kind, facts, report)
        for first, second in _comparable(kinds):
            for name in sorted(names[first] & names[second]):
                tables = [_table_or_none(catalog, venue, symbol, kind, name) for kind in (first, second)]
                if tables[0] is not None and tables[1] is not None:
                    where = f"{symbol}@{venue} {first} and {second} {name}"
                    report.add(where, _compare(first, second, tables[0], tables[1]))
    if not found_any:
        raise FeedError(f"{catalog.root}: the catalog is empty")


def _check_series(
    catalog: Catalog, venue: str, symbol: str, kind: str, facts: tuple[dict[str, Any], ...], report: Report
) -> None:
    """Check the partitions of one kind of one instrument one by one, and what lies between them."""
    word, timeframe_ns = split_kind(kind)
    sound: list[Partition] = []
    rates: list[float] = []
    last_id = -1
    imported: dict[Finding, list[Partition]] = {}
    for name, folder in catalog.partition_folders(venue, symbol, kind):
        partition, table = _opened(catalog.filesystem, folder, report)
        if partition is None or table is None:
            continue
        sound.append(partition)
        findings = [*rules.check_table(table, word, timeframe_ns, instruments=facts), *_unusable(partition)]
        for each in _imported(partition.findings, findings):
            imported.setdefault(each, []).append(partition)
        findings += rules.outside(table, partition_bounds(name))
        if word == "funding" and table.num_rows:
            history = float(np.median(rates)) if rates else None
            findings += [each for each in rules.implausible_rates(table, history) if "history" in each.message]
            rates += (np.abs(ints(table, "rate")) / 10 ** scales_of(table)["rate"]).tolist()
        if word == "trades" and table.num_rows:
            findings += _id_step(last_id, table)
            last_id = int(ints(table, "id")[-1])
        report.add(_place(partition), findings)
    for found, places in imported.items():
        # An import files what it found in a file under every partition of that file: it is still one finding.
        several = f"{symbol}@{venue} {kind} {places[0].name} to {places[-1].name}"
        report.add(several if len(places) > 1 else _place(places[0]), [found])
    report.add(f"{symbol}@{venue} {kind}", _gap_findings(_between(sound, word, timeframe_ns), word, set()))


def _check_dataset(dataset: Dataset, report: Report) -> None:
    """Check every stream of a dataset, and series against each other."""
    tables: dict[tuple[str, str, str], pa.Table] = {}
    for stream in dataset.streams:
        facts = tuple(
            row for row in dataset.instruments if (row["venue"], row["symbol"]) == (stream.venue, stream.symbol)
        )
        for part in stream.parts:
            if isinstance(part, Partition):
                _opened(part.filesystem, part.path, report)
        if not stream.rows:
            continue
        whole = len(stream.parts) == 1 and isinstance(stream.parts[0], TablePart) and stream.start is stream.end is None
        first = stream.parts[0]
        try:
            table = first.table if whole and isinstance(first, TablePart) else stream.table()
        except FeedError:
            continue  # already in the report as C1
        report.checked_rows += table.num_rows if not isinstance(first, Partition) else 0
        findings = rules.check_table(table, stream.kind, stream.timeframe_ns, instruments=facts)
        findings += [each for each in _imported(stream.findings, findings) if each not in findings]
        findings += _gap_findings(stream.gaps, stream.kind, {each.rule for each in findings})
        report.add(stream.label, findings)
        tables[stream.venue, stream.symbol, join_kind(stream.kind, stream.timeframe_ns)] = table
    for venue, symbol in {(stream.venue, stream.symbol) for stream in dataset.streams}:
        kinds = [kind for place in tables if place[:2] == (venue, symbol) for kind in place[2:]]
        for first_kind, second_kind in _comparable(kinds):
            pair = tables[venue, symbol, first_kind], tables[venue, symbol, second_kind]
            report.add(f"{symbol}@{venue} {first_kind} and {second_kind}", _compare(first_kind, second_kind, *pair))


def _opened(filesystem: Any, folder: str, report: Report) -> "tuple[Partition | None, pa.Table | None]":
    """Open a partition and compare all its hashes; a difference is C1 and the rows are not looked at."""
    try:
        partition = read_partition(filesystem, folder)
        if partition is None:
            return None, None
        table = partition.verify()
    except FeedError as error:
        report.rows.append(ReportRow("C1", "fatal", 1, folder, str(error), ()))
        return None, None
    report.checked_files += 1
    report.checked_rows += partition.rows
    return partition, table


def _table_or_none(catalog: Catalog, venue: str, symbol: str, kind: str, name: str) -> "pa.Table | None":
    """Return the rows of a partition, None when it cannot be read (already reported)."""
    try:
        partition = catalog.partition(venue, symbol, kind, name)
        return None if partition is None or not partition.rows else partition.table()
    except FeedError:
        return None


def _place(partition: Partition) -> str:
    """Return a partition for the report."""
    return f"{partition.symbol}@{partition.venue} {partition.kind} {partition.name}"


def _facts(catalog: Catalog, venue: str, symbol: str) -> tuple[dict[str, Any], ...]:
    """Return the instrument's dated facts, none when they cannot be read."""
    try:
        return tuple(catalog.read(venue, symbol, "instruments", raw=True).to_pylist())
    except FeedError:
        return ()


def _unusable(partition: Partition) -> list[Finding]:
    """Return a finding when the status of a partition forbids its use."""
    if partition.status == "conflict" and not any(each.severity == "fatal" for each in partition.findings):
        return [Finding("D2", "fatal", 1, "the partition is in conflict with another source")]
    if partition.status in ("absent", "suspect"):
        return [Finding("A1", "flag", 1, f"the partition is {partition.status}")]
    return []


def _imported(stored: Sequence[Finding], fresh: Sequence[Finding]) -> list[Finding]:
    """Return what an import found and the rows do not show, or do not show any more: rows dropped, files doubled."""
    told = {*_TOLD_BY_ROWS, *(each.rule for each in fresh if each.rule == "G1")}
    return [each for each in stored if each.rule not in told]


def _id_step(last_id: int, table: "pa.Table") -> list[Finding]:
    """G1 between two partitions of a contiguous series."""
    ids = ints(table, "id")
    contiguous = ids.size > 1 and np.count_nonzero(np.diff(ids) == 1) >= 0.99 * (ids.size - 1)
    missing = int(ids[0]) - last_id - 1
    if last_id < 0 or not contiguous or missing <= 0:
        return []
    return [
        Finding("G1", "flag", missing, "ids missing since the partition before", (f"{last_id + 1} to {ids[0] - 1}",))
    ]


def _between(partitions: list[Partition], kind: str, timeframe_ns: int) -> list[Gap]:
    """Return the holes between partitions; those inside are found in their rows, statuses in their ledgers."""
    inside = {gap for partition in partitions for gap in partition.gaps}
    gaps = stored_gaps(partitions, kind, timeframe_ns, None, None)
    return [gap for gap in gaps if gap not in inside and gap.reason == "missing"]


def _gap_findings(gaps: Sequence[Gap], kind: str, known: set[str]) -> list[Finding]:
    """Return gaps as findings by reason, leaving out missing slots that a rule has already counted in the rows."""
    found = []
    for reason in dict.fromkeys(gap.reason for gap in gaps):
        mine = [gap for gap in gaps if gap.reason == reason]
        rule = {"missing": _GAP_RULES.get(kind, "G2"), "conflict": "D2"}.get(reason, "A1")
        if rule not in known:
            severity: Severity = "fatal" if reason == "conflict" else "flag"
            found.append(Finding(rule, severity, len(mine), f"gaps: {reason}", tuple(map(str, mine[:5]))))
    return found


def _comparable(kinds: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of kinds that G4 and M1 compare."""
    for kind in kinds:
        word, timeframe_ns = split_kind(kind)
        if word == "bars" and "trades" in kinds:
            yield "trades", kind
        if word in ("mark", "index") and timeframe_ns and f"bars:{kind.partition(':')[2]}" in kinds:
            yield kind, f"bars:{kind.partition(':')[2]}"


def _compare(first: str, second: str, one: "pa.Table", other: "pa.Table") -> list[Finding]:
    """Return what G4 or M1 finds in two tables."""
    if first == "trades":
        return cross_checks.volumes_differ(one, other, split_kind(second)[1])
    return cross_checks.mark_is_trades(one, other)
