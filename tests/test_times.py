"""Times as users write them."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import FeedError
from feeds.times import day_bounds, day_text, iso, month_bounds, time_ns

NOON = 1_704_110_400_000_000_000  # date -u -d 2024-01-01T12:00:00Z +%s


@pytest.mark.parametrize(
    "value",
    [
        NOON,
        np.int64(NOON),
        "2024-01-01T12:00:00Z",
        "2024-01-01T12:00",
        "2024-01-01 14:00+02:00",
        datetime(2024, 1, 1, 12, tzinfo=UTC),
        datetime(2024, 1, 1, 12),
        datetime(2024, 1, 1, 7, tzinfo=timezone(timedelta(hours=-5))),
        np.datetime64("2024-01-01T12:00"),
        pd.Timestamp("2024-01-01T12:00", tz="UTC"),
        pd.Timestamp("2024-01-01T21:00", tz="Asia/Tokyo"),
        pd.Timestamp("2024-01-01T12:00"),
    ],
)
def test_one_moment_written_in_many_ways_is_one_number(value):
    assert time_ns(value) == NOON


def test_date_is_its_midnight_and_nanoseconds_are_kept():
    assert time_ns(date(2024, 1, 1)) == time_ns("2024-01-01") == NOON - 12 * 3600 * 10**9
    assert time_ns(pd.Timestamp(NOON + 1, unit="ns")) == NOON + 1


@pytest.mark.parametrize("value", ["yesterday", None, True, pd.NaT, 1.5, "2024-13-01", object()])
def test_what_is_no_time_is_refused(value):
    with pytest.raises(FeedError, match="start"):
        time_ns(value, name="start")


@given(st.integers(0, 4_000_000_000_000_000_000))
def test_iso_text_ends_in_z_and_is_exact(ns):
    text = iso(ns)
    whole, _, part = text[:-1].partition(".")
    assert time_ns(whole) + int(part.ljust(9, "0") or 0) == ns


def test_days_and_months_have_their_bounds():
    assert day_text(NOON) == "2024-01-01"
    assert day_bounds("2024-02-28") == (time_ns("2024-02-28"), time_ns("2024-02-29"))
    assert month_bounds("2024-02") == (time_ns("2024-02-01"), time_ns("2024-03-01"))
    assert month_bounds("2024-12") == (time_ns("2024-12-01"), time_ns("2025-01-01"))
