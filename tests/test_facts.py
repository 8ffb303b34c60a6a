"""Facts of every venue: each has a listed source and a date, and what no document says is marked."""

from itertools import chain

import pytest

import venues
from venues.facts import KEYED, SINGLE, Fact

ALL = pytest.mark.parametrize("rules", [venues.get(name) for name in venues.names()], ids=lambda rules: rules.name)


def dated_facts(rules):
    """Return every tuple of dated facts of a venue."""
    keyed = (getattr(rules.facts, name).values() for name in KEYED)
    return [*(getattr(rules.facts, name) for name in SINGLE), *chain.from_iterable(keyed)]


@ALL
def test_every_fact_names_a_listed_source_and_dates_ascend(rules):
    for facts in dated_facts(rules):
        assert all(isinstance(fact, Fact) and fact.source in rules.sources for fact in facts)
        dates = [fact.since for fact in facts]
        assert dates == sorted(set(dates))
    for rows in rules.facts.instruments.values():
        dates = [row.valid_from for row in rows]
        assert dates == sorted(set(dates))
        assert all(row.source in rules.sources and row.contract in rules.contracts for row in rows)


@ALL
def test_every_fact_without_a_document_is_marked_unverified(rules):
    for facts in dated_facts(rules):
        assert all(fact.is_unverified for fact in facts if fact.source == "none")
