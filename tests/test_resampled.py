"""Other orders of a run: its own is the run; paths that lost more are liquidated where it was not.

The expected drawdown of driftless profit is that of leverage_lab.md 10.2, LL-40.
"""

import math

import engine_data as ed
import numpy as np
import pytest

import feeds
import venues
from backtest import Backtest, ConfigError, Strategy
from backtest.resampled import HOUR_NS, Periods, periods, risk_per_day, walk
from backtest.statistics import falls


class Hold(Strategy):
    symbol: str = ed.LINEAR
    leverage: float = 3.0

    def on_start(self):
        self.once("1h")

    def on_timer(self, timer):
        self.target(self.symbol, leverage=self.leverage)


def held(times, **more):
    account = venues.Venue(ed.USDM, balances={"USDT": 10_000}, **more)
    data = feeds.sample(symbols=[ed.LINEAR])
    return Backtest(data, Hold(leverage=times), venues=account, on_ruin="continue").run()


@pytest.fixture(scope="module")
def three():
    return held(3)


def own_order(result):
    found = periods(result.store, result.curve)
    worth, closed = walk(found, np.arange(len(found.pnl))[np.newaxis])
    return found, worth[0], bool(closed[0])


def test_the_own_order_is_the_run(three):
    found, worth, closed = own_order(three)
    assert not closed
    assert worth[-1] == pytest.approx(1 + three.summary["return"], rel=1e-12)
    assert len(found.pnl) == 240
    # A sample at the full hour ends the hour before it.
    equity = three.equity.set_index("time")["equity"].resample("1h", closed="right").last().iloc[1:].to_numpy()
    assert worth[1:-1] * 10_000 == pytest.approx(equity[:239], rel=1e-9)
    # The pool is the whole account.
    assert found.pool_pnl[0] == pytest.approx(found.pnl, abs=15)  # fee and slippage of the entry fall before its sample
    assert (found.capital == 10_000).all()


def test_in_its_own_order_a_liquidated_run_is_liquidated_when_it_was():
    result = held(5)
    assert result.summary["liquidations"] == 1
    _, worth, closed = own_order(result)
    assert closed
    when = int(result.liquidations["time"].iloc[0].value)
    last = int(np.flatnonzero(np.diff(worth))[-1])
    assert last == (when - result.meta["start_ns"]) // HOUR_NS
    # What is left at the liquidation price is the maintenance margin, less than two per cent of what there was.
    assert 0 < worth[-1] < 0.02


def test_more_leverage_touches_the_liquidation_price_on_more_paths(three):
    shares = [held(times).resampled().share_liquidated for times in (1, 4, 5)]
    shares.insert(1, three.resampled().share_liquidated)
    assert shares[0] == 0.0
    assert shares == sorted(shares)
    assert 0.005 < shares[1] < 0.15 < shares[-1]


def test_a_path_is_a_function_of_its_seed(three):
    first, again, other = three.resampled(), three.resampled(), three.resampled(seed=1)
    np.testing.assert_array_equal(first.max_drawdown, again.max_drawdown)
    assert (first.max_drawdown != other.max_drawdown).any()
    assert first.table["max_drawdown"].is_monotonic_increasing


def test_isolated_margin_does_not_depend_on_what_was_lost_before():
    result = held(3, margin_mode="isolated", leverage=4)
    found = periods(result.store, result.curve)
    assert found.capital.shape == (0, 240)
    assert result.resampled().share_liquidated == 0.0


# By hand


def hand(pnl, low, maintenance=5.0, capital=100.0):
    """Periods of one pool: `low` is the lowest profit inside each since its beginning."""
    pnl, low = np.array(pnl, dtype=float), np.array(low, dtype=float)
    n = len(pnl)
    return Periods(
        24 * HOUR_NS, capital, pnl, np.zeros(n), np.full((1, n), capital), pnl[np.newaxis],
        (low - maintenance)[np.newaxis], np.full((1, n), maintenance),
    )  # fmt: skip


