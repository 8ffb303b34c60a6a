"""What the lab is given: numbers and arrays, checked once; an error says what was given and what is allowed."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backtest.errors import ConfigError

Array = NDArray[np.float64]

YEAR_DAYS = 365.0
YEAR_SECONDS = YEAR_DAYS * 86_400.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a sample says: `value` with its standard `error`, from `count` independent draws."""

    value: float
    error: float
    count: int

    def interval(self, width: float = 1.959963984540054) -> tuple[float, float]:
        """Return value -+ width x error; 95 % by default."""
        return self.value - width * self.error, self.value + width * self.error


def mean_of(samples: ArrayLike) -> Estimate:
    """Return the mean of independent samples with its standard error."""
    values = array(samples, "samples")
    if values.ndim != 1 or len(values) < 2:
        raise ConfigError(f"samples: at least two are needed for an error, got shape {values.shape}")
    return Estimate(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values)), len(values))


def number(
    value: float,
    name: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    """Return a number that is finite, in [low, high] and strictly between `above` and `below`."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise ConfigError(f"{name} must be a number, got {value!r}") from None
    if isinstance(value, bool) or not _fits(np.array(found), low, high, above, below):
        raise ConfigError(f"{name} must be {_allowed(low, high, above, below)}, got {value!r}")
    return found


def array(
    values: ArrayLike,
    name: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> Array:
    """Return float64 values, all finite, in [low, high] and strictly between `above` and `below`."""
    try:
        found = np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ConfigError(f"{name} must hold numbers, got {values!r}") from None
    if np.ndim(values) == 0:
        found = found.reshape(())
    if not _fits(found, low, high, above, below):
        good = np.isfinite(found) & (found >= low) & (found <= high) & (found > above) & (found < below)
        row = int(np.argmin(good))
        raise ConfigError(f"{name} must be {_allowed(low, high, above, below)}, got {found.flat[row]!r} in row {row}")
    return found


def column(
    values: ArrayLike,
    name: str,
    length: int | None = None,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> Array:
    """Return a one-dimensional array, of a given length if there is one."""
    found = array(values, name, low=low, high=high, above=above, below=below)
    if found.ndim != 1 or (length is not None and len(found) != length):
        wanted = "one dimension" if length is None else f"shape ({length},)"
        raise ConfigError(f"{name} must have {wanted}, got shape {found.shape}")
    return found


def ascending(
    values: ArrayLike, name: str, *, low: float = -math.inf, high: float = math.inf, above: float = -math.inf
) -> Array:
    """Return a one-dimensional array that ascends strictly."""
    found = column(values, name, low=low, high=high, above=above)
    if len(found) == 0 or np.any(np.diff(found) <= 0.0):
        raise ConfigError(f"{name} must hold at least one value and ascend strictly")
    return found


def count(value: int, name: str, *, low: int = 1) -> int:
    """Return a whole number of at least `low`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
        raise ConfigError(f"{name} must be a whole number of at least {low}, got {value!r}")
    return int(value)


def _fits(values: Array, low: float, high: float, above: float, below: float) -> bool:
    inside = (values >= low) & (values <= high) & (values > above) & (values < below)
    return bool(np.all(inside & np.isfinite(values)))


def _allowed(low: float, high: float, above: float, below: float) -> str:
    left = f"({above:g}" if above > -math.inf else f"[{low:g}" if low > -math.inf else "(-inf"
    right = f"{below:g})" if below < math.inf else f"{high:g}]" if high < math.inf else "inf)"
    return f"finite and in {left}, {right}"
