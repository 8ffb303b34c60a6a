"""`levdyn download` from the outside: the table, the refusals, the summary, exit codes, redirection."""

import json
import threading

import pytest
from loopback.server import Exchange
from loopback.truth import World
from loopback.use import TestClock, bytes_below, statuses

from backtest.cli import main
from feeds.downloads import endpoints, pace


@pytest.fixture
def exchange(monkeypatch):
    with Exchange(World()) as running:
        clock = TestClock(running.world.now)
        for name in ("now_ns", "seconds"):
            monkeypatch.setattr(pace.Clock, name, lambda self, name=name: getattr(clock, name)())
        monkeypatch.setattr(pace.Clock, "sleep", lambda self, seconds: clock.sleep(seconds))
        yield running


@pytest.fixture
def redirected(exchange, monkeypatch):
    monkeypatch.setenv(endpoints.ENVIRONMENT, json.dumps(exchange.bases))
    return exchange


def words(root, *more, kinds="funding,bars:1h", start="2026-11-07"):
    symbol = [] if "--list" in more else ["BTC/USDT:USDT"]
    return ["download", "binance_usdm", *symbol, "--kinds", kinds, "--start", start, "--catalog", str(root), *more]


def test_table_says_what_can_be_had_from_where(capsys):
    assert main(["download", "--list"]) == 0
    text = capsys.readouterr().out
    assert "archive data.binance.vision" in text
    assert "history.deribit.com" in text
    assert main(["download", "okx", "--list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["venue"] for row in rows} == {"okx"}
    assert any(row["fact"].endswith("(unverified)") for row in rows)


def test_download_stores_and_says_so(redirected, tmp_path, capsys):
    assert main(words(tmp_path)) == 0
    text = capsys.readouterr().out
    assert "rows stored in" in text
    assert "3 complete, 1 partial" in text
    assert statuses(tmp_path)["bars:1h", "2026-11-09"] == "complete"
    before = bytes_below(tmp_path)
    assert main(words(tmp_path, "--json")) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["exit_code"], found["rows"] > 0) == (0, True)
    assert {stream["kind"]: stream["kept"] for stream in found["streams"]} == {"funding": 0, "bars:1h": 3}
    assert bytes_below(tmp_path) == before


def test_host_is_redirected_on_the_command_line(exchange, tmp_path, capsys):
    pairs = [text for host, url in exchange.bases.items() for text in ("--base-url", f"{host}={url}")]
    assert main(words(tmp_path, *pairs)) == 0
    assert exchange.requests


def test_missing_days_are_listed_and_make_the_exit_code_one(redirected, tmp_path, capsys):
    redirected.fault("404", "aggTrades-2026-11-07", times=-1)
    assert main(words(tmp_path, kinds="trades")) == 1
    text = capsys.readouterr().out
    assert "REMARKS" in text
    assert "2026-11-07" in text


def test_dead_host_is_an_exit_code_of_two(redirected, tmp_path, capsys):
    redirected.fault("500_html", "exchangeInfo", times=-1)
    assert main(words(tmp_path)) == 2
    assert "status 500" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["download"], "give a venue, symbols, --kinds and --start"),
        (["download", "binance_usdm", "X", "--kinds", "liquidations", "--start", "2026-01-01"], "X"),
        (["download", "binance_usmd", "X", "--kinds", "trades", "--start", "2026-01-01"], "did you mean"),
        (words("history", "--base-url", "nonsense"), "HOST=URL"),
        (words("history", "--base-url", "fapi.binance.com=nonsense"), "must be http"),
        (words("history", kinds="liquidations"), "levdyn record"),
    ],
)
def test_request_that_cannot_be_is_refused_with_the_way_out(arguments, text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert text in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


def test_key_file_is_given_on_the_command_line_and_never_shown(redirected, tmp_path, capsys):
    keys = tmp_path / "keys.json"
    keys.write_text('{"binance_usdm": {"key": "the-key-of-mine", "secret": "the-secret-of-mine"}}')
    assert main(words(tmp_path / "history", "--key-file", str(keys), kinds="tiers")) == 0
    assert "of-mine" not in str(capsys.readouterr())
    (sent,) = redirected.asked("leverageBracket")
    assert "signature" in sent.params


def test_progress_tells_how_far_it_is(redirected, tmp_path, monkeypatch, capsys):
    from rich.console import Console

    from backtest.commands import download, output
    from feeds.downloads.report import Progress

    monkeypatch.setattr(output, "screen", lambda **_: Console(force_terminal=True, width=200, stderr=True))
    seen = Progress(what="BTC trades 2026-11-07", done=3, total=9, rows=1234, bytes=lambda: 5_000_000)
    seen.waiting = {"fapi.binance.com": "rate limit, 3 s"}
    monkeypatch.setattr(output, "REFRESH_S", 0.01)
    drawn = threading.Event()
    seen.bytes = lambda: drawn.set() or 5_000_000
    with download._shown(seen):
        assert drawn.wait(20)
    text = capsys.readouterr().err
    for word in (
        "BTC trades 2026-11-07",
        "1,234 rows",
        "5.0 MB",
        "3/9",
        "waiting for fapi.binance.com (rate limit, 3 s)",
    ):
        assert word in text
