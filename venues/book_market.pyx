"""The market of one instrument where the data are a book: orders walk it, and wait in the queues of its levels.

When an order fills, in words.

Taking. A market order, a triggered stop and a limit order that the other side reaches when it arrives walk the book as
it stands then, from the best level on, a fill at each level's price, up to the limit. What they take stays taken until
the feed states another quantity for that level. What is left of a market order when the book ends expires; of a limit
order it rests at its price, or expires when it is immediate-or-cancel. Fill-or-kill fills whole or not at all. A forced
order keeps what is left and walks the book again after every message, down to its price, until the venue ends it. Where
the data are quotes, what lies behind the best levels is unknown, and a market order goes on with the next quote. While
the book is unknown (no snapshot yet, a sequence break, crossed for more than a second) takers wait for it.

Resting. A limit order joins the queue of its level behind the quantity that the feed shows there; where the feed does
not reach that far, behind everything until it does. It fills at its price, never better:

- by a trade at its price whose aggressor is not on its own side, with what that trade has left after the queue ahead;
- by a trade through its price, with at most the quantity of that trade;
- when the other side of the book reaches its price, with at most what is shown there, which is taken then.

Several own orders share a trade or a level, the better price first, then the older one. The queue ahead shrinks by
trades at the price, and by what the level loses besides (`venues.queue` has the models; order by order it is known); a
trade and the message of the book that shows it shorten the queue once. Nothing else in the market reacts to own orders.
"""

from libc.math cimport INFINITY, ceil
from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t
from venues.account cimport Account
from venues.book cimport Book
from venues.ladder cimport NO_KEY
from venues.matching cimport Market
from venues.order_book cimport Loss, OrderBook
from venues.orders cimport (
    ALLOW_SELF_TRADE, FOK, FORCED_ORDER, INSUFFICIENT_BALANCE, IOC, LIMIT, MARKET, NOT_FILLABLE, POST_ONLY, WORKING,
    WOULD_TAKE, Order,
)
from venues.queue cimport FIFO_QUEUE, RISK_AVERSE, QueueModel, ahead_after
from venues.taking cimport away
from venues.world cimport LAST_PRICE


