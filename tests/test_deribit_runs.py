"""Runs at Deribit against figures by hand: funding that accrues, daily settlement, closing in rounds, delivery."""

from collections import Counter
from decimal import Decimal
from itertools import pairwise

import pytest
import worked
from engine_data import (
    HOUR,
    MINUTE,
    SECOND,
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
    run,
    totals,
    trades,
    user_coin,
)
from venue_storms import Gambler, assert_bands_decide_like_full_looks, storm, walk

import venues
from backtest.errors import OrderError

DERIBIT = "deribit"
COIN, INVERSE = "SOL/USDC:USDC", "BTC/USD:BTC"
GROWING = venues.Tier(floor=0, maintenance_rate=0.01, max_leverage=50, size_rate=0.0005)


def rules(symbol=COIN, **fields):
    given = {"tiers": [GROWING], "contract": "inverse" if symbol.startswith("BTC/USD:") else "linear"} | fields
    return user_coin(symbol, rules=DERIBIT, **given)


def owner(deposit, symbol=COIN, *, asset="USDC", fees=(0, 0), clearance_fee=0.0, tiers=(GROWING,), **options):
    made = rules(symbol, clearance_fee=clearance_fee, tiers=list(tiers))
    return account(made, {asset: deposit}, fees=fees, **options)


