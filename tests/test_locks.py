"""One writer at a time; locks of the dead are taken over."""

import json
import os
import subprocess
import sys
import threading

import pytest

from feeds.errors import FeedError
from feeds.locks import LOCK_NAME, is_free, locked, sweep_parts, write_atomic


def test_lock_is_held_and_given_back(tmp_path):
    with locked(tmp_path):
        owner = json.loads((tmp_path / LOCK_NAME).read_text())
        assert owner["pid"] == os.getpid()
        assert not is_free(tmp_path)
        with pytest.raises(FeedError, match=f"is being written by process {os.getpid()}"), locked(tmp_path):
            pass
    assert is_free(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_lock_is_given_back_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), locked(tmp_path):
        raise RuntimeError
    assert is_free(tmp_path)


@pytest.mark.parametrize("change", [{"boot": "another boot"}, {"started": "1"}, {"pid": 2**22 + 1}])
def test_lock_of_a_dead_owner_is_taken_over(tmp_path, change):
    with locked(tmp_path):
        owner = json.loads((tmp_path / LOCK_NAME).read_text())
    (tmp_path / LOCK_NAME).write_text(json.dumps(owner | change))
    with locked(tmp_path):
        assert json.loads((tmp_path / LOCK_NAME).read_text()) == owner


def test_damaged_lock_is_taken_over(tmp_path):
    (tmp_path / LOCK_NAME).write_text("")
    with locked(tmp_path):
        assert not is_free(tmp_path)


def test_lock_of_another_living_process_is_respected(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom feeds.locks import locked\n"
        "with locked(Path(sys.argv[1])):\n    print(1, flush=True)\n    sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(FeedError, match=f"process {other.pid}"), locked(tmp_path):
            pass
        other.kill()
    with locked(tmp_path):
        pass


def test_of_many_threads_one_holds_the_lock_at_a_time(tmp_path):
    inside, most, taken = 0, 0, 0
    guard = threading.Lock()

    def work():
        nonlocal inside, most, taken
        for _ in range(40):
            try:
                with locked(tmp_path):
                    with guard:
                        inside += 1
                        taken += 1
                        most = max(most, inside)
                    with guard:
                        inside -= 1
            except FeedError:
                continue

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert taken > 0


def test_parts_of_the_dead_are_swept_and_those_of_the_living_stay(tmp_path):
    dead, living = tmp_path / f"data.parquet.{2**22 + 1}.part", tmp_path / "data.parquet.1.part"
    for path in (dead, living, tmp_path / "data.parquet"):
        path.write_bytes(b"x")
    assert sweep_parts(tmp_path) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.parquet", living.name]


def test_atomic_write_replaces_whole_files(tmp_path):
    write_atomic(tmp_path / "a", b"old")
    write_atomic(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert len(list(tmp_path.iterdir())) == 1
