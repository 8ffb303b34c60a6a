"""Every worked case of every venue, by id: our figure is the published one within the digits that were published."""

import re

import conformance
import pytest
import worked

CASES = [(file, case) for file in worked.files() for case in worked.cases(file)]


@pytest.mark.parametrize(
    ("file", "case"),
    [(file, case) for file, case in CASES if "expected" in case and case["kind"] != worked.NOT_BUILT],
    ids=lambda value: value if isinstance(value, str) else value["id"],
)
def test_our_figures_are_the_published_ones(file, case):
    figures = worked.computed(file, case)
    assert figures
    assert [figure for figure in figures if not figure.agrees] == []


def test_every_case_has_its_source_and_an_id_of_its_own():
    for file in worked.files():
        ids = [case["id"] for case in worked.cases(file)]
        assert len(ids) == len(set(ids))
    for file, case in CASES:
        assert case["source"], (file, case["id"])
        assert case["what"], (file, case["id"])


def test_no_tolerance_is_wider_than_half_a_percent():
    for file, case in CASES:
        if "expected" in case and case["kind"] != worked.NOT_BUILT:
            for figure in worked.computed(file, case):
                assert not figure.theirs or figure.tolerance <= 0.005 * abs(figure.theirs), (
                    file,
                    case["id"],
                    figure.name,
                )


def test_the_page_is_what_the_cases_come_to():
    assert conformance.PAGE.read_text() == conformance.page(), "make conformance writes the page anew"


def test_the_page_has_a_row_for_every_figure():
    rows = [line for line in conformance.page().splitlines() if re.match(r"\| `", line)]
    figures = sum(
        len(worked.computed(file, case)) if "expected" in case and case["kind"] != worked.NOT_BUILT else 1
        for file, case in CASES
    )
    assert len(rows) == figures
