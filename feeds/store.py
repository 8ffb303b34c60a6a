"""Partitions on disk: layout, encoding, atomic writing with a ledger, and reading that notices changed bytes."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feeds.encoding import dump, encode, footer_sha256, seal
from feeds.errors import FeedError
from feeds.findings import STATUSES, Finding, Gap
from feeds.locks import is_free, locked, sweep_parts, sync_directory, write_atomic, write_part
from feeds.paths import LAYOUT, is_file, local_filesystem, partition_bounds, partition_of, partition_path
from feeds.schema import SCALES, check_version, columns, join_kind, layout, split_kind, version
from feeds.symbols import to_native, to_unified
from feeds.tables import check, content_sha256, ints, scales_of, strip_scales
from feeds.times import iso

if TYPE_CHECKING:
    import pyarrow as pa

WRITER = "levdyn/1"
DATA, LEDGER, PENDING = "data.parquet", "ledger.json", "ledger.json.next"
COVERAGE_PROOFS = ("id_contiguous", "grid", "vendor_checksum", "none")


@dataclass(frozen=True, repr=False, eq=False)
class Partition:
    """One partition that exists: its ledger, and its rows read on demand.

    Attributes
    ----------
    filesystem : pyarrow.fs.FileSystem
    path : str
        Its folder on that file system.
    ledger : dict
        What ledger.json says, already checked against its own hash.
    """

    filesystem: Any
    path: str
    ledger: dict[str, Any]

    def __repr__(self) -> str:
        """Return what it is, its rows and its status."""
        return f"Partition({self.instrument}@{self.venue} {self.kind} {self.name}, {self.rows:,} rows, {self.status})"

    @property
    def venue(self) -> str:
        """Return the venue id."""
        return str(self.ledger["venue"])

    @property
    def instrument(self) -> str:
        """Return the venue's own id."""
        return str(self.ledger["instrument"])

    @property
    def symbol(self) -> str:
        """Return the unified name."""
        return to_unified(self.venue, self.instrument)

    @property
    def kind(self) -> str:
        """Return the kind with its timeframe."""
        return str(self.ledger["kind"])

    @property
    def name(self) -> str:
        """Return the day or month."""
        return str(self.ledger["partition"])

    @property
    def bounds(self) -> tuple[int, int]:
        """Return the first ns and the first after the partition."""
        return partition_bounds(self.name)

    @property
    def status(self) -> str:
        """Return complete, partial, absent, suspect or conflict."""
        return str(self.ledger["status"])

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return int(self.ledger["rows"])

    @property
    def ts_min(self) -> int:
        """Return the first ts."""
        return int(self.ledger["ts_min"])

    @property
    def ts_max(self) -> int:
        """Return the last ts."""
        return int(self.ledger["ts_max"])

    @cached_property
    def scales(self) -> dict[str, int]:
        """Return the scales of the mantissas."""
        return {scale: int(self.ledger["scales"].get(scale, 0)) for scale in SCALES}

    @cached_property
    def gaps(self) -> tuple[Gap, ...]:
        """Return the holes that the ledger lists."""
        return tuple(Gap.from_dict(gap) for gap in self.ledger["gaps"])

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """Return the findings that the ledger lists."""
        return tuple(Finding.from_dict(finding) for finding in self.ledger["findings"])

    def content(self) -> str:
        """Return the content hash."""
        return str(self.ledger["content_sha256"])

    def batches(
        self, names: Sequence[str], rows: int, start: int | None, end: int | None
    ) -> "Iterator[pa.RecordBatch]":
        """Yield batches of the columns with ``start <= ts < end``, page checksums verified.

        Raises
        ------
        FeedError
            If the bytes are not those that were written.
        """
        import pyarrow as pa

        is_cut = start is not None or end is not None
        wanted = [*names, "ts"] if is_cut and "ts" not in names else list(names)
        with self._changed_bytes():
            file = self._open()
            place = file.schema_arrow.names.index("ts")
            groups, expected = [], 0
            for number in range(file.metadata.num_row_groups):
                group = file.metadata.row_group(number)
                stamps = group.column(place).statistics
                if (start is None or stamps.max >= start) and (end is None or stamps.min < end):
                    groups.append(number)
                    expected += group.num_rows
            iterator = file.iter_batches(batch_size=rows, row_groups=groups, columns=wanted, use_threads=False)
        seen = 0
        while True:
            with self._changed_bytes():
                batch = next(iterator, None)
            if batch is None:
                break
            seen += batch.num_rows
            if is_cut:
                stamps = ints(batch, "ts")
                low = 0 if start is None else int(np.searchsorted(stamps, start))
                high = batch.num_rows if end is None else int(np.searchsorted(stamps, end))
                batch = batch.slice(low, max(high - low, 0)).select(list(names))
            if batch.num_rows:
                yield pa.RecordBatch.from_arrays(batch.columns, names=list(names))
        if seen != expected:
            raise FeedError(f"{self.path}/{DATA}: {seen} rows where {expected} were written; the file has changed")

    def table(self) -> "pa.Table":
        """Return all rows as a canonical table, aggregate columns included."""
        import pyarrow as pa

        with self._changed_bytes():
            file = self._open()
            found = file.read(use_threads=False)
        metadata = {f"{name}_scale": str(scale) for name, scale in self.ledger["scales"].items()}
        kind, timeframe_ns = split_kind(self.kind)
        aggregates = kind == "trades" and "first_id" in found.column_names
        schema = columns(kind, timeframe_ns, aggregates=aggregates)
        return pa.table(found.columns, schema=schema).replace_schema_metadata(metadata)

    def verify(self) -> "pa.Table":
        """Return all rows after comparing every hash; raises FeedError at the first that differs."""
        with self._changed_bytes(), self.filesystem.open_input_file(f"{self.path}/{DATA}") as source:
            digest = hashlib.sha256(source.read()).hexdigest()
        if digest != self.ledger["file"]["sha256"]:
            raise FeedError(f"{self.path}/{DATA}: sha256 is {digest}, the ledger has {self.ledger['file']['sha256']}")
        table = self.table()
        content = content_sha256(table)
        if content != self.content():
            raise FeedError(f"{self.path}/{DATA}: the content hash is {content}, the ledger has {self.content()}")
        return table

    def _open(self) -> Any:
        """Open the data file after comparing the hash of its footer with the ledger."""
        import pyarrow.parquet as pq

        source = self.filesystem.open_input_file(f"{self.path}/{DATA}")
        found = footer_sha256(source)
        if found != self.ledger["file"]["footer_sha256"]:
            raise FeedError(f"{self.path}/{DATA}: the footer is not the one that was written; the file has changed")
        # What is buffered ahead stays until the file is closed (arrow#39808): a day of a book would be in memory whole.
        return pq.ParquetFile(source, page_checksum_verification=True, pre_buffer=False)

    def _changed_bytes(self) -> "_ChangedBytes":
        """Return a context that turns decoding errors into a FeedError naming the file."""
        return _ChangedBytes(f"{self.path}/{DATA}")


