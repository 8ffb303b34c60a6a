"""The commands of docs/real_data.md, run as a reader would: its files in one folder with the data, then each."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "real_data.md"
_FILE = re.compile(r"^`(?P<name>[\w.]+)`\n\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^```console\n\$ levdyn (?P<words>.*?)\n(?P<shown>.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = [(match["words"], match["shown"]) for match in _COMMAND.finditer(PAGE.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def folder(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("reader")
    for name in ("trades", "ohlcv", "funding", "instruments"):
        (made / name).symlink_to(real_data / name)
    for match in _FILE.finditer(PAGE.read_text(encoding="utf-8")):
        (made / match["name"]).write_text(match["text"], encoding="utf-8")
    return made


def test_the_page_has_commands_and_the_files_they_name() -> None:
    names = {match["name"] for match in _FILE.finditer(PAGE.read_text(encoding="utf-8"))}
    assert len(COMMANDS) == 7
    assert {words.split()[1] for words, _ in COMMANDS} <= names


@pytest.mark.parametrize(("words", "shown"), COMMANDS, ids=[words for words, _ in COMMANDS])
def test_a_documented_command_prints_what_the_page_shows(folder: Path, words: str, shown: str) -> None:
    """Every line of the block is among those printed, in that order; a block that shows an error ends with code 2."""
    run = subprocess.run(
        [sys.executable, "-c", "import sys; from backtest.cli import main; sys.exit(main())", *shlex.split(words)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "COLUMNS": "80", "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    is_error = shown.startswith("error:")
    assert run.returncode == (2 if is_error else 0), run.stderr
    printed, place = lines(run.stderr if is_error else run.stdout), 0
    for line in lines(shown):
        assert line in printed[place:], f"{line!r} is not printed after line {place}"
        place = printed.index(line, place) + 1


def lines(text: str) -> list[str]:
    """Lines with their words one blank apart: columns may be wider elsewhere."""
    return [" ".join(line.split()) for line in text.splitlines()]
