"""The levdyn command as tests call it: in a folder of its own, with a configuration and a strategy in it."""

import json
from dataclasses import dataclass
from pathlib import Path

CATALOG = Path(__file__).resolve().parent.parent / "data"
CONFIG = """
[data]
sample = { days = 2, trades_per_day = 500 }

[strategy]
class = "mine.py:Buy"

[venue]
name = "binance_usdm"
balances = { USDT = 10_000 }
"""
STRATEGY = """
from backtest import Strategy

class Buy(Strategy):
    leverage: float = 3.0

    def on_start(self):
        self.once("1h")

    def on_timer(self, timer):
        self.target("BTC/USDT:USDT", leverage=self.leverage)

class Bug(Buy):
    def on_timer(self, timer):
        return {}["missing"]

class Misnamed(Buy):
    def on_timer(self, timer):
        self.target("BTC/USDTT", leverage=1)
"""


@dataclass(frozen=True)
class Done:
    """What a call of the command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


def bars_csv(path: Path, *, hours: int = 30, missing: tuple[int, ...] = ()) -> Path:
    stamps = [f"2024-11-{1 + hour // 24:02}T{hour % 24:02}:00:00Z" for hour in range(hours) if hour not in missing]
    rows = "".join(f"{stamp},{100 + at % 5},106,99,{101 + at % 5},7\n" for at, stamp in enumerate(stamps))
    path.write_text("date,open,high,low,close,volume\n" + rows)
    return path
