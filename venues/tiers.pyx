"""Risk tiers by notional: rates, maintenance amounts, maximum leverage."""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport INFINITY
from libc.stdint cimport int32_t

from venues.instrument import complete_tiers


cdef const Tier *tier_at(const TierTable *table, double notional) noexcept nogil:
    cdef int32_t low = 0
    cdef int32_t high = table.count
    cdef int32_t middle
    while high - low > 1:
        middle = (low + high) // 2
        # brackets read floor < notional <= cap (Binance 86cf9aa4, OKX)
        if table.rows[middle].floor < notional:
            low = middle
        else:
            high = middle
    return &table.rows[low]


cdef double maintenance(const TierTable *table, double notional) noexcept nogil:
    cdef const Tier *tier
    if table == NULL or notional <= 0.0:
        return 0.0
    tier = tier_at(table, notional)
    # MM = notional x rate - amount, in the bracket of the notional at mark (Binance FAQ b3c689c1)
    return notional * tier.maintenance_rate - tier.amount


cdef double max_leverage(const TierTable *table, double notional) noexcept nogil:
    if table == NULL:
        return INFINITY
    return tier_at(table, notional).max_leverage


cdef class TierBox:
    """One table of risk tiers in C memory.

    Parameters
    ----------
    tiers : sequence of venues.Tier
        Ascending from floor 0; amounts of None are completed so that maintenance is continuous.
    valid_from : int, optional
        ns; the table is in force from here until the next one.

    Raises
    ------
    VenueError
        If the rows are no table (see `venues.instrument.complete_tiers`).
    """

    def __cinit__(self, tiers, *, valid_from=0):
        cdef int32_t index
        self.rows = complete_tiers(tiers)
        self.table.valid_from = valid_from
        self.table.count = len(self.rows)
        self.table.rows = <Tier *> PyMem_Malloc(self.table.count * sizeof(Tier))
        if self.table.rows == NULL:
            raise MemoryError()
        self.table.size_rate = self.rows[0].size_rate
        for index in range(self.table.count):
            row = self.rows[index]
            self.table.rows[index].floor = row.floor
            self.table.rows[index].maintenance_rate = row.maintenance_rate
            self.table.rows[index].amount = row.amount
            self.table.rows[index].max_leverage = row.max_leverage

    def __dealloc__(self):
        PyMem_Free(self.table.rows)

    @property
    def valid_from(self):
        """First ns at which the table is in force."""
        return self.table.valid_from

    def maintenance(self, notional):
        """Return the maintenance margin of an absolute notional, both in the settle asset."""
        return maintenance(&self.table, notional)

    def max_leverage(self, notional):
        """Return the largest margin leverage allowed for an absolute notional."""
        return max_leverage(&self.table, notional)

    def tier(self, notional):
        """Return the row (`venues.Tier`) that holds an absolute notional."""
        return self.rows[<int32_t> (tier_at(&self.table, notional) - self.table.rows)]
