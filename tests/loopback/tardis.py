"""Tardis: a gzip a day, cut by the time of receipt, the first day of each month free."""

import gzip
import re

from loopback.truth import MS_DAY, MS_HOUR, MS_MINUTE, ms

KEY = "the-key-of-the-test"
DELAY = 200_000  # ms from an event to its receipt, so that the last rows of a day are in the file of the next
STEP = 60_000  # between rows of the ticker
KEYS = "exchange,symbol,timestamp,local_timestamp"
TICKER = "funding_timestamp,funding_rate,predicted_funding_rate,open_interest,last_price,index_price,mark_price"
_ROW = "binance-futures,BTCUSDT,{0}000,{1}000"


class UnauthorizedError(Exception):
    """A file that a key is needed for."""


def answer(world, path, params):
    """Return a file, None when it is not there (yet)."""
    match = re.fullmatch(r"/v1/binance-futures/(\w+)/(\d{4})/(\d\d)/(\d\d)/BTCUSDT\.csv\.gz", path)
    if match is None:
        return None
    kind, year, month, day = match.groups()
    if params.get("Authorization") not in ([None, f"Bearer {KEY}"] if day == "01" else [f"Bearer {KEY}"]):
        raise UnauthorizedError
    low = ms(f"{year}-{month}-{day}")
    if low + MS_DAY * 5 // 4 > world.now or low + MS_DAY <= world.listed:
        return None
    lines = _LINES[kind](world, low - DELAY, low - DELAY + MS_DAY)
    return gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0)


def _trades(world, low, high):
    yield f"{KEYS},id,side,price,amount"
    for t in world.trades(low, high):
        side = "buy" if t.side > 0 else "sell"
        yield f"{_ROW.format(t.ts, t.ts + DELAY)},{t.id},{side},{t.price},{t.quantity}"


def _liquidations(world, low, high):
    """Nothing was liquidated: the file is empty, without even a header."""
    return ()


def ticks(world, low, high):
    """Return the times of the ticker's rows."""
    return range(-(-max(low, world.listed) // STEP) * STEP, min(high, world.now), STEP)


def mark(at):
    """Return the mark price of the ticker at a time."""
    return f"{30_000 + at // STEP * 7919 % 1000 / 10:.1f}"


def _ticker(world, low, high):
    yield f"{KEYS},{TICKER}"
    for at in ticks(world, low, high):
        # Its funding is about the next settlement after the receipt.
        due = world.settlements(at + DELAY + 1, at + DELAY + 9 * MS_HOUR)[:1]
        funding = f"{due[0][0]}000,{due[0][1]}" if due else ","
        (_, amount), *_ = world.interest(at // (5 * MS_MINUTE) * 5 * MS_MINUTE, at + 1)
        yield f"{_ROW.format(at, at + DELAY)},{funding},,{amount},30000.5,30001.5,{mark(at)}"


def _quotes(world, low, high):
    yield f"{KEYS},ask_amount,ask_price,bid_price,bid_amount"
    for t in world.trades(low, high):
        yield f"{_ROW.format(t.ts, t.ts + DELAY)},1.5,{t.price},29999.5,2.5"


_LINES = {"trades": _trades, "liquidations": _liquidations, "derivative_ticker": _ticker, "quotes": _quotes}
