"""Rows against the day or month that the name of their file claims (rules T3 and T4)."""

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from feeds.errors import FeedError
from feeds.findings import Finding
from feeds.formats.shape import Piece
from feeds.schema import DAY_NS
from feeds.times import day_bounds, iso, month_bounds

_HOUR_NS = 3_600_000_000_000
_MOST_OUTSIDE = 0.5  # above it this is not the file that its name says (T3)
_MOST_SHIFTED = 0.25  # above it the day is cut in another zone than the vendor's (T4)
_ENOUGH = 100  # rows below which a share says nothing
_DATE = r"(?<!\d)(20\d\d)-?(0[1-9]|1[0-2])(?:-?(0[1-9]|[12]\d|3[01]))?(?!\d)"


def claimed(name: str, zone_h: int) -> tuple[int, int] | None:
    """Return the first ns and the first after the day or month in a file name, None when it has none or several."""
    found = {tuple(match.groups()) for match in re.finditer(_DATE, name)}
    if len(found) != 1:
        return None
    year, month, day = found.pop()
    try:
        start, end = month_bounds(f"{year}-{month}") if day is None else day_bounds(f"{year}-{month}-{day}")
    except FeedError:
        return None
    return start - zone_h * _HOUR_NS, end - zone_h * _HOUR_NS


def checked(pieces: Iterator[Piece], name: str, zone_h: int, where: str) -> Iterator[Piece]:
    """Yield the pieces of a file, rows outside its claimed day flagged; they go to the days that they are of.

    Raises
    ------
    FeedError
        When most rows are far outside (another file), or many lie in the day beside (another time zone).
    """
    bounds = claimed(name, zone_h)
    rows = far = shifted = 0
    for piece in pieces:
        if bounds is None:
            yield piece
            continue
        stamps = np.asarray(piece.columns["ts"], dtype=np.int64)
        low, high = bounds
        outside = (stamps < low - DAY_NS) | (stamps >= high + DAY_NS)
        rows += stamps.size
        far += int(np.count_nonzero(outside))
        shifted += int(np.count_nonzero(((stamps < low) | (stamps >= high)) & ~outside))
        if outside.any():
            examples = tuple(iso(ts) for ts in stamps[outside][:5].tolist())
            message = "rows more than a day outside the day or month in the name of their file: put where they belong"
            found = Finding("T3", "flag", int(np.count_nonzero(outside)), message, examples)
            piece = replace(piece, notes=(*piece.notes, found))
        yield piece
    if far > _MOST_OUTSIDE * rows:
        raise FeedError(f"{where}: {far} of {rows} rows are not of the day or month in its name (T3): another file?")
    if rows >= _ENOUGH and shifted > _MOST_SHIFTED * rows:
        raise FeedError(
            f"{where}: {shifted} of {rows} rows lie in the day beside the one in its name (T4): the file is cut in "
            "another time zone than this vendor's; rename it without a date if its times are right"
        )
