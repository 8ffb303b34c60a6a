"""Closing by force in slices: how much in a block, at which limit, and what of it the insurance fund takes or pays.

dYdX v4 (venues/dydx_v4.md, liquidation).
"""

from libc.math cimport fabs, floor
from libc.stdint cimport int32_t

from venues.leg_margin cimport margin_required
from venues.margin cimport Leg, Pool, Risk


cdef double slice_notional(
    double notional, double least, double share, double most_closed, double closed
) noexcept nogil:
    # min(max(min(least, notional), share x notional), what the block leaves)
    return max(0.0, min(max(min(least, notional), share * notional), most_closed - closed))


cdef double fillable_price(
    const Pool *pool, const Risk *risk, int32_t leg, double adjustment, double spread
) noexcept nogil:
    # (PNNV - clamp(BA x (1 - NC / MMR), 0, 1) x SMMR x PMMR) / size, of the whole position
    cdef const Leg *one = &pool.legs[leg]
    cdef double rating, size = one.quantity * one.contract.multiplier
    if one.quantity == 0.0 or risk.maintenance <= 0.0:
        return 0.0
    rating = min(max(adjustment * (1.0 - risk.equity / risk.maintenance), 0.0), 1.0)
    return one.mark - rating * spread * margin_required(pool, one) / size


cdef double bankruptcy_value(const Pool *pool, const Risk *risk, int32_t leg, double quantity) noexcept nogil:
    # -DNNV - NC x abs(DMMR) / MMR
    cdef Leg rest = pool.legs[leg]
    cdef double sign = 1.0 if rest.quantity > 0.0 else -1.0
    cdef double before = margin_required(pool, &rest)
    rest.quantity -= sign * quantity
    if risk.maintenance <= 0.0:
        return 0.0
    return sign * quantity * rest.contract.multiplier * rest.mark - (
        risk.equity * (before - margin_required(pool, &rest)) / risk.maintenance)


cdef double insurance_delta(double value, double bankruptcy, double cap, double unit) noexcept nogil:
    # A surplus within the rounding of floats below a unit is on it. Its rounding is in favour of the account.
    cdef double grain = 1e-9 + 4e-16 * fabs(value) * unit
    cdef double surplus = floor((value - bankruptcy) * unit + grain)
    if surplus > 0.0:
        surplus = min(surplus, floor(cap * fabs(value) * unit + grain))
    return surplus / unit


def slice_of(double notional, *, double least, double share, double most_closed, double closed=0.0):
    """Return the notional of a position that a block closes.

    Parameters
    ----------
    notional : float
        Of the position at the mark, quote currency.
    least, share, most_closed : float
        `min_notional`, `max_portion` and `block_notional` of `venues.facts.SliceRules`.
    closed : float
        Of the account in this block so far.
    """
    return slice_notional(notional, least, share, most_closed, closed)


def fund_delta(double value, *, double bankruptcy, double cap, int decimals=6):
    """Return what a forced close pays to the insurance fund; negative: what the fund pays.

    Parameters
    ----------
    value, bankruptcy : float
        Cash of the close and of one at the bankruptcy price: received > 0 (a long is sold), paid < 0.
    cap : float
        Most of abs(value) that is paid.
    decimals : int
        Of the venue's money.
    """
    return insurance_delta(value, bankruptcy, cap, 10.0 ** decimals)
