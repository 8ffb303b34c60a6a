"""Signed quantity and exact entry value of one leg; realised profit by the venue's rule."""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t
from venues.contract cimport Contract
from venues.units cimport Int128, int128_t

cdef struct Position:
    int32_t instrument
    int8_t leg                 # 0 one-way, +1 long leg, -1 short leg
    uint8_t margin_mode        # 0 cross, 1 isolated
    int64_t quantity           # signed, quantity units
    Int128 entry_value         # signed like quantity, 10^-entry_value_scale() of quote (linear, spot) or coin (inverse)
    Int128 average_entry       # the venue's own (EntryRule not EXACT_VALUE), 10^-entry_scale of quote; unsigned
    int64_t isolated_wallet    # atoms
    double leverage            # margin leverage set
    int64_t funding            # atoms received since the position was opened
    int64_t realized           # atoms of profit realised since it was opened, fees not included
    int64_t last_entry_price   # price units of the latest fill that increased it
    int32_t entries            # fills-by-order that increased it since it was flat
    int64_t opened             # ns
    int64_t last_order         # id of the order that last increased it
    int64_t paid_out           # atoms of profit paid out by daily settlements, of what is still held

cdef struct FillEffect:
    int64_t realized           # atoms of the settle asset, rounded by the venue's rule
    int64_t closed             # quantity units, >= 0
    int64_t opened             # quantity units, >= 0

# One fill of signed quantity units at price units. A fill that turns the position closes it whole, then opens the rest.
# A full close leaves only instrument, leg, margin mode, isolated wallet and leverage: read funding and realized before.
# entries, opened and last_order are the caller's, who knows orders and time. An error leaves *p and *out unchanged.
cdef int apply_fill(Position *p, const Contract *c, int64_t quantity, int64_t price, FillEffect *out) except -1 nogil
# Pay out the profit at a settlement price: put in *out, and the entry value moves by it (EXACT_VALUE rule).
cdef int pay_out(Position *p, const Contract *c, int64_t price, int64_t *out) except -1 nogil
cdef double entry_value(const Position *p, const Contract *c) noexcept nogil      # settle asset, signed
cdef double entry_price(const Position *p, const Contract *c) noexcept nogil      # quote; 0 when flat
cdef double unrealized(const Position *p, const Contract *c, double mark) noexcept nogil  # settle asset
cdef int fee(const Contract *c, int64_t quantity, int64_t price, int64_t rate, int64_t *out) except -1 nogil
# fee in atoms of the settle asset, >= 0 for rate >= 0 (a rebate is negative); rate in 1e-10
cdef int funding_payment(const Contract *c, int64_t quantity, int64_t mark, int mark_scale, int64_t rate,
                         int rate_scale, int64_t *out) except -1 nogil
# The same of `accrued` quantity units x ns inside an interval of so many ns; also puts the quantity held on average.
cdef int accrued_payment(const Contract *c, int128_t accrued, int64_t interval, int64_t mark, int mark_scale,
                         int64_t rate, int rate_scale, int64_t *quantity, int64_t *out) except -1 nogil
# atoms received by the holder: -quantity x size x mark x rate (linear), -quantity x size / mark x rate (inverse)
