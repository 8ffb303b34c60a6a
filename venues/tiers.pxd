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

cdef const Tier *tier_at(const TierTable *table, double notional) noexcept nogil  # the last row with floor <= notional
cdef double maintenance(const TierTable *table, double notional) noexcept nogil   # notional >= 0; a NULL table asks nothing
cdef double max_leverage(const TierTable *table, double notional) noexcept nogil  # infinite with a NULL table

# Owns the memory of one table. Python: TierBox(tiers, *, valid_from=0) with tiers a sequence of venues.Tier;
# .rows gives them back, .valid_from the ns. Immutable: pointers into it are good as long as the box lives.
cdef class TierBox:
    cdef TierTable table
    cdef readonly tuple rows
