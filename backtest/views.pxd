"""What a strategy is shown: fresh Python objects that may be kept."""

from feeds.events cimport Event
from libc.stdint cimport int32_t, int64_t
from venues.orders cimport Order

cdef class InstrumentInfo:
    """Names and scales of one instrument of a run."""
    cdef readonly int32_t index
    cdef readonly str symbol
    cdef readonly str venue
    cdef readonly str address            # SYMBOL@venue
    cdef readonly str contract           # spot | linear | inverse
    cdef readonly str base
    cdef readonly str quote
    cdef readonly str settle
    cdef readonly double price_divisor   # 10^price_scale
    cdef readonly double quantity_divisor
    cdef readonly double rate_divisor    # of the funding rates
    cdef readonly double premium_divisor

cdef object market_event(InstrumentInfo info, const Event *event, int64_t timeframe)

cdef class OrderView:
    cdef Order order                     # as the strategy knows it
    cdef readonly InstrumentInfo info
    cdef readonly str tag
    cdef readonly str account
    cdef object clock                    # callable: now in ns
