"""Exceptions of the venue side."""

from feeds.errors import LevdynError


class VenueError(LevdynError, ValueError):
    """A rule, instrument, tier or account that cannot be used as given."""
