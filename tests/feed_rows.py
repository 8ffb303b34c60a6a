"""Small canonical tables for the tests of feeds, built from plain numbers."""

import numpy as np

from feeds.tables import build
from feeds.times import time_ns

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 3600 * SECOND
DAY = 24 * HOUR
START = time_ns("2024-01-01")
VENUE, SYMBOL = "binance_usdm", "BTC/USDT:USDT"


def column(value, n):
    """Return a value `n` times, a column as it is."""
    return value if isinstance(value, list | np.ndarray) else [value] * n


def trades(n=100, /, *, start=START, step=SECOND, first_id=1000, price="42000.5", quantity="0.010", **changes):
    """Return trades one step apart with ids one apart; `changes` replace whole columns."""
    values = {
        "ts": start + np.arange(n) * step,
        "id": first_id + np.arange(n),
        "price": column(price, n),
        "quantity": column(quantity, n),
        "side": np.where(np.arange(n) % 2, 1, -1),
    }
    return build("trades", values | changes)


def bars(n=60, /, *, start=START, timeframe="1m", step=MINUTE, kind="bars", **changes):
    """Return bars whose price goes up and down by one; `changes` replace whole columns."""
    middle = 100 + np.abs(np.arange(n) % 20 - 10)
    values = {
        "ts": start + np.arange(n) * step,
        "open": middle,
        "high": middle + 2,
        "low": middle - 2,
        "close": middle + 1,
        "volume": np.full(n, 5),
    }
    return build(f"{kind}:{timeframe}", values | changes)


def funding(n=6, /, *, start=START, hours=8, rate="0.0001", **changes):
    """Return settled funding rows on the grid."""
    values = {
        "ts": start + np.arange(n) * hours * HOUR,
        "rate": column(rate, n),
        "interval_s": np.full(n, hours * 3600),
    }
    return build("funding", values | changes)
