"""The book of one instrument as a feed tells it: levels, sequence, validity, what own orders have eaten."""

from libc.stdint cimport int8_t, int32_t, int64_t
from venues.ladder cimport NO_KEY, Ladder, ladder_below, ladder_quantity

cdef enum BookCondition:
    UNKNOWN_BOOK = 0         # no snapshot yet, or none since a break
    VALID_BOOK = 1
    CROSSED_BOOK = 2         # bid at or above ask, for less than the time that is borne

cdef struct Eaten:           # taken by own orders out of a level that the feed has not changed since
    int64_t key
    int64_t quantity         # units
    int64_t stated           # of the level by the feed
    int8_t side

cdef struct LevelRow:        # of the present message
    int64_t key
    int64_t quantity
    int8_t side

cdef class Book:
    cdef Ladder bids
    cdef Ladder asks
    cdef readonly int64_t tick           # price units between two keys
    cdef readonly int condition          # BookCondition
    cdef readonly int64_t time           # ns of the last message
    cdef readonly int64_t crossed_since  # ns; 0 = is not crossed
    cdef readonly int64_t sequence       # of the last update, -1 = none
    cdef int64_t snapshot_sequence
    cdef bint was_snapshot
    cdef bint applies                    # rows of the present message
    cdef int64_t known_bid               # keys of the worst levels of the last snapshot: worse than that, no level
    cdef int64_t known_ask               # does not mean no quantity
    cdef Eaten *eaten
    cdef int32_t n_eaten
    cdef int32_t eaten_capacity
    cdef bint notes_rows                 # keep the rows of the present message
    cdef LevelRow *rows
    cdef int32_t n_rows
    cdef int32_t rows_room
    cdef readonly int64_t messages
    cdef readonly int64_t breaks
    cdef readonly int64_t crossings
    cdef readonly int64_t longest_crossing        # ns
    cdef readonly int64_t invalidations           # by a crossing that lasted

    # A message is begun, its rows are put, and it is ended; 1 = its rows count
    cdef int begin(self, int64_t time, int64_t sequence, int64_t previous, bint is_snapshot) except -1 nogil
    cdef int put(self, int8_t side, int64_t price, int64_t quantity) except -1 nogil
    cdef int note_row(self, int8_t side, int64_t key, int64_t quantity) except -1 nogil
    cdef int end(self, int64_t time) except -1 nogil
    cdef int quote(self, int64_t time, int64_t bid, int64_t bid_quantity, int64_t ask,
                   int64_t ask_quantity) except -1 nogil
    cdef int retick(self, int64_t price) except -1 nogil
    cdef void restate(self, int8_t side, int64_t key, int64_t quantity) noexcept nogil
    cdef int eat(self, int8_t side, int64_t key, int64_t quantity) except -1 nogil
    # Quantity of the feed at a price less what own orders have eaten
    cdef int64_t available(self, int8_t side, int64_t key) noexcept nogil
    # Quantity of the feed at a price; -1 = beyond what is known
    cdef int64_t level(self, int8_t side, int64_t price) noexcept nogil
    cdef int64_t first(self, int8_t side) noexcept nogil         # best key with something available, NO_KEY = none
    cdef int64_t following(self, int8_t side, int64_t key) noexcept nogil     # next worse key with something available

    cdef inline bint is_usable(self) noexcept nogil:
        return self.condition != UNKNOWN_BOOK

    cdef inline int64_t key_of(self, int8_t side, int64_t price) noexcept nogil:
        return price // self.tick if side > 0 else -(price // self.tick)

    cdef inline int64_t price_of(self, int8_t side, int64_t key) noexcept nogil:
        return key * self.tick if side > 0 else -key * self.tick

    cdef inline int64_t best_bid(self) noexcept nogil:           # price units as the feed tells it, 0 = none
        return self.bids.best * self.tick if self.bids.best != NO_KEY else 0

    cdef inline int64_t best_ask(self) noexcept nogil:
        return -self.asks.best * self.tick if self.asks.best != NO_KEY else 0
