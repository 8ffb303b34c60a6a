"""Stretches of quiet bars are passed over in one loop: the results are those of unfolding every part of every bar."""

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
START = ed.ns("00:00")
ROWS = 720
PASSED: list[int] = []  # bars that the last runs passed over


class Dealer(Strategy):
    """Deals now and then, on both sides, with stops and timers; notes all that it is told."""

    seed: int = 0
    eagerness: float = 0.02
    size: float = 20.0
    hedge: bool = False

    def on_start(self) -> None:
        self._dice = random.Random(self.seed)
        self.seen: list[Any] = []

    def leg(self) -> dict[str, Any]:
        return {"position": self._dice.choice(("long", "short"))} if self.hedge else {}

    def on_bar(self, bar: Any) -> None:
        dice = self._dice
        self.seen.append((self.now, bar.symbol, bar.ts_open, bar.ts_close, bar.open, bar.high, bar.low, bar.close))
        self.seen.append((bar.volume, self.position(bar.symbol).unrealized_pnl, self.equity, self.margin_ratio))
        if dice.random() >= self.eagerness:
            return
        what = dice.randrange(8)
        way = dice.choice((self.buy, self.sell))
        size = self.size * dice.choice((0.5, 1.0, 4.0))
        if what < 3:
            way(bar.symbol, quantity=size, **self.leg())
        elif what == 3:
            way(bar.symbol, quantity=size, limit=bar.close * (1 + dice.uniform(-0.002, 0.002)), **self.leg())
        elif what == 4:
            for coin in COINS:
                self.close(coin)
        elif what == 5:
            self.once(dice.choice(("0s", "60s", "90s")))
            way(bar.symbol, quantity=size, **self.leg())
        elif what == 6 and not self.hedge and self.position(bar.symbol).quantity != 0:
            self.protect(bar.symbol, stop=bar.close * (1 + (0.01 if self.position(bar.symbol).quantity < 0 else -0.01)))
        else:
            self.cancel_all()

    def on_timer(self, timer: Any) -> None:
        self.seen.append(("timer", self.now, self.position(COINS[0]).quantity))

    def on_fill(self, fill: Any) -> None:
        self.seen.append(("fill", self.now, fill.price, fill.quantity, fill.side))

    def on_funding_payment(self, payment: Any) -> None:
        self.seen.append(("funding", self.now, payment.amount))

    def on_margin_call(self, event: Any) -> None:
        self.seen.append(("call", self.now, event.ratio))


class Watcher(Strategy):
    """Holds one coin, and is told the bars of an instant together, those of the mark too."""

    def on_start(self) -> None:
        self.seen: list[Any] = []
        self.once("5m")

    def on_timer(self, timer: Any) -> None:
        self.sell(COINS[1], quantity=3.0)

    def on_bars(self, time: int, bars: Any) -> None:
        self.seen.append((time, self.now, sorted((name, bar.close) for name, bar in bars.items())))

    def on_mark(self, mark: Any) -> None:
        self.seen.append((self.now, mark.symbol, mark.close))


def market(seed: int, *, volatility: float = 0.0004, hole: int = 0, hours: int = 8) -> Dataset:
    """Return minutes of two coins with their marks and funding; `hole` minutes are missing in the middle."""
    rng = np.random.default_rng(seed)
    made: Any = 0
    kept = [i for i in range(ROWS) if not ROWS // 2 <= i < ROWS // 2 + hole]
    for coin in COINS:
        close = 100 * np.exp(np.cumsum(rng.normal(0, volatility, ROWS)))
        opened = np.concatenate([[100.0], close[:-1]])
        high = np.maximum(opened, close) * (1 + rng.exponential(volatility / 2, ROWS))
        low = np.minimum(opened, close) * (1 - rng.exponential(volatility / 2, ROWS))
        prices = np.round(np.column_stack([opened, high, low, close]), 3)
        marks = np.round(prices * (1 + rng.normal(0, 0.0002)), 3)
        rows = [(START + i * ed.MINUTE, *prices[i].tolist(), 5_000.0) for i in kept]
        made += ed.bars(rows, coin, timeframe="1m")
        rows = [(START + i * ed.MINUTE, *marks[i].tolist()) for i in kept]
        made += ed.bars(rows, coin, timeframe="1m", kind="mark")
        ends = range(START + hours * ed.HOUR, START + ROWS * ed.MINUTE, hours * ed.HOUR)
        made += ed.funding([(t, float(np.round(rng.normal(0, 1e-3), 6))) for t in ends], coin, hours=hours)
    return made


def account(**options: Any) -> Any:
    """Return an account of 2,000 that may lose everything at 20x."""
    tight = {"rate": 0.045, "max_leverage": 20}
    rules = ed.user_coin(ed.OTHER_COIN, rules=ed.user_coin(**tight), **tight)
    return ed.account(rules, {"USDT": 2_000}, leverage=20, fees=(0.0002, 0.0005), slippage=1, **options)


def kept(kind: type[Strategy], seen: list[Any], **params: Any) -> Any:
    """Return a strategy whose copies leave what they have seen in a list."""

    def on_stop(strategy: Any) -> None:
        seen.append(strategy.seen)

    return type(kind.__name__, (kind,), {"on_stop": on_stop})(**params)


def both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Dataset, make: Any, venue: Any, **options: Any
) -> Result:
    """Run with stretches, then part by part; bytes and what strategies saw must be the same."""
    build = Assembly.build
    found, loops = [], []

    def build_quick(assembly: Assembly, strategies: Any) -> None:
        build(assembly, strategies)
        loops.append(assembly.loop)

    def build_slowly(assembly: Assembly, strategies: Any) -> None:
        build_quick(assembly, strategies)
        assembly.loop.unfolds_all = True

    results = []
    for name, builds in (("quick", build_quick), ("slow", build_slowly)):
        monkeypatch.setattr(Assembly, "build", builds)
        seen: list[Any] = []
        results.append(ed.run(data, make(seen), venue, **options))
        results[-1].save(tmp_path / name)
        found.append((seen, {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()}))
    monkeypatch.setattr(Assembly, "build", build)
    assert found[0] == found[1]
    assert loops[1].bars_passed == 0
    PASSED.append(loops[0].bars_passed)
    return results[0]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("mode", ["cross", "isolated", "hedge"])
