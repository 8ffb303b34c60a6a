"""Worked cases of venues (tests/golden): ours beside theirs, for the tests and for docs/conformance.md.

A module per file of cases has `FIGURES`: kind of case to the function that computes what the case expects.
"""

import importlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
NOT_BUILT = "not_built"


@dataclass(frozen=True)
class Figure:
    """One number of a case: what the source says, what we say, how far apart they may be."""

    name: str
    theirs: float
    ours: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        return abs(self.ours - self.theirs) <= self.tolerance


def files() -> list[str]:
    """Return the names of the files of cases."""
    return sorted(path.stem for path in GOLDEN.glob("*.json") if "cases" in json.loads(path.read_text()))


@cache
def cases(file: str) -> tuple[dict[str, Any], ...]:
    """Return the cases of a file."""
    return tuple(json.loads((GOLDEN / f"{file}.json").read_text())["cases"])


def computed(file: str, case: Mapping[str, Any]) -> list[Figure]:
    """Return the figures of a case, in the order of its file."""
    ours = importlib.import_module(f"worked.{file}").FIGURES[case["kind"]](case)
    return list(_pairs(case["expected"], ours, case["tolerance"], ""))


def _pairs(theirs: Any, ours: Any, tolerance: Any, name: str) -> Iterator[Figure]:
    if isinstance(theirs, dict):
        for key, value in theirs.items():
            allowed = tolerance.get(key, tolerance) if isinstance(tolerance, dict) else tolerance
            yield from _pairs(value, ours[key], allowed, f"{name} {key}".strip())
    elif isinstance(theirs, list):
        assert len(theirs) == len(ours), name
        for number, (value, found) in enumerate(zip(theirs, ours, strict=True)):
            yield from _pairs(value, found, tolerance, f"{name} row {number + 1}".strip())
    else:
        yield Figure(name.replace("_", " "), float(theirs), float(ours), float(tolerance))
