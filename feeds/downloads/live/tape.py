"""One stream while it is recorded: rows that wait for the disk, repeats, and where something is missing."""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from feeds.downloads.live.channels import Channel
from feeds.downloads.windows import Wanted
from feeds.findings import Gap

LATE_NS = 300 * 10**9  # further ahead of our clock no time can be (T1)
EARLIEST_NS = 1_230_940_800 * 10**9  # 2009-01-03 (T1)
REMEMBERED = 20_000  # names of rows that a reconnection may repeat

LOST, RESTARTED, HOLE = "connection lost", "not recorded", "ids missing"


@dataclass
class Batch:
    """What a flush takes off a tape.

    Attributes
    ----------
    rows : list of tuple
        In the order of receipt.
    gaps : list of Gap
    since, until : int
        The stretch that was listened to, as far as it is known, ns.
    is_open : bool
        Whether the connection is down, so that what follows `until` is not known.
    """

    rows: list[tuple[Any, ...]]
    gaps: list[Gap]
    since: int
    until: int
    is_open: bool


@dataclass
class Tape:
    """Rows of one stream.

    Parameters
    ----------
    wanted : Wanted
    channel : Channel

    Notes
    -----
    Streams that never rest (all but liquidations) are proved by their rows: what lies between the last row before a
    loss and the first after it is a gap, unless ids without holes show that nothing is missing. Of liquidations a
    missing row proves nothing, so there a gap reaches from the last sign of life of the connection to the first
    after it was opened anew.
    """

    wanted: Wanted
    channel: Channel
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    total: int = 0
    repeats: int = 0
    dropped: int = 0
    reconnects: int = 0
    last_ts: int = 0
    last_seen: int = 0
    since: int = 0
    alive: int = 0
    lost: list[Gap] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _open: tuple[int, str] | None = None
    _number: int | None = None
    _last: tuple[Any, ...] | None = None
    _names: set[Hashable] = field(default_factory=set)
    _order: deque[Hashable] = field(default_factory=deque)

    @property
    def is_sparse(self) -> bool:
        """Tell whether silence is normal."""
        return self.wanted.kind == "liquidations"

    @property
    def is_open(self) -> bool:
        """Tell whether a gap has begun and not ended."""
        return self._open is not None

    def resume_from(self, until: int, number: int | None) -> None:
        """Take note of where an earlier recording ended, and the id of its last trade where these count."""
        self._open = (until, RESTARTED)
        self._number = number

    def connected(self, now: int) -> None:
        """Take note of the first message after a subscription."""
        self.alive = max(self.alive, now)
        self.since = self.since or now
        if self.is_sparse:
            self._close(now)

    def disconnected(self, alive: int, reason: str = LOST) -> None:
        """Take note of a lost connection whose last sign of life was at `alive`."""
        if not self.since:
            return
        self.reconnects += 1
        self.alive = max(self.alive, alive)
        if self._open is None:
            if self.is_sparse:
                self._open = (self.alive, reason)
            elif self.last_ts:
                self._open = (self.last_ts + 1, reason)

    def add(
        self, row: tuple[Any, ...], *, received: int, name: Hashable | None = None, number: int | None = None
    ) -> None:
        """Take one row, whose first cell is its time; a name seen before is a repeat.

        Parameters
        ----------
        row : tuple
        received : int
            ns, by our clock.
        name : hashable, optional
        number : int, optional
            An id that counts without holes.
        """
        ts = row[0]
        if not EARLIEST_NS < ts <= received + LATE_NS:
            self.dropped += 1
            return
        if name is not None and not self._is_new(name):
            self.repeats += 1
            return
        self.since = self.since or received
        if not self.is_sparse:
            self._judge(ts, number)
        self.rows.append(row)
        self.total += 1
        self.last_ts = max(self.last_ts, ts)
        self.last_seen = self.alive = max(self.alive, received)

    def add_if_changed(self, row: tuple[Any, ...], what: tuple[Any, ...], *, received: int) -> None:
        """Take a row unless it says the same as the one before."""
        if what != self._last or self.is_open or not self.last_ts:
            self._last = what
            self.add(row, received=received)
        elif row[0] <= received + LATE_NS:
            self.last_ts = max(self.last_ts, row[0])
            self.last_seen = self.alive = max(self.alive, received)

    def take(self) -> Batch:
        """Hand out what is to be stored, and forget it."""
        known = self.alive if self._open is None else self._open[0]
        until = known if self.is_sparse else self.last_ts
        batch = Batch(self.rows, self.gaps, self.since, until, self.is_open)
        self.rows, self.gaps = [], []
        return batch

    def give_back(self, batch: Batch) -> None:
        """Take back what could not be stored."""
        self.rows = batch.rows + self.rows
        self.gaps = batch.gaps + self.gaps

    def say(self, text: str) -> None:
        """Add a problem once."""
        if text not in self.problems:
            self.problems.append(text)

    def _judge(self, ts: int, number: int | None) -> None:
        """Find out whether rows are missing before this one."""
        missing = None
        if number is not None and self._number is not None:
            missing = number - self._number - 1
        if missing is not None and missing <= 0:
            self._open = None
        elif self._open is not None:
            if ts >= self._open[0]:  # a row from before the loss does not show that it is over
                self._close(ts)
        elif missing is not None:
            self._note(Gap(self.last_ts + 1, ts, "missing", f"{HOLE}: {missing}"))
        if number is not None:
            self._number = number if self._number is None else max(number, self._number)

    def _close(self, end: int) -> None:
        """End the gap that is open."""
        if self._open is not None:
            start, reason = self._open
            self._open = None
            self._note(Gap(start, end, "missing", reason))

    def _note(self, gap: Gap) -> None:
        """File a gap; one without length is none."""
        if gap.start < gap.end:
            self.gaps.append(gap)
            self.lost.append(gap)

    def _is_new(self, name: Hashable) -> bool:
        """Remember a name; False when it is remembered already."""
        if name in self._names:
            return False
        self._names.add(name)
        self._order.append(name)
        if len(self._order) > REMEMBERED:
            self._names.discard(self._order.popleft())
        return True
