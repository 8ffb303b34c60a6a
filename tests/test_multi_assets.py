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


def test_an_asset_without_a_threshold_of_its_own_has_that_of_others_in_dollars():
    # 2 BTC long from 60,000 in FDUSD: -9,000 dollars stay, -11,000 are covered (threshold of other assets: -10,000)
    symbol = "BTC/FDUSD:FDUSD"
    for price, covered in ((55_500, False), (54_500, True)):
        steps = [("00:00", 60_000), ("00:02", 60_000), ("01:00", price), ("01:02", price), ("02:00", price)]
        data = marks(steps, symbol) + trades([(when, at, 1000) for when, at in steps], symbol)
        data += points("index", steps, BTC) + points("index", [("00:00", 1)], "FDUSD/USD")
        script = Listener(
            ("00:01", lambda s: s.buy(symbol, quantity=2)), ("01:01", lambda s: s.sell(symbol, quantity=2))
        )
        owner = account(balances={"BTC": 1}, collateral="multi", missing_tiers="nearest", leverage=5)
        result = run(data, script, owner, reporting="USD", prices={"FDUSD": 1.0})
        assert balance(result, "FDUSD") == (0 if covered else -2 * (60_000 - price))


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


ETH = "ETH/USDT:USDT"


def basket(*, eth_trades):
    """BTC and ETH fall together; BTC trades ten seconds after the mark, ETH when said."""
    data = points("index", [("00:00", 1)], USDT)
    for symbol, before, after in ((LINEAR, 60_000, 55_000), (ETH, 3_000, 2_750)):
        data = data + marks([("00:00", before), ("00:02", before), ("01:00", after), ("02:00", after)], symbol)
    data = data + trades([("00:00", 60_000, 1000), ("00:02", 60_000, 1000), ("01:00:10", 54_990, 1000)])
    return data + trades([("00:00", 3_000, 1000), ("00:02", 3_000, 1000), *eth_trades], ETH)


def both(strategy):
    strategy.buy(LINEAR, quantity=1)
    strategy.buy(ETH, quantity=20)


def closed(result):
    """Return symbol, kind and time of each step of a liquidation."""
    steps = result.liquidations
    return list(zip(steps["symbol"], steps["what"], steps["time"].dt.strftime("%H:%M:%S"), strict=True))


def test_a_multi_assets_account_offers_every_position_at_once_and_gives_up_the_rest_a_minute_later():
    """binance.md section 5, course (ii) of 2025-10-10."""
    data = basket(eth_trades=[("01:05", 2_750, 1000)])
    result = run(data, Listener(("00:01", both)), multi(USDT=10_400), reporting="USD")
    assert closed(result) == [(LINEAR, "liquidation", "01:00:10"), (ETH, "takeover", "01:01:00")]
    # 10,400 - 5,010 - 5,000 = 390 is all that 1.25 % of 54,990 can take; so ETH goes at its mark, without fee
    # (balances count at 0.9999 in the pool, which leaves the fee some cents less).
    steps = result.liquidations
    assert steps["fee"].tolist() == [pytest.approx(390, rel=3e-3), 0]
    assert steps["price"].tolist() == [54_990, pytest.approx(2_750, abs=0.05)]
    assert 0 <= balance(result) <= Decimal("0.0001") * 10_400  # what the haircut hid from the zero-equity price


def test_what_trades_within_the_minute_is_not_taken_over_and_the_fund_bears_the_debt():
    data = basket(eth_trades=[("01:00:20", 2_749, 1000)])
    result = run(data, Listener(("00:01", both)), multi(USDT=10_400), reporting="USD")
    assert closed(result) == [(LINEAR, "liquidation", "01:00:10"), (ETH, "liquidation", "01:00:20")]
    # all of the 390 went for the fee of the first, the second then lost 20 x 1 more
    assert sum(amounts(result, "insurance")) == 10_030 + Decimal(str(result.liquidations["fee"][0])) - 10_400
    assert balance(result) == 0


def test_an_offer_is_no_worse_than_the_joint_zero_equity_price():
    # 0.9999 x 10,400 - 10,000 = 398.96 over 110,000: ETH is offered at 2,750 x (1 - 398.96 / 110,000) = 2,740.03.
    for price, what in ((2_740.1, "liquidation"), (2_740.0, "takeover")):
        result = run(
            basket(eth_trades=[("01:00:05", price, 1000)]),
            Listener(("00:01", both)),
            multi(USDT=10_400),
            reporting="USD",
        )
        assert [kind for symbol, kind, _ in closed(result) if symbol == ETH] == [what]


def test_an_account_of_one_asset_is_closed_one_position_after_the_other():
    # The ETH trade of 01:00:05 comes before its order goes out: BTC is closed first.
    data = basket(eth_trades=[("01:00:05", 2_749, 1000), ("01:00:20", 2_749, 1000)])
    step_by_step = run(data, Listener(("00:01", both)), account(balances={"USDT": 10_400}))
    assert closed(step_by_step)[0] == (LINEAR, "liquidation", "01:00:10")
    at_once = run(data, Listener(("00:01", both)), multi(USDT=10_400), reporting="USD")
    assert closed(at_once)[0] == (ETH, "liquidation", "01:00:05")
