"""The lab beside runs: positions of a run, its forced closes, who leaves by themselves, what moving an index costs."""

import numpy as np
import pytest
from crowds import RATE, Idle, both_sides, crash, steps, tape
from engine_data import (
    MINUTE,
    OTHER_COIN,
    USDM,
    USER_COIN,
    Notes,
    Script,
    account,
    ns,
    run,
    user_coin,
)  # fmt: skip

from backtest import ConfigError, Crowd
from backtest.lab.branching import ratio_from_counts
from backtest.lab.curves import uniform_liquidations
from backtest.lab.depth import linear_depth, square_root_depth
from backtest.lab.leaving import after_leaving, deleveraging, leaving_response
from backtest.lab.leverage_map import InferredMap, heat_map
from backtest.lab.of_run import forced_closes, population_of_run
from backtest.lab.oracle import close_seconds, index_move
from backtest.lab.positions import liquidation_prices
from backtest.lab.velocity import velocity

# ---------------------------------------------------------------- of a run


@pytest.mark.parametrize("margin_mode", ["isolated", "cross"])
def test_what_a_run_ends_with_is_a_population_with_the_engines_liquidation_price(margin_mode):
    rules = user_coin()
    given = account(rules, {"USDT": 30.0}, margin_mode=margin_mode, leverage=5)
    path = [(ns("00:00") + i * MINUTE, 100.0 - 0.1 * i) for i in range(30)]
    notes = Notes()
    script = Script(
        ("00:00:30", lambda s: s.buy(USER_COIN, quantity=0.5)), ("00:10:30", lambda s: s.buy(USER_COIN, quantity=0.25)),
        ("00:28:30", lambda s: s.note("price", s.position(USER_COIN).liquidation_price)),
        notes=notes,
    )  # fmt: skip
    result = run(tape(path), script, given)
    found = population_of_run(result)
    assert (found.symbol[0], found.side[0], found.quantity[0]) == (USER_COIN, 1, 0.75)
    assert found.margin_mode[0] == margin_mode
    assert found.mmr[0] == pytest.approx(RATE)
    prices, _ = liquidation_prices(found if margin_mode == "isolated" else _alone(found))
    assert prices[0] == pytest.approx(notes[-1][2], rel=1e-9)


def _alone(found):
    from dataclasses import replace

    return replace(found, margin_mode=np.array(["isolated"]))


def test_a_cross_wallet_stands_in_the_row_of_its_first_position():
    rules = user_coin(OTHER_COIN, rules=user_coin())
    path = [(ns("00:00") + i * MINUTE, 100.0) for i in range(5)]
    data = tape(path) + tape(path, OTHER_COIN)
    script = Script(("00:00:30", lambda s: (s.buy(USER_COIN, quantity=1), s.sell(OTHER_COIN, quantity=2))))
    found = population_of_run(run(data, script, account(rules, {"USDT": 500.0})))
    assert found.collateral.tolist() == [500.0, 0.0]
    assert (found.side * found.quantity).tolist() == [1.0, -2.0]
    assert set(found.account) == {USDM}


def test_nothing_open_is_said():
    with pytest.raises(ConfigError, match="nothing is open"):
        population_of_run(run(tape([(ns("00:00"), 100.0), (ns("00:01"), 100.0)]), Script(), account(user_coin())))


def test_a_population_of_a_run_can_live_in_the_next_one():
    path = [(ns("00:00") + i * MINUTE, 100.0) for i in range(5)]
    script = Script(("00:00:30", lambda s: s.buy(USER_COIN, quantity=1)))
    made = population_of_run(run(tape(path), script, account(user_coin(), {"USDT": 20.0})))
    fall = [(ns("00:00") + i * MINUTE, 100.0 - i) for i in range(30)]
    after = run(tape(fall), Idle(), account(user_coin()), population=Crowd(made))
    first = steps(after).iloc[0]
    assert first["trigger_mark"] == 80.0  # (100 - 20) / 0.995 = 80.4


def test_forced_closes_of_a_run_are_what_velocity_and_counts_need():
    crowd = Crowd(both_sides(400))
    result = run(tape(crash()), Idle(), account(user_coin()), population=crowd)
    found = forced_closes(result, USER_COIN)
    table = result.population
    assert len(found.seconds) == len(table)
    assert found.notional.sum() == pytest.approx((table["quantity"].abs() * table["price"]).sum())
    assert np.all(np.diff(found.seconds) >= 0.0)
    seen = velocity(found.seconds, found.notional, coverage="a run")
    assert seen.peak >= seen.mean > 0.0
    assert 0.0 < ratio_from_counts(found.seconds, window=600.0).value < 1.0
    with pytest.raises(ConfigError, match="Y/USDT:USDT is not in the run"):
        forced_closes(result, OTHER_COIN)


