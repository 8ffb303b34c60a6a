"""[population] and [[scenario]] of a configuration: the same objects as in Python, every error at once."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from engine_data import USER_COIN, user_coin
from test_config import GOOD, errors, folder, loaded  # noqa: F401  # the fixture

from backtest import Crowd
from backtest.lab.accounts import accounts_of, accounts_of_map
from backtest.lab.leverage_map import InferredMap
from backtest.lab.positions import population
from backtest.scenarios import Freeze, GapPrice

SYMBOL = "BTC/USDT:USDT"
SCENARIO = """
[[scenario]]
what = "gap_price"
symbol = "BTC/USDT:USDT"
at = 2024-01-01T12:00:00Z
by = -0.2

[[scenario]]
what = "freeze"
venue = "binance_usdm"
start = "2024-01-01T11:00"
until = "2024-01-01T13:00"
jitter = "30m"
seed = 3
"""


def positions(place: Path, price: float = 50_000.0) -> str:
    rows = {
        "symbol": SYMBOL, "side": [1, -1, 1], "quantity": [1.0, 2.0, 1.0], "entry": price,
        "collateral": [0.1 * price, 0.5 * price, 0.05 * price], "mmr": 0.004, "margin_mode": "isolated",
    }  # fmt: skip
    pd.DataFrame(rows).to_csv(place / "positions.csv", index=False)
    return '\n[population]\npositions = "positions.csv"\n'


def test_tables_make_the_objects_that_python_users_make(folder):  # noqa: F811
    text = GOOD + positions(folder) + 'mark_depth = { "BTC/USDT:USDT" = 1_000 }\nrefill = 0.1\n' + SCENARIO
    made = loaded(folder, text).backtest
    assert made.scenario == (
        GapPrice(symbol=SYMBOL, at=pd.Timestamp("2024-01-01T12:00Z").to_pydatetime(), by=-0.2),
        Freeze(venue="binance_usdm", start="2024-01-01T11:00", until="2024-01-01T13:00", jitter="30m", seed=3),
    )
    crowd = made.settings.population
    assert isinstance(crowd, Crowd)
    assert (crowd.mark_depth, crowd.refill, len(crowd.positions)) == ({SYMBOL: 1_000.0}, 0.1, 3)


def test_a_run_of_both_gives_what_the_tables_say(folder):  # noqa: F811
    base = loaded(folder).backtest.run()
    price = float(base.series["value"].iloc[0]) if len(base.series) else _first_mark(folder)
    text = GOOD + positions(folder, price) + SCENARIO
    found = loaded(folder, text).backtest.run()
    assert found.meta["population"]["liquidated"] == 2  # both longs, by the gap of 20 %
    assert [step["what"] for step in found.config["scenario"]] == ["gap_price", "freeze"]
    assert found.config["population"]["accounts"] == 3


def _first_mark(place):

    data = loaded(place).backtest.data
    (marks,) = [s for s in data.streams if s.kind == "mark" and s.symbol == SYMBOL]
    return float(marks.table()["price"][0].as_py()) / 10 ** marks.scales["price"]


def test_open_interest_becomes_accounts_of_the_venues_own_engine(folder):  # noqa: F811
    rows = pd.DataFrame({"open_interest": [100.0, 150.0, 140.0], "close": [50_000.0, 51_000.0, 50_500.0]})
    rows.to_csv(folder / "interest.csv", index=False)
    text = GOOD + '\n[population]\nopen_interest = "interest.csv"\nsymbol = "BTC/USDT:USDT"\nsize = 5\n'
    made = loaded(folder, text + "mixture = { 10 = 0.6, 25 = 0.4 }\n").backtest.settings.population
    inferred = InferredMap({10: 0.6, 25: 0.4})
    for interest, close in rows.itertuples(index=False):
        inferred.update(interest, close)
    assert made.positions.quantity.max() <= 5.0
    for side in (1, -1):
        held = made.positions.quantity[made.positions.side == side].sum()
        assert held == pytest.approx(inferred.bins(side)[1].sum())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("\n[population]\nrefill = 1\n", "population: needs positions = a file, or open_interest = a file"),
        ('\n[population]\npositions = "none.csv"\n', "population.positions: path"),
        ('\n[population]\npositions = "positions.csv"\nsize = 3\n', "population: size would have no effect"),
        ('\n[population]\npositions = "positions.csv"\nrefil = 3\n', "population.refil: unknown key"),
        ('\n[population]\npositions = "positions.csv"\nrefill = 3\n', "no effect without mark_depth"),
        ('\n[population]\nopen_interest = "positions.csv"\n', "population: needs symbol"),
        ('\n[[scenario]]\nwhat = "gap"\n', "scenario: what = 'gap' is unknown"),
        ("\n[[scenario]]\nby = 1\n", "scenario: needs what = one of lag_oracle"),
        ('\n[[scenario]]\nwhat = "freeze"\nvenue = "binance_usdm"\n', "scenario: freeze: "),
        ('\n[[scenario]]\nwhat = "thin_depth"\nsymbl = "x"\nshare = 1\n', "did you mean 'symbol'"),
        ('\n[[scenario]]\nday = "usdc_2023_03_11"\nasset = "USDC"\n', "usdc_2023_03_11 was from 2023-03-11T02:00"),
        ('\n[[scenario]]\nday = "usdc_2023_03_11"\ncoin = "USDC"\n', "a named day takes venue, symbol, asset and at"),
        (
            '\n[[scenario]]\nwhat = "gap_price"\nsymbol = "Z/USDT:USDT"\nat = 0\nby = 0.1\n',
            "Z/USDT:USDT is not in the data",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(folder, more, said):  # noqa: F811
    positions(folder)
    found = errors(folder, GOOD + more)
    assert any(said in line for line in found), found


def test_accounts_are_closed_where_the_map_says():
    market = InferredMap({10: 0.5, 25: 0.3, 50: 0.2})
    market.update(100.0, 100.0)
    market.update(150.0, 101.0)
    for name, symbol, contract in (("binance_usdm", USER_COIN, "linear"), ("binance_coinm", "X/USD:X", "inverse")):
        rules = user_coin(symbol, rules=name, contract=contract, contract_size=10.0 if contract == "inverse" else 1.0)
        made = accounts_of_map(market, rules=rules, symbol=symbol, reference=101.0, size=10.0)
        assert made.quantity.max() <= (10.0 * 101.0 if contract == "inverse" else 10.0) * (1 + 1e-9)
        from backtest.lab.positions import liquidation_prices

        same = population(
            {"side": made.side, "quantity": made.quantity, "entry": made.entry, "collateral": made.collateral,
             "mmr": np.full(len(made), 0.005), "contract": contract}, is_partial=True,
        )  # fmt: skip
        prices, _ = liquidation_prices(same)
        expected = {1: market.bins(1)[0], -1: market.bins(-1)[0]}
        for side in (1, -1):
            assert np.unique(np.round(prices[made.side == side], 6)) == pytest.approx(
                np.unique(np.round(expected[side], 6))
            )


def test_a_group_beyond_the_reference_price_is_refused():
    from backtest import ConfigError

    with pytest.raises(ConfigError, match="row 1: a long opened at 100 cannot be closed at 101"):
        accounts_of([90.0, 101.0], [1.0, 1.0], rules=user_coin(), symbol=USER_COIN, reference=100.0)
