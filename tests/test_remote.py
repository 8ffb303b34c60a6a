"""Catalogs on stores that are no local folder: fsspec's memory, and S3 by moto's server on this machine."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import feed_rows as rows
import pytest

from feeds.catalog import Catalog
from feeds.errors import FeedError
from feeds.paths import open_root
from feeds.store import DATA, LEDGER
from feeds.validation import validate

BUCKET = "history"


def fill(catalog: Catalog) -> None:
    catalog.write(rows.VENUE, rows.SYMBOL, "trades", rows.trades(3 * 24, step=rows.HOUR), source="a")
    catalog.write(rows.VENUE, rows.SYMBOL, "funding", rows.funding(9), source="b")


@pytest.fixture
def memory() -> str:
    return f"memory://{uuid.uuid4().hex}"


def test_a_catalog_in_any_fsspec_store_is_the_same_as_in_a_folder(tmp_path: Path, memory: str) -> None:
    for root in (memory, tmp_path / "local"):
        fill(Catalog(root))
    remote, local = Catalog(memory), Catalog(tmp_path / "local")
    assert remote.fingerprint() == local.fingerprint()
    assert remote.read(rows.VENUE, rows.SYMBOL, "trades").equals(local.read(rows.VENUE, rows.SYMBOL, "trades"))
    assert validate(memory).rows == []
    assert len(remote.coverage()) == 2


def test_a_remote_write_joins_what_is_there_and_keeps_what_contradicts_it(memory: str) -> None:
    catalog = Catalog(memory)
    fill(catalog)
    catalog.write(rows.VENUE, rows.SYMBOL, "trades", rows.trades(1, price="1.5"), source="c")
    first = next(iter(catalog.partitions()))
    assert (first.rows, first.status) == (24, "conflict")
    names = {info.base_name.partition("-")[0] for info in catalog.filesystem.get_file_info(_inside(first.path))}
    assert names == {DATA, LEDGER, "quarantine"}


def _inside(path: str) -> object:
    from pyarrow import fs

    return fs.FileSelector(path)


def test_the_ledger_comes_last_on_a_remote_store(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = Catalog(memory)
    names: list[str] = []

    class Recorder:
        def __init__(self, inner: object) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> object:
            return getattr(self._inner, name)

        def open_output_stream(self, path: str) -> object:
            names.append(path.rpartition("/")[2])
            if len(names) == 2:
                raise OSError("the connection broke")
            return self._inner.open_output_stream(path)  # type: ignore[attr-defined]

    monkeypatch.setattr(catalog, "filesystem", Recorder(catalog.filesystem))
    with pytest.raises(FeedError, match="the connection broke"):
        catalog.write(rows.VENUE, rows.SYMBOL, "trades", rows.trades(), source="a")
    assert names == [DATA, LEDGER]
    # No ledger: the partition does not exist.
    assert list(Catalog(memory).partitions()) == []


@pytest.mark.parametrize("root", ["nosuch://bucket/x", "s3:///"])
def test_a_store_that_nobody_can_open_is_named(root: str) -> None:
    with pytest.raises(FeedError):
        list(Catalog(root).partitions())


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An S3 server on a port of its own choice, as a URI of a bucket in it."""
    code = (
        "from moto.server import ThreadedMotoServer\n"
        "import sys\n"
        "server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)\n"
        "server.start()\n"
        "print(server.get_host_and_port()[1], flush=True)\n"
        "sys.stdin.read()\n"
    )
    log = tmp_path_factory.mktemp("moto") / "log"
    with open(log, "w") as errors:
        server = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
        assert server.stdout is not None
        assert server.stdin is not None
        port = server.stdout.readline().strip()
        assert port, log.read_text()
        options = f"endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1&allow_bucket_creation=true"
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_EC2_METADATA_DISABLED", "true"),
            ):
                patch.setenv(name, value)
            root = f"s3://{BUCKET}/data?{options}"
            open_root(root)[0].create_dir(BUCKET)
            yield root
        server.stdin.close()
        server.wait(timeout=30)
        server.stdout.close()


@pytest.mark.slow
def test_a_catalog_in_s3_is_written_read_and_validated(s3: str, tmp_path: Path) -> None:
    fill(Catalog(s3))
    fill(Catalog(tmp_path / "local"))
    remote, local = Catalog(s3), Catalog(tmp_path / "local")
    assert remote.fingerprint() == local.fingerprint()
    assert remote.venues() == (rows.VENUE,)
    assert remote.symbols(rows.VENUE) == (rows.SYMBOL,)
    dataset = remote.dataset(rows.VENUE, rows.SYMBOL, start="2024-01-02", kinds="trades")
    assert dataset.streams[0].table().num_rows == 48
    assert validate(s3).rows == []


@pytest.mark.slow
def test_a_changed_byte_in_s3_is_found(s3: str) -> None:
    catalog = Catalog(s3)
    fill(catalog)
    part = next(iter(catalog.partitions()))
    place = f"{part.path}/{DATA}"
    with catalog.filesystem.open_input_file(place) as stream:
        data = bytearray(stream.read())
    data[len(data) // 2] ^= 4
    with catalog.filesystem.open_output_stream(place) as stream:
        stream.write(bytes(data))
    assert [row.rule for row in validate(s3).rows] == ["C1"]


@pytest.mark.slow
def test_a_bucket_that_is_not_there_is_an_empty_catalog_or_an_error_of_ours(s3: str) -> None:
    with pytest.raises(FeedError):
        validate(s3.replace(f"s3://{BUCKET}", "s3://no-such-bucket"))
