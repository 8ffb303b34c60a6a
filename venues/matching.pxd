"""The market of one instrument where the data are trades or bars: which orders fill, when, and at what price."""

from cpython.ref cimport PyObject
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t
from venues.book cimport Book
from venues.contract cimport Contract
from venues.orders cimport Order, OrderStore, Reason
from venues.records cimport Forced
from venues.world cimport PriceSource, World

cdef enum FillRule:
    NEXT_TRADE = 0       # market orders at the next trade plus slippage
    SAME_TRADE = 1       # at the last trade, at once (for comparison with other backtesters)
    TOUCH = 2            # at the touch that the last trade shows, at once (for comparison)

cdef struct Move:        # one price on its way from one instant to the next
    int32_t instrument
    uint8_t source       # PriceSource
    int64_t start        # price units
    int64_t end

cdef class Market:
    cdef World world
    cdef OrderStore store
    cdef PyObject **accounts         # borrowed array, by account index
    cdef const Contract *contract
    cdef readonly int32_t instrument
    cdef int32_t head                # working orders, oldest first
    cdef int32_t tail
    cdef readonly int32_t active
    cdef readonly bint closed        # delisted or settled
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
    # bars
    cdef bint has_bar
    cdef int64_t path_time[4]        # open, first extreme, second extreme, close
    cdef int64_t path_price[4]
    cdef int64_t budget              # quantity units that own orders may still take from this bar
    cdef int64_t override            # price of the path while bars advance together; 0 = none
    cdef double share                # of a bar's volume that own orders may take
    cdef int64_t segment             # number of the present segment

    cdef inline void note_trade(self, int64_t price, int64_t quantity, int8_t side) noexcept nogil:
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
    cdef int cancel(self, Order *order, Reason reason, int64_t time) except -1 nogil
    cdef void unlink(self, Order *order) noexcept nogil
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
    # Quantity that a taker may still fill, reduce-only orders cut to the position; 0 = it was cancelled
    cdef int64_t fillable(self, Order *order, int64_t time) except? -1 nogil
    cdef int give(self, Order *order, int64_t quantity, int64_t time) except -1 nogil
    cdef int64_t reducible(self, Order *order) noexcept nogil
    cdef int finish(self, Order *order, int64_t quantity, int64_t price, bint is_maker, int64_t time) except -1 nogil
    cdef int trigger(self, Order *order, int64_t time) except -1 nogil      # a waiting stop or take-profit is met
    cdef int enter(self, Order *order, int64_t time) except -1 nogil        # a triggered limit begins to work
    cdef int drop_siblings(self, Order *order, int64_t time) except -1 nogil
    cdef bint is_hit(self, Order *order, PriceSource source, int64_t price) noexcept nogil
    cdef int64_t ask_estimate(self) noexcept nogil
    cdef int64_t bid_estimate(self) noexcept nogil

cdef int64_t away(int64_t price, double slippage, int8_t side, int64_t tick) noexcept nogil
