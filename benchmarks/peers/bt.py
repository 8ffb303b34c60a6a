"""backtesting.py: T4, one instrument; orders fill at the next bar's open, whole units, fees as commission."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy
from common import BAR_FEE, FAST, SLOW, UNITS, Clock, arguments, columns, report

warnings.filterwarnings("ignore")


def average(values: Any, span: int) -> np.ndarray:
    """Return an exponential average."""
    return pd.Series(values).ewm(span=span, adjust=False).mean().to_numpy()


class BarCross(Strategy):
    """T4."""

    def init(self) -> None:
        self.fast = self.I(average, self.data.Close, FAST)
        self.slow = self.I(average, self.data.Close, SLOW)
        self.side = self.orders_sent = self.signature = 0

    def next(self) -> None:
        side = 1 if self.fast[-1] > self.slow[-1] else -1
        if side == self.side or len(self.data) <= SLOW:
            return
        if self.side:
            # One order: it closes the opposite trades first and opens with the rest.
            size = 2 * UNITS if self.position else UNITS
            (self.buy if side > 0 else self.sell)(size=size)
            self.orders_sent += 1
            self.signature += len(self.data) * side
        self.side = side


def main() -> None:
    """Run one task."""
    _, root = arguments()
    clock = Clock()
    ts, *values = columns(root, "bars_00", "ts", "open", "high", "low", "close", "volume")
    names = ("Open", "High", "Low", "Close", "Volume")
    frame = pd.DataFrame(dict(zip(names, values, strict=True)), index=pd.to_datetime(ts))
    load = clock()
    backtest = Backtest(frame, BarCross, cash=10_000_000, margin=0.2, commission=BAR_FEE)
    clock = Clock()
    stats = backtest.run()
    seconds = clock()
    strategy = stats["_strategy"]
    moved = 0.0
    for trade in (*strategy.closed_trades, *strategy.trades):
        moved -= trade.size * trade.entry_price
        if trade.exit_price is not None:
            moved += trade.size * trade.exit_price
    answer = {"orders": strategy.orders_sent, "signature": strategy.signature, "cash": round(moved, 2)}
    report(len(frame), seconds, load, answer)


if __name__ == "__main__":
    main()
