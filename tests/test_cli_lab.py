"""`levdyn lab`: each question with its answer, errors, units and figure; what it refuses."""

import json
import math
import re
import tomllib

import numpy as np
import pandas as pd
import pytest

import backtest
from backtest import ConfigError
from backtest.commands.lab import HELP
from backtest.lab.questions import QUESTIONS, ask, report

QUICK = {  # the examples' own numbers, with fewer draws
    "critical": "draws = 20",
    "fund": "scenarios = 200",
    "margin": "paths = 2000",
    "auction": "runs = 500\ndecays = [1e-4, 5e-4]",
    "compare": "paths = 10\nengines = { isolated = { kind = 'isolated' }, vault = { kind = 'backstop_vault' } }",
}


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "lab.toml"
        path.write_text(text)
        return path

    return write


def test_help_lists_every_question(levdyn):
    assert set(HELP) == set(QUESTIONS)
    done = levdyn("lab", "--help")
    assert done.code == 0
    for name in QUESTIONS:
        line = next(line for line in done.out.splitlines() if line.strip().startswith(f"{name} "))
        assert line.endswith(".")


@pytest.mark.parametrize("name", QUESTIONS)
def test_an_answer_has_inputs_units_seed_version_and_a_page(levdyn, config, tmp_path, name):
    done = levdyn(
        "lab", name, "--config", config(QUICK.get(name, "")), "--seed", "3", "--out", tmp_path / "out", "--json"
    )
    assert done.code == 0, done.err
    written = json.loads((tmp_path / "out" / f"{name}.json").read_text())
    assert {**written, "written": done.json["written"]} == done.json
    assert (written["study"], written["seed"], written["version"]) == (name, 3, backtest.__version__)
    assert set(written["units"]) == set(written["results"])
    assert set(written["inputs"]) == set(tomllib.loads(QUESTIONS[name].example))
    page = (tmp_path / "out" / f"{name}.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "<figure" in page
    assert not re.search(r"[ML,>\s]nan\b", page)
    assert "http" not in page.replace("http-equiv", "")
    drawn = (tmp_path / "out" / f"{name}.png").read_bytes()
    assert drawn.startswith(b"\x89PNG")
    ask(name, config(QUICK.get(name, "")), seed=3).save(tmp_path / "again")
    assert (tmp_path / "again" / f"{name}.png").read_bytes() == drawn


@pytest.mark.parametrize("name", ["critical", "fund", "margin", "auction", "compare"])
def test_a_seed_is_one_answer(config, name):
    path = config(QUICK[name])
    first, again, other = (json.dumps(ask(name, path, seed=seed).as_json()["results"]) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_example_is_the_configuration_that_stands_in_for_none(levdyn, config):
    example = levdyn("lab", "shock", "--example")
    assert example.code == 0
    with_file = ask("shock", config(example.out)).as_json()
    assert with_file == ask("shock").as_json()


def test_estimates_carry_their_standard_error(config):
    found = ask("auction", config(QUICK["auction"])).as_json()["results"]["simulated"][0]["loss"]
    assert set(found) == {"value", "error", "count"}
    assert found["error"] > 0.0


def test_the_default_market_is_subcritical_and_says_what_was_measured(config):
    found = ask("critical", config(QUICK["critical"]))
    assert found.results["critical_shock"] is None
    assert found.results["max_ratio"] < 1.0
    assert any("0.195" in note for note in found.notes)


def test_a_system_beyond_criticality_is_a_finding(levdyn, config):
    done = levdyn("lab", "contagion", "--config", config("ratios = [2.0, 1.5]"))
    assert done.code == 1
    assert "at or above 1" in done.out


def test_a_printed_answer_names_its_limits(levdyn, config):
    done = levdyn("lab", "phase")
    assert done.code == 0
    assert "Amplification above 1 is not criticality" in " ".join(done.out.split())
    assert "nothing is written without --out" in done.out


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("shock", "shok = 0.1", "did you mean 'shock'"),
        ("shock", "[book]\nkind = 'linear'\ndensity = 1.0\nknee = 0.1", "knee: not used here"),
        ("shock", "[book]\nkind = 'lineal'", "kind must be one of"),
        ("shock", "shock = 2.0", "shock must be"),
        ("shock", "book = 3", "book must be a table"),
        ("map", "[positions]\nsource = 'file'\npath = 'nowhere.csv'", "no such file"),
        ("map", "[positions]\nsource = 'ledger'", "source must be prior, file or open_interest"),
        ("phase", "[venues.x]\nratio = 1.0", "refill_rate is missing"),
        ("compare", "[engines]\nx = { kind = 'magic' }", "kind must be one of"),
        ("shock", "shock = ", "Invalid value"),
    ],
)
def test_what_cannot_be_answered_is_refused(config, name, text, message):
    with pytest.raises(ConfigError, match=message):
        ask(name, config(text))


def test_a_question_that_is_not_there_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'critical'"):
        ask("critcal")


