"""Where partitions lie below a root, local or remote (feeds.md 4.3)."""

from pathlib import Path
from typing import Any

from feeds.errors import FeedError
from feeds.schema import MONTHLY_KINDS
from feeds.symbols import check_venue, instrument_from_path, instrument_to_path
from feeds.times import day_bounds, day_text, month_bounds

LAYOUT = "v1"


def partition_of(kind: str, ts: int) -> str:
    """Return the partition of a moment: ``2025-10-10``, or ``2025-10`` for kinds with few rows."""
    return day_text(ts)[:7] if kind in MONTHLY_KINDS else day_text(ts)


def partition_bounds(partition: str) -> tuple[int, int]:
    """Return the first ns of a partition and the first after it."""
    return month_bounds(partition) if len(partition) == 7 else day_bounds(partition)


def instrument_path(venue: str, native: str) -> str:
    """Return the folder of an instrument below the root."""
    return f"{LAYOUT}/venue={venue}/instrument={instrument_to_path(native)}"


def partition_path(venue: str, native: str, kind: str, partition: str) -> str:
    """Return the folder of a partition below the root; the colon of ``bars:1m`` is a dash."""
    name = "month" if len(partition) == 7 else "date"
    return f"{instrument_path(venue, native)}/type={kind.replace(':', '-')}/{name}={partition}"


def list_partitions(filesystem: Any, path: str) -> list[str]:
    """Return the partition folders (last path segment) inside a ``type=`` folder, in time order."""
    return sorted(name for name in _folders(filesystem, path) if name.startswith(("date=", "month=")))


def list_kinds(filesystem: Any, path: str) -> list[str]:
    """Return the kinds inside an ``instrument=`` folder."""
    names = [name[5:].replace("-", ":", 1) for name in _folders(filesystem, path) if name.startswith("type=")]
    return sorted(names)


def list_instruments(filesystem: Any, root: str, venue: str) -> list[str]:
    """Return the native ids that a venue has below the root."""
    check_venue(venue)
    folders = _folders(filesystem, f"{root}/{LAYOUT}/venue={venue}")
    return sorted(instrument_from_path(name[11:]) for name in folders if name.startswith("instrument="))


def list_venues(filesystem: Any, root: str) -> list[str]:
    """Return the venues below the root."""
    return sorted(name[6:] for name in _folders(filesystem, f"{root}/{LAYOUT}") if name.startswith("venue="))


def open_root(root: str | Path) -> tuple[Any, str, bool]:
    """Return file system, path and whether it is local, of a path or a URI.

    URIs that pyarrow knows (``s3://bucket/folder``, with ``?endpoint_override=...&scheme=http`` for another server) are
    opened by it, all others by fsspec where that is installed.

    Raises
    ------
    FeedError
        If nobody can open such a URI.
    """
    import pyarrow as pa
    from pyarrow import fs

    text = str(root)
    if "://" not in text:
        return local_filesystem(), str(Path(text).expanduser().absolute()), True
    try:
        filesystem, path = fs.FileSystem.from_uri(text)
    except (pa.ArrowException, OSError, ValueError) as error:
        filesystem, path = _by_fsspec(text, error)
    return filesystem, path.rstrip("/"), isinstance(filesystem, fs.LocalFileSystem)


def _by_fsspec(uri: str, reason: Exception) -> tuple[Any, str]:
    """Open a URI with fsspec."""
    from pyarrow import fs

    try:
        import fsspec
    except ImportError:
        raise FeedError(f"{uri}: cannot be opened ({reason}); pip install fsspec for more kinds of stores") from None
    try:
        found, path = fsspec.core.url_to_fs(uri)
    except (ImportError, ValueError, OSError) as error:
        raise FeedError(f"{uri}: cannot be opened ({error})") from error
    return fs.PyFileSystem(fs.FSSpecHandler(found)), path


def local_filesystem() -> Any:
    """Return the local file system."""
    from pyarrow import fs

    return fs.LocalFileSystem()


def _folders(filesystem: Any, path: str) -> list[str]:
    """Return the names of the folders directly inside a path; none when it does not exist."""
    from pyarrow import fs

    try:
        infos = filesystem.get_file_info(fs.FileSelector(path, allow_not_found=True))
    except OSError as error:
        raise FeedError(f"{path}: cannot be listed ({error})") from error
    return [info.base_name for info in infos if info.type == fs.FileType.Directory]


def is_file(filesystem: Any, path: str) -> bool:
    """Tell whether a path is a file."""
    from pyarrow import fs

    return bool(filesystem.get_file_info(path).type == fs.FileType.File)
