"""The page of the leverage lab has a chapter with an example for every question; tests/test_docs.py runs them."""

import re

import pytest
from code_blocks import ROOT, blocks

PAGE = ROOT / "docs" / "leverage_lab.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_there_is_a_chapter_with_an_example_for_every_question() -> None:
    from backtest.lab.questions import QUESTIONS

    chapters = re.findall(r"^## (\w+):", TEXT, re.MULTILINE)
    assert [name.lower() for name in chapters] == list(QUESTIONS)
    assert [block.language for block in blocks(PAGE)] == ["python", "text"] * len(QUESTIONS)


@pytest.mark.parametrize("said", ["not criticality", "infinite slope", "subcritical throughout", "censored signal"])
def test_the_warnings_of_the_lab_stand_on_the_page(said: str) -> None:
    assert said in " ".join(TEXT.split())
