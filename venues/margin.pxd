"""Margin of a pool of positions: equity, requirement, liquidation and bankruptcy prices. Pure functions on structs."""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t
from venues.coins cimport Coin
from venues.contract cimport Contract

cdef struct Leg:             # one position as margin sees it; floats, because risk decides on floats (design.md law 2)
    const Contract *contract
    int8_t side              # 0 one-way, +1 long leg, -1 short leg (hedge mode)
    double quantity          # signed: coins or contracts
    double entry_value       # settle asset, signed like quantity: q x size x entry (linear), q x size / entry (inverse)
    double mark              # the price that margin uses
    double at_index          # index / mark where margins are valued at the index; always set it, 1 = at the mark
    double leverage          # margin leverage set, >= 1
    double close_fee         # rate that margins reserve for closing: always set it, 0 = none
    double conversion        # settle asset -> unit of the pool: always set it, 1 in a pool of one asset
    int32_t coin             # row of the settle asset in the pool's coins, where it has any
    double bids              # open buy orders that may increase: notional at their prices, settle asset
    double asks              # the same for sells
    double open_loss         # loss that open orders would start with, settle asset

# What shares one equity: an isolated leg, the cross legs of a settle asset, or all assets (multi-assets).
cdef struct Pool:
    uint8_t isolated         # its one leg has this wallet for itself
    double wallet            # balance, with collateral haircuts where these are of balances alone; 0 with coins
    double debt_initial      # margin that debts ask for, unit of the pool; that of coins is their own
    double debt_maintenance
    int32_t count
    Leg *legs
    int32_t coin_count       # assets whose haircut is of balance and profit together; 0 = profit counts as it is
    Coin *coins

cdef struct Risk:
    double equity            # wallet + unrealised profit
    double initial           # initial margin of positions
    double orders            # initial margin of open orders, open loss included
    double maintenance
    double unrealized
    double notional          # sum of abs(notional)
    double signed_notional
    double close_fees        # fees of closing everything at the mark that margins reserve
    double signed_close_fees     # the same, negative where the notional grows while the leg loses

# Bands around the marks of the last risk(): as long as every leg's price stays within its [low, high], with
#   spent = sum over legs of (price < mark ? slope_down x (mark - price) : slope_up x (price - mark)) < slack,
# maintenance < threshold x equity for certain. Slopes are signed: a negative one is a gain that is certain.
# A pool of one contract has slopes of 0 and its exact band. One entry per leg; a price moves every leg of its contract.
# A change of balance or collateral by x uses up threshold x (-x) of the slack; of anything else: call risk() again.
cdef struct Band:
    double low               # leaving [low, high] calls risk() again
    double high
    double slope_down        # pool unit lost (against the threshold) per unit of price fall, bound over the band
    double slope_up          # the same per unit of price rise

# Sums the profit of the legs, at their marks, in the coins that they settle in.
cdef void gather(const Pool *pool) noexcept nogil
# Share of its own notional that every leg may lose until the equity, after the fees of closing there, is zero; < 0 = it
# would have to gain.
cdef double joint_share(const Pool *pool, const Risk *risk) noexcept nogil

# Of one leg, settle asset; notional and maintenance are >= 0.
cdef double leg_unrealized(const Leg *leg) noexcept nogil
cdef double leg_notional(const Leg *leg) noexcept nogil
cdef double leg_maintenance(const Pool *pool, const Leg *leg) noexcept nogil
# Margin of its open orders beyond the position's own initial margin; open loss not included.
cdef double order_margin(const Leg *leg) noexcept nogil

# Tiered, marginal maintenance (Binance form); floating initial margin abs(notional at mark)/leverage; order margin by
# netting.
cdef void standard_risk(const Pool *pool, Risk *out) noexcept nogil
# How much may be lost before maintenance >= threshold x equity, and the bands; 0 or less: call risk() at every change.
# `risk` is that of the pool as it stands; `bands` has pool.count entries.
cdef double standard_slack(const Pool *pool, const Risk *risk, double threshold, Band *bands) noexcept nogil

# Mark at which equity equals maintenance, the root nearest to the present mark; 0 = none. All legs of that contract
# move together (the two legs of hedge mode share one price), all other marks are held.
cdef double liquidation_price(const Pool *pool, int32_t leg) noexcept nogil
# Smallest |mark - liquidation price| / mark of all legs, infinite without one; `after` has room for two numbers a leg.
cdef double nearest_liquidation(const Pool *pool, double *after) noexcept nogil
# The same for equity = 0, after the fee to close there where margins reserve it; 0 = none.
cdef double bankruptcy_price(const Pool *pool, int32_t leg) noexcept nogil
# Price of a leg that has lost a share of its notional; 0 = none.
cdef double price_at_share(const Leg *leg, double share) noexcept nogil
# Price of a leg when every leg has moved against the pool by the same share of its notional and equity is 0; 0 = none.
cdef double joint_bankruptcy_price(const Pool *pool, const Risk *risk, int32_t leg) noexcept nogil
