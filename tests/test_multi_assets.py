"""Multi-assets mode in a run: haircuts, falling collateral, and negative balances covered by other assets."""

from decimal import Decimal

import pytest
from engine_data import LINEAR, USDM, Listener, account, amounts, balance, marks, points, run, trades

BTC = "BTC/USD"
USDT = "USDT/USD"


def market(prices):
    """One price path for BTC: its mark, its trades a second later, and its value as collateral; USDT at one dollar."""
    tape = [(when, price, 1000) for when, price in prices]
    return marks(prices) + trades(tape) + points("index", prices, BTC) + points("index", [(prices[0][0], 1)], USDT)


def multi(**balances):
    return account(balances=balances, collateral="multi")


def trade(side, quantity):
    return lambda strategy: getattr(strategy, side)(LINEAR, quantity=quantity)


def test_a_balance_below_its_threshold_is_covered_at_the_haircut_and_not_before():
    # 2 BTC long from 60,000, sold at 57,600: -4,800 USDT stays; sold at 57,000: -6,000 is covered (threshold -5,000).
    for price, covered in ((57_600, False), (57_000, True)):
        data = market([("00:00", 60_000), ("00:02", 60_000), ("01:00", price), ("01:02", price), ("02:00", price)])
        result = run(
            data, Listener(("00:01", trade("buy", 2)), ("01:01", trade("sell", 2))), multi(BTC=1), reporting="USD"
        )
        loss = Decimal(2 * (60_000 - price))
        if not covered:
            assert balance(result) == -loss
            assert not amounts(result, "conversion")
            continue
        # Value sold = deficit / ratio; BTC counts at 0.975 (binance.md section 6).
        sold, received = amounts(result, "conversion")
        assert received == loss
        assert balance(result) == 0
        assert -sold == pytest.approx(loss / Decimal("0.975") / Decimal(price), abs=Decimal("1e-8"))


def test_worked_case_8_of_binance_five_thousand_from_bitcoin():
    """binance.md section 9 case 8: a deficit of 5,000 covered from BTC at 0.975 sells 5,128.205 dollars of it."""
    data = market([("00:00", 60_000), ("00:02", 60_000), ("01:00", 57_499), ("01:02", 57_499), ("02:00", 57_499)])
    result = run(data, Listener(("00:01", trade("buy", 2)), ("01:01", trade("sell", 2))), multi(BTC=1), reporting="USD")
    sold, received = amounts(result, "conversion")
    assert received == 5_002
    assert float(-sold) * 57_499 == pytest.approx(5_128.205 * 5_002 / 5_000, abs=1e-2)


def test_falling_collateral_alone_can_liquidate():
    # The mark stands still while the coin behind the position falls.
    steps = [("00:00", 60_000), ("00:02", 60_000), ("01:00", 60_000), ("02:00", 60_000)]
    data = marks(steps) + trades([(t, p, 1000) for t, p in steps])
    data = data + points("index", [("00:00", 60_000), ("01:00", 150)], BTC) + points("index", [("00:00", 1)], USDT)
    result = run(data, Listener(("00:01", trade("buy", 1))), multi(BTC=1), reporting="USD")
    assert len(result.liquidations) == 1
    assert result.liquidations.iloc[0]["time"].strftime("%H:%M") == "01:00"


def test_after_a_multi_assets_liquidation_nothing_is_owed_and_money_is_conserved():
    data = market([("00:00", 60_000), ("00:02", 60_000), ("01:00", 40_000), ("01:02", 40_000), ("02:00", 40_000)])
    result = run(data, Listener(("00:01", trade("buy", 5))), multi(BTC=1, USDT=100), reporting="USD")
    assert len(result.liquidations) >= 1
    assert balance(result) == 0
    assert balance(result, "BTC") == 0
    # 5 x (40,000 - 60,000) + 100 + 0.975 x 40,000: what the haircut equity lacks is the fund's loss.
    assert amounts(result, "insurance", name=f"{USDM} insurance_fund") == [Decimal(-60_900)]
