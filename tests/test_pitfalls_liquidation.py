"""Bugs of other backtesters about losses without end and bars (pitfalls.md, by id), each through the whole engine."""

from decimal import Decimal

import pytest
from engine_data import (
    MINUTE,
    OTHER_COIN,
    USDM,
    USER_COIN,
    Notes,
    Script,
    account,
    balance,
    bars,
    marks,
    ns,
    postings,
    run,
    totals,
    trades,
    user_coin,
)


def gap(prices, symbol=USER_COIN):
    """Return marks and trades of a path, one minute apart, trades half a minute after their marks."""
    times = [ns("00:00") + i * MINUTE for i in range(len(prices))]
    own = marks(list(zip(times, prices, strict=True)), symbol)
    return own + trades([(t + MINUTE // 2, p, 1000) for t, p in zip(times, prices, strict=True)], symbol)


def long_through_a_gap(mode="cross", **options):
    """Return a result of 10 units long at 100 with 100 of margin, whose mark falls to 70 in one step."""
    owner = account(user_coin(clearance_fee=None), {"USDT": 101}, leverage=10, margin_mode=mode, **options)
    return run(gap([100, 100, 100, 70, 70, 70]), Script(("00:00", lambda s: s.buy(USER_COIN, quantity=10))), owner)


@pytest.mark.parametrize("mode", ["cross", "isolated"])
def test_a_gap_through_bankruptcy_ends_at_zero_and_the_fund_bears_the_rest(mode):
    """B09: the margin of 100 (cross: 101) is lost, not 300; the insurance fund takes the position over."""
    result = long_through_a_gap(mode)
    (row,) = result.liquidations.to_dict("records")
    assert (row["what"], row["trigger_mark"], row["paid_by"]) == ("takeover", 70.0, "insurance_fund")
    assert row["price"] == pytest.approx(90 if mode == "isolated" else 89.9, abs=1e-9)
    assert row["shortfall"] == pytest.approx(200 if mode == "isolated" else 199, abs=1e-9)
    assert balance(result) == (1 if mode == "isolated" else 0)
    sums, _ = totals(result)
    assert sums == {"USDT": 0}
    assert result.findings == []


def test_what_an_exhausted_fund_cannot_pay_is_an_unfunded_loss_and_a_finding():
    """B09: 50 in the fund, 199 of loss; the rest is nobody's and the run says so."""
    result = long_through_a_gap(insurance_fund={"USDT": 50})
    (row,) = result.liquidations.to_dict("records")
    assert row["paid_by"] == "unfunded"
    assert balance(result) == 0
    sums, held = totals(result)
    assert sums == {"USDT": 0}
    assert held["USDT", f"{USDM} insurance_fund"] == 0
    assert held["USDT", "unfunded"] == -149 * 10**8
    assert any("149 USDT of losses were paid by nobody" in finding for finding in result.findings)
    assert result.summary["unfunded_loss"] == pytest.approx(149)


def test_a_fund_that_can_pay_keeps_what_is_left():
    """B09: 500 in the fund before, 301 after."""
    result = long_through_a_gap(insurance_fund={"USDT": 500})
    _, held = totals(result)
    assert held["USDT", f"{USDM} insurance_fund"] == 301 * 10**8
    assert result.liquidations["paid_by"].tolist() == ["insurance_fund"]
    assert result.findings == []


def test_no_balance_is_ever_negative_on_the_way():
    """B09: the floor holds after every posting of the procedure, not only at the end."""
    for mode in ("cross", "isolated"):
        result = long_through_a_gap(mode)
        own = result.ledger[result.ledger["account"] == USDM]
        after = own.groupby("time")["balance"].last()
        assert (after >= 0).all()


@pytest.mark.parametrize("forced_close", ["matching", "mark_slippage"])
def test_a_forced_close_that_gaps_past_the_bankruptcy_price_waits_there_and_is_taken_over(forced_close):
    """B09: triggered at a mark of 90.3, and the tape trades at 60: the limit at the bankruptcy price holds."""
    times = [ns("00:00") + i * MINUTE for i in range(8)]
    data = marks([(t, 100 if i < 3 else 90.3) for i, t in enumerate(times)], USER_COIN) + trades(
        [(t + 1, 100 if i < 3 else 60, 1000) for i, t in enumerate(times)], USER_COIN
    )
    owner = account(user_coin(clearance_fee=None), {"USDT": 101}, leverage=10, forced_close=forced_close)
    result = run(data, Script(("00:00", lambda s: s.buy(USER_COIN, quantity=10))), owner)
    assert balance(result) >= 0
    sums, _ = totals(result)
    assert sums == {"USDT": 0}
    if forced_close == "mark_slippage":
        assert result.liquidations["price"].tolist() == [90.3]
        assert result.liquidations["what"].tolist() == ["liquidation"]
    else:
        # 89.9 is the bankruptcy price; a minute after the trigger what has not filled is taken over there.
        assert result.liquidations["what"].tolist() == ["takeover"]
        assert (result.liquidations["price"] >= 89.9).all()


TWO = user_coin(OTHER_COIN, rate=0.01, rules=user_coin(rate=0.01))
DATED = "X/USDT:USDT-251226"


def hedge_rules():
    """Return rules with the perpetual X and a dated contract of the same coin."""
    return user_coin(DATED, rate=0.01, rules=user_coin(rate=0.01))


def hourly(rows, symbol):
    """Return hourly bars of a contract."""
    return bars(rows, symbol)


CALM = ("00:00", 100, 100, 100, 100)
WILD = ("01:00", 100, 120, 80, 100)


@pytest.mark.parametrize("path", ["worst", "ohlc", "olhc"])
def test_a_long_and_a_short_of_one_coin_are_never_at_opposite_extremes_of_a_bar(path):
    """B36: 10 long and 10 short at 100 with 100 of money; -20 % and +20 % at once would cost 400."""
    data = hourly([CALM, WILD, ("02:00", 100, 100, 100, 100)], USER_COIN)
    data += hourly([CALM, WILD, ("02:00", 100, 100, 100, 100)], DATED)
    steps = [("00:30", lambda s: (s.buy(USER_COIN, quantity=10), s.sell(DATED, quantity=10)))]
    owner = account(hedge_rules(), {"USDT": 250}, leverage=10)
    result = run(data, Script(*steps), owner, mark="last", bar_path=path)
    assert len(result.fills) == 2
    assert result.liquidations.empty
    # Both at 120 at once: the requirement is a percent of 2,400, the equity still 250.
    assert result.summary["max_margin_ratio"] == pytest.approx(24 / 250, rel=1e-6)


def test_both_legs_of_hedge_mode_meet_one_price():
    """B36: the same in one contract with a long and a short leg."""
    data = hourly([CALM, WILD, ("02:00", 100, 100, 100, 100)], USER_COIN)

    def send(strategy):
        strategy.buy(USER_COIN, quantity=10, position="long")
        strategy.sell(USER_COIN, quantity=10, position="short")

    owner = account(user_coin(rate=0.01), {"USDT": 250}, leverage=10, position_mode="hedge")
    result = run(data, Script(("00:30", send)), owner, mark="last")
    assert len(result.fills) == 2
    assert result.liquidations.empty
    assert result.summary["max_margin_ratio"] == pytest.approx(24 / 250, rel=1e-6)


def test_the_worst_path_takes_the_adverse_extreme_first():
    """B36: a long that takes profit at 115 and would be liquidated at 80 meets the low first unless told otherwise."""
    rows = [CALM, WILD, ("02:00", 100, 100, 100, 100)]
    steps = [
        ("00:30", lambda s: s.buy(USER_COIN, quantity=10)),
        ("00:45", lambda s: s.protect(USER_COIN, take=115)),
    ]
    found = {}
    for path in ("worst", "ohlc", "olhc"):
        owner = account(user_coin(rate=0.01, clearance_fee=None), {"USDT": 120}, leverage=10)
        result = run(hourly(rows, USER_COIN), Script(*steps), owner, mark="last", bar_path=path)
        found[path] = result.summary["liquidations"]
    assert found == {"worst": 1, "ohlc": 0, "olhc": 1}
    steps[0] = ("00:30", lambda s: s.sell(USER_COIN, quantity=10))
    steps[1] = ("00:45", lambda s: s.protect(USER_COIN, take=85))
    owner = account(user_coin(rate=0.01, clearance_fee=None), {"USDT": 120}, leverage=10)
    result = run(hourly(rows, USER_COIN), Script(*steps), owner, mark="last")
    assert result.summary["liquidations"] == 1


def test_a_hedged_basket_that_survives_its_ticks_is_not_liquidated_by_its_hourly_bars():
    """B36: two coins that fall and rise together, one long, one short, seen as a path and as one bar each."""
    path = [100, 96, 92, 88, 84, 80, 86, 92, 98, 104, 110, 105, 100]
    other = [p / 2 for p in path]
    times = [ns("01:00") + i * 4 * MINUTE for i in range(len(path))]
    calm = [(ns("00:00") + i * 10 * MINUTE) for i in range(6)]
    ticks = [(t, 100) for t in calm] + list(zip(times, path, strict=True))
    halves = [(t, 50) for t in calm] + list(zip(times, other, strict=True))
    tape = trades([(t, p, 100) for t, p in ticks], USER_COIN) + trades([(t, p, 100) for t, p in halves], OTHER_COIN)
    rows = [CALM, ("01:00", 100, 110, 80, 100), ("02:00", 100, 100, 100, 100)]
    half = [(t, *(p / 2 for p in prices)) for t, *prices in rows]
    made = bars(rows, USER_COIN) + bars(half, OTHER_COIN)
    script = Script(("00:30", lambda s: (s.buy(USER_COIN, quantity=10), s.sell(OTHER_COIN, quantity=20))))
    for data in (tape, made):
        result = run(data, script, account(TWO, {"USDT": 210}, leverage=10), mark="last")
        assert len(result.fills) == 2
        assert result.liquidations.empty


def test_partial_steps_of_a_liquidation_close_no_more_than_restores_the_requirement():
    """B09: without a clearance fee a small part closes the gap; the rest of the position lives on."""
    notes = Notes()
    owner = account(user_coin(rate=0.05, max_leverage=20), {"USDT": 101}, leverage=10)
    steps = [
        ("00:00", lambda s: s.buy(USER_COIN, quantity=10)),
        ("00:06", lambda s: s.note(s.position(USER_COIN).quantity, s.margin_ratio)),
    ]
    result = run(gap([100, 100, 100, 94, 94, 94, 94, 94]), Script(*steps, notes=notes), owner)
    ((_, quantity, ratio),) = notes
    # Equity 101 - 60 = 41 against 47; at a mark of 94 it carries 41 / 4.7 = 8.72 units.
    assert 8.70 < quantity < 8.73
    assert ratio <= 1.0
    assert result.liquidations["what"].tolist() == ["liquidation"]
    assert postings(result, "insurance") == 0
    assert balance(result) == Decimal(101) + postings(result, "trade_profit")