def test_a_ledger_gives_an_exact_map(config, tmp_path):
    rows = pd.DataFrame({"side": [1, 1, -1], "quantity": [2.0, 1.0, 3.0], "entry": 100.0,
                         "collateral": [20.0, 50.0, 60.0], "mmr": 0.005,
                         "symbol": "X/USDT:USDT", "collateral_asset": ["USDT", "X", "USDT"]})  # fmt: skip
    rows.to_csv(tmp_path / "ledger.csv", index=False)
    found = ask("map", config(f"reference = 100.0\n[positions]\nsource = 'file'\npath = '{tmp_path}/ledger.csv'"))
    assert found.results["confidence"] == "exact"
    whales = found.results["concentration"]
    assert whales.foreign_collateral == pytest.approx(1.0 / 6.0)
    assert whales.top_share == pytest.approx(1.0)
    assert whales.within[0.10] == pytest.approx(2.0 / 6.0)
    assert found.results["within"]["10 %"] == pytest.approx({"longs": 2.0, "shorts": 0.0})


def test_open_interest_gives_an_inferred_map(config, tmp_path):
    bars = pd.DataFrame({"open_interest": [100.0, 120.0], "close": [100.0, 101.0], "low": [99.9, 100.5],
                         "high": [100.1, 101.2]})  # fmt: skip
    bars.to_parquet(tmp_path / "bars.parquet")
    text = f"""reference = 101.0
[positions]
source = "open_interest"
path = "{tmp_path}/bars.parquet"
mixture = {{ "10" = 0.5, "25" = 0.5 }}
maintenance_rate = 0.005
removal = "pro_rata"
"""
    found = ask("map", config(text))
    assert found.results["confidence"] == "inferred from bars"
    assert found.results["longs"][-1] == pytest.approx(120.0)


def test_history_enters_margin_and_funding(config, tmp_path):
    steps = np.exp(np.cumsum(0.03 * np.sin(np.arange(800) ** 1.7)))
    pd.DataFrame({"close": 100.0 * steps}).to_csv(tmp_path / "bars.csv", index=False)
    found = ask("margin", config(f"paths = 1000\nbars = '{tmp_path}/bars.csv'")).results["versions"]
    assert found.historical == pytest.approx(0.03, rel=0.01)
    swing = ask("margin", config(f"paths = 1000\nbars = '{tmp_path}/bars.csv'\nfloor = 0.05")).results["procyclicality"]
    assert 1.0 <= swing.floored <= swing.peak_to_trough < 2.0
    with pytest.raises(ConfigError, match="due at once"):
        ask("margin", config("leverages = [250.0]"))
    pd.DataFrame({"rate": [0.0001, 0.0001, 0.0003, -0.0002]}).to_csv(tmp_path / "rates.csv", index=False)
    assert ask("funding", config(f"rates = '{tmp_path}/rates.csv'")).results["censored_share"] == 0.5


def test_times_of_liquidations_add_the_third_estimator(config, tmp_path):
    pd.DataFrame({"time": np.arange(100) * 10.0}).to_csv(tmp_path / "times.csv", index=False)
    text = f"{QUICK['critical']}\ntimes = '{tmp_path}/times.csv'\nwindow = 100.0"
    assert ask("critical", config(text)).results["point_process_ratio"].value == 0.0


def test_one_page_joins_studies(tmp_path):
    path = report({name: ask(name) for name in ("map", "phase")}, tmp_path / "report" / "lab.html")
    page = path.read_text()
    assert page.count("<section") == 2
    assert page.count("<figure") == 2


def test_a_report_asks_everything_with_own_configurations(levdyn, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    for name, text in QUICK.items():
        (mine / f"{name}.toml").write_text(text)
    (mine / "contagion.toml").write_text("ratios = [2.0, 1.5]")
    done = levdyn("lab", "report", "--configs", mine, "--out", tmp_path / "all")
    assert done.code == 1
    assert "contagion: the system" in done.out
    written = {path.name for path in (tmp_path / "all").iterdir()}
    assert written == {f"{name}.{form}" for name in QUESTIONS for form in ("json", "html", "png")} | {"lab.html"}
    assert (tmp_path / "all" / "lab.html").read_text().count("<section") == len(QUESTIONS)
    assert levdyn("lab", "report", "--configs", tmp_path / "all", "--out", tmp_path / "x").code == 2


def test_a_fund_is_larger_where_the_book_is_thinner(config):
    losses = [
        ask("fund", config(f"{QUICK['fund']}\n[book]\nkind = 'linear'\ndensity = {density}")).results["sizes"][-1]
        for density in (1e6, 2e5)
    ]
    assert losses[1].expected_shortfall.value > losses[0].expected_shortfall.value


def test_margin_shows_both_laws_with_and_without_jumps(config):
    found = ask("margin", config(QUICK["margin"])).results
    ten = found["leverage"].tolist().index(10.0)
    assert found["chance_brownian"][ten] == pytest.approx(0.0048140, rel=1e-4)
    assert found["chance_jumps"][ten] == pytest.approx(0.0100566, rel=1e-4)
    assert math.isclose(found["jump_volatility"], 0.676182509, rel_tol=1e-6)
