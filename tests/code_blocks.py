"""The code blocks of a Markdown page: found, run in their order, their output compared with what the page says.

A block of Python, TOML, shell or text is run. ``title="name"`` saves it as that file first, and Python is then a script
of its own; without a title the Python blocks of a page are one script. Text is what the block before it prints; three
dots there stand for the rest of a line and any lines after it. A title that begins with "in " means another tool, whose
code must be Python, no more. Other blocks are commands of the checkout, looked at by the tests that know them.
"""

import contextlib
import io
import os
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r'^```(\w*)(?: title="([^"\n]*)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^\s*```", re.MULTILINE)
RUN = ("python", "toml", "sh", "text")
DOTS = "...\n"
CODE = re.compile(r" +# exit code (\d)$")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, the title (usually a file name), its text and where the text begins."""

    language: str
    title: str
    text: str
    start: int

    @property
    def is_foreign(self) -> bool:
        """Whether it is code of another tool."""
        return self.title.startswith("in ")

    @property
    def file(self) -> str:
        """Name that it is saved under, empty for none."""
        return "" if self.is_foreign else self.title


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page; a fence that is none of them is an error, since it would never be run."""
    text = page.read_text()
    found = [Block(each[1], each[2] or "", each[3], each.start(3)) for each in BLOCK.finditer(text)]
    assert len(FENCE.findall(text)) == 2 * len(found), f"{page}: a fence is neither ```language nor with title="
    return found


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
    """Work in a folder whose modules can be imported, on a terminal of 80 columns; modules made there are forgotten."""
    before, known, path = Path.cwd(), set(sys.modules), list(sys.path)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        with mock.patch.dict(os.environ, {"COLUMNS": "80"}):
            yield
    finally:
        os.chdir(before)
        sys.path[:] = path
        for name in set(sys.modules) - known:
            if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]


def printed_by(source: str, names: dict[str, object] | None = None, *, where: str = "block") -> str:
    """Run Python, as a script of its own without `names`, and return what it printed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(source, where, "exec"), {"__name__": "__main__"} if names is None else names)
    return out.getvalue()


def commands(text: str) -> list[tuple[list[str], int]]:
    """Return the words of each line, without its comment, and the exit code that the comment names."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            code = CODE.search(line)
            found.append((shlex.split(line.partition(" #")[0]), int(code[1]) if code else 0))
    return found


def output_of(words: list[str], code: int) -> str:
    """Run a command of ours, or a file as script or tests, and return what it printed."""
    from backtest.cli import main

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        if words[0] == "levdyn":
            found = main(words[1:])
            assert found == code, f"{words}: exit code {found}, not {code}"
        elif words[0] == "python":
            runpy.run_path(words[1], run_name="__main__")
        else:
            assert words[0] == "pytest", words
            tests = [test for name, test in runpy.run_path(words[1]).items() if name.startswith("test_")]
            assert tests, words
            for test in tests:
                test()
    return out.getvalue()


def shown(text: str) -> str:
    """Return text without blanks at the ends of lines."""
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def run(page: Path, folder: Path) -> Iterator[tuple[Block, str]]:
    """Run the blocks of a page in a folder; yield each block of text with what was printed before it."""
    names: dict[str, object] = {"__name__": "__main__"}
    printed = ""
    with working_in(folder):
        for block in blocks(page):
            if block.is_foreign:
                compile(block.text, block.title, "exec")
                continue
            if block.file:
                (folder / block.file).write_text(block.text)
            if block.language == "python":
                printed = shown(printed_by(block.text, None if block.file else names, where=page.name))
            elif block.language == "sh":
                printed = "".join(shown(output_of(words, code)) for words, code in commands(block.text))
            elif block.language == "text":
                yield block, printed.lstrip("\n")


def says(text: str, printed: str) -> bool:
    """Whether a page's text is what was printed, three dots standing for the rest of a line and any lines after it."""
    parts = [re.escape(part) for part in text.split(DOTS)]
    return re.fullmatch("(?:.*\n)*?".join(parts), printed) is not None


def rewrite(page: Path, folder: Path) -> None:
    """Write what is printed now into the text blocks of a page; those with dots are left to the writer."""
    text = page.read_text()
    for block, printed in reversed(list(run(page, folder))):
        if DOTS not in block.text:
            text = text[: block.start] + printed + text[block.start + len(block.text) :]
        elif not says(block.text, printed):
            print(f"{page}: look at\n{block.text}which is now\n{printed}")
    page.write_text(text)
