"""What the adapters share in one download: the client, exchanges already built, the present, the folder of files."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from feeds.downloads.capabilities import ccxt_id
from feeds.downloads.credentials import Credentials, credentials
from feeds.downloads.exchange import Exchange
from feeds.downloads.http import Client
from feeds.downloads.receiving import Receivers
from feeds.errors import FeedError

T = TypeVar("T")


@dataclass
class Context:
    """One download.

    Attributes
    ----------
    client : Client
    root : Path
        Of the catalog.
    start, end : int
        What was asked for, ns.
    now : int
        The present, fixed when the download began.
    key_file : Path or None
    receivers : Receivers
        Of files of archives.
    """

    client: Client
    root: Path
    start: int
    end: int
    now: int
    key_file: Path | None = None
    receivers: Receivers = field(default_factory=Receivers)
    _exchanges: dict[str, Exchange] = field(default_factory=dict)
    _memo: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    @property
    def raw(self) -> Path:
        """Return the folder in which files of vendors are received."""
        return self.root / "downloads" / "raw"

    def exchange(self, venue: str) -> Exchange:
        """Return the exchange of a venue, built at first use."""
        if venue not in self._exchanges:
            name = ccxt_id(venue)
            if name is None:
                raise FeedError(f"{venue}: ccxt does not have it")
            self._exchanges[venue] = Exchange(name, self.client, self.credentials(venue))
        return self._exchanges[venue]

    def credentials(self, owner: str) -> Credentials | None:
        """Return the user's key of a venue or vendor."""
        return credentials(owner, self.key_file)

    def once(self, *key: Any, make: Callable[[], T]) -> T:
        """Return a value that is asked for only once in a download."""
        if key not in self._memo:
            self._memo[key] = make()
        found: T = self._memo[key]
        return found
