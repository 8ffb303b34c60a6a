"""Partitions on disk: what is read is what was written, or an error."""

import hashlib
import json
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import feed_rows as rows
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feeds import encoding, store
from feeds.encoding import ROW_GROUP
from feeds.errors import FeedError
from feeds.findings import Finding, Gap
from feeds.paths import local_filesystem, partition_bounds, partition_of, partition_path
from feeds.tables import content_sha256, ints

ROOT = Path(__file__).resolve().parent.parent


def write(root, kind="trades", table=None, **extra):
    given = {"source": "file.csv"} | extra
    return store.write_partition(
        root, rows.VENUE, rows.SYMBOL, kind, rows.trades() if table is None else table, **given
    )


def read(partition):
    return store.read_partition(local_filesystem(), partition.path)


def files(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in Path(root).rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("trades", rows.trades(300)),
        ("bars:1m", rows.bars(60, quote_volume=[None, "1.5"] * 30, count=[3, None] * 30)),
        ("mark:1h", rows.bars(24, timeframe="1h", step=rows.HOUR, kind="mark")),
        ("funding", rows.funding(6, mark=["1.5", None] * 3)),
    ],
)
def test_table_comes_back_equal(tmp_path, kind, table):
    partition = read(write(tmp_path, kind, table))
    assert partition.table().equals(table, check_metadata=True)
    assert partition.content() == content_sha256(table)
    assert (partition.rows, partition.ts_min) == (table.num_rows, rows.START)
    assert partition.verify().equals(table)


def test_partition_lies_where_the_layout_says(tmp_path):
    write(tmp_path)
    write(tmp_path, "bars:1m", rows.bars())
    write(tmp_path, "funding", rows.funding())
    assert sorted(files(tmp_path)) == [
        "v1/venue=binance_usdm/instrument=BTCUSDT/type=bars-1m/date=2024-01-01/data.parquet",
        "v1/venue=binance_usdm/instrument=BTCUSDT/type=bars-1m/date=2024-01-01/ledger.json",
        "v1/venue=binance_usdm/instrument=BTCUSDT/type=funding/month=2024-01/data.parquet",
        "v1/venue=binance_usdm/instrument=BTCUSDT/type=funding/month=2024-01/ledger.json",
        "v1/venue=binance_usdm/instrument=BTCUSDT/type=trades/date=2024-01-01/data.parquet",
        "v1/venue=binance_usdm/instrument=BTCUSDT/type=trades/date=2024-01-01/ledger.json",
    ]


def test_case_of_an_id_survives_the_path():
    small = partition_path("hyperliquid", "kPEPE", "trades", "2024-01-01")
    large = partition_path("hyperliquid", "KPEPE", "trades", "2024-01-01")
    assert small.casefold() != large.casefold()


def test_partition_names_are_utc_days_and_months():
    last = rows.START + rows.DAY - 1
    assert (partition_of("trades", last), partition_of("trades", last + 1)) == ("2024-01-01", "2024-01-02")
    assert partition_of("funding", last) == "2024-01"
    assert partition_bounds("2024-01-01") == (rows.START, rows.START + rows.DAY)


def test_file_is_delta_encoded_zstd_with_checksums_and_sorted(tmp_path):
    partition = write(tmp_path, table=rows.trades(ROW_GROUP + 1, step=1_000_000))
    file = pq.ParquetFile(f"{partition.path}/{store.DATA}")
    assert file.metadata.num_row_groups == 2
    assert file.metadata.row_group(0).num_rows == ROW_GROUP
    stamp, size = file.metadata.row_group(0).column(0), file.metadata.row_group(0).column(5)
    assert (stamp.path_in_schema, stamp.compression) == ("ts", "ZSTD")
    assert "DELTA_BINARY_PACKED" in stamp.encodings
    assert (size.path_in_schema, size.has_dictionary_page) == ("quantity", True)
    assert [each.column_index for each in file.metadata.row_group(0).sorting_columns] == [0]
    metadata = file.schema_arrow.metadata
    assert metadata[b"schema"] == b"trades/1"
    assert (metadata[b"price_scale"], metadata[b"quantity_scale"]) == (b"1", b"2")
    assert (metadata[b"id_first"], metadata[b"rows"]) == (b"1000", b"131073")
    assert metadata[b"content_sha256"].decode() == partition.content()


