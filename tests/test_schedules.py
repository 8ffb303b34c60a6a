"""Schedules of execution: worked figures, and the example that unwinds a position by one."""

import math

import pytest
from engine_data import USER_COIN, account, book, marks, run, user_coin

from backtest import ConfigError
from backtest.schedules import almgren_chriss, obizhaeva_wang
from strategies.unwind import Unwind

CASE = {
    "steps": 5, "time": 5.0, "volatility": 0.95, "temporary": 2.5e-6, "permanent": 2.5e-7, "fixed": 0.0625,
    "aversion": 1e-6,
}  # fmt: skip


def test_the_schedule_is_the_worked_one():
    """LL-41 (leverage_lab.md section 10.3)."""
    found = almgren_chriss(1e6, **CASE)
    assert found.urgency == pytest.approx(0.6070762, abs=5e-8)
    assert found.holdings == pytest.approx((1e6, 541_955.55, 289_854.22, 147_897.49, 62_141.80, 0), abs=5e-3)
    assert found.cost == pytest.approx(911_226.99, abs=5e-3)
    assert found.variance == pytest.approx(3.6412857e11, rel=5e-8)


def test_without_aversion_it_is_a_straight_line():
    """LL-41: E 662,500, V 1.083e12."""
    found = almgren_chriss(1e6, **(CASE | {"aversion": 0.0}))
    assert found.holdings == pytest.approx((1e6, 8e5, 6e5, 4e5, 2e5, 0))
    assert found.cost == pytest.approx(662_500)
    assert found.variance == pytest.approx(1.083e12)


def test_blocks_and_rate_of_a_book_that_refills_are_the_worked_ones():
    """LL-42 (leverage_lab.md section 10.3)."""
    block, rate = obizhaeva_wang(100_000, recovery=2.231, time=1.0)
    assert (block, rate) == pytest.approx((23_635.0745, 52_729.8511), abs=5e-5)
    assert 2 * block + rate == pytest.approx(100_000)


@pytest.mark.parametrize("change", [{"steps": 0}, {"time": 0.0}, {"volatility": -1.0}, {"temporary": 1e-8}])
def test_figures_that_cannot_be_are_refused(change):
    with pytest.raises(ConfigError, match="almgren_chriss needs"):
        almgren_chriss(1e6, **(CASE | change))
    with pytest.raises(ConfigError, match="recovery > 0"):
        obizhaeva_wang(1.0, recovery=0.0, time=1.0)


def refilling():
    """Return ten minutes of a book whose levels change, and so are whole again, every second."""
    start = [("00:00", {100 - k: 20 for k in range(10)}, {101 + k: 20 for k in range(10)})]
    size = {second: 20 + second % 2 for second in range(1, 600)}
    later = [
        (f"00:{second // 60:02}:{second % 60:02}", {100 - k: size[second] for k in range(10)},
         {101 + k: size[second] for k in range(10)})
        for second in range(1, 600)
    ]  # fmt: skip
    return book(start + later, USER_COIN) + marks([("00:00", 100.5), ("00:10", 100.5)], USER_COIN)


def cost(**changes):
    owner = account(user_coin(tick_size=1, lot_size=1), balances={"USDT": 20_000})
    strategy = Unwind(symbol=USER_COIN, open=10_000, **({"pause": "10s", "steps": 20, "aversion": 0.0} | changes))
    result = run(refilling(), strategy, owner)
    sold = result.fills[result.fills["side"] < 0]
    assert sold["quantity"].sum() == result.fills[result.fills["side"] > 0]["quantity"].sum()
    return sold


def test_unwinding_in_steps_sells_higher_than_in_one():
    at_once, slowly = cost(steps=1), cost()
    averages = [float((each["price"] * each["quantity"]).sum() / each["quantity"].sum()) for each in (at_once, slowly)]
    assert averages[0] < averages[1]
    assert averages[1] == 100


def test_fear_sells_the_most_at_first():
    sold = cost(aversion=1e-2, volatility=2.0, steps=5).groupby("time")["quantity"].sum()
    assert sold.is_monotonic_decreasing
    assert math.isclose(sold.sum(), 99, abs_tol=1)
