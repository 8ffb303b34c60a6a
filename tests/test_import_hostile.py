"""Malicious and broken input: a clear error, nothing outside the catalog touched, nothing lost."""

import errno
import gzip
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import feed_rows as rows
import pytest

from feeds import store
from feeds.catalog import Catalog
from feeds.errors import FeedError
from feeds.formats import files
from feeds.importing import import_file
from feeds.locks import locked
from feeds.validation import validate

MS = 1_704_067_200_000
HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
NAME = "BTCUSDT-aggTrades-2024-01-01"


def trades(count: int = 200) -> str:
    return HEADER + "".join(f"{i},42000.{i % 9},0.5,{i},{i},{MS + i},true\n" for i in range(count))


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("member", ["../../evil.csv", "/etc/evil.csv", "..\\evil.csv", f"a/../../{NAME}.csv"])
def test_a_zip_member_that_climbs_out_of_its_folder_is_read_and_never_written(tmp_path: Path, member: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    with zipfile.ZipFile(inner / "x.zip", "w") as archive:
        archive.writestr(member, trades())
    import_file(inner / "x.zip", symbol="BTC/USDT:USDT", catalog=inner / "catalog")
    assert {path.name for path in inner.iterdir()} == {"x.zip", "catalog"}
    assert {path.name for path in tmp_path.iterdir()} == {"inner"}
    assert all("evil" not in name for name in everything(inner / "catalog"))


def test_links_in_a_tar_file_are_no_members(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        link = tarfile.TarInfo("data.csv")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(FeedError, match="expected one member, found 0"):
        import_file(tmp_path / "x.tar.gz")


@pytest.mark.parametrize("kind", ["zip", "gz"])
def test_a_bomb_is_refused_before_it_fills_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(files, "FREE_BYTES", 1 << 16)
    data = (HEADER + f"1,42000,0.5,1,1,{MS},true\n" * 200_000).encode()
    path = tmp_path / f"{NAME}.{'zip' if kind == 'zip' else 'csv.gz'}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            archive.writestr(f"{NAME}.csv", data)
    else:
        path.write_bytes(gzip.compress(data, 9))
    assert len(data) > files.MOST_RATIO * path.stat().st_size
    with pytest.raises(FeedError, match="over 250 times as many"):
        import_file(path, catalog=tmp_path / "catalog")
    assert not (tmp_path / "catalog").exists()


@pytest.mark.parametrize("symbol", ["../../../etc", "A/../../B:C", "BTC/USDT:USDT/../..", "..", "=cmd|' /C calc'!A0"])
def test_symbols_in_a_file_cannot_leave_the_catalog(tmp_path: Path, symbol: str) -> None:
    header = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
    quoted = symbol.replace('"', '""')
    (tmp_path / "t.csv").write_text(header + f'hyperliquid,"{quoted}",{MS}000,{MS}000,1,buy,1,1\n')
    try:
        import_file(tmp_path / "t.csv", catalog=tmp_path / "catalog")
    except FeedError:
        assert not (tmp_path / "catalog").exists()
    else:
        top = (tmp_path / "catalog").resolve()
        assert all(top in path.resolve().parents for path in top.rglob("*"))
        assert validate(tmp_path / "catalog").exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} <= {"t.csv", "catalog"}


def test_names_that_differ_in_case_only_are_kept_apart(tmp_path: Path) -> None:
    header = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
    lines = [f"hyperliquid,{name},{MS}000,{MS}000,1,buy,{price},1\n" for name, price in (("kPEPE", 1), ("KPEPE", 2))]
    (tmp_path / "t.csv").write_text(header + "".join(lines))
    import_file(tmp_path / "t.csv", catalog=tmp_path / "catalog")
    folders = [path.name.lower() for path in (tmp_path / "catalog").rglob("instrument=*")]
    assert len(set(folders)) == len(folders) == 2
    assert Catalog(tmp_path / "catalog").symbols("hyperliquid") == ("KPEPE/USDC:USDC", "kPEPE/USDC:USDC")


@pytest.mark.parametrize("name", ["x.json", "x.jsonl", "x.csv", "x.json.gz"])
def test_a_web_page_in_place_of_data_is_called_one(tmp_path: Path, name: str) -> None:
    page = b"<!DOCTYPE html>\n<html><body>403 Forbidden, request, blocked</body></html>\n"
    (tmp_path / name).write_bytes(gzip.compress(page) if name.endswith("gz") else page)
    with pytest.raises(FeedError, match=r"web page \(HTML\)"):
        import_file(tmp_path / name)


def test_json_that_is_nested_without_end_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[" * 200_000)
    with pytest.raises(FeedError, match="not whole JSON"):
        import_file(tmp_path / "x.json")
    (tmp_path / "y.json").write_text(json.dumps([[1, 2], {"a": 1}, None]))
    with pytest.raises(FeedError, match="different kinds"):
        import_file(tmp_path / "y.json")


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    found = Catalog(tmp_path / "catalog")
    found.write(rows.VENUE, rows.SYMBOL, "trades", rows.trades(500), source="a")
    return found


def test_every_flipped_bit_of_a_stored_file_is_found(catalog: Catalog) -> None:
    path = Path(next(iter(catalog.partitions())).path)
    for name in (store.DATA, store.LEDGER):
        raw = (path / name).read_bytes()
        for bit in range(3, 8 * len(raw), 8 * len(raw) // 60):
            changed = bytearray(raw)
            changed[bit // 8] ^= 1 << bit % 8
            (path / name).write_bytes(changed)
            assert [row.rule for row in validate(catalog).rows] == ["C1"], (name, bit)
        (path / name).write_bytes(raw)
    assert validate(catalog).rows == []


def test_a_second_writer_is_told_who_writes(catalog: Catalog) -> None:
    folder = Path(next(iter(catalog.partitions())).path)
    before = everything(folder)
    more = rows.trades(10, first_id=9000, start=rows.START + rows.HOUR)
    with locked(folder), pytest.raises(FeedError, match=f"is being written by process {os.getpid()}"):
        catalog.write(rows.VENUE, rows.SYMBOL, "trades", more, source="b")
    assert everything(folder) == before
    catalog.write(rows.VENUE, rows.SYMBOL, "trades", more, source="b")
    assert next(iter(catalog.partitions())).rows == 510


WRITER = """
import resource, sys
sys.path.insert(0, {tests!r})
import feed_rows as rows
from feeds.catalog import Catalog
from feeds.errors import FeedError
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
import numpy as np
noise = np.random.default_rng(1).integers(1, 10**9, 5000)
table = rows.trades(5000, first_id=10**6, step=10**6, start=rows.START + rows.HOUR, price=noise, quantity=noise)
try:
    Catalog({root!r}).write(rows.VENUE, rows.SYMBOL, "trades", table, source="b")
except FeedError as error:
    print(error)
    raise SystemExit(7)
"""


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 600, 5_000, 20_000])
def test_a_full_disk_loses_nothing_and_leaves_nothing_half_written(catalog: Catalog, size: int) -> None:
    root = Path(catalog.root)
    before = everything(root)
    code = WRITER.format(tests=str(Path(__file__).parent), size=size, root=catalog.root)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (7, "")
    assert "cannot be written" in done.stdout
    assert {name: data for name, data in everything(root).items() if not name.endswith(".lock")} == before
    more = rows.trades(10, first_id=9000, start=rows.START + rows.HOUR)
    catalog.write(rows.VENUE, rows.SYMBOL, "trades", more, source="b")
    assert validate(catalog).exit_code < 2


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "catalog").write_text("a file where the folder should be")
    (tmp_path / f"{NAME}.csv").write_text(trades())
    with pytest.raises(FeedError, match="cannot be written"):
        import_file(tmp_path / f"{NAME}.csv", catalog=tmp_path / "catalog")
    assert (tmp_path / "catalog").read_text() == "a file where the folder should be"


def test_a_read_only_disk_is_read_and_not_written(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, mode: str) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    before = everything(Path(catalog.root))
    # Permissions would not stop the super-user, as whom tests may run.
    monkeypatch.setattr("feeds.locks.open", refuse, raising=False)
    with pytest.raises(FeedError, match=r"cannot be written .*Read-only file system"):
        catalog.write(rows.VENUE, rows.SYMBOL, "trades", rows.trades(10, first_id=9000), source="b")
    assert everything(Path(catalog.root)) == before
    assert validate(catalog).rows == []