def test_ledger_says_where_the_rows_came_from(tmp_path):
    findings = [Finding("O1", "repair", 3, "sorted", ("2024-01-01T00:00:00Z",))]
    gaps = [Gap(rows.START, rows.START + rows.SECOND, "missing", "ids 5 to 9")]
    source = {"vendor": "binance", "sha256": "00ff"}
    partition = read(
        write(tmp_path, source=source, findings=findings, gaps=gaps, status="partial", proof="id_contiguous",
              rows_in=110, dropped={"D1": 10})
    )  # fmt: skip
    ledger = json.loads((Path(partition.path) / store.LEDGER).read_text())
    assert ledger["sources"] == [source]
    assert (ledger["rows_in"], ledger["rows_out"], ledger["dropped"]) == (110, 100, {"D1": 10})
    assert (ledger["status"], ledger["proof"]) == ("partial", "id_contiguous")
    assert partition.findings == tuple(findings)
    assert partition.gaps == tuple(gaps)
    assert hashlib.sha256((Path(partition.path) / store.DATA).read_bytes()).hexdigest() == ledger["file"]["sha256"]


def test_same_rows_give_the_same_bytes_however_they_are_chunked(tmp_path):
    table = rows.trades(5000)
    write(tmp_path / "a", table=table)
    write(tmp_path / "b", table=pa.concat_tables([table.slice(0, 7), table.slice(7, 4000), table.slice(4007)]))
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_writing_again_touches_no_file(tmp_path):
    partition = write(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in Path(partition.path).iterdir()}
    write(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in Path(partition.path).iterdir()} == before


def test_writing_again_repairs_damaged_data(tmp_path):
    partition = write(tmp_path)
    data = Path(partition.path) / store.DATA
    good = data.read_bytes()
    data.write_bytes(good[:-20])
    write(tmp_path)
    assert data.read_bytes() == good


def test_trailing_zeros_are_not_stored(tmp_path):
    partition = write(tmp_path, table=rows.trades(price="42000.500", quantity="1.000"))
    assert partition.scales == {"price": 1, "quantity": 0, "rate": 0, "quote": 0}


def test_table_without_rows_is_a_day_without_trades(tmp_path):
    empty = rows.trades().slice(0, 0)
    partition = read(write(tmp_path, table=empty, partition="2024-01-05"))
    assert (partition.rows, partition.name, partition.status) == (0, "2024-01-05", "complete")
    assert partition.table().num_rows == 0
    with pytest.raises(FeedError, match="needs partition="):
        write(tmp_path, table=empty)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"table": rows.trades(2, step=rows.DAY)}, "do not lie in one partition"),
        ({"partition": "2024-01-02"}, "do not lie in one partition (2024-01-02)"),
        ({"status": "done"}, "complete, partial, absent, suspect, conflict"),
        ({"proof": "hope"}, "id_contiguous, grid, vendor_checksum, none"),
        ({"table": rows.bars()}, "a canonical table has"),
    ],
)
def test_unusable_partition_is_refused_and_nothing_is_written(tmp_path, change, words):
    with pytest.raises(FeedError, match=re.escape(words)):
        write(tmp_path, **change)
    assert files(tmp_path) == {}


@pytest.mark.parametrize("size", [7, 4096, 131072])
def test_bounds_read_only_the_rows_inside(tmp_path, size):
    table = rows.trades(ROW_GROUP + 5000, step=1_000_000)
    partition = write(tmp_path, table=table)
    stamps = ints(table, "ts")
    for low, high in ((0, 10), (ROW_GROUP - 5, ROW_GROUP + 5), (ROW_GROUP + 4990, 999_999_999)):
        start, end = rows.START + low * 1_000_000, rows.START + high * 1_000_000
        found = [
            value
            for batch in partition.batches(["price", "ts"], size, start, end)
            for value in batch.column(1).to_pylist()
        ]
        assert found == stamps[(stamps >= start) & (stamps < end)].tolist()


