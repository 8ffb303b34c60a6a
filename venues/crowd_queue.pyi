"""Auto-deleveraging in a run with a population: who of the other side takes a bankrupt position over."""

from venues.crowd import Crowd

NAMES: tuple[str, ...]

class CrowdQueue(Crowd):
    """A population whose winners may be deleveraged."""
    def make_queue(self, venue: int, instrument: int, side: int) -> None: ...