# ---------------------------------------------------------------- of their own will


def test_what_is_not_forced_has_left_of_its_own_will():
    market = InferredMap({10: 0.5, 50: 0.5})
    found = deleveraging(market, [100.0, 80.0, 40.0], [100.0, 100.0, 98.0], [100.0, 100.0, 97.5], [100.0, 100.0, 99.0])
    # a fifth leaves; then 98.49 is passed, half of 80 is closed, and what is left is the open interest
    assert found.forced.tolist() == pytest.approx([0.0, 0.0, 0.5])
    assert found.voluntary.tolist() == pytest.approx([0.0, 0.2, 0.5])  # shorts leave as the others are closed


def test_the_response_to_funding_is_a_slope_with_its_interval():
    rise = np.sin(np.arange(400) * 0.7) * 1e-4
    noise = np.random.default_rng(3).normal(0.0, 0.002, 400)
    left = np.clip(0.02 + 50.0 * rise + noise, 0.0, None)
    found = leaving_response(left, rise, mean_block=10, seed=1, samples=200)
    assert found.slope.value == pytest.approx(np.polyfit(rise, left, 1)[0])
    assert found.low < 50.0 < found.high
    assert not found.is_null
    assert found.share(1e-3) == pytest.approx(found.slope.value * 1e-3)
    assert found.share(1.0) == 1.0
    null = leaving_response(np.abs(noise), rise, mean_block=10, seed=1, samples=200)
    assert null.is_null
    with pytest.raises(ConfigError, match="funding changes"):
        leaving_response(left, np.zeros(400), mean_block=10, seed=1)


def test_who_has_left_cannot_be_closed():
    found = heat_map([90.0, 95.0, 110.0], [10.0, 20.0, -30.0], reference=100.0, grid=[0.0, 0.06, 0.2])
    assert after_leaving(found, 0.25).longs.tolist() == [0.0, 15.0, 22.5]
    only = after_leaving(found, 0.25, side=1)
    assert (only.longs.tolist(), only.shorts.tolist()) == ([0.0, 15.0, 22.5], [0.0, 0.0, 30.0])
    with pytest.raises(ConfigError, match="side must be 1"):
        after_leaving(found, 0.1, side=2)


# ---------------------------------------------------------------- an index


def test_moving_an_index_costs_the_sweep_and_what_comes_back_while_it_is_held():
    # a linear book of 1,000 per 100 %: 4 % of an index of which the venue is half are 8 % there, 80 coins; the sweep
    # costs 80 x 4 % of 100, and at 1 % a second 60 s sell 48 more at 8 % below
    found = index_move(
        linear_depth(1_000.0), 0.04, reference=100.0, seconds=60.0, weight=0.5, refill_rate=0.01,
        positions=uniform_liquidations(5_000.0),
    )  # fmt: skip
    assert (found.venue_move, found.sold, found.held) == pytest.approx((0.08, 80.0, 48.0))
    assert (found.push, found.hold, found.cost) == pytest.approx((320.0, 384.0, 704.0))
    assert found.closed == pytest.approx(200.0)
    assert found.cost_per_unit == pytest.approx(3.52)


def test_a_slower_engine_makes_it_dearer():
    book = square_root_depth(volume=10_000.0, volatility=0.03)
    seconds = [close_seconds(oracle_lag=2.0, engine_lag=lag, quantity=10.0, execution_rate=5.0) for lag in (0.0, 30.0)]
    assert seconds == [4.0, 34.0]
    cost = [index_move(book, 0.01, reference=100.0, seconds=s, refill_rate=0.02).cost for s in seconds]
    assert cost[1] - cost[0] == pytest.approx(30.0 * 0.02 * float(book.depth(0.01)) * 100.0 * 0.01)
    free = index_move(book, 0.01, reference=100.0, seconds=60.0)
    assert free.hold == 0.0
    assert free.cost_per_unit == float("inf")


def test_a_small_part_of_an_index_cannot_move_it_far():
    with pytest.raises(ConfigError, match=r"cannot move it by 0\.2"):
        index_move(linear_depth(1_000.0), 0.2, reference=100.0, seconds=1.0, weight=0.1)
