"""Checks of a user's frame: each names the first row that is wrong, and what would accept it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from feeds.combine import keys
from feeds.errors import FeedError
from feeds.normalize import bad_bars, bad_values, no_number
from feeds.scales import Int64s, as_arrow, to_text
from feeds.schema import layout, timeframe_text
from feeds.tables import ints, scales_of
from feeds.times import iso, time_ns

if TYPE_CHECKING:
    import pyarrow as pa


def check_order(stamps: Int64s, label: str) -> None:
    """Raise FeedError naming the first row that is earlier than the one before."""
    back = np.flatnonzero(np.diff(stamps) < 0)
    if back.size:
        row = int(back[0]) + 1
        raise FeedError(
            f"{label}: {_place(stamps, row)} is earlier than {_place(stamps, row - 1)}; "
            "sort the frame first: frame.sort_index()"
        )
    early = time_ns("2009-01-03")
    if stamps[0] <= early:
        raise FeedError(f"{label}: row 0 is at {iso(int(stamps[0]))}; nothing traded before {iso(early)} (rule T1)")


def check_numbers(values: dict[str, Any], stamps: Int64s, kind: str, timeframe_ns: int, label: str) -> None:
    """Raise FeedError naming the first row with a number that cannot be."""
    for column in layout(kind, timeframe_ns):
        if column.scale is None or column.nullable or column.name not in values:
            continue
        bad = np.flatnonzero(no_number(as_arrow(values[column.name], column.name)))
        if bad.size:
            row = int(bad[0])
            shown = values[column.name][row]
            raise FeedError(
                f"{label}: {column.name} of {_place(stamps, row)} is {shown}; a finite number is required "
                f"({bad.size} such rows). Drop them, frame.dropna(): a hole is reported as a gap, never filled"
            )


def check_spacing(stamps: Int64s, timeframe_ns: int, label: str) -> None:
    """Raise FeedError when rows are twice, off the grid, or everywhere further apart than the timeframe."""
    steps = np.diff(stamps)
    text = timeframe_text(timeframe_ns)
    if twice := np.flatnonzero(steps == 0).tolist():
        row = twice[0] + 1
        raise FeedError(f"{label}: {_place(stamps, row)} has the time of row {row - 1}: two bars of one open")
    if off := np.flatnonzero(steps % timeframe_ns).tolist():
        row = off[0] + 1
        raise FeedError(
            f"{label}: {_place(stamps, row)} is {_span(int(steps[row - 1]))} after the row before, which is "
            f"no multiple of timeframe {text!r}"
        )
    if steps.size and int(steps.min()) > timeframe_ns:
        raise FeedError(
            f"{label}: timeframe is {text!r}, but rows are at least {_span(int(steps.min()))} apart; pass "
            f"timeframe={_span(int(steps.min()))!r}"
        )


def _span(length_ns: int) -> str:
    """Return a time span as a timeframe when it is one, else in seconds."""
    try:
        return timeframe_text(length_ns)
    except FeedError:
        return f"{length_ns / 1e9:g} s"


def check_table(table: "pa.Table", kind: str, timeframe_ns: int, label: str) -> None:
    """Raise FeedError naming the first row that contradicts itself, or an id that occurs twice."""
    stamps = ints(table, "ts")
    if (bad := np.flatnonzero(bad_values(table, kind, timeframe_ns))).size:
        row = int(bad[0])
        raise FeedError(
            f"{label}: {_place(stamps, row)} has a price or size that is not above 0 "
            f"({bad.size} such rows): {_row(table, row, kind, timeframe_ns)}"
        )
    if timeframe_ns and (bad := np.flatnonzero(bad_bars(table))).size:
        row = int(bad[0])
        raise FeedError(
            f"{label}: {_place(stamps, row)} is no bar: high must be the largest, low the smallest price, "
            f"volume not below 0 ({bad.size} such rows): {_row(table, row, kind, timeframe_ns)}"
        )
    names, has_name = keys(table, kind, timeframe_ns)
    if kind == "trades" and np.unique(names[has_name]).size != np.count_nonzero(has_name):
        ordered = np.sort(names[has_name])
        raise FeedError(f"{label}: id {int(ordered[:-1][np.diff(ordered) == 0][0])} occurs more than once")


def _row(table: "pa.Table", row: int, kind: str, timeframe_ns: int) -> str:
    """Return the numbers of a row for a message."""
    scales = scales_of(table)
    found = []
    for column in layout(kind, timeframe_ns):
        value = table.column(column.name)[row].as_py()
        if column.scale is not None and value is not None:
            found.append(f"{column.name} {to_text(value, scales[column.scale])}")
    return ", ".join(found)


def _place(stamps: Int64s, row: int) -> str:
    """Return a row and its time for a message."""
    return f"row {row} ({iso(int(stamps[row]))})"
