"""How tests record: a recording in another thread, messages as the venues send them."""

import threading
import time
from contextlib import contextmanager

import feeds
from feeds.downloads.live.connection import Persistence
from feeds.downloads.live.report import Recording

QUICK = {"first_s": 0.02, "longest_s": 0.1, "flush_s": 3600.0}


class Handle:
    """A recording that runs."""

    def __init__(self, progress):
        self.progress = progress
        self.report = None
        self.error = None

    def tape(self, kind):
        """Return the tape of a kind."""
        return next(tape for tape in self.progress.tapes if tape.wanted.kind == kind)

    def heard(self, kind):
        """Return how many rows of a kind have been heard."""
        return sum(tape.total for tape in self.progress.tapes if tape.wanted.kind == kind)


@contextmanager
def recording(root, rest, sockets, kinds, venue="binance_usdm", symbols="BTC/USDT:USDT", **options):
    """Record in another thread until the block ends; its report is then there."""
    handle, stop = Handle(Recording()), threading.Event()

    def work():
        try:
            handle.report = feeds.record(
                venue,
                symbols,
                kinds=kinds,
                catalog=root,
                base_urls=rest.bases | sockets.bases,
                stop=stop,
                progress=handle.progress,
                persistence=Persistence(**(QUICK | options)),
            )
        except feeds.FeedError as error:
            handle.error = error

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield handle
    finally:
        stop.set()
        thread.join()


def now_ms():
    """Return the present in ms, which messages of the present hold."""
    return time.time_ns() // 1_000_000


def aggregate(number, ts, price="30000.10", quantity="0.013", symbol="BTCUSDT"):
    """Return Binance's message of an aggregate."""
    body = {"e": "aggTrade", "E": ts, "s": symbol, "a": number, "p": price, "q": quantity, "nq": quantity}
    return body | {"f": number * 2, "l": number * 2 + 1, "T": ts, "m": bool(number % 2)}


def forced(ts, side="SELL", price="29950.00", quantity="0.200", symbol="BTCUSDT"):
    """Return Binance's message of a liquidation order."""
    order = {"s": symbol, "S": side, "o": "LIMIT", "f": "IOC", "q": quantity, "p": price, "ap": "29951.20"}
    return {"e": "forceOrder", "E": ts + 2, "o": order | {"X": "FILLED", "l": quantity, "z": quantity, "T": ts}}


def mark(ts, price="30001.12345678", rate="0.00010000", due=1795651200000, symbol="BTCUSDT"):
    """Return Binance's message of a mark price."""
    body = {"e": "markPriceUpdate", "E": ts, "s": symbol, "p": price, "ap": price, "P": price, "i": "30000.5"}
    return body | {"r": rate, "T": due}


def change(update, before, ts, bids=(), asks=(), symbol="BTCUSDT"):
    """Return Binance's message of a change of the book."""
    body = {"e": "depthUpdate", "E": ts, "T": ts, "s": symbol, "U": before + 1, "u": update, "pu": before}
    return body | {"b": list(bids), "a": list(asks)}


def bybit_trade(name, ts, price="30000.10", side="Buy"):
    """Return Bybit's message of a trade."""
    each = {"T": ts, "s": "BTCUSDT", "S": side, "v": "0.001", "p": price, "L": "PlusTick", "i": name, "BT": False}
    return {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": ts + 1, "data": [each]}
