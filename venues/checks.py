"""Readers of what users write: numbers, choices, times. Each error says what was given, what is allowed, and where."""

import difflib
import functools
import inspect
import math
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final, TypeVar

from venues.errors import VenueError

T = TypeVar("T")
Number = int | float | str | Decimal
Time = int | str | datetime | date

NS_PER_SECOND: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS: Final = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": NS_PER_SECOND, "m": 60 * NS_PER_SECOND}
_LONG_UNITS: Final = {"h": 3_600 * NS_PER_SECOND, "d": 86_400 * NS_PER_SECOND}


def exact(value: Number, name: str = "value") -> Decimal:
    """Return a user's number as the decimal that was written: a float by its shortest text, not its binary value.

    Raises
    ------
    VenueError
        If it is not a finite number.
    """
    if isinstance(value, bool):
        raise VenueError(f"{name} must be a number, got {value!r}")
    try:
        number = (
            value if isinstance(value, Decimal) else Decimal(repr(float(value)) if _is_float(value) else str(value))
        )
    except (InvalidOperation, TypeError, ValueError):
        raise VenueError(f"{name} must be a number, got {value!r}") from None
    if not number.is_finite():
        raise VenueError(f"{name} must be finite, got {value!r}")
    return number


def number(
    value: Number, name: str, *, low: float = -math.inf, high: float = math.inf, above: float = -math.inf
) -> float:
    """Return a user's number as float, in [low, high] and greater than `above`."""
    result = float(exact(value, name))
    if result < low or result > high or result <= above:
        raise VenueError(f"{name} must be {_allowed(low, high, above)}, got {value!r}")
    return result


def decimals(value: Number) -> int:
    """Return how many decimal places a number needs: 0.10 needs 1, 100 needs 0."""
    exponent = exact(value).normalize().as_tuple().exponent
    return max(0, -int(exponent))


def mantissa(value: Number, scale: int, name: str) -> int:
    """Return value x 10^scale as an integer; an error when it does not fit the scale exactly."""
    scaled = exact(value, name).scaleb(scale)
    if scaled != scaled.to_integral_value():
        raise VenueError(f"{name}={value} needs {decimals(value)} decimals, but the run keeps {scale}")
    return int(scaled)


def choice(value: object, name: str, allowed: Iterable[str]) -> str:
    """Return `value` when it is one of the allowed words, else an error that suggests the nearest."""
    words = tuple(allowed)
    if isinstance(value, str) and value in words:
        return value
    raise VenueError(f"{name} must be one of {', '.join(map(repr, words))}, got {value!r}{did_you_mean(value, words)}")


def did_you_mean(value: object, words: Iterable[str]) -> str:
    """Return ' (did you mean ...?)' with the nearest word, or nothing."""
    near = difflib.get_close_matches(str(value), list(words), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def suggesting(error: type[ValueError]) -> Callable[[type[T]], type[T]]:
    """Return a decorator that makes a class answer a misspelt argument with the name that was probably meant."""

    def decorate(cls: type[T]) -> type[T]:
        original = cls.__init__
        names = tuple(inspect.signature(original).parameters)[1:]

        @functools.wraps(original)
        def checked(self: T, *args: object, **kwargs: object) -> None:
            for name in kwargs:
                if name not in names:
                    allowed = ", ".join(names)
                    raise error(
                        f"{cls.__name__} has no argument {name!r}{did_you_mean(name, names)}; allowed: {allowed}"
                    )
            original(self, *args, **kwargs)

        cls.__init__ = checked  # type: ignore[assignment]
        return cls

    return decorate


def suggest_arguments(cls: type[T]) -> type[T]:
    """Make a class of venues answer a misspelt argument with the name that was probably meant."""
    return suggesting(VenueError)(cls)


def time_ns(value: Time, name: str, *, end_of_day: bool = False) -> int:
    """Return a time as ns since 1970 UTC. Times without a zone are UTC.

    Parameters
    ----------
    value : int, str, datetime or date
        ns, ISO text or an object of datetime (a pandas Timestamp is one).
    name : str
        For the message.
    end_of_day : bool
        A date without a time of day means its last nanosecond instead of its first.
    """
    if isinstance(value, bool):
        raise VenueError(f"{name} must be a time, got {value!r}")
    if isinstance(value, int):
        return value
    is_date = isinstance(value, date) and not isinstance(value, datetime)
    if isinstance(value, str):
        is_date = len(value.strip()) == len("2024-10-24")
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise VenueError(f"{name} must be a time such as '2024-10-24' or ns, got {value!r}") from None
    if not isinstance(value, datetime):
        if not isinstance(value, date):
            raise VenueError(f"{name} must be a time such as '2024-10-24' or ns, got {value!r}")
        value = datetime(value.year, value.month, value.day)
    moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    if is_date and end_of_day:
        moment += timedelta(days=1)
    span = moment - _EPOCH
    whole = (span.days * 86_400 + span.seconds) * NS_PER_SECOND + span.microseconds * 1_000
    return whole - 1 if is_date and end_of_day else whole + int(getattr(value, "nanosecond", 0))


def duration_ns(value: int | str | timedelta, name: str) -> int:
    """Return a duration as ns, at least 0: an int is ns, a text has a unit: '250us', '5ms', '1.5s', '20m', '1h'."""
    units = _UNITS | _LONG_UNITS
    if isinstance(value, timedelta):
        result = (value.days * 86_400 + value.seconds) * NS_PER_SECOND + value.microseconds * 1_000
    elif isinstance(value, str):
        text = value.strip()
        unit = next((u for u in ("ns", "us", "ms", "s", "m", "h", "d") if text.endswith(u)), None)
        try:
            result = int(Decimal(text[: -len(unit)]) * units[unit]) if unit else -1
        except InvalidOperation:
            unit = None
        if unit is None:
            raise VenueError(f"{name} must be a duration such as '5ms' (units {', '.join(units)}), got {value!r}")
    elif isinstance(value, int) and not isinstance(value, bool):
        result = value
    else:
        raise VenueError(f"{name} must be a duration such as '5ms' or ns as int, got {value!r}")
    if result < 0:
        raise VenueError(f"{name} must not be negative, got {value!r}")
    return result


def day(ns: int) -> str:
    """Return the UTC date of a time for messages; 'the beginning' for 0."""
    return str((_EPOCH + timedelta(seconds=ns // NS_PER_SECOND)).date()) if ns else "the beginning"


def _is_float(value: Number) -> bool:
    # numpy scalars included: they are neither int nor str, and know how to become a float
    return not isinstance(value, int | str | Decimal)


def _allowed(low: float, high: float, above: float) -> str:
    left = f"({above:g}" if above > -math.inf else f"[{low:g}" if low > -math.inf else "(-inf"
    right = f"{high:g}]" if high < math.inf else "inf)"
    return f"in {left}, {right}"
