"""The catalog: a folder of partitions, written day by day and read as datasets."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feeds import paths, store
from feeds.coverage import stored_gaps
from feeds.dataset import Dataset, Rule, Stream
from feeds.errors import FeedError
from feeds.findings import Finding, Gap, clip_gaps
from feeds.scales import decode
from feeds.schema import ACCOUNT_KINDS, KINDS, RULE_KINDS, SCALES, join_kind, layout, split_kind
from feeds.store import Partition
from feeds.symbols import ALL, check_venue, suggest, to_native, to_unified
from feeds.tables import check, ints, rescale_table, scales_of
from feeds.times import iso, time_ns
from feeds.update import Joined, join, source_list

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class Catalog:
    """History of instruments in one folder.

    Parameters
    ----------
    root : str or Path
        A local folder, or a URI that pyarrow or fsspec can open (``s3://...``). It need not exist yet. Only in a local
        folder are writes atomic and locked; on a remote store data comes first and the ledger last, and one writer at
        a time is the user's care.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = str(root)
        self.filesystem, self._path, self._is_local = paths.open_root(root)
        self._is_swept = False

    def __repr__(self) -> str:
        """Return the root."""
        return f"Catalog({self.root!r})"

    def write(
        self,
        venue: str,
        symbol: str,
        kind: str,
        table: "pa.Table",
        *,
        source: Mapping[str, Any] | str | Iterable[Mapping[str, Any]] = "",
        findings: Iterable[Finding] = (),
        gaps: Iterable[Gap] = (),
        status: str = "complete",
        proof: str = "none",
        replace: bool = False,
    ) -> tuple[Partition, ...]:
        """Store a table, split over UTC days (months for the sparse kinds), joined with the rows already there.

        Writing the same again changes no byte. A row that contradicts a stored one (same id or time, other content)
        is not stored: it goes to a ``quarantine-*.parquet`` beside the data and its partition becomes ``conflict``.

        Parameters
        ----------
        venue, symbol : str
            Unified name; ``"*"`` for rows that concern a whole venue or account.
        kind : str
            With its timeframe: ``"bars:1m"``.
        table : pa.Table
            Canonical and sorted (`feeds.normalize.normalize` makes one).
        source : dict, str or iterable of dict
            Where it came from; a str is a file name. Machine-dependent paths do not belong here.
        findings, gaps : iterable
            Filed under the partitions they concern.
        status : str
            Of the partitions written; one with a fatal finding or a contradiction is ``conflict`` anyway.
        proof : str
            ``id_contiguous | grid | vendor_checksum | none``.
        replace : bool
            Replace whole partitions instead of joining: how a revised file is accepted.

        Returns
        -------
        tuple of Partition
            Those that the table touches, in time order.

        Raises
        ------
        FeedError
            If the root cannot be written, the table is not canonical, or another process writes the same partition.
        """
        word, timeframe_ns = split_kind(kind)
        check(table, word, timeframe_ns)
        if not table.num_rows:
            raise FeedError(f"{symbol}@{venue} {kind}: the table has no rows; nothing to write")
        if self._is_local and not self._is_swept:
            with self._writing():
                store.sweep(self._path)
            self._is_swept = True
        found, holes, label = tuple(findings), tuple(gaps), join_kind(word, timeframe_ns)
        written = []
        for name, rows in _split(table, word):
            old = None if replace else self.partition(venue, symbol, label, name)
            joined = join(
                old,
                rows,
                word,
                timeframe_ns,
                sources=source_list(source),
                findings=[each for each in found if not each.days or any(day.startswith(name) for day in each.days)],
                gaps=clip_gaps(holes, *paths.partition_bounds(name)),
                status=status,
            )
            if joined is None and old is not None:
                written.append(old)
            elif joined is not None:
                written.append(self._store(venue, symbol, label, joined, proof))
        return tuple(written)

    def dataset(
        self,
        venue: str | Iterable[tuple[str, str]],
        symbols: str | Iterable[str] | None = None,
        *,
        start: Any = None,
        end: Any = None,
        kinds: str | Iterable[str] | None = None,
    ) -> Dataset:
        """Return what is stored of some instruments as a dataset, rows read only when a run needs them.

        Parameters
        ----------
        venue : str, or list of (venue, symbol)
        symbols : str or iterable of str
            Unified names, when `venue` is one venue.
        start, end : int, str, datetime or Timestamp, optional
            ``start <= ts < end``; everything when absent.
        kinds : str or iterable of str, optional
            Streams wanted: ``"trades"``, ``"bars:1m"``, or ``"bars"`` for every timeframe; all when absent. The rule
            tables (instruments, tiers, venue events) in force before `end` are always included.

        Returns
        -------
        Dataset
            Holes, missing partitions and partitions whose status is suspect, absent or conflict are on
            ``Stream.gaps``.

        Raises
        ------
        FeedError
            For an unknown symbol or kind, with what is there instead, or when nothing lies between start and end.
        """
        low = None if start is None else time_ns(start, name="start")
        high = None if end is None else time_ns(end, name="end")
        if low is not None and high is not None and low >= high:
            raise FeedError(f"start {iso(low)} is not before end {iso(high)}")
        wanted = None if kinds is None else [kinds] if isinstance(kinds, str) else list(kinds)
        streams: list[Stream] = []
        rules: dict[str, list[Rule]] = {name: [] for name in RULE_KINDS}
        pairs = self._pairs(venue, symbols)
        for each_venue, symbol in pairs:
            for kind in self._kinds(each_venue, symbol, wanted):
                word, timeframe_ns = split_kind(kind)
                if word not in RULE_KINDS:
                    streams += self._streams(each_venue, symbol, word, timeframe_ns, low, high)
        for each_venue, symbol in [*pairs, *((each, ALL) for each in sorted({each for each, _ in pairs}))]:
            for name in RULE_KINDS:
                rules[name] += self._rules(each_venue, symbol, name, high)
        if not any(stream.rows for stream in streams) and not any(rules.values()):
            where = ", ".join(f"{symbol}@{each}" for each, symbol in pairs)
            raise FeedError(f"{self.root}: no rows of {where} between {start} and {end}; see Catalog.coverage()")
        return Dataset(streams, **rules)

    def read(
        self, venue: str, symbol: str, kind: str, start: Any = None, end: Any = None, *, raw: bool = False
    ) -> "pa.Table":
        """Return the stored rows of one kind of one instrument.

        Parameters
        ----------
        start, end : int, str, datetime or Timestamp, optional
            ``start <= ts < end``.
        raw : bool
            False: numbers as decimal128. True: the int64 mantissas, scales in the schema metadata.

        Returns
        -------
        pa.Table
        """
        import pyarrow as pa

        word, timeframe_ns = split_kind(kind)
        self._kinds(venue, symbol, [join_kind(word, timeframe_ns)])
        low = None if start is None else time_ns(start, name="start")
        high = None if end is None else time_ns(end, name="end")
        parts = [
            part
            for part in self._partitions(venue, symbol, join_kind(word, timeframe_ns), low, high)
            if part.rows and (low is None or part.ts_max >= low) and (high is None or part.ts_min < high)
        ]
        if not parts:
            raise FeedError(f"{self.root}: no rows of {symbol}@{venue} {kind} between {start} and {end}")
        scales = {scale: max(part.scales[scale] for part in parts) for scale in SCALES}
        tables = [rescale_table(part.table(), word, timeframe_ns, scales) for part in parts]
        if len({table.num_columns for table in tables}) > 1:  # only some days have the ids of aggregates
            names = [column.name for column in layout(word, timeframe_ns)]
            tables = [table.select(names) for table in tables]
        table = pa.concat_tables(tables).combine_chunks()
        stamps = ints(table, "ts")
        first = 0 if low is None else int(np.searchsorted(stamps, low))
        last = table.num_rows if high is None else int(np.searchsorted(stamps, high))
        table = table.slice(first, max(last - first, 0))
        return table if raw else _decimals(table, word, timeframe_ns)

    def local_root(self) -> Path:
        """Return the folder, or raise FeedError when the catalog is not on this machine and so cannot be written."""
        if not self._is_local:
            raise FeedError(f"{self.root}: a catalog is written in a local folder; copy it afterwards")
        return Path(self._path)

    def symbols(self, venue: str) -> tuple[str, ...]:
        """Return the unified names that a venue has here, sorted."""
        return tuple(sorted(to_unified(venue, native) for native in self._natives(venue) if native != ALL))

    def venues(self) -> tuple[str, ...]:
        """Return the venues that have data here, sorted."""
        return tuple(paths.list_venues(self.filesystem, self._path))

    def instruments(self) -> Iterator[tuple[str, str, list[str]]]:
        """Yield venue, symbol (``"*"`` for a whole venue) and stored kinds, sorted."""
        for venue in self.venues():
            for native in self._natives(venue):
                symbol = to_unified(venue, native)
                yield venue, symbol, self._kinds(venue, symbol, None, accounts=True)

    def partition_folders(self, venue: str, symbol: str, kind: str) -> list[tuple[str, str]]:
        """Return name (day or month) and folder of each partition of a kind, in time order, none of them opened."""
        folder = f"{self._path}/{paths.instrument_path(venue, to_native(venue, symbol))}/type={kind.replace(':', '-')}"
        names = paths.list_partitions(self.filesystem, folder)
        return [(name.partition("=")[2], f"{folder}/{name}") for name in names]

    def partition(self, venue: str, symbol: str, kind: str, name: str) -> Partition | None:
        """Return one partition by its day or month, None when it does not exist."""
        path = paths.partition_path(venue, to_native(venue, symbol), kind, name)
        return store.read_partition(self.filesystem, f"{self._path}/{path}")

    def partitions(self) -> Iterator[Partition]:
        """Yield every partition, by venue, instrument, kind and time."""
        for venue, symbol, kinds in self.instruments():
            for kind in kinds:
                yield from self._partitions(venue, symbol, kind, None, None)

    def coverage(self) -> "pd.DataFrame":
        """Return a row per venue, symbol and kind: first and last time, partitions by status, rows, gaps, bytes."""
        import pandas as pd

        rows: dict[tuple[str, str, str], dict[str, Any]] = {}
        for part in self.partitions():
            row = rows.setdefault(
                (part.venue, part.symbol, part.kind),
                {"first": None, "last": None, "partitions": 0, "rows": 0, "gaps": 0, "bytes": 0}
                | dict.fromkeys(("complete", "partial", "absent", "suspect", "conflict"), 0),
            )
            if part.rows:
                row["first"] = part.ts_min if row["first"] is None else row["first"]
                row["last"] = part.ts_max
            row["partitions"] += 1
            row["rows"] += part.rows
            row["gaps"] += len(part.gaps)
            row["bytes"] += part.ledger["file"]["size"]
            row[part.status] += 1
        names = ["venue", "symbol", "kind", "first", "last", "partitions", "rows", "gaps", "bytes"]
        names += ["complete", "partial", "absent", "suspect", "conflict"]
        found = [dict(zip(("venue", "symbol", "kind"), key, strict=True)) | row for key, row in rows.items()]
        frame = pd.DataFrame(found, columns=names)
        for name in ("first", "last"):
            frame[name] = pd.to_datetime(frame[name].astype("Int64"), unit="ns", utc=True)
        return frame

    def fingerprint(
        self,
        venue: str | Iterable[tuple[str, str]] | None = None,
        symbols: str | Iterable[str] | None = None,
        *,
        start: Any = None,
        end: Any = None,
        kinds: str | Iterable[str] | None = None,
    ) -> str:
        """Return the hash of a dataset (arguments as `dataset`), or of all that is stored when called without any."""
        if venue is not None:
            return self.dataset(venue, symbols, start=start, end=end, kinds=kinds).fingerprint
        lines = [f"{p.venue}|{p.instrument}|{p.kind}|{p.name}|{p.content()}" for p in self.partitions()]
        return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()

    def _natives(self, venue: str) -> list[str]:
        """Return the native ids of a venue."""
        return paths.list_instruments(self.filesystem, self._path, venue)

    def _pairs(
        self, venue: str | Iterable[tuple[str, str]], symbols: str | Iterable[str] | None
    ) -> list[tuple[str, str]]:
        """Return the (venue, symbol) pairs asked for, each known to the catalog."""
        if isinstance(venue, str):
            if symbols is None:
                raise FeedError(
                    f"symbols is missing: give names of {venue}, of {', '.join(self.symbols(venue)) or '-'}"
                )
            names = [symbols] if isinstance(symbols, str) else list(symbols)
            pairs = [(venue, symbol) for symbol in names]
        else:
            pairs = [(each, symbol) for each, symbol in venue]
            if symbols is not None:
                raise FeedError("symbols is given together with a list of (venue, symbol); leave it out")
        for each, symbol in pairs:
            check_venue(each)
            known = self.symbols(each)
            if symbol not in known:
                have = f"it has {', '.join(known[:10])}{' ...' if len(known) > 10 else ''}" if known else "it has none"
                raise FeedError(f"{self.root}: no {symbol!r} at {each}{suggest(symbol, known)} ({have})")
        if not pairs:
            raise FeedError("no symbol is asked for: give at least one")
        return list(dict.fromkeys(pairs))

    def _kinds(self, venue: str, symbol: str, wanted: list[str] | None, *, accounts: bool = False) -> list[str]:
        """Return the stored kinds of an instrument, those wanted, in the order of KINDS."""
        folder = paths.instrument_path(venue, to_native(venue, symbol))
        order = {kind: place for place, kind in enumerate(KINDS)}
        have = paths.list_kinds(self.filesystem, f"{self._path}/{folder}")
        have.sort(key=lambda kind: (order[split_kind(kind)[0]], split_kind(kind)[1]))
        if wanted is None:
            return [kind for kind in have if accounts or kind not in ACCOUNT_KINDS]
        found = []
        for text in wanted:
            if text not in KINDS:
                split_kind(text)
            matching = [kind for kind in have if text in (kind, kind.partition(":")[0])]
            if not matching:
                raise FeedError(f"{self.root}: {symbol}@{venue} has no {text!r} (has {', '.join(have) or 'nothing'})")
            found += [kind for kind in matching if kind not in found]
        return sorted(found, key=have.index)

    def _partitions(self, venue: str, symbol: str, kind: str, start: int | None, end: int | None) -> list[Partition]:
        """Return the partitions of a kind that touch ``start <= t < end``, in time order."""
        found = []
        for name, folder in self.partition_folders(venue, symbol, kind):
            first, after = paths.partition_bounds(name)
            if (start is None or after > start) and (end is None or first < end):
                partition = store.read_partition(self.filesystem, folder)
                if partition is not None:
                    found.append(partition)
        return found

    def _streams(
        self, venue: str, symbol: str, kind: str, timeframe_ns: int, start: int | None, end: int | None
    ) -> list[Stream]:
        """Return the stream of a kind between two times, nothing when none is stored there."""
        partitions = self._partitions(venue, symbol, join_kind(kind, timeframe_ns), start, end)
        if not partitions:
            return []
        parts = tuple(partition for partition in partitions if partition.rows)
        gaps = stored_gaps(partitions, kind, timeframe_ns, start, end)
        found = tuple(dict.fromkeys(finding for partition in partitions for finding in partition.findings))
        return [Stream(venue, symbol, kind, timeframe_ns, parts, gaps=gaps, findings=found).between(start, end)]

    def _rules(self, venue: str, symbol: str, kind: str, end: int | None) -> list[Rule]:
        """Return the rows of a rule table that came into force before `end`."""
        found = []
        for partition in self._partitions(venue, symbol, kind, None, end):
            found += [
                {"venue": venue, "symbol": symbol} | row
                for row in partition.table().to_pylist()
                if end is None or row["ts"] < end
            ]
        return found

    def _store(self, venue: str, symbol: str, kind: str, joined: Joined, proof: str) -> Partition:
        """Write one partition, and what contradicts it beside it."""
        with self._writing():
            partition = store.write_partition(
                self._path,
                venue,
                symbol,
                kind,
                joined.table,
                source=joined.sources,
                findings=joined.findings,
                status=joined.status,
                gaps=joined.gaps,
                proof=proof,
                rows_in=joined.rows_in,
                filesystem=None if self._is_local else self.filesystem,
            )
            if joined.conflicts.num_rows:
                store.write_quarantine(partition, joined.conflicts)
        return partition

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn what a full or read-only disk, or a store that refuses, raises into a FeedError."""
        try:
            yield
        except OSError as error:
            raise FeedError(
                f"{self.root}: cannot be written ({error}); what was stored before is unharmed, and no partition is "
                "half-written"
            ) from error


def _split(table: "pa.Table", kind: str) -> "list[tuple[str, pa.Table]]":
    """Return the rows of each partition with its name, in time order."""
    stamps = ints(table, "ts")
    found, low = [], 0
    while low < stamps.size:
        name = paths.partition_of(kind, int(stamps[low]))
        high = int(np.searchsorted(stamps, paths.partition_bounds(name)[1]))
        found.append((name, table.slice(low, high - low)))
        low = high
    return found


def _decimals(table: "pa.Table", kind: str, timeframe_ns: int) -> "pa.Table":
    """Return the table with its mantissas as decimal128."""
    import pyarrow as pa
    import pyarrow.compute as pc

    scales = scales_of(table)
    for column in layout(kind, timeframe_ns):
        if column.scale is None:
            continue
        place = table.column_names.index(column.name)
        values = decode(ints(table, column.name), scales[column.scale])
        if table.column(column.name).null_count:
            empty = table.column(column.name).combine_chunks().is_null()
            values = pc.if_else(empty, pa.scalar(None, values.type), values)
        table = table.set_column(place, pa.field(column.name, values.type, column.nullable), values)
    return table.replace_schema_metadata(None)
