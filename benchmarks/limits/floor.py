"""A bare process: interpreter, pyarrow, one Parquet file, one Cython loop; the loop alone is the limit of an engine.

usage: floor.py count|cross|compiled MODULE_FOLDER PARQUET
"""

import json
import sys
import time
from typing import Any

import numpy as np


class Count:
    """T1."""

    def __init__(self) -> None:
        self.count = 0

    def on_trade(self, trade: Any) -> None:
        self.count += 1


class Cross:
    """T2, its orders filled at once at the price of the trade."""

    def __init__(self) -> None:
        self.count = self.last = self.side = self.orders = self.signature = 0
        self.fast = self.slow = self.cash = 0.0

    def on_trade(self, trade: Any) -> None:
        price = trade.price
        count = self.count
        if count == 0:
            self.fast = self.slow = price
        fast = self.fast = self.fast + 2 / 301 * (price - self.fast)
        slow = self.slow = self.slow + 2 / 3001 * (price - self.slow)
        self.count = count = count + 1
        side = 1 if fast > slow else -1
        if side != self.side and count > 5000 and count - self.last >= 1000:
            self.cash -= (side - self.side) * price
            self.side = side
            self.last = count
            self.orders += 1
            self.signature += count * side


def _plain(array: Any) -> "np.ndarray[Any, Any]":
    """Return the buffer of a column; `to_numpy` would import pandas, which is no part of a floor."""
    return np.frombuffer(array.buffers()[1], array.type.to_pandas_dtype(), count=len(array))


def main(task: str, folder: str, path: str) -> None:
    sys.path.insert(0, folder)
    import calls
    import pyarrow.parquet as pq

    begin = time.process_time()
    table = pq.ParquetFile(path).read(use_threads=False)  # read_table would import the dataset module and pandas
    columns = [_plain(table[name].combine_chunks()) for name in ("ts", "price", "size", "side")]
    load = time.process_time() - begin
    strategy: Any = {"count": Count, "cross": Cross, "compiled": calls.Cross}[task]()
    if task == "compiled":
        engine = calls.call_virtual(strategy, *columns)
    else:
        engine = calls.call_python(strategy.on_trade, *columns)
    if task == "count":
        answer = {"calls": strategy.count}
    else:
        answer = {"orders": strategy.orders, "signature": strategy.signature, "cash": round(strategy.cash, 2)}
    print(json.dumps({"rows": len(columns[0]), "engine": engine, "load": load, "answer": answer}))


if __name__ == "__main__":
    main(*sys.argv[1:])
