"""Stretches of trades are passed over in one loop: the results are those of taking every event by itself."""

import random
from pathlib import Path
from typing import Any

import engine_data as ed
import numpy as np
import pytest

from backtest import Result, Strategy
from backtest.assembly import Assembly
from feeds.dataset import Dataset

COIN = ed.USER_COIN
START = ed.ns("00:00")
SPAN = 20 * 60 * ed.SECOND


class Restless(Strategy):
    """Sends orders of every kind between trades, with timers, alerts and trailing stops; notes what it sees."""

    seed: int = 0
    eagerness: float = 0.02

    def on_start(self) -> None:
        self._dice = random.Random(self.seed)
        self.seen: list[Any] = []
        self.every("37s")
        if self.seed % 2:
            self.alert(COIN, distance=0.04)

    def on_trade(self, trade: Any) -> None:
        dice = self._dice
        self.seen.append((self.now, trade.ts, trade.price, trade.quantity, trade.side, self.position(COIN).quantity))
        if dice.random() >= self.eagerness:
            return
        way = dice.choice((self.buy, self.sell))
        size = dice.choice((1.0, 10.0, 400.0))
        what = dice.randrange(7)
        if what < 3:
            way(COIN, quantity=size)
        elif what == 3:
            way(COIN, quantity=size, limit=trade.price * (1 + dice.uniform(-0.0005, 0.0005)))
        elif what == 4:
            self.close(COIN)
        elif what == 5:
            self.once(dice.choice(("0s", "1ms", "3s")))
        elif self.position(COIN).quantity != 0:
            self.protect(COIN, trailing=dice.choice((0.0005, 0.01)) * trade.price)

    def on_timer(self, timer: Any) -> None:
        self.seen.append(("timer", self.now, timer.name))

    def on_margin_call(self, event: Any) -> None:
        self.seen.append(("call", self.now, event.ratio))


class Deaf(Strategy):
    """Has no hook for trades; trades at timers."""

    def on_start(self) -> None:
        self.every("7s")
        self.seen: list[Any] = []

    def on_timer(self, timer: Any) -> None:
        (self.buy if self.now // ed.SECOND % 3 else self.sell)(COIN, quantity=3.0)


def tape(seed: int, rows: int = 6_000) -> Dataset:
    """Return trades, some at one instant, marks and index prices, some at the instants of trades, and funding."""
    rng = np.random.default_rng(seed)
    times = START + ed.SECOND + np.sort(rng.integers(0, SPAN // 1_000_000, rows)) * 1_000_000
    times[1::9] = times[0::9][: times[1::9].size]
    price = 100 * np.exp(np.cumsum(rng.normal(0, 0.0004, rows)))
    trades = zip(
        np.sort(times).tolist(),
        np.round(price, 3).tolist(),
        np.round(rng.exponential(5.0, rows) + 0.001, 3).tolist(),
        rng.choice([-1, 1], rows).tolist(),
        strict=True,
    )
    picked = np.unique(np.concatenate([[0], rng.choice(rows, 300)]))
    stamps = np.unique(np.sort(times)[picked] + rng.choice([0, 0, 500_000], picked.size))
    picked = picked[: stamps.size]
    marks = list(zip([START, *stamps.tolist()], [100.0, *np.round(price[picked], 4).tolist()], strict=True))
    rates = [(START + 600 * ed.SECOND, 0.0003), (START + SPAN, -0.0002)]
    return (
        ed.trades(trades, COIN)
        + ed.marks(marks, COIN)
        + ed.points("index", marks[::7], COIN)
        + ed.funding(rates, COIN, hours=1 / 6)
    )


def account(**options: Any) -> Any:
    """Return an account that can be ruined at 20x."""
    rules = ed.user_coin(rate=0.045, max_leverage=20)
    return ed.account(rules, {"USDT": 2_000}, leverage=20, fees=(0.0002, 0.0005), slippage=1, **options)


def kept(base: type[Strategy]) -> tuple[type[Strategy], list[Any]]:
    """Return a class whose copies leave what they have seen in a list."""
    out: list[Any] = []

    def on_stop(strategy: Any) -> None:
        out.append(strategy.seen)

    return type(base.__name__, (base,), {"on_stop": on_stop}), out


def both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Dataset, make: Any, venue: Any, **options: Any
) -> Result:
    """Run with stretches, then event by event; bytes and what strategies saw must be the same."""
    build = Assembly.build
    passed = []

    def build_slowly(assembly: Assembly, strategies: Any) -> None:
        build(assembly, strategies)
        assembly.loop.unfolds_all = True

    results = []
    for name in ("quick", "slow"):
        strategies, seen = make()
        results.append(ed.run(data, strategies, venue, **options))
        results[-1].save(tmp_path / name)
        passed.append(([*seen], {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()}))
        monkeypatch.setattr(Assembly, "build", build_slowly)
    assert passed[0] == passed[1]
    return results[0]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("latency", [None, ("1ms", "1ms", "0ms"), "2s"], ids=["none", "orders", "all"])
def test_passing_over_trades_changes_no_byte(
    seed: int, latency: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def make() -> tuple[Strategy, list[Any]]:
        kind, seen = kept(Restless)
        return kind(seed=seed, eagerness=(0.005, 0.02, 0.2)[seed % 3]), seen

    venue = account(latency=latency, margin_call=0.6, **({} if seed % 3 else {"margin_mode": "isolated"}))
    result = both(monkeypatch, tmp_path, tape(seed), make, venue, on_ruin=("refill", "stop")[seed % 2])
    assert len(result.fills) > 0


@pytest.mark.parametrize("mark", ["last", "index"])
def test_a_mark_that_is_another_price_is_followed_event_by_event(
    mark: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def make() -> tuple[Strategy, list[Any]]:
        kind, seen = kept(Restless)
        return kind(seed=3), seen

    kinds = ["trades", "funding"] if mark == "last" else ["trades", "index", "funding"]
    data = tape(11).select(kinds=kinds)
    result = both(monkeypatch, tmp_path, data, make, account(), mark=mark, on_ruin="refill")
    assert len(result.fills) > 0


def test_several_strategies_and_one_without_a_market_hook_share_a_tape(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def make() -> tuple[list[Strategy], list[Any]]:
        (one, seen), (two, _) = kept(Restless), kept(Deaf)
        return [one(seed=5), two()], seen

    result = both(monkeypatch, tmp_path, tape(12), make, account(), on_ruin="refill")
    assert len(result.fills) > 100

    def alone() -> tuple[Strategy, list[Any]]:
        kind, seen = kept(Deaf)
        return kind(), seen

    assert len(both(monkeypatch, tmp_path, tape(13), alone, account(), on_ruin="refill").fills) > 50
