"""From what a strategy says (a size, a name) to units and rows."""

from backtest.context cimport Context
from libc.stdint cimport int32_t, int64_t
from venues.state cimport AccountState

cdef enum SizeKind:
    BY_QUANTITY = 0
    BY_VALUE = 1
    BY_NOTIONAL = 2
    BY_DELTA = 3
    BY_LEVERAGE = 4

cdef struct Size:
    int kind
    double value

cdef Size resolve_size(tuple sizes, bint signed) except *
# side +1 or -1: returns units > 0; side 0: signed units. price: limit in price units, 0 = market.
cdef int64_t to_units(Context context, int32_t account, int32_t instrument, Size size, int side,
                      int64_t price) except? -1
# Net position of the account (spot: balance of the base coin) plus `pending`, in quantity units.
cdef int64_t effective_units(Context context, int32_t account, int32_t instrument, int64_t pending) noexcept nogil
cdef tuple reading(Context context, object symbol)
# What may back a new order, in units of the asset, may be negative; `locked` atoms are behind open spot orders.
cdef double free_amount(AccountState state, int32_t asset, int64_t locked) noexcept nogil
# Atoms that may leave, >= 0: of the wallet without isolated and locked money what is free without open profit.
cdef int64_t withdrawable_atoms(AccountState state, int32_t asset, int64_t locked) noexcept nogil
cdef int chosen(str name, object value, dict allowed) except -1
cdef tuple units_of(object value, int scale, str what)
