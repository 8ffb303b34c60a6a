"""Batches decoded ahead: a thread reads the next one while the present one is used."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    import pyarrow as pa


class Ahead:
    """An iterator over the batches of another, one of them ahead.

    What comes out, and in what order, is what the other gives; an error of its comes when its batch is asked for.

    Parameters
    ----------
    batches : iterator of pyarrow.RecordBatch
        Used by the thread alone from now on.
    thread : ThreadPoolExecutor
        Of one worker; streams may share it.
    """

    def __init__(self, batches: "Iterator[pa.RecordBatch]", thread: "ThreadPoolExecutor") -> None:
        self._batches = batches
        self._thread = thread
        self._next: Future[pa.RecordBatch | None] | None = None
        self._is_over = False

    def __iter__(self) -> "Ahead":
        """Return itself."""
        return self

    def __next__(self) -> "pa.RecordBatch":
        """Return the next batch and let the one after it be read."""
        if self._is_over:
            raise StopIteration
        asked = self._thread.submit(next, self._batches, None) if self._next is None else self._next
        found = asked.result()
        if found is None:
            self._is_over = True
            raise StopIteration
        self._next = self._thread.submit(next, self._batches, None)
        return found
