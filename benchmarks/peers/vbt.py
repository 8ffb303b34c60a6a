"""vectorbt: T2 and T4 as arrays of signals and one compiled pass; a signal fills at the close of its own bar."""

from typing import Any

import numpy as np
import pandas as pd
import vectorbt as vbt
from common import AVERAGES, BAR_FEE, FAST, PAUSE, SLOW, UNITS, WARM, Clock, arguments, columns, report
from numba import njit


@njit
def throttled(up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the entries of T2: at most one in PAUSE trades."""
    long, short = np.zeros(len(up), np.bool_), np.zeros(len(up), np.bool_)
    side, last = 0, 0
    for i in range(len(up)):
        now = 1 if up[i] else -1
        if now != side and i + 1 > WARM and i + 1 - last >= PAUSE:
            side, last = now, i + 1
            if now > 0:
                long[i] = True
            else:
                short[i] = True
    return long, short


def crosses(close: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the entries of T4: true crosses after bar SLOW."""
    fast = close.ewm(span=FAST, adjust=False).mean().to_numpy()
    slow = close.ewm(span=SLOW, adjust=False).mean().to_numpy()
    up = fast > slow
    long, short = np.zeros_like(up), np.zeros_like(up)
    long[1:] = up[1:] & ~up[:-1]
    short[1:] = ~up[1:] & up[:-1]
    long[: SLOW + 1] = short[: SLOW + 1] = False
    return long, short


def portfolio(close: Any, long: np.ndarray, short: np.ndarray, size: float, fee: float) -> Any:
    """Simulate; an entry against the standing position reverses it."""
    return vbt.Portfolio.from_signals(
        close, long, short_entries=short, size=size, size_type="amount", fees=fee, init_cash=10_000_000, freq="1min"
    )


def bars(root: Any, number: int) -> pd.Series:
    """Return closes."""
    ts, close = columns(root, f"bars_{number:02d}", "ts", "close")
    return pd.Series(close, index=pd.to_datetime(ts))


def warm_up() -> float:
    """Let numba compile everything on few rows; return CPU seconds."""
    clock = Clock()
    index = pd.date_range("2024", periods=2000, freq="1min")
    close = pd.Series(np.linspace(1, 2, 2000) + np.sin(np.arange(2000) / 50), index=index)
    portfolio(close, *crosses(close), 1.0, BAR_FEE).orders.count()
    portfolio(pd.concat([close, close], axis=1), *(np.column_stack([each, each]) for each in crosses(close)), 1.0, 0.0)
    throttled(np.zeros(10, np.bool_))
    return clock()


def main() -> None:
    """Run one task."""
    task, root = arguments()
    compiling = warm_up()
    clock = Clock()
    if task == "t2":
        ts, price = columns(root, "trades", "ts", "price")
        closes = [pd.Series(price, index=pd.to_datetime(ts))]
    else:
        closes = [bars(root, number) for number in range(10 if task == "t4x10" else 1)]
    load = clock()
    clock = Clock()
    if task == "t2":
        fast, slow = (closes[0].ewm(alpha=alpha, adjust=False).mean().to_numpy() for alpha in AVERAGES)
        entries = [throttled(fast > slow)]
        close, long, short, size, fee = closes[0], *entries[0], 1.0, 0.0005
    else:
        entries = [crosses(each) for each in closes]
        if len(closes) == 1:
            close, (long, short) = closes[0], entries[0]
        else:
            close = pd.concat(closes, axis=1)
            long, short = (np.column_stack(each) for each in zip(*entries, strict=True))
        size, fee = float(UNITS), BAR_FEE
    made = portfolio(close, long, short, size, fee)
    orders = made.orders.values
    seconds = clock()
    signed = np.where(orders["side"] == 0, 1, -1)
    answer = {
        "orders": len(orders),
        "signature": int(((orders["idx"] + 1) * signed).sum()),
        "cash": round(float(-(signed * orders["size"] * orders["price"]).sum()), 2),
    }
    report(sum(map(len, closes)), seconds, load, answer, compiling=compiling)


if __name__ == "__main__":
    main()
