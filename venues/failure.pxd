"""The failure of a venue: it stops for good, and of every balance there its owner gets a share."""

from venues.venue cimport Exchange

cdef class VenueFailures:
    cdef Exchange exchange
    cdef readonly dict shares            # venue -> share of every balance that is paid back
    cdef readonly list events            # (ns, venue)
