"""Risk tiers: lookup by notional, continuity, completion of amounts, refusals."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from margin_cases import FLAT, table, tables

import venues
from venues.errors import VenueError
from venues.instrument import Tier
from venues.tiers import TierBox

SHIPPED = [
    (venue, symbol, one.valid_from)
    for venue in venues.names()
    for symbol in venues.get(venue).facts.tiers
    for one in venues.get(venue).tier_tables(symbol)
]
# the rate of a tier holds for the whole value: it jumps by rule
WHOLE_VALUE = {("bybit", "BTC/USDT:USDT", 0)} | {row for row in SHIPPED if row[0] in ("bitmex", "okx")}


def shipped(venue: str, symbol: str, valid_from: int) -> TierBox:
    return TierBox(venues.get(venue).tiers(symbol, at=valid_from))


def test_amounts_of_the_october_2024_table_are_those_of_the_venue():
    """Binance brackets of BTCUSDT, snapshot of 2024-10-24."""
    amounts = [row.amount for row in venues.get("binance_usdm", as_of="2024-10-24").tiers("BTC/USDT:USDT")]
    assert amounts == [
        0, 50, 950, 11_450, 131_450, 481_450, 2_981_450, 14_481_450, 26_481_450, 41_481_450, 121_481_450, 421_481_450,
    ]  # fmt: skip


@pytest.mark.parametrize(("venue", "symbol", "valid_from"), sorted(set(SHIPPED) - WHOLE_VALUE))
def test_shipped_tables_are_continuous_at_every_boundary_b03(venue, symbol, valid_from):
    """B03: cumulative amounts keep the requirement continuous at every tier boundary."""
    box = shipped(venue, symbol, valid_from)
    for row in box.rows[1:]:
        below, above = (box.maintenance(row.floor * (1.0 + step)) for step in (-1e-9, 1e-9))
        assert below == pytest.approx(above, rel=1e-7)


@given(tables(first=1000.0))
def test_completed_tables_are_continuous_and_never_fall_b03(rows):
    """B03: the same of any table whose amounts were left to us."""
    box = TierBox(rows)
    for row in box.rows[1:]:
        assert box.maintenance(row.floor * (1.0 - 1e-9)) == pytest.approx(
            box.maintenance(row.floor * (1.0 + 1e-9)), rel=1e-6
        )


@given(tables(first=1000.0), st.floats(0.0, 1e9), st.floats(0.0, 1e9))
def test_a_larger_notional_never_needs_less(rows, one, other):
    box = TierBox(rows)
    small, large = sorted((one, other))
    assert box.maintenance(small) <= box.maintenance(large) * (1.0 + 1e-12)
    assert box.max_leverage(small) >= box.max_leverage(large)


@given(tables(first=1000.0), st.floats(1.0, 1e9))
def test_maintenance_charges_each_slice_at_its_own_rate(rows, notional):
    """The requirement is the sum over tiers of rate x the part of the notional inside the tier."""
    slices = 0.0
    for row, following in pairwise((*rows, None)):
        top = notional if following is None else min(notional, following.floor)
        slices += max(0.0, top - row.floor) * row.maintenance_rate
    assert TierBox(rows).maintenance(notional) == pytest.approx(slices, rel=1e-9, abs=1e-9)


def test_a_notional_equal_to_a_floor_still_has_the_tier_below():
    """Brackets read floor < notional <= cap (Binance announcement 86cf9aa4)."""
    box = TierBox(table([(0, 0.004), (50_000, 0.005)]))
    assert (box.max_leverage(50_000.0), box.max_leverage(50_000.01)) == (125.0, 100.0)


def test_an_amount_that_is_given_is_kept():
    """A rate on the whole position is a table of zero amounts: it jumps, and that is the venue's rule."""
    rows = [
        Tier(floor=0, maintenance_rate=0.01, max_leverage=50, amount=0),
        Tier(floor=100, maintenance_rate=0.02, max_leverage=20, amount=0),
    ]
    assert TierBox(rows).maintenance(200.0) == pytest.approx(4.0)


def test_nothing_is_needed_without_a_notional():
    assert TierBox(FLAT).maintenance(0.0) == 0.0


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "at least one row"),
        ([{"floor": 5}], "first floor must be 0"),
        ([{"floor": 0}, {"floor": 0}], "floors must ascend"),
        ([{"floor": 0, "max_leverage": 10}, {"floor": 9, "max_leverage": 20}], "max_leverage must not grow"),
        ([{"floor": 0, "maintenance_rate": 0.2}], r"1/max_leverage=0.1.*got 0.2 \(tier 0\)"),
    ],
)
def test_rows_that_are_no_table_are_refused(rows, message):
    given_rows = [Tier(**({"maintenance_rate": 0.01, "max_leverage": 10} | row)) for row in rows]
    with pytest.raises(VenueError, match=message):
        TierBox(given_rows)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("floor", -1),
        ("maintenance_rate", 0),
        ("maintenance_rate", 1.1),
        ("max_leverage", 0.5),
        ("amount", float("nan")),
    ],
)
def test_a_tier_names_the_field_that_cannot_be(field, value):
    with pytest.raises(VenueError, match=field):
        Tier(**({"floor": 0, "maintenance_rate": 0.01, "max_leverage": 10} | {field: value}))
