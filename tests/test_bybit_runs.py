"""Runs at Bybit against figures by hand: funding, the step down the tiers, takeover and fund, reduction in cross."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest
import worked
from engine_data import (
    MINUTE,
    USER_COIN,
    Notes,
    Script,
    account,
    amounts,
    balance,
    constant,
    forced,
    funding,
    marks,
    ns,
    postings,
    run,
    totals,
    trades,
    user_coin,
)
from venue_storms import Gambler, walk

import venues

BYBIT = "bybit"
TIERS = [
    venues.Tier(floor=0, maintenance_rate=0.01, max_leverage=50),
    venues.Tier(floor=5_000, maintenance_rate=0.04, max_leverage=12.5),
]


def path(prices, traded=None):
    """Return marks and trades of a path, one minute apart, trades half a minute after their marks."""
    times = [ns("00:00") + i * MINUTE for i in range(len(prices))]
    own = marks(list(zip(times, prices, strict=True)), USER_COIN, BYBIT)
    rows = [(t + MINUTE // 2, p, 1000) for t, p in zip(times, traded or prices, strict=True)]
    return own + trades(rows, USER_COIN, BYBIT)


def owner(deposit, *, tiers=TIERS, leverage=10, mode="isolated", **options):
    """Return an account at Bybit that pays a taker fee of 0.1 %; no clearance fee is set, so the venue's holds."""
    rules = user_coin(rules=BYBIT, tiers=tiers, clearance_fee=None)
    return account(rules, {"USDT": deposit}, leverage=leverage, margin_mode=mode, fees=(0, 0.001), **options)


def long(quantity, data, account, *steps):
    """Run one market buy at the first mark, and more steps."""
    return audited(data, Script(("00:00", lambda s: s.buy(USER_COIN, quantity=quantity)), *steps), account)


def audited(data, strategy, account):
    """Return a run whose postings of each asset sum to zero and which leaves nobody below zero."""
    result = run(data, strategy, account)
    assert all(total == 0 for total in totals(result)[0].values())
    assert all(balance(result, asset, name=BYBIT) >= 0 for asset in ("USDT", "BTC"))
    assert result.findings == []
    return result


@pytest.mark.parametrize(
    "case", next(c for c in worked.cases("bybit") if c["id"] == "9")["positions"], ids=lambda p: p["asset"]
)
def test_a_position_pays_the_published_funding(case):
    """Case 9."""
    symbol = case["symbol"]
    data = constant(60_000, start="00:00", end="01:00", symbol=symbol, venue=BYBIT)
    data += funding([("00:30", 0.0001)], symbol, BYBIT)
    script = Script(("00:00", lambda s: s.buy(symbol, quantity=case["quantity"])))
    rules = venues.get(BYBIT)
    made = audited(
        data, script, account(rules, {case["asset"]: 200_000 if case["asset"] == "USDT" else 2}, leverage=10)
    )
    assert amounts(made, "funding", name=BYBIT) == [Decimal(case["expected"])]


def test_in_the_lowest_tier_an_isolated_position_is_taken_over_at_its_bankruptcy_price():
    """10 at 100, 10x: wallet 100.9, maintenance 10.9 whatever the mark, so 91; the price 90 leaves just the fee 0.9."""
    safe = long(10, path([100, 100, 91.01, 91.01]), owner(103))
    assert safe.liquidations.empty
    result = long(10, path([100, 100, 90.99, 90.99]), owner(103, insurance_fund={"USDT": 5}))
    assert forced(result, "fee") == [("takeover", 90.0, 10.0, 0.9)]
    assert amounts(result, "fee", name=BYBIT) == [Decimal(-1), Decimal("-0.9")]
    assert balance(result, name=BYBIT) == Decimal("1.1")
    # the fund holds what it took at 90 at the mark
    assert totals(result)[1]["USDT", f"{BYBIT} insurance_fund"] == Decimal("14.9") * 10**8


def test_above_the_lowest_tier_the_difference_is_closed_first_and_the_rest_is_taken_over_later():
    """100 at 100: maintenance 0.04 x 10,000 - 150 + 9 of a wallet of 1,009, so 92.5; 50 are closed at 92.4.

    Left: 1,009 - 380 - 4.62 = 624.38 and a maintenance of 54.5, so 88.60; bankruptcy (5,000 - 624.38) / 49.95 = 87.6.
    """
    seen = Notes()
    look = [(at, lambda s: seen.append(s.position(USER_COIN).liquidation_price)) for at in ("00:01:45", "00:02:45")]
    data = path([100, 92.51, 92.4, 92.4, 88.5, 88.5])
    result = long(100, data, owner(1_030), *look)
    assert seen == [pytest.approx(92.5), pytest.approx(100 - (624.38 - 54.5) / 50)]
    assert forced(result, "fee") == [
        ("liquidation", 92.4, 50.0, pytest.approx(4.62)),
        ("takeover", 87.6, 50.0, pytest.approx(4.38)),
    ]
    assert postings(result, "trade_profit", name=BYBIT) == -1_000
    assert balance(result, name=BYBIT) == 11
    assert totals(result)[1]["USDT", f"{BYBIT} insurance_fund"] == 45 * 10**8


