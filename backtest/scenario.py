"""Scenario scripts: what is done to recorded data, or happens at venues, before a run reads them.

A step changes streams inside its window, or adds rows of `venue_events` as recorded days have them; several are carried
out in the order given. Times are moved by a draw of its own where a step has `jitter`, so that a scenario can be run
over many seeds.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from backtest.errors import ConfigError
from backtest.timers import duration_ns
from feeds.dataset import Dataset
from feeds.errors import FeedError
from feeds.times import iso, time_ns
from venues.checks import number
from venues.errors import VenueError

END = (1 << 62) - 1  # of a window that stays open


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(ABC):
    """One step of a scenario.

    Parameters
    ----------
    jitter : duration
        All times of the step are moved later by a uniform draw below it.
    seed : int
        Of that draw; steps of other kinds, or of another symbol or venue, draw by themselves.
    """

    what: ClassVar[str]
    jitter: str | int = 0
    seed: int = 0

    def moved(self) -> int:
        """Return the ns by which the times of the step are moved."""
        width = duration_ns(self.jitter)
        if width < 0:
            raise ConfigError(f"{self.what}: jitter must not be negative, got {self.jitter!r}")
        if width == 0:
            return 0
        from backtest.lab.draws import Draws

        return int(float(Draws(self.seed, f"{self.what} {self.place()}").uniform(1)[0]) * width)

    def place(self) -> str:
        """Return the symbol, venue or asset that the step is about."""
        for name in ("symbol", "venue", "asset"):
            if hasattr(self, name) and getattr(self, name) is not None:
                return str(getattr(self, name))
        return ""

    def window(self, start: Any, until: Any) -> tuple[int, int]:
        """Return a window in ns, jitter included.

        Raises
        ------
        ConfigError
            If it ends before it begins.
        """
        low = 0 if start is None else self.moment(start, "start")
        high = END if until is None else self.moment(until, "until")
        if low >= high:
            raise ConfigError(f"{self.what}: start {iso(low)} is not before until {iso(high)}")
        return low, high

    def moment(self, value: Any, name: str) -> int:
        """Return a time in ns, jitter included."""
        try:
            return time_ns(value, name=f"{self.what}: {name}") + self.moved()
        except FeedError as error:
            raise ConfigError(str(error)) from None

    def check(self, name: str, **bounds: float) -> float:
        """Return a number of the step that lies within bounds."""
        try:
            return number(getattr(self, name), f"{self.what}: {name}", **bounds)
        except VenueError as error:
            raise ConfigError(str(error)) from None

    @abstractmethod
    def apply(self, data: Dataset) -> Dataset:
        """Return the data with the step carried out."""

    def arguments(self) -> dict[str, Any]:
        """Return the step as a [[scenario]] table would have it, without what is at its default."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        shown = {name: value for name, value in found.items() if value != _default(type(self), name)}
        return {"what": self.what, **{name: _plain(value) for name, value in shown.items()}}

    def describe(self) -> str:
        """Return the step in words."""
        given = self.arguments()
        return f"{self.what}: {', '.join(f'{name} {value}' for name, value in given.items() if name != 'what')}"


def _default(kind: type[Step], name: str) -> Any:
    from dataclasses import MISSING

    found = next(each.default for each in fields(kind) if each.name == name)
    return object() if found is MISSING else found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value if isinstance(value, str | int | float) else str(value)


def steps(given: "Step | Sequence[Step] | None") -> tuple[Step, ...]:
    """Return the steps of a scenario.

    Raises
    ------
    ConfigError
        If something else was given.
    """
    if given is None:
        return ()
    found = [given] if isinstance(given, Step) else list(given) if isinstance(given, list | tuple) else [given]
    for each in found:
        if not isinstance(each, Step):
            raise ConfigError(
                f"scenario must be a step of backtest.scenarios or several, got {type(each).__name__}; "
                "as GapPrice(symbol='BTC/USDT:USDT', at='2024-01-01T12:00', by=-0.1)"
            )
    return tuple(found)


def carried_out(given: Sequence[Step], data: Dataset) -> Dataset:
    """Return data after all steps of a scenario, in their order."""
    for step in given:
        data = step.apply(data)
    return data
