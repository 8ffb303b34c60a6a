"""Units of work: one partition of one stream, and what a source brought for it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from feeds.findings import Finding, Gap
from feeds.paths import partition_bounds, partition_of
from feeds.schema import join_kind

if TYPE_CHECKING:
    import pyarrow as pa

SETTLE_NS = 600 * 10**9  # a venue's history may change for so long after the fact (feeds.md 4.4)
FIVE_MINUTES_NS = 300 * 10**9


@dataclass(frozen=True, slots=True)
class Wanted:
    """One stream that is asked for; `kind` is the bare word."""

    venue: str
    symbol: str
    native: str
    kind: str
    timeframe_ns: int = 0

    @property
    def label(self) -> str:
        """Return the kind with its timeframe."""
        return join_kind(self.kind, self.timeframe_ns)

    @property
    def step_ns(self) -> int:
        """Return the distance of rows on a fixed grid, 0 for kinds without one."""
        return FIVE_MINUTES_NS if self.kind == "open_interest" else self.timeframe_ns

    def __str__(self) -> str:
        """Return the stream for a message."""
        return f"{self.symbol}@{self.venue} {self.label}"


@dataclass(frozen=True, slots=True)
class Window:
    """One partition, and the part of it in which rows can exist.

    Attributes
    ----------
    name : str
        Day or month.
    start, end : int
        Bounds of the partition, ns.
    low, high : int
        From the listing, or the start; to the present or the delisting, or the end.
    is_running : bool
        Whether the partition has not ended (and settled) yet: it stays ``partial``.
    known : int
        The last id of rows that are stored without a hole from the beginning of the partition on; -1: none.
    seen : int
        Time of the last row that is stored of the partition, ns; -1: none.
    keep : callable or None
        Stores a haul that does not reach the end yet: what was received is not lost when the process is killed.
    """

    name: str
    start: int
    end: int
    low: int
    high: int
    is_running: bool
    known: int = -1
    seen: int = -1
    keep: "Callable[[Haul], None] | None" = field(default=None, compare=False)

    @property
    def has_listing(self) -> bool:
        """Tell whether the instrument was listed inside this partition."""
        return self.low > self.start


@dataclass(frozen=True, slots=True)
class Haul:
    """What one source brought for one window.

    Attributes
    ----------
    table : pa.Table or None
        Canonical rows inside the window; None when the source has nothing at all.
    sources : tuple of dict
        For the ledger.
    proof : str
        What its completeness rests on, where no grid shows it.
    is_whole : bool
        Whether that proof holds for the whole window.
    findings, gaps : tuple
    absence : str
        Why there is nothing: ``not yet``, ``absent``, ``out of reach``, or the words of a failure.
    """

    table: "pa.Table | None" = None
    sources: tuple[dict[str, Any], ...] = ()
    proof: str = "none"
    is_whole: bool = False
    findings: tuple[Finding, ...] = ()
    gaps: tuple[Gap, ...] = ()
    absence: str = ""


Fetch = Callable[[Window], Haul]


class Ahead(Protocol):
    """Receives what windows will be made of before their turn comes."""

    def prepare(self, windows: Iterable[Window]) -> None:
        """Begin to receive what the next windows will be made of."""

    def close(self) -> None:
        """Let go of what was received and not used."""

    def published(self, path: str) -> str:
        """Return the SHA-256 that the vendor publishes of a file now, an empty text where it publishes none."""


@dataclass(frozen=True, slots=True)
class Source:
    """A way to fill windows of one stream.

    Attributes
    ----------
    name : str
        Host, for reports.
    fetch : callable
    has_running : bool
        Whether it has rows of a partition that is not over: an exchange has, an archive only of months made of days.
    days : int
        How many days before now it reaches; 0 for all.
    since, until : int
        Bounds in ns of what exists there; 0 when open.
    ahead : Ahead or None
        Of archives.
    """

    name: str
    fetch: Fetch
    has_running: bool = False
    days: int = 0
    since: int = 0
    until: int = 0
    ahead: Ahead | None = None

    def reaches(self, window: Window, now: int) -> bool:
        """Tell whether anything of a window can be had here."""
        oldest = max(self.since, now - self.days * 86_400_000_000_000 if self.days else 0)
        return window.high > oldest and not (self.until and window.low >= self.until)


def windows(
    wanted: Wanted, start: int, end: int, *, now: int, listed: int | None = None, delisted: int | None = None
) -> list[Window]:
    """Return the partitions that ``start <= t < end`` touches and in which the instrument existed, in time order."""
    begin = start if listed is None else max(start, listed)
    last = min(end, now) if delisted is None else min(end, now, delisted)
    found = []
    cursor = begin
    while cursor < last:
        name = partition_of(wanted.kind, cursor)
        low, high = partition_bounds(name)
        bottom = low if listed is None else max(low, listed)
        top = min(high, now) if delisted is None else min(high, now, delisted)
        found.append(Window(name, low, high, bottom, top, now < high + SETTLE_NS))
        cursor = high
    return found
