"""The tear sheet of a run of a million fills: seconds, memory, size of the file.

``python -m benchmarks.sheet`` makes the run, saves it, and then loads it and writes its page in a process of its own.
Limits (issue of the tear sheet): 10 s, 1 GB, 5 MB.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILLS = 1_000_000
LIMITS = {"seconds": 10.0, "megabytes": 1_000.0, "page_megabytes": 5.0}


def make(folder: Path, fills: int) -> int:
    """Run a strategy that turns its position at each of so many trades, and save the result."""
    import numpy as np
    import pandas as pd

    import feeds
    import venues
    from backtest import Backtest, Strategy

    class Turns(Strategy):
        def on_trade(self, trade) -> None:
            if self.position("BTC/USDT:USDT").quantity > 0:
                self.sell("BTC/USDT:USDT", quantity=0.01)
            else:
                self.buy("BTC/USDT:USDT", quantity=0.01)

    rng = np.random.default_rng(0)
    start = pd.Timestamp("2024-01-01", tz="UTC").value
    times = start + np.arange(fills) * 3_000_000_000
    prices = np.round(60_000 * np.exp(np.cumsum(rng.normal(0, 2e-5, fills))), 1)
    venue, symbol = "binance_usdm", "BTC/USDT:USDT"
    trades = pd.DataFrame({"ts": times, "price": prices, "quantity": 1.0, "side": 1})
    marks = trades[["ts", "price"]].iloc[::20]
    hours = range(int(times[0]), int(times[-1]), 8 * 3_600_000_000_000)
    rates = pd.DataFrame({"ts": list(hours), "rate": 0.0001, "interval_hours": 8.0})
    data = feeds.from_pandas(trades, kind="trades", venue=venue, symbol=symbol)
    data += feeds.from_pandas(marks, kind="mark", venue=venue, symbol=symbol)
    data += feeds.from_pandas(rates, kind="funding", venue=venue, symbol=symbol)
    account = venues.Venue(venue, balances={"USDT": 1_000_000})
    result = Backtest(data, Turns(), venues=account, on_gap="warn").run()
    result.save(folder)
    return len(result.store.columns("fills")["time"])


def write(folder: Path, page: Path) -> dict[str, float]:
    """Load the result and write its page; what it took."""
    begin = time.perf_counter()
    from backtest import Result

    result = Result.load(folder)
    result.tear_sheet(page)
    # Not getrusage's, which a new process inherits of the one that started it.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return {
        "seconds": time.perf_counter() - begin,
        "cpu_seconds": time.process_time(),
        "megabytes": int(peak.split()[1]) * 1024 / 1e6,
        "page_megabytes": page.stat().st_size / 1e6,
    }


def measured(fills: int = FILLS) -> dict[str, float]:
    """Return what the page of a run of so many fills takes."""
    with tempfile.TemporaryDirectory() as folder:
        made = make(Path(folder) / "run", fills)
        script = "import sys; from benchmarks.sheet import main; main(sys.argv[1:])"
        command = [sys.executable, "-c", script, f"{folder}/run", f"{folder}/page.html"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return {"fills": float(made), **json.loads(done.stdout.splitlines()[-1])}


def main(given: list[str]) -> int:
    """Measure, or write the page of a folder and print what it took."""
    if len(given) == 2:
        print(json.dumps(write(Path(given[0]), Path(given[1]))))
        return 0
    found = measured(int(given[0]) if given else FILLS)
    for name, value in found.items():
        limit = f"   limit {LIMITS[name]:,.0f}" if name in LIMITS else ""
        print(f"{name:16} {value:14,.1f}{limit}")
    return int(any(found[name] > limit for name, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
