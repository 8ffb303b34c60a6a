"""Rounding of exact numbers, each direction by its definition."""

from fractions import Fraction

from reference.inputs import ATOM


def toward_zero(value):
    """Return the whole part."""
    whole = abs(value.numerator) // value.denominator
    return whole if value >= 0 else -whole


def half_up(value):
    """Return the nearest whole number, halves away from zero."""
    whole = toward_zero(abs(value) + Fraction(1, 2))
    return whole if value >= 0 else -whole


def atoms(value):
    """Return an amount in the ledger's unit, truncated toward zero (binance.md section 5, rounding)."""
    return toward_zero(Fraction(value) / ATOM)


def money(count):
    """Return an amount in units of its asset."""
    return count * ATOM


def digits(value, count):
    """Return a value rounded half-up once to at most `count` significant digits."""
    if value == 0:
        return value
    unit = Fraction(1)
    while abs(value) / unit >= 10**count:
        unit *= 10
    while abs(value) / unit < 10 ** (count - 1):
        unit /= 10
    return half_up(value / unit) * unit


def ceiling(value):
    """Return the least whole number that is not smaller."""
    return -((-value.numerator) // value.denominator)


def floor(value):
    """Return the largest whole number that is not larger."""
    return value.numerator // value.denominator
