"""Opening files that people download: containers, zip members, truncation."""

import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

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
    return ", ".join(SUFFIXES) + ", each also with .gz, and .zip with one member"


def _container(name: str) -> str:
    """Container by the ending of a name without its .gz, or an empty string."""
    return SUFFIXES.get(Path(name.lower().removesuffix(".gz")).suffix, "")


def _source(path: Path) -> Source:
    if path.suffix.lower() == ".zip":
        member = _only_member(path)
        container = _container(member)
    else:
        member = ""
        container = _container(path.name)
    if not container:
        raise FeedError(f"{path}: ending not readable{f' ({member})' if member else ''}; readable: {_endings()}")
    return Source(path, container, member)


def _only_member(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if not name.endswith("/")]
    except zipfile.BadZipFile as error:
        raise FeedError(f"{path}: not a whole zip file ({error}); download it again") from error
    if len(members) != 1:
        raise FeedError(f"{path}: expected one member, found {len(members)}: {', '.join(members[:5])}")
    return members[0]


@contextmanager
def opened(source: Source) -> Iterator[IO[bytes]]:
    """Open the decompressed bytes; a truncated or damaged file becomes a FeedError when it is reached."""
    import pyarrow as pa

    try:
        if source.member:
            with zipfile.ZipFile(source.path) as archive, archive.open(source.member) as stream:
                yield stream
        else:
            compression = "gzip" if source.path.suffix.lower() == ".gz" else None
            with pa.input_stream(str(source.path), compression=compression) as stream:
                yield stream
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise broken(source, error) from error


def broken(source: Source, error: Exception) -> FeedError:
    """Error for a file whose bytes cannot be read to the end."""
    return FeedError(
        f"{source.where}: cannot be read to its end: {error}; nothing was written; if it is damaged, download it again"
    )
