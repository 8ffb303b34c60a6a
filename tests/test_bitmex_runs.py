"""Runs at BitMEX against figures by hand: funding announced ahead, fair marks, risk limits, takeover, rebates."""

from collections import Counter
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
    points,
    postings,
    reasons,
    run,
    totals,
    trades,
    user_coin,
)
from venue_storms import Gambler, assert_bands_decide_like_full_looks, storm, walk

from backtest.errors import ConfigError
from venues.rules.bitmex import risk_limits

BITMEX = "bitmex"
XBT, QUANTO = "BTC/USD:BTC", "ETH/USD:BTC"
ONE_STEP = risk_limits(initial=0.01, maintenance=0.005, base=1e9, step=1e9)
STEPS = risk_limits(initial=0.02, maintenance=0.01, base=5_000, step=5_000)


def case(number):
    return next(c for c in worked.cases(BITMEX) if c["id"] == number)


def path(prices, traded=None, symbol=USER_COIN):
    """Return marks and trades of a path, one minute apart, trades half a minute after their marks."""
    times = [ns("00:00") + i * MINUTE for i in range(len(prices))]
    rows = [(t + MINUTE // 2, p, 100_000) for t, p in zip(times, traded or prices, strict=True)]
    return marks(list(zip(times, prices, strict=True)), symbol, BITMEX) + trades(rows, symbol, BITMEX)


def owner(deposit, *, tiers=ONE_STEP, leverage=10, mode="isolated", fees=(0, 0), **options):
    rules = user_coin(rules=BITMEX, tiers=tiers, clearance_fee=None)
    return account(rules, {"USDT": deposit}, leverage=leverage, margin_mode=mode, fees=fees, **options)


def long(quantity, *steps, symbol=USER_COIN, notes=None):
    return Script(("00:00", lambda s: s.buy(symbol, quantity=quantity)), *steps, notes=notes)


def test_a_position_pays_funding_and_earns_by_the_reciprocal_of_the_price():
    """Case 1."""
    one = case("1")
    data = marks([("00:00", 750), ("04:30", 800)], XBT, BITMEX)
    data += trades([("00:01", 750, 1e6), ("04:31", 800, 1e6)], XBT, BITMEX)
    data += funding([("04:00", one["rate"])], XBT, BITMEX)
    script = long(one["quantity"], ("04:30", lambda s: s.close(XBT)), symbol=XBT)
    result = run(data, script, account(BITMEX, {"BTC": 5}, leverage=10))
    expected = one["in_the_run"]
    assert amounts(result, "funding", name=BITMEX) == [Decimal(expected["funding"])]
    assert amounts(result, "trade_profit", name=BITMEX)[-1] == Decimal(expected["profit"])
    assert balance(result, "BTC", name=BITMEX) - 5 == Decimal(expected["net"])


def test_in_the_lowest_step_a_position_is_taken_over_at_its_bankruptcy_price():
    """Case 6: what the engine sells above 99.00 is the fund's."""
    one = case("6")
    start, trigger, fill = one["entry_price"], one["trigger"], one["fill"]
    safe = run(path([start, start, trigger + 0.01, trigger + 0.01]), long(1), owner(10, leverage=100))
    assert safe.liquidations.empty
    result = run(path([start, start, fill, fill]), long(1), owner(10, leverage=100))
    assert forced(result) == [("takeover", one["bankruptcy"], 1.0)]
    assert totals(result)[1]["USDT", f"{BITMEX} insurance_fund"] == Decimal(one["in_the_run"]["fund"]) * 10**8


def test_an_isolated_position_loses_what_was_assigned_to_it_and_no_more():
    """Case 9: 25x, maintenance 1 %: liquidated at 97."""
    one = case("9")
    tiers = risk_limits(initial=0.02, maintenance=0.01, base=1e9, step=1e9)
    mine = owner(one["wallet"], tiers=tiers, leverage=one["value"] / one["assigned"])
    assert run(path([100, 100, 97.01, 97.01]), long(1), mine).liquidations.empty
    result = run(path([100, 100, 97, 97]), long(1), mine)
    assert forced(result) == [("takeover", 96.0, 1.0)]
    assert balance(result, name=BITMEX) == Decimal(one["in_the_run"]["left"])
    assert postings(result, "trade_profit", name=BITMEX) == -Decimal(one["in_the_run"]["loss"])


def test_the_fee_to_close_is_held_on_the_conservative_side():
    """10 at 100, 10x, 0.1 %: 100 + 1.1 + 1 to open; maintenance 5 + 1.1 at the entry value, so liquidated at 90.5."""
    seen = Notes()
    look = ("00:01:45", lambda s: s.note(s.position(USER_COIN).liquidation_price, s.account(BITMEX).free("USDT")))
    run(path([100, 100, 100]), long(10, look, notes=seen), owner(1_000, fees=(0, 0.001)))
    ((_, price, available),) = seen
    assert price == pytest.approx(90.5)
    assert available == pytest.approx(1_000 - 100 - 1.1 - 1)


@pytest.mark.parametrize("mode", ["isolated", "cross"])
def test_above_the_lowest_step_the_difference_is_closed_first(mode):
    """100 at 100, 2 % + 1 % x steps of 5,000: 10,000 is one step up, so maintenance 200, and 100 when half is closed.

    Wallet 1,000 (10x, or all there is): at 91.9 equity is 190; closing half costs 405 of 1,000: 595 - 405 - 50 left.
    """
    mine = owner(1_000, tiers=STEPS, leverage=10, mode=mode)
    result = run(path([100, 100, 92.01, 91.9, 91.9]), long(100), mine)
    assert forced(result) == [("liquidation", 91.9, pytest.approx(50, abs=0.001))]
    assert result.margin["ratio"].iloc[-1] == pytest.approx(50 / (1_000 - 405 - 405), rel=1e-3)


def test_only_orders_in_the_contract_that_is_closed_are_cancelled():
    other = "Y/USDT:USDT"
    rules = user_coin(other, rules=user_coin(rules=BITMEX, tiers=ONE_STEP, clearance_fee=None), tiers=ONE_STEP)
    mine = account(rules, {"USDT": 1_030}, leverage=10, margin_mode="cross")
    steps = [("00:01:40", lambda s, name=name: s.buy(name, quantity=1, limit=10)) for name in (USER_COIN, other)]
    data = path([100, 100, 100, 90.1, 90.1]) + path([100] * 5, symbol=other)
    result = run(data, long(100, *steps), mine)
    assert forced(result) == [("takeover", pytest.approx(89.7), 100.0)]
    states = dict(
        zip(result.orders["symbol"], zip(result.orders["status"], result.orders["reason"], strict=True), strict=True)
    )
    assert states[USER_COIN] != states[other]
    assert reasons(result).count("canceled BY_VENUE") == 1


def test_a_maker_is_paid_its_rebate():
    mine = owner(1_000, fees=(-0.00025, 0.00075))
    data = path([100, 100, 100, 99, 99, 99], traded=[100, 100, 100, 98, 98, 98])
    script = Script(("00:00:45", lambda s: s.buy(USER_COIN, quantity=1, limit=99)))
    assert amounts(run(data, script, mine), "fee", name=BITMEX) == [Decimal("0.02475")]


def test_the_next_rate_is_announced_and_nothing_else_is_predicted():
    """A strategy sees at 12:00 the rate that is paid at 20:00, and before the first settlement none."""
    data = constant(100, start="03:00", end="21:00", symbol=USER_COIN, venue=BITMEX)
    data += funding([("04:00", 0.001), ("12:00", -0.002), ("20:00", 0.003)], USER_COIN, BITMEX)
    seen = Notes()
    at = ("03:30", "04:30", "11:59", "12:01", "20:30")
    steps = [
        (t, lambda s: s.note(s.funding(USER_COIN).predicted_rate, s.funding(USER_COIN).predicted_source)) for t in at
    ]
    run(data, Script(*steps, notes=seen), owner(1_000))
    assert [row[1:] for row in seen] == [
        (None, None),
        (-0.002, "announced rate"),
        (-0.002, "announced rate"),
        (0.003, "announced rate"),
        (None, None),
    ]


def test_the_fair_mark_is_taken_by_the_minute_from_the_rate_to_be_paid():
    """Rate 0.8 % at 12:00: at 11:00 an eighth of it is left, just after 12:00 nearly all of the next one, -0.8 %."""
    seen = Notes()
    times = [f"{hour:02}:{minute:02}" for hour in (10, 11, 12) for minute in range(60)]
    data = points("index", sorted([*((t, 100) for t in times), ("11:00:20", 90)]), USER_COIN, BITMEX)
    data += trades([(t, 100, 1000) for t in times], USER_COIN, BITMEX)
    data += funding([("04:00", 0.001), ("12:00", 0.008), ("20:00", -0.008)], USER_COIN, BITMEX)
    at = ("11:00:10", "11:00:30", "11:30:10", "12:01:10")
    look = [(t, lambda s: s.note(s.position(USER_COIN).unrealized_pnl)) for t in at]
    steps = [("10:00:30", lambda s: s.buy(USER_COIN, quantity=1)), *look]
    run(data, Script(*steps, notes=seen), owner(1_000), mark="formula", on_gap="skip")
    assert [pnl for _, pnl in seen] == [pytest.approx(x) for x in (0.1, 0.1, 0.05, -0.798)]


def test_a_quanto_position_lives_in_bitcoin():
    """1,000 ETHUSD from 500 to 510: 0.01; the dollar value of a bitcoin does not touch it. Fee 0.05 % of 0.5."""
    data = marks([("00:00", 500), ("00:02", 510)], QUANTO, BITMEX)
    data += trades([("00:01", 500, 1e6), ("00:03", 510, 1e6)], QUANTO, BITMEX)
    script = long(1000, ("00:02", lambda s: s.close(QUANTO)), symbol=QUANTO)
    result = run(data, script, account(BITMEX, {"BTC": 1}, leverage=50, fees=(0, 0.0005)))
    assert postings(result, "trade_profit", asset="BTC", name=BITMEX) == Decimal("0.01")
    assert amounts(result, "fee", name=BITMEX) == [Decimal("-0.00025"), Decimal("-0.000255")]
    assert all(total == 0 for total in totals(result)[0].values())


def test_sizes_that_a_quanto_contract_has_no_meaning_for_are_refused():
    data = constant(500, start="00:00", end="00:10", symbol=QUANTO, venue=BITMEX)
    script = Script(("00:05", lambda s: s.buy(QUANTO, notional=100)))
    with pytest.raises(ValueError, match="is a quanto contract, whose value is in BTC: notional= has no meaning"):
        run(data, script, account(BITMEX, {"BTC": 1}))


def test_value_counts_the_margin_of_the_step_that_the_order_comes_to():
    """1,000 at most: 20 % by leverage; 2 % + 1 % x 9 steps would be less, so 5,000 less the fees; at 50x the steps."""
    for leverage, expected in ((5, 5_000), (50, 15_000)):
        mine = owner(100_000, tiers=STEPS, leverage=leverage)
        value = 1_000 if leverage == 5 else 15_000 * 0.04
        result = run(path([100] * 4), Script(("00:01", lambda s, v=value: s.buy(USER_COIN, value=v))), mine)
        assert result.fills["quantity"].tolist() == [pytest.approx(expected / 100, abs=0.002)]


def test_a_run_after_the_venue_has_closed_is_refused():
    data = constant(100, start="2026-09-24", end="2026-09-24T01:00", symbol=USER_COIN, venue=BITMEX)
    with pytest.raises(ConfigError, match=r"bitmex closed at 2026-09-23T04:00.*starts at 2026-09-24"):
        run(data, Script(), owner(1_000))


def storm_account(contract, mode, *, first=5_000):
    symbol, asset, deposit = {
        "linear": (USER_COIN, "USDT", 2_000),
        "inverse": (XBT, "BTC", 20),
        "quanto": (QUANTO, "BTC", 20),
    }[contract]
    limit = first if contract == "linear" else first / 100
    tiers = risk_limits(initial=0.02, maintenance=0.01, base=limit, step=limit)
    size = 0.01 if contract == "quanto" else 1.0
    rules = user_coin(symbol, rules=BITMEX, tiers=tiers, contract=contract, clearance_fee=None, contract_size=size)
    return symbol, account(rules, {asset: deposit}, leverage=10, margin_mode=mode, fees=(-0.00025, 0.00075), slippage=5)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["cross", "isolated"])
@pytest.mark.parametrize("contract", ["linear", "inverse", "quanto"])
def test_whatever_happens_money_is_conserved_and_nothing_is_left_that_the_venue_would_have_closed(mode, contract):
    kinds = Counter()
    for seed in range(20):
        symbol, own = storm_account(contract, mode)
        result = storm(walk(seed, symbol, BITMEX), Gambler(seed, symbol), own, BITMEX)
        kinds.update(result.liquidations["what"])
    assert kinds["takeover"] > 0
    assert kinds["liquidation"] > 0


@pytest.mark.parametrize("mode", ["cross", "isolated"])
@pytest.mark.parametrize("contract", ["linear", "inverse", "quanto"])
def test_bands_decide_as_looking_at_every_event_does(mode, contract):
    for seed in (3, 4):
        symbol, own = storm_account(contract, mode)
        assert_bands_decide_like_full_looks(walk(seed, symbol, BITMEX), seed, symbol, own)
