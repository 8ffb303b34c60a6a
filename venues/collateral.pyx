"""What a balance counts as margin where several assets back one pool: shares of its quantity, bracket by bracket.

Binance: one ratio an asset (venues/binance.md section 6); Bybit: brackets by quantity (venues/bybit.md section 5).
"""

from libc.math cimport INFINITY
from libc.stdint cimport int32_t

from venues.errors import VenueError


cdef double counted(const Haircut *haircut, double balance) noexcept nogil:
    cdef double sum = 0.0, end
    cdef int32_t row
    if balance <= 0.0:
        return balance           # the haircut is for what backs, not for what is owed
    for row in range(haircut.count):
        if balance <= haircut.floors[row]:
            break
        end = haircut.floors[row + 1] if row + 1 < haircut.count else INFINITY
        sum += (min(balance, end) - haircut.floors[row]) * haircut.ratios[row]
    return sum


cdef double leaving(const Haircut *haircut, double balance, double value, double below) noexcept nogil:
    cdef double left = balance, part
    cdef int32_t row = haircut.count - 1
    while row > 0 and left <= haircut.floors[row]:
        row -= 1
    if value <= 0.0:
        part = below if left <= 0.0 or row < 0 else haircut.ratios[row]
        return value / part if part > 0.0 else -INFINITY
    if row < 0:
        left = min(left, 0.0)        # what backs nothing is free to leave
    while row >= 0 and left > 0.0:
        part = (left - haircut.floors[row]) * haircut.ratios[row]
        if part >= value:
            return balance - left + value / haircut.ratios[row]
        value -= part
        left = haircut.floors[row]
        row -= 1
    return balance - left + value / below if below > 0.0 else 0.0


cdef Haircut haircut_of(object brackets) except *:
    """Return rows of (floor, ratio) as C keeps them."""
    cdef Haircut haircut
    cdef int32_t row
    rows = list(brackets)
    if not 1 <= len(rows) <= MAX_BRACKETS:
        raise VenueError(f"collateral needs 1 to {<int> MAX_BRACKETS} brackets, got {len(rows)}")
    haircut.count = len(rows)
    for row in range(haircut.count):
        floor, ratio = rows[row]
        if not (0.0 <= ratio <= 1.0 and (floor == 0.0 if row == 0 else floor > haircut.floors[row - 1])):
            raise VenueError(
                f"brackets of collateral must ascend from 0 with ratios in [0, 1], got {floor} and {ratio} (row {row})"
            )
        if row > 0 and ratio > haircut.ratios[row - 1]:
            raise VenueError(f"ratios of collateral must not grow, got {ratio} in row {row}")
        haircut.floors[row] = floor
        haircut.ratios[row] = ratio
    return haircut


def counted_amount(double amount, brackets):
    """Return what an amount counts as margin, in the same asset.

    Parameters
    ----------
    amount : float
        A negative one is a debt and counts in full.
    brackets : sequence of (floor, ratio)
        Ascending quantities from 0, shares in [0, 1] that do not grow.
    """
    cdef Haircut haircut = haircut_of(brackets)
    return counted(&haircut, amount)
