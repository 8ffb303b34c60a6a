"""Every code block of the README runs, in its order, and prints what the README says.

``python tests/test_readme.py`` writes what the blocks print now into the README; read the difference before committing.
"""

import contextlib
import importlib.util
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
BLOCK = re.compile(r"^```(\w*) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = ("python", "toml", "sh", "text")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, the file that it is saved as (if named), its text and where the text begins."""

    language: str
    file: str
    text: str
    start: int


def blocks() -> list[Block]:
    return [Block(found[1], found[2], found[3], found.start(3)) for found in BLOCK.finditer(README.read_text())]


def write_csv_files(folder: Path) -> None:
    """Two months of hourly bars of a price that wanders, and funding every 8 hours."""
    draws = np.random.default_rng(1).normal(0, 0.01, 24 * 60)
    hours = pd.date_range("2025-01-01", periods=len(draws), freq="1h", tz="UTC")
    close = 100 * np.exp(np.cumsum(draws))
    opened = np.r_[100.0, close[:-1]]
    high, low = np.maximum(opened, close) * 1.003, np.minimum(opened, close) * 0.997
    columns = {"open": opened, "high": high, "low": low, "close": close, "volume": 100_000}
    pd.DataFrame(columns, index=hours).round(2).to_csv(folder / "bars.csv", index_label="date")
    pd.DataFrame({"date": hours[::8], "rate": 0.0001}).to_csv(folder / "funding.csv", index=False)


@contextlib.contextmanager
def working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def printed_by(source: str) -> str:
    """Run Python as a script of its own and return what it printed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(source, "README.md", "exec"), {"__name__": "__main__"})
    return out.getvalue()


def commands(text: str) -> list[list[str]]:
    return [shlex.split(line.partition(" #")[0]) for line in text.splitlines() if line.strip()]


def shown(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


@pytest.mark.slow
def test_every_code_block_of_the_readme_runs_and_prints_what_it_says(tmp_path: Path) -> None:
    from backtest.cli import main

    write_csv_files(tmp_path)
    printed = ""
    with working_in(tmp_path):
        for block in blocks():
            if block.file:
                (tmp_path / block.file).write_text(block.text)
            if block.language == "python":
                printed = shown(printed_by(block.text))
            elif block.language == "text":
                assert block.text == printed, "python tests/test_readme.py writes what is printed now"
            elif block.language == "sh":
                for words in commands(block.text):
                    assert words[0] == "levdyn"
                    with contextlib.redirect_stdout(io.StringIO()):
                        assert main(words[1:]) == 0, words
    assert (tmp_path / "leveraged.html").stat().st_size > 10_000
    assert (tmp_path / "sol.html").stat().st_size > 10_000
    assert (tmp_path / "sheet.html").stat().st_size > 10_000


def test_every_block_is_of_a_kind_that_is_run_and_the_others_are_make_targets() -> None:
    targets = (ROOT / "Makefile").read_text()
    for block in blocks():
        if block.language in RUN:
            continue
        for words in commands(block.text):
            assert words[0] == "make"
            assert re.search(rf"^{words[1]}:", targets, re.MULTILINE)


def test_first_strategy_is_short_and_is_paid_and_closed_by_force(tmp_path: Path) -> None:
    first = next(block for block in blocks() if block.language == "python")
    assert first.text.count("\n") < 25
    output = next(block for block in blocks() if block.language == "text").text
    assert re.search(r"liquidations +1$", output, re.MULTILINE)
    assert re.search(r"\b\d+ funding payments", output)


def test_two_files_without_mark_and_tiers_need_two_choices_that_the_first_screen_prints(tmp_path: Path) -> None:
    example = next(block for block in blocks() if block.file == "sol.py")
    assert example.text.count("\n") < 20
    write_csv_files(tmp_path)
    with working_in(tmp_path):
        screen = printed_by(example.text)
    chosen = [line.split()[1] for line in screen.splitlines() if line.startswith("* ")]
    assert chosen == ["mark", "tiers"]


def test_configuration_and_python_of_the_readme_are_one_run(tmp_path: Path) -> None:
    from backtest.config import load

    write_csv_files(tmp_path)
    for block in blocks():
        if block.file:
            (tmp_path / block.file).write_text(block.text)
    by_file = load(tmp_path / "sol.toml").backtest.run()
    with working_in(tmp_path):
        screen = printed_by((tmp_path / "sol.py").read_text())
    assert str(by_file) + "\n" == screen


def test_named_paths_of_the_readme_exist() -> None:
    named = re.findall(r"`((?:feeds|venues|backtest|strategies|tests|docs)/[\w./*]*)`", README.read_text())
    named += re.findall(r"\]\((docs/[^)]*)\)", README.read_text())
    assert named
    assert not [name for name in named if not list(ROOT.glob(name.rstrip("/")))]


def rewrite() -> None:
    """Write what the Python blocks print now into the text blocks behind them."""
    text, printed = README.read_text(), ""
    with tempfile.TemporaryDirectory() as folder, working_in(Path(folder)):
        write_csv_files(Path(folder))
        outputs = []
        for block in blocks():
            printed = shown(printed_by(block.text)) if block.language == "python" else printed
            if block.language == "text":
                outputs.append((block, printed))
    for block, output in reversed(outputs):
        text = text[: block.start] + output + text[block.start + len(block.text) :]
    README.write_text(text)


if __name__ == "__main__":
    if importlib.util.find_spec("backtest") is None:
        sys.path.insert(0, str(ROOT))
    rewrite()
