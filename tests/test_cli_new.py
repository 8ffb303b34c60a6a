"""`levdyn new strategy`: what it writes runs, and its own tests pass."""

import runpy
import sys

import pytest
from cli_calls import bars_csv


@pytest.fixture
def written(levdyn, tmp_path, monkeypatch):
    done = levdyn("new", "strategy", "my_trend", "--folder", tmp_path / "own")
    assert done.code == 0, done.err
    monkeypatch.syspath_prepend(str(tmp_path / "own"))
    yield tmp_path / "own"
    sys.modules.pop("my_trend", None)


def test_the_configuration_runs_as_it_is(levdyn, written):
    done = levdyn("run", written / "my_trend.toml", "--json")
    assert done.code == 0, done.err
    assert done.json["summary"]["fills"] > 0
    assert done.json["config"]["strategies"] == [
        {
            "class": "MyTrend",
            "parameters": {
                "symbol": "BTC/USDT:USDT", "timeframe": "1h", "length": 24, "leverage": 3.0, "stop": 0.05,
            },
        }
    ]  # fmt: skip


def test_it_needs_no_more_data_than_bars(levdyn, written):
    bars_csv(written / "bars.csv", hours=72)
    text = (written / "my_trend.toml").read_text()
    sample = next(line for line in text.splitlines() if line.startswith("sample"))
    files = 'files = ["bars.csv"]\nvenue = "binance_usdm"\nsymbols = "BTC/USDT:USDT"'
    (written / "bars.toml").write_text(text.replace(sample, files) + '\n[run]\nmark = "last"\n')
    done = levdyn("run", written / "bars.toml")
    assert done.code == 0, done.err


def test_its_own_tests_pass(written):
    tests = {name: test for name, test in runpy.run_path(str(written / "test_my_trend.py")).items() if "test_" in name}
    assert len(tests) == 3
    for test in tests.values():
        test()


def test_nothing_is_written_over(levdyn, written):
    (written / "my_trend.py").write_text("mine")
    (written / "my_trend.toml").unlink()
    done = levdyn("new", "strategy", "my_trend", "--folder", written)
    assert done.code == 2
    assert "is there already" in done.err
    assert (written / "my_trend.py").read_text() == "mine"
    assert not (written / "my_trend.toml").exists()


@pytest.mark.parametrize(
    ("name", "hint"), [("My Trend", "perhaps my_trend"), ("class", "got 'class'"), ("1st", "got '1st'"), ("a-b", "a_b")]
)
def test_a_name_that_is_no_module_is_refused(levdyn, tmp_path, name, hint):
    done = levdyn("new", "strategy", name)
    assert done.code == 2
    assert hint in " ".join(done.err.split())
    assert not list(tmp_path.glob("test_*.py"))
