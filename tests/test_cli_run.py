"""`levdyn demo`, `run` and `report`: what they print, what they write."""

from fractions import Fraction
from pathlib import Path

import pytest
from cli_calls import CONFIG, bars_csv

from backtest import Result
from backtest import demo as show

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
