"""Every example of docs/leverage_lab.md runs and prints what the page says.

``python tests/test_lab_docs.py`` writes what the examples print now into the page; read the difference first.
"""

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "leverage_lab.md"
EXAMPLE = re.compile(r"```python\n(?P<code>.*?)```\n\n```text\n(?P<shown>.*?)```", re.DOTALL)
EXAMPLES = [(match["code"], match["shown"]) for match in EXAMPLE.finditer(PAGE.read_text(encoding="utf-8"))]


def printed(code: str) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(code, str(PAGE), "exec"), {"__name__": "example"})
    return said.getvalue()


def test_there_is_a_chapter_with_an_example_for_every_question() -> None:
    from backtest.lab.questions import QUESTIONS

    chapters = re.findall(r"^## (\w+):", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [name.lower() for name in chapters] == list(QUESTIONS)
    assert len(EXAMPLES) == len(QUESTIONS)


@pytest.mark.parametrize(("code", "shown"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_prints_what_the_page_shows(code: str, shown: str) -> None:
    assert printed(code) == shown


@pytest.mark.parametrize("said", ["not criticality", "infinite slope", "subcritical throughout", "censored signal"])
def test_the_warnings_of_the_lab_stand_on_the_page(said: str) -> None:
    assert said in " ".join(PAGE.read_text(encoding="utf-8").split())


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(
        EXAMPLE.sub(lambda m: f"```python\n{m['code']}```\n\n```text\n{printed(m['code'])}```", text), encoding="utf-8"
    )
