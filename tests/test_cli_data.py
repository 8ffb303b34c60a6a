"""`levdyn import`, `validate`, `coverage`, `repair`, `fingerprint`: what they print, what they write."""

from pathlib import Path

import pytest
from cli_calls import CATALOG, bars_csv

import feeds
from backtest.commands.coverage import between, ranges


def test_files_are_imported_and_what_is_stored_is_listed_and_valid(levdyn, tmp_path: Path) -> None:
    bars_csv(tmp_path / "bars.csv", hours=48)
    done = levdyn("import", "bars.csv", "--catalog", "history", "--venue", "binance_usdm", "--symbol", "X/USDT:USDT")
    assert done.code == 0
    assert "48" in done.out
    data = feeds.Catalog("history").dataset("binance_usdm", "X/USDT:USDT")
    assert data.streams[0].rows == 48
    listed = levdyn("coverage", "history")
    assert listed.code == 0
    assert "X/USDT:USDT@binance_usdm" in listed.out
    assert levdyn("validate", "history").out.endswith("clean\n")


def test_without_a_catalog_files_are_only_looked_at(levdyn, tmp_path: Path) -> None:
    bars_csv(tmp_path / "bars.csv")
    done = levdyn("import", "bars.csv", "--venue", "binance_usdm", "--symbol", "X/USDT:USDT", "--json")
    assert done.code == 0
    assert done.json["streams"][0]["rows_out"] == 30
    assert done.json["streams"][0]["written"] == []


def test_headers_of_a_strange_file_can_be_named(levdyn, tmp_path: Path) -> None:
    text = bars_csv(tmp_path / "bars.csv").read_text().replace("date,open", "When,First")
    (tmp_path / "odd.csv").write_text(text)
    words = [
        "import",
        "odd.csv",
        "--format",
        "csv",
        "--kind",
        "bars",
        "--venue",
        "binance_usdm",
        "--symbol",
        "X/USDT:USDT",
    ]
    names = {"ts": "When", "open": "First", "high": "high", "low": "low", "close": "close", "volume": "volume"}
    for ours, theirs in names.items():
        words += ["--column", f"{ours}={theirs}"]
    done = levdyn(*words, "--json")
    assert (done.code, done.json["streams"][0]["rows_out"]) == (0, 30)


