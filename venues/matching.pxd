"""The market of one instrument where the data are trades or bars: which orders fill, when, and at what price."""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t
from venues.book cimport Book
from venues.orders cimport Order
from venues.taking cimport Taking
from venues.world cimport PriceSource

cdef enum FillRule:
    NEXT_TRADE = 0       # market orders at the next trade plus slippage
    SAME_TRADE = 1       # at the last trade, at once (for comparison with other backtesters)
    TOUCH = 2            # at the touch that the last trade shows, at once (for comparison)

cdef struct Move:        # one price on its way from one instant to the next
    int32_t instrument
    uint8_t source       # PriceSource
    int64_t start        # price units
    int64_t end

cdef class Market(Taking):
    cdef readonly Book book          # None = trades or bars alone
    cdef int64_t settles_from        # ns: the index is averaged from here to the expiry; 0 = no dated contract
    cdef int64_t expiry              # ns
    cdef int64_t indexed_at          # ns of the latest index price
    cdef int64_t indexed             # that price
    cdef double index_sum            # price units x ns since settles_from
    # tape
    cdef int8_t last_side
    cdef int64_t run_price           # volume traded in an unbroken run at one price ...
    cdef int64_t run_volume
    cdef double run_average          # ... and its moving average: the estimate of a queue
    cdef bint has_cap                # own orders take at most a share of each trade
    cdef bint drops_rest             # what the cap leaves of an order expires
    cdef double spare                # part of a unit that the cap has left so far
    # bars
    cdef bint has_bar
    cdef int64_t path_time[4]        # open, first extreme, second extreme, close
    cdef int64_t path_price[4]
    cdef int64_t budget              # quantity units that own orders may still take, of this bar or of trades so far
    cdef int64_t bar_volume          # quantity units of the bar that is not noted yet; < 0 = none
    cdef int64_t override            # price of the path while bars advance together; 0 = none
    cdef double share                # of a bar's volume, with a cap of each trade, that own orders may take
    cdef int64_t segment             # number of the present segment

    cdef inline void note_trade(self, int64_t price, int64_t quantity, int8_t side, int64_t time) noexcept nogil:
        if self.measures:
            self.note_for_footprint(price, quantity, time)
        if price == self.run_price:
            self.run_volume += quantity
        else:
            # Volume of unbroken runs at one price, smoothed over about twenty runs.
            self.run_average += 0.05 * (<double> self.run_volume - self.run_average)
            self.run_price = price
            self.run_volume = quantity
        self.last_side = side

    cdef int64_t walk(self, int64_t price, int64_t time) noexcept nogil     # the mark of a dated contract, by its index
    cdef bint reaches(self, const Order *order, int64_t time) noexcept nogil       # a limit that would take now
    cdef bint is_priced(self) noexcept nogil         # whether it can be said what a limit reaches
    cdef int add(self, Order *order, int64_t time) except -1 nogil
    cdef int take_at_once(self, Order *order, int64_t time) except -1 nogil
    cdef int on_trade(self, int64_t price, int64_t quantity, int8_t side, int64_t time) except -1 nogil
    cdef int on_book(self, int64_t time) except -1 nogil     # a message of the book has been applied
    cdef int on_price(self, PriceSource source, int64_t price, int64_t time) except -1 nogil   # triggers
    cdef void begin_bar(self, const int64_t *times, const int64_t *prices, int64_t volume) noexcept nogil
    cdef int on_jump(self, int64_t price, int64_t time) except -1 nogil       # a bar opens, or closes a skipped path
    cdef int64_t price_at(self, int64_t time) noexcept nogil
    # Bars: where on the way (0..1) the first order is met; 2 = none. `which` is that order.
    cdef double next_hit(self, const Move *move, double progress, Order **which) noexcept nogil
    cdef int meet(self, Order *order, PriceSource source, int64_t price, int64_t time) except -1 nogil
    cdef int take(self, Order *order, int64_t price, int64_t limit_quantity, int64_t time) except? -1 nogil
    cdef int look_after_brackets(self, int64_t time) except -1 nogil
    cdef int trigger(self, Order *order, int64_t time) except -1 nogil      # a waiting stop or take-profit is met
    cdef int enter(self, Order *order, int64_t time) except -1 nogil        # a triggered limit begins to work
    cdef void note_bar(self, int64_t start, int64_t close, int64_t volume, int64_t begin, int64_t end) noexcept nogil
    cdef void note_last_bar(self, int64_t time) noexcept nogil
    cdef bint is_waiting(self) noexcept nogil                # an order that takes has something left
    cdef int64_t ask_estimate(self) noexcept nogil
    cdef int64_t bid_estimate(self) noexcept nogil
