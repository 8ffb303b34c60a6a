"""Counter-based randomness: a draw is a function of what it is for; adding a stream or a strategy moves no other."""

from libc.math cimport M_PI, cos, exp, log, rint, sqrt
from libc.stdint cimport int64_t, uint64_t

cdef enum Purpose:
    OVERLOAD_REFUSAL = 1     # an order is refused while a venue is overloaded
    REQUEST_DELAY = 2        # how long a request of an account is on its way, by its number
    ANSWER_DELAY = 3
    SLICE_START = 4          # which position of a pool a block of forced slices begins with
    FEED_DELAY = 5           # how long rows of a stream of one moment are on their way

cdef inline uint64_t mixed(uint64_t x) noexcept nogil:
    # Finaliser of splitmix64 (Steele, Lea, Flood, OOPSLA 2014): each bit of the input moves every bit of the output.
    x += <uint64_t> 0x9E3779B97F4A7C15
    x = (x ^ (x >> 30)) * <uint64_t> 0xBF58476D1CE4E5B9
    x = (x ^ (x >> 27)) * <uint64_t> 0x94D049BB133111EB
    return x ^ (x >> 31)

cdef inline double uniform(int64_t seed, Purpose purpose, int64_t venue, int64_t id) noexcept nogil:
    """A number in [0, 1) for (seed, purpose, venue, order id)."""
    cdef uint64_t x = mixed(<uint64_t> seed)
    x = mixed(x ^ <uint64_t> purpose)
    x = mixed(x ^ <uint64_t> venue)
    x = mixed(x ^ <uint64_t> id)
    return <double> (x >> 11) * (1.0 / 9007199254740992.0)

cdef inline int64_t lognormal(int64_t median, double sigma, int64_t seed, Purpose purpose, int64_t of,
                              int64_t number) noexcept nogil:
    """A lognormal whole number, the one of that number; sigma of the logarithm."""
    # Box and Muller: a normal variate of two uniform ones; 1 - u is never 0
    cdef double one = 1.0 - uniform(seed, purpose, of, 2 * number)
    cdef double other = uniform(seed, purpose, of, 2 * number + 1)
    return <int64_t> rint(<double> median * exp(sigma * sqrt(-2.0 * log(one)) * cos(2.0 * M_PI * other)))
