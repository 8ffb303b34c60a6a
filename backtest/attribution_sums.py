"""Exact sums of amounts times prices: integers and fractions, fast enough for millions of rows."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Amounts in three pieces of 22 bits and price mantissas in three of 18: products stay below 2^41, and the sum of a
# block of 2^21 of them below 2^62.
_AMOUNT_BITS, _PRICE_BITS = 22, 18
_BLOCK = 1 << 21


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
    fraction, exponent = np.frexp(prices)
    mantissas = np.ldexp(fraction, 53).astype(np.int64)
    out: dict[int, Fraction] = {}
    for begin in range(0, len(amounts), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        # Rows of one key and one power of two are added as integers.
        order = np.lexsort((exponent[block], keys[block]))
        key, power = keys[block][order], exponent[block][order]
        starts = np.flatnonzero(np.r_[True, (key[1:] != key[:-1]) | (power[1:] != power[:-1])])
        sums = _products(amounts[block][order], mantissas[block][order], starts)
        for number, shift, total in zip(key[starts].tolist(), power[starts].tolist(), sums, strict=True):
            out[number] = out.get(number, Fraction(0)) + total * Fraction(2) ** (shift - 53)
    return out


def _products(amounts: NDArray[Any], mantissas: NDArray[np.int64], starts: NDArray[np.int64]) -> list[int]:
    """Return the sum of amount x mantissa over each run that begins at `starts`."""
    if amounts.dtype == object:
        return [int(total) for total in np.add.reduceat(amounts * mantissas.astype(object), starts)]
    sums = [0] * len(starts)
    for upper, left in _pieces(amounts, _AMOUNT_BITS):
        for lower, right in _pieces(mantissas, _PRICE_BITS):
            parts = np.add.reduceat(left * right, starts).tolist()
            sums = [total + (part << (upper + lower)) for total, part in zip(sums, parts, strict=True)]
    return sums


def _pieces(values: NDArray[np.int64], bits: int) -> list[tuple[int, NDArray[np.int64]]]:
    """Return shifts and pieces whose shifted sum is the values; the highest piece has the sign."""
    mask = np.int64((1 << bits) - 1)
    return [
        (0, values & mask),
        (bits, (values >> np.int64(bits)) & mask),
        (2 * bits, values >> np.int64(2 * bits)),
    ]


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
