"""What all accounts of a run look at: contracts, prices, collateral. Two of them exist, one for each clock."""

from libc.stdint cimport int32_t, int64_t
from venues.contract cimport Contract

cdef enum PriceSource:
    LAST_PRICE = 0
    MARK_PRICE = 1
    INDEX_PRICE = 2

cdef struct Prices:          # of one instrument; units of its price scale, 0 = none yet
    int64_t last
    int64_t mark
    int64_t index
    int64_t last_ts
    int64_t mark_ts
    int64_t index_ts
    double mark_value        # the same as floats; the last price comes too often for a division each time
    double index_value

cdef class World:
    cdef readonly int32_t n_instruments
    cdef readonly int32_t n_assets
    cdef const Contract **contracts      # borrowed from the boxes
    cdef Prices *prices
    cdef double *divisors                # 10^price_scale of each instrument
    cdef double *quantity_divisors
    cdef double *asset_prices            # reporting asset per unit; nan = unknown
    cdef double *asset_usd               # US dollar per unit, for collateral in multi-assets mode
    cdef int32_t *asset_scales
    cdef double *atoms                   # 10^asset_scale
    cdef bint attention                  # an account needs the exchange: margin band left, liquidation, position closed
    cdef bint brackets_due               # something has happened to an order of a bracket
    cdef bint moved_marks                # own orders have moved a mark that follows them
    cdef readonly list boxes

    cdef inline void set_last(self, int32_t instrument, int64_t units, int64_t ts) noexcept nogil:
        self.prices[instrument].last = units
        self.prices[instrument].last_ts = ts

    cdef void set_price(self, int32_t instrument, PriceSource source, int64_t units, int64_t ts) noexcept nogil
    # of a contract; both clocks share it, as they share the dated rules
    cdef void set_open_interest(self, int32_t instrument, double quantity) noexcept nogil
    cdef double price_value(self, int32_t instrument, int64_t units) noexcept nogil
    cdef double quantity_value(self, int32_t instrument, int64_t units) noexcept nogil
    cdef double amount_value(self, int32_t asset, int64_t atoms) noexcept nogil
