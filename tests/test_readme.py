"""Every code block of the README runs, in its order, and prints what the README says."""

import re
from pathlib import Path

import pytest
from code_blocks import ROOT, RUN, blocks, commands, printed_by, run, says, working_in, write_csv_files

README = ROOT / "README.md"


@pytest.mark.slow
def test_every_code_block_of_the_readme_runs_and_prints_what_it_says(tmp_path: Path) -> None:
    write_csv_files(tmp_path)
    texts = list(run(README, tmp_path))
    assert texts
    for block, printed in texts:
        assert says(block.text, printed), "python tests/write_pages.py writes what is printed now"
    assert (tmp_path / "leveraged.html").stat().st_size > 10_000
    assert (tmp_path / "sol.html").stat().st_size > 10_000
    assert (tmp_path / "sheet.html").stat().st_size > 10_000


def test_every_block_is_of_a_kind_that_is_run_and_the_others_are_make_targets() -> None:
    targets = (ROOT / "Makefile").read_text()
    for block in blocks(README):
        if block.language in RUN:
            continue
        for words, _ in commands(block.text):
            assert words[0] == "make"
            assert re.search(rf"^{words[1]}:", targets, re.MULTILINE)


def test_first_strategy_is_short_and_is_paid_and_closed_by_force(tmp_path: Path) -> None:
    first = next(block for block in blocks(README) if block.language == "python")
    assert first.text.count("\n") < 25
    output = next(block for block in blocks(README) if block.language == "text").text
    assert re.search(r"liquidations +1$", output, re.MULTILINE)
    assert re.search(r"\b\d+ funding payments", output)


def test_two_files_without_mark_and_tiers_need_two_choices_that_the_first_screen_prints(tmp_path: Path) -> None:
    example = next(block for block in blocks(README) if block.file == "sol.py")
    assert example.text.count("\n") < 20
    write_csv_files(tmp_path)
    with working_in(tmp_path):
        screen = printed_by(example.text)
    chosen = [line.split()[1] for line in screen.splitlines() if line.startswith("* ")]
    assert chosen == ["mark", "tiers"]


def test_configuration_and_python_of_the_readme_are_one_run(tmp_path: Path) -> None:
    from backtest.config import load

    write_csv_files(tmp_path)
    for block in blocks(README):
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
