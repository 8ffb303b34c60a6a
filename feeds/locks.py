"""One writer at a time, and no half-written file is ever visible."""

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from feeds.errors import FeedError

LOCK_NAME = ".lock"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old bytes or the new ones, also after a crash."""
    part = write_part(path, data)
    os.replace(part, path)
    sync_directory(path.parent)


def write_part(path: Path, data: bytes, *, sync: bool = True) -> Path:
    """Write (and sync) the bytes beside `path` under a temporary name, and return that name."""
    part = path.with_name(f"{path.name}.{threading.get_ident()}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
    except OSError:
        # A full disk: what was begun only takes away more of it.
        with suppress(OSError):
            part.unlink()
        raise
    return part


def sync_directory(path: Path) -> None:
    """Make renames inside a directory durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lock file of a directory.

    The file says who holds it: pid, start time of that process, boot id. A lock whose owner is gone is taken over.

    Raises
    ------
    FeedError
        If a living process holds it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / LOCK_NAME
    part = write_part(path, json.dumps(_owner(os.getpid())).encode(), sync=False)
    try:
        for _ in range(100):
            try:
                os.link(part, path)  # fails when the name exists, as O_EXCL does, and is never seen half written
                break
            except FileExistsError:
                if not _remove_stale(path):
                    raise FeedError(f"{directory}: is being written by process {_holder(path)}; wait for it") from None
        else:
            raise FeedError(f"{directory}: the lock changes hands too fast; try again")
    finally:
        part.unlink(missing_ok=True)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def is_free(directory: Path) -> bool:
    """Tell whether no living process holds the lock; a stale lock is removed."""
    path = directory / LOCK_NAME
    return not path.exists() or _remove_stale(path)


def sweep_parts(directory: Path) -> int:
    """Remove temporary files of dead processes from a directory (not below) and return how many."""
    count = 0
    for part in directory.glob("*.part"):
        pid = part.name.split(".")[-2]
        if not pid.isdigit() or not _is_alive(int(pid)) or int(pid) == os.getpid():
            part.unlink(missing_ok=True)
            count += 1
    return count


def _owner(pid: int) -> dict[str, int | str]:
    """Return what identifies a process across reboots and reuse of its number."""
    boot = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
    started = ""
    with suppress(OSError):
        # Field 22 of the line; the name in parentheses before it may hold spaces.
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return {"pid": pid, "started": started, "boot": boot}


def _is_alive(pid: int) -> bool:
    """Tell whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _holder(path: Path) -> str:
    """Return the pid in a lock file, for a message."""
    with suppress(OSError, ValueError):
        return str(json.loads(path.read_text())["pid"])
    return "unknown"


def _remove_stale(path: Path) -> bool:
    """Remove a lock whose owner is gone; False when it is held. True also when it vanished meanwhile."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # of two that see the same stale lock only one may remove it
        try:
            owner = json.loads(os.read(handle, 4096))
            pid = int(owner["pid"])
        except (ValueError, KeyError, TypeError):
            owner, pid = {}, -1
        if pid > 0 and _is_alive(pid) and owner == _owner(pid):
            return False
        with suppress(FileNotFoundError):
            if os.stat(path).st_ino == os.fstat(handle).st_ino:
                path.unlink()
        return True
    finally:
        os.close(handle)
