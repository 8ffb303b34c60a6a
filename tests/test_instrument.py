"""Instruments, the readers of users' values, and contracts in C memory."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import venues
from venues.checks import decimals, duration_ns, exact, mantissa, time_ns
from venues.contract import ContractBox
from venues.errors import VenueError
from venues.instrument import RoundingRules, parse_symbol
from venues.tiers import TierBox

ASSETS = {"X": 0, "USDT": 1, "USD": 2}
DAY = 86_400 * 10**9


def instrument(**changed):
    fields = {"contract": "linear", "tick_size": 0.1, "lot_size": 0.001, "maker_fee": 0.0002, "taker_fee": 0.0005}
    return venues.Instrument(changed.pop("symbol", "X/USDT:USDT"), **(fields | changed))


def box(one=None, **changed):
    options = {"index": 3, "assets": ASSETS, "price_scale": 2, "quantity_scale": 3}
    return ContractBox(instrument() if one is None else one, **(options | changed))


# Instruments


def test_assets_expiry_and_unit_are_read_from_the_symbol():
    one = venues.Instrument("BTC/USD:BTC-251226", contract="inverse", contract_size=100)
    assert (one.base, one.quote, one.settle, one.quantity_unit) == ("BTC", "USD", "BTC", "contracts")
    assert one.expiry == int(datetime(2025, 12, 26, 8, tzinfo=UTC).timestamp()) * 10**9
    assert instrument().quantity_unit == "base"
    assert instrument().expiry is None


def test_an_option_is_read_from_its_symbol():
    one = venues.Instrument("BTC/USD:BTC-251226-80000-P", contract="option")
    assert (one.strike, one.right) == (80_000.0, "put")


def test_numbers_may_be_text_decimal_or_numpy():
    one = instrument(
        tick_size="0.10", lot_size=Decimal("0.001"), min_notional=np.int64(5), taker_fee=np.float64(0.0004)
    )
    assert (one.tick_size, one.lot_size, one.min_notional, one.taker_fee) == (0.1, 0.001, 5.0, 0.0004)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"contract": "lineer"}, "got 'lineer' .did you mean 'linear'"),
        ({"symbol": "XUSDT"}, "ccxt's unified name"),
        ({"symbol": "X/USDT"}, "write X/USDT:USDT"),
        ({"symbol": "X/USDT:X"}, "linear contracts settle in USDT, got X"),
        ({"contract": "spot"}, "a spot pair has no ':USDT'"),
        ({"contract": "spot", "symbol": "X/USDT", "expiry": "2025-01-01"}, "no expiry"),
        ({"contract_size": 0}, "contract_size must be in"),
        ({"tick_size": -0.1}, "tick_size must be in"),
        ({"lot_size": float("inf")}, "lot_size must be finite"),
        ({"maker_fee": 1.0}, r"maker_fee must be in \[-0.01, 0.1\], got 1.0"),
        ({"min_notional": "five"}, "min_notional must be a number"),
        ({"band_up": 0.9}, "band_up must be in"),
        ({"band_down": 1.1}, "band_down must be in"),
        ({"quantity_unit": "lots"}, "quantity_unit must be one of"),
        ({"strike": 5}, "belong to options"),
        ({"contract": "option"}, "needs strike, right and expiry"),
        ({"tiers": [1]}, "row 0 must be a Tier, got int"),
        (
            {"tiers": [venues.Tier(floor=1, maintenance_rate=0.1, max_leverage=1)]},
            r"Instrument\('X/USDT:USDT'\): the first",
        ),
        ({"valid_from": "soon"}, "valid_from must be a time"),
    ],
)
def test_an_instrument_names_the_field_that_cannot_be(changed, message):
    with pytest.raises(VenueError, match=message):
        instrument(**changed)


@pytest.mark.parametrize("symbol", ["", "BTC", "BTC/", "BTC/USDT:", "BTC/USDT:USDT-2512", "A B/USDT", None, 5])
def test_what_is_no_symbol_is_refused(symbol):
    with pytest.raises(VenueError, match="unified name"):
        parse_symbol(symbol)


def test_rounding_rules_are_checked():
    with pytest.raises(VenueError, match="profit must be one of"):
        RoundingRules(profit="down")
    with pytest.raises(VenueError, match=r"entry_decimals must be in \[0, 18\]"):
        RoundingRules(entry="average_price", entry_decimals=19)


# Values


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**6), max_value=10**6))
def test_a_float_is_the_decimal_that_was_written(value):
    assert exact(float(value)) == value
    assert exact(str(value)) == value
    assert value.normalize() == Decimal(mantissa(value, 8, "value")).scaleb(-8).normalize()


def test_decimals_are_those_that_are_needed():
    assert [decimals(x) for x in (1, 100.0, "0.10", 0.001, Decimal("1e-7"), 1e22)] == [0, 0, 1, 3, 7, 0]


@pytest.mark.parametrize("value", [True, None, "x", float("nan"), "inf", [1]])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(VenueError, match=r"value must be (a number|finite)"):
        exact(value)


@pytest.mark.parametrize(
    "value",
    [
        1_700_000_000_123_456_789,
        "2023-11-14T22:13:20.123456+00:00",
        datetime(2023, 11, 14, 22, 13, 20, 123456),
        datetime(2023, 11, 15, 0, 13, 20, 123456, tzinfo=timezone(timedelta(hours=2))),
        pd.Timestamp(1_700_000_000_123_456_789),
    ],
)
def test_times_without_a_zone_are_utc(value):
    assert abs(time_ns(value, "time") - 1_700_000_000_123_456_789) <= 789
    if isinstance(value, int | pd.Timestamp):
        assert time_ns(value, "time") == 1_700_000_000_123_456_789


@pytest.mark.parametrize("value", ["1970-01-02", date(1970, 1, 2)])
def test_a_date_is_its_first_or_its_last_ns(value):
    assert time_ns(value, "day") == DAY
    assert time_ns(value, "day", end_of_day=True) == 2 * DAY - 1
    assert time_ns("1970-01-02T00:00", "day", end_of_day=True) == DAY


@pytest.mark.parametrize("value", [True, None, 1.5, "yesterday", "2024-13-01"])
def test_what_is_no_time_is_refused(value):
    with pytest.raises(VenueError, match="when must be a time"):
        time_ns(value, "when")


def test_durations_have_units():
    given_durations = ["5ms", "250us", "1.5s", "20m", "1h", "1d", "7ns", 9, timedelta(seconds=2)]
    assert [duration_ns(x, "d") for x in given_durations] == [
        5_000_000, 250_000, 1_500_000_000, 1_200 * 10**9, 3_600 * 10**9, DAY, 7, 9, 2 * 10**9,
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["5", "fast", "ms", "-5ms", -1, 1.5, True, None])
def test_what_is_no_duration_is_refused(value):
    with pytest.raises(VenueError, match=r"latency must (be a duration|not be negative)"):
        duration_ns(value, "latency")


# In C memory


def test_a_box_takes_fees_and_tiers_of_its_instrument():
    one = box(instrument(tiers=[venues.Tier(floor=0, maintenance_rate=0.004, max_leverage=125)]))
    assert one.fees == (2_000_000, 5_000_000)
    assert one.tiers.maintenance(100.0) == pytest.approx(0.4)
    assert one.notional(-2.0, 50.0) == 100.0


def test_tiers_and_fees_change_on_their_date():
    one = box()
    assert one.tiers is None
    one.swap_tiers(TierBox([venues.Tier(floor=0, maintenance_rate=0.01, max_leverage=50)]))
    one.set_fees("-0.0001", 0)
    assert (one.tiers.maintenance(100.0), one.fees) == (pytest.approx(1.0), (-1_000_000, 0))
    one.swap_tiers(None)
    assert one.tiers is None


def test_an_instrument_changes_its_limits_only():
    one = box()
    later = instrument(tick_size=0.5, min_notional=5)
    one.swap_instrument(later)
    assert one.instrument is later
    with pytest.raises(VenueError, match=r"contract_size cannot change during a run, from 1.0 to 10.0"):
        one.swap_instrument(instrument(contract_size=10))
    assert one.instrument is later


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"price_scale": 0}, "tick_size=0.1 needs 1 decimals, but the run keeps 0"),
        ({"quantity_scale": 2}, "lot_size=0.001 needs 3 decimals"),
        ({"price_scale": 19}, r"price_scale must be in \[0, 18\]"),
        ({"assets": {"X": 0}}, "asset 'USDT' is not in the run's table of assets: X"),
        ({"fees": (0.00001234567, 0)}, "maker fee=.* needs 11 decimals"),
        ({"one": instrument(maker_fee=None)}, r"no fees are known; give fees=\(maker, taker\)"),
        (
            {"one": instrument(contract="option", strike=1, right="call", expiry="2025-12-26")},
            "option contracts have no arithmetic here yet",
        ),
    ],
)
def test_a_box_that_cannot_be_is_refused(changed, message):
    with pytest.raises(VenueError, match=message):
        box(**changed)
