"""Files that a vendor replaces after they were stored (rule C2): told, kept out, and taken when the user says so."""

import hashlib

import pytest
from loopback import archives
from loopback.server import Exchange
from loopback.truth import World, ms
from loopback.use import bytes_below, fetched, statuses, stored

import feeds
from backtest.cli import main

DAY = "2026-11-05"
PATH = f"data.binance.vision/data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-{DAY}.zip"
OPTIONS = {"kinds": "trades", "start": "2026-11-04", "end": "2026-11-07"}


def replace_file(exchange):
    """Let the archive hold another file for a day, with a checksum that fits."""
    rows = [
        f"{t.id},{t.price},{t.quantity},{t.id * 2},{t.id * 2 + 1},{t.ts},{str(t.side < 0).lower()}"
        for t in exchange.world.trades(ms(DAY), ms(DAY) + 86_400_000)
    ]
    rows = [row.replace(row.split(",")[1], "31000.5") for row in rows]
    data = archives.zipped(f"BTCUSDT-aggTrades-{DAY}.csv", [archives.AGGREGATES, *rows])
    exchange.files[PATH] = data
    exchange.files[f"{PATH}.CHECKSUM"] = f"{hashlib.sha256(data).hexdigest()}  BTCUSDT.zip\n".encode()


@pytest.fixture
def exchange(tmp_path):
    with Exchange(World(listed=ms("2026-10-20"))) as running:
        assert fetched(running, tmp_path, **OPTIONS).exit_code == 0
        running.requests.clear()
        yield running


def test_replaced_file_makes_its_day_a_conflict_and_keeps_its_rows(exchange, tmp_path):
    before = stored(tmp_path, "trades")
    replace_file(exchange)
    report = fetched(exchange, tmp_path, **OPTIONS)
    assert report.exit_code == 1
    assert report.streams[0].partitions == {"complete": 2, "conflict": 1}
    (problem,) = report.streams[0].problems
    assert all(word in problem for word in (DAY, "C2", "in place of", "--accept-revision"))
    assert stored(tmp_path, "trades") == before
    assert statuses(tmp_path)["trades", DAY] == "conflict"
    part = feeds.Catalog(tmp_path).partition("binance_usdm", "BTC/USDT:USDT", "trades", DAY)
    (finding,) = part.findings
    assert (finding.rule, finding.severity, finding.count) == ("C2", "fatal", 1)
    assert not [each for each in exchange.requests if each.path.endswith(".zip")]


def test_conflict_is_told_again_and_changes_nothing_more(exchange, tmp_path):
    replace_file(exchange)
    fetched(exchange, tmp_path, **OPTIONS)
    before = bytes_below(tmp_path)
    report = fetched(exchange, tmp_path, **OPTIONS)
    assert (report.exit_code, report.rows) == (1, 0)
    assert bytes_below(tmp_path) == before


@pytest.mark.parametrize("is_known", [False, True])
def test_accepted_revision_replaces_the_day_and_no_other(exchange, tmp_path, is_known):
    before = bytes_below(tmp_path)
    replace_file(exchange)
    if is_known:
        fetched(exchange, tmp_path, **OPTIONS)
    report = fetched(exchange, tmp_path, accept_revision=True, **OPTIONS)
    assert (report.exit_code, report.streams[0].kept) == (0, 2), str(report)
    assert set(statuses(tmp_path).values()) == {"complete"}
    prices = {str(row["price"]) for row in stored(tmp_path, "trades") if row["ts"] // 1_000_000 >= ms(DAY)}
    assert "31000.5" in prices
    after = bytes_below(tmp_path)
    assert {name for name in before if before[name] != after[name]} == {
        name for name in before if f"date={DAY}" in name
    }
    assert not list((tmp_path / "v1").rglob("quarantine*"))
    assert fetched(exchange, tmp_path, **OPTIONS).exit_code == 0


def test_validate_tells_a_replaced_file(exchange, tmp_path, capsys):
    replace_file(exchange)
    fetched(exchange, tmp_path, **OPTIONS)
    assert main(["validate", str(tmp_path)]) == 2
    assert "C2" in capsys.readouterr().out


def test_checksums_that_cannot_be_had_are_said_and_change_nothing(exchange, tmp_path):
    before = bytes_below(tmp_path)
    exchange.fault("500_html", ".CHECKSUM", times=-1)
    report = fetched(exchange, tmp_path, attempts=2, **OPTIONS)
    assert report.exit_code == 0
    assert any("not compared with what is published now" in text for text in report.streams[0].notes)
    assert bytes_below(tmp_path) == before


def test_file_of_a_month_that_was_replaced_concerns_all_its_days(exchange, tmp_path):
    month = "data.binance.vision/data/futures/um/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2026-10.zip.CHECKSUM"
    options = {"kinds": "bars:1h", "start": "2026-10-01", "end": "2026-11-01"}
    fetched(exchange, tmp_path, **options)
    exchange.requests.clear()
    exchange.files[month] = b"0" * 64 + b"  BTCUSDT-1h-2026-10.zip\n"
    report = fetched(exchange, tmp_path, **options)
    assert report.streams[0].partitions == {"conflict": 12}
    assert len([each for each in exchange.requests if each.path.endswith(".CHECKSUM")]) == 1
