"""Files of vendors' archives: received whole, compared with the published checksum, read by the formats in turn."""

import gzip
import re
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feeds.downloads.context import Context
from feeds.downloads.endpoints import where
from feeds.downloads.http import GONE, Stored
from feeds.downloads.receiving import AT_ONCE
from feeds.downloads.windows import Haul, Wanted, Window
from feeds.errors import FeedError
from feeds.findings import Finding, Gap
from feeds.formats import Wanted as Chosen
from feeds.formats import format_named, recognise
from feeds.formats.files import find
from feeds.formats.heads import head as look
from feeds.formats.streams import Streams

if TYPE_CHECKING:
    import pyarrow as pa

_ATTEMPTS = 3  # a file whose bytes are wrong is asked for so often
_KEPT = 3  # files of one stream that stay on disk for the next window


class BadFileError(FeedError):
    """A file stayed wrong after several downloads."""


@dataclass(frozen=True, slots=True)
class Contents:
    """Rows of one stream in one file.

    Attributes
    ----------
    tables : list of pa.Table
        Canonical, in time order.
    source : dict
        For the ledger.
    has_checksum : bool
        Whether the vendor published one, and it fits.
    findings, gaps : tuple
    """

    tables: "list[pa.Table]"
    source: dict[str, Any]
    has_checksum: bool
    findings: tuple[Finding, ...] = ()
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class _Received:
    """A file whose bytes are whole, and the SHA-256 that its vendor publishes of it."""

    stored: Stored
    published: str