def test_a_step_that_the_market_does_not_fill_is_killed_and_the_whole_is_taken_over():
    """The trade at 80 is below bankruptcy at 8,991 / 99.9 = 90: the order is killed, the fund gains 2.4 x 100."""
    data = path([100, 100, 92.4, 92.4], traded=[100, 100, 80, 80])
    result = long(100, data, owner(1_030))
    assert forced(result, "fee") == [("takeover", 90.0, 100.0, 9.0)]
    assert balance(result, name=BYBIT) == 11
    assert totals(result)[1]["USDT", f"{BYBIT} insurance_fund"] == 240 * 10**8


def test_in_cross_a_position_is_reduced_until_the_rate_is_below_nine_tenths():
    """Wallet 1,000, 100 at 100, 5 % + 0.095 %: at 94 the rate is 478.93 / 400; 118.93 / 0.05005 / 94 = 25.2790."""
    flat = [venues.Tier(floor=0, maintenance_rate=0.05, max_leverage=20)]
    data = path([100, 100, 94.9, 94, 94, 94])
    result = long(100, data, owner(1_010, tiers=flat, leverage=20, mode="cross"))
    ((what, price, quantity, fee),) = forced(result, "fee")
    assert (what, price, quantity) == ("liquidation", 94.0, 25.279)
    assert fee == pytest.approx(25.279 * 94 * 0.001)
    left = (100 - 25.279) * 94
    ratio = left * 0.05095 / (1_000 - 600 - fee)
    assert 0.8999 < ratio < 0.9
    assert result.margin["ratio"].iloc[-1] == pytest.approx(ratio)


def test_funding_of_an_isolated_position_takes_the_available_balance_first():
    """10 at 100 pay 10: all of it from 99.1 available, or 1.1 of it and 8.9 from the position's 100.9."""
    prices = {}
    for deposit in (201, 103):
        seen = Notes()
        look = ("00:03:45", lambda s, seen=seen: seen.append(s.position(USER_COIN).liquidation_price))
        data = path([100] * 5) + funding([("00:03", 0.01)], USER_COIN, BYBIT)
        result = long(10, data, owner(deposit), look)
        assert postings(result, "funding", name=BYBIT) == -10
        prices[deposit] = seen[0]
    assert prices == {201: pytest.approx(91), 103: pytest.approx(91.89)}


def test_an_order_that_takes_all_of_the_balance_by_value_is_accepted():
    """value= counts initial margin, the fee to close inside it and the fee to open."""
    result = long(1, path([100, 100, 100]), owner(1_000), ("00:01:30", lambda s: s.buy(USER_COIN, value=500)))
    first, second = result.fills["quantity"]
    assert first == 1
    # N / 10 + N x 0.1 % + N x 0.9 x 0.1 %
    assert second == pytest.approx(500 / (0.1 + 0.001 + 0.0009) / 100, abs=0.001)


def test_the_margin_rules_of_2026_hold_from_their_day_on():
    """10 short at 100, 10x, 1 %: liquidated at 109 by the entry value, at 1,100 / 10.1 = 108.91 by the mark."""
    tiers = [venues.Tier(floor=0, maintenance_rate=0.01, max_leverage=50)]
    start, later = "2026-05-26T23:58", "2026-05-27T00:01"
    data = marks([(start, 100), ("2026-05-26T23:59", 108.95), (later, 108.95)], USER_COIN, BYBIT)
    data += trades([("2026-05-26T23:58:30", 100, 1000), (later, 108.95, 1000)], USER_COIN, BYBIT)
    script = Script((start, lambda s: s.sell(USER_COIN, quantity=10)))
    result = audited(data, script, owner(103, tiers=tiers))
    assert forced(result, "fee") == [("takeover", 110.0, 10.0, 1.1)]
    assert result.liquidations["time"].astype(str).tolist() == ["2026-05-27 00:00:00+00:00"]
    assert balance(result, name=BYBIT) == Decimal("0.9")


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["cross", "isolated"])
@pytest.mark.parametrize("contract", ["linear", "inverse"])
def test_whatever_happens_money_is_conserved_and_nothing_is_left_that_the_venue_would_have_closed(mode, contract):
    symbol, asset, deposit = ("X/USD:X", "X", 20) if contract == "inverse" else (USER_COIN, "USDT", 2_000)
    rows = [replace(tier, floor=tier.floor / (100 if contract == "inverse" else 1)) for tier in TIERS]
    rules = user_coin(symbol, rules=BYBIT, tiers=rows, contract=contract, clearance_fee=None)
    kinds = Counter()
    for seed in range(20):
        own = account(rules, {asset: deposit}, leverage=10, margin_mode=mode, fees=(0, 0.001), slippage=5)
        result = audited(walk(seed, symbol, BYBIT), Gambler(seed, symbol), own)
        assert balance(result, asset, name=BYBIT) >= 0
        assert result.margin[result.margin["flags"] != "extreme"]["ratio"].iloc[-1] < 1
        kinds.update(result.liquidations["what"])
        if mode == "isolated":
            assert set(result.liquidations["step"]) <= {1, 2}
    assert kinds["takeover"] > 0
    assert kinds["liquidation"] > 0
