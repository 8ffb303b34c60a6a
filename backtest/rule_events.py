"""Dated changes of rules and recorded events of venues, in time order, for the venue's clock."""

from collections.abc import Callable, Iterable

NEVER = (1 << 63) - 1


class RuleEvents:
    """Changes that are applied before anything else of their instant.

    Parameters
    ----------
    events : iterable of (int, callable)
        Time in ns and what to call with it; those of one time in the order given.
    """

    def __init__(self, events: Iterable[tuple[int, Callable[[int], None]]]) -> None:
        self._events = sorted(events, key=lambda event: event[0])
        self._place = 0

    def next_time(self) -> int:
        """Return the time of the next change, the largest int64 when there is none."""
        return self._events[self._place][0] if self._place < len(self._events) else NEVER

    def apply(self, time: int) -> None:
        """Carry out all changes up to a time."""
        while self._place < len(self._events) and self._events[self._place][0] <= time:
            when, change = self._events[self._place]
            self._place += 1
            change(when)
