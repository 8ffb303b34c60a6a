"""Exact integer arithmetic against Python's own integers and fractions."""

import math
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from venues import units

LOWEST, HIGHEST = -(1 << 127), (1 << 127) - 1
words = st.integers(LOWEST, HIGHEST)
small = st.integers(-(10**12), 10**12)
mixed = st.one_of(words, small, st.sampled_from([LOWEST, HIGHEST, 0, 1, -1, 1 << 64, -(1 << 64), (1 << 64) - 1]))


def away_from_zero(value: Fraction) -> int:
    """Round to the nearest integer, halves away from zero."""
    nearest = math.floor(abs(value) + Fraction(1, 2))
    return nearest if value >= 0 else -nearest


ROUND: dict[str, Callable[[Fraction], int]] = {
    "toward_zero": math.trunc,
    "half_up": away_from_zero,
    "floor": math.floor,
    "ceiling": math.ceil,
}
roundings = st.sampled_from(sorted(ROUND))


def expect(call: Callable[[], int], wanted: int, *, low: int = LOWEST, high: int = HIGHEST) -> None:
    """Check a value, or the error when it cannot be held."""
    if low <= wanted <= high:
        assert call() == wanted
    else:
        with pytest.raises(OverflowError, match=r"128-bit|64-bit"):
            call()


@given(mixed, mixed)
def test_product_sum_and_difference_equal_python_or_raise(a: int, b: int) -> None:
    expect(lambda: units.checked_product(a, b), a * b)
    expect(lambda: units.checked_sum(a, b), a + b)
    expect(lambda: units.checked_difference(a, b), a - b)


@given(mixed, mixed, mixed.filter(bool), roundings)
@example(LOWEST, 1, -1, "toward_zero")
@example(LOWEST, LOWEST, LOWEST, "half_up")
@example(HIGHEST, HIGHEST, HIGHEST, "ceiling")
@example(HIGHEST, 2, 4, "half_up")
@example(-HIGHEST, 2, 4, "floor")
def test_quotient_of_a_wide_product_rounds_as_its_name_says(a: int, b: int, c: int, how: str) -> None:
    expect(lambda: units.checked_quotient(a, b, c, rounding=how), ROUND[how](Fraction(a * b, c)))


@given(small, small, st.integers(1, 1000), roundings)
def test_quotient_of_small_numbers_rounds_as_its_name_says(a: int, b: int, c: int, how: str) -> None:
    assert units.checked_quotient(a, b, c, rounding=how) == ROUND[how](Fraction(a * b, c))


@pytest.mark.parametrize(
    ("how", "wanted"),
    [("toward_zero", (2, -2)), ("half_up", (3, -3)), ("floor", (2, -3)), ("ceiling", (3, -2))],
)
def test_two_and_a_half_rounds_by_direction(how: str, wanted: tuple[int, int]) -> None:
    assert (units.checked_quotient(5, 1, 2, rounding=how), units.checked_quotient(-5, 1, 2, rounding=how)) == wanted


@given(mixed, st.integers(0, 38), st.integers(0, 38), roundings)
def test_rescale_keeps_the_decimal_up_to_rounding(a: int, start: int, end: int, how: str) -> None:
    wanted = ROUND[how](Fraction(a) * Fraction(10) ** (end - start))
    expect(lambda: units.checked_rescale(a, start, end, rounding=how), wanted)


def test_rescale_over_more_decimals_than_fit_raises() -> None:
    with pytest.raises(OverflowError, match="at most 38 decimals, got 0 and 39"):
        units.checked_rescale(0, 0, 39, rounding="floor")


@given(mixed)
def test_narrow_gives_the_number_or_raises(a: int) -> None:
    expect(lambda: units.checked_narrow(a), a, low=-(1 << 63), high=(1 << 63) - 1)


def test_division_by_zero_names_the_dividend() -> None:
    with pytest.raises(ZeroDivisionError, match="division of 7 by zero"):
        units.checked_quotient(7, 1, 0, rounding="floor")


def test_overflow_names_both_operands() -> None:
    with pytest.raises(OverflowError, match=f"product .* {HIGHEST} and 2"):
        units.checked_product(HIGHEST, 2)


def test_an_operand_beyond_128_bits_is_refused() -> None:
    with pytest.raises(OverflowError, match="must fit a signed 128-bit integer"):
        units.checked_sum(HIGHEST + 1, 0)


def test_an_unknown_rounding_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="toward_zero, half_up, floor, ceiling, got 'up'"):
        units.checked_quotient(1, 1, 1, rounding="up")  # type: ignore[arg-type]
