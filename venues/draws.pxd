"""Counter-based randomness: a draw is a function of what it is for; adding a stream or a strategy moves no other."""

from libc.stdint cimport int64_t, uint64_t

cdef enum Purpose:
    OVERLOAD_REFUSAL = 1     # an order is refused while a venue is overloaded
    REQUEST_DELAY = 2        # how long a request of an account is on its way, by its number
    ANSWER_DELAY = 3
    SLICE_START = 4          # which position of a pool a block of forced slices begins with

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
