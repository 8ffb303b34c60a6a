"""`levdyn record` as a process: it ends when told, and what it stored survives any end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from loopback.live import aggregate, mark, now_ms
from loopback.server import Exchange
from loopback.sockets import Sockets, until
from loopback.use import stored

import feeds
from backtest.cli import main

TESTS = Path(__file__).parent
TRADES, MARK = "btcusdt@aggTrade", "btcusdt@markPrice@1s"


def environment(bases):
    """Return the environment of a process whose requests go to the exchange of the tests."""
    paths = [str(TESTS), *([os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else [])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "LEVDYN_BASE_URLS": json.dumps(bases)}


def command(root, bases, *options):
    """Start `levdyn record` in a process of its own."""
    words = ["record", "binance_usdm", "BTCUSDT", "--kinds", "trades,mark", "--catalog", str(root), "--json", *options]
    return subprocess.Popen(
        [sys.executable, "-m", "backtest.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(bases),
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_command_with_everything_stored(tmp_path, number):
    at = now_ms()
    with Exchange() as rest, Sockets() as sockets, command(tmp_path, rest.bases | sockets.bases) as process:
        until(lambda: sockets.listens(TRADES, MARK) or process.poll() is not None)
        for each in range(20):
            sockets.send(TRADES, aggregate(each, at + each))
        sockets.send(MARK, mark(at))
        # Its answer to a ping shows that a process has read what was sent before.
        sockets.read()
        process.send_signal(number)
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert errors == ""
    report = json.loads(out)
    assert {each["kind"]: each["rows"] for each in report["streams"]} == {"trades": 20, "mark": 1}
    assert (report["exit_code"], report["problems"]) == (0, [])
    assert [row["id"] for row in stored(tmp_path, "trades")] == list(range(20))


def test_time_that_was_given_ends_the_command(tmp_path):
    with (
        Exchange() as rest,
        Sockets() as sockets,
        command(tmp_path, rest.bases | sockets.bases, "--for", "2s") as process,
    ):
        out, _ = process.communicate(timeout=60)
    assert process.returncode in (0, 1)  # 1: on a slow machine not both are heard within the time
    assert json.loads(out)["rows"] == 0


@pytest.mark.slow
def test_venue_that_is_not_there_is_an_error_and_no_traceback(tmp_path):
    with Exchange() as rest, command(tmp_path, rest.bases | {"fapi.binance.com": "http://127.0.0.1:9"}) as process:
        out, errors = process.communicate(timeout=120)
    assert (process.returncode, out) == (2, "")
    assert "fapi.binance.com" in errors
    assert "Traceback" not in errors


def ids(root):
    """Return the ids of the trades that are stored; a partition that is being replaced is read again."""
    for _ in range(100):
        try:
            parts = [part for part in feeds.Catalog(root).partitions() if part.rows]
            return [row["id"] for part in parts for row in part.table().to_pylist()]
        except (feeds.FeedError, OSError):
            time.sleep(0.01)
    raise AssertionError("the catalog cannot be read")


@pytest.mark.slow
def test_recording_killed_and_begun_again_keeps_what_was_stored_and_says_what_is_missing(tmp_path):
    at = now_ms()
    sent, kept = 0, []
    with Exchange() as rest, Sockets() as sockets:
        for round_ in range(6):
            words = [sys.executable, "-m", "loopback.recorder", str(tmp_path)]
            with subprocess.Popen(words, env=environment(rest.bases | sockets.bases)) as process:
                try:
                    until(lambda: sockets.listens(TRADES))
                    while len(ids(tmp_path)) < len(kept) + 30:
                        sockets.send(TRADES, aggregate(sent, at + sent))
                        sent += 1
                        time.sleep(0.002)
                    for _ in range(7 * round_):
                        sockets.send(TRADES, aggregate(sent, at + sent))
                        sent += 1
                finally:
                    process.kill()
            sockets.drop()
            have = ids(tmp_path)
            assert set(kept) <= set(have)
            assert have == sorted(set(have))
            kept = have
    assert 180 <= len(kept) < sent
    holes = [gap for part in feeds.Catalog(tmp_path).partitions() for gap in part.gaps]
    for number in set(range(sent)) - set(kept):
        assert any(gap.start <= (at + number) * 1_000_000 < gap.end for gap in holes), f"trade {number} is in no gap"
    for number in kept:
        assert not any(gap.start <= (at + number) * 1_000_000 < gap.end for gap in holes)


def test_table_of_channels_is_printed(capsys):
    assert main(["record", "--list"]) == 0
    out = capsys.readouterr().out
    assert all(venue in out for venue in ("binance_usdm", "binance_coinm", "bybit", "okx", "deribit", "hyperliquid"))
    assert main(["record", "bybit", "--list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["kind"] for row in rows} == {"liquidations", "trades", "book", "mark", "funding"}
    assert next(row for row in rows if row["kind"] == "liquidations")["coverage"] == "full"


def test_command_without_kinds_shows_an_example(capsys):
    assert main(["record", "bybit", "BTC/USDT:USDT"]) == 2
    assert "--kinds" in capsys.readouterr().err
