"""One side of an order book on integer ticks: a dense window around the best level, the rest sorted beside it."""

from libc.stdint cimport int32_t, int64_t, uint64_t

cdef extern from "stdint.h":
    const int64_t NO_KEY "INT64_MIN"     # no level

cdef enum:
    WINDOW = 65536           # keys that lie in the window
    WORDS = 1024             # of 64 keys each
    GROUPS = 16              # of 64 words each

cdef struct FarLevel:
    int64_t key
    int64_t quantity

# A key is the price in ticks on the bid side, and its negative on the ask side: better is always larger.
cdef struct Ladder:
    int64_t best             # key of the best level, NO_KEY = none; true between messages
    int64_t base             # key of the window's first place
    int64_t *quantity        # by place; 0 = no level
    uint64_t *bits           # which places have a level
    uint64_t *groups         # which words have one
    FarLevel *far            # levels outside the window, ascending by key
    int32_t n_far
    int32_t far_capacity
    bint astray              # a level is better than the window reaches, or the window has none

cdef int ladder_open(Ladder *l) except -1 nogil
cdef void ladder_close(Ladder *l) noexcept nogil
cdef int ladder_set_far(Ladder *l, int64_t key, int64_t quantity) except -1 nogil
cdef int64_t ladder_below(const Ladder *l, int64_t key) noexcept nogil      # next worse level, NO_KEY = none
cdef int64_t ladder_far_quantity(const Ladder *l, int64_t key) noexcept nogil
cdef int64_t window_below(const Ladder *l, int64_t place) noexcept nogil    # place of the next level below, -1 = none
cdef void ladder_clear(Ladder *l) noexcept nogil
cdef int ladder_settle(Ladder *l) except -1 nogil                           # after a message: move the window if needed
cdef int ladder_move(Ladder *l, int64_t centre) except -1 nogil

cdef inline int64_t ladder_quantity(const Ladder *l, int64_t key) noexcept nogil:
    cdef int64_t place = key - l.base
    if 0 <= place < WINDOW:
        return l.quantity[place]
    return ladder_far_quantity(l, key)

cdef inline int ladder_set(Ladder *l, int64_t key, int64_t quantity) except -1 nogil:
    """Set the quantity of a level; 0 takes it out."""
    cdef int64_t place = key - l.base, word
    cdef uint64_t bit
    if place < 0 or place >= WINDOW:
        return ladder_set_far(l, key, quantity)
    word = place >> 6
    bit = <uint64_t> 1 << (place & 63)
    l.quantity[place] = quantity
    if quantity > 0:
        l.bits[word] |= bit
        l.groups[word >> 6] |= <uint64_t> 1 << (word & 63)
        if key > l.best:
            l.best = key
        return 0
    l.bits[word] &= ~bit
    if l.bits[word] == 0:
        l.groups[word >> 6] &= ~(<uint64_t> 1 << (word & 63))
    if key == l.best:
        place = window_below(l, place)
        l.best = l.base + place if place >= 0 else NO_KEY
    return 0
