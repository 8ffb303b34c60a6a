"""What a compiled file of a user may rely on: the layout of Event and exact arithmetic, from the shipped .pxd alone."""

from libc.stdint cimport int64_t
from libc.string cimport memset

from feeds.events cimport Event, FUNDING, TRADE
from venues.units cimport int128_t, mul, split, to_python, widen


def event_size():
    """Return the bytes of one Event."""
    return sizeof(Event)


def kinds_in_order():
    """Return whether funding precedes a trade of the same instant."""
    return <int>FUNDING < <int>TRADE


def signed_volume(prices, quantities, sides):
    """Return the sum of side x price x quantity over trades that pass through an Event, as an exact int."""
    cdef Event event
    cdef int128_t product
    total = 0
    memset(&event, 0, sizeof(Event))
    for price, quantity, side in zip(prices, quantities, sides, strict=True):
        event.kind = <int>TRADE
        event.a = price
        event.b = quantity
        event.side = side
        mul(widen(event.a), widen(event.b * <int64_t>event.side), &product)
        total += to_python(split(product))
    return total
