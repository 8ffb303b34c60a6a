"""Populations for tests of runs, and what happened to them."""

from typing import Any

import numpy as np
import pandas as pd
from engine_data import LINEAR, MINUTE, USER_COIN, Listener, ns

from backtest import Result
from backtest.lab.positions import Population, population
from feeds.dataset import Dataset

RATE = 0.005  # maintenance of the user's coin


class Idle(Listener):
    """Does nothing, and hears of the population's forced orders."""

    def on_liquidation(self, event: Any) -> None:
        self.note("forced", event.symbol, event.side, event.price, event.quantity, event.ts)

    def on_adl(self, event: Any) -> None:
        self.note("adl", event)


def holders(side: Any, quantity: Any, entry: Any, leverage: Any, **columns: Any) -> Population:
    """Accounts with collateral of notional / leverage."""
    s, q, e, lev = (np.array(x, dtype=float) for x in np.broadcast_arrays(side, quantity, entry, leverage))
    rows = {"side": s, "quantity": q, "entry": e, "collateral": q * e / lev, "mmr": np.full(len(s), RATE)}
    return population({"symbol": USER_COIN, **rows, **columns}, is_partial=True)


def both_sides(count: int, *, quantity: float = 1.0, entry: float = 100.0) -> Population:
    """Longs and shorts in turn, at leverages from 3 to 60."""
    leverage = np.linspace(3.0, 60.0, count // 2).repeat(2)
    return holders(np.tile([1.0, -1.0], count // 2), quantity, entry, leverage)


def triggers(found: Population) -> np.ndarray:
    """Prices at which isolated linear positions with maintenance at the mark are closed (LL-01)."""
    leverage = found.quantity * found.entry / found.collateral
    return found.entry * (1.0 - found.side / leverage) / (1.0 - found.side * RATE)


def crash(minutes: int = 240, drop: float = 0.25, *, start: float = 100.0) -> list[tuple[int, float]]:
    """Prices by the minute: a fall with small rises in it, and half of it back."""
    way = np.concatenate([np.linspace(0.0, 1.0, minutes // 2), np.linspace(1.0, 0.5, minutes - minutes // 2)])
    wave = 0.002 * np.sin(np.arange(minutes) * 1.7)
    wave[0] = 0.0
    return [
        (ns("00:00") + i * MINUTE, round(start * (1 - drop * w + x), 3))
        for i, (w, x) in enumerate(zip(way, wave, strict=True))
    ]


def tape(path: list[tuple[int, float]], symbol: str = USER_COIN) -> Dataset:
    """Marks, and a trade a second after each, at its price."""
    from engine_data import SECOND, marks, trades

    return marks(path, symbol) + trades([(t + SECOND, p, 1e6) for t, p in path], symbol)


def steps(result: Result, what: str | None = None) -> pd.DataFrame:
    """Steps of forced closes of the population."""
    table = result.population
    return table if what is None else table[table["what"] == what]


__all__ = ["LINEAR", "RATE", "Idle", "both_sides", "crash", "holders", "steps", "tape", "triggers"]
