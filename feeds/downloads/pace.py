"""How fast each host may be asked: budgets as the venues document them, bans that a venue announced."""

import json
import math
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from feeds.errors import FeedError
from feeds.locks import write_atomic

BURST_S = 2.0  # of a host's timeline that may be used up at once
LONGEST_BAN_S = 1800.0
_BINANCE_BUDGET = 2_400  # weight a minute of either futures host
_BINANCE_LEVEL = 0.9

# Seconds of the host's timeline that one request of unit cost takes, where requests do not go through ccxt (whose own
# table of costs is used there). Deribit: 20 non-matching requests a second (docs.deribit.com, rate limits, read
# 2026-11); its history host is not documented, half of that is taken. Archives have no documented limit.
SECONDS_PER_REQUEST = {"history.deribit.com": 0.1, "datasets.tardis.dev": 0.1}


class Clock:
    """The time of this machine; tests have their own."""

    def now_ns(self) -> int:
        """Return ns since 1970 UTC."""
        return time.time_ns()

    def seconds(self) -> float:
        """Return seconds that only ever grow."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass
class Pace:
    """The timeline of every host: how much of it is used up, and until when it must not be asked.

    Parameters
    ----------
    clock : Clock
    memory : Path or None
        File in which bans survive the process.
    """

    clock: Clock = field(default_factory=Clock)
    memory: Path | None = None
    waiting: dict[str, str] = field(default_factory=dict)
    waited: dict[str, float] = field(default_factory=dict)
    _used: dict[str, float] = field(default_factory=dict)
    _in_memory: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, host: str, seconds: float) -> None:
        """Wait until `seconds` of the host's timeline are free, then use them up.

        Raises
        ------
        FeedError
            If the host announced a ban longer than half an hour.
        """
        self._sit_out(host)
        cost = seconds if seconds else SECONDS_PER_REQUEST.get(host, 0.0)
        with self._lock:
            now = self.clock.seconds()
            begin = max(self._used.get(host, -math.inf), now - BURST_S)
            self._used[host] = begin + cost
        if begin > now:
            self.wait(host, begin - now, "rate limit")

    def hold(self, host: str, seconds: float) -> None:
        """Use up the host's timeline for so long from now on."""
        with self._lock:
            self._used[host] = max(self._used.get(host, -math.inf), self.clock.seconds() + seconds)

    def wait(self, host: str, seconds: float, why: str) -> None:
        """Wait for a host, visibly."""
        self.waiting[host] = f"{why}, {seconds:.0f} s"
        try:
            self.clock.sleep(seconds)
        finally:
            self.waiting.pop(host, None)
            with self._lock:
                self.waited[host] = self.waited.get(host, 0.0) + seconds

    def ban(self, host: str, seconds: float) -> None:
        """Remember that a host must not be asked for so long, also by a later process."""
        until = self.clock.now_ns() + int(seconds * 1e9)
        with self._lock:
            bans = self._bans()
            bans[host] = max(until, bans.get(host, 0))
            self._keep(bans)

    def see_weight(self, host: str, used: int) -> None:
        """Wait for the next minute when the weight that Binance reports nears its budget."""
        if host in ("fapi.binance.com", "dapi.binance.com") and used > _BINANCE_LEVEL * _BINANCE_BUDGET:
            into = self.clock.now_ns() % 60_000_000_000
            self.wait(host, (60_000_000_000 - into) / 1e9, f"weight {used} of {_BINANCE_BUDGET}")

    def _sit_out(self, host: str) -> None:
        """Wait until the ban of a host has ended."""
        with self._lock:
            until = self._bans().get(host, 0)
        left = (until - self.clock.now_ns()) / 1e9
        if left > LONGEST_BAN_S:
            raise FeedError(f"{host} has banned this address for another {left / 60:.0f} min; try again after that")
        if left > 0:
            self.wait(host, left, "banned")

    def _bans(self) -> dict[str, int]:
        """Return the bans by host, ns until which they last."""
        if self.memory is None:
            return self._in_memory
        try:
            found = json.loads(self.memory.read_text())
            return {str(host): int(until) for host, until in found.items()}
        except (OSError, ValueError, AttributeError):
            return {}  # what is lost is a ban that the host will announce again

    def _keep(self, bans: dict[str, int]) -> None:
        """Store the bans."""
        self._in_memory = bans
        if self.memory is not None:
            self.memory.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.memory, json.dumps(bans, sort_keys=True).encode())
