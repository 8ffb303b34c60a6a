"""What a balance counts as margin where several assets back one pool: shares of its quantity, bracket by bracket."""

from libc.stdint cimport int32_t

cdef enum:
    MAX_BRACKETS = 16

cdef struct Haircut:             # of one asset; no bracket = it counts nothing
    int32_t count
    double floors[MAX_BRACKETS]  # ascending from 0, quantity of the asset
    double ratios[MAX_BRACKETS]  # share of what lies above the floor that counts

cdef Haircut haircut_of(object brackets) except *
# Quantity that a balance counts as; a debt counts in full.
cdef double counted(const Haircut *haircut, double balance) noexcept nogil
# Quantity that may leave a balance (< 0: must come) so that it counts `value` less; below zero at the ratio `below`.
cdef double leaving(const Haircut *haircut, double balance, double value, double below) noexcept nogil
