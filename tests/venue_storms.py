"""Random markets and gamblers for runs at any venue: money conserved, nothing left to close, bands as full looks."""

from random import Random
from typing import Any

from engine_data import (
    MINUTE,
    funding,
    marks,
    ns,
    run,
    totals,
    trades,
)
from test_bands import Examiner, journal

from backtest import Backtest, Result, Strategy
from feeds.dataset import Dataset


class Drawn(Strategy):
    """Acts at random, from a seed, once in each period."""

    period = "3m"

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def on_start(self) -> None:
        """Begin."""
        self.random = Random(self.seed)
        self.every(self.period, name="act")


class Gambler(Drawn):
    """Takes random positions, large ones too, every three minutes."""

    def __init__(self, seed: int, symbol: str) -> None:
        super().__init__(seed)
        self.symbol = symbol

    def on_timer(self, timer: Any) -> None:
        """Turn to a random leverage, or close; sometimes an order rests far away."""
        if self.random.random() < 0.8:
            self.target(self.symbol, leverage=self.random.uniform(-9, 9))
        else:
            self.close(self.symbol)


def walk(seed: int, symbol: str, venue: str, *, minutes: int = 720, interval: int = 100) -> Dataset:
    """Return half a day of a market with leaps, and funding every `interval` minutes (0: none)."""
    random = Random(seed)
    prices = [100.0]
    while len(prices) < minutes:
        leap = random.choice([0.03, 0.1]) if random.random() < 0.01 else 0.003
        prices.append(round(max(20.0, prices[-1] * (1 + random.gauss(0, leap))), 3))
    times = [ns("00:00") + i * MINUTE for i in range(len(prices))]
    data = marks(list(zip(times, prices, strict=True)), symbol, venue)
    data += trades([(t + MINUTE // 2, p, 1000) for t, p in zip(times, prices, strict=True)], symbol, venue)
    if interval:
        rates = [(times[i], random.choice([0.002, -0.002])) for i in range(interval, minutes, interval)]
        data += funding(rates, symbol, venue, hours=interval / 60)
    return data


def storm(data: Dataset, strategy: Strategy, account: Any, name: str) -> Result:
    """Return a run that conserves every asset and leaves nobody below zero and nothing that the venue would close."""
    result = run(data, strategy, account)
    sums, sides = totals(result)
    assert all(total == 0 for total in sums.values())
    assert all(sum_ >= 0 for (_, owner), sum_ in sides.items() if owner == name)
    assert result.findings == []
    last = result.margin[result.margin["flags"] != "extreme"]
    assert len(last) == 0 or last["ratio"].iloc[-1] < 1
    return result


def assert_bands_decide_like_full_looks(data: Dataset, seed: int, symbol: str, account: Any) -> None:
    """Looking at every account after every event changes no byte of the result."""
    found = []
    for looks in (False, True):
        examiner = Examiner(looks)
        test = Backtest(data, [Gambler(seed, symbol), examiner], venues=[account])
        found.append(journal(test, examiner))
        assert (examiner.asked > 100) == looks
    assert found[0] == found[1]
