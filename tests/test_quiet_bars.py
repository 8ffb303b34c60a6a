"""Bars that touch nothing are passed over: the results are those of unfolding every part of every bar."""

import random
from pathlib import Path
from typing import Any

import engine_data as ed
import numpy as np
import pytest

from backtest import Result, Strategy
from backtest.assembly import Assembly
from feeds.dataset import Dataset

COINS = (ed.USER_COIN, ed.OTHER_COIN)
STEPS = {"1m": ed.MINUTE, "1h": ed.HOUR}
START = ed.ns("00:00")


class Gambler(Strategy):
    """Now and then sends an order of some kind, often too large to survive."""

    seed: int = 0
    eagerness: float = 0.05
    size: float = 250.0

    def on_start(self) -> None:
        self._dice = random.Random(self.seed)

    def on_bar(self, bar: Any) -> None:
        dice = self._dice
        if dice.random() >= self.eagerness:
            return
        way = dice.choice((self.buy, self.sell))
        size = self.size * dice.choice((0.1, 1.0, 3.0))
        what = dice.randrange(6)
        if what < 3:
            way(bar.symbol, quantity=size)
        elif what == 3:
            way(bar.symbol, quantity=size, limit=bar.close * (1 + dice.uniform(-0.004, 0.004)))
        elif what == 4:
            self.close(bar.symbol)
        elif self.position(bar.symbol).quantity != 0:
            self.protect(bar.symbol, trailing=dice.choice((0.002, 0.01)) * bar.close)

    def on_margin_call(self, event: Any) -> None:
        if event.active and self._dice.random() < 0.1:
            for coin in COINS:
                self.close(coin)


def market(seed: int, timeframe: str, rows: int = 600) -> Dataset:
    """Return bars and mark bars of two coins that wander alike, and their funding."""
    rng = np.random.default_rng(seed)
    step = STEPS[timeframe]
    made: Any = 0
    for coin in COINS:
        close = 100 * np.exp(np.cumsum(rng.normal(0, 0.003, rows)))
        opened = np.concatenate([[100.0], close[:-1]]) * (1 + rng.choice([0, 0, 0, 0.004], rows))
        high = np.maximum(opened, close) * (1 + rng.exponential(0.001, rows))
        low = np.minimum(opened, close) * (1 - rng.exponential(0.001, rows))
        prices = np.round(np.column_stack([opened, high, low, close]), 3)
        marks = np.round(prices * (1 + rng.normal(0, 0.0005)), 3)
        times = [START + i * step for i in range(rows)]
        made += ed.bars(
            [(t, *p, 5000.0) for t, p in zip(times, prices.tolist(), strict=True)], coin, timeframe=timeframe
        )
        made += ed.bars(
            [(t, *p) for t, p in zip(times, marks.tolist(), strict=True)], coin, timeframe=timeframe, kind="mark"
        )
        ends = range(START + 8 * ed.HOUR, START + rows * step, 8 * ed.HOUR)
        if ends:
            made += ed.funding([(t, float(np.round(rng.normal(0, 1e-4), 6))) for t in ends], coin)
    return made


def files(result: Result, path: Path) -> dict[str, bytes]:
    """Return the bytes of a saved result, by name."""
    result.save(path)
    return {file.name: file.read_bytes() for file in path.iterdir()}


def both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *arguments: Any, **options: Any) -> tuple[Result, Result]:
    """Run with quiet bars passed over, then with every part unfolded; their bytes must be the same."""
    build = Assembly.build
    quick = ed.run(*arguments, **options)

    def build_slowly(assembly: Assembly, strategies: Any) -> None:
        build(assembly, strategies)
        assembly.loop.unfolds_all = True

    monkeypatch.setattr(Assembly, "build", build_slowly)
    slow = ed.run(*arguments, **options)
    assert files(quick, tmp_path / "quick") == files(slow, tmp_path / "slow")
    return quick, slow


def gamblers_account(**options: Any) -> Any:
    """Return an account that may lose everything at 20x."""
    tight = {"rate": 0.045, "max_leverage": 20}
    rules = ed.user_coin(ed.OTHER_COIN, rules=ed.user_coin(**tight), **tight)
    return ed.account(rules, {"USDT": 2_000}, leverage=20, fees=(0.0002, 0.0005), slippage=1, **options)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("timeframe", ["1m", "1h"])
@pytest.mark.parametrize("latency", [None, "250ms", "25s"])
def test_passing_over_quiet_bars_changes_no_byte(
    seed: int, timeframe: str, latency: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mode = {} if seed % 3 else {"margin_mode": "isolated"}
    hedge = {"forced_close": "mark_slippage"} if seed % 2 else {}
    venue = gamblers_account(latency=latency, margin_call=0.6, **mode, **hedge)
    trader = Gambler(seed=seed, eagerness=(0.01, 0.05, 0.3)[seed % 3])
    options = {"bar_path": ("worst", "worst", "ohlc", "olhc")[seed % 4], "on_ruin": ("refill", "stop")[seed % 2]}
    quick, _ = both(monkeypatch, tmp_path, market(seed, timeframe), trader, venue, **options)
    assert len(quick.fills) > 0


def test_the_random_accounts_meet_everything_that_a_bar_can_bring() -> None:
    seen = {"liquidations": 0, "calls": 0, "limits": 0, "stops": 0}
    for seed in range(6):
        trader = Gambler(seed=seed, eagerness=0.3)
        result = ed.run(market(seed, "1m"), trader, gamblers_account(margin_call=0.6), on_ruin="refill")
        seen["liquidations"] += len(result.liquidations)
        seen["calls"] += result.store.rows("margin_calls")
        seen["limits"] += int(result.fills["is_maker"].sum())
        seen["stops"] += int((result.orders["type"] == "trailing_stop").sum())
    assert min(seen.values()) > 0, seen


def test_a_mark_from_trade_bars_is_passed_over_as_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = market(7, "1m").select(kinds=["bars", "funding"])
    venue = gamblers_account()
    quick, _ = both(monkeypatch, tmp_path, data, Gambler(seed=7), venue, mark="last", on_ruin="refill")
    assert len(quick.fills) > 0


def test_bars_of_two_lengths_and_an_index_meet_in_one_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    coarse = market(8, "1h", rows=10).select(kinds=["bars"])
    index = [(START + i * ed.MINUTE, 100, 101, 99, 100.5) for i in range(600)]
    data = market(8, "1m") + coarse + ed.bars(index, ed.USER_COIN, timeframe="1m", kind="index")
    quick, _ = both(monkeypatch, tmp_path, data, Gambler(seed=8), gamblers_account(), on_ruin="refill")
    assert len(quick.fills) > 0
