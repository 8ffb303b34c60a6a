"""Exact integer arithmetic: 128-bit words, rounding directions, overflow checks."""

from libc.stdint cimport int64_t, uint64_t

cdef extern from *:
    """
    static inline levdyn_int128 levdyn_widen(int64_t v) { return (levdyn_int128) v; }
    static inline levdyn_int128 levdyn_join(uint64_t lo, int64_t hi) {
        return (levdyn_int128) (((unsigned __int128) (uint64_t) hi << 64) | lo);
    }
    static inline uint64_t levdyn_lo(levdyn_int128 v) { return (uint64_t) v; }
    static inline int64_t levdyn_hi(levdyn_int128 v) { return (int64_t) (v >> 64); }
    static inline double levdyn_double(levdyn_int128 v) { return (double) v; }
    static inline int levdyn_mul(levdyn_int128 a, levdyn_int128 b, levdyn_int128 *out) {
        return __builtin_mul_overflow(a, b, out);
    }
    static inline int levdyn_add(levdyn_int128 a, levdyn_int128 b, levdyn_int128 *out) {
        return __builtin_add_overflow(a, b, out);
    }
    static inline int levdyn_sub(levdyn_int128 a, levdyn_int128 b, levdyn_int128 *out) {
        return __builtin_sub_overflow(a, b, out);
    }
    static inline int levdyn_narrow(levdyn_int128 v, int64_t *out) {
        *out = (int64_t) v;
        return (levdyn_int128) *out != v;
    }
    static inline levdyn_int128 levdyn_power(int exponent) {
        levdyn_int128 value = 1;
        while (exponent-- > 0) value *= 10;
        return value;
    }
    static inline unsigned __int128 levdyn_magnitude(levdyn_int128 v) {
        return v < 0 ? -(unsigned __int128) v : (unsigned __int128) v;
    }
    /* Rounding of the magnitude q with remainder r of the divisor d; how: 0 toward zero, 1 half away, 2 floor, 3 up. */
    static inline int levdyn_bump(unsigned __int128 r, unsigned __int128 d, int negative, int how) {
        if (r == 0) return 0;
        if (how == 1) return r >= d - r;
        if (how == 2) return negative;
        if (how == 3) return !negative;
        return 0;
    }
    static inline int levdyn_signed(unsigned __int128 q, int negative, levdyn_int128 *out) {
        const unsigned __int128 edge = (unsigned __int128) 1 << 127;
        if (negative) {
            if (q > edge) return 1;
            *out = (levdyn_int128) (0 - q);
            return 0;
        }
        if (q >= edge) return 1;
        *out = (levdyn_int128) q;
        return 0;
    }
    /* a x b / c with a 256-bit product. Returns 1 when the quotient does not fit. c is not zero. */
    static int levdyn_mul_divide(levdyn_int128 a, levdyn_int128 b, levdyn_int128 c, int how, levdyn_int128 *out) {
        const int negative = (a < 0) ^ (b < 0) ^ (c < 0);
        const unsigned __int128 x = levdyn_magnitude(a), y = levdyn_magnitude(b), d = levdyn_magnitude(c);
        const unsigned __int128 mask = ~(uint64_t) 0;
        unsigned __int128 lo, hi, q, r;
        if (!__builtin_mul_overflow(x, y, &lo)) {
            q = lo / d;
            r = lo % d;
        } else {
            const unsigned __int128 p00 = (x & mask) * (y & mask), p01 = (x & mask) * (y >> 64);
            const unsigned __int128 p10 = (x >> 64) * (y & mask), p11 = (x >> 64) * (y >> 64);
            const unsigned __int128 middle = (p00 >> 64) + (p01 & mask) + (p10 & mask);
            int bit;
            lo = (p00 & mask) | (middle << 64);
            hi = p11 + (p01 >> 64) + (p10 >> 64) + (middle >> 64);
            if (hi >= d) return 1;
            r = hi;
            q = 0;
            for (bit = 127; bit >= 0; bit--) {  /* r < d <= 2^127: doubling never leaves 128 bits */
                r = (r << 1) | ((lo >> bit) & 1);
                q <<= 1;
                if (r >= d) { r -= d; q |= 1; }
            }
        }
        if (levdyn_bump(r, d, negative, how)) {
            if (q == ~(unsigned __int128) 0) return 1;
            q++;
        }
        return levdyn_signed(q, negative, out);
    }
    """
    int128_t levdyn_widen(int64_t value) noexcept nogil
    int128_t levdyn_join(uint64_t lo, int64_t hi) noexcept nogil
    uint64_t levdyn_lo(int128_t value) noexcept nogil
    int64_t levdyn_hi(int128_t value) noexcept nogil
    double levdyn_double(int128_t value) noexcept nogil
    bint levdyn_mul(int128_t a, int128_t b, int128_t *out) noexcept nogil
    bint levdyn_add(int128_t a, int128_t b, int128_t *out) noexcept nogil
    bint levdyn_sub(int128_t a, int128_t b, int128_t *out) noexcept nogil
    bint levdyn_narrow(int128_t value, int64_t *out) noexcept nogil
    int128_t levdyn_power(int exponent) noexcept nogil
    bint levdyn_mul_divide(int128_t a, int128_t b, int128_t c, int how, int128_t *out) noexcept nogil