class _ChangedBytes:
    """Turns errors of the Parquet reader into a FeedError that names the file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """Translate what the reader raises on damaged bytes."""
        if isinstance(error, (OSError, ValueError, MemoryError)) and not isinstance(error, FeedError):
            raise FeedError(
                f"{self.path}: cannot be read, its bytes have changed since they were written ({error})"
            ) from error


def write_partition(
    root: str | Path,
    venue: str,
    symbol: str,
    kind: str,
    table: "pa.Table",
    *,
    source: Mapping[str, Any] | str | Iterable[Mapping[str, Any]],
    findings: Iterable[Finding] = (),
    status: str = "complete",
    gaps: Iterable[Gap] = (),
    partition: str | None = None,
    proof: str = "none",
    rows_in: int | None = None,
    dropped: Mapping[str, int] | None = None,
    filesystem: Any = None,
) -> Partition:
    """Write one partition whole, replacing what it had; the same input gives the same bytes.

    Parameters
    ----------
    root : str or Path
        A local folder, or a path on `filesystem`.
    venue, symbol : str
        Unified name; ``"*"`` for rows of a whole venue or account.
    kind : str
        With its timeframe: ``"bars:1m"``.
    table : pa.Table
        Canonical, sorted, all rows inside one UTC day (month for the sparse kinds).
    source : dict, str or list of dict
        Where the rows came from. A str is a file name.
    findings, gaps : iterable
    status : str
        ``complete | partial | absent | suspect | conflict``.
    partition : str, optional
        The day or month; needed only for a table without rows.
    proof : str
        How completeness is known: ``id_contiguous | grid | vendor_checksum | none``.
    rows_in : int, optional
        Rows before repairs; those of the table when not given.
    dropped : dict of str to int, optional
        Rows left out, by reason.

    Returns
    -------
    Partition

    Raises
    ------
    FeedError
        For a table that is not canonical or spans partitions, unknown words, or a partition being written by another
        process.
    """
    word, timeframe_ns = split_kind(kind)
    native = to_native(venue, symbol)
    if status not in STATUSES or proof not in COVERAGE_PROOFS:
        raise FeedError(
            f"status {status!r} / proof {proof!r}: allowed are {', '.join(STATUSES)} / {', '.join(COVERAGE_PROOFS)}"
        )
    check(table, word, timeframe_ns)
    table = strip_scales(table.combine_chunks(), word, timeframe_ns)
    stamps = ints(table, "ts")
    name = _single_partition(word, stamps, partition)
    used = {column.scale for column in layout(word, timeframe_ns) if column.scale}
    listed: Iterable[Any] = [source] if isinstance(source, Mapping) else source
    body: dict[str, Any] = {
        "schema": version(word),
        "venue": venue,
        "instrument": native,
        "kind": join_kind(word, timeframe_ns),
        "partition": name,
        "status": status,
        "rows": table.num_rows,
        "ts_min": int(stamps[0]) if stamps.size else 0,
        "ts_max": int(stamps[-1]) if stamps.size else 0,
        "scales": {scale: value for scale, value in scales_of(table).items() if scale in used},
        "content_sha256": content_sha256(table),
        "sources": [{"name": source}] if isinstance(source, str) else [dict(each) for each in listed],
        "rows_in": table.num_rows if rows_in is None else rows_in,
        "rows_out": table.num_rows,
        "dropped": dict(dropped) if dropped is not None else {},
        "gaps": [gap.to_dict() for gap in sorted(gaps)],
        "findings": [finding.to_dict() for finding in findings],
        "proof": proof,
        "writer": WRITER,
    }
    if "id" in table.column_names and word == "trades":
        ids = ints(table, "id")
        body["id_first"], body["id_last"] = (int(ids[0]), int(ids[-1])) if ids.size else (-1, -1)
    data = encode(table, word, timeframe_ns, body)
    ledger = seal(body, data)
    place = partition_path(venue, native, body["kind"], name)
    if filesystem is not None:
        path = f"{root}/{place}"
        put(filesystem, path, {DATA: data, LEDGER: dump(ledger)})
        return Partition(filesystem, path, ledger)
    directory = Path(root) / place
    with locked(directory):
        _recover(directory)
        _commit(directory, data, dump(ledger))
    return Partition(local_filesystem(), str(directory), ledger)


def write_quarantine(partition: Partition, rows: "pa.Table") -> str:
    """Keep rows that contradict a partition beside it, named by their content, and return the file."""
    from pyarrow import fs

    word, timeframe_ns = split_kind(partition.kind)
    name = f"quarantine-{content_sha256(rows)[:16]}.parquet"
    body = partition.ledger | {"rows": rows.num_rows, "content_sha256": content_sha256(rows)}
    data = encode(rows, word, timeframe_ns, body | {"scales": scales_of(rows)})
    if isinstance(partition.filesystem, fs.LocalFileSystem):
        directory = Path(partition.path)
        with locked(directory):
            write_atomic(directory / name, data)
    else:
        put(partition.filesystem, partition.path, {name: data})
    return f"{partition.path}/{name}"


def put(filesystem: Any, path: str, files: Mapping[str, bytes]) -> None:
    """Write files in their order on a remote store: nothing more is promised there than that the ledger comes last."""
    from pyarrow import fs

    if isinstance(filesystem, fs.PyFileSystem):
        filesystem.create_dir(path, recursive=True)
    for name, data in files.items():
        with filesystem.open_output_stream(f"{path}/{name}") as stream:
            stream.write(data)


def read_partition(filesystem: Any, path: str) -> Partition | None:
    """Return the partition in a folder, or None when there is none (no ledger).

    A writer that was killed between its two renames left ``ledger.json.next`` beside the new data: whichever ledger
    fits the data is taken, so the partition is the old one or the new one.

    Raises
    ------
    FeedError
        If the ledger was changed or is of a newer schema.
    """
    ledger = _read_ledger(filesystem, f"{path}/{LEDGER}")
    if ledger is not None and is_file(filesystem, f"{path}/{PENDING}"):
        ledger = _fitting(filesystem, path, ledger)
    elif ledger is None:
        ledger = _fitting(filesystem, path, None)
    return None if ledger is None else Partition(filesystem, path, ledger)


def sweep(root: str | Path) -> int:
    """Finish or undo what killed writers left below a local root, and return how many files were removed or renamed."""
    count = 0
    for directory, _, files in os.walk(Path(root) / LAYOUT):
        if any(name.endswith(".part") or name == PENDING or name == ".lock" for name in files):
            folder = Path(directory)
            if is_free(folder):
                with locked(folder):
                    count += _recover(folder)
    return count


def _single_partition(kind: str, stamps: Any, partition: str | None) -> str:
    """Return the one partition that all rows belong to."""
    if not stamps.size:
        if partition is None:
            raise FeedError(f"{kind}: a table without rows needs partition='YYYY-MM-DD' (or 'YYYY-MM')")
        partition_bounds(partition)
        return partition
    first, last = partition_of(kind, int(stamps[0])), partition_of(kind, int(stamps[-1]))
    if first != last or (partition is not None and partition != first):
        raise FeedError(
            f"{kind}: rows from {iso(int(stamps[0]))} to {iso(int(stamps[-1]))} do not lie in one partition"
            f"{f' ({partition})' if partition else ''}; Catalog.write splits them"
        )
    return first


def _commit(directory: Path, data: bytes, ledger: bytes) -> None:
    """Replace data and ledger; killed at any point, a reader finds the old pair or the new one."""
    current = directory / LEDGER
    if current.exists() and current.read_bytes() == ledger and (directory / DATA).read_bytes() == data:
        return
    part = write_part(directory / DATA, data)
    write_atomic(directory / PENDING, ledger)
    os.replace(part, directory / DATA)
    sync_directory(directory)
    os.replace(directory / PENDING, current)
    sync_directory(directory)


def _recover(directory: Path) -> int:
    """Finish or undo the write that a killed process began here; the caller holds the lock."""
    count = sweep_parts(directory)
    pending = directory / PENDING
    if pending.exists():
        partition = read_partition(local_filesystem(), str(directory))
        if partition is not None and pending.read_bytes() == dump(partition.ledger):
            os.replace(pending, directory / LEDGER)
        else:
            pending.unlink()
        sync_directory(directory)
        count += 1
    return count


def _read_ledger(filesystem: Any, path: str) -> dict[str, Any] | None:
    """Return a ledger after checking its hash, its exact form and its schema version; None when there is no file."""
    if not is_file(filesystem, path):
        return None
    with filesystem.open_input_file(path) as file:
        raw = file.read()
    try:
        ledger = json.loads(raw)
        claimed = ledger.pop("sha256")
        is_sound = hashlib.sha256(dump(ledger)).hexdigest() == claimed and dump(ledger | {"sha256": claimed}) == raw
    except (ValueError, KeyError, AttributeError, TypeError):
        is_sound = False
    if not is_sound:
        raise FeedError(f"{path}: the ledger is not as it was written; its partition cannot be trusted")
    check_version(ledger["schema"])
    return dict(ledger) | {"sha256": claimed}


def _fitting(filesystem: Any, path: str, ledger: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the ledger or the pending one, whichever belongs to the data file that is there."""
    pending = _read_ledger(filesystem, f"{path}/{PENDING}")
    if pending is None or not is_file(filesystem, f"{path}/{DATA}"):
        return ledger
    with filesystem.open_input_file(f"{path}/{DATA}") as source:
        found = footer_sha256(source)
    return pending if found == pending["file"]["footer_sha256"] else ledger
