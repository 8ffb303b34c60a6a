"""Margin of a pool of positions: equity, requirement, prices of liquidation and bankruptcy. Pure functions over structs."""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t
from venues.contract cimport Contract

cdef struct Leg:             # one position as margin sees it; floats, because risk decides on floats (design.md law 2)
    const Contract *contract
    int8_t side              # 0 one-way, +1 long leg, -1 short leg (hedge mode)
    double quantity          # signed: coins or contracts
    double entry_value       # settle asset, signed like quantity: q x size x entry (linear), q x size / entry (inverse)
    double mark              # the price that margin uses
    double leverage          # margin leverage set, >= 1
    double bids              # open buy orders that may increase: notional at their prices, settle asset
    double asks              # the same for sells
    double open_loss         # loss that open orders would start with, settle asset

cdef struct Pool:            # what shares one equity: an isolated leg, a settle asset in cross, or all assets (multi-assets)
    double wallet            # balance, with collateral haircuts where the venue has them
    int32_t count
    Leg *legs

cdef struct Risk:
    double equity            # wallet + unrealised profit
    double initial           # initial margin of positions
    double orders            # initial margin of open orders, open loss included
    double maintenance
    double unrealized
    double notional          # sum of abs(notional)
    double signed_notional

# A band around the prices of the last risk(): inside it no threshold can be met. One entry per leg of the pool.
cdef struct Band:
    double low               # leaving [low, high] calls risk() again
    double high
    double slope_down        # settle asset lost (against the threshold) per unit of price fall, bound over the band
    double slope_up          # the same per unit of price rise

cdef double leg_unrealized(const Leg *leg) noexcept nogil
cdef double leg_notional(const Leg *leg) noexcept nogil
cdef double leg_maintenance(const Leg *leg) noexcept nogil
cdef void standard_risk(const Pool *pool, Risk *out) noexcept nogil
# Tiered, marginal maintenance (Binance form); floating initial margin abs(notional at mark)/leverage; order margin by netting.
cdef double standard_slack(const Pool *pool, const Risk *risk, double threshold, Band *bands) noexcept nogil
# How much may be lost before maintenance >= threshold x equity, and the bands; 0 or less: call risk() at every change.
cdef double liquidation_price(const Pool *pool, int32_t leg) noexcept nogil      # 0 = none
cdef double bankruptcy_price(const Pool *pool, int32_t leg) noexcept nogil       # 0 = none