def test_passing_over_bars_changes_no_byte(
    seed: int, mode: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    modes = {"cross": {}, "isolated": {"margin_mode": "isolated"}, "hedge": {"position_mode": "hedge"}}
    venue = account(margin_call=(0.6, 0.9)[seed % 2], latency=(None, "250ms", "0ms")[seed % 3], **modes[mode])
    data = market(seed, volatility=(0.0004, 0.002)[seed % 2], hours=(8, 1)[seed // 2 % 2])

    def make(seen: list[Any]) -> Any:
        eagerness = (0.005, 0.02, 0.1)[seed % 3]
        return kept(Dealer, seen, seed=seed, eagerness=eagerness, hedge=mode == "hedge")

    options = {"bar_path": ("worst", "ohlc", "olhc")[seed % 3], "on_ruin": ("refill", "stop")[seed % 2]}
    assert len(both(monkeypatch, tmp_path, data, make, venue, **options).fills) > 0


def test_the_random_runs_pass_over_bars_and_meet_what_bars_can_bring(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = {"liquidations": 0, "makers": 0, "stops": 0, "funding": 0, "passed": 0}
    for seed in range(4):
        path = tmp_path / str(seed)
        path.mkdir()
        result = both(
            monkeypatch, path, market(seed, volatility=0.001, hours=1),
            lambda out, seed=seed: kept(Dealer, out, seed=seed, eagerness=0.02, size=60.0), account(), on_ruin="refill",
        )  # fmt: skip
        seen["liquidations"] += len(result.liquidations)
        seen["makers"] += int(result.fills["is_maker"].sum())
        seen["stops"] += int(result.orders["type"].str.contains("stop").sum())
        seen["funding"] += len(result.funding)
        seen["passed"] += PASSED[-1]
    assert min(seen.values()) > 0, seen


@pytest.mark.parametrize(
    "options", [{"warmup": "100m"}, {"start": START + 30 * ed.MINUTE + 7}, {"end": START + 10**13}]
)
def test_a_run_may_warm_up_start_late_and_end_inside_a_bar(
    options: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = market(21)
    assert both(monkeypatch, tmp_path, data, lambda out: kept(Dealer, out, seed=4), account(), **options).fills.size > 0
    assert PASSED[-1] > 200


def test_several_strategies_share_bars(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def make(seen: list[Any]) -> Any:
        return [kept(Dealer, seen, seed=5), kept(Watcher, seen), kept(Dealer, seen, seed=6, eagerness=0.0)]

    assert len(both(monkeypatch, tmp_path, market(22), make, account(), on_ruin="refill").fills) > 0
    assert PASSED[-1] > 200


@pytest.mark.parametrize("hole", [1, 40])
def test_missing_bars_end_a_stretch(hole: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = market(23, hole=hole)
    make = {"seed": 7, "eagerness": 0.01}
    both(monkeypatch, tmp_path, data, lambda out: kept(Dealer, out, **make), account(), on_gap="warn")
    assert PASSED[-1] > 200


def test_a_mark_from_trade_bars_is_passed_over_as_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = market(24).select(kinds=["bars", "funding"])
    both(monkeypatch, tmp_path, data, lambda out: kept(Dealer, out, seed=8), account(), mark="last", on_ruin="refill")
    assert PASSED[-1] > 200
