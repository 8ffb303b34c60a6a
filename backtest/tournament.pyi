"""The earliest of many streams: a linear minimum for few, a tree of winners for many. Ties go to the lower number."""

from typing import Any

class Tournament:
    """Next times of `n` streams, all at INT64_MAX to begin with."""
    def __init__(self, n: int, *, few: int = ...) -> None: ...
    def play(self, changes: list[Any]) -> Any: ...
