"""The book of one instrument as a feed tells it: levels, sequence, validity, what own orders have eaten.

A message of the feed is a snapshot, which replaces everything, or updates, which set the quantity of single levels. The
book is looked at between messages only. It is usable from its first snapshot on, until

- an update does not follow the one before it (feeds.md B2), or
- bid and ask have been crossed or locked for more than a second (B1);

then it is unknown until the next snapshot. An update that a snapshot already holds is passed over.

What own orders take out of a level stays taken until the feed states another quantity for that level.
"""

from libc.stdlib cimport free, realloc
from venues.ladder cimport (
    NO_KEY, Ladder, ladder_below, ladder_clear, ladder_close, ladder_open, ladder_quantity, ladder_set, ladder_settle,
)

cdef enum:
    BORNE_NS = 1000000000    # feeds.md B1: crossed for longer, the book is invalid


cdef int64_t common(int64_t a, int64_t b) noexcept nogil:
    """Greatest common divisor."""
    cdef int64_t rest
    while b != 0:
        rest = a % b
        a = b
        b = rest
    return a


cdef class Book:
    """Levels of both sides in price and quantity units.

    Parameters
    ----------
    tick : int
        Price units between two prices, > 0; a price off it makes it finer.
    """

    def __cinit__(self, int64_t tick):
        if tick < 1:
            raise ValueError(f"tick must be at least one price unit, got {tick}")
        self.tick = tick
        self.sequence = -1
        self.snapshot_sequence = -1
        self.known_bid = NO_KEY
        self.known_ask = NO_KEY
        ladder_open(&self.bids)
        ladder_open(&self.asks)

    def __dealloc__(self):
        ladder_close(&self.bids)
        ladder_close(&self.asks)
        free(self.eaten)
        free(self.rows)

    # ------------------------------------------------------------------ messages

    cdef int begin(self, int64_t time, int64_t sequence, int64_t previous, bint is_snapshot) except -1 nogil:
        self.time = time
        self.messages += 1
        self.applies = True
        self.n_rows = 0
        if is_snapshot:
            ladder_clear(&self.bids)
            ladder_clear(&self.asks)
            self.snapshot_sequence = sequence
            self.was_snapshot = True
            self.condition = VALID_BOOK
            self.crossed_since = 0
            return 1
        if sequence >= 0 and previous >= 0:
            if self.condition != UNKNOWN_BOOK and sequence <= self.snapshot_sequence:
                self.sequence = sequence         # the snapshot holds it already
                self.was_snapshot = False
                self.applies = False
                return 0
            if self.condition != UNKNOWN_BOOK and previous != self.sequence and not (
                    previous <= self.snapshot_sequence < sequence):
                self.condition = UNKNOWN_BOOK
                self.breaks += 1
        self.sequence = sequence
        self.was_snapshot = False
        self.applies = self.condition != UNKNOWN_BOOK
        return self.applies

    cdef int put(self, int8_t side, int64_t price, int64_t quantity) except -1 nogil:
        cdef int64_t key
        if not self.applies:
            return 0
        if price % self.tick != 0:
            self.retick(price)
        key = price // self.tick
        if self.notes_rows:
            self.note_row(side, key if side > 0 else -key, quantity)
        if side > 0:
            if self.n_eaten > 0:
                self.restate(side, key, quantity)
            return ladder_set(&self.bids, key, quantity)
        if self.n_eaten > 0:
            self.restate(side, -key, quantity)
        return ladder_set(&self.asks, -key, quantity)

    cdef int note_row(self, int8_t side, int64_t key, int64_t quantity) except -1 nogil:
        cdef LevelRow *grown
        if self.n_rows == self.rows_room:
            grown = <LevelRow *> realloc(self.rows, (2 * self.rows_room + 64) * sizeof(LevelRow))
            if grown == NULL:
                with gil:
                    raise MemoryError("book: no memory for the rows of a message")
            self.rows = grown
            self.rows_room = 2 * self.rows_room + 64
        self.rows[self.n_rows].side = side
        self.rows[self.n_rows].key = key
        self.rows[self.n_rows].quantity = quantity
        self.n_rows += 1
        return 0

    cdef int end(self, int64_t time) except -1 nogil:
        cdef int32_t i
        if not self.applies:
            return 0
        ladder_settle(&self.bids)
        ladder_settle(&self.asks)
        if self.was_snapshot:
            self.known_bid = worst(&self.bids)
            self.known_ask = worst(&self.asks)
        if self.n_eaten > 0:
            i = 0
            while i < self.n_eaten:
                if ladder_quantity(&self.bids if self.eaten[i].side > 0 else &self.asks, self.eaten[i].key) == 0:
                    self.n_eaten -= 1
                    self.eaten[i] = self.eaten[self.n_eaten]
                else:
                    i += 1
        if self.bids.best == NO_KEY or self.asks.best == NO_KEY or self.bids.best < -self.asks.best:
            if self.crossed_since != 0:
                self.longest_crossing = max(self.longest_crossing, time - self.crossed_since)
                self.crossed_since = 0
            self.condition = VALID_BOOK
            return 0
        if self.crossed_since == 0:
            self.crossed_since = time
            self.crossings += 1
        self.longest_crossing = max(self.longest_crossing, time - self.crossed_since)
        self.condition = CROSSED_BOOK
        if time - self.crossed_since > BORNE_NS:
            self.condition = UNKNOWN_BOOK
            self.crossed_since = 0
            self.invalidations += 1
        return 0

    cdef int quote(self, int64_t time, int64_t bid, int64_t bid_quantity, int64_t ask,
                   int64_t ask_quantity) except -1 nogil:
        """A best bid and ask alone: a book of one level a side."""
        self.begin(time, -1, -1, True)
        self.put(1, bid, bid_quantity)
        self.put(-1, ask, ask_quantity)
        return self.end(time)

    cdef int retick(self, int64_t price) except -1 nogil:
        """A price off the tick: the venue has made it finer. Every level keeps its price."""
        cdef int64_t fine = common(self.tick, price)
        cdef int32_t i
        for i in range(self.n_eaten):
            self.eaten[i].key = self.eaten[i].key * (self.tick // fine)
        finer(&self.bids, self.tick // fine)
        finer(&self.asks, self.tick // fine)
        if self.known_bid != NO_KEY:
            self.known_bid = self.known_bid * (self.tick // fine)
        if self.known_ask != NO_KEY:
            self.known_ask = self.known_ask * (self.tick // fine)
        self.tick = fine
        return 0

    # ------------------------------------------------------------------ own orders

    cdef void restate(self, int8_t side, int64_t key, int64_t quantity) noexcept nogil:
        """The feed states a level: another quantity than before brings back what own orders have taken."""
        cdef int32_t i
        for i in range(self.n_eaten):
            if self.eaten[i].key == key and self.eaten[i].side == side:
                if self.eaten[i].stated != quantity:
                    self.n_eaten -= 1
                    self.eaten[i] = self.eaten[self.n_eaten]
                return

    cdef int eat(self, int8_t side, int64_t key, int64_t quantity) except -1 nogil:
        cdef int32_t i
        cdef Eaten *grown
        for i in range(self.n_eaten):
            if self.eaten[i].key == key and self.eaten[i].side == side:
                self.eaten[i].quantity += quantity
                return 0
        if self.n_eaten == self.eaten_capacity:
            grown = <Eaten *> realloc(self.eaten, (2 * self.eaten_capacity + 16) * sizeof(Eaten))
            if grown == NULL:
                with gil:
                    raise MemoryError("book: no memory for what own orders have taken")
            self.eaten = grown
            self.eaten_capacity = 2 * self.eaten_capacity + 16
        self.eaten[self.n_eaten].key = key
        self.eaten[self.n_eaten].side = side
        self.eaten[self.n_eaten].quantity = quantity
        self.eaten[self.n_eaten].stated = ladder_quantity(&self.bids if side > 0 else &self.asks, key)
        self.n_eaten += 1
        return 0

    cdef int64_t available(self, int8_t side, int64_t key) noexcept nogil:
        cdef int64_t quantity = ladder_quantity(&self.bids if side > 0 else &self.asks, key)
        cdef int32_t i
        for i in range(self.n_eaten):
            if self.eaten[i].key == key and self.eaten[i].side == side:
                return quantity - self.eaten[i].quantity
        return quantity

    cdef int64_t level(self, int8_t side, int64_t price) noexcept nogil:
        cdef int64_t key = self.key_of(side, price), quantity
        if self.condition == UNKNOWN_BOOK:
            return -1
        if price % self.tick != 0:
            return 0
        quantity = ladder_quantity(&self.bids if side > 0 else &self.asks, key)
        if quantity > 0 or key >= (self.known_bid if side > 0 else self.known_ask):
            return quantity
        return -1

    cdef int64_t first(self, int8_t side) noexcept nogil:
        cdef int64_t key = self.bids.best if side > 0 else self.asks.best
        if self.n_eaten > 0 and key != NO_KEY and self.available(side, key) <= 0:
            return self.following(side, key)
        return key

    cdef int64_t following(self, int8_t side, int64_t key) noexcept nogil:
        cdef const Ladder *ladder = &self.bids if side > 0 else &self.asks
        key = ladder_below(ladder, key)
        while self.n_eaten > 0 and key != NO_KEY and self.available(side, key) <= 0:
            key = ladder_below(ladder, key)
        return key

    # ------------------------------------------------------------------ for Python

    def apply(self, int64_t time, rows, *, int64_t sequence=-1, int64_t previous=-1, bint is_snapshot=False):
        """Apply a message of (side, price units, quantity units) rows; whether it counted."""
        counted = self.begin(time, sequence, previous, is_snapshot)
        for side, price, quantity in rows:
            self.put(side, price, quantity)
        self.end(time)
        return bool(counted)

    def levels(self, int side, int most=0):
        """Return [(price units, quantity units)] of a side from the best on, at most so many (0 = all)."""
        cdef Ladder *ladder = &self.bids if side > 0 else &self.asks
        cdef int64_t key = ladder.best
        found = []
        while key != NO_KEY and (most == 0 or len(found) < most):
            found.append((self.price_of(side, key), ladder_quantity(ladder, key)))
            key = ladder_below(ladder, key)
        return found

    def take(self, int side, int64_t price, int64_t quantity):
        """Take a quantity out of the level of a side, as an own order does."""
        self.eat(side, self.key_of(side, price), quantity)

    def left(self, int side, int64_t price):
        """Return what is available at a price of a side."""
        return self.available(side, self.key_of(side, price))


cdef int64_t worst(const Ladder *l) noexcept nogil:
    """Key of the worst level; NO_KEY + 1 lies below everything where there is none."""
    cdef int64_t key = l.best, last = NO_KEY
    if l.n_far > 0 and l.far[0].key < l.base:
        return l.far[0].key
    while key != NO_KEY:
        last = key
        key = ladder_below(l, key)
    return last


cdef int finer(Ladder *l, int64_t times) except -1 nogil:
    """Multiply every key."""
    cdef Ladder old = l[0]
    cdef int64_t key = old.best
    ladder_open(l)
    if key == NO_KEY and old.n_far > 0:
        key = old.far[old.n_far - 1].key
    while key != NO_KEY:
        ladder_set(l, key * times, ladder_quantity(&old, key))
        key = ladder_below(&old, key)
    ladder_settle(l)
    ladder_close(&old)
    return 0
