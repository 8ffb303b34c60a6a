"""What own orders leave in a market without a book: its depth, the cost of an order, how the market recovers."""

from libc.stdint cimport int64_t

cdef enum:
    NODES = 112              # exponentials that the memory is made of
    BANDS = 32               # points of a recorded depth curve

cdef enum DepthLaw:
    LINEAR_DEPTH = 0         # a block of equal size at every price
    SQUARE_ROOT_DEPTH = 1    # square root of the share of a day's volume, a straight line near zero
    RECORDED_DEPTH = 2       # rows of kind depth

cdef struct Gauge:           # volatility and volume of what has traded so far
    int64_t since            # ns at which the present window began; 0 = nothing has traded
    int64_t boundary         # ns at which it ends
    double volume            # in it, quantity
    double before            # price at its beginning
    double last
    double days              # seen in whole windows
    double variance          # of log returns, a day
    double daily_volume      # quantity a day
    double half_life         # days

cdef struct DepthCurve:      # of one side: quantity up to a distance from the middle
    int64_t time             # ns of its rows
    int n
    double distance[BANDS]   # fraction of the price, ascending from 0
    double quantity[BANDS]   # cumulative

cdef class Footprint:
    cdef readonly int law                # DepthLaw
    cdef double depth                    # LINEAR: quantity that moves the price by 1 %
    cdef double factor                   # SQUARE_ROOT
    cdef double knee                     # share of a day's volume below which it is a straight line
    cdef double volatility               # a day; < 0 = measured
    cdef double daily_volume             # quantity; < 0 = measured
    cdef double spread                   # half-spread as a share of the daily volatility
    cdef readonly bint moves_mark
    cdef readonly bint measures          # volatility or volume
    cdef Gauge gauge
    cdef DepthCurve curves[2]            # bids, asks
    cdef int n                           # nodes of the memory
    cdef double rates[NODES]             # 1/s
    cdef double shares[NODES]            # of an order that a node keeps at first
    cdef double taken[2][NODES]          # by own sells from the bids, by own buys from the asks, quantity
    cdef double permanent                # share that stays
    cdef double lasting                  # bought less sold that stays
    cdef int64_t time                    # ns that the memory stands at
    cdef int64_t *marks                  # displaced marks on their way to the strategy
    cdef int64_t first_mark
    cdef int64_t n_marks
    cdef int64_t room

    # Bars: one that has closed; trades: each
    cdef void note_bar(self, double start, double close, double volume, int64_t begin, int64_t end) noexcept nogil
    cdef void note_trade(self, double price, double quantity, int64_t time) noexcept nogil
    cdef void note_depth(self, double distance, double quantity, int64_t time) noexcept nogil
    cdef double sigma(self) noexcept nogil                   # volatility of a day
    cdef double turnover(self) noexcept nogil                # volume of a day, quantity
    cdef bint is_known(self) noexcept nogil                  # whether it can be said what an order costs
    cdef double half_spread(self) noexcept nogil             # fraction of the price
    cdef double impact(self, int side, double quantity) noexcept nogil       # of the last unit, fraction of the price
    cdef double quantity_to(self, int side, double impact) noexcept nogil    # its inverse
    cdef double swept(self, int side, double quantity) noexcept nogil        # its integral
    cdef double behind(self, int side) noexcept nogil        # quantity that an order of that side finds gone
    cdef void pass_time(self, int64_t time) noexcept nogil
    cdef double average_move(self, int side, double quantity, int64_t time) noexcept nogil
    cdef double reachable(self, int side, double impact, int64_t time) noexcept nogil
    cdef void leave(self, int side, double quantity, int64_t time) noexcept nogil
    cdef double middle(self, int64_t time) noexcept nogil    # by which own orders have moved it, fraction of the price
    cdef int push_mark(self, int64_t price) except -1 nogil
    cdef int64_t pop_mark(self) noexcept nogil
