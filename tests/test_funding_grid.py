"""Funding rows on their grid."""

from fractions import Fraction

import feed_rows as rows
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds import funding_grid
from feeds.errors import FeedError
from feeds.normalize import normalize
from feeds.tables import ints, scales_of

H = rows.HOUR


def history(*stretches):
    """Return settlement times: each stretch is (hours, count), one after the other."""
    found, at = [rows.START], rows.START
    for hours, count in stretches:
        for _ in range(count):
            at += hours * H
            found.append(at)
    return np.array(found)


@given(st.lists(st.integers(-60_000, 60_000), min_size=3, max_size=30))
def test_f1_jitter_up_to_a_minute_is_moved_to_the_hour(jitter_ms):
    grid = rows.START + np.arange(len(jitter_ms)) * 8 * H
    moved, _ = funding_grid.snap(grid + np.array(jitter_ms) * 1_000_000)
    assert moved.tolist() == grid.tolist()


def test_f1_and_f2_are_counted():
    stamps = np.array([rows.START, rows.START + 8 * H + 5_000_000, rows.START + 16 * H + 61 * rows.SECOND])
    moved, findings = funding_grid.snap(stamps)
    assert moved.tolist() == [rows.START, rows.START + 8 * H, rows.START + 16 * H + 61 * rows.SECOND]
    assert [(each.rule, each.severity, each.count) for each in findings] == [("F1", "repair", 1), ("F2", "flag", 1)]


@pytest.mark.parametrize(
    ("stretches", "hours"),
    [
        ([(8, 3)], [8, 8, 8, 8]),
        ([(8, 2), (4, 2), (1, 3), (8, 2)], [8, 8, 8, 4, 4, 1, 1, 1, 8, 8]),
        ([(4, 3), (8, 1), (4, 3)], [4, 4, 4, 4, 4, 4, 4, 4]),  # one longer step alone: a row is missing
        ([(8, 2), (16, 1), (8, 2)], [8, 8, 8, 8, 8, 8]),
        ([(8, 2), (24 * 3, 1), (4, 2)], [8, 8, 8, 8, 4, 4]),
        ([(1, 4), (8, 1)], [1, 1, 1, 1, 1, 8]),
    ],
)
def test_f3_interval_is_read_from_the_spacing(stretches, hours):
    found = funding_grid.intervals_from_spacing(history(*stretches))
    assert (found / 3600).tolist() == hours


@pytest.mark.parametrize("stamps", [[rows.START], [rows.START, rows.START + 5 * H]])
def test_interval_that_cannot_be_told_is_asked_for(stamps):
    with pytest.raises(FeedError, match="give a column interval_hours"):
        funding_grid.intervals_from_spacing(np.array(stamps))


def test_f6_missing_settlement_is_a_gap():
    stamps = np.delete(history((8, 6)), [2, 3])
    report = funding_grid.inspect(stamps, np.full(stamps.size, 8 * 3600))
    assert [(each.rule, each.count) for each in report.findings] == [("F6", 2)]
    assert [(gap.start, gap.end) for gap in report.gaps] == [(rows.START + 16 * H, rows.START + 32 * H)]


def test_change_of_interval_is_no_gap():
    stamps = history((8, 3), (4, 4), (8, 3))
    report = funding_grid.inspect(stamps, funding_grid.intervals_from_spacing(stamps))
    assert [each.rule for each in report.findings] == ["F3"]
    assert report.gaps == []


def test_month_of_mixed_intervals_sums_to_the_total_by_hand():
    # 8 h for 10 days, 4 h for 10, 1 h for 5, 8 h for 5, each rate proportional to its interval: 1 bp an 8 hours.
    stretches = [(8, 30), (4, 60), (1, 120), (8, 15)]
    stamps = history(*stretches)
    text = {8: "0.0001", 4: "0.00005", 1: "0.0000125"}
    rates = [text[8]] + [text[hours] for hours, count in stretches for _ in range(count)]
    jitter = np.arange(stamps.size) % 20 * 1_000_000
    table, findings = normalize({"ts": stamps + jitter, "rate": rates}, "funding")
    assert {each.rule for each in findings} == {"F1", "F3"}
    total = Fraction(int(ints(table, "rate").sum()), 10 ** scales_of(table)["rate"])
    assert total == Fraction(1, 10_000) * (1 + 90)  # 30 days of three, and the row at the start
    covered = int(ints(table, "interval_s").sum())
    assert covered == 30 * 86400 + 8 * 3600