cdef enum:
    LARGEST_EXPONENT = 38          # 10^38 < 2^127 < 10^39

_ROUNDINGS = {"toward_zero": TOWARD_ZERO, "half_up": HALF_UP, "floor": FLOOR, "ceiling": CEILING}


cdef int128_t widen(int64_t value) noexcept nogil:
    return levdyn_widen(value)


cdef int128_t join(Int128 words) noexcept nogil:
    return levdyn_join(words.lo, words.hi)


cdef Int128 split(int128_t value) noexcept nogil:
    cdef Int128 words
    words.lo = levdyn_lo(value)
    words.hi = levdyn_hi(value)
    return words


cdef object to_python(Int128 words):
    return (int(words.hi) << 64) | int(words.lo)


cdef Int128 from_python(object value):
    cdef Int128 words
    cdef object number = int(value)
    if not -(1 << 127) <= number < (1 << 127):
        raise OverflowError(f"value must fit a signed 128-bit integer, got {number}")
    words.lo = number & 0xFFFFFFFFFFFFFFFF
    words.hi = number >> 64
    return words


cdef double to_double(int128_t value) noexcept nogil:
    return levdyn_double(value)


cdef int128_t power_of_ten(int exponent) noexcept nogil:
    return levdyn_power(exponent)


cdef int _two_operands(str what, int128_t a, int128_t b) except -1 with gil:
    """Raise the overflow of an operation with its operands."""
    raise OverflowError(
        f"{what} exceeds a signed 128-bit integer: operands {to_python(split(a))} and {to_python(split(b))}"
    )


cdef int _three_operands(int128_t a, int128_t b, int128_t c) except -1 with gil:
    """Raise the overflow of a x b / c with its operands."""
    raise OverflowError(
        f"quotient exceeds a signed 128-bit integer: "
        f"{to_python(split(a))} x {to_python(split(b))} / {to_python(split(c))}"
    )


cdef int _zero_divisor(int128_t a) except -1 with gil:
    """Raise for a division by zero, with the dividend."""
    raise ZeroDivisionError(f"division of {to_python(split(a))} by zero")


cdef int mul(int128_t a, int128_t b, int128_t *out) except -1 nogil:
    if levdyn_mul(a, b, out):
        _two_operands("product", a, b)
    return 0


cdef int add(int128_t a, int128_t b, int128_t *out) except -1 nogil:
    if levdyn_add(a, b, out):
        _two_operands("sum", a, b)
    return 0


cdef int subtract(int128_t a, int128_t b, int128_t *out) except -1 nogil:
    if levdyn_sub(a, b, out):
        _two_operands("difference", a, b)
    return 0


cdef int divide(int128_t a, int128_t b, Rounding how, int128_t *out) except -1 nogil:
    return mul_divide(a, levdyn_widen(1), b, how, out)


cdef int mul_divide(int128_t a, int128_t b, int128_t c, Rounding how, int128_t *out) except -1 nogil:
    if c == 0:
        _zero_divisor(a)
    if levdyn_mul_divide(a, b, c, how, out):
        _three_operands(a, b, c)
    return 0


