"""The book of a symbol as a strategy sees it: what has been delivered so far."""

from backtest.context cimport Context
from backtest.views cimport InstrumentInfo
from libc.stdint cimport int64_t
from venues.book cimport Book
from venues.ladder cimport NO_KEY, ladder_quantity

from backtest.errors import ConfigError


cdef class BookView:
    """A book when it was asked for; prices and quantities are None on a side without levels."""

    cdef readonly object bid
    cdef readonly object ask
    cdef readonly object bid_quantity
    cdef readonly object ask_quantity
    cdef readonly double tick
    cdef readonly object age
    cdef readonly bint is_valid
    cdef Book book
    cdef InstrumentInfo info

    def __init__(self, Context context, int instrument):
        cdef Book book = context.books[instrument]
        cdef InstrumentInfo info = context.infos[instrument]
        if book is None:
            raise ConfigError(f"{info.address} has no book: the data have no book or quotes rows of it")
        self.book = book
        self.info = info
        self.tick = max(<int64_t> 1, context.world.contracts[instrument].tick) / info.price_divisor
        self.is_valid = book.is_usable()
        self.age = None if book.messages == 0 else context.now - book.time
        if book.bids.best != NO_KEY:
            self.bid = book.best_bid() / info.price_divisor
            self.bid_quantity = ladder_quantity(&book.bids, book.bids.best) / info.quantity_divisor
        if book.asks.best != NO_KEY:
            self.ask = book.best_ask() / info.price_divisor
            self.ask_quantity = ladder_quantity(&book.asks, book.asks.best) / info.quantity_divisor

    @property
    def mid(self):
        """Middle of bid and ask, None without both."""
        return None if self.bid is None or self.ask is None else 0.5 * (self.bid + self.ask)

    @property
    def spread(self):
        """Ask less bid, None without both."""
        return None if self.bid is None or self.ask is None else self.ask - self.bid

    @property
    def microprice(self):
        """Bid and ask, each weighted with the quantity of the other side; None without both."""
        if self.bid is None or self.ask is None:
            return None
        return (self.bid * self.ask_quantity + self.ask * self.bid_quantity) / (self.bid_quantity + self.ask_quantity)

    def levels(self, side, most=0):
        """Return [(price, quantity)] of ``bid`` or ``ask`` from the best on, as they are now; `most` 0 = all."""
        if side not in ("bid", "ask"):
            raise ConfigError(f"side must be 'bid' or 'ask', got {side!r}")
        return [(price / self.info.price_divisor, quantity / self.info.quantity_divisor)
                for price, quantity in self.book.levels(1 if side == "bid" else -1, most)]
