"""Every code block of the pages in docs/ runs, in its order, and prints what the page says."""

import importlib.util
import re
from pathlib import Path

import pytest
from code_blocks import ROOT, RUN, blocks, commands, run, says, write_csv_files

DOCS = ROOT / "docs"
WRITTEN_ELSEWHERE = {"conformance.md", "real_data.md"}  # tests/test_worked_cases.py, tests/real
PAGES = sorted(page for page in DOCS.rglob("*.md") if page.name not in WRITTEN_ELSEWHERE)
WITH_CODE = [page for page in PAGES if blocks(page)]


def name_of(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_the_blocks_of_a_page_run_and_print_what_it_says(page: Path, tmp_path: Path) -> None:
    write_csv_files(tmp_path)
    for block, printed in run(page, tmp_path):
        assert says(block.text, printed), f"printed now:\n{printed}\n(python tests/write_pages.py writes it)"


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_what_is_not_run_is_a_make_target_or_a_command_for_the_network_with_options_that_exist(page, levdyn) -> None:
    targets = (ROOT / "Makefile").read_text()
    for block in blocks(page):
        for words, _ in commands(block.text) if block.language not in RUN else ():
            if words[0] == "make":
                assert re.search(rf"^{words[1]}:", targets, re.MULTILINE)
            else:
                assert words[:2] in (["levdyn", "download"], ["levdyn", "record"])
                shown = levdyn(words[1], "--help").out
                assert not [word for word in words if word.startswith("--") and word not in shown]


def test_every_page_is_in_the_navigation_once() -> None:
    named = re.findall(r"- (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(name_of(page) for page in DOCS.rglob("*.md"))


def test_named_paths_exist() -> None:
    for page in PAGES:
        named = re.findall(r"`((?:feeds|venues|backtest|strategies|tests|docs)/[\w./*]*)`", page.read_text())
        assert not [name for name in named if not list(ROOT.glob(name.rstrip("/")))], page


@pytest.fixture
def tables():
    spec = importlib.util.spec_from_file_location("docs_tables", ROOT / ".ci" / "docs_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_come_from_the_code(tables) -> None:
    from feeds.formats import FORMATS
    from venues import names

    assert len(tables.venues().splitlines()) == 2 + len(names())
    assert len(tables.formats().splitlines()) == 2 + len(FORMATS)
    commands_ = tables.commands()
    assert "## levdyn new strategy" in commands_
    assert "--margin-modes" in commands_


def test_a_page_names_only_tables_that_exist_and_each_is_used(tables) -> None:
    used = [name for page in PAGES for name in tables.MARKER.findall(page.read_text())]
    assert set(used) == set(tables.TABLES)


def test_hooks_are_all_described() -> None:
    from backtest.strategy_core import HOOKS

    text = (DOCS / "howto" / "strategy.md").read_text()
    assert not [hook for hook in HOOKS if f"`{hook}" not in text]
