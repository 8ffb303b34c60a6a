"""The extra rows: what safety, positions, streams, days, another thread and the import cost."""

import threading
from collections.abc import Callable
from pathlib import Path

from benchmarks import books, many
from benchmarks.files import PERPETUAL, load, scale_of
from benchmarks.tasks import Answer, Last, account, filled, rows_of, t1, timed


def run(name: str, root: Path) -> Answer:
    """Run an extra task.

    ``safety_off``, ``positions.HELD.STREAMS``, ``streams.N``, ``memory.N.DAYS.OF``, ``books.TIMES`` or ``busy``.
    """
    word, *numbers = name.split(".")
    return TASKS[word](root, *(int(number) for number in numbers))


def safety_off(root: Path) -> Answer:
    """T2 compiled with one mark at the start and no funding: nothing is ever checked again."""
    from compiled import TickCross

    from feeds.dataset import Dataset

    dataset = load(root, [(PERPETUAL, "trades", "trades"), (PERPETUAL, "mark", "mark")])
    found = []
    for stream in dataset.streams:
        bare = stream if stream.kind == "trades" else stream.between(stream.ts_min, stream.ts_min + 1)
        found.append(bare)
    dataset, keep = Dataset(found), Last(TickCross)
    # The old mark is accepted; it would end the run with a message otherwise.
    _, seconds = timed(dataset, keep.kind(), account(), on_gap="skip")
    answer = {"orders": keep.made.sent, "signature": keep.made.signature}
    return {"rows": rows_of(dataset, "trades"), **seconds, "answer": answer}


def positions(root: Path, held: int, count: int) -> Answer:
    """Marks of `count` instruments, `held` of them in one cross account."""
    from compiled import Hold

    dataset, keep = many.marks(count, int(2_000_000 * scale_of(root))), Last(Hold)
    names = tuple(many.symbol(number) for number in range(held))
    result, seconds = timed(dataset, keep.kind(symbols=names, quantity=10.0), many.wallet())
    marks = rows_of(dataset, "mark")
    answer = {"events": keep.made.count - rows_of(dataset, "trades") - marks, "filled": filled(result) - held}
    return {"rows": marks, **seconds, "answer": answer}


def streams(root: Path, count: int) -> Answer:
    """Trades of `count` instruments, counted by a compiled strategy."""
    from compiled import Count

    dataset, keep = many.streams(count, int(4_000_000 * scale_of(root))), Last(Count)
    _, seconds = timed(dataset, keep.kind(), many.wallet(), mark="last")
    trades = rows_of(dataset, "trades")
    return {"rows": trades, **seconds, "answer": {"missed": trades - keep.made.count}}


def memory(root: Path, count: int, days: int, of: int) -> Answer:
    """Trades of `count` instruments from a catalog; the peak of the process is what counts."""
    from compiled import Count

    dataset, keep = many.stored(root, count, days, of), Last(Count)
    _, seconds = timed(dataset, keep.kind(), many.wallet(), mark="last")
    trades = rows_of(dataset, "trades")
    return {"rows": trades, **seconds, "answer": {"missed": trades - keep.made.count}}


def day_of_book(root: Path, times: int) -> Answer:
    """One day of book updates from a catalog, read into the book; speed and the peak of the process are what counts."""
    from backtest import Strategy

    dataset = books.stored(root, times)
    _, seconds = timed(dataset, Strategy(), account())
    return {"rows": rows_of(dataset, "book"), **seconds, "answer": {}}


def busy(root: Path) -> Answer:
    """T1 beside a thread that computes in Python all the time; wall seconds, since both share one lock."""
    done = threading.Event()

    def work() -> None:
        number = 0
        while not done.is_set():
            number += 1

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    answer = t1(root, False)
    done.set()
    thread.join()
    return answer


TASKS: dict[str, Callable[..., Answer]] = {
    "safety_off": safety_off,
    "positions": positions,
    "streams": streams,
    "memory": memory,
    "books": day_of_book,
    "busy": busy,
}
