"""Products and quotients of mantissas at a scale: exact, or rounded once; what entry values and money are made of."""

from libc.stdint cimport int64_t
from venues.contract cimport Contract
from venues.units cimport Rounding, int128_t

# Decimals of an entry value: 16 for inverse; for linear and spot price + quantity + size scale, at least 16.
cdef int entry_value_scale(const Contract *c) noexcept nogil
# a x b, which has from_scale decimals, at to_scale
cdef int product_at(
    int128_t a, int128_t b, int from_scale, int to_scale, Rounding how, int128_t *out
) except -1 nogil
# a x b / price, which has from_scale decimals, at to_scale
cdef int ratio_at(
    int128_t a, int128_t b, int128_t price, int from_scale, int to_scale, Rounding how, int128_t *out
) except -1 nogil
# Signed value: quantity x size x price (linear), quantity x size / price (inverse), at to_scale
cdef int value_of(
    const Contract *c, int64_t quantity, int128_t price, int price_scale, int to_scale, Rounding how, int128_t *out
) except -1 nogil
# a / b, rounded half-up once, at no decimals and at most `digits` significant digits
cdef int digits_of(int128_t a, int128_t b, int digits, int128_t *out) except -1 nogil
