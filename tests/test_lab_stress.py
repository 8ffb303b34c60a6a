"""Stress runs and the comparison of engines: leverage_lab.md sections 3 and 11."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest import ConfigError
from backtest.lab.cascade import cascade
from backtest.lab.curves import StepLiquidations
from backtest.lab.depth import BookDepth, linear_depth
from backtest.lab.positions import leverage_prices
from backtest.lab.protocols import KINDS, Engine, interest_cap, least_spread, scaled_margin, scoreboard
from backtest.lab.stress import Market, stress_run
from backtest.lab.velocity import frontier, peak_drop

BIDS = np.arange(99.0, 84.0, -1.0)
LONGS = np.array([98.5, 96.2, 94.6, 90.0])


def positions(count=200, reference=100.0):
    leverage = np.linspace(4.0, 50.0, count)
    prices = leverage_prices(reference, leverage, 0.005, side=1)[0]
    return {
        "quantities": np.full(count, 5.0), "liquidation_drops": 1.0 - prices / reference,
        "collateral": 5.0 * reference / leverage, "entries": np.full(count, reference),
    }  # fmt: skip


def test_a_run_at_once_and_without_refill_is_the_fixed_point():
    rows = positions()
    for shock in (0.01, 0.05, 0.1, 0.2):
        found = stress_run(Market(book=linear_depth(20_000.0), reference=100.0), shock=shock, **rows)
        expected = cascade(
            StepLiquidations(rows["liquidation_drops"], rows["quantities"]), linear_depth(20_000.0), shock
        )
        assert found.peak_drop == pytest.approx(float(expected.drop), rel=1e-9)
        assert found.liquidated == pytest.approx(float(expected.triggered), rel=1e-9)


def test_a_book_of_levels_is_swept_across_rounds():
    book = BookDepth(1.0 - BIDS / 99.0, np.full(15, 10.0))
    rows = {"quantities": [15.0, 12.0, 25.0, 30.0], "liquidation_drops": 1.0 - LONGS / 99.0,
            "collateral": np.full(4, 100.0), "entries": np.full(4, 99.0)}  # fmt: skip
    found = stress_run(Market(book=book, reference=99.0), shock=1e-3 + 1 / 99, **rows)
    expected = cascade(StepLiquidations(1.0 - LONGS / 99.0, rows["quantities"]), book, 1e-3 + 1 / 99)
    assert (found.peak_drop, found.liquidated) == pytest.approx((float(expected.drop), float(expected.triggered)))


def test_sales_in_time_against_a_refilling_book_peak_where_the_formula_says():
    count, ratio, refill = 5_000, 0.5, 0.25
    rows = {"quantities": np.full(count, 1.0), "liquidation_drops": (np.arange(count) + 0.5) / count,
            "collateral": np.full(count, 50.0), "entries": np.full(count, 100.0)}  # fmt: skip
    market = Market(book=linear_depth(count / ratio), reference=100.0, refill_rate=refill, execution_rate=1.0,
                    round_seconds=5e-3)  # fmt: skip
    found = stress_run(market, shock=0.1, **rows)
    assert (found.peak_drop - 0.1) / 0.1 == pytest.approx(peak_drop(ratio, refill), rel=1e-2)


RUNS = st.fixed_dictionaries({
    "refill_rate": st.sampled_from([0.0, 0.01, 0.5]), "execution_rate": st.sampled_from([0.05, 1.0, math.inf]),
    "backstop_share": st.floats(0.0, 1.0), "backstop": st.floats(0.0, 1e4), "fund": st.floats(0.0, 1e4),
    "fee": st.floats(0.0, 0.02), "oracle_lag": st.integers(0, 3),
})  # fmt: skip


@settings(deadline=None)
@given(facts=RUNS, depth=st.floats(500.0, 1e6), shock=st.floats(0.0, 0.6), profit=st.floats(0.0, 1e5))
def test_losses_are_paid_exactly_once_and_the_fund_is_never_negative(facts, depth, shock, profit):
    found = stress_run(
        Market(book=linear_depth(depth), reference=100.0, **facts), shock=shock, profits=[profit, 2 * profit],
        **positions(40),
    )  # fmt: skip
    paid = found.paid_by_fund + found.paid_by_backstop + found.paid_by_adl + found.socialised
    assert paid == pytest.approx(found.bad_debt, rel=1e-9, abs=1e-9)
    assert found.fund >= 0.0
    assert found.paid_by_adl <= 3 * profit * (1 + 1e-12)
    assert shock <= found.peak_drop <= 1.0
    assert found.sold.sum() + facts["backstop_share"] * found.liquidated == pytest.approx(found.liquidated)


def test_a_late_oracle_sells_later_and_no_less():
    rows = positions()
    market = {"book": linear_depth(20_000.0), "reference": 100.0, "refill_rate": 0.05, "execution_rate": 0.5}
    prompt = stress_run(Market(**market), shock=0.1, **rows)
    late = stress_run(Market(oracle_lag=5, **market), shock=0.1, **rows)
    assert late.seconds > prompt.seconds
    assert np.flatnonzero(late.sold)[0] == 5


def test_a_backstop_keeps_the_price_up():
    rows = positions()
    market = {"book": linear_depth(5_000.0), "reference": 100.0}
    drops = [
        stress_run(Market(backstop_share=share, **market), shock=0.08, **rows).peak_drop for share in (0.0, 0.6, 1.0)
    ]
    assert drops[0] > drops[1] > drops[2] == pytest.approx(0.08)


def board(**changed):
    engines = {kind: Engine(kind=kind) for kind in KINDS}
    market = Market(book=linear_depth(20_000.0), reference=100.0, refill_rate=0.01, execution_rate=0.2, fund=5_000.0,
                    backstop_share=0.6, backstop=1e6, **changed)  # fmt: skip
    return scoreboard(engines, market, quantities=np.full(20, 50.0), leverages=np.linspace(4.0, 40.0, 20),
                      shocks=np.linspace(0.005, 0.25, 5))  # fmt: skip


def test_the_scoreboard_ranks_engines_on_the_same_shocks():
    found = board()
    assert set(found) == set(KINDS)
    liquidated = {name: score.figures["liquidated"].mean for name, score in found.items()}
    assert liquidated["cross"] < liquidated["isolated"] <= liquidated["inverse"]
    assert found["portfolio"].figures["liquidated"].mean <= liquidated["cross"]
    assert found["backstop_vault"].figures["amplification"].mean < found["isolated"].figures["amplification"].mean
    assert found["cdp_dutch"].figures["seconds"].worst > found["cdp_fixed_spread"].figures["seconds"].worst
    assert found["cross"].capital_efficiency < found["isolated"].capital_efficiency
    for score in found.values():
        assert score.frontier == pytest.approx(float(frontier(score.refill)))
        for figure in score.figures.values():
            assert figure.low <= figure.mean <= figure.high
            assert figure.mean <= figure.worst


def test_coins_as_collateral_are_worth_less_when_they_are_needed():
    rows = positions(50)
    drops = 1.0 - leverage_prices(100.0, np.linspace(4.0, 50.0, 50), 0.005, side=1, contract="inverse")[0]
    market = Market(book=linear_depth(1e9), reference=100.0)
    held = rows["collateral"] / 100.0
    found = stress_run(market, shock=0.3, coins=held, **rows | {"liquidation_drops": drops, "collateral": 0 * held})
    # one by one: it sells at 70 what it bought at 100 and holds coins worth 70 each
    expected = np.minimum(5.0 * (70.0 - 100.0) + held * 70.0, 0.0)[drops <= 0.3]
    assert found.bad_debt == pytest.approx(-expected.sum(), rel=1e-6)


def test_a_bonus_goes_from_the_position_to_who_liquidates():
    rows = positions(50)
    market = {"book": linear_depth(1e9), "reference": 100.0}
    plain, paid = (stress_run(Market(discount=d, **market), shock=0.15, **rows) for d in (0.0, 0.05))
    assert paid.liquidator_profit - plain.liquidator_profit == pytest.approx(0.05 * 85.0 * paid.liquidated, rel=1e-6)
    assert paid.bad_debt > plain.bad_debt


def test_engines_say_what_they_do_not_let_open():
    engines = {kind: Engine(kind=kind) for kind in ("isolated", "cdp_fixed_spread", "soft")}
    market = Market(book=linear_depth(20_000.0), reference=100.0)
    found = scoreboard(engines, market, quantities=[1.0, 1.0, 1.0, 1.0], leverages=[3.0, 8.0, 15.0, 30.0],
                       shocks=[0.05, 0.1])  # fmt: skip
    assert [found[kind].admitted for kind in engines] == [1.0, 0.75, 0.5]
    with pytest.raises(ConfigError, match="no position may be opened"):
        scoreboard({"loan": Engine(kind="cdp_fixed_spread")}, market, quantities=[1.0], leverages=[50.0],
                   shocks=[0.05, 0.1])  # fmt: skip


def test_an_unknown_engine_is_refused():
    with pytest.raises(ConfigError, match="kind must be one of"):
        Engine(kind="magic")


def test_designs_that_steady_a_market():
    assert least_spread(0.05) == pytest.approx(0.05 / math.sqrt(2 * math.pi))
    assert scaled_margin(0.01, 0.4, 0.8, floor=0.008) == 0.008
    assert scaled_margin(0.01, 1.6, 0.8, floor=0.008) == pytest.approx(0.02)
    cap = interest_cap(linear_depth(1000.0), drop=0.05, spread=0.2, target=0.5)
    assert cap == pytest.approx(0.5 * 1000.0 * 0.2, rel=1e-9)
