"""The conformance page: every worked case of every venue, our figure beside theirs.

``make conformance`` writes docs/conformance.md; a test compares it with what the cases come to.
"""

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import worked

PAGE = Path(__file__).resolve().parent.parent / "docs" / "conformance.md"
HEAD = """# Conformance

Our figure beside the published one, for every worked case in `tests/golden/`. `make conformance` writes this page; the
tests compute the same cases with the same functions, so that page and tests cannot part. Allowed is half a unit of the
last digit that the source prints, unless the case says otherwise.

"""
TABLE = "| case | figure | published | ours | difference | allowed |\n|---|---|---:|---:|---:|---:|\n"


def page() -> str:
    """Return the page."""
    parts = [HEAD]
    for file in worked.files():
        cases = worked.cases(file)
        parts.append(f"## {file}\n\n{TABLE}")
        parts += [row for case in cases for row in _rows(file, case)]
        parts.append("\n")
        parts += [f"- `{case['id']}` {case['what']}. {case['source']}.\n" for case in cases]
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"


def _rows(file: str, case: Mapping[str, Any]) -> Iterator[str]:
    where = f"`{case['id']}`"
    if case["kind"] == worked.NOT_BUILT:
        yield f"| {where} | | | not built: asked for, it is an error | | |\n"
        return
    if "expected" not in case:
        yield f"| {where} | | | a run in the tests | | |\n"
        return
    for figure in worked.computed(file, case):
        apart = figure.ours - figure.theirs
        shown = "0" if abs(apart) < figure.tolerance / 100 else f"{apart:.1g}"
        digits = max(0, min(12, 1 - math.floor(math.log10(figure.tolerance))))
        name = figure.name or case["kind"].replace("_", " ")
        ours = f"{figure.ours:,.{digits}f}".rstrip("0").rstrip(".") if digits else f"{figure.ours:,.0f}"
        yield f"| {where} | {name} | {_plain(figure.theirs)} | {ours} | {shown} | {figure.tolerance:.1g} |\n"


def _plain(value: float) -> str:
    return f"{Decimal(repr(value)).normalize():,f}"


if __name__ == "__main__":
    PAGE.write_text(page())
