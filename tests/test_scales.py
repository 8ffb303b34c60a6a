"""Decimals as integers: exact both ways, refused where they would not be."""

import random
import re
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds import scales
from feeds.errors import FeedError

digits = st.integers(-(10**18) + 1, 10**18 - 1)


@st.composite
def decimal_columns(draw):
    """Decimals that fit 64 bits together at the scale of the finest of them."""
    places = draw(st.integers(0, 18))
    limit = 10 ** draw(st.integers(1, 18))
    mantissas = draw(st.lists(st.integers(-limit + 1, limit - 1), min_size=1, max_size=30))
    return [Decimal(each).scaleb(-places) for each in mantissas]


@given(decimal_columns(), st.sampled_from(["text", "decimal", "arrow text", "arrow decimal"]))
def test_decimals_come_back_equal(values, form):
    text = [f"{each:f}" for each in values]
    given_as = {
        "text": text,
        "decimal": values,
        "arrow text": pa.array(text),
        "arrow decimal": pa.array(text).cast(pa.decimal128(38, 18)),
    }
    mantissas, scale = scales.encode(given_as[form])
    assert scales.decode(mantissas, scale).to_pylist() == values


@given(decimal_columns())
def test_scale_is_the_least_that_keeps_all_digits(values):
    mantissas, scale = scales.encode(values)
    assert scale == 0 or any(int(each) % 10 for each in mantissas)


@given(st.lists(st.floats(1.0, 9.0) | st.floats(-9.0, -1.0)))
def test_float_stands_for_the_decimal_that_it_prints(values):
    mantissas, scale = scales.encode(np.array(values, dtype=np.float64))
    assert scales.decode(mantissas, scale).to_pylist() == [Decimal(repr(each)) for each in values]


@given(st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(0, 6)), min_size=1))
def test_prices_as_floats_give_the_same_integers_as_their_text(pairs):
    texts = [f"{Decimal(mantissa).scaleb(-places):f}" for mantissa, places in pairs]
    from_text, from_float = scales.encode(texts), scales.encode(np.array([float(each) for each in texts]))
    assert from_float[1] == from_text[1]
    assert np.array_equal(from_float[0], from_text[0])


@pytest.mark.slow
def test_million_random_decimal_texts_round_trip_unchanged():
    draw = random.Random(5)
    for places in range(19):
        texts = []
        for _ in range(1_000_000 // 19 + 1):
            whole = draw.randrange(10 ** (18 - places)) if places < 18 else 0
            part = f".{draw.randrange(10**places):0{places}d}" if places else ""
            texts.append(f"{'-' if draw.random() < 0.2 and (whole or part.strip('.0')) else ''}{whole}{part}")
        mantissas, scale = scales.encode(pa.array(texts))
        back = scales.decode(mantissas, scale).cast(pa.decimal128(38, places)).to_pylist()
        assert [f"{each:f}" for each in back] == texts


@pytest.mark.parametrize(
    ("values", "mantissas", "scale"),
    [
        (["1.50", "2"], [15, 20], 1),
        ([".5", "5.", "+3"], [5, 50, 30], 1),
        (["0.000", "-0.0"], [0, 0], 0),
        (["1e-8", "2E+1"], [1, 2_000_000_000], 8),
        (["0000000000000000000000012.5"], [125], 1),
        (["1.0000000000000000000000000000"], [1], 0),
        (["9223372036854775807", "-9223372036854775808"], [2**63 - 1, -(2**63)], 0),
        ([0.1 + 0.2], [30000000000000004], 17),
        ([1e-5], [1], 5),
        ([], [], 0),
        ([Decimal("1.10"), 2], [11, 20], 1),
        (["1.5", 2], [15, 20], 1),
    ],
)
def test_known_values_encode_as_expected(values, mantissas, scale):
    found, places = scales.encode(values)
    assert found.tolist() == mantissas
    assert places == scale


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["1.5", "abc"], "'abc' (row 1) is not a decimal"),
        (["1.5", ""], "'' (row 1)"),
        (["1.5", None], "row 1 is empty"),
        ([1.5, float("nan")], "row 1 is nan"),
        ([float("inf")], "row 0 is inf"),
        (["1e30"], "does not fit 64 bits"),
        (["9223372036854775808"], "does not fit 64 bits"),
        (["12345678901234567890123456789012345678901"], "does not fit 64 bits"),
        (["0.1234567890123456789"], "19 decimals; at most 18"),
        (["0.123456789012345678", "10000"], "does not fit 64 bits"),
        ([1e22], "does not fit 64 bits"),
        ([True], "is not a number"),
        (["1,5"], "not a decimal"),
        (["1_000"], "not a decimal"),
        (["nan"], "not a decimal"),
        (["1e999999999"], "does not fit 64 bits"),
    ],
)
def test_number_that_cannot_be_kept_is_refused_with_its_row(values, words):
    with pytest.raises(FeedError, match=re.escape(words)):
        scales.encode(values, name="price")


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1), st.integers(0, 6))
def test_rescaling_up_and_down_changes_nothing(mantissas, places):
    start = np.array(mantissas, dtype=np.int64)
    assert np.array_equal(scales.rescale(scales.rescale(start, 2, 2 + places), 2 + places, 2), start)


def test_rescaling_that_loses_digits_or_overflows_is_refused():
    with pytest.raises(FeedError, match="would lose digits"):
        scales.rescale(np.array([15]), 1, 0)
    with pytest.raises(FeedError, match="does not fit 64 bits"):
        scales.rescale(np.array([2**62]), 0, 1)
    with pytest.raises(FeedError, match="does not fit 64 bits"):
        scales.rescale(np.array([-(2**62)]), 0, 1)


def test_columns_that_share_a_scale_take_the_finest():
    columns, scale = scales.encode_together({"open": ["1.5"], "high": ["2"], "low": ["1.25"]})
    assert scale == 2
    assert {name: column.tolist() for name, column in columns.items()} == {"open": [150], "high": [200], "low": [125]}


def test_arrow_slices_are_encoded_from_their_own_rows():
    whole = pa.array(["9.99", "1.5", "2.5", "9.999"]).slice(1, 2)
    assert scales.encode(whole)[0].tolist() == [15, 25]
    decimals = pa.array(["9.99", "1.5", "2.5"]).cast(pa.decimal128(20, 4)).slice(1)
    assert scales.encode(decimals)[0].tolist() == [15, 25]


@pytest.mark.parametrize(
    ("mantissa", "scale", "text"), [(5, 2, "0.05"), (-150, 1, "-15.0"), (7, 0, "7"), (1, 18, "0." + "0" * 17 + "1")]
)
def test_mantissa_prints_as_plain_decimal(mantissa, scale, text):
    assert scales.to_text(mantissa, scale) == text


def test_user_number_is_the_decimal_that_it_shows():
    assert scales.to_decimal(0.1) == Decimal("0.1")
    assert scales.to_decimal(np.float64(0.3)) == Decimal("0.3")
    assert scales.to_decimal("1e-3") == Decimal("0.001")
    for bad in ("x", float("nan"), None):
        with pytest.raises(FeedError, match="amount"):
            scales.to_decimal(bad, name="amount")
