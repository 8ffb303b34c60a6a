"""The walk-through that adds a venue: its blocks are a venue and pass as tests."""

import re
import runpy

import pytest
from code_blocks import ROOT, blocks

from feeds import venue_names
from venues import rules

BLOCKS = {block.file: block.text for block in blocks(ROOT / "CONTRIBUTING.md") if block.language == "python"}


@pytest.fixture
def lagoon(tmp_path, monkeypatch):
    """The venue of the walk-through, put where its text says."""
    row = eval("{" + BLOCKS["names"] + "}", vars(venue_names))
    monkeypatch.setitem(venue_names.VENUES, "lagoon", row["lagoon"])
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "lagoon.py").write_text(BLOCKS["venues/rules/lagoon.py"])
    monkeypatch.setattr(rules, "__path__", [*rules.__path__, str(folder)])
    return tmp_path


def test_it_takes_less_than_150_lines():
    assert set(BLOCKS) == {"names", "venues/rules/lagoon.py", "tests/test_rules_lagoon.py"}
    assert sum(len(text.splitlines()) for text in BLOCKS.values()) < 150


def test_the_new_venue_is_listed_and_shows_its_rules(lagoon, levdyn):
    assert "Lagoon perpetuals" in levdyn("venues").out
    shown = levdyn("venues", "lagoon", "--symbol", "BTC/USDC:USDC")
    assert shown.code == 0, shown.err
    assert "Lagoon docs, Margin and liquidation, 2025-02-01" in shown.out


@pytest.mark.parametrize("name", re.findall(r"^def (test_\w+)", BLOCKS["tests/test_rules_lagoon.py"], re.MULTILINE))
def test_its_own_tests_pass(lagoon, name):
    path = lagoon / "test_rules_lagoon.py"
    path.write_text(BLOCKS["tests/test_rules_lagoon.py"])
    runpy.run_path(str(path))[name]()
