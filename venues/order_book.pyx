"""A book told order by order: which order stands where, and how much has gone from ahead of a place.

A row says what an order is from then on: its side, price and what is left of it; nothing left means that it is gone. An
order that is new, has moved to another price or has grown stands behind all others at its price; one that has become
smaller, by a trade or because a part was taken back, keeps its place. A snapshot states every order there is: those
that it does not name are gone, those that it names as they were keep their places. Such feeds do not say which message
a message follows: what is missing must be known as a gap of the data.
"""

from libc.stdlib cimport calloc, free, realloc
from libc.stdint cimport uint64_t
from feeds.draws cimport mixed
from venues.book cimport Book
from venues.ladder cimport ladder_quantity


cdef class OrderBook(Book):
    """Levels and single orders of both sides; `Book` lists its argument."""

    def __cinit__(self, int64_t tick):
        self.room = 1024
        self.slots = <MarketOrder *> calloc(self.room, sizeof(MarketOrder))
        if self.slots == NULL:
            raise MemoryError("book: no memory for orders")

    def __dealloc__(self):
        free(self.slots)
        free(self.losses)

    cdef MarketOrder *find(self, int64_t id) noexcept nogil:
        """The slot of an order, or the one that it would get."""
        cdef int64_t at = <int64_t> (mixed(<uint64_t> id) & <uint64_t> (self.room - 1))
        cdef MarketOrder *dead = NULL
        while self.slots[at].state != 0:
            if self.slots[at].state == 1 and self.slots[at].id == id:
                return &self.slots[at]
            if self.slots[at].state == 2 and dead == NULL:
                dead = &self.slots[at]
            at = (at + 1) & (self.room - 1)
        return dead if dead != NULL else &self.slots[at]

    cdef int grow(self) except -1 nogil:
        cdef MarketOrder *old = self.slots
        cdef int64_t i, room = self.room
        if 2 * self.count >= room // 2:
            self.room = 2 * room         # else only what was in use is cleared away
        self.slots = <MarketOrder *> calloc(self.room, sizeof(MarketOrder))
        if self.slots == NULL:
            self.slots = old
            with gil:
                raise MemoryError("book: no memory for orders")
        self.used = self.count
        for i in range(room):
            if old[i].state == 1:
                self.find(old[i].id)[0] = old[i]
        free(old)
        return 0

    cdef int begin(self, int64_t time, int64_t sequence, int64_t previous, bint is_snapshot) except -1 nogil:
        self.n_losses = 0
        if is_snapshot:
            self.generation += 1
        return Book.begin(self, time, sequence, previous, is_snapshot)

    cdef int change(self, int8_t side, int64_t price, int64_t by) except -1 nogil:
        cdef int64_t quantity = 0
        if price % self.tick == 0:
            quantity = ladder_quantity(&self.bids if side > 0 else &self.asks, self.key_of(side, price))
        return self.put(side, price, max(<int64_t> 0, quantity + by))

    cdef int lose(self, const MarketOrder *order, int64_t quantity) except -1 nogil:
        cdef Loss *grown
        if self.n_losses == self.losses_room:
            grown = <Loss *> realloc(self.losses, (2 * self.losses_room + 16) * sizeof(Loss))
            if grown == NULL:
                with gil:
                    raise MemoryError("book: no memory for what orders have given up")
            self.losses = grown
            self.losses_room = 2 * self.losses_room + 16
        self.losses[self.n_losses].side = order.side
        self.losses[self.n_losses].price = order.price
        self.losses[self.n_losses].place = order.place
        self.losses[self.n_losses].quantity = quantity
        self.n_losses += 1
        return 0

    cdef int put_order(self, int8_t side, int64_t price, int64_t quantity, int64_t id) except -1 nogil:
        cdef MarketOrder *order = self.find(id)
        cdef bint is_counted
        if not self.applies:
            return 0
        if order.state == 1:
            is_counted = order.generation == self.generation
            if order.side != side or order.price != price or quantity > order.quantity or quantity == 0:
                self.lose(order, order.quantity)
                if is_counted:
                    self.change(order.side, order.price, -order.quantity)
                order.state = 2
                self.count -= 1
            else:
                if quantity < order.quantity:
                    self.lose(order, order.quantity - quantity)
                self.change(side, price, quantity - (order.quantity if is_counted else 0))
                order.quantity = quantity
                order.generation = self.generation
                return 0
        if quantity == 0:
            return 0
        if 5 * self.used >= 3 * self.room:
            self.grow()
        order = self.find(id)
        if order.state == 0:
            self.used += 1
        self.count += 1
        order.id = id
        order.side = side
        order.price = price
        order.quantity = quantity
        order.place = self.take_place()
        order.generation = self.generation
        order.state = 1
        return self.change(side, price, quantity)

    cdef int end(self, int64_t time) except -1 nogil:
        cdef int64_t i
        if self.was_snapshot and self.applies:
            for i in range(self.room):
                if self.slots[i].state == 1 and self.slots[i].generation != self.generation:
                    self.lose(&self.slots[i], self.slots[i].quantity)
                    self.slots[i].state = 2
                    self.count -= 1
        return Book.end(self, time)

    # ------------------------------------------------------------------ for Python

    def apply_orders(self, int64_t time, rows, *, int64_t sequence=-1, bint is_snapshot=False):
        """Apply a message of (side, price units, quantity units, order id) rows."""
        self.begin(time, sequence, -1, is_snapshot)
        for side, price, quantity, order in rows:
            self.put_order(side, price, quantity, order)
        self.end(time)

    def ahead_of(self, int side, int64_t price, int64_t order):
        """Return the quantity that stands ahead of an order of the market at a price."""
        cdef int64_t place = self.find(order).place, sum = 0, i
        for i in range(self.room):
            if (self.slots[i].state == 1 and self.slots[i].side == side and self.slots[i].price == price
                    and self.slots[i].place < place):
                sum += self.slots[i].quantity
        return sum
