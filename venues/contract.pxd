"""A contract as the engine sees it: what one unit is worth, its limits, its fees, its rounding rules as of a date."""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t
from venues.tiers cimport TierTable
from venues.units cimport Rounding

cdef enum ContractKind:
    SPOT = 0
    LINEAR = 1       # profit = quantity x size x (exit - entry), in the quote asset
    INVERSE = 2      # profit = contracts x size x (1/entry - 1/exit), in the base asset
    QUANTO = 3
    OPTION = 4

cdef enum EntryRule:
    EXACT_VALUE = 0      # profit from the exact entry value
    AVERAGE_PRICE = 1    # profit from an average entry price, rounded half-up after each add (entry_scale decimals)

cdef struct Contract:
    int32_t index            # row in the run's table of instruments
    int32_t base             # row in the run's table of assets
    int32_t quote
    int32_t settle
    uint8_t kind             # ContractKind
    uint8_t entry_rule       # EntryRule
    uint8_t entry_scale      # decimals of the venue's average entry price
    uint8_t profit_rounding  # Rounding of realised profit, in atoms of the settle asset
    uint8_t fee_rounding
    uint8_t funding_rounding
    uint8_t settle_scale     # decimals of one atom of the settle asset
    int32_t price_scale      # prices are mantissas: price = units x 10^-price_scale
    int32_t quantity_scale
    int32_t size_scale
    int64_t size             # contract size, mantissa of size_scale decimals (1 for coin-sized contracts)
    int64_t tick             # in price units; 0 = none
    int64_t lot              # in quantity units; 0 = none
    int64_t market_lot
    int64_t minimum_quantity
    int64_t maximum_quantity         # of one limit order; 0 = none
    int64_t maximum_market_quantity  # of one market order; 0 = none
    double minimum_notional  # quote currency; 0 = none
    double band_up           # highest buy limit as a multiple of mark; 0 = none
    double band_down         # lowest sell limit as a multiple of mark; 0 = none
    int64_t maker_fee        # rate in 1e-10; negative = rebate
    int64_t taker_fee
    int64_t clearance_fee    # rate in 1e-10, on notional closed by force
    double price_unit        # 10^-price_scale
    double quantity_unit     # 10^-quantity_scale
    double multiplier        # contract size
    int64_t expiry           # ns; 0 = perpetual
    const TierTable *tiers   # owned by the rule book; swapped on its date; NULL = none

cdef double notional(const Contract *c, double quantity, double price) noexcept nogil
# abs(quantity) x size x price (linear, spot) or abs(quantity) x size / price (inverse); settle asset
