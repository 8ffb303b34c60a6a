"""Rules of style that no linter knows: what every source file of the packages must and must not contain."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("feeds", "venues", "backtest", "strategies")
COMMAND = ("backtest/cli.py", "backtest/commands/")  # shows progress, so it may look at a clock
WAITING = ("feeds/downloads/pace.py",)  # waits for hosts, and asks what may be over by now
LIMIT = 500  # lines; the target is 300
SCREEN = 60  # lines of a function below its docstring
FILES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*"))
    if path.suffix in {".py", ".pyi", ".pyx", ".pxd"}
}
PYTHON = [name for name in FILES if name.endswith(".py")]
CYTHON = [name for name in FILES if name.endswith((".pyx", ".pxd"))]
PXD = [name for name in FILES if name.endswith(".pxd")]

STRINGS = re.compile(r'"""(?:[^\\]|\\.)*?"""|\'\'\'(?:[^\\]|\\.)*?\'\'\'', re.DOTALL)
COMMENT = re.compile(r"#[^\n]*")


def code_of(name: str) -> str:
    """Return the text of a file without long strings and comments; a # inside a short string cuts its line."""
    return COMMENT.sub("", STRINGS.sub('""', FILES[name]))


@pytest.mark.parametrize("name", FILES)
def test_file_opens_with_a_sentence_on_one_line(name):
    first = FILES[name].partition("\n")[0]
    assert re.fullmatch(r'r?"""\S.*[.:](""")?', first), f"{name} begins with {first!r}"


@pytest.mark.parametrize("name", FILES)
def test_file_is_not_longer_than_a_reader_can_hold(name):
    lines = FILES[name].count("\n")
    assert lines <= LIMIT


@pytest.mark.parametrize("name", PYTHON)
def test_function_fits_one_screen(name):
    for node in ast.walk(ast.parse(FILES[name])):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = node.end_lineno - body[0].lineno + 1 if body else 0
            assert lines <= SCREEN, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("name", PXD)
def test_pxd_cimports_only_libc_and_our_own(name):
    # Anything else (numpy above all) would make the user give include directories to compile a strategy.
    code = code_of(name)
    found = re.findall(r"^\s*from\s+([.\w]+)\s+cimport\b", code, re.MULTILINE)
    found += re.findall(r"^\s*cimport\s+([.\w]+)", code, re.MULTILINE)
    assert {module.partition(".")[0] for module in found} <= {"libc", "cpython", "cython", *PACKAGES}


@pytest.mark.parametrize("name", CYTHON)
def test_cython_has_no_directive_outside_setup_py(name):
    assert not re.search(r"^#\s*(cython|distutils)\s*:", FILES[name], re.MULTILINE)
    assert not re.search(r"\b(boundscheck|wraparound|cdivision|initializedcheck|language_level)\b", code_of(name))


@pytest.mark.parametrize("name", CYTHON)
def test_cython_includes_no_text_and_cimports_absolutely(name):
    assert not re.search(r"^\s*include\b", code_of(name), re.MULTILINE)
    assert not re.search(r"^\s*from\s+\.\S*\s+c?import\b", code_of(name), re.MULTILINE)


@pytest.mark.parametrize("name", FILES)
def test_open_point_has_an_issue_number(name):
    for mark in re.findall(r"\b(?:TODO|FIXME|XXX)\b[^\n]*", FILES[name]):
        assert re.search(r"#\d+", mark), mark


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("feeds/")])
def test_feeds_do_not_use_the_paginate_option(name):
    # ccxt's own pagination drops and repeats rows at the joins (feeds.md); we walk by time stamps.
    assert "paginate" not in code_of(name)


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith((*COMMAND, *WAITING))])
def test_engine_reads_no_wall_clock_and_no_global_randomness(name):
    # Law 3: a run is a function of configuration, data, seed and wheel.
    code = code_of(name)
    assert not re.search(
        r"\btime\.(time|time_ns|monotonic|perf_counter)\(|\b(datetime|Timestamp|date)\.(utcnow|now|today)\(", code
    )
    assert not re.search(r"^\s*(import random\b|from random import)", code, re.MULTILINE)
    assert not re.search(r"\b(np|numpy)\.random\.(?!PCG64\b|SeedSequence\b)", code)


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_pickled(name):
    assert not re.search(r"\b(cloudpickle|pickle|shelve|marshal)\b", code_of(name))


@pytest.mark.parametrize("name", PYTHON)
def test_input_is_not_checked_by_assert(name):
    # python -O removes asserts.
    assert not any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(FILES[name])))


def test_compiled_module_that_python_imports_has_a_stub():
    imported = set()
    for name in PYTHON:
        for node in ast.walk(ast.parse(FILES[name])):
            if isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module)
                imported |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
    compiled = {name.removesuffix(".pyx").replace("/", "."): name for name in FILES if name.endswith(".pyx")}
    missing = [name for module, name in compiled.items() if module in imported and name[:-1] + "i" not in FILES]
    assert not missing, "\n".join(missing)


def test_stub_stands_beside_a_compiled_module():
    assert not [name for name in FILES if name.endswith(".pyi") and name[:-1] + "x" not in FILES]


def test_every_package_is_listed_for_the_wheel():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {name.removesuffix("/__init__.py").replace("/", ".") for name in FILES if name.endswith("/__init__.py")}
    assert found == set(listed)


def test_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f'__version__ = "{project["version"]}"\n' in FILES["backtest/__init__.py"]


def test_architecture_names_only_what_exists():
    page = (ROOT / "ARCHITECTURE.md").read_text()
    named = re.findall(r"`((?:feeds|venues|backtest|strategies|tests|benchmarks|data)/[\w./]*)`", page)
    assert named
    missing = [name for name in named if not (ROOT / name).exists() and not list(ROOT.glob(name + ".*"))]
    assert not missing
