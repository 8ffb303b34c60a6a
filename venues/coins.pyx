"""Assets that back one pool together, at discounts of balance and profit: what they are worth, what they owe.

OKX, multi-currency margin (venues/okx.md section 4): the equity of a coin is its balance and the profit of the
positions that settle in it; the account counts it at the discount of its tiers, a debt in full; what is owed asks for
margin by tiers of its own. As a function of a coin's equity all of it is a concave line with bends: at the floors of
the discount tiers, at zero, and at the floors of the tiers of debts.
"""

from libc.math cimport INFINITY
from libc.stdint cimport int32_t

from venues.collateral cimport counted
from venues.tiers cimport maintenance, max_leverage, tier_at


cdef double owed_at(double borrowed, double equity) noexcept nogil:
    return max(borrowed, -equity) if equity < 0.0 else borrowed


cdef double loan_maintenance(const TierTable *loans, double owed) noexcept nogil:
    return maintenance(loans, owed)


cdef double loan_initial(const TierTable *loans, double owed) noexcept nogil:
    return owed / max_leverage(loans, owed) if owed > 0.0 else 0.0


cdef double surplus_of(const Coin *coin, double equity, double threshold, bint with_maintenance) noexcept nogil:
    cdef double value = threshold * counted(coin.haircut, equity)
    if with_maintenance:
        value -= loan_maintenance(coin.loans, owed_at(coin.borrowed, equity))
    return 0.0 if value == 0.0 else value * coin.price     # an asset that is not held needs no price


cdef Piece piece_of(const Coin *coin, double equity, double threshold, bint with_maintenance) noexcept nogil:
    cdef Piece piece
    cdef int32_t row
    piece.slope = threshold
    if equity > 0.0:
        piece.slope = 0.0
        for row in range(coin.haircut.count):
            if equity <= coin.haircut.floors[row]:
                break
            piece.slope = threshold * coin.haircut.ratios[row]
    if with_maintenance and coin.loans != NULL and -equity > coin.borrowed:
        piece.slope += tier_at(coin.loans, -equity).maintenance_rate
    piece.slope *= coin.price
    piece.constant = surplus_of(coin, equity, threshold, with_maintenance) - piece.slope * equity
    return piece


cdef double bend_after(const Coin *coin, double equity, bint above) noexcept nogil:
    cdef double nearest = INFINITY if above else -INFINITY
    cdef double at
    cdef int32_t row
    for row in range(coin.haircut.count):
        nearest = _nearer(nearest, coin.haircut.floors[row], equity, above)
    nearest = _nearer(nearest, 0.0, equity, above)
    nearest = _nearer(nearest, -coin.borrowed, equity, above)
    if coin.loans != NULL:
        for row in range(1, coin.loans.count):
            at = coin.loans.rows[row].floor
            if at > coin.borrowed:
                nearest = _nearer(nearest, -at, equity, above)
    return nearest


cdef double _nearer(double nearest, double at, double equity, bint above) noexcept nogil:
    if above:
        return at if equity < at < nearest else nearest
    return at if nearest < at < equity else nearest


cdef double least_gain(const Coin *coin, double threshold) noexcept nogil:
    # the surplus is concave in the equity: its slope is smallest where the equity is largest
    if coin.haircut.count == 0:
        return 0.0
    return threshold * coin.haircut.ratios[coin.haircut.count - 1]


cdef double most_loss(const Coin *coin, double threshold) noexcept nogil:
    if coin.loans == NULL:
        return threshold
    return threshold + coin.loans.rows[coin.loans.count - 1].maintenance_rate


cdef double room_of(const Coin *coin, double equity, double value) noexcept nogil:
    cdef double end, drop, at = equity
    cdef Piece piece
    if not coin.price > 0.0:
        return 0.0
    while True:
        end = bend_after(coin, at, False)
        piece = piece_of(coin, at - 1.0 if end == -INFINITY else 0.5 * (at + end), 1.0, True)
        drop = piece.slope * (at - end) if piece.slope > 0.0 else 0.0
        if piece.slope > 0.0 and drop >= value:
            return equity - at + value / piece.slope
        value -= drop
        at = end
