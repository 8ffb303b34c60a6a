"""One side of an order book on integer ticks: a dense window around the best level, the rest sorted beside it.

Setting a level is a store and two bits; the next best level is found by scanning at most 64 bits, 64 words and 16
groups. Levels further from the best than the window reaches lie in a sorted array, and the window follows the market.
"""

from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memmove, memset

cdef extern from *:
    """
    static int levdyn_top_bit(unsigned long long x) { return 63 - __builtin_clzll(x); }
    """
    int levdyn_top_bit(uint64_t x) noexcept nogil


cdef int no_memory() except -1 nogil:
    with gil:
        raise MemoryError("book: no memory for its levels")


cdef int ladder_open(Ladder *l) except -1 nogil:
    memset(l, 0, sizeof(Ladder))
    l.best = NO_KEY
    l.quantity = <int64_t *> calloc(WINDOW, sizeof(int64_t))
    l.bits = <uint64_t *> calloc(WORDS, sizeof(uint64_t))
    l.groups = <uint64_t *> calloc(GROUPS, sizeof(uint64_t))
    if l.quantity == NULL or l.bits == NULL or l.groups == NULL:
        return no_memory()
    return 0


cdef void ladder_close(Ladder *l) noexcept nogil:
    free(l.quantity)
    free(l.bits)
    free(l.groups)
    free(l.far)


cdef int32_t far_place(const Ladder *l, int64_t key) noexcept nogil:
    """Where a key stands, or would stand, among the far levels."""
    cdef int32_t low = 0, high = l.n_far, middle
    while low < high:
        middle = (low + high) // 2
        if l.far[middle].key < key:
            low = middle + 1
        else:
            high = middle
    return low


cdef int64_t ladder_far_quantity(const Ladder *l, int64_t key) noexcept nogil:
    cdef int32_t at = far_place(l, key)
    return l.far[at].quantity if at < l.n_far and l.far[at].key == key else 0


cdef int ladder_set_far(Ladder *l, int64_t key, int64_t quantity) except -1 nogil:
    cdef int32_t at = far_place(l, key)
    cdef FarLevel *grown
    if at < l.n_far and l.far[at].key == key:
        if quantity > 0:
            l.far[at].quantity = quantity
            return 0
        memmove(&l.far[at], &l.far[at + 1], (l.n_far - at - 1) * sizeof(FarLevel))
        l.n_far -= 1
        return 0
    if quantity <= 0:
        return 0
    if l.n_far == l.far_capacity:
        grown = <FarLevel *> realloc(l.far, (2 * l.far_capacity + 64) * sizeof(FarLevel))
        if grown == NULL:
            return no_memory()
        l.far = grown
        l.far_capacity = 2 * l.far_capacity + 64
    memmove(&l.far[at + 1], &l.far[at], (l.n_far - at) * sizeof(FarLevel))
    l.far[at].key = key
    l.far[at].quantity = quantity
    l.n_far += 1
    if key >= l.base + WINDOW:
        l.astray = True
    return 0


cdef int64_t window_below(const Ladder *l, int64_t place) noexcept nogil:
    cdef int64_t word = place >> 6, group
    cdef uint64_t left = l.bits[word] & ((<uint64_t> 1 << (place & 63)) - 1)
    if left != 0:
        return (word << 6) + levdyn_top_bit(left)
    group = word >> 6
    left = l.groups[group] & ((<uint64_t> 1 << (word & 63)) - 1)
    while left == 0:
        group -= 1
        if group < 0:
            return -1
        left = l.groups[group]
    word = (group << 6) + levdyn_top_bit(left)
    return (word << 6) + levdyn_top_bit(l.bits[word])


cdef int64_t ladder_below(const Ladder *l, int64_t key) noexcept nogil:
    cdef int64_t place = key - l.base
    cdef int32_t at
    if 0 <= place < WINDOW:
        place = window_below(l, place)
        if place >= 0:
            return l.base + place
        key = l.base
    at = far_place(l, key) - 1
    return l.far[at].key if at >= 0 else NO_KEY


cdef void ladder_clear(Ladder *l) noexcept nogil:
    cdef int64_t place
    if l.best != NO_KEY:
        place = l.best - l.base
        while place >= 0:
            l.quantity[place] = 0
            place = window_below(l, place)
        memset(l.bits, 0, WORDS * sizeof(uint64_t))
        memset(l.groups, 0, GROUPS * sizeof(uint64_t))
    l.best = NO_KEY
    l.n_far = 0
    l.astray = False


cdef int ladder_settle(Ladder *l) except -1 nogil:
    cdef int64_t place
    if l.n_far > 0 and (l.astray or l.best == NO_KEY):
        l.astray = False
        if l.best == NO_KEY or l.far[l.n_far - 1].key > l.best:
            return ladder_move(l, l.far[l.n_far - 1].key)
    l.astray = False
    if l.best != NO_KEY:
        place = l.best - l.base
        if place < WINDOW // 8 or place >= WINDOW - WINDOW // 8:
            return ladder_move(l, l.best)
    return 0


cdef int ladder_move(Ladder *l, int64_t centre) except -1 nogil:
    """Lay the window around a key; every level goes to where it belongs now."""
    cdef FarLevel *kept
    cdef int64_t place, key
    cdef int32_t n = l.n_far, i
    place = l.best - l.base if l.best != NO_KEY else -1
    while place >= 0:
        n += 1
        place = window_below(l, place)
    kept = <FarLevel *> malloc((n + 1) * sizeof(FarLevel))
    if kept == NULL:
        return no_memory()
    for i in range(l.n_far):
        kept[i] = l.far[i]
    n = l.n_far
    key = l.best
    while key != NO_KEY and key >= l.base:
        kept[n].key = key
        kept[n].quantity = l.quantity[key - l.base]
        n += 1
        place = window_below(l, key - l.base)
        key = l.base + place if place >= 0 else NO_KEY
    ladder_clear(l)
    l.base = centre - WINDOW // 2
    for i in range(n):
        ladder_set(l, kept[i].key, kept[i].quantity)
    l.astray = False
    free(kept)
    return 0
