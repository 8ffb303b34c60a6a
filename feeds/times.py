"""Times at the edge: what users write becomes int64 ns UTC, and days and months of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from feeds.errors import FeedError
from feeds.schema import DAY_NS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_ns(value: Any, *, name: str = "time") -> int:
    """Return a moment as ns since 1970 UTC.

    Parameters
    ----------
    value : int, str, datetime, date-like, numpy.datetime64 or pandas.Timestamp
        An int is ns. Text is ISO 8601; without a zone it is UTC, and a bare date is its midnight.
    name : str
        For messages.

    Raises
    ------
    FeedError
        If the value is none of these.
    """
    if isinstance(value, bool):
        raise FeedError(f"{name}: {value!r} is not a time")
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise FeedError(
                f"{name}: {value!r} is not a time; write ISO 8601, as '2025-10-10' or '2025-10-10T20:00'"
            ) from None
    if isinstance(value, np.datetime64):
        return int(value.astype("datetime64[ns]").astype(np.int64))
    if hasattr(value, "as_unit"):  # pandas.Timestamp, which keeps nanoseconds that datetime would lose
        if value != value:
            raise FeedError(f"{name}: {value!r} is not a time")
        return int(value.as_unit("ns").value)
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return (aware - _EPOCH) // timedelta(microseconds=1) * 1000
    if hasattr(value, "isoformat"):
        return time_ns(value.isoformat(), name=name)
    raise FeedError(f"{name}: {value!r} is not a time; give text, a datetime, a Timestamp or int ns")


def iso(ns: int) -> str:
    """Return ns as ISO text in UTC with as many decimals as needed."""
    seconds, rest = divmod(ns, 1_000_000_000)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return text + (f".{rest:09d}".rstrip("0") if rest else "") + "Z"


def day_text(ns: int) -> str:
    """Return the UTC day of a moment, ``YYYY-MM-DD``."""
    return iso(ns)[:10]


def day_bounds(text: str) -> tuple[int, int]:
    """Return the first ns of a UTC day and of the day after."""
    start = time_ns(text, name="date")
    return start, start + DAY_NS


def month_bounds(text: str) -> tuple[int, int]:
    """Return the first ns of a UTC month ``YYYY-MM`` and of the month after."""
    year, month = int(text[:4]), int(text[5:7])
    following = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return time_ns(f"{text}-01", name="month"), time_ns(following)
