"""Dated changes of rules and recorded events of venues, in time order, for the venue's clock."""

from collections.abc import Callable, Iterable

NEVER = (1 << 63) - 1


Event = tuple[int, Callable[[int], None]]


class RuleEvents:
    """Changes that are applied before anything else of their instant, and settlements, which come after its funding.

    Parameters
    ----------
    events, settlements : iterable of (int, callable)
        Time in ns and what to call with it; those of one time in the order given.
    """

    def __init__(self, events: Iterable[Event], settlements: Iterable[Event] = ()) -> None:
        # Backwards, so that the next one is popped from the end.
        self._events = sorted(events, key=_time)[::-1]
        self._settlements = sorted(settlements, key=_time)[::-1]

    def next_time(self) -> int:
        """Return the time of the next change or settlement, the largest int64 when there is none."""
        return min((queue[-1][0] for queue in (self._events, self._settlements) if queue), default=NEVER)

    def apply(self, time: int) -> None:
        """Carry out all changes up to a time."""
        _carry_out(self._events, time)

    def settle(self, time: int) -> None:
        """Carry out all settlements up to a time."""
        _carry_out(self._settlements, time)


def _time(event: Event) -> int:
    return event[0]


def _carry_out(queue: list[Event], time: int) -> None:
    while queue and queue[-1][0] <= time:
        when, change = queue.pop()
        change(when)
