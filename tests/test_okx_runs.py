"""Runs at OKX against figures by hand: down the tiers, takeover, offset pairs, capped funding, limits by contracts."""

from collections import Counter
from decimal import Decimal
from random import Random

import pytest
from engine_data import (
    MINUTE,
    SECOND,
    USER_COIN,
    Script,
    account,
    amounts,
    balance,
    forced,
    funding,
    marks,
    ns,
    points,
    postings,
    reasons,
    run,
    totals,
    trades,
    user_coin,
)
from test_bands import Examiner, journal
from venue_storms import Gambler

import venues
from backtest import Backtest

VENUE = "okx"
FUND = f"{VENUE} insurance_fund"
# contracts of 0.1 coins
ROWS = [(0, 0.01, 50), (1_000, 0.02, 25), (2_000, 0.03, 16), (3_000, 0.04, 12.5)]
FLAT = [
    (0, 0.01, 50),
    (1_000, 0.02, 25),
    (2_000, 0.021, 20),
    (3_000, 0.022, 20),
    (4_000, 0.023, 20),
    (5_000, 0.024, 20),
]


def tiers(rows):
    return [venues.Tier(floor=f, maintenance_rate=r, max_leverage=m, amount=0) for f, r, m in rows]


def path(prices, traded=None, *, symbol=USER_COIN, step=MINUTE):
    """Return marks and trades of a path, a step apart, trades half a step after their marks."""
    times = [ns("00:00") + i * step for i in range(len(prices))]
    own = marks(list(zip(times, prices, strict=True)), symbol, VENUE)
    rows = [(t + step // 2, p, 1_000_000) for t, p in zip(times, traded or prices, strict=True)]
    return own + trades(rows, symbol, VENUE)


def owner(deposit, *, rows=ROWS, symbol=USER_COIN, asset="USDT", mode="isolated", **options):
    """Return an account at OKX that pays a taker fee of 0.1 % and trades whole contracts."""
    contract = {"contract_size": 0.1} if asset == "USDT" else {"contract_size": 10, "contract": "inverse"}
    rules = user_coin(symbol, rules=VENUE, tiers=tiers(rows), clearance_fee=None, lot_size=1, **contract)
    chosen = {"leverage": 10, "margin_mode": mode, "fees": (0, 0.001)} | options
    return account(rules, {asset: deposit}, **chosen)


def buy(quantity, **options):
    return ("00:00", lambda s: s.buy(USER_COIN, quantity=quantity, **options))


def audited(data, strategy, *accounts, **options):
    """Return a run whose postings of each asset sum to zero and which leaves nobody below zero."""
    result = run(data, strategy, *accounts, **options)
    assert all(total == 0 for total in totals(result)[0].values())
    assert all(balance(result, asset, name=VENUE) >= 0 for asset in ("USDT", "X"))
    assert result.findings == []
    return result


def test_in_the_lowest_two_tiers_a_position_is_taken_over_at_its_bankruptcy_price():
    """150 coins at 100 with 1,500: 2.1 % ask 289.5 at 91.9, where 285 are left; bankruptcy 13,500 / 149.85."""
    safe = audited(path([100, 100, 91.95, 91.95]), Script(buy(1_500)), owner(1_515))
    assert safe.liquidations.empty
    result = audited(path([100, 100, 91.9, 91.9]), Script(buy(1_500)), owner(1_520))
    assert forced(result, "fee") == [("takeover", 90.09, 1_500.0, pytest.approx(13.5135))]
    assert balance(result, name=VENUE) == 5
    # the fund holds what it took at 90.09 at the mark, and what rounding to the tick left
    assert totals(result)[1]["USDT", FUND] == pytest.approx((91.9 - 90.09) * 150 * 1e8, rel=1e-4)


def test_above_them_an_order_moves_it_two_tiers_down_and_the_rest_goes_on():
    """350 coins with 3,500: 4.1 % ask 1,346.03 at 93.8, 1,330 are left. 1,500 contracts go, the rest asks 393.96."""
    data = path([100, 100, 93.8, 93.8, 93.8, 89, 89])
    result = audited(data, Script(buy(3_500)), owner(3_600))
    first, second = forced(result, "fee")
    assert first == ("liquidation", 93.8, 1_500.0, pytest.approx(14.07))
    # later, in tier 2: (20,000 - 2,555.93) / (200 x 0.999)
    assert second[:3] == ("takeover", pytest.approx(87.308, abs=0.001), 2_000.0)
    assert balance(result, name=VENUE) == 3_600 - 3_535


def test_a_minute_passes_between_two_such_orders():
    """550 coins with 2,750, at 96.4 1,325 asked of 770; 1,500 contracts less 887 of 756, and 60 s later 2,000 more."""
    prices = [100, 100, *[96.4] * 14]
    result = audited(path(prices, step=10 * SECOND), Script(buy(5_500)), owner(2_900, rows=FLAT, leverage=20))
    assert forced(result) == [
        ("liquidation", 96.4, 1_500.0),
        ("liquidation", 96.4, 2_000.0),
    ]
    first, second = result.liquidations["time"]
    assert (second - first).total_seconds() == 60


def test_below_the_requirement_of_the_first_tier_all_is_taken_over_at_once():
    """350 coins at 91: 350 left, the first tier asks 350.35."""
    result = audited(path([100, 100, 91, 91]), Script(buy(3_500)), owner(3_600))
    assert [row[0] for row in forced(result, "fee")] == ["takeover"]
    assert balance(result, name=VENUE) == 65


def test_an_order_that_waits_gives_way_to_the_takeover():
    own = marks([("00:00", 100), ("00:02", 93.8), ("00:02:20", 91), ("00:03", 93.8)], USER_COIN, VENUE)
    data = own + trades([("00:00:30", 100, 10_000), ("00:03:30", 93.8, 10_000)], USER_COIN, VENUE)
    result = audited(data, Script(buy(3_500)), owner(3_600))
    assert [row[0] for row in forced(result, "fee")] == ["takeover"]
    assert result.liquidations["time"].astype(str).tolist() == ["2025-01-01 00:02:20+00:00"]


def test_the_legs_of_a_contract_are_offset_against_each_other_first():
    """Long 2,900, short 2,000 with 4,951: at 50 they ask 449.5 + 210 of 451; without the pair 900 ask 49.5 of 431."""
    script = Script(
        buy(2_900, position="long"), ("00:00", lambda s: s.sell(USER_COIN, quantity=2_000, position="short"))
    )
    mine = owner(5_000, mode="cross", position_mode="hedge")
    result = audited(path([100, 100, 50, 50, 50]), script, mine)
    rows = forced(result, "fee")
    assert [row[:3] for row in rows] == [("liquidation", 50.0, 2_000.0)] * 2
    assert result.liquidations["time"].iloc[0] == result.liquidations["time"].iloc[1]
    # the pair loses and wins 200 x 50, and pays 10 for each leg
    assert postings(result, "trade_profit", name=VENUE) == 0
    assert balance(result, name=VENUE) == 5_000 - 49 - 20
    assert result.margin["ratio"].iloc[-1] < 1


def test_funding_never_takes_a_cross_account_to_its_requirement():
    """10 coins with 110: 99.99 of margin at 100, 11 asked; a payment of 200 is cut to what lies between."""
    data = path([100] * 6) + funding([("00:03", 0.2)], USER_COIN, VENUE)
    result = audited(data, Script(buy(100)), owner(101, mode="cross", leverage=10))
    (paid,) = amounts(result, "funding", name=VENUE)
    assert paid == pytest.approx(Decimal(-89), abs=Decimal("1e-6"))
    assert result.liquidations.empty
    assert result.margin["ratio"].iloc[-1] == pytest.approx(1, abs=1e-6)
    alone = audited(data, Script(buy(100)), owner(101))
    assert amounts(alone, "funding", name=VENUE) == [Decimal(-200)]
    assert [row[0] for row in forced(alone, "fee")] == ["takeover"]


def test_a_position_that_receives_is_not_capped():
    data = path([100] * 6) + funding([("00:03", -0.2)], USER_COIN, VENUE)
    result = audited(data, Script(buy(100)), owner(101, mode="cross", leverage=10))
    assert amounts(result, "funding", name=VENUE) == [Decimal(200)]


@pytest.mark.parametrize(("mode", "initial"), [("cross", 110), ("isolated", 100)])
def test_initial_margin_floats_with_the_mark_in_cross_and_stays_in_isolated(mode, initial):
    result = audited(path([100, 110, 110, 110]), Script(buy(100)), owner(1_000, mode=mode))
    assert result.margin["initial"].iloc[-1] == pytest.approx(initial)


def test_what_the_leverage_allows_is_counted_in_contracts():
    """10x fits every tier, 20x only the first two (25x): 2,000 contracts, whatever their price."""
    script = Script(
        ("00:00", lambda s: s.buy(USER_COIN, quantity=2_000)),
        ("00:02", lambda s: s.buy(USER_COIN, quantity=1)),
        ("00:03", lambda s: s.set_leverage(USER_COIN, 30)),
    )
    result = audited(path([100, 50, 50, 50, 50]), script, owner(30_000, mode="cross", leverage=20))
    assert reasons(result) == ["filled", "rejected POSITION_LIMIT"]
    assert [text for text in result.warnings if "LEVERAGE_ABOVE_TIER" in text]


def test_the_formula_mark_is_the_index_and_the_average_basis():
    """Last 101 over 100, 102 over 100, 96 over 90: 90 + (1 + 2 + 6) / 3; a median with the last price would be 96."""
    index = points("index", [("00:00:01", 100), ("00:01:01", 100), ("00:02:01", 90)], USER_COIN, VENUE)
    prices = [("00:00:00", 101), ("00:01:00", 102), ("00:02:00", 96), ("00:15:00", 96)]
    traded = trades([(time, price, 1000) for time, price in prices], USER_COIN, VENUE)
    script = Script(("00:00:30", lambda s: s.buy(USER_COIN, quantity=1)))
    result = audited(index + traded, script, owner(1_000, mode="cross"), mark="formula")
    # one contract of 0.1 bought at 102 for a fee of 0.0102
    assert result.margin["equity"].iloc[-1] == pytest.approx(1_000 - 0.0102 + 0.1 * (93 - 102))


def walk(seed, symbol):
    """Return half a day of a market with leaps, and funding every 100 minutes."""
    random = Random(seed)
    prices = [100.0]
    while len(prices) < 720:
        leap = random.choice([0.03, 0.1]) if random.random() < 0.01 else 0.01
        prices.append(round(max(20.0, prices[-1] * (1 + random.gauss(0, leap))), 3))
    times = [ns("00:00") + i * MINUTE for i in range(len(prices))]
    rates = [(times[i], random.choice([0.002, -0.002])) for i in range(100, 720, 100)]
    return path(prices, symbol=symbol) + funding(rates, symbol, VENUE)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["cross", "isolated"])
@pytest.mark.parametrize("contract", ["linear", "inverse"])
def test_whatever_happens_money_is_conserved_and_nothing_is_left_that_the_venue_would_have_closed(mode, contract):
    symbol, asset, deposit = ("X/USD:X", "X", 200) if contract == "inverse" else (USER_COIN, "USDT", 20_000)
    kinds = Counter()
    for seed in range(20):
        mine = owner(deposit, symbol=symbol, asset=asset, mode=mode, slippage=5)
        result = audited(walk(seed, symbol), Gambler(seed, symbol), mine)
        assert balance(result, asset, name=VENUE) >= 0
        assert result.margin[result.margin["flags"] != "extreme"]["ratio"].iloc[-1] < 1
        kinds.update(result.liquidations["what"])
    assert kinds["takeover"] > 0
    assert kinds["liquidation"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["cross", "isolated"])
def test_looking_at_every_account_after_every_event_changes_no_byte(mode):
    for seed in (2, 6, 7):
        found = []
        for looks in (False, True):
            examiner = Examiner(looks)
            mine = owner(20_000, mode=mode, slippage=5)
            test = Backtest(
                walk(seed, USER_COIN), [Gambler(seed, USER_COIN), examiner], venues=[mine], on_ruin="continue"
            )
            found.append(journal(test, examiner))
            assert (examiner.asked > 1_000) == looks
        assert found[0] == found[1]
        assert found[0]["liquidations"]