def test_a_path_that_lost_more_before_touches_where_the_run_did_not():
    found = hand([-50, 60, -50], [-60, 0, -60])
    worth, closed = walk(found, np.array([[0, 1, 2], [0, 2, 1], [1, 0, 2]]))
    assert closed.tolist() == [False, True, False]
    assert worth[0].tolist() == pytest.approx([1.0, 0.5, 1.1, 0.6])
    # 100 - 50 = 50, then 60 lower in between: at 5 the position is closed, and 5 is left whatever comes.
    assert worth[1].tolist() == pytest.approx([1.0, 0.5, 0.05, 0.05])
    assert worth[2].tolist() == pytest.approx([1.0, 1.6, 1.1, 0.6])


def test_what_lies_in_other_accounts_stays():
    found = hand([-50, 60, -50], [-60, 0, -60])
    worth, closed = walk(
        Periods(found.step, 300.0, found.pnl, found.flows, found.capital, found.pool_pnl, found.slack,
                found.maintenance), np.array([[0, 2, 1]]),
    )  # fmt: skip
    assert closed.tolist() == [True]
    assert worth[0, -1] * 300 == pytest.approx(200 + 5)


def test_deposits_stay_where_they_were_in_time():
    found = hand([-50, -50], [-60, -60])
    found = Periods(
        found.step, 100.0, found.pnl, np.array([0.0, 100.0]), np.array([[100.0, 200.0]]), found.pool_pnl, found.slack,
        found.maintenance,
    )  # fmt: skip
    worth, closed = walk(found, np.array([[0, 1], [1, 0]]))
    assert not closed.any()
    assert worth[:, -1].tolist() == pytest.approx([0.5 * 100 / 150] * 2)


def test_falls_are_measured_from_peak_to_trough():
    deepest, wet = falls(np.array([[1.0, 1.2, 0.9, 1.0, 1.3], [1.0, 0.5, 0.6, 0.7, 0.4]]))
    assert deepest.tolist() == pytest.approx([-0.25, -0.6])
    assert wet.tolist() == [2, 4]


def test_the_chance_per_day_gives_the_share_of_the_paths(three):
    found = three.resampled()
    daily = risk_per_day(found)
    assert 1 - (1 - daily) ** 10 == pytest.approx(found.share_liquidated, rel=0.01)


def test_expected_drawdown_of_driftless_profit():
    """LL-40: sigma sqrt(pi T / 2) = 1.0026513 for 0.8 and one year, seen every 1/4000: 2 x 0.5826 sigma sqrt(dt) less.

    The correction for looking at discrete moments: Broadie, Glasserman and Kou (1997), once for peak and once for
    trough.
    """
    n = 4_000
    noise = np.random.default_rng(3).normal(size=n)
    noise = (noise - noise.mean()) / noise.std() * 0.8 / math.sqrt(n)
    found = hand(noise, np.zeros(n), maintenance=0.0, capital=1e4)
    rows = np.random.default_rng(4).integers(0, n, (3_000, n))
    worth, closed = walk(found, rows)
    assert not closed.any()
    drawdown = -falls(worth)[0] * 1e4
    expected = 1.0026513 - 2 * 0.5826 * 0.8 / math.sqrt(n)
    assert drawdown.mean() == pytest.approx(expected, abs=4 * drawdown.std() / math.sqrt(len(drawdown)))


def test_what_cannot_be_resampled_says_why(three):
    class Idle(Strategy):
        pass

    account = venues.Venue(ed.USDM, balances={"USDT": 10_000})
    idle = Backtest(feeds.sample(symbols=[ed.LINEAR]), Idle(), venues=account).run()
    with pytest.raises(ConfigError, match="the equity never changes"):
        idle.resampled()
    short = Backtest(feeds.sample(symbols=[ed.LINEAR]), Hold(), venues=account, end="2024-11-01T12:00").run()
    with pytest.raises(ConfigError, match="12 hours, at least 20 are needed"):
        short.resampled()