@dataclass
class Files:
    """The files that one stream is read from, each received and read once; several are received at a time.

    Parameters
    ----------
    context : Context
    wanted : Wanted
    vendor : str
        Host; the folder below which its files are kept while they are needed.
    format : str
        Name of the format; ``auto`` tells it by content.
    headers : mapping
        Of each request.
    checksum_suffix : str
        Of the file with the published SHA-256 beside each file, empty where there are none.
    absent : tuple of int
        Statuses with which the vendor says that it does not have a file.
    """

    context: Context
    wanted: Wanted
    vendor: str
    format: str = "auto"
    headers: Mapping[str, str] = field(default_factory=dict)
    checksum_suffix: str = ""
    absent: tuple[int, ...] = GONE
    _read: dict[str, Contents] = field(default_factory=dict)
    _missing: set[str] = field(default_factory=set)
    _done: set[str] = field(default_factory=set)
    _planned: deque[str] = field(default_factory=deque)
    _coming: "dict[str, Future[_Received | None]]" = field(default_factory=dict)

    def ahead(self, paths: Iterable[str]) -> None:
        """Take note of the files that will be asked for next, in order, and begin to receive the first of them."""
        self._planned = deque(dict.fromkeys(path for path in paths if path not in self._done))
        self._top_up()

    def lacks(self, path: str) -> bool:
        """Tell whether the vendor was seen not to have a file."""
        return path in self._missing

    def close(self) -> None:
        """Let go of what was received ahead and not asked for."""
        for coming in self._coming.values():
            if not coming.cancel() and coming.done() and coming.exception() is None:
                found = coming.result()
                if found is not None:
                    found.stored.path.unlink(missing_ok=True)
        self._coming = {}

    def contents(self, path: str) -> Contents | None:
        """Return the stream's rows of a file, None when the vendor does not have the file.

        Raises
        ------
        BadFileError
            If its bytes do not fit its checksum, or cannot be read to the end, after several downloads.
        """
        if path not in self._read and path not in self._missing:
            while len(self._read) >= _KEPT:
                del self._read[next(iter(self._read))]
            try:
                found = self._begin(path).result()
            finally:
                del self._coming[path]
                self._done.add(path)
                self._top_up()
            if found is None:
                self._missing.add(path)
                return None
            try:
                self._read[path] = self._parsed(found.stored, path, found.published)
            finally:
                found.stored.path.unlink(missing_ok=True)
        return self._read.get(path)

    def _top_up(self) -> None:
        """Keep as many files coming as may come at once."""
        while self._planned and len(self._coming) < AT_ONCE:
            path = self._planned.popleft()
            if path not in self._done:
                self._begin(path)

    def _begin(self, path: str) -> "Future[_Received | None]":
        """Return what will be received of a file, begun now if it was not before."""
        if path not in self._coming:
            self._coming[path] = self.context.receivers.submit(lambda: self._received(path))
        return self._coming[path]

    def _received(self, path: str) -> _Received | None:
        """Receive a file whole; runs in a thread."""
        url, target = self._url(path), self.context.raw / self.vendor / path
        published = self.published(path)
        problem = ""
        for _ in range(_ATTEMPTS):
            stored = self.context.client.file(url, target, headers=self.headers, absent=self.absent)
            if stored is None:
                return None
            problem = self._problem(stored, published)
            if not problem:
                return _Received(stored, published)
            stored.path.unlink(missing_ok=True)
        raise BadFileError(f"{where(url)}: {problem} ({_ATTEMPTS} downloads)")

    def _url(self, path: str) -> str:
        return f"https://{self.vendor}/{path}"

    def published(self, path: str) -> str:
        """Return the SHA-256 that the vendor publishes beside a file, an empty text when there is none."""
        if not self.checksum_suffix:
            return ""
        text = self.context.client.text(self._url(path) + self.checksum_suffix, headers=self.headers)
        found = re.match(r"\s*([0-9a-fA-F]{64})\b", text or "")
        return found[1].lower() if found else ""

    def _problem(self, stored: Stored, published: str) -> str:
        """Say what is wrong with the bytes of a file, nothing when they are whole."""
        if published and stored.sha256 != published:
            return f"sha256 is {stored.sha256[:16]}..., published is {published[:16]}..."
        try:
            if stored.path.suffix == ".zip":
                with zipfile.ZipFile(stored.path) as archive:
                    bad = archive.testzip()
                return f"member {bad} is damaged" if bad else ""
            if stored.path.suffix == ".gz":
                with gzip.open(stored.path) as file:
                    while file.read(1 << 20):
                        pass
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            return f"not a whole file ({error})"
        return ""

    def _parsed(self, stored: Stored, path: str, published: str) -> Contents:
        """Read the rows of this stream."""
        wanted = self.wanted
        chosen = Chosen(venue=wanted.venue, symbol=wanted.symbol, timeframe_ns=wanted.timeframe_ns, kind=wanted.kind)
        streams = Streams(chosen)
        source: dict[str, Any] = {"name": Path(path).name, "vendor": self.vendor, "url": path}
        source |= {"sha256": stored.sha256, "size": stored.size}
        if published:
            source["published_sha256"] = published
        for each in find(stored.path):
            head = look(each, symbol=wanted.symbol)
            if not head.rows and head.table is None:
                return Contents([], source, bool(published))
            found = recognise(each, head) if self.format == "auto" else format_named(self.format)
            streams.take(found.read(each, head, chosen), where(path), name=each.path.name, named=head.symbol)
        key = (wanted.venue, wanted.symbol, wanted.kind, wanted.timeframe_ns)
        if key not in streams.rows:
            raise FeedError(f"{where(path)}: holds {', '.join(map(str, streams.rows))}, not {wanted}")
        days = streams.rows[key].finished()
        return Contents(
            [day.take() for day in days],
            source,
            bool(published),
            tuple(each for day in days for each in day.findings),
            tuple(gap for day in days for gap in day.gaps),
        )


class Archive(ABC):
    """One stream of a vendor's archive; a vendor says which files a window is made of, and how.

    Parameters
    ----------
    context : Context
    wanted : Wanted
    files : Files
    """

    def __init__(self, context: Context, wanted: Wanted, files: Files) -> None:
        self._context = context
        self._wanted = wanted
        self._files = files

    @abstractmethod
    def fetch(self, window: Window) -> Haul:
        """Return the rows of a window."""

    @abstractmethod
    def paths(self, window: Window) -> list[str]:
        """Return the files that a window is first looked for in."""

    def prepare(self, windows: Iterable[Window]) -> None:
        """Begin to receive what the next windows will be made of."""
        self._files.ahead(path for window in windows for path in self.paths(window))

    def published(self, path: str) -> str:
        """Return the SHA-256 that the vendor publishes of a file now, an empty text where it publishes none."""
        return self._files.published(path)

    def close(self) -> None:
        """Let go of what was received and not used."""
        self._files.close()