cdef int rescale(int128_t a, int from_scale, int to_scale, Rounding how, int128_t *out) except -1 nogil:
    cdef int shift = to_scale - from_scale
    if shift > LARGEST_EXPONENT or shift < -LARGEST_EXPONENT:
        _beyond_exponent(from_scale, to_scale)
    if shift >= 0:
        return mul(a, levdyn_power(shift), out)
    return divide(a, levdyn_power(-shift), how, out)


cdef int _beyond_exponent(int from_scale, int to_scale) except -1 with gil:
    """Raise for a change of scale that no 128-bit power of ten spans."""
    raise OverflowError(f"scales may differ by at most {LARGEST_EXPONENT} decimals, got {from_scale} and {to_scale}")


cdef int narrow(int128_t a, int64_t *out) except -1 nogil:
    if levdyn_narrow(a, out):
        _too_wide(a)
    return 0


cdef int _too_wide(int128_t a) except -1 with gil:
    """Raise for a value that a 64-bit field cannot hold."""
    raise OverflowError(f"value exceeds a signed 64-bit integer: {to_python(split(a))}")


def checked_product(a: int, b: int) -> int:
    """Return a x b as the engine multiplies: in 128 bits, signed.

    Raises
    ------
    OverflowError
        If an operand or the product does not fit.
    """
    cdef int128_t out
    mul(join(from_python(a)), join(from_python(b)), &out)
    return to_python(split(out))


def checked_sum(a: int, b: int) -> int:
    """Return a + b as the engine adds: in 128 bits, signed.

    Raises
    ------
    OverflowError
        If an operand or the sum does not fit.
    """
    cdef int128_t out
    add(join(from_python(a)), join(from_python(b)), &out)
    return to_python(split(out))


def checked_difference(a: int, b: int) -> int:
    """Return a - b as the engine subtracts: in 128 bits, signed.

    Raises
    ------
    OverflowError
        If an operand or the difference does not fit.
    """
    cdef int128_t out
    subtract(join(from_python(a)), join(from_python(b)), &out)
    return to_python(split(out))


def checked_quotient(a: int, b: int, c: int, *, rounding: str) -> int:
    """Return a x b / c as the engine divides: 256-bit product, 128-bit result, stated rounding.

    Parameters
    ----------
    a, b, c : int
        Signed 128-bit integers; pass b = 1 for a plain division.
    rounding : {"toward_zero", "half_up", "floor", "ceiling"}
        half_up rounds halves away from zero.

    Raises
    ------
    OverflowError
        If an operand or the quotient does not fit.
    ZeroDivisionError
        If c is zero.
    """
    cdef int128_t out
    cdef int how = _rounding(rounding)
    mul_divide(join(from_python(a)), join(from_python(b)), join(from_python(c)), <Rounding>how, &out)
    return to_python(split(out))


def checked_rescale(a: int, from_scale: int, to_scale: int, *, rounding: str) -> int:
    """Return the mantissa of the same decimal at another scale.

    Parameters
    ----------
    a : int
        Mantissa with from_scale decimals, signed 128-bit.
    from_scale, to_scale : int
        Decimals; they may differ by at most 38.
    rounding : {"toward_zero", "half_up", "floor", "ceiling"}
        Applied when decimals are dropped.

    Raises
    ------
    OverflowError
        If the result does not fit or the scales differ by more than 38.
    """
    cdef int128_t out
    cdef int how = _rounding(rounding)
    rescale(join(from_python(a)), from_scale, to_scale, <Rounding>how, &out)
    return to_python(split(out))


def checked_narrow(a: int) -> int:
    """Return the integer when it fits 64 bits.

    Raises
    ------
    OverflowError
        If it does not.
    """
    cdef int64_t out
    narrow(join(from_python(a)), &out)
    return out


cdef int _rounding(str name) except -1:
    """Return the rounding of that name."""
    if name not in _ROUNDINGS:
        raise ValueError(f"rounding must be one of {', '.join(_ROUNDINGS)}, got {name!r}")
    return _ROUNDINGS[name]
