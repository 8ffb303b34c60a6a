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

cdef const Tier *tier_at(const TierTable *table, double notional) noexcept nogil
cdef double maintenance(const TierTable *table, double notional) noexcept nogil
cdef double max_leverage(const TierTable *table, double notional) noexcept nogil
