"""A run says how many of the forced orders of others its data hold (feeds.md section 2.9)."""

import numpy as np
import pytest
from engine_data import LINEAR, USDM, Listener, constant, ns, run

from feeds.dataset import Dataset, Stream
from feeds.tables import build


def with_forced_orders(*words):
    """A quiet hour with forced orders of other accounts, a minute apart, of some coverages."""
    table = build(
        "liquidations",
        {
            "ts": [ns("00:10") + place * 60 * 10**9 for place in range(len(words))],
            "side": np.full(len(words), -1, dtype=np.int8),
            "price": ["100"] * len(words),
            "quantity": ["1"] * len(words),
            "coverage": list(words),
        },
    )
    return constant(100, start="00:00", end="01:00") + Dataset([Stream.from_table(USDM, LINEAR, "liquidations", table)])


def told(result):
    return [(row["value"], row["note"]) for row in result.assumptions if row["name"] == "liquidations of others"]


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("full", "all of them"),
        ("sampled", "a part of them"),
        ("cm_proxy", "snapshots of coin-margined contracts"),
        ("unknown", "how many of them is not known"),
    ],
)
def test_coverage_is_among_the_assumptions(word, meaning):
    ((value, symbols),) = told(run(with_forced_orders(word), Listener()))
    assert value.startswith(meaning)
    assert value.endswith(f"(coverage {word})")
    assert symbols == LINEAR


def test_each_coverage_of_a_stream_is_told():
    result = run(with_forced_orders("sampled", "full", "sampled"), Listener())
    assert [value.partition("(")[2] for value, _ in told(result)] == ["coverage full)", "coverage sampled)"]


def test_a_run_without_forced_orders_says_nothing_of_them():
    assert told(run(constant(100, start="00:00", end="01:00"), Listener())) == []


def test_words_of_a_stream_are_those_inside_its_bounds():
    (stream,) = (each for each in with_forced_orders("full", "sampled").streams if each.kind == "liquidations")
    assert stream.words("coverage") == ("full", "sampled")
    assert stream.between(ns("00:11"), ns("01:00")).words("coverage") == ("sampled",)
