"""Positions: profit by hand, by the venues' rules, and as properties against fractions."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venues.errors import VenueError
from venues.position import ExactPosition

ATOM = Fraction(1, 10**8)
ENTRY_UNIT = Fraction(1, 10**16)
HALF_DIGIT = Fraction(5, 10**13)  # half a unit of the thirteenth significant digit, relative

lots = st.integers(1, 10**7)
ticks = st.integers(10**4, 10**7)
signs = st.sampled_from([1, -1])
sizes = st.lists(lots, min_size=1, max_size=6)


def linear(**options: object) -> ExactPosition:
    """BTCUSDT-like: tick 0.1, lot 0.001."""
    return ExactPosition(price_scale=1, quantity_scale=3, **options)  # type: ignore[arg-type]


def inverse(**options: object) -> ExactPosition:
    """BTCUSD-like: contracts of 100 USD, tick 0.1."""
    return ExactPosition(kind="inverse", price_scale=1, quantity_scale=0, size=100, **options)  # type: ignore[arg-type]


def make(kind: str, **options: object) -> ExactPosition:
    return linear(**options) if kind == "linear" else inverse(**options)


def quantity(kind: str, number: int) -> Decimal:
    return Decimal(number).scaleb(-3 if kind == "linear" else 0)


def price(tick: int) -> Decimal:
    return Decimal(tick).scaleb(-1)


kinds = st.sampled_from(["linear", "inverse"])
rules = st.sampled_from(["exact_value", "average_price", "average_digits"])


# By hand


def test_a_linear_round_trip_pays_the_difference_of_prices() -> None:
    position = linear()
    assert position.fill("1", "60000") == (Decimal(0), Decimal(0), Decimal(1))
    assert position.fill("-1", "60010.5") == (Decimal("10.5"), Decimal(1), Decimal(0))


def test_an_inverse_profit_is_in_coin_b22() -> None:
    position = inverse()
    position.fill(100, "20000")
    # 10,000 USD: 0.5 BTC bought at 20,000, worth 0.4 BTC at 25,000
    assert position.fill(-100, "25000")[0] == Decimal("0.1")


def test_contract_size_multiplies_profit_and_fee_b24() -> None:
    position = ExactPosition(price_scale=2, quantity_scale=0, size="0.01")
    position.fill(300, "50.00")
    assert position.entry_value == Decimal(150)
    assert position.fee(300, "50.00", "0.0005") == Decimal("0.075")
    assert position.fill(-100, "51.00")[0] == Decimal(1)


def test_adding_averages_by_quantity_when_linear_and_harmonically_when_inverse() -> None:
    flat, coin = linear(), inverse()
    for position in (flat, coin):
        position.fill(100, "20000")
        position.fill(100, "30000")
    assert flat.entry_price == pytest.approx(25_000, rel=1e-15)
    assert coin.entry_price == pytest.approx(24_000, rel=1e-15)


def test_average_rule_rounds_half_up_at_its_decimals_and_keeps_through_reductions() -> None:
    position = linear(entry_rule="average_price", entry_scale=4)
    position.fill("1", "1.0")
    position.fill("2", "2.0")
    assert position.average_entry == Decimal("1.6667")
    assert position.fill("-2", "2.0")[0] == Decimal("0.6666")
    assert position.average_entry == Decimal("1.6667")
    # (1.6667 + 2 x 1.0) / 3 = 1.22223
    position.fill("2", "1.0")
    assert position.average_entry == Decimal("1.2222")


def test_average_rule_of_an_inverse_contract_is_harmonic() -> None:
    position = inverse(entry_rule="average_price", entry_scale=8)
    position.fill(100, "20000")
    position.fill(200, "30000")
    assert position.average_entry == Decimal("25714.28571429")
    position.fill(-300, "25714.2")
    assert position.quantity == 0


def test_digits_rule_keeps_thirteen_digits_of_average_and_of_profit_before_truncation() -> None:
    position = linear(entry_rule="average_digits")
    position.fill("10", "100000.0")
    position.fill("20", "100000.1")
    assert position.average_entry == Decimal("100000.0666667")
    # 12.345 x 10000.0333333 = 123450.4114995885: thirteen digits are 123450.4114996
    assert position.fill("-12.345", "110000.1")[0] == Decimal("123450.41149960")
    assert position.average_entry == Decimal("100000.0666667")


def test_digits_rule_keeps_no_more_decimals_than_digits() -> None:
    position = ExactPosition(price_scale=5, quantity_scale=0, entry_rule="average_digits")
    position.fill(1, "0.02800")
    position.fill(2, "0.02801")
    assert position.average_entry == Decimal("0.0280066666667")


def test_exact_rule_truncates_profit_toward_zero_on_both_sides() -> None:
    long, short = linear(), linear()
    for sign, position in ((1, long), (-1, short)):
        position.fill(sign * 1, "60000.0")
        position.fill(sign * 2, "60000.1")
    assert long.fill("-1", "60000.0")[0] == Decimal("-0.06666666")
    assert short.fill("1", "60000.0")[0] == Decimal("0.06666666")


def test_the_part_taken_out_keeps_more_decimals_than_price_and_quantity_have() -> None:
    position = linear()
    position.fill("0.001", "0.1")
    position.fill("0.002", "0.2")
    position.fill("-0.001", "0.1")
    # 0.0005 - 0.0005 / 3, to sixteen decimals: price and quantity alone have four
    assert position.entry_value == Decimal("0.0003333333333334")


def test_long_pays_funding_of_the_worked_case_and_short_receives_it() -> None:
    for sign in (1, -1):
        position = linear()
        position.fill(sign * 2, "60000")
        assert position.funding("60000", "0.0007") == -84 * sign


def test_short_pays_when_the_rate_is_negative_b15() -> None:
    position = inverse()
    position.fill(-1000, "40000")
    assert position.funding("50000", "-0.0001") == Decimal("-0.0002")


def test_funding_is_truncated_toward_zero_on_both_sides() -> None:
    for sign in (1, -1):
        position = inverse()
        position.fill(sign, "30000")
        assert position.funding("30000.00000001", "0.0001") == sign * Decimal("-0.00000033")


@pytest.mark.parametrize(
    ("rounding", "paid"),
    [("toward_zero", "0.00000166"), ("half_up", "0.00000167"), ("floor", "0.00000166"), ("ceiling", "0.00000167")],
)
def test_fee_of_an_inverse_fill_rounds_by_rule(rounding: str, paid: str) -> None:
    assert inverse(rounding=rounding).fee(-1, "30000", "0.0005") == Decimal(paid)


def test_a_rebate_is_a_negative_fee_b20() -> None:
    assert linear().fee("1", "60000", "-0.0001") == Decimal(-6)


def test_unrealized_profit_is_what_closing_there_would_realise() -> None:
    for position in (linear(), inverse()):
        position.fill(-3, "60000")
        mark = 50_000.0
        assert position.unrealized(mark) == pytest.approx(float(position.fill(3, "50000")[0]), rel=1e-7)
        assert position.unrealized(mark) == 0.0


# Properties


@given(kinds, rules, signs, sizes, ticks, ticks)
def test_a_full_close_leaves_nothing(kind: str, rule: str, sign: int, parts: list[int], entry: int, leave: int) -> None:
    position = make(kind, entry_rule=rule)
    for step, part in enumerate(parts):
        position.fill(sign * quantity(kind, part), price(entry + step))
    position.fill(-sign * quantity(kind, sum(parts)), price(leave))
    assert (position.quantity, position.entry_value, position.average_entry, position.entry_price) == (0, 0, 0, 0.0)


@given(kinds, signs, sizes, ticks)
def test_splitting_an_opening_fill_changes_only_the_rounding_of_its_value(
    kind: str, sign: int, parts: list[int], entry: int
) -> None:
    whole, split = make(kind), make(kind)
    whole.fill(sign * quantity(kind, sum(parts)), price(entry))
    for part in parts:
        split.fill(sign * quantity(kind, part), price(entry))
    assert split.quantity == whole.quantity
    allowed = 0 if kind == "linear" else ENTRY_UNIT * (len(parts) + 1) / 2
    assert abs(Fraction(split.entry_value) - Fraction(whole.entry_value)) <= allowed


@given(kinds, rules, signs, sizes, ticks, ticks)
def test_splitting_a_closing_fill_changes_profit_by_less_than_an_atom_a_part(
    kind: str, rule: str, sign: int, parts: list[int], entry: int, leave: int
) -> None:
    whole, split = make(kind, entry_rule=rule), make(kind, entry_rule=rule)
    for position in (whole, split):
        position.fill(sign * quantity(kind, sum(parts) + 7), price(entry))
        position.fill(sign * quantity(kind, 3), price(leave))
    profit = whole.fill(-sign * quantity(kind, sum(parts)), price(leave))[0]
    pieces = [split.fill(-sign * quantity(kind, part), price(leave))[0] for part in parts]
    stated = ATOM * (len(parts) + 1)
    if rule == "average_digits":
        stated += 2 * HALF_DIGIT * abs(Fraction(profit))
    assert abs(Fraction(sum(pieces)) - Fraction(profit)) <= stated
    assert split.quantity == whole.quantity
    assert abs(Fraction(split.entry_value) - Fraction(whole.entry_value)) <= ENTRY_UNIT * (len(parts) + 1)


@given(kinds, rules, st.lists(st.tuples(signs, lots, ticks), min_size=1, max_size=12))
def test_a_short_mirrors_a_long(kind: str, rule: str, fills: list[tuple[int, int, int]]) -> None:
    one, other = make(kind, entry_rule=rule), make(kind, entry_rule=rule)
    for sign, number, tick in fills:
        realized, closed, opened = one.fill(sign * quantity(kind, number), price(tick))
        assert other.fill(-sign * quantity(kind, number), price(tick)) == (-realized, closed, opened)
    assert (other.quantity, other.entry_value, other.average_entry) == (
        -one.quantity,
        -one.entry_value,
        one.average_entry,
    )


@given(kinds, rules, signs, lots, lots, ticks, ticks)
def test_a_fill_that_turns_the_position_equals_a_close_and_an_open(
    kind: str, rule: str, sign: int, held: int, beyond: int, entry: int, leave: int
) -> None:
    one, two = make(kind, entry_rule=rule), make(kind, entry_rule=rule)
    for position in (one, two):
        position.fill(sign * quantity(kind, held), price(entry))
    at_once = one.fill(-sign * quantity(kind, held + beyond), price(leave))
    first = two.fill(-sign * quantity(kind, held), price(leave))
    second = two.fill(-sign * quantity(kind, beyond), price(leave))
    assert at_once == (first[0], first[1], second[2])
    assert (one.quantity, one.entry_value, one.average_entry) == (two.quantity, two.entry_value, two.average_entry)


def worth(kind: str, number: Decimal, at: Decimal) -> Fraction:
    """Signed value in the settle asset, exact."""
    return Fraction(number) * Fraction(at) if kind == "linear" else Fraction(number) * 100 / Fraction(at)


@given(kinds, rules, st.lists(st.tuples(signs, lots, ticks), min_size=1, max_size=12))
def test_profits_and_entry_value_equal_the_cash_that_moved(
    kind: str, rule: str, fills: list[tuple[int, int, int]]
) -> None:
    position = make(kind, entry_rule=rule)
    total = moved = Fraction(0)
    for sign, number, tick in fills:
        total += Fraction(position.fill(sign * quantity(kind, number), price(tick))[0])
        moved += worth(kind, sign * quantity(kind, number), price(tick))
    # what left the position at its exit value, less what it was worth at entry; an inverse long is short of coins
    gain = Fraction(position.entry_value) - moved
    per_fill = ATOM + 20 * ENTRY_UNIT
    if rule != "exact_value":
        per_fill += Fraction(max(number for _, number, _ in fills)) * 12 / 10**13
    if rule == "average_digits":
        # of the average of what is held, at most all fills at their prices, and of the profit
        turnover = sum(abs(worth(kind, quantity(kind, number), price(tick))) for _, number, tick in fills)
        highest = max(tick for _, _, tick in fills) / Fraction(min(tick for _, _, tick in fills))
        per_fill += 2 * HALF_DIGIT * turnover * highest
    assert abs((gain if kind == "linear" else -gain) - total) <= per_fill * len(fills)


@given(kinds, ticks, ticks, st.integers(1, 10**6), st.integers(-(10**6), 10**6))
def test_fee_and_funding_lie_within_an_atom_below_the_exact_figure(
    kind: str, tick: int, mark: int, number: int, rate: int
) -> None:
    position = make(kind)
    position.fill(quantity(kind, number), price(tick))
    exact_rate = Decimal(rate).scaleb(-8)
    for atoms, exact in (
        (position.fee(quantity(kind, number), price(tick), exact_rate), worth(kind, position.quantity, price(tick))),
        (-position.funding(price(mark), exact_rate), worth(kind, position.quantity, price(mark))),
    ):
        share = exact * Fraction(exact_rate)
        assert 0 <= abs(share) - abs(Fraction(atoms)) < ATOM
        assert Fraction(atoms) * share >= 0


# Refusals


@pytest.mark.parametrize(("kind", "most"), [("linear", Decimal("5e15")), ("inverse", Decimal("5e18"))])
def test_a_quantity_beyond_64_bits_raises_and_leaves_the_position_as_it_was(kind: str, most: Decimal) -> None:
    position = make(kind)
    position.fill(most, "60000")
    before = (position.quantity, position.entry_value)
    with pytest.raises(OverflowError, match="exceeds a signed 64-bit integer"):
        position.fill(most, "60000")
    assert (position.quantity, position.entry_value) == before


def test_an_entry_value_beyond_128_bits_raises_with_its_factors() -> None:
    position = linear()
    with pytest.raises(OverflowError, match=r"product exceeds a signed 128-bit integer: operands .* and 1000000000000"):
        position.fill("9000000000000000", "900000000000000000")
    assert position.quantity == 0


def test_a_fee_beyond_64_bits_raises() -> None:
    with pytest.raises(OverflowError, match="exceeds a signed 64-bit integer"):
        linear().fee("1000000", "1000000", "1")


def test_an_overflowing_profit_leaves_the_position_as_it_was() -> None:
    position = linear()
    position.fill("9000000000000", "0.1")
    before = (position.quantity, position.entry_value)
    with pytest.raises(OverflowError, match="exceeds a signed 64-bit integer"):
        position.fill("-9000000000000", "90000000")
    assert (position.quantity, position.entry_value) == before


def test_a_leg_of_hedge_mode_does_not_turn() -> None:
    position = linear(side="long")
    position.fill(1, "100")
    with pytest.raises(VenueError, match="would turn the long leg that holds 1000"):
        position.fill(-2, "100")
    assert position.quantity == 1
    with pytest.raises(VenueError, match="would turn the short leg"):
        linear(side="short").fill(1, "100")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: linear().fill(0, "100"), "not zero, got 0"),
        (lambda: linear().fill("0.0001", "100"), "quantity may have at most 3 decimals, got 0.0001"),
        (lambda: linear().fill(1, 100.05), "price may have at most 1 decimals, got 100.05"),
        (lambda: linear().fill(1, float("nan")), "price must be finite"),
        (lambda: inverse().fill(1, 0), "must be above zero, got 0"),
        (lambda: linear(kind="option"), "kind must be one of spot, linear, inverse, quanto, got 'option'"),
        (lambda: linear(entry_scale=19), r"entry_scale must be in 0\.\.18, got 19"),
        (lambda: linear(size=0), "size must be above zero"),
    ],
)
def test_input_without_meaning_is_refused(call: object, message: str) -> None:
    with pytest.raises(VenueError, match=message):
        call()  # type: ignore[operator]
