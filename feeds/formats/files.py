"""Opening files that people download: containers, zip members, truncation, bombs."""

import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from feeds.errors import FeedError

SUFFIXES = {
    ".csv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".feather": "feather",
    ".arrow": "feather",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
COMPRESSIONS = {".gz": "gzip", ".lz4": "lz4"}
_TARS = (".tar.gz", ".tgz", ".tar")
# What a compressed file may grow to: market data shrink to a fifth or a tenth, a long JSON of a still book to a 50th.
MOST_RATIO = 250
FREE_BYTES = 64 << 20
_PEEK = 4096


@dataclass(frozen=True, slots=True)
class Source:
    """One readable table inside one file.

    Attributes
    ----------
    path : Path
        The file on disk.
    container : {"csv", "parquet", "feather", "json", "jsonl"}
        How the decompressed bytes are read.
    member : str
        Name of the member inside a zip, else an empty string.
    """

    path: Path
    container: str
    member: str = ""

    @property
    def name(self) -> str:
        """Name that may hint at the symbol: the zip member's if there is one, else the file's."""
        return Path(self.member).name if self.member else self.path.name

    @property
    def where(self) -> str:
        """The file, and the member inside it, for messages."""
        return f"{self.path}:{self.member}" if self.member else str(self.path)


def find(paths: str | Path | Iterable[str | Path], *, strict: bool = True) -> list[Source]:
    """List the readable tables behind a file, a folder or several of them, in name order.

    Parameters
    ----------
    paths : str, Path or iterable of them
        A folder stands for the files directly inside it.
    strict : bool
        Whether a file in a folder whose ending is not readable is an error; otherwise it is left out.

    Raises
    ------
    FeedError
        If a path does not exist, nothing is there to read, or an ending is not known.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    sources: list[Source] = []
    for path in map(Path, given):
        if path.is_dir():
            files = sorted(item for item in path.iterdir() if item.is_file() and not item.name.startswith("."))
            if not strict:
                files = [item for item in files if _container(item.name) or item.suffix == ".zip"]
            sources += [_source(item) for item in files if item.suffix.lower() != ".md"]
        elif path.is_file():
            sources.append(_source(path))
        else:
            raise FeedError(f"no such file or folder: {path}")
    if not sources:
        raise FeedError(f"nothing to read in {', '.join(map(str, given))}; readable endings: {_endings()}")
    return sources


def _endings() -> str:
    return ", ".join(SUFFIXES) + ", each also with .gz or .lz4, and .zip or .tar.gz with one member"


def _container(name: str) -> str:
    """Container by the ending of a name without that of its compression, or an empty string."""
    return SUFFIXES.get(Path(re.sub(r"\.(gz|lz4)$", "", name.lower())).suffix, "")


def _source(path: Path) -> Source:
    member = ""
    if path.suffix.lower() == ".zip":
        member = _only_member(path)
    elif path.name.lower().endswith(_TARS):
        member = _only_tar_member(path)
    container = _container(member if member else path.name)
    # Some vendors' names end in .data or in nothing but the compression: then the first bytes tell.
    if not container and (member or path.suffix.lower() in COMPRESSIONS):
        container = _by_content(Source(path, "", member))
    if not container:
        raise FeedError(f"{path}: ending not readable{f' ({member})' if member else ''}; readable: {_endings()}")
    return Source(path, container, member)


def _by_content(source: Source) -> str:
    """Container by the first bytes of a text: JSON lines may each begin with the time of their receipt."""
    with opened(source) as stream:
        start = stream.read(_PEEK).lstrip()
    if re.match(rb"\d{13,19}\s+[\[{]", start) or start[:1] == b"{":
        return "jsonl"
    if start[:1] == b"[":
        return "jsonl" if re.match(rb"\[\s*\"0x", start) else "json"
    return "csv" if start and b"\0" not in start else ""


def _only_member(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [item for item in archive.infolist() if not item.is_dir()]
    except zipfile.BadZipFile as error:
        raise FeedError(f"{path}: not a whole zip file ({error}); download it again") from error
    if len(members) != 1:
        names = ", ".join(item.filename for item in members[:5])
        raise FeedError(f"{path}: expected one member, found {len(members)}: {names}")
    if members[0].flag_bits & 1:
        raise FeedError(f"{path}: {members[0].filename} is encrypted; unpack it with its password first")
    if members[0].file_size > _allowed(members[0].compress_size):
        raise _bomb(str(path), members[0].file_size, members[0].compress_size)
    return members[0].filename


def _only_tar_member(path: Path) -> str:
    try:
        with tarfile.open(path) as archive:
            members = [item.name for item in archive if item.isfile()]
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise FeedError(f"{path}: not a whole tar file ({error}); download it again") from error
    if len(members) != 1:
        raise FeedError(f"{path}: expected one member, found {len(members)}: {', '.join(members[:5])}")
    return members[0]


@contextmanager
def opened(source: Source) -> Iterator[IO[bytes]]:
    """Open the decompressed bytes; a truncated or damaged file becomes a FeedError when it is reached.

    Nothing is ever unpacked to a disk, so names of members with ``../`` in them do no harm. What unpacks to more than
    `MOST_RATIO` times its size (and more than 64 MB) is refused.
    """
    try:
        with _unpacked(source) as stream:
            yield cast(IO[bytes], _Bounded(stream, source))
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error, NotImplementedError) as error:
        raise broken(source, error) from error


@contextmanager
def _unpacked(source: Source) -> Iterator[Any]:
    """Open the bytes behind the compression, the only member of an archive included."""
    import pyarrow as pa

    if source.member and source.path.name.lower().endswith(_TARS):
        with tarfile.open(source.path) as tar, cast(IO[bytes], tar.extractfile(source.member)) as stream:
            yield stream
    elif source.member:
        with zipfile.ZipFile(source.path) as archive, archive.open(source.member) as stream:
            yield stream
    else:
        compression = COMPRESSIONS.get(source.path.suffix.lower())
        with pa.input_stream(str(source.path), compression=compression) as stream:
            yield stream


class _Bounded:
    """A stream that refuses to give more bytes than its file can honestly hold."""

    def __init__(self, stream: Any, source: Source) -> None:
        self._stream = stream
        self._where = source.where
        self._packed = source.path.stat().st_size
        self._left = _allowed(self._packed)
        self.closed = False

    def read(self, count: int = -1) -> bytes:
        """Return at most `count` bytes, all that are left when it is negative."""
        # One byte more than allowed shows that there is more, without unpacking all of it.
        most = self._left + 1 if count < 0 else min(count, self._left + 1)
        data = bytes(self._stream.read(most))
        self._left -= len(data)
        if self._left < 0:
            raise _bomb(self._where, _allowed(self._packed), self._packed)
        return data

    def __iter__(self) -> Iterator[bytes]:
        """Yield lines without holding the whole text."""
        rest = b""
        while data := self.read(1 << 20):
            *lines, rest = (rest + data).split(b"\n")
            yield from lines
        if rest:
            yield rest

    def readable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Let the context that opened the stream close it."""
        self.closed = True


def _allowed(packed: int) -> int:
    """Return the number of bytes that a compressed file of this size may unpack to."""
    return max(FREE_BYTES, packed * MOST_RATIO)


def _bomb(where: str, size: int, packed: int) -> FeedError:
    return FeedError(
        f"{where}: {packed:,} bytes unpack to {size:,} or more, over {MOST_RATIO} times as many; market data do not: "
        "refused, nothing was written"
    )


def broken(source: Source, error: Exception) -> FeedError:
    """Error for a file whose bytes cannot be read to the end."""
    return FeedError(
        f"{source.where}: cannot be read to its end: {error}; nothing was written; if it is damaged, download it again"
    )
