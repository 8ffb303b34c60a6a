"""Durations and clock times as text."""

import re

from backtest.errors import ConfigError

UNITS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
DAY_NS = UNITS["d"]


def duration_ns(text: str | int) -> int:
    """Return a duration such as ``"250ms"``, ``"1h"``, ``"-10m"`` in ns; an int is ns already.

    Raises
    ------
    ConfigError
        If the text is not a number and a unit.
    """
    if isinstance(text, int):
        return text
    found = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)\s*(ns|us|ms|s|m|h|d|w)\s*", text)
    if not found:
        raise ConfigError(f"a duration is a number and a unit ({', '.join(UNITS)}), got {text!r}")
    return round(float(found[1]) * UNITS[found[2]])


def clock_ns(text: str) -> int:
    """Return a UTC time of day such as ``"00:05"`` in ns after midnight."""
    found = re.fullmatch(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", text)
    if not found or int(found[1]) > 23 or int(found[2]) > 59 or int(found[3] or 0) > 59:
        raise ConfigError(f"a time of day is HH:MM or HH:MM:SS in UTC, got {text!r}")
    return ((int(found[1]) * 60 + int(found[2])) * 60 + int(found[3] or 0)) * UNITS["s"]