def test_a_file_that_cannot_be_read_leaves_no_catalog(levdyn, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    done = levdyn("import", "bad.csv", "--catalog", "history")
    assert done.code == 2
    assert not (tmp_path / "history").exists()


def test_missing_days_are_found_by_coverage_with_exit_code_1(levdyn, tmp_path: Path) -> None:
    bars_csv(tmp_path / "bars.csv", hours=96, missing=(*range(24, 48), 50))
    place = ("--venue", "binance_usdm", "--symbol", "X/USDT:USDT")
    assert levdyn("import", "bars.csv", "--catalog", "history", *place).code in (0, 1)
    done = levdyn("coverage", "history")
    assert done.code == 1
    assert "absent 2024-11-02" in " ".join(done.out.split())
    days = levdyn("coverage", "history", "--json").json[0]["days"]
    assert days == {"2024-11-01": "present", "2024-11-02": "absent", "2024-11-03": "gap", "2024-11-04": "present"}


def test_coverage_draws_a_calendar(levdyn, tmp_path: Path) -> None:
    bars_csv(tmp_path / "bars.csv", hours=96, missing=(*range(24, 48), 50))
    levdyn("import", "bars.csv", "--catalog", "history", "--venue", "binance_usdm", "--symbol", "X/USDT:USDT")
    assert "  2024-11  #.g#\n" in levdyn("coverage", "history", "--days").out


def test_repair_says_what_it_would_do_and_then_does_it(levdyn, tmp_path: Path) -> None:
    bars_csv(tmp_path / "bars.csv")
    levdyn("import", "bars.csv", "--catalog", "history", "--venue", "binance_usdm", "--symbol", "X/USDT:USDT")
    assert (levdyn("repair", "history").code, levdyn("repair", "history").out) == (0, "nothing to repair\n")
    file = next((tmp_path / "history").rglob("data.parquet"))
    file.write_bytes(file.read_bytes()[:-20] + b"x" * 20)
    would = levdyn("repair", "history", "--dry-run")
    assert (would.code, file.exists(), "would do: 1 set aside" in would.out) == (1, True, True)
    done = levdyn("repair", "history", "--json")
    assert (done.code, done.json["repairs"][0]["what"], file.exists()) == (1, "set aside", False)
    assert levdyn("repair", "nowhere").code == 2


def test_fingerprint_is_that_of_the_data_wherever_it_lies(levdyn, tmp_path: Path) -> None:
    bars_csv(tmp_path / "bars.csv", hours=48)
    place = ("--venue", "binance_usdm", "--symbol", "X/USDT:USDT")
    for name in ("one", "two"):
        levdyn("import", "bars.csv", "--catalog", name, *place)
    found = [levdyn("fingerprint", name).out for name in ("one", "two")]
    assert found[0] == found[1]
    assert len(found[0]) == 65
    part = levdyn("fingerprint", "one", "X/USDT:USDT@binance_usdm", "--end", "2024-11-02", "--json").json
    assert part["fingerprint"] == feeds.Catalog("one").fingerprint("binance_usdm", "X/USDT:USDT", end="2024-11-02")
    assert levdyn("fingerprint", "one", "--kind", "bars:1h").code == 0
    for words in (("nowhere",), ("one", "X/USDT:USDT"), ("one", "Y/USDT:USDT@binance_usdm")):
        assert levdyn("fingerprint", *words).code == 2


def test_an_account_export_is_told_from_other_files(levdyn, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    header = "Date(UTC),type,Amount,Asset,Symbol,Transaction ID"
    (tmp_path / "files" / "ledger.csv").write_text(f"{header}\n2024-01-01 00:00:00,FUNDING_FEE,0.5,USDT,BTCUSDT,1\n")
    (tmp_path / "files" / "notes.csv").write_text("a,b\n1,2\n")
    done = levdyn("import", "files", "--account", "binance-export", "--catalog", "history", "--json")
    assert done.code == 0
    assert [(each["kind"], each["rows_out"]) for each in done.json["streams"]] == [("account_ledger", 1)]
    assert done.json["left_out"] == ["notes.csv: no fills, orders or ledger of a binance-export"]
    assert levdyn("import", "files", "--account", "kraken").code == 2
    assert levdyn("import", "files", "--account", "binance-export", "--format", "csv").code == 2


def test_changed_bytes_end_validate_with_2(levdyn, tmp_path: Path) -> None:
    bars_csv(tmp_path / "bars.csv")
    levdyn("import", "bars.csv", "--catalog", "history", "--venue", "binance_usdm", "--symbol", "X/USDT:USDT")
    file = next((tmp_path / "history").rglob("data.parquet"))
    file.write_bytes(file.read_bytes()[:-20] + b"x" * 20)
    done = levdyn("validate", "history", "--json")
    assert done.code == 2
    assert done.json["rows"][0]["rule"] == "C1"


@pytest.mark.parametrize("name", ["validate", "coverage"])
def test_a_folder_without_data_is_no_catalog(levdyn, tmp_path: Path, name: str) -> None:
    done = levdyn(name, tmp_path)
    assert done.code == 2
    assert str(tmp_path) in done.err.replace("\n       ", "")


def test_coverage_of_the_shipped_sample_fits_80_columns(levdyn) -> None:
    done = levdyn("coverage", CATALOG)
    assert done.code == 0
    assert max(map(len, done.out.splitlines())) <= 80
    assert "427,744 rows" in done.out


def test_days_and_months_between_two_are_named() -> None:
    assert between("2024-02-28", "2024-03-01") == ["2024-02-28", "2024-02-29", "2024-03-01"]
    assert between("2024-11", "2025-02") == ["2024-11", "2024-12", "2025-01", "2025-02"]
    assert between("2024-11", "2024-11") == ["2024-11"]


def test_neighbouring_days_are_one_range() -> None:
    names = between("2024-11-01", "2024-11-09")
    assert (
        ranges(names, ["2024-11-02", "2024-11-04", "2024-11-05", "2024-11-06"])
        == "2024-11-02, 2024-11-04 to 2024-11-06"
    )
