"""Populations, liquidation prices and the leverage map: leverage_lab.md section 2, LL-01 to LL-03."""

import math
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import venues
from backtest import ConfigError
from backtest.lab.concentration import concentration
from backtest.lab.ledger import population_of
from backtest.lab.leverage_map import InferredMap, heat_map, prior_map
from backtest.lab.positions import (
    drop_at_liquidation,
    leverage_prices,
    liquidation_move,
    liquidation_prices,
    margin_utilisation,
    population,
)
from backtest.lab.study_inputs import read_population
from venues.pool import price_arrays

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


@pytest.mark.parametrize(
    ("case", "expected"),
    [  # LL-01: E = 100, L = 10, m = 0.005
        ({"side": 1}, (90.45226130653266, 90.0)),
        ({"side": 1, "mm_base": "entry"}, (90.5, 90.0)),
        ({"side": -1}, (109.45273631840799, 110.0)),
        ({"side": -1, "mm_base": "entry"}, (109.5, 110.0)),
        ({"side": 1, "contract": "inverse"}, (91.36363636363636, 90.9090909090909)),
        ({"side": -1, "contract": "inverse"}, (110.55555555555556, 111.1111111111111)),
    ],
)
def test_ll_01_prices_are_those_of_the_engine(case, expected):
    found = leverage_prices(100.0, 10.0, 0.005, **case)
    assert [float(x) for x in found] == pytest.approx(expected, rel=1e-12)


def test_ll_02_collateral_that_falls_too_brings_liquidation_nearer():
    found = drop_at_liquidation(0.1, 0.005, [0.0, 1.0, 1.5])
    assert found == pytest.approx([0.0954773869, 0.0867579909, 0.0829694323], rel=1e-8)
    isolated = leverage_prices(100.0, 10.0, 0.005, side=1)[0]
    assert found[0] == pytest.approx(1.0 - isolated / 100.0, rel=1e-12)
    inverse = leverage_prices(100.0, 10.0, 0.005, side=1, contract="inverse")[0]
    assert 1.0 - inverse / 100.0 == pytest.approx(0.0863636364, rel=1e-8)


def test_ll_03_open_interest_opens_over_the_mixture():
    inferred = InferredMap({10: 0.5, 25: 0.3, 50: 0.2})
    flows = inferred.update(100.0, 100.0)
    prices, sizes = inferred.bins(1)
    assert prices == pytest.approx([90.4522613, 96.4824121, 98.4924623], rel=1e-8)
    assert sizes == pytest.approx([50.0, 30.0, 20.0], rel=1e-12)
    assert (flows.opened_long, flows.opened_short, flows.forced_long) == (100.0, 100.0, 0.0)


def test_a_price_that_crosses_a_bin_closes_it_by_force_and_the_rest_left_of_its_own_will():
    inferred = InferredMap({10: 0.5, 25: 0.3, 50: 0.2})
    inferred.update(100.0, 100.0)
    flows = inferred.update(70.0, 98.0, low=97.0, high=98.0)
    assert (flows.forced_long, flows.left_long, flows.forced_short) == pytest.approx((20.0, 10.0, 0.0))
    assert flows.left_short == pytest.approx(30.0)


BARS = st.lists(
    st.tuples(st.floats(0.0, 1e6), st.floats(20.0, 500.0), st.floats(0.0, 0.3), st.floats(0.0, 0.3)),
    min_size=1, max_size=40,
)  # fmt: skip


@given(bars=BARS, removal=st.sampled_from(["pro_rata", "lifo"]))
def test_bins_of_each_side_sum_to_open_interest_after_every_bar(bars, removal):
    inferred = InferredMap({2: 0.2, 10: 0.5, 50: 0.3}, removal=removal)
    for interest, price, down, up in bars:
        flows = inferred.update(interest, price, low=price * (1 - down), high=price * (1 + up))
        for side in (1, -1):
            assert inferred.bins(side)[1].sum() == pytest.approx(interest, rel=1e-9, abs=1e-9)
        assert min(flows.opened_long, flows.forced_long, flows.left_long) >= 0.0


def test_lifo_takes_the_newest_positions_first():
    inferred = InferredMap({10: 1.0}, removal="lifo")
    inferred.update(100.0, 100.0)
    inferred.update(150.0, 104.0)
    inferred.update(90.0, 104.0)
    assert inferred.bins(1)[0] == pytest.approx([90.4522613], rel=1e-8)


