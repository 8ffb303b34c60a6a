"""The two exchange models of hftbacktest, to compare order by order.

When an order fills, in words (hftbacktest/src/backtest/proc/nopartialfillexchange.rs and partialfillexchange.rs,
models/queue.rs, read 2026-11). They see no own order: what one takes stays in the book, and every own order has a trade
to itself.

Resting orders, at their price. Both models: the whole rest when a trade goes through the price, or when the best price
of the other side comes to it. A trade at the price shortens the queue ahead by its quantity; when that falls below zero
by half a lot, the order is filled: without partial fills all of it, else by what is below zero, rounded to whole lots;
that may be more than the trade, when changes of the level have taken the queue below zero before. (So their release
2.4.4; their sources of that time cut off to lots and to the trade.)

The queue ahead shrinks with the level by the models of `venues.queue`, as they reckon: the loss is that of the level
less what traded at the price since its last row, and what is behind is the level's quantity before, traded or not, less
what is ahead.

Takers. Without partial fills: all at the best price, whatever stands there. With them: the levels up to the limit, a
fill each; what is left of a limit order that is good till cancelled fills at its limit, of others it expires; a market
order looks at a hundred ticks.
"""

from libc.math cimport isinf, rint
from libc.stdint cimport int8_t, int32_t, int64_t
from venues.account cimport Account
from venues.book cimport Book
from venues.book_market cimport BookMarket
from venues.ladder cimport NO_KEY
from venues.orders cimport (
    FOK, GTC, GTD, INSUFFICIENT_BALANCE, LIMIT, MARKET, NOT_FILLABLE, WORKING, Order,
)
from venues.queue cimport RISK_AVERSE, QueueModel, share_behind
from venues.taking cimport away
from venues.world cimport LAST_PRICE

cdef enum:
    MARKET_TICKS = 100       # how far their market orders look


cdef class PeerMarket(BookMarket):
    """Orders of all accounts in one instrument, by the rules of another backtester."""

    def replay(self, Book book not None, *, bint is_touch, bint sets_last):
        """Match against a book; see `BookMarket.replay`."""
        BookMarket.replay(self, book, is_touch=is_touch, sets_last=sets_last)
        book.notes_rows = True

    def fill_whole(self):
        """Let no order fill in parts."""
        self.fills_whole = True

    cdef int give_all(self, Order *order, int64_t time) except -1 nogil:
        return self.give(order, order.quantity - order.filled, time)

    # ------------------------------------------------------------------ taking

    cdef int execute(self, Order *order, int64_t time) except -1 nogil:
        cdef int64_t quantity, part, most, key, level, price
        cdef double slippage = (<Account> self.accounts[order.account]).book_slippage
        quantity = self.to_take(order, time)
        if quantity == 0:
            return 0
        key = self.book.first(-order.side)
        if key == NO_KEY:
            return self.rest(order, time)
        if not self.fills_whole and order.tif == FOK and not self.has_all(order, quantity):
            return self.cancel(order, NOT_FILLABLE, time)
        level = self.book.price_of(-order.side, key)
        price = level
        while quantity > 0 and key != NO_KEY:
            level = self.book.price_of(-order.side, key)
            if order.price != 0 and order.side * (level - order.price) > 0:
                break
            if order.type != LIMIT and order.side * (level - price) >= MARKET_TICKS * max(
                    <int64_t> 1, self.contract.tick):
                break
            part = quantity if self.fills_whole else min(quantity, self.book.available(-order.side, key))
            most = part
            if order.price == 0:
                part = (<Account> self.accounts[order.account]).affordable(
                    self.contract, order, part, away(level, slippage, order.side, self.contract.tick))
            if part > 0:
                quantity -= part
                self.finish(order, part, away(level, slippage, order.side, self.contract.tick), False, time)
            if order.status != WORKING:
                return 0
            if part < most:
                return self.cancel(order, INSUFFICIENT_BALANCE, time)
            key = self.book.following(-order.side, key)
        if (quantity > 0 and not self.fills_whole and order.type == LIMIT
                and order.side * (order.price - price) >= 0 and (order.tif == GTC or order.tif == GTD)):
            return self.finish(order, quantity, order.price, False, time)
        return self.rest(order, time) if quantity > 0 else 0

    # ------------------------------------------------------------------ the queue

    cdef void join(self, Order *order) noexcept nogil:
        BookMarket.join(self, order)
        if isinf(order.ahead):           # what the feed does not show is nothing to them
            order.ahead = 0.0
            order.level = 0.0

    cdef void follow_level(self, Order *order) noexcept nogil:
        cdef QueueModel model = (<Account> self.accounts[order.account]).queue_model
        cdef double level, lost, behind, share, unit = self.quantity_divisor
        cdef int64_t key = self.book.key_of(order.side, order.price)
        cdef int32_t i
        for i in range(self.book.n_rows):
            if self.book.rows[i].side != order.side or self.book.rows[i].key != key:
                continue
            level = <double> self.book.rows[i].quantity
            if model == RISK_AVERSE:
                order.ahead = min(order.ahead, level)
            else:
                lost = order.level - level - order.traded
                if lost < 0.0:
                    order.ahead = min(order.ahead, level)
                else:
                    behind = order.level - order.ahead
                    share = share_behind(model, (<Account> self.accounts[order.account]).queue_power,
                                         order.ahead / unit, behind / unit)
                    order.ahead = min(level, order.ahead - (1.0 - share) * lost + min(behind - share * lost, 0.0))
            order.level = level
            order.traded = 0.0

    # ------------------------------------------------------------------ events

    cdef int on_trade(self, int64_t price, int64_t quantity, int8_t side, int64_t time) except -1 nogil:
        cdef int32_t row = self.head, following
        cdef int64_t exceeds, lot = max(<int64_t> 1, self.contract.lot)
        cdef Order *order
        self.note_trade(price, quantity, side, time)
        while row >= 0:
            order = self.store.at(row)
            following = order.next
            if order.status != WORKING:
                row = following
                continue
            if order.type == LIMIT and not order.triggered and order.side * side <= 0:
                if order.side * (order.price - price) > 0:
                    self.give_all(order, time)
                elif order.price == price:
                    order.ahead -= <double> quantity
                    order.traded += <double> quantity
                    if rint(order.ahead / <double> lot) < 0.0:
                        if self.fills_whole:
                            self.give_all(order, time)
                        else:
                            exceeds = <int64_t> rint(-order.ahead / <double> lot) * lot
                            order.ahead = 0.0
                            self.give(order, exceeds, time)
            elif self.is_hit(order, LAST_PRICE, price):
                self.trigger(order, time)
            row = following
        return 0

    cdef int on_book(self, int64_t time) except -1 nogil:
        cdef int32_t row = self.head, following
        cdef int64_t bid = self.book.best_bid(), ask = self.book.best_ask()
        cdef Order *order
        if not self.book.is_usable():
            return 0
        if self.sets_last and bid != 0 and ask != 0:
            self.world.set_last(self.instrument, (bid + ask) // 2, time)
        while row >= 0:
            order = self.store.at(row)
            following = order.next
            if order.status != WORKING:
                row = following
                continue
            if order.type == MARKET or order.triggered:
                self.take_at_once(order, time)
            elif order.type == LIMIT:
                self.follow_level(order)
                if order.side > 0 and ask != 0 and (self.last_ask == 0 or ask < self.last_ask) and order.price >= ask:
                    self.give_all(order, time)
                elif order.side < 0 and bid != 0 and bid > self.last_bid and order.price <= bid:
                    self.give_all(order, time)
            row = following
        self.last_bid = bid
        self.last_ask = ask
        return 0
