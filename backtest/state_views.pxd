"""The state that a strategy sees: positions, accounts, funding, as delivered so far."""

from libc.stdint cimport int32_t
from venues.state cimport AccountState

# Between the mark and the liquidation price of a position, as a fraction of the mark; infinite without one
cdef double own_distance(AccountState state, int32_t instrument, int leg) noexcept nogil