def test_a_map_adds_up_longs_below_and_shorts_above():
    found = heat_map([95.0, 90.0, 104.0, math.nan], [3.0, 2.0, -4.0, 9.0], reference=100.0, grid=[0.0, 0.05, 0.1, 0.2])
    assert found.longs.tolist() == [0.0, 3.0, 5.0, 5.0]
    assert found.shorts.tolist() == [0.0, 4.0, 4.0, 4.0]
    assert found.confidence == "exact"
    assert found.asymmetry(0.1) == pytest.approx(1 / 9)


def test_a_prior_holds_the_open_interest_on_each_side():
    found = prior_map(
        1000.0, entries=[100.0, 105.0, 95.0], volumes=[1.0, 2.0, 1.0], reference=100.0, grid=np.linspace(0.0, 1.0, 101)
    )
    assert found.longs[-1] == pytest.approx(1000.0, rel=0.05)
    assert np.all(np.diff(found.longs) >= 0.0)
    assert found.confidence == "assumed"


def rows(**changed):
    return {"side": [1, -1], "quantity": [2.0, 2.0], "entry": [100.0, 100.0], "collateral": [20.0, 20.0],
            "mmr": [0.005, 0.005]} | changed  # fmt: skip


def test_a_population_gets_its_prices_from_the_engine():
    liquidation, bankruptcy = liquidation_prices(population(rows()))
    assert liquidation == pytest.approx([90.45226130653266, 109.45273631840799], rel=1e-12)
    assert bankruptcy == pytest.approx([90.0, 110.0], rel=1e-12)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"quantity": [2.0, 0.0]}, "quantity must be"),
        ({"mmr": [0.005, 1.0]}, "mmr must be"),
        ({"collateral": [-1.0, 1.0]}, "collateral must be"),
        ({"quantity": [2.0, 2.01]}, "differ by more than 0.1 %"),
        ({"margin_mode": "crossed"}, "margin_mode must be one of"),
        ({"side": [1, 2]}, "side must be"),
        ({"sides": [1, 2]}, "unknown columns"),
    ],
)
def test_a_population_that_cannot_be_is_refused(changed, message):
    with pytest.raises(ConfigError, match=message):
        population(rows(**changed))


def test_partial_data_may_have_more_longs_than_shorts():
    assert len(population(rows(quantity=[2.0, 1.0]), is_partial=True)) == 2


def test_margin_utilisation_is_that_of_the_engine():
    # 2 at 100 with 20 of collateral; at 95 the long has 10 left and asks 0.005 x 190, the short has 30
    assert margin_utilisation(population(rows()), 95.0) == pytest.approx([0.095, 0.95 / 30.0], rel=1e-12)
    assert margin_utilisation(population(rows()), 90.0)[0] == math.inf


def test_a_cross_account_has_no_price_of_its_own():
    with pytest.raises(ConfigError, match="liquidation_move"):
        liquidation_prices(population(rows(margin_mode="cross")))


def test_prices_of_a_venues_tiers_are_those_of_its_calculator():
    rules = venues.get("binance_usdm", as_of="2024-10-24")
    quantity, entry, wallet = np.array([1.0, -40.0, 200.0]), np.full(3, 60_000.0), np.array([6e3, 2e5, 3e6])
    out = np.empty((3, 2))
    price_arrays([rules.box(BTC)], np.zeros(3, dtype=np.int32), quantity, entry, wallet, out)
    for row in range(3):
        position = venues.Position(BTC, quantity=quantity[row], entry_price=60_000, margin_mode="isolated",
                                   isolated_wallet=wallet[row])  # fmt: skip
        found = venues.Account(rules, positions=[position]).risk(marks={BTC: 60_000}).positions[BTC]
        assert tuple(out[row]) == (found.liquidation_price, found.bankruptcy_price)


def two_accounts():
    return {
        "symbols": [BTC, ETH], "symbol": [0, 1, 0], "account": [0, 0, 1], "quantity": [1.0, 10.0, 1.0],
        "entry_price": [60_000.0, 2_500.0, 60_000.0], "mark": [60_000.0, 2_500.0, 60_000.0], "wallet": [9_000.0, 1e9],
    }  # fmt: skip


