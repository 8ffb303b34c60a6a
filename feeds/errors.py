"""Exceptions of the data side."""


class LevdynError(Exception):
    """Base of all errors that levdyn raises on purpose."""


class FeedError(LevdynError, ValueError):
    """Data that cannot be used: says the file or stream, what was found, and what is allowed."""
