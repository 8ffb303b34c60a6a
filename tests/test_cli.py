"""The levdyn command: what it prints, what it writes, its exit codes."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

import feeds
import venues
from backtest import Result
from backtest import demo as show
from backtest.cli import main
from backtest.commands import output
from backtest.commands.coverage import between, ranges

CATALOG = Path(__file__).resolve().parent.parent / "data"
CONFIG = """
[data]
sample = { days = 2, trades_per_day = 500 }

[strategy]
class = "mine.py:Buy"

[venue]
name = "binance_usdm"
balances = { USDT = 10_000 }
"""
STRATEGY = """
from backtest import Strategy

class Buy(Strategy):
    leverage: float = 3.0

    def on_start(self):
        self.once("1h")

    def on_timer(self, timer):
        self.target("BTC/USDT:USDT", leverage=self.leverage)

class Bug(Buy):
    def on_timer(self, timer):
        return {}["missing"]

class Misnamed(Buy):
    def on_timer(self, timer):
        self.target("BTC/USDTT", leverage=1)
"""


@dataclass(frozen=True)
class Done:
    """What a call of the command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def levdyn(tmp_path: Path, capsys, monkeypatch) -> Callable[..., Done]:
    """The command, called in a folder of its own with a configuration in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "run.toml").write_text(CONFIG)
    (tmp_path / "mine.py").write_text(STRATEGY)

    def call(*words: object) -> Done:
        capsys.readouterr()
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return Done(code, printed.out, printed.err)

    return call


def bars_csv(path: Path, *, hours: int = 30, missing: tuple[int, ...] = ()) -> Path:
    stamps = [f"2024-11-{1 + hour // 24:02}T{hour % 24:02}:00:00Z" for hour in range(hours) if hour not in missing]
    rows = "".join(f"{stamp},{100 + at % 5},106,99,{101 + at % 5},7\n" for at, stamp in enumerate(stamps))
    path.write_text("date,open,high,low,close,volume\n" + rows)
    return path


# ---------------------------------------------------------------- the command as such


def test_help_lists_every_command_with_a_whole_sentence(levdyn) -> None:
    done = levdyn("--help")
    assert done.code == 0
    listed = done.out.partition("Commands:")[2]
    for name in (
        "demo",
        "run",
        "import",
        "validate",
        "coverage",
        "repair",
        "fingerprint",
        "report",
        "margin",
        "venues",
        "replay",
    ):
        line = next(line for line in listed.splitlines() if line.strip().startswith(f"{name} "))
        assert line.endswith(".")
        assert not line.endswith("...")


@pytest.mark.parametrize(
    "name",
    ["demo", "run", "import", "validate", "coverage", "repair", "fingerprint", "report", "margin", "venues", "replay"],
)
def test_help_of_a_command_has_examples_that_fit_80_columns(levdyn, name: str) -> None:
    done = levdyn(name, "--help")
    assert done.code == 0
    assert f"levdyn {name}" in done.out.partition("Examples:")[2]
    assert max(map(len, done.out.splitlines())) <= 80


def test_version_is_the_packages(levdyn) -> None:
    import backtest

    assert levdyn("--version").out == f"levdyn {backtest.__version__}\n"


def test_help_imports_no_heavy_library() -> None:
    code = (
        "import sys; from backtest.cli import main; main(['--help']);"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    root = Path(show.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r}); {code}"], capture_output=True, text=True
    )
    loaded = set(done.stderr.split())
    assert done.returncode == 0
    assert "typer" in loaded
    assert not loaded & {"numpy", "pandas", "pyarrow", "pydantic", "quantstats", "plotly", "ccxt"}


@pytest.mark.parametrize("words", [["rnu"], ["run", "--nonsense"], ["margin"], ["run"]])
def test_a_call_that_cannot_be_understood_ends_with_2(levdyn, words: list[str]) -> None:
    done = levdyn(*words)
    assert done.code == 2
    assert done.out == ""
    assert "Error" in done.err


def test_a_misspelt_command_is_answered_with_the_one_that_was_meant(levdyn) -> None:
    assert "Did you mean 'run'?" in levdyn("rnu").err


# ---------------------------------------------------------------- errors


def test_an_error_is_one_block_without_a_traceback(levdyn) -> None:
    done = levdyn("report", "nowhere")
    assert done.code == 2
    assert done.err.startswith("error: nowhere is not a result of levdyn")
    assert "Traceback" not in done.err
    assert max(map(len, done.err.splitlines())) <= 80


@pytest.mark.parametrize("words", [["--traceback", "report", "nowhere"], ["report", "nowhere", "--traceback"]])
def test_a_traceback_is_shown_on_request_wherever_that_stands(levdyn, words: list[str]) -> None:
    done = levdyn(*words)
    assert done.code == 2
    assert done.err.startswith("Traceback")
    assert done.err.rstrip().split("\n")[-2].startswith("error: nowhere")


def test_an_error_inside_a_strategy_says_the_users_line(levdyn, tmp_path: Path) -> None:
    done = levdyn("run", "run.toml", "--set", "strategy.class=mine.py:Misnamed")
    assert done.code == 2
    assert "did you mean 'BTC/USDT:USDT'" in done.err
    assert f"in {tmp_path / 'mine.py'}, line 19, on_timer" in " ".join(done.err.split())


def test_a_bug_in_a_strategy_shows_its_traceback_and_ends_with_2(levdyn) -> None:
    done = levdyn("run", "run.toml", "--set", "strategy.class=mine.py:Bug", "--out", "result")
    assert done.code == 2
    assert 'return {}["missing"]' in done.err
    assert "typer" not in done.err
    assert "error: KeyError: 'missing'" in done.err
    assert not Path("result").exists()


def test_a_file_that_cannot_be_written_is_an_error_not_a_traceback(levdyn, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = levdyn("run", "run.toml", "--out", "file/result")
    assert done.code == 2
    assert "Traceback" not in done.err


# ---------------------------------------------------------------- demo


@pytest.fixture(scope="module")
def demonstration() -> Result:
    return show.run()


@pytest.mark.slow
def test_demo_tells_the_story_and_writes_the_tear_sheet(levdyn, tmp_path: Path) -> None:
    done = levdyn("demo")
    assert done.code == 0
    for part in ("ASSUMPTIONS", "STORY", "funding x 3", "MARGIN CALL", "FORCED CLOSE", "shortfall", "THE BILL"):
        assert part in done.out
    assert "exactly the same" in done.out
    assert "demo-output/tear_sheet.html" in done.out
    assert (tmp_path / "demo-output" / "tear_sheet.html").stat().st_size > 10_000
    assert Result.load(tmp_path / "demo-output").summary["liquidations"] == 1
    assert max(map(len, done.out.splitlines())) <= 80


def test_demo_again_replaces_its_output_and_spares_a_folder_of_others(levdyn, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep me")
    done = levdyn("demo", "--out", "mine")
    assert done.code == 2
    assert "is not a result of levdyn" in done.err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_story_of_the_demo_adds_up_to_the_cent(demonstration: Result) -> None:
    amounts = [moment.amount for moment in show.story(demonstration) if moment.amount is not None]
    assert all(amount * 100 == int(amount * 100) for amount in amounts)
    assert sum(amounts) == Fraction(round(demonstration.summary["change"] * 100), 100)


def test_bill_of_the_demo_is_the_change_of_equity_exactly(demonstration: Result) -> None:
    explained = demonstration.explained()
    assert sum(amount for _, amount, _ in show.bill(demonstration)) == explained.end - explained.start


def test_demo_comes_near_before_it_is_closed_by_force(demonstration: Result) -> None:
    told = show.story(demonstration)
    heads = [moment.what.partition(":")[0] for moment in told]
    assert heads.index("own alert") < heads.index("MARGIN CALL") < heads.index("FORCED CLOSE")
    distances = [moment.distance for moment in told if moment.distance is not None]
    assert distances[0] > 0.1
    assert min(distances) < 0.01
    paid = {moment.when for moment in told if moment.what.startswith("funding")}
    assert len(paid) >= 5


def test_funding_of_a_day_in_the_demo_is_the_sum_of_its_payments(demonstration: Result) -> None:
    table = demonstration.funding
    for moment in show.story(demonstration):
        if moment.what.startswith("funding"):
            mine = table[table["time"].dt.strftime("%m-%d") == moment.when]
            assert moment.amount is not None
            assert abs(float(moment.amount) - mine["amount"].sum()) <= 0.01
            assert moment.what.startswith(f"funding x {len(mine)},")


def test_demo_that_survives_ends_with_the_last_mark() -> None:
    told = show.story(show.run(2.0))
    assert told[-1].what.startswith("the end")
    assert not any(moment.is_forced for moment in told)


def test_more_leverage_ends_worse_in_the_demo() -> None:
    rungs = show.ladder((2.0, 4.0, 5.0))
    assert [bool(rung.closed) for rung in rungs] == [False, False, True]
    assert rungs[0].end > rungs[1].end > rungs[2].end
    assert rungs[0].distance > rungs[1].distance > rungs[2].distance


# ---------------------------------------------------------------- run and report


def test_run_prints_assumptions_first_and_writes_nothing_unasked(levdyn, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    done = levdyn("run", "run.toml")
    assert done.code == 0
    assert done.out.startswith("ASSUMPTIONS")
    assert "nothing is written without --out" in done.out
    assert {path for path in tmp_path.iterdir() if path.name != "__pycache__"} == before
    assert max(map(len, done.out.splitlines())) <= 80


def test_run_saves_result_and_tear_sheet(levdyn, tmp_path: Path) -> None:
    done = levdyn("run", "run.toml", "--out", "result", "--set", "strategy.parameters.leverage=2")
    assert done.code == 0
    assert "written: result/tear_sheet.html" in done.out
    saved = Result.load(tmp_path / "result")
    assert saved.config["strategies"][0]["parameters"]["leverage"] == 2
    assert saved.summary["fills"] == 1
    again = levdyn("report", "result", "--out", "sheet.html", "--show")
    assert again.code == 0
    assert "RESULT in USDT" in again.out
    assert (tmp_path / "sheet.html").read_bytes() == (tmp_path / "result" / "tear_sheet.html").read_bytes()


def test_run_as_json_is_what_the_result_says(levdyn) -> None:
    found = levdyn("run", "run.toml", "--json", "--out", "result").json
    saved = Result.load("result")
    assert found["summary"]["end_equity"] == saved.summary["end_equity"]
    assert found["fingerprint"] == saved.fingerprint
    assert [row["name"] for row in found["assumptions"]] == [row["name"] for row in saved.assumptions]
    assert found["attribution"]["symbol"]["total"]["change"] == pytest.approx(saved.summary["change"])
    assert found["written"] == ["result", "result/tear_sheet.html"]
    assert found["findings"] == []


def test_run_prints_further_attributions(levdyn, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(CONFIG + "[report]\nattribution = ['month', 'account']\nout = 'kept'\n")
    done = levdyn("run", "run.toml")
    assert "BY MONTH" in done.out
    assert "BY ACCOUNT" in done.out
    assert (tmp_path / "kept" / "tear_sheet.html").is_file()


def test_a_run_with_findings_ends_with_1(levdyn, tmp_path: Path) -> None:
    bars_csv(tmp_path / "bars.csv", missing=(9, 10))
    (tmp_path / "run.toml").write_text("""
