"""Exact integer arithmetic: 128-bit words, rounding directions, overflow checks."""

from libc.stdint cimport int64_t, uint64_t

cdef extern from *:
    """
    #ifndef LEVDYN_INT128
    #define LEVDYN_INT128
    typedef __int128 levdyn_int128;
    #endif
    """
    # Cython believes that this is a long long; the C compiler knows better. Never let Cython convert one to Python:
    # use hi_word() and lo_word(), or to_python().
    ctypedef long long int128_t "levdyn_int128"

cdef enum Rounding:
    TOWARD_ZERO = 0
    HALF_UP = 1        # half away from zero
    FLOOR = 2
    CEILING = 3

cdef struct Int128:    # the form in structs and files: two's complement in two 64-bit words
    uint64_t lo
    int64_t hi

cdef int128_t widen(int64_t value) noexcept nogil
cdef int128_t join(Int128 words) noexcept nogil
cdef Int128 split(int128_t value) noexcept nogil
cdef object to_python(Int128 words)
cdef Int128 from_python(object value)
cdef double to_double(int128_t value) noexcept nogil

cdef int128_t power_of_ten(int exponent) noexcept nogil                                     # 0 <= exponent <= 38
cdef int mul(int128_t a, int128_t b, int128_t *out) except -1 nogil                         # OverflowError
cdef int add(int128_t a, int128_t b, int128_t *out) except -1 nogil                         # OverflowError
cdef int subtract(int128_t a, int128_t b, int128_t *out) except -1 nogil                    # OverflowError
cdef int divide(int128_t a, int128_t b, Rounding how, int128_t *out) except -1 nogil        # ZeroDivisionError
cdef int mul_divide(int128_t a, int128_t b, int128_t c, Rounding how, int128_t *out) except -1 nogil
# a x b / c with a 256-bit product; OverflowError when the quotient does not fit, ZeroDivisionError
cdef int rescale(int128_t a, int from_scale, int to_scale, Rounding how, int128_t *out) except -1 nogil
cdef int narrow(int128_t a, int64_t *out) except -1 nogil                                   # OverflowError
