"""The levdyn command as such: help, errors, what is printed, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from backtest import demo as show
from backtest.commands import output

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
        "lab",
    ):
        line = next(line for line in listed.splitlines() if line.strip().startswith(f"{name} "))
        assert line.endswith(".")
        assert not line.endswith("...")


@pytest.mark.parametrize(
    "name",
    [
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
        "lab",
    ],
)  # fmt: skip
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
