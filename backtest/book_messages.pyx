"""Messages of books and quotes on both clocks: rows that belong together are applied together.

Rows of one message share time, sequence number and the mark of a snapshot. The venue's book is what orders meet; the
strategy's is the same, as it has been delivered.
"""

from backtest.bar_paths cimport BarPaths
from feeds.cursor cimport Cursor
from feeds.events cimport BOOK, BOOK_ORDER, MARK, QUOTE, Event
from libc.stdint cimport int32_t, int64_t
from venues.book cimport Book
from venues.ladder cimport NO_KEY, ladder_quantity
from venues.matching cimport Market
from venues.order_book cimport OrderBook

from feeds.errors import FeedError
from feeds.times import iso


cdef int apply_on_venue(Cursor cursor, Book book, Event *event, int64_t time) except -1 nogil:
    """Apply the message whose first row has been taken; 1 when the book became unknown by it."""
    cdef int64_t lost = book.breaks + book.invalidations
    book.begin(time, event.c, event.d, event.e != 0)
    book.put(event.side, event.a, event.b)
    while cursor.venue_continues(event):
        cursor.take(event)
        book.put(event.side, event.a, event.b)
    book.end(time)
    return book.breaks + book.invalidations != lost


cdef int apply_as_heard(Cursor cursor, Book book, Event *event) except -1 nogil:
    """Apply the message whose first row has been delivered."""
    book.begin(event.delivered, event.c, event.d, event.e != 0)
    book.put(event.side, event.a, event.b)
    while cursor.local_continues(event):
        cursor.deliver(event)
        book.put(event.side, event.a, event.b)
    return book.end(event.delivered)


cdef int apply_orders_on_venue(Cursor cursor, OrderBook book, Event *event, int64_t time) except -1 nogil:
    """The same where the feed tells order by order."""
    cdef int64_t lost = book.invalidations
    book.begin(time, event.c, -1, event.e != 0)
    book.put_order(event.side, event.a, event.b, event.d)
    while cursor.venue_continues(event):
        cursor.take(event)
        book.put_order(event.side, event.a, event.b, event.d)
    book.end(time)
    return book.invalidations != lost


cdef int apply_orders_as_heard(Cursor cursor, OrderBook book, Event *event) except -1 nogil:
    book.begin(event.delivered, event.c, -1, event.e != 0)
    book.put_order(event.side, event.a, event.b, event.d)
    while cursor.local_continues(event):
        cursor.deliver(event)
        book.put_order(event.side, event.a, event.b, event.d)
    return book.end(event.delivered)


cdef void show_touch(Book book, Event *event) noexcept nogil:
    """The best levels become what hooks are told."""
    event.a = book.best_bid()
    event.b = ladder_quantity(&book.bids, book.bids.best) if book.bids.best != NO_KEY else 0
    event.c = book.best_ask()
    event.d = ladder_quantity(&book.asks, book.asks.best) if book.asks.best != NO_KEY else 0
    event.e = book.is_usable()


cdef class BookMessages(BarPaths):
    """Applies books and quotes to the venues and to the local view."""

    cdef int book_message(self, int32_t stream, Event *event, int64_t time) except -1 nogil:
        cdef int lost
        if event.kind == BOOK_ORDER:
            lost = apply_orders_on_venue(
                <Cursor> self.cursor[stream], <OrderBook> (<Market> self.exchange.markets[event.instrument]).book,
                event, time)
        else:
            lost = apply_on_venue(
                <Cursor> self.cursor[stream], (<Market> self.exchange.markets[event.instrument]).book, event, time)
        self.venue.times[stream] = (<Cursor> self.cursor[stream]).next_ts
        if lost:
            with gil:
                self.lost_book(event.instrument, time)
        return self.exchange.book_changed(event.instrument, time)

    cdef int quote_message(self, const Event *event, int64_t time) except -1 nogil:
        (<Market> self.exchange.markets[event.instrument]).book.quote(time, event.a, event.b, event.c, event.d)
        return self.exchange.book_changed(event.instrument, time)

    def lost_book(self, int instrument, int64_t time):
        """A book has become unknown: an error, or what the user chose."""
        name = self.context.infos[instrument].address
        text = ("an update does not follow the one before, or bid and ask are crossed for more than a second; the book "
                "is unknown until the next snapshot, and orders that take wait for it")
        if self.on_gap == 0:
            raise FeedError(
                f"{name}: at {iso(time)} {text}; fill the gap in the data, or accept it with on_gap='warn' "
                "or on_gap='skip'")
        self.finding("unknown book", instrument, time, text)

    cdef int hear(self, int32_t stream, Event *event) except -1 nogil:
        (<Cursor> self.cursor[stream]).deliver(event)
        if event.kind == BOOK:
            apply_as_heard(<Cursor> self.cursor[stream], <Book> self.local_books[event.instrument], event)
            self.tell_touch(event)
        elif event.kind == BOOK_ORDER:
            if self.feeds_book[stream]:
                apply_orders_as_heard(
                    <Cursor> self.cursor[stream], <OrderBook> self.local_books[event.instrument], event)
                self.tell_touch(event)
            event.kind = BOOK            # a strategy hears of a book
        elif event.kind == QUOTE:
            if self.feeds_book[stream]:
                (<Book> self.local_books[event.instrument]).quote(
                    event.delivered, event.a, event.b, event.c, event.d)
                self.tell_touch(event)
            event.e = 1
        elif event.kind == MARK and not self.passive[stream]:
            if (<Market> self.exchange.markets[event.instrument]).moves_mark:
                event.a = (<Market> self.exchange.markets[event.instrument]).footprint.pop_mark()
        self.local.times[stream] = (<Cursor> self.cursor[stream]).next_delivery
        self.local.moved(stream)
        return 0

    cdef int tell_touch(self, Event *event) except -1 nogil:
        show_touch(<Book> self.local_books[event.instrument], event)
        if self.mid_is_last[event.instrument] and event.e and event.a != 0 and event.c != 0:
            self.local_world.set_last(event.instrument, (event.a + event.c) // 2, event.delivered)
        return 0
