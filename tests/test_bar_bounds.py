"""Bars do not tell which extreme came when: the bound of the margin ratio at independent extremes."""

import math

import pytest
from engine_data import (
    HOUR,
    OTHER_COIN,
    USER_COIN,
    Script,
    account,
    bars,
    constant,
    ns,
    run,
    user_coin,
)

import venues

FLAT = (100, 100, 100, 100)


def both_coins(rate=0.005):
    """Return rules with two contracts of one flat tier."""
    return user_coin(OTHER_COIN, rate=rate, rules=user_coin(rate=rate))


def hourly(symbol, *values):
    rows = [(ns("00:00") + i * HOUR, *each) for i, each in enumerate(values)]
    return bars(rows, symbol, kind="mark") + bars(rows, symbol)


def hold(**quantities):
    def enter(strategy):
        for symbol, quantity in quantities.items():
            (strategy.buy if quantity > 0 else strategy.sell)(
                {"x": USER_COIN, "y": OTHER_COIN}[symbol], quantity=abs(quantity)
            )

    return Script(("00:30", enter))


def test_hedged_positions_are_bounded_by_both_adverse_extremes_at_once():
    wide = (100, 110, 90, 100)
    data = hourly(USER_COIN, FLAT, wide, FLAT, FLAT) + hourly(OTHER_COIN, FLAT, wide, FLAT, FLAT)
    result = run(data, hold(x=1, y=-1), account(both_coins(), balances={"USDT": 100}))
    # All up: equity 100, maintenance 0.005 x (110 + 110). Long at 90 and short at 110: equity 80, 0.005 x (90 + 110).
    assert result.summary["max_margin_ratio"] == pytest.approx(1.1 / 100, rel=1e-12)
    assert result.summary["max_margin_ratio_bound"] == pytest.approx(1.0 / 80, rel=1e-12)
    assert result.meta["margin_bounds"] == [{"account": "binance_usdm", "ratio": pytest.approx(1.0 / 80, rel=1e-12)}]


@pytest.mark.parametrize("quantity", [1, -1])
def test_of_one_position_the_bound_is_the_figure_itself(quantity):
    data = hourly(USER_COIN, FLAT, (100, 110, 90, 105), FLAT, FLAT)
    result = run(data, hold(x=quantity), account(both_coins(), balances={"USDT": 50}))
    assert result.summary["max_margin_ratio_bound"] == result.summary["max_margin_ratio"] > 0.01
    assert result.meta["margin_bounds"] == []


def test_positions_that_lose_together_are_bounded_by_the_path_itself():
    wide = (100, 104, 90, 100)
    data = hourly(USER_COIN, FLAT, wide, FLAT, FLAT) + hourly(OTHER_COIN, FLAT, wide, FLAT, FLAT)
    result = run(data, hold(x=1, y=1), account(both_coins(), balances={"USDT": 100}))
    assert result.summary["max_margin_ratio"] == pytest.approx(0.9 / 80, rel=1e-12)
    assert result.summary["max_margin_ratio_bound"] == pytest.approx(0.9 / 80, rel=1e-12)


def test_a_bound_beyond_all_equity_is_infinite_and_survives_saving(tmp_path):
    wide = (100, 130, 70, 100)
    data = hourly(USER_COIN, FLAT, wide, FLAT, FLAT) + hourly(OTHER_COIN, FLAT, wide, FLAT, FLAT)
    result = run(data, hold(x=1, y=-1), account(both_coins(), balances={"USDT": 50}))
    assert result.summary["liquidations"] == 0
    assert math.isinf(result.summary["max_margin_ratio_bound"])
    again = type(result).load(result.save(tmp_path / "result"))
    assert math.isinf(again.summary["max_margin_ratio_bound"])
    page = again.tear_sheet(tmp_path / "page.html").read_text()
    assert "highest margin ratio with every extreme at once" in page
    assert "no equity left" in page
    assert "with every extreme at once" in str(again)


def test_the_two_legs_of_hedge_mode_share_one_price():
    def enter(strategy):
        strategy.buy(USER_COIN, quantity=1, position="long")
        strategy.sell(USER_COIN, quantity=1, position="short")

    data = hourly(USER_COIN, FLAT, (100, 110, 90, 100), FLAT, FLAT)
    result = run(data, Script(("00:30", enter)), account(both_coins(), balances={"USDT": 100}, position_mode="hedge"))
    assert result.summary["max_margin_ratio_bound"] == pytest.approx(1.1 / 100, rel=1e-12)


def test_without_bars_there_is_no_bound():
    data = constant(100, start="00:00", end="03:00", symbol=USER_COIN)
    data += constant(100, start="00:00", end="03:00", symbol=OTHER_COIN)
    result = run(data, hold(x=1, y=-1), venues.Venue(both_coins(), balances={"USDT": 100}))
    assert result.meta["margin_bounds"] == []
    assert result.summary["max_margin_ratio_bound"] == result.summary["max_margin_ratio"]