def path(prices, traded=None, *, step=MINUTE, symbol=COIN, start="00:00"):
    """Return marks and trades of a path, trades half a step after their marks."""
    times = [ns(start) + i * step for i in range(len(prices))]
    rows = [(t + step // 2, p, 100_000) for t, p in zip(times, traded or prices, strict=True)]
    return marks(list(zip(times, prices, strict=True)), symbol, DERIBIT) + trades(rows, symbol, DERIBIT)


def long(quantity, *steps, symbol=COIN, notes=None, at="00:00"):
    return Script((at, lambda s: s.buy(symbol, quantity=quantity)), *steps, notes=notes)


# Funding


def test_a_position_held_for_a_part_of_an_interval_pays_that_part():
    """Case 8a: 0.075 % for 8 hours; 10 minutes of one coin at 100,000 are 1.5625 dollars, as coin 0.000015625."""
    case = next(c for c in worked.cases(DERIBIT) if c["id"] == "8a")
    rate = case["expected"]["rate"]
    symbol = "BTC/USDC:USDC"
    data = constant(100_000, start="00:00", end="09:00", symbol=symbol, venue=DERIBIT)
    data += funding([("08:00", rate)], symbol, DERIBIT, hours=8)
    script = long(1, ("04:10", lambda s: s.close(symbol)), symbol=symbol, at="04:00")
    result = run(data, script, owner(10_000, symbol))
    (paid,) = amounts(result, "funding", name=DERIBIT)
    assert float(-paid) / 100_000 == pytest.approx(case["expected"]["paid"], abs=1e-12)
    assert result.funding["quantity"].tolist() == [pytest.approx(1 / 48, abs=0.001)]


def test_what_is_held_all_the_time_pays_the_sum_of_the_hourly_rates():
    rates = [0.0001, -0.0003, 0.0002]
    data = constant(100, start="00:00", end="04:00", symbol=COIN, venue=DERIBIT)
    data += funding([(f"{h + 1:02}:00", r) for h, r in enumerate(rates)], COIN, DERIBIT, hours=1)
    result = run(data, long(10), owner(1_000))
    # bought at the first trade, half a minute... or a minute after midnight: 59 minutes of the first hour
    assert amounts(result, "funding", name=DERIBIT) == [
        Decimal("-0.09833333"), Decimal("0.30000000"), Decimal("-0.20000000"),
    ]  # fmt: skip


def test_an_interval_without_a_row_is_not_charged_with_the_rate_of_the_next_one():
    """10 at 100 held since before 01:00; the row of 02:00 is missing: 1 % at 03:00 is of one hour."""
    data = constant(100, start="00:00", end="04:00", symbol=COIN, venue=DERIBIT)
    data += funding([("01:00", 0.0), ("03:00", 0.01)], COIN, DERIBIT, hours=1)
    result = run(data, long(10), owner(1_000), on_gap="skip")
    assert amounts(result, "funding", name=DERIBIT)[-1] == Decimal(-10)


def test_adding_and_turning_inside_an_interval_weighs_each_quantity_with_its_time():
    """30 minutes of 10, 15 of 20, 15 of -20 in an hour of 1 %: 5 + 5 - 5 of 100 pay 5."""
    data = constant(100, start="00:00", end="03:00", step=MINUTE // 2, symbol=COIN, venue=DERIBIT)
    data += funding([("01:00", 0.0), ("02:00", 0.01)], COIN, DERIBIT, hours=1)
    steps = [
        ("01:29:30", lambda s: s.buy(COIN, quantity=10)),
        ("01:44:30", lambda s: s.sell(COIN, quantity=40)),
    ]
    result = run(data, long(10, *steps, at="00:59:30"), owner(100_000))
    assert amounts(result, "funding", name=DERIBIT) == [Decimal(-5)]
    assert result.funding["quantity"].tolist() == [5.0]


# Daily settlement


def test_profit_is_paid_out_each_day_and_the_average_entry_stays():
    """10 at 100; 120 at 08:00 pays 200; at 90 the floating loss is 300, the total one 100; closed at 90."""
    seen = Notes()
    data = marks([("07:00", 100), ("07:59", 120), ("08:10", 90)], COIN, DERIBIT)
    data += trades([("07:01", 100, 1000), ("08:30", 90, 1000)], COIN, DERIBIT)
    look = [
        (t, lambda s: s.note(s.position(COIN).entry_price, s.position(COIN).unrealized_pnl, s.account(DERIBIT).equity))
        for t in ("07:59:30", "08:05", "08:15")
    ]
    steps = [*look, ("08:20", lambda s: s.close(COIN))]
    result = run(data, long(10, *steps, notes=seen, at="07:00"), owner(10_000))
    assert [row[1:] for row in seen] == [(100.0, 200.0, 10_200.0), (100.0, 0.0, 10_200.0), (100.0, -300.0, 9_900.0)]
    assert amounts(result, "settlement", name=DERIBIT) == [Decimal(200)]
    assert postings(result, "trade_profit", name=DERIBIT) == -300
    assert balance(result, "USDC", name=DERIBIT) == 9_900
    assert result.trades["realized_pnl"].tolist() == [-100.0]
    assert result.attribution().loc["total", ["price", "slippage"]].sum() == pytest.approx(-100)


def test_a_part_that_is_closed_takes_its_part_of_what_was_paid_out():
    seen = Notes()
    data = marks([("07:00", 100), ("07:59", 120)], COIN, DERIBIT)
    data += trades([("07:01", 100, 1000), ("08:30", 120, 1000), ("09:30", 120, 1000)], COIN, DERIBIT)
    steps = [
        ("08:20", lambda s: s.sell(COIN, quantity=4)),
        ("09:00", lambda s: s.note(s.position(COIN).entry_price, s.position(COIN).quantity)),
        ("09:10", lambda s: s.close(COIN)),
    ]
    result = run(data, long(10, *steps, notes=seen, at="07:00"), owner(10_000))
    assert [row[1:] for row in seen] == [(100.0, 6.0)]
    assert balance(result, "USDC", name=DERIBIT) == 10_200


def test_settlements_do_not_change_what_an_inverse_position_earns():
    """1,000 USD from 100 to 125 over two settlements at 80 and 160: 10 - 8 coins, to the atom."""
    data = marks([("07:00", 100), ("07:50", 80), ("20:00", 160), ("2025-01-02T09:00", 125)], INVERSE, DERIBIT)
    data += trades([("07:01", 100, 1e6), ("2025-01-02T09:01", 125, 1e6)], INVERSE, DERIBIT)
    script = long(1000, ("2025-01-02T09:00", lambda s: s.close(INVERSE)), symbol=INVERSE, at="07:00")
    result = run(data, script, owner(20, INVERSE, asset="BTC"))
    assert amounts(result, "settlement", name=DERIBIT) == [Decimal("-2.5"), Decimal("6.25")]
    assert balance(result, "BTC", name=DERIBIT) == 22


def test_the_profit_of_a_session_may_be_withdrawn_after_its_settlement():
    """200 earned by 07:30 stay until 08:00; a loss of the next session is gone at once."""
    seen = Notes()
    prices = [("07:00", 100), ("07:20", 120), ("08:20", 120), ("08:40", 110), ("09:00", 110)]
    data = marks(prices, COIN, DERIBIT)
    data += trades([(f"{t[:4]}1", p, 1000) for t, p in prices], COIN, DERIBIT)
    at = ("07:40", "08:01", "08:50")
    look = [(t, lambda s: s.note(s.account(DERIBIT).withdrawable("USDC"), s.account(DERIBIT).free("USDC"))) for t in at]
    steps = [("07:20", lambda s: s.close(COIN)), ("08:20", lambda s: s.buy(COIN, quantity=10))]
    steps += [("08:40", lambda s: s.close(COIN)), *look]
    run(data, long(10, *steps, notes=seen, at="07:00"), owner(10_000))
    assert [row[1:] for row in seen] == [(10_000.0, 10_200.0), (10_200.0, 10_200.0), (10_100.0, 10_100.0)]


# Liquidation


def test_a_part_is_closed_until_the_margin_suffices():
    """100 at 100, 6 % of 9,400 is 564 of 500: what 93.625 ask is 94 x 93.625 x 5.68125 % = 500, less than a tenth."""
    data = path([100, 100], step=MINUTE)
    later = [ns("00:02") + i * SECOND for i in range(60)]
    data += marks([(later[0], 94)], COIN, DERIBIT) + trades(
        [(t + SECOND // 2, 94, 10_000) for t in later], COIN, DERIBIT
    )
    result = run(data, long(100), owner(1_100, clearance_fee=0.0))
    rows = result.liquidations
    assert rows["what"].tolist() == ["liquidation"] * len(rows)
    assert rows["quantity"].abs().tolist() == [pytest.approx(6.375, abs=0.0011)]
    assert 0.9998 < result.margin["ratio"].iloc[-1] < 1


def test_rounds_wait_for_each_other_and_each_pays_the_liquidation_fee():
    """At 92.2 it takes two parts, of a tenth each at most, a second apart; each pays 0.75 %."""
    data = path([100, 100], step=MINUTE)
    later = [ns("00:02") + i * SECOND // 4 for i in range(40)]
    data += marks([(later[0], 92.2)], COIN, DERIBIT) + trades([(t, 92.2, 10_000) for t in later], COIN, DERIBIT)
    result = run(data, long(100), owner(1_200, clearance_fee=0.0075))
    rows = result.liquidations
    times = (rows["time"].astype("int64") - later[0]).tolist()
    assert len(rows) >= 2
    assert all(b - a >= SECOND for a, b in pairwise(times))
    assert rows["fee"].tolist() == pytest.approx((rows["quantity"].abs() * 92.2 * 0.0075).tolist(), abs=1e-6)
    assert totals(result)[1]["USDC", f"{DERIBIT} insurance_fund"] == round(rows["fee"].sum() * 1e8)


def test_a_gap_through_bankruptcy_is_the_funds():
    result = run(path([100, 100, 80, 80, 80]), long(100), owner(1_100))
    assert forced(result)[-1][0] == "takeover"
    assert balance(result, "USDC", name=DERIBIT) == 0
    assert all(total == 0 for total in totals(result)[0].values())


# Margin, mark, delivery


def test_the_index_alone_can_close_a_linear_position():
    """100 coins, mark 100, equity 560: 6 % of the index is 540 at 90 and 564 at 94."""
    data = path([100] * 6)
    for last, steps in ((90, 0), (94, 1)):
        found = points("index", [("00:00", 90), ("00:03:10", last)], COIN, DERIBIT)
        poor = owner(560, tiers=(venues.Tier(floor=0, maintenance_rate=0.01, max_leverage=100, size_rate=0.0005),))
        result = run(data + found, long(100), poor)
        assert len(result.liquidations) == steps
        assert result.margin["maintenance"].iloc[-1] == pytest.approx(540 if not steps else 560, rel=1e-3)


def test_an_order_is_refused_when_the_margin_of_the_whole_does_not_suffice():
    """1,000: 100 at 100 ask 10,000 x (2 % + 5 %) = 700; 30 more 13,000 x 8.5 % = 1,105."""
    script = long(
        100, ("00:01:40", lambda s: s.buy(COIN, quantity=30)), ("00:01:45", lambda s: s.buy(COIN, quantity=20))
    )
    result = run(path([100] * 4), script, owner(1_000))
    assert result.orders.groupby("order")["status"].last().tolist() == ["filled", "rejected", "filled"]


def test_value_is_the_margin_that_the_order_asks():
    """700 buy 100 coins at 100."""
    result = run(path([100] * 3), Script(("00:00", lambda s: s.buy(COIN, value=700))), owner(1_000))
    assert result.fills["quantity"].tolist() == [pytest.approx(100, abs=0.002)]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda s: s.set_leverage(COIN, 10), "the venue has no leverage setting"),
        (lambda s: s.set_margin_mode(COIN, "isolated"), "the venue has only cross margin, got 'isolated'"),
    ],
)
def test_what_the_venue_has_no_setting_for_is_refused(ask, message):
    with pytest.raises(OrderError, match=message):
        run(path([100] * 3), Script(("00:01", ask)), owner(1_000))


def test_the_formula_mark_follows_the_average_basis_within_its_bound():
    """Index 100, price 100.4: after 30 s the average basis is 0.4 x (1 - 1/e), later 0.4; at 105 the bound."""
    seen = Notes()
    times = [ns("00:00") + i * SECOND for i in range(400)]
    data = points("index", [(t, 100) for t in times], COIN, DERIBIT)
    prices = [100 if i < 100 else 100.4 if i < 300 else 105 for i in range(400)]
    data += trades([(t, p, 1000) for t, p in zip(times, prices, strict=True)], COIN, DERIBIT)
    look = [(times[i] + SECOND // 2, lambda s: s.note(s.position(COIN).unrealized_pnl)) for i in (90, 130, 299, 398)]
    run(data, Script((times[1], lambda s: s.buy(COIN, quantity=1)), *look, notes=seen), owner(1_000), mark="formula")
    found = [pnl for _, pnl in seen]
    # the first trade at 100.4 comes just after the index of its second
    assert found == pytest.approx([0.0, 0.4 * (1 - 2.718281828 ** (-1)), 0.4, 1.0], abs=0.011)


def test_a_future_is_delivered_at_the_average_of_thirty_minutes_for_half_a_taker_fee():
    symbol = "BTC/USD:BTC-250102"
    at = ns("2025-01-02T08:00")
    data = constant(50_000, start=at - 2 * HOUR, end=at + 5 * MINUTE, symbol=symbol, venue=DERIBIT)
    rows = [(at - 2 * HOUR, 10_000), (at - 30 * MINUTE, 40_000), (at - 15 * MINUTE, 60_000)]
    data += points("index", rows, symbol, DERIBIT)
    script = long(50_000, symbol=symbol, at=at - 100 * MINUTE)
    result = run(data, script, owner(10, symbol, asset="BTC", tiers=(venues.get(DERIBIT).tiers(INVERSE))))
    assert postings(result, "settlement", name=DERIBIT) == 0
    assert amounts(result, "fee", name=DERIBIT)[-1] == Decimal("-0.00025")
    assert result.fills["forced"].tolist() == ["own", "settlement"]


# Storms


def storm_account(contract, scale=1.0):
    symbol, asset, deposit, size = (
        (COIN, "USDC", 2_000, 0.0002) if contract == "linear" else (INVERSE, "BTC", 20, 0.0002)
    )
    tier = venues.Tier(floor=0, maintenance_rate=0.02, max_leverage=25, size_rate=size * scale)
    return symbol, owner(
        deposit, symbol, asset=asset, tiers=(tier,), clearance_fee=0.0075, fees=(0, 0.0005), slippage=5
    )


@pytest.mark.slow
@pytest.mark.parametrize("contract", ["linear", "inverse"])
def test_whatever_happens_money_is_conserved_and_nothing_is_left_that_the_venue_would_have_closed(contract):
    kinds = Counter()
    for seed in range(20):
        symbol, own = storm_account(contract)
        data = walk(seed, symbol, DERIBIT, interval=60)
        result = storm(data, Gambler(seed, symbol), own, DERIBIT)
        kinds.update(result.liquidations["what"])
    assert kinds["liquidation"] > 0
    assert kinds["takeover"] > 0


@pytest.mark.parametrize("contract", ["linear", "inverse"])
def test_bands_decide_as_looking_at_every_event_does(contract):
    for seed in (3, 4):
        symbol, own = storm_account(contract)
        assert_bands_decide_like_full_looks(walk(seed, symbol, DERIBIT, interval=60), seed, symbol, own)
