"""Products and quotients of mantissas at a scale: exact, or rounded once; what entry values and money are made of."""

from venues.contract cimport INVERSE, Contract
from venues.errors import VenueError
from venues.units cimport (
    HALF_UP, TOWARD_ZERO, Rounding, int128_t, mul, mul_divide, power_of_ten, rescale, split, to_python, widen,
)

cdef enum:
    VALUE_SCALE = 16               # least decimals of an entry value


cdef int entry_value_scale(const Contract *c) noexcept nogil:
    # A product of price and quantity is exact at the sum of their scales, but the part that a partial close takes out
    # is not: with that sum alone 81 of 821 closing profits of a real account come out, with 16 decimals 689.
    cdef int exact = c.price_scale + c.quantity_scale + c.size_scale
    if c.kind == INVERSE or exact < VALUE_SCALE:
        return VALUE_SCALE
    return exact


cdef int product_at(
    int128_t a, int128_t b, int from_scale, int to_scale, Rounding how, int128_t *out
) except -1 nogil:
    """Put a x b, which has from_scale decimals, at to_scale."""
    cdef int128_t wide
    if to_scale >= from_scale:
        mul(a, b, &wide)
        return rescale(wide, from_scale, to_scale, how, out)
    if from_scale - to_scale > 38:
        _bad_scales(from_scale, to_scale)
    return mul_divide(a, b, power_of_ten(from_scale - to_scale), how, out)


cdef int ratio_at(
    int128_t a, int128_t b, int128_t price, int from_scale, int to_scale, Rounding how, int128_t *out
) except -1 nogil:
    """Put a x b / price, which has from_scale decimals, at to_scale."""
    cdef int128_t wide
    cdef int shift = to_scale - from_scale
    if price <= 0:
        _bad_price(price)
    if shift > 38 or shift < -38:
        _bad_scales(from_scale, to_scale)
    if shift < 0:
        mul(price, power_of_ten(-shift), &wide)
        return mul_divide(a, b, wide, how, out)
    mul(a, b, &wide)
    return mul_divide(wide, power_of_ten(shift), price, how, out)


cdef int value_of(
    const Contract *c, int64_t quantity, int128_t price, int price_scale, int to_scale, Rounding how, int128_t *out
) except -1 nogil:
    """Signed value: quantity x size x price (linear), quantity x size / price (inverse), at to_scale."""
    cdef int128_t size
    mul(widen(quantity), widen(c.size), &size)
    if c.kind == INVERSE:
        return ratio_at(size, widen(1), price, c.quantity_scale + c.size_scale - price_scale, to_scale, how, out)
    return product_at(size, price, c.quantity_scale + c.size_scale + price_scale, to_scale, how, out)


cdef int digits_of(int128_t a, int128_t b, int digits, int128_t *out) except -1 nogil:
    """Put a / b, rounded half-up once, at no decimals and at most `digits` significant digits."""
    cdef int128_t quotient, divisor
    cdef int drop = 0
    mul_divide(a, widen(1), b, TOWARD_ZERO, &quotient)
    while digits + drop <= 38 and (quotient >= power_of_ten(digits + drop) or -quotient >= power_of_ten(digits + drop)):
        drop += 1
    mul(b, power_of_ten(drop), &divisor)
    mul_divide(a, widen(1), divisor, HALF_UP, &quotient)
    return mul(quotient, power_of_ten(drop), out)


cdef int _bad_price(int128_t price) except -1 with gil:
    """Raise for a price that cannot divide."""
    raise VenueError(f"price of an inverse contract must be above zero, got {to_python(split(price))} price units")


cdef int _bad_scales(int from_scale, int to_scale) except -1 with gil:
    """Raise for a change of scale beyond 128 bits."""
    raise OverflowError(f"scales may differ by at most 38 decimals, got {from_scale} and {to_scale}")
