"""Exact sums of amounts times prices: integers and fractions, fast enough for millions of rows."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HALF = np.int64(32)
_LOW = np.int64(0xFFFFFFFF)


def exact_sums(amounts: NDArray[Any], prices: NDArray[np.float64], keys: NDArray[np.int64]) -> dict[int, Fraction]:
    """Return the exact sum of amount x price for each key.

    Parameters
    ----------
    amounts : ndarray of int64, or of Python integers (dtype object), shape (n,)
    prices : ndarray of float64, shape (n,)
        Finite. A float64 is a whole number times a power of two, so products and sums have no rounding.
    keys : ndarray of int64, shape (n,)

    Returns
    -------
    dict of int to Fraction
    """
    if len(amounts) == 0:
        return {}
    order = np.lexsort((prices, keys))
    amounts, prices, keys = amounts[order], prices[order], keys[order]
    starts = np.flatnonzero(np.r_[True, (keys[1:] != keys[:-1]) | (prices[1:] != prices[:-1])])
    sums = _integer_sums(amounts, starts)
    # Price by price; the denominators are powers of two, few of them differ.
    parts: dict[tuple[int, int], int] = {}
    for total, price, key in zip(sums, prices[starts].tolist(), keys[starts].tolist(), strict=True):
        numerator, denominator = price.as_integer_ratio()
        parts[key, denominator] = parts.get((key, denominator), 0) + total * numerator
    out: dict[int, Fraction] = {}
    for (key, denominator), total in parts.items():
        out[key] = out.get(key, Fraction(0)) + Fraction(total, denominator)
    return out


def _integer_sums(amounts: NDArray[Any], starts: NDArray[np.int64]) -> list[int]:
    """Return the sums of the runs that begin at `starts`, as Python integers."""
    if amounts.dtype == object:
        return [int(total) for total in np.add.reduceat(amounts, starts)]
    # In halves of 32 bits, so that no partial sum leaves 64 bits.
    high = np.add.reduceat(amounts >> _HALF, starts).tolist()
    low = np.add.reduceat(amounts & _LOW, starts).tolist()
    return [(upper << 32) + lower for upper, lower in zip(high, low, strict=True)]


def round_to_sum(values: Sequence[Fraction], decimals: int) -> list[Fraction]:
    """Round values so that the rounded ones add up to the rounded sum.

    Each is cut to a whole number of units toward minus infinity; the units missing from the sum go to the values that
    lost most (largest remainder), the first of equals first.

    Parameters
    ----------
    values : sequence of Fraction
    decimals : int

    Returns
    -------
    list of Fraction
    """
    unit = Fraction(1, 10**decimals)
    floors = [value // unit for value in values]
    missing = round(sum(values, Fraction(0)) / unit) - sum(floors)
    remainders = [value / unit - floor for value, floor in zip(values, floors, strict=True)]
    for index in sorted(range(len(values)), key=lambda i: (-remainders[i], i))[:missing]:
        floors[index] += 1
    return [floor * unit for floor in floors]
