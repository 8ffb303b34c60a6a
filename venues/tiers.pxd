"""Risk tiers by notional: rates, maintenance amounts, maximum leverage."""

from libc.stdint cimport int32_t, int64_t

cdef struct Tier:
    double floor               # notional at which the tier begins, settle asset of its contract
    double maintenance_rate
    double amount              # maintenance = notional x rate - amount
    double max_leverage

cdef struct TierTable:
    int64_t valid_from         # ns; in force until the next table
    int32_t count
    Tier *rows                 # ascending floors, the first is 0
    double size_rate           # added to the rates for each base coin of the position (one row); 0 = none

# The last row with floor < notional, the first for 0: a notional equal to a floor still belongs to the row below it.
cdef const Tier *tier_at(const TierTable *table, double notional) noexcept nogil
# Of a notional >= 0, settle asset; a NULL table asks nothing.
cdef double maintenance(const TierTable *table, double notional) noexcept nogil
# Infinite with a NULL table.
cdef double max_leverage(const TierTable *table, double notional) noexcept nogil


# Owns the memory of one table. Python: TierBox(tiers, *, valid_from=0) with tiers a sequence of venues.Tier;
# .rows gives them back, .valid_from the ns. Immutable: pointers into it are good as long as the box lives.
cdef class TierBox:
    cdef TierTable table
    cdef readonly tuple rows