def test_reading_holds_one_part_of_a_file_and_not_what_was_read(tmp_path, monkeypatch):
    """A day of a book may be larger than memory; buffers read ahead would stay until the file is closed."""
    monkeypatch.setattr(encoding, "ROW_GROUP", 10_000)
    random = np.random.Generator(np.random.PCG64(1))
    rows_of_it = 400_000
    changes = {
        "price": np.round(random.uniform(1, 1e6, rows_of_it), 3),
        "quantity": np.round(random.random(rows_of_it), 6),
    }
    partition = write(tmp_path, table=rows.trades(rows_of_it, step=1_000_000, **changes))
    del changes
    before, most, seen = pa.total_allocated_bytes(), 0, 0
    for batch in partition.batches(["price", "quantity"], 10_000, None, None):
        seen += batch.num_rows
        most = max(most, pa.total_allocated_bytes() - before)
    assert seen == rows_of_it
    assert most < 1_500_000 < Path(partition.path, store.DATA).stat().st_size / 2


def flip(raw, bit):
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def check_flips(partition, bits):
    """Read after each flip: the true rows or an error, never other rows; verify always notices."""
    data = Path(partition.path) / store.DATA
    raw, good = data.read_bytes(), partition.content()
    noticed = 0
    for bit in bits:
        data.write_bytes(flip(raw, bit))
        try:
            batches = list(partition.batches(partition.table().column_names, 64, None, None))
            table = pa.Table.from_batches(batches).replace_schema_metadata(partition.table().schema.metadata)
            assert content_sha256(table) == good, f"bit {bit} changed what is read"
        except FeedError as error:
            assert partition.path in str(error)  # noqa: PT017
            noticed += 1
        with pytest.raises(FeedError):
            partition.verify()
    data.write_bytes(raw)
    partition.verify()
    return noticed


def test_single_flipped_bit_never_gives_other_rows(tmp_path):
    partition = write(tmp_path, table=rows.trades(300))
    size = (Path(partition.path) / store.DATA).stat().st_size * 8
    assert check_flips(partition, random.Random(3).sample(range(size), 150)) > 100


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "table"), [("trades", rows.trades(300)), ("funding", rows.funding(mark=[None, 1] * 3))]
)
def test_no_bit_of_a_stored_file_can_flip_unseen(tmp_path, kind, table):
    partition = write(tmp_path, kind, table)
    size = (Path(partition.path) / store.DATA).stat().st_size * 8
    check_flips(partition, range(0, size, 5))


def test_flipped_bit_of_a_ledger_is_always_noticed(tmp_path):
    partition = write(tmp_path, gaps=[Gap(1, 2)])
    ledger = Path(partition.path) / store.LEDGER
    raw = ledger.read_bytes()
    for bit in random.Random(7).sample(range(len(raw) * 8), 500):
        ledger.write_bytes(flip(raw, bit))
        with pytest.raises(FeedError, match=r"ledger\.json"):
            read(partition)


@pytest.mark.parametrize("keep", [0, 1, 7, 100, 0.5, 0.99])
def test_truncated_file_is_an_error_that_names_it(tmp_path, keep):
    partition = write(tmp_path)
    data = Path(partition.path) / store.DATA
    raw = data.read_bytes()
    data.write_bytes(raw[: keep if isinstance(keep, int) else int(len(raw) * keep)])
    with pytest.raises(FeedError, match=r"data\.parquet"):
        list(read(partition).batches(["ts"], 10, None, None))


def test_missing_data_file_is_an_error(tmp_path):
    partition = write(tmp_path)
    (Path(partition.path) / store.DATA).unlink()
    with pytest.raises(FeedError, match=r"data\.parquet"):
        partition.table()


