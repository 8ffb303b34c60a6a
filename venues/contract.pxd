"""A contract as the engine sees it: what one unit is worth, its limits, its fees, its rounding rules as of a date."""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t
from venues.tiers cimport TierBox, TierTable
from venues.units cimport Rounding

cdef enum ContractKind:
    SPOT = 0
    LINEAR = 1       # profit = quantity x size x (exit - entry), in the quote asset
    INVERSE = 2      # profit = contracts x size x (1/entry - 1/exit), in the base asset
    QUANTO = 3       # linear in another asset: profit = contracts x size x (exit - entry), in the settle asset
    OPTION = 4

cdef enum EntryRule:
    EXACT_VALUE = 0      # profit from the exact entry value
    AVERAGE_PRICE = 1    # profit from an average entry price, rounded half-up after each add (entry_scale decimals)
    AVERAGE_DIGITS = 2   # the same, but at most entry_scale significant digits too, and profit at so many digits

cdef enum IsolatedRule:
    AT_MARK = 0          # margins of an isolated leg are valued at the mark
    AT_ENTRY = 1         # at the entry value, whatever the mark
    AT_PRICE = 2         # initial margin at the entry value, maintenance at the mark, fee to close fixed
    INITIAL_AT_ENTRY = 3     # initial margin at the entry value, everything else at the mark

cdef enum InitialRule:
    OF_LEVERAGE = 0      # initial rate = 1 / leverage set
    OF_TIER = 1          # what the tier of the whole position asks
    OF_LARGER = 2        # the larger of both

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
    double maximum_notional  # of one limit order, quote currency; 0 = none
    double maximum_market_notional   # of one market order; 0 = none
    double band_up           # highest buy limit as a multiple of mark; 0 = none
    double band_down         # lowest sell limit as a multiple of mark; 0 = none
    int64_t maker_fee        # rate in 1e-10; negative = rebate
    int64_t taker_fee
    int64_t clearance_fee    # rate in 1e-10, on notional closed by force
    int64_t delivery_fee     # rate in 1e-10, on notional settled at expiry
    double price_unit        # 10^-price_scale
    double quantity_unit     # 10^-quantity_scale
    double multiplier        # contract size
    int64_t expiry           # ns; 0 = perpetual
    uint8_t isolated_rule    # IsolatedRule
    uint8_t reserves_fee     # margins reserve the account's taker fee for closing
    uint8_t order_loss_in_equity     # of a cross pool
    uint8_t funding_from_available   # an isolated leg's funding: the cross wallet first
    uint8_t margin_at_index  # margins are valued at the index, not at the mark
    uint8_t cross_at_entry   # margins of a cross leg too are at the entry value, whatever the mark
    uint8_t initial_rule     # InitialRule
    uint8_t close_fee_is_wide        # that fee to close is that of value and initial margin together
    uint8_t funding_accrues  # by the part of an interval that a position was held
    uint8_t order_loss_is_free       # the loss that an order would start with is not reserved
    uint8_t close_fee_at_mark        # that fee is the one at the mark, inside maintenance only
    uint8_t tiers_by_quantity        # floors of tiers are quantities; a tier's rate is of the whole position
    uint8_t funding_is_capped        # what a cross pool pays leaves it above its maintenance
    uint8_t funding_at_index         # funding is paid on the index, not on the mark
    uint8_t whole_leverage           # only whole numbers may be set
    uint8_t money_scale      # decimals at which fees and funding are rounded, at most settle_scale
    int8_t funding_scale     # decimals to which funding of one unit of quantity is cut toward zero; -1 = it is not
    uint8_t is_alone         # an account that holds it holds nothing else
    double transfer_share    # of the notional that must stay as equity when money leaves; 0 = no such rule
    double interest_lower    # open interest (quote) from which the initial rate rises ...
    double interest_upper    # ... to 1 here; 0 = it does not
    double open_interest     # quantity, of the latest row in the data
    const TierTable *tiers   # owned by the rule book; swapped on its date; NULL = none

# The rate that margins reserve for closing, of an account's taker fee in 1e-10; 0 = none.
cdef inline double reserved_fee(const Contract *c, int64_t taker) noexcept nogil:
    return taker * 1e-10 if c.reserves_fee else 0.0

# abs(quantity) x size x price (linear, spot) or abs(quantity) x size / price (inverse); settle asset
cdef double notional(const Contract *c, double quantity, double price) noexcept nogil
# the same in quote currency, in which minimum notionals are given: abs(quantity) x size of an inverse contract
cdef double quote_notional(const Contract *c, double quantity, double price) noexcept nogil


# Owns the memory of one Contract. Python:
#   ContractBox(instrument, *, index, assets, price_scale, quantity_scale, settle_scale=8, rounding=None, fees=None,
#               clearance_fee=None, tiers=None, margin=None, delivery_fee=0, funding_accrues=False)
#     instrument: venues.Instrument; assets: {asset: row in the run's table of assets}, holds base, quote and settle;
#     price_scale, quantity_scale: decimals of the run's mantissas (tick and lot must fit into them, else VenueError);
#     rounding: venues.instrument.RoundingRules (None = exact entry value, everything toward zero);
#     fees: (maker, taker) as rates, None = the instrument's own, which must then be given;
#     clearance_fee: rate, None = the instrument's own, 0 without one;
#     margin: venues.instrument.MarginRules (None = no fee to close, everything at the mark);
#     tiers: TierBox, sequence of venues.Tier, or None = the instrument's own.
#   Option contracts are refused: their arithmetic is not built.
cdef class ContractBox:
    cdef Contract *contract              # never NULL; the address stays the same as long as the box lives
    cdef Contract value
    cdef readonly object instrument      # venues.Instrument in force
    cdef readonly TierBox tiers          # None = no table (contract.tiers is NULL); keeps the table alive
    cdef int _limits(self, object instrument) except -1
    # of a date; upper 0 = the initial rate does not follow open interest
    cpdef int set_interest_caps(self, double lower, double upper) except -1
    # contract.tiers = the new table
    cpdef int swap_tiers(self, TierBox tiers) except -1
    # rates: 0.0002, "0.0002", Decimal; at most 10 decimals
    cpdef int set_fees(self, object maker, object taker) except -1
    cpdef int set_clearance_fee(self, object rate) except -1
    # RoundingRules, on its date
    cpdef int set_rounding(self, object rounding) except -1
    # largest notional of one market and one limit order, quote currency; 0 = none
    cpdef int set_value_limits(self, double market, double limit) except -1
    # MarginRules, on its date
    cpdef int set_margin(self, object margin) except -1
    # new tick, lot and limits; symbol, kind, contract size and expiry must stay
    cpdef int swap_instrument(self, object instrument) except -1
