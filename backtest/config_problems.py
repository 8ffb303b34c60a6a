"""Errors of a configuration, collected so that a reader gets all of them at once."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from feeds.errors import LevdynError

T = TypeVar("T")


class Problems:
    """Errors by place; what cannot be made is None, so that everything else is still looked at.

    Parameters
    ----------
    found : list of str
        Gets the messages.
    """

    def __init__(self, found: list[str]) -> None:
        self.found = found

    def attempt(self, place: str, make: Callable[..., T], *arguments: Any, **named: Any) -> T | None:
        """Return what a call returns, None after noting what it refused."""
        try:
            return make(*arguments, **named)
        except LevdynError as error:
            # The place says it already: "venue.leverage: Venue('x'): leverage must be ..."
            said = re.sub(r"^[A-Z]\w*(\([^)]*\))?: ", "", str(error))
            self.note(place, said.removeprefix(f"{place.rpartition('.')[2]} "))
            return None

    def note(self, place: str, text: str) -> None:
        """Add an error, once."""
        message = f"{place}: {text}"
        if message not in self.found:
            self.found.append(message)

    def construct(
        self, place: str, make: Callable[..., T], required: Mapping[str, Any], given: Mapping[str, Any]
    ) -> T | None:
        """Call a constructor; when it refuses, once more with each argument alone, so that each is judged."""
        before = len(self.found)
        try:
            return make(**required, **given)
        except LevdynError as error:
            whole = str(error)
        for name, value in given.items():
            self.attempt(f"{place}.{name}", make, **required, **{name: value})
        if len(self.found) == before:
            self.note(place, whole)
        return None
