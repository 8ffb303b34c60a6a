"""Exceptions of a run."""

from feeds.errors import LevdynError


class ConfigError(LevdynError, ValueError):
    """An argument of the run that cannot be used: what was given, what is allowed, what would accept it."""


class OrderError(LevdynError, ValueError):
    """A call of a trading verb that has no meaning (not a refusal by the venue, which is an event)."""


class InvariantError(LevdynError, AssertionError):
    """The engine broke one of its own laws: a bug of levdyn, never of the user."""


class SpillError(LevdynError, OSError):
    """The journal of a run outgrew its memory and the disk did not take it: which table, where, and why."""