cdef class BookMarket(Market):
    """Orders of all accounts in one instrument, against its book."""

    def replay(self, Book book not None, *, bint is_touch, bint sets_last):
        """Match against a book (`is_touch`: of quotes); with `sets_last` its middle stands for the last price."""
        self.book = book
        self.is_by_order = isinstance(book, OrderBook)
        if self.is_by_order:
            self.by_order = <OrderBook> book
        self.is_touch = is_touch
        self.sets_last = sets_last
        self.quantity_divisor = self.world.quantity_divisors[self.instrument]

    cdef bint is_priced(self) noexcept nogil:
        return self.book.is_usable()

    cdef bint reaches(self, const Order *order, int64_t time) noexcept nogil:
        cdef int64_t key
        if order.type != LIMIT or not self.book.is_usable():
            return False
        key = self.book.first(-order.side)
        return key != NO_KEY and order.side * (order.price - self.book.price_of(-order.side, key)) >= 0

    cdef int add(self, Order *order, int64_t time) except -1 nogil:
        Market.add(self, order, time)
        if order.status == WORKING and order.type == LIMIT and not order.triggered:
            if self.book.is_usable():
                self.join(order)
            else:
                order.triggered = 1      # it takes what it reaches when the book is known again
        return 0

    cdef void requeue(self, Order *order) noexcept nogil:
        self.join(order)

    cdef int enter(self, Order *order, int64_t time) except -1 nogil:
        if not self.book.is_usable():
            order.triggered = 1
            return 0
        Market.enter(self, order, time)
        if order.status == WORKING and not order.triggered:
            self.join(order)
        return 0

    # ------------------------------------------------------------------ taking

    cdef int take_at_once(self, Order *order, int64_t time) except -1 nogil:
        if order.flags & FORCED_ORDER and (<Account> self.accounts[order.account]).forced_at_mark:
            return Market.take_at_once(self, order, time)
        return self.execute(order, time)

    cdef bint has_all(self, const Order *order, int64_t quantity) noexcept nogil:
        """Whether the book has a quantity within the limit of an order."""
        cdef int64_t key = self.book.first(-order.side)
        while key != NO_KEY:
            if order.price != 0 and order.side * (self.book.price_of(-order.side, key) - order.price) > 0:
                return False
            quantity -= self.book.available(-order.side, key)
            if quantity <= 0:
                return True
            key = self.book.following(-order.side, key)
        return False

    cdef int64_t to_take(self, Order *order, int64_t time) except? -1 nogil:
        """Units that an order takes from the book now; 0: it waits for one, joined a queue instead, or has ended."""
        if not self.book.is_usable():
            return 0
        if order.type == LIMIT and order.flags & POST_ONLY:
            order.triggered = 0          # it arrived at an unknown book
            if self.reaches(order, time):
                self.cancel(order, WOULD_TAKE, time)
            else:
                self.join(order)
            return 0
        return self.fillable(order, time)

    cdef int execute(self, Order *order, int64_t time) except -1 nogil:
        """Walk the book with what the order may still take."""
        cdef int64_t quantity, part, most, key, price, lot = max(<int64_t> 1, self.contract.lot)
        cdef int64_t level
        cdef Order *own
        cdef double slippage = (<Account> self.accounts[order.account]).book_slippage
        quantity = self.to_take(order, time)
        if quantity == 0:
            return 0
        if order.tif == FOK and not self.has_all(order, quantity):
            return self.cancel(order, NOT_FILLABLE, time)
        key = self.book.first(-order.side)
        while quantity > 0 and key != NO_KEY:
            level = self.book.price_of(-order.side, key)
            if order.price != 0 and order.side * (level - order.price) > 0:
                break
            part = min(quantity, self.book.available(-order.side, key))
            own = self.next_own(order, level)
            if own != NULL:              # what stands ahead of it at this level comes first
                part = min(part, <int64_t> min(own.ahead, <double> part)) if own.price == level else 0
            part -= part % lot if part < quantity else 0
            price = away(level, slippage, order.side, self.contract.tick)
            if order.price != 0 and order.side * (price - order.price) > 0:
                price = order.price
            most = part
            if order.price == 0:
                part = (<Account> self.accounts[order.account]).affordable(self.contract, order, part, price)
            if part > 0:
                self.book.eat(-order.side, key, part)
                if own != NULL:
                    own.ahead -= <double> part
                self.finish(order, part, price, False, time)
                quantity -= part
            if order.status != WORKING:
                return 0
            if part < most:
                return self.cancel(order, INSUFFICIENT_BALANCE, time)
            if own != NULL and quantity > 0:
                if self.stops_at_own(order, level, time):
                    return 0
                continue                 # the own order is gone; the rest of the level is behind it
            key = self.book.following(-order.side, key)
        return self.rest(order, time)

    cdef Order *next_own(self, const Order *order, int64_t level) noexcept nogil:
        """The resting order of its own account that a taker comes to at a level, where that must not be; else NULL."""
        if (self.active < 2 or order.flags & FORCED_ORDER
                or (<Account> self.accounts[order.account]).self_trade == ALLOW_SELF_TRADE):
            return NULL
        return self.own_against(order, level)

    cdef int rest(self, Order *order, int64_t time) except -1 nogil:
        """What becomes of an order when the book has no more for it."""
        if order.flags & FORCED_ORDER:
            return 0
        if self.is_touch and order.type != LIMIT and order.tif != IOC and order.tif != FOK:
            return 0
        if order.type != LIMIT or order.tif == IOC or order.tif == FOK:
            return self.cancel(order, NOT_FILLABLE, time)
        order.triggered = 0
        self.join(order)
        return 0

    # ------------------------------------------------------------------ the queue

    cdef void join(self, Order *order) noexcept nogil:
        order.level = <double> self.book.level(order.side, order.price)
        order.ahead = order.level if order.level >= 0.0 else INFINITY
        order.traded = 0.0
        if self.is_by_order:
            order.place = self.by_order.take_place()

    cdef void follow_orders(self, Order *order) noexcept nogil:
        """After a message that tells orders: what those ahead have given up, but for what trades have shown already."""
        cdef int32_t i
        cdef double lost, shown
        cdef const Loss *loss
        for i in range(self.by_order.n_losses):
            loss = &self.by_order.losses[i]
            if loss.side == order.side and loss.price == order.price and loss.place < order.place:
                lost = <double> loss.quantity
                shown = min(order.traded, lost)
                order.traded -= shown
                order.ahead = max(0.0, order.ahead - (lost - shown))

    cdef void follow_level(self, Order *order) noexcept nogil:
        """After a message: what the level has lost besides trades may have stood ahead."""
        cdef double level = <double> self.book.level(order.side, order.price), before, unit
        cdef QueueModel model = (<Account> self.accounts[order.account]).queue_model
        if model == FIFO_QUEUE and order.level >= 0.0:
            self.follow_orders(order)
            return
        if level < 0.0:
            return
        if order.level < 0.0:            # it comes into sight: everything shown may be ahead
            order.ahead = min(order.ahead, level)
        elif level == order.level:
            if order.traded == 0.0 or self.book.time <= order.traded_at:
                return
            order.ahead = min(order.ahead, level)        # refilled, behind
        else:
            before = max(order.level - order.traded, order.ahead)
            if model == RISK_AVERSE:
                order.ahead = min(order.ahead, level)
            elif before > level:
                unit = self.quantity_divisor
                order.ahead = min(order.ahead, unit * ahead_after(
                    model, (<Account> self.accounts[order.account]).queue_power, order.ahead / unit, before / unit,
                    level / unit))
            else:
                order.ahead = min(order.ahead, level)
        order.level = level
        order.traded = 0.0

    cdef int64_t pass_queue(self, Order *order, int64_t quantity, int64_t left, int64_t time) noexcept nogil:
        """What a trade at the order's price has left for it; the queue ahead shrinks."""
        cdef int64_t ahead
        if (<Account> self.accounts[order.account]).queue_model == FIFO_QUEUE:
            quantity = <int64_t> min(order.ahead, <double> left)
        order.traded += <double> quantity
        order.traded_at = time
        if order.ahead >= <double> left:
            order.ahead -= <double> left
            return 0
        ahead = <int64_t> ceil(order.ahead - 1e-6)
        order.ahead = 0.0
        return left - ahead

    cdef Order *next_met(self, int64_t bids_from, int64_t asks_to) noexcept nogil:
        cdef int32_t row = self.head
        cdef Order *order
        cdef Order *best = NULL
        while row >= 0:
            order = self.store.at(row)
            row = order.next
            if order.type != LIMIT or order.triggered or order.touched == self.number:
                continue
            if order.price < bids_from if order.side > 0 else order.price > asks_to:
                continue
            if best == NULL or order.side != best.side or order.side * (order.price - best.price) > 0:
                best = order
        return best

    # ------------------------------------------------------------------ events

    cdef int on_trade(self, int64_t price, int64_t quantity, int8_t side, int64_t time) except -1 nogil:
        cdef Order *order
        cdef int64_t left = quantity, before, share
        cdef int32_t row, following
        self.note_trade(price, quantity, side, time)
        self.number += 1
        while True:
            order = self.next_met(price + 1 if side > 0 else price, price - 1 if side < 0 else price)
            if order == NULL:
                break
            order.touched = self.number
            share = self.pass_queue(order, quantity, left, time) if order.price == price else left
            if share > 0:
                before = order.filled
                self.give(order, share, time)
                left -= order.filled - before
        row = self.head
        while row >= 0:
            order = self.store.at(row)
            following = order.next
            if order.status == WORKING and self.is_hit(order, LAST_PRICE, price):
                self.trigger(order, time)
            row = following
        return 0

    cdef int on_book(self, int64_t time) except -1 nogil:
        cdef Order *order
        cdef int64_t bid, ask
        cdef int32_t row = self.head, following
        cdef bint waits = False
        if not self.book.is_usable():
            return 0
        if self.sets_last and self.book.bids.best != NO_KEY and self.book.asks.best != NO_KEY:
            self.world.set_last(self.instrument, (self.book.best_bid() + self.book.best_ask()) // 2, time)
        if row < 0:
            return 0
        while row >= 0:
            order = self.store.at(row)
            row = order.next
            if order.type == MARKET or order.triggered:
                waits = True
            elif order.type == LIMIT:
                self.follow_level(order)
        row = self.head if waits else -1
        while row >= 0:
            order = self.store.at(row)
            following = order.next
            if order.status == WORKING and (order.type == MARKET or order.triggered):
                self.take_at_once(order, time)
            row = following
        self.number += 1
        while True:
            bid = self.book.first(1)
            ask = self.book.first(-1)
            order = self.next_met(
                self.book.price_of(-1, ask) if ask != NO_KEY else INT64_MAX,
                self.book.price_of(1, bid) if bid != NO_KEY else INT64_MIN)
            if order == NULL:
                return 0
            order.touched = self.number
            self.cross(order, time)

    cdef int cross(self, Order *order, int64_t time) except -1 nogil:
        """The other side has come to a resting order: it fills with what is shown there, at its own price."""
        cdef int64_t key = self.book.first(-order.side), shown, before
        while key != NO_KEY and order.status == WORKING:
            if order.side * (self.book.price_of(-order.side, key) - order.price) > 0:
                return 0
            shown = self.book.available(-order.side, key)
            before = order.filled
            self.give(order, shown, time)
            if order.filled == before:
                return 0
            self.book.eat(-order.side, key, order.filled - before)
            key = self.book.following(-order.side, key)
        return 0
