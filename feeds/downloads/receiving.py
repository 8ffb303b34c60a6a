"""Files of archives received ahead of their turn, a few at a time; what comes of them is used in order, as if alone."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

# Archives document no limit; so many at once is what their own clients do at most (feeds.md section 6).
AT_ONCE = 4
_Work = tuple["Future[Any]", Callable[[], Any]]


class Receivers:
    """Threads that receive files. They do not keep a process alive: a half that is left behind is gone on with later.

    Parameters
    ----------
    count : int
    """

    def __init__(self, count: int = AT_ONCE) -> None:
        self._count = count
        self._threads: list[threading.Thread] = []
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()

    def submit(self, call: Callable[[], T]) -> "Future[T]":
        """Let a thread make a call; its result or error is that of the future."""
        future: Future[T] = Future()
        self._work.put((future, call))
        if len(self._threads) < self._count:
            thread = threading.Thread(target=self._run, name="levdyn-archive", daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def close(self) -> None:
        """Let every thread end after what it is doing; what has not been begun is cancelled."""
        while True:
            try:
                found = self._work.get_nowait()
            except queue.Empty:
                break
            if found is not None:
                found[0].cancel()
        for _ in self._threads:
            self._work.put(None)
        self._threads = []

    def _run(self) -> None:
        while (found := self._work.get()) is not None:
            future, call = found
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except BaseException as error:  # it belongs to whoever waits for the file
                future.set_exception(error)
