"""The order of imports is feeds < venues < backtest < strategies, for Python and for Cython (design.md section 3)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("feeds", "venues", "backtest", "strategies")
FREE = ("backtest/cli.py", "backtest/commands/")  # the command line runs the examples
SOURCES = sorted(
    path.relative_to(ROOT).as_posix()
    for layer in LAYERS
    for path in (ROOT / layer).rglob("*")
    if path.suffix in {".py", ".pyi", ".pyx", ".pxd"}
)

STRINGS = re.compile(r'"""(?:[^\\]|\\.)*?"""|\'\'\'(?:[^\\]|\\.)*?\'\'\'', re.DOTALL)
FROM = re.compile(r"^[ \t]*from[ \t]+([.\w]+)[ \t]+c?import\b", re.MULTILINE)
PLAIN = re.compile(r"^[ \t]*c?import[ \t]+([^\n#;]+)", re.MULTILINE)


def python_imports(text: str, package: str) -> Iterator[str]:
    """Yield the modules that Python source imports, inside functions and by name in import_module too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield package if node.level else str(node.module)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in {"import_module", "__import__"}:
                yield str(node.args[0].value)


def cython_imports(text: str, package: str) -> Iterator[str]:
    """Yield the modules on the import and cimport lines of Cython source; text in triple quotes does not count."""
    code = STRINGS.sub('""', text)
    for name in FROM.findall(code):
        yield package if name.startswith(".") else name
    for names in PLAIN.findall(code):
        yield from (part.split()[0] for part in names.split(",") if part.strip())


def imported_layers(source: str, text: str) -> set[str]:
    """Return which of our packages a file imports."""
    read = python_imports if source.endswith((".py", ".pyi")) else cython_imports
    return {name.partition(".")[0] for name in read(text, source.partition("/")[0])} & set(LAYERS)


def violations(source: str, text: str) -> set[str]:
    """Return the packages that a file imports although they are to its right, or are the examples."""
    own = source.partition("/")[0]
    allowed = set(LAYERS[: LAYERS.index(own) + 1]) - {"strategies"}
    return imported_layers(source, text) - allowed


@pytest.mark.parametrize("source", SOURCES)
def test_file_imports_only_its_own_package_and_those_to_its_left(source):
    wrong = violations(source, (ROOT / source).read_text())
    assert not wrong - {"strategies"} if source.startswith(FREE) else not wrong


def test_every_package_has_sources():
    assert {source.partition("/")[0] for source in SOURCES} == set(LAYERS)


@pytest.mark.parametrize(
    ("source", "text", "wrong"),
    [
        ("feeds/a.py", "import venues.units", {"venues"}),
        ("feeds/a.py", "def f():\n    from backtest import loop", {"backtest"}),
        ("feeds/a.py", "import numpy, backtest.loop as loop", {"backtest"}),
        ("feeds/a.py", "import importlib\nimportlib.import_module('venues')", {"venues"}),
        ("feeds/a.py", '"""\nfrom backtest import Backtest\n"""\nfrom .errors import FeedError', set()),
        ("feeds/a.pxd", "from venues.units cimport Int128", {"venues"}),
        ("venues/a.pyx", "cimport backtest.loop", {"backtest"}),
        ("venues/a.pyx", "from feeds.events cimport (\n    Event,\n)\nfrom venues.units import x", set()),
        ("venues/a.pyx", "def f():\n    import libc, backtest.loop", {"backtest"}),
        ("venues/a.pyx", '"""Docstring.\n\nfrom backtest import Backtest\n"""\nx = 1', set()),
        ("backtest/a.py", "from strategies.trend import Trend", {"strategies"}),
        ("strategies/a.py", "from strategies.trend import Trend", {"strategies"}),
        ("strategies/a.py", "from backtest import Strategy\nimport venues, feeds", set()),
    ],
)
def test_reader_sees_each_form_of_import(source, text, wrong):
    assert violations(source, text) == wrong
