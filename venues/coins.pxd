"""Assets that back one pool together, at discounts of balance and profit: what they are worth, what they owe."""

from venues.collateral cimport Haircut
from venues.tiers cimport TierTable

cdef struct Coin:            # one asset of a pool; its equity is balance + profit of the positions that settle in it
    double balance           # quantity; below zero it is owed
    double borrowed          # quantity taken as a loan, >= 0; what is owed is at least that
    double price             # unit of the pool for one
    double profit            # quantity, at the marks of the last `gather` (margin.pxd)
    const Haircut *haircut
    const TierTable *loans   # tiers of what is owed, in quantity; NULL = a debt asks for no margin

cdef struct Piece:           # constant + slope x equity of a coin, in the unit of the pool
    double constant
    double slope

# Quantity that is owed at an equity.
cdef double owed_at(double borrowed, double equity) noexcept nogil
# Margin of what is owed, in quantity of the asset. Maintenance is marginal and continuous, the initial rate of a tier
# is that of the whole.
cdef double loan_maintenance(const TierTable *loans, double owed) noexcept nogil
cdef double loan_initial(const TierTable *loans, double owed) noexcept nogil

# threshold x what the equity counts as, less the maintenance of what is owed; unit of the pool.
cdef double surplus_of(const Coin *coin, double equity, double threshold, bint with_maintenance) noexcept nogil
# The same as a line, around an equity that is on none of its borders.
cdef Piece piece_of(const Coin *coin, double equity, double threshold, bint with_maintenance) noexcept nogil
# The equity nearest to one, above or below it, at which that line bends; infinite without one.
cdef double bend_after(const Coin *coin, double equity, bint above) noexcept nogil
# Bounds of the line's slope: of the coin's gains the least, of its losses the most, per unit of its price.
cdef double least_gain(const Coin *coin, double threshold) noexcept nogil
cdef double most_loss(const Coin *coin, double threshold) noexcept nogil
# Quantity that may be lost until the surplus (threshold 1, with maintenance) is smaller by a value (>= 0).
cdef double room_of(const Coin *coin, double equity, double value) noexcept nogil
