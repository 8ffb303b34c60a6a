"""A download that is killed at any moment ends, when it is run again, with the bytes of one that was not."""

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from loopback.server import Exchange
from loopback.use import bytes_below, fetched, statuses

TESTS = Path(__file__).parent
KILLS = int(os.environ.get("LEVDYN_KILLS", "5"))


def child(exchange, root):
    """Start a download in a process of its own."""
    paths = [str(TESTS), *([os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else [])]
    command = [sys.executable, "-m", "loopback.child", str(root), json.dumps(exchange.bases), str(exchange.world.now)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)}, text=True
    )


def undisturbed(exchange, root):
    """Let a download run to its end; returns the seconds it took after its start."""
    with child(exchange, root) as process:
        assert process.stdout.readline() == "begun\n"
        begun = time.monotonic()
        assert process.wait() == 0
    return time.monotonic() - begun


@pytest.mark.slow
def test_download_killed_at_random_moments_ends_with_the_same_bytes(tmp_path):
    chance = random.Random(20261126)
    with Exchange() as exchange:
        length = undisturbed(exchange, tmp_path / "whole")
        expected = bytes_below(tmp_path / "whole")
        assert len(expected) > 40
        killed = round_ = 0
        while killed < KILLS:
            root = tmp_path / f"killed-{round_}"
            for _ in range(3):
                with child(exchange, root) as process:
                    process.stdout.readline()
                    try:
                        process.wait(chance.uniform(0.0, length))
                    except subprocess.TimeoutExpired:
                        process.kill()
                        killed += 1
            undisturbed(exchange, root)
            assert bytes_below(root) == expected
            round_ += 1


@pytest.mark.parametrize("place", [1, 3, 6, 9, 11])
def test_failure_of_the_disk_between_two_commits_loses_nothing(tmp_path, monkeypatch, place):
    options = {"kinds": ["trades", "bars:1h", "funding"], "start": "2026-11-06"}
    with Exchange() as exchange:
        fetched(exchange, tmp_path / "whole", **options)
        from feeds import store

        real, calls = store._commit, []

        def failing(directory, data, ledger):
            calls.append(directory)
            if len(calls) == place:
                raise OSError(28, "No space left on device", str(directory))
            real(directory, data, ledger)

        with monkeypatch.context() as patch:
            patch.setattr(store, "_commit", failing)
            with contextlib.suppress(OSError):  # or reported as a stream that failed
                fetched(exchange, tmp_path / "full", **options)
        assert len(calls) >= place
        assert len(bytes_below(tmp_path / "full")) < len(bytes_below(tmp_path / "whole"))
        assert set(statuses(tmp_path / "full").values()) <= {"complete", "partial"}
        fetched(exchange, tmp_path / "full", **options)
    assert bytes_below(tmp_path / "full") == bytes_below(tmp_path / "whole")
