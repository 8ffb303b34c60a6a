"""How tests download from the loopback exchange: a clock that does not wait, little patience, rows as plain values."""

import threading

import feeds
from feeds.downloads.endpoints import Endpoints
from feeds.downloads.http import Client, Patience
from feeds.downloads.pace import Clock, Pace


class TestClock(Clock):
    """A clock that stands still except for the waits it is asked for, which it does not wait."""

    __test__ = False

    def __init__(self, now_ms):
        self._begin = now_ms * 1_000_000
        self._seconds = 0.0
        self.sleeps = []
        self._lock = threading.Lock()

    def now_ns(self):
        return self._begin + int(self._seconds * 1e9)

    def seconds(self):
        return self._seconds

    def sleep(self, seconds):
        with self._lock:  # archives are received by several threads
            self.sleeps.append(seconds)
            self._seconds += seconds


def client_of(bases, now_ms, *, memory=None, attempts=5, timeout_s=20.0):
    """Return a client whose requests all go to the exchange of the tests."""
    patience = Patience(attempts=attempts, first_s=1.0, longest_s=4.0, timeout_s=timeout_s)
    return Client(Endpoints(bases), patience=patience, pace=Pace(TestClock(now_ms), memory))


def fetched(exchange, root, venue="binance_usdm", symbol="BTC/USDT:USDT", **options):
    """Download from the exchange of the tests and return the report."""
    chosen = {name: options.pop(name) for name in ("attempts", "timeout_s") if name in options}
    client = client_of(exchange.bases, exchange.world.now, **chosen)
    exchange.sleeps = client.clock.sleeps
    try:
        return feeds.download(venue, symbol, catalog=root, client=client, **options)
    finally:
        client.close()


def statuses(root):
    """Return the status of every partition: (kind, name) -> status."""
    return {(part.kind, part.name): part.status for part in feeds.Catalog(root).partitions()}


def stored(root, kind, venue="binance_usdm", symbol="BTC/USDT:USDT"):
    """Return the stored rows of a kind as dicts with decimal numbers."""
    return feeds.Catalog(root).read(venue, symbol, kind).to_pylist()


def bytes_below(root):
    """Return the bytes of every file of the catalog proper, by path."""
    folder = root / "v1"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
