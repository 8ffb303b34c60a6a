"""Sorted triggers decide as looking at every member with every mark does."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from crowds import RATE, Idle, tape
from engine_data import COINM, MINUTE, OTHER_COIN, USER_COIN, account, funding, marks, ns, run, trades, user_coin

import venues
from backtest import Crowd
from backtest.assembly import Assembly
from backtest.lab.positions import Population, population

COLUMNS = ["time", "member", "symbol", "step", "trigger_mark", "price", "quantity", "fee", "shortfall", "what"]
TIERS = [
    venues.Tier(floor=0, maintenance_rate=RATE, max_leverage=100),
    venues.Tier(floor=150, maintenance_rate=0.02, max_leverage=20),
    venues.Tier(floor=600, maintenance_rate=0.05, max_leverage=10),
]


def people(seed: int, symbols: list[str], count: int = 60) -> Population:
    """Accounts with one or two positions, isolated and cross, on both sides."""
    draws = np.random.default_rng(seed)
    rows: dict[str, list[Any]] = {name: [] for name in (
        "symbol", "account", "margin_mode", "side", "quantity", "entry", "collateral", "mmr", "contract",
    )}  # fmt: skip
    for number in range(count):
        pair = len(symbols) > 1 and draws.random() < 0.6
        cross = pair or draws.random() < 0.5
        for symbol in symbols if pair else [symbols[int(draws.integers(len(symbols)))]]:
            inverse = symbol.endswith(":X")
            size = float(np.round(draws.uniform(0.5, 8.0), 1))
            quantity = 10.0 * np.ceil(size) if inverse else size  # contracts of 10 US dollars, or coins
            value = quantity / 100.0 if inverse else quantity * 100.0
            made = {
                "symbol": symbol, "account": f"a{number}" if cross else "", "quantity": quantity, "entry": 100.0,
                "margin_mode": "cross" if cross else "isolated", "side": float(draws.choice([-1, 1])), "mmr": RATE,
                "collateral": value / draws.uniform(1.5, 12.0), "contract": "inverse" if inverse else "linear",
            }  # fmt: skip
            for name, value_of in made.items():
                rows[name].append(value_of)
    return population(rows, is_partial=True)


def path(seed: int, minutes: int = 150) -> list[tuple[int, float]]:
    """A walk with a few leaps."""
    draws = np.random.default_rng(100 + seed)
    steps = draws.normal(0.0, 0.004, minutes) + (draws.random(minutes) < 0.03) * draws.normal(0.0, 0.08, minutes)
    level = 100.0 * np.exp(np.cumsum(steps) - steps[0])
    return [(ns("00:00") + i * MINUTE, round(float(p), 3)) for i, p in enumerate(level)]


def both(monkeypatch: pytest.MonkeyPatch, data: Any, given: Any, found: Population) -> pd.DataFrame:
    """Run with triggers, then with a look at all; what became of every member must be the same."""
    build = Assembly.build

    def build_slowly(assembly: Assembly, strategies: Any) -> None:
        build(assembly, strategies)
        assembly.exchange.crowd.looks_always = True

    seen, wealth = [], []
    for _ in range(2):
        result = run(data, Idle(), given, population=Crowd(found))
        seen.append(
            result.population[COLUMNS].sort_values(["member", "time", "step"], kind="stable").reset_index(drop=True)
        )
        wealth.append(result.meta["population"]["wallets"])
        monkeypatch.setattr(Assembly, "build", build_slowly)
    pd.testing.assert_frame_equal(seen[0], seen[1])
    assert wealth[0] == wealth[1]
    return seen[0]


@pytest.mark.parametrize("seed", range(6))
def test_of_one_and_of_two_contracts_with_tiers(seed, monkeypatch):
    rules = user_coin(OTHER_COIN, rules=user_coin(tiers=TIERS), tiers=TIERS)
    first, second = path(seed), path(seed + 50)
    data = tape(first) + tape(second, OTHER_COIN)
    data += funding([("01:00", 0.002), ("02:00", -0.003)], USER_COIN, hours=1)
    steps = both(monkeypatch, data, account(rules), people(seed, [USER_COIN, OTHER_COIN]))
    assert len(steps) > 5


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["bybit", "okx", "hyperliquid"])
def test_of_venues_with_other_engines(name, seed, monkeypatch):
    symbol = "X/USDC:USDC" if name == "hyperliquid" else USER_COIN
    rules = user_coin(symbol, rules=name, tiers=TIERS)
    line = path(seed)
    data = marks(line, symbol, name) + trades([(t + 10**9, p, 1e6) for t, p in line], symbol, name)
    given = account(rules, {symbol.partition(":")[2]: 1_000})
    assert len(both(monkeypatch, data, given, people(seed, [symbol]))) > 5


@pytest.mark.parametrize("seed", range(3))
def test_of_inverse_contracts(seed, monkeypatch):
    symbol = "X/USD:X"
    second = venues.Tier(floor=0.4, maintenance_rate=0.02, max_leverage=20)  # coins
    tiers = [venues.Tier(floor=0, maintenance_rate=RATE, max_leverage=100), second]
    rules = user_coin(symbol, rules=COINM, tiers=tiers, contract="inverse", contract_size=10.0, lot_size=1)
    line = path(seed)
    data = marks(line, symbol, COINM) + trades([(t + 10**9, p, 1e6) for t, p in line], symbol, COINM)
    given = account(rules, {"X": 100})
    found = run(data, Idle(), given, population=Crowd(people(seed, [symbol])), prices={"X": 100.0}, reporting="X")
    assert len(found.population) > 5
    assert len(both(monkeypatch, data, given, people(seed, [symbol]))) == len(found.population)