def test_the_move_of_a_cross_account_meets_the_requirement_of_the_engine():
    rules = venues.get("binance_usdm", as_of="2024-10-24")
    direction = {BTC: -1.0, ETH: -1.5}
    found = liquidation_move(rules, direction=direction, **two_accounts())
    assert math.isnan(found[1])
    marks = {BTC: 60_000 * (1 - found[0]), ETH: 2_500 * (1 - 1.5 * found[0])}
    positions = [
        venues.Position(BTC, quantity=1, entry_price=60_000),
        venues.Position(ETH, quantity=10, entry_price=2_500),
    ]
    account = venues.Account(rules, balances={"USDT": 9_000}, positions=positions)
    assert account.risk(marks=marks).margin_ratio == pytest.approx(1.0, rel=1e-8)


def test_a_move_of_an_unknown_symbol_is_refused():
    rules = venues.get("binance_usdm", as_of="2024-10-24")
    with pytest.raises(ConfigError, match="direction must name some of"):
        liquidation_move(rules, direction={"SOL/USDT:USDT": -1.0}, **two_accounts())


def test_concentration_weighs_by_notional():
    found = concentration(
        [50.0] + [1.0] * 50, distance=[0.02] + [0.2] * 50, utilisation=[0.9] + [0.1] * 50,
        is_foreign=[True] + [False] * 50,
    )  # fmt: skip
    assert found.top_share == pytest.approx(0.59)
    assert found.herfindahl == pytest.approx(0.25 + 50 * 1e-4)
    assert found.within == {0.01: 0.0, 0.03: 0.5, 0.05: 0.5, 0.10: 0.5}
    assert found.utilisation == {0.5: 0.1, 0.9: 0.9, 0.99: 0.9}
    assert found.foreign_collateral == 0.5


@settings(deadline=None)
@given(
    leverage=st.floats(1.0, 100.0), rate=st.floats(0.0, 0.009), entry=st.floats(0.01, 1e5),
    side=st.sampled_from([1, -1]), contract=st.sampled_from(["linear", "inverse"]),
)  # fmt: skip
def test_a_liquidation_price_lies_between_entry_and_bankruptcy(leverage, rate, entry, side, contract):
    liquidation, bankruptcy = leverage_prices(entry, leverage, rate, side=side, contract=contract)
    if not math.isnan(liquidation) and not math.isnan(bankruptcy):
        assert side * float(bankruptcy) <= side * float(liquidation) * (1 + side * 1e-9)


def snapshot(ts, account, quantity, **changed):
    row = {"ts": ts, "venue": "somewhere", "account": account, "symbol": BTC, "side": 1, "qty": Decimal(quantity),
           "entry": Decimal(100), "collateral": Decimal(20), "collateral_asset": "USDC", "haircut": Decimal("0.5"),
           "margin_mode": "isolated", "contract": "linear", "mmr": Decimal("0.005"), "mm_base": "mark",
           "opened_at": None, "weight": Decimal(1)}  # fmt: skip
    return row | changed


def test_stored_positions_are_a_population_of_the_latest_snapshots(tmp_path):
    rows = [snapshot(10, "a", 1), snapshot(20, "a", 2), snapshot(15, "b", 3, opened_at=7)]
    table = pa.Table.from_pylist(rows)
    assert sorted(population_of(table).quantity.tolist()) == [2.0, 3.0]
    table.to_pandas().astype({"qty": float}).to_parquet(tmp_path / "stored.parquet")
    assert sorted(read_population(str(tmp_path / "stored.parquet")).quantity.tolist()) == [2.0, 3.0]
    early = population_of(table, at=12)
    assert early.quantity.tolist() == [1.0]
    liquidation, bankruptcy = liquidation_prices(early)
    # half of the collateral counts: 10 of 100, leverage 10
    assert (float(liquidation[0]), float(bankruptcy[0])) == pytest.approx((90.45226130653266, 90.0), rel=1e-12)
    with pytest.raises(ConfigError, match="no snapshot at or before 5"):
        population_of(table, at=5)
    with pytest.raises(ConfigError, match="columns mmr are missing"):
        population_of(table.drop_columns(["mmr"]))
