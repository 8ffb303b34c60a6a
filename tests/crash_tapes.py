"""The trade tapes of the crash of 2025-10-10: for pandas and for the engine, with what the user states about them.

Only the trades are real. Tiers, clearance fee and the one funding rate are the user's statements, not the venue's.
"""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from engine_data import COINM, Notes, Script

import feeds
import venues
from feeds.dataset import Dataset
from feeds.times import time_ns

COINS = ("AAVE", "AVAX", "BCH")
SIZE = 10  # USD a contract (README of the data: 1 contract = 10 USD)
RATE, FEE, CLEARANCE, SLIPPAGE = Decimal("0.01"), Decimal("0.0005"), Decimal("0.015"), Decimal("0.0002")
FUNDING = Decimal("0.0001")
ATOM, TICK = Decimal("1e-8"), Decimal("0.01")
# Coins a first tier holds: more than any position below is worth, but for the one of the test of tiers.
FIRST_TIER = {"AAVE": 1_000, "AVAX": 10_000, "BCH": 500}
# About 7,500 USD at 20:00.
STAKE = {"AAVE": Decimal("29.08"), "AVAX": Decimal("283.77"), "BCH": Decimal("13.39")}


def ns(clock: str) -> int:
    """Return a time of the crash day."""
    return time_ns(f"2025-10-10T{clock}")


@dataclass
class Tape:
    """One file: times in ns, prices in cents, contracts, side of the taker."""

    coin: str
    frame: pd.DataFrame
    trades: Dataset

    @property
    def symbol(self) -> str:
        return f"{self.coin}/USD:{self.coin}"

    def price(self, row: int) -> Decimal:
        return Decimal(int(self.frame["cents"].iat[row])) / 100

    def time(self, row: int) -> int:
        return int(self.frame["ts"].iat[row])

    def first_after(self, time: int) -> int:
        return int(np.searchsorted(self.frame["ts"], time, side="right"))

    def first_at_or_below(self, price: Decimal, start: int) -> int | None:
        """Row of the first trade from `start` on at or below a price."""
        low = np.flatnonzero(
            self.frame["cents"].to_numpy()[start:] <= int((price * 100).to_integral_value(ROUND_FLOOR))
        )
        return start + int(low[0]) if low.size else None


def load(folder: Path) -> dict[str, Tape]:
    """Return the three tapes: read by pandas for the calculator, imported for the engine."""
    found = {}
    for coin in COINS:
        path = folder / f"trades/binance-delivery_trades_2025-10-10_{coin}USD_PERP.csv.gz"
        frame = pd.read_csv(path, usecols=["timestamp", "side", "price", "amount"])
        frame["ts"] = frame["timestamp"] * 1000
        frame["cents"] = np.rint(frame["price"] * 100).astype("int64")
        found[coin] = Tape(coin, frame, feeds.import_file(path).dataset)
    return found


def user_tiers(coin: str) -> list[venues.Tier]:
    edge = FIRST_TIER[coin]
    return [
        venues.Tier(floor=0, maintenance_rate=0.01, max_leverage=25),
        venues.Tier(floor=edge, maintenance_rate=0.025, max_leverage=20),
        venues.Tier(floor=5 * edge, maintenance_rate=0.05, max_leverage=10),
    ]


def rules(coin: str) -> venues.VenueRules:
    """COIN-M with the user's contract: what a run needs and no file of the day states."""
    contract = venues.Instrument(
        f"{coin}/USD:{coin}",
        contract="inverse",
        contract_size=SIZE,
        tick_size=0.01,
        lot_size=1,
        tiers=user_tiers(coin),
        clearance_fee=float(CLEARANCE),
    )
    return venues.get(COINM).with_instrument(contract)


def stated_funding(symbol: str, venue: str = COINM, marks: dict[str, float] | None = None) -> Dataset:
    """One rate for all settlements of the day, with the mark of each where `marks` gives it."""
    clocks = ("08:00", "16:00")
    frame = pd.DataFrame({"ts": [ns(clock) for clock in clocks], "rate": float(FUNDING), "interval_hours": 8})
    if marks is not None:
        frame["mark"] = [marks[clock] for clock in clocks]
    return feeds.from_pandas(frame, kind="funding", venue=venue, symbol=symbol)


def hold(symbol: str, contracts: int, clock: str, *looks: Any, notes: Notes | None = None) -> Script:
    """Buy once and hold."""
    return Script((ns(clock), lambda s: s.buy(symbol, quantity=contracts)), *looks, notes=notes)


def down(value: Decimal) -> Decimal:
    return value.quantize(ATOM, ROUND_DOWN)


def worsened(price: Decimal, side: int) -> Decimal:
    """A price moved by the slippage against a taker, on the tick."""
    return (price * (1 + side * SLIPPAGE)).quantize(TICK, ROUND_CEILING if side > 0 else ROUND_FLOOR)


def stamp(time: pd.Timestamp) -> str:
    return time.strftime("%H:%M:%S.%f")[:-3]