[data]
files = "bars.csv"
venue = "binance_usdm"
symbols = "BTC/USDT:USDT"
[strategy]
class = "mine.py:Buy"
[venue]
name = "binance_usdm"
balances = { USDT = 10_000 }
[run]
mark = "last"
on_gap = "warn"
""")
    done = levdyn("run", "run.toml", "--out", "result")
    assert done.code == 1
    assert "FINDINGS" in done.out
    assert Path("result", "meta.json").is_file()


def test_a_wrong_configuration_names_every_error_and_writes_nothing(levdyn, tmp_path: Path) -> None:
    done = levdyn("run", "run.toml", "--set", "venue.levrage=3", "--set", "run.sed=1", "--out", "result")
    assert done.code == 2
    assert "run.toml has 2 errors" in done.err
    assert "did you mean 'leverage'?" in done.err
    assert "did you mean 'seed'?" in done.err
    assert not (tmp_path / "result").exists()


def test_a_run_into_a_folder_of_others_is_refused_before_it_begins(levdyn, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    done = levdyn("run", "run.toml", "--out", "other")
    assert done.code == 2
    assert "is not a result of levdyn" in done.err


def test_the_example_configuration_runs_and_shows_every_key(levdyn, tmp_path: Path) -> None:
    from backtest.config_tables import KEYS, keys

    example = levdyn("run", "--example").out
    (tmp_path / "example.toml").write_text(example)
    lighter = ("--set", "data.sample={days=1, trades_per_day=100}")
    done = levdyn("run", "example.toml", *lighter)
    assert (done.code, done.err) == (0, "")
    for place in KEYS:
        if len(place) == 1 and place != ("instrument",):
            missing = [key for key in keys(place) if f"{key} =" not in example]
            assert not missing, place


# ---------------------------------------------------------------- import, validate, coverage


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


# ---------------------------------------------------------------- margin, venues


def test_margin_gives_the_figures_of_the_calculator(levdyn) -> None:
    words = ["margin", "binance_usdm", "--as-of", "2024-10-24", "--balance", "USDT=10000", "--mark", "58000"]
    done = levdyn(*words, "--position", "BTC/USDT:USDT 1@60000 20x", "--json")
    account = venues.Account(
        venues.get("binance_usdm", as_of="2024-10-24"),
        balances={"USDT": 10_000},
        positions=[venues.Position("BTC/USDT:USDT", quantity=1, entry_price=60_000, leverage=20)],
    )
    risk = account.risk(marks={"BTC/USDT:USDT": 58_000})
    assert done.code == 0
    assert done.json["equity"] == risk.equity
    position = done.json["positions"]["BTC/USDT:USDT"]
    assert position["liquidation_price"] == risk.positions["BTC/USDT:USDT"].liquidation_price
    assert position["initial_margin"] == 2_900


def test_margin_prints_a_table_that_fits_and_the_end_of_a_position(levdyn) -> None:
    words = ["margin", "binance_usdm", "--balance", "USDT=10000", "--position", "BTC/USDT:USDT 1@60000"]
    safe = levdyn(*words, "--mark", "58000")
    assert "50,201.01" in safe.out
    assert "FORCED CLOSE" not in safe.out
    lost = levdyn(*words, "--mark", "BTC/USDT:USDT=50100")
    assert "FORCED CLOSE of BTC/USDT:USDT" in lost.out
    assert "reduce" in lost.out
    assert max(map(len, (safe.out + lost.out).splitlines())) <= 80


def test_margin_of_an_inverse_short_that_is_fully_covered_has_no_liquidation_price(levdyn) -> None:
    position = "BTC/USD:BTC -600@60000"
    done = levdyn("margin", "binance_coinm", "--balance", "BTC=1", "--mark", "60000", "--position", position, "--json")
    assert done.json["positions"]["BTC/USD:BTC"]["liquidation_price"] is None


def test_margin_of_isolated_and_hedged_positions(levdyn) -> None:
    isolated = "ETH/USDT:USDT -5@2500 10x isolated wallet=1300"
    done = levdyn("margin", "binance_usdm", "--mark", "2600", "--position", isolated, "--json")
    assert done.json["positions"]["ETH/USDT:USDT"]["initial_margin"] == 1300
    legs = ["--position", "BTC/USDT:USDT 1@60000 long", "--position", "BTC/USDT:USDT -1@61000 short"]
    words = ["margin", "binance_usdm", "--position-mode", "hedge", "--balance", "USDT=9000", "--mark", "60000"]
    hedged = levdyn(*words, *legs, "--json").json
    assert {*hedged["positions"]} == {"BTC/USDT:USDT long", "BTC/USDT:USDT short"}
    assert hedged["unrealized_pnl"] == 1000


def test_margin_takes_tiers_of_the_user(levdyn) -> None:
    words = ["margin", "binance_usdm", "--balance", "USDT=100", "--mark", "1", "--position", "NEW/USDT:USDT 1000@1"]
    refused = levdyn(*words)
    assert refused.code == 2
    assert "--missing-tiers nearest" in refused.err
    own = levdyn(*words, "--tier", "0,0.01,50", "--tier", "5000,0.05,10", "--json").json
    assert own["maintenance_margin"] == pytest.approx(10)
    assert levdyn(*words, "--missing-tiers", "nearest", "--json").json["maintenance_margin"] > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--position", "BTC/USDT:USDT"], "quantity and entry are missing"),
        (["--position", "BTC/USDT:USDT what"], "'what' is not understood"),
        (["--position", "BTC/USDT:USDT 1@60000 walet=3"], "'walet' is unknown"),
        (["--position", "BTC/USDT:USDT x@60000"], "must be a number, got 'x'"),
        (["--position", "BTC/USDT:USDT 1@60000", "--mark", "BTC/USDT=1"], "did you mean 'BTC/USDT:USDT'"),
        (["--position", "BTC/USDT:USDT 1@60000", "--balance", "USDT"], "--balance takes NAME=VALUE"),
        (["--position", "BTC/USDT:USDT 1@60000", "--position", "ETH/USDT:USDT 1@2000"], "there are 2 symbols"),
        (["--position", "BTC/USDT:USDT 1@60000", "--tier", "1"], "--tier 1: write FLOOR,RATE,MAX_LEVERAGE"),
        (["--position", "BTC/USDT:USDT 1@60000", "--missing-tiers", "near"], "did you mean 'nearest'"),
    ],
)
def test_margin_says_what_it_does_not_understand(levdyn, words: list[str], message: str) -> None:
    done = levdyn("margin", "binance_usdm", "--mark", "60000", *words)
    assert done.code == 2
    assert message in " ".join(done.err.split())


def test_venues_are_listed(levdyn) -> None:
    done = levdyn("venues")
    assert done.code == 0
    assert all(name in done.out for name in venues.names())
    assert {row["venue"] for row in levdyn("venues", "--json").json} == set(venues.names())


@pytest.mark.parametrize("name", venues.names())
def test_rules_of_a_venue_come_with_sources_dates_and_marks(levdyn, name: str) -> None:
    shown = levdyn("venues", name)
    assert shown.code == 0
    assert max(map(len, shown.out.splitlines())) <= 80
    found = levdyn("venues", name, "--history", "--json").json
    assert all(row["source"] in found["sources"] for row in found["rules"])
    unsure = [row for row in found["rules"] if not row["verified"]]
    assert len(unsure) == len(venues.get(name).unverified)
    assert any(row["since"] is not None for row in found["rules"]) or name != "binance_usdm"


def test_rules_as_of_a_date_are_those_in_force_then(levdyn) -> None:
    def taker(*words: str) -> str:
        rules = levdyn("venues", "binance_usdm", *words, "--json").json["rules"]
        return next(row["value"] for row in rules if row["rule"] == "fees regular")

    assert "taker 0.0400%" in taker("--as-of", "2023-06-01")
    assert "taker 0.0500%" in taker("--as-of", "2025-06-01")


def test_tiers_of_a_symbol_are_those_of_the_date(levdyn) -> None:
    def tiers(date: str) -> list[dict]:
        return levdyn("venues", "binance_usdm", "--symbol", "BTC/USDT:USDT", "--as-of", date, "--json").json["tiers"]

    book = venues.get("binance_usdm")
    for date in ("2021-07-01", "2024-11-01"):
        expected = book.tiers("BTC/USDT:USDT", date)
        assert [row["maintenance_rate"] for row in tiers(date)] == [row.maintenance_rate for row in expected]
    assert tiers("2021-07-01") != tiers("2024-11-01")


def test_a_symbol_without_tiers_says_so(levdyn) -> None:
    done = levdyn("venues", "binance_usdm", "--symbol", "NEW/USDT:USDT")
    assert done.code == 0
    assert "no tiers of NEW/USDT:USDT" in done.out


def test_an_unknown_venue_is_answered_with_those_that_exist(levdyn) -> None:
    done = levdyn("venues", "binance_usd")
    assert done.code == 2
    assert "did you mean 'binance_usdm'" in " ".join(done.err.split())


# ---------------------------------------------------------------- replay


def test_replay_of_a_folder_without_an_export_says_what_is_missing(levdyn, tmp_path: Path) -> None:
    done = levdyn("replay", tmp_path, "--venue", "binance_usdm")
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err


# ---------------------------------------------------------------- what is printed


def test_json_has_null_for_what_is_not_finite(capsys) -> None:
    output.print_json({"a": float("inf"), "b": [float("nan"), 1.5], ("c", "d"): None})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, 1.5], "c d": None}


def test_a_narrow_terminal_wraps_the_widest_column_only(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    output.table(("a", "n", "text"), [("left", 12.5, "one two three four five six seven eight")], right=("n",))
    out = capsys.readouterr().out
    assert "  left  12.5  one two three four five" in out
    assert max(map(len, out.splitlines())) <= 40
    assert all(word in out for word in ("six", "seven", "eight"))


def test_nothing_of_progress_is_left_where_errors_go_to_a_file(capsys) -> None:
    with output.working("something", lambda: 0.5):
        pass
    assert capsys.readouterr() == ("", "")
