"""Batches that a thread decodes ahead come as they are, errors at their place, and leave no thread behind."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from feeds.ahead import Ahead
from feeds.errors import FeedError


def batches(n, fails_at=None, seen=None):
    """Yield batches 0 to n - 1; `seen` is told which thread has made each."""
    for number in range(n):
        if number == fails_at:
            raise FeedError(f"batch {number} is broken")
        if seen is not None:
            seen.append(threading.current_thread().name)
        yield pa.record_batch({"ts": pa.array([number], pa.int64())})


def numbers(found):
    return [batch.column(0).to_pylist()[0] for batch in found]


@pytest.mark.parametrize("n", [0, 1, 2, 50])
def test_all_batches_come_in_their_order(n):
    with ThreadPoolExecutor(1) as thread:
        ahead = Ahead(batches(n), thread)
        assert numbers(ahead) == list(range(n))
        assert list(ahead) == []


def test_streams_that_share_the_thread_do_not_mix():
    with ThreadPoolExecutor(1) as thread:
        one, other = Ahead(batches(20), thread), Ahead(batches(20), thread)
        pairs = list(zip(one, other, strict=True))
    assert [numbers(pair) for pair in pairs] == [[n, n] for n in range(20)]


def test_an_error_comes_where_its_batch_would_have_come():
    with ThreadPoolExecutor(1) as thread:
        ahead = Ahead(batches(5, fails_at=3), thread)
        assert numbers(next(ahead) for _ in range(3)) == [0, 1, 2]
        with pytest.raises(FeedError, match="batch 3 is broken"):
            next(ahead)


def test_one_batch_is_made_ahead_and_no_more_by_the_other_thread():
    seen = []
    with ThreadPoolExecutor(1, "decoder") as thread:
        ahead = Ahead(batches(10, seen=seen), thread)
        next(ahead)
        thread.submit(int).result()  # after what was asked for
        assert len(seen) == 2
    assert {name.rpartition("_")[0] for name in seen} == {"decoder"}


def test_a_thread_ends_when_nobody_reads_any_more():
    def alive():
        return [each for each in threading.enumerate() if each.name.startswith("gone-soon")]

    ahead = Ahead(batches(10), ThreadPoolExecutor(1, "gone-soon"))
    next(ahead)
    (worker,) = alive()
    del ahead
    gc.collect()
    worker.join(timeout=30)
    assert not alive()