def test_folder_without_ledger_is_no_partition(tmp_path):
    partition = write(tmp_path)
    (Path(partition.path) / store.LEDGER).unlink()
    assert read(partition) is None


def test_ledger_of_a_newer_schema_is_refused(tmp_path):
    partition = write(tmp_path)
    path = Path(partition.path) / store.LEDGER
    ledger = json.loads(path.read_text()) | {"schema": "trades/2"}
    del ledger["sha256"]
    dumped = json.dumps(ledger, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    ledger["sha256"] = hashlib.sha256(dumped.encode()).hexdigest()
    path.write_text(json.dumps(ledger, sort_keys=True, indent=1, ensure_ascii=False) + "\n")
    with pytest.raises(FeedError, match="newer than this reader"):
        read(partition)


CRASH = """
import os, sys
sys.path.insert(0, {tests!r})
import feed_rows as rows
from feeds import encoding, store
count = 0
def dying(function):
    def call(*args, **kwargs):
        global count
        count += 1
        if count == {step}:
            os._exit(9)
        return function(*args, **kwargs)
    return call
table = rows.trades(100, price="2")
for name in ("fsync", "replace", "link", "unlink"):
    setattr(os, name, dying(getattr(os, name)))
store.write_partition({root!r}, rows.VENUE, rows.SYMBOL, "trades", table, source="new.csv")
print(count)
"""


def run_writer(root, step):
    code = CRASH.format(tests=str(ROOT / "tests"), root=str(root), step=step)
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_writer_that_dies_at_any_step_leaves_the_old_rows_or_the_new(tmp_path):
    counted = run_writer(tmp_path / "counted", 0)
    assert counted.returncode == 0, counted.stderr
    steps = int(counted.stdout)
    assert steps >= 8
    outcomes = set()
    for step in range(1, steps + 1):
        root = tmp_path / str(step)
        old = write(root, table=rows.trades(100, price="1"))
        assert run_writer(root, step).returncode == 9
        found = read(old)
        price = set(found.verify().column("price").to_pylist())
        assert price in ({1}, {2})
        outcomes |= price
        store.sweep(root)
        left = {path.name for path in Path(old.path).iterdir()}
        assert left == {store.DATA, store.LEDGER}
        assert set(read(old).verify().column("price").to_pylist()) == price
        again = write(root, table=rows.trades(100, price="2"), source="new.csv")
        assert files(again.path) == files(tmp_path / "counted" / Path(old.path).relative_to(root))
    assert outcomes == {1, 2}


LOOP = """
import sys
sys.path.insert(0, {tests!r})
import feed_rows as rows
from feeds import encoding, store
print("ready", flush=True)
while True:
    for price in ("1", "2"):
        table = rows.trades(20000, price=price)
        store.write_partition({root!r}, rows.VENUE, rows.SYMBOL, "trades", table, source="x")
"""


@pytest.mark.slow
def test_killed_writers_never_leave_a_broken_partition(tmp_path):
    draw = random.Random(11)
    code = LOOP.format(tests=str(ROOT / "tests"), root=str(tmp_path))
    for _ in range(25):
        process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(draw.uniform(0.02, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        folder = tmp_path / partition_path(rows.VENUE, "BTCUSDT", "trades", "2024-01-01")
        found = store.read_partition(local_filesystem(), str(folder))
        if found is not None:
            assert set(found.verify().column("price").to_pylist()) in ({1}, {2})
    write(tmp_path, table=rows.trades(10))
    assert {path.name for path in folder.iterdir()} == {store.DATA, store.LEDGER}


def test_remote_file_systems_are_read_through_pyarrow(tmp_path):
    partition = write(tmp_path)
    filesystem = pa.fs.SubTreeFileSystem(str(tmp_path), local_filesystem())
    inside = str(Path(partition.path).relative_to(tmp_path))
    assert store.read_partition(filesystem, inside).verify().equals(partition.table())
