"""Runs at dYdX Chain against figures by hand: slices, the fund, deleveraging, funding, subaccounts."""

from collections import Counter
from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest
from engine_data import (
    LINEAR,
    MINUTE,
    SECOND,
    USDM,
    Notes,
    Script,
    account,
    amounts,
    balance,
    constant,
    frame,
    funding,
    ns,
    points,
    postings,
    reasons,
    run,
    totals,
    trades,
    user_coin,
)
from hypothesis import example, given
from hypothesis import strategies as st
from reference.slices import Subaccount, play
from venue_storms import Drawn

import feeds
import venues
from backtest.errors import ConfigError

DYDX = "dydx"
COIN, OTHER, BTC = "X/USDC:USDC", "Y/USDC:USDC", "BTC/USDC:USDC"
TIERS = [venues.Tier(floor=0, maintenance_rate=0.03, max_leverage=20)]


def coin(symbol=COIN, **fields):
    return user_coin(symbol, rules=fields.pop("rules", DYDX), tiers=TIERS, clearance_fee=None, **fields)


def owner(deposit, rules=None, **options):
    return account(coin() if rules is None else rules, {"USDC": deposit}, leverage=20, **options)


def path(prices, traded=None, symbol=COIN):
    """Return oracle prices a minute apart, and half a minute after each a trade (None: no trade)."""
    times = [ns("00:00") + i * MINUTE for i in range(len(prices))]
    rows = zip(times, prices if traded is None else traded, strict=True)
    own = points("index", list(zip(times, prices, strict=True)), symbol, DYDX)
    return own + trades([(t + MINUTE // 2, p, 1000) for t, p in rows if p is not None], symbol, DYDX)


def audited(data, strategy, *accounts, **options):
    """Return a run whose postings of each asset sum to zero and which leaves nobody below zero.

    While slices of a position go, one a trade on a thin tape, the rest may be worth less than nothing: the fund and
    other traders bear it slice by slice.
    """
    result = run(data, strategy, *accounts, **options)
    assert all(total == 0 for total in totals(result)[0].values())
    assert result.equity["equity"].iloc[-1] >= 0 or result.positions["is_open"].any()
    return result


def long(quantity, data, own, *steps, **options):
    return audited(data, Script(("00:00", lambda s: s.buy(COIN, quantity=quantity)), *steps), own, **options)


def forced(result):
    """Return (what, price, quantity, fee, shortfall, who paid) of every forced step."""
    table = result.liquidations
    names = ("what", "price", "fee", "shortfall", "paid_by")
    rows = zip(*(table[name] for name in names), table["quantity"].abs(), strict=True)
    return [(what, price, size, fee, lost, payer if lost else "") for what, price, fee, lost, payer, size in rows]


def fund(result):
    return Decimal(totals(result)[1].get(("USDC", f"{DYDX} insurance_fund"), 0)) / 10**8


def test_one_slice_pays_its_capped_penalty_and_the_rest_stands():
    """100 at 92.7 with 270 of 278.1: a slice of 1,000 is 10.787; of the surplus 29.12 the cap takes 1.5 %, 14.999323.

    Left: 255.000677 against 3 % of 89.213 x 92.7 = 248.10.
    """
    result = long(100, path([100, 100, 92.7, 92.7, 92.7]), owner(1_000))
    assert forced(result) == [("liquidation", 92.7, 10.787, 14.999323, 0, "")]
    assert amounts(result, "liquidation_fee", name=DYDX) == [Decimal("-14.999323")]
    assert fund(result) == Decimal("14.999323")
    assert result.margin["ratio"].iloc[-1] == pytest.approx(0.03 * 89.213 * 92.7 / 255.000677)
    assert result.findings == []


def test_equity_that_equals_maintenance_is_left_alone():
    """8 at 100 with 88: at 92 the equity is 24 and 3 % of 736 is 22.08; at 800 / 7.76 x ... equality at 91.75257732."""
    spared = long(80, path([100, 100, 93.75, 93.75]), owner(725))
    assert spared.liquidations.empty
    assert spared.margin["ratio"].max() == 1.0
    assert len(long(80, path([100, 100, 93.749, 93.749]), owner(725)).liquidations) == 1


def test_an_order_waits_for_a_price_within_its_limit_while_equity_is_left():
    """At 92.7 the limit is 92.579 up: 92.5 is refused, a minute later 92.6 fills."""
    data = path([100, 100, 92.7, 92.7, 92.7], traded=[100, 100, 92.5, 92.6, 92.7])
    result = long(100, data, owner(1_000))
    assert [(row[1], row[2]) for row in forced(result)] == [(92.6, 10.787)]
    assert result.liquidations["time"].astype(str).tolist() == ["2025-01-01 00:03:30+00:00"]


def test_below_zero_the_fund_pays_up_to_the_bankruptcy_price():
    """100 at 89 with -100: bankruptcy at 90. 11.235 sold at 88 bring 988.68, the fund adds 22.47."""
    data = path([100, 100] + [89] * 40, traded=[100, 100] + [88] * 40)
    result = long(100, data, owner(1_000))
    steps = forced(result)
    assert steps[0] == ("liquidation", 88.0, 11.235, 0, 22.47, "insurance_fund")
    assert sum(row[2] for row in steps) == pytest.approx(100)
    assert {row[5] for row in steps} == {"insurance_fund"}
    assert sum(row[4] for row in steps) == pytest.approx(200, abs=1e-4)
    assert balance(result, "USDC", name=DYDX) < Decimal("0.0001")
    assert postings(result, "insurance", name=DYDX) == -fund(result)


def test_without_a_buyer_below_zero_the_position_goes_to_others_at_bankruptcy():
    """At 89 the limit is 89 x 0.955 = 84.995; 80 is refused, and all 100 are given away at 90."""
    data = path([100, 100, 89, 89], traded=[100, 100, 80, 80])
    result = long(100, data, owner(1_000))
    assert forced(result) == [("takeover", 90.0, 100.0, 0, 100, "adl")]
    assert balance(result, "USDC", name=DYDX) == 0
    assert fund(result) == 0


def test_without_any_trade_it_goes_to_others_after_a_minute():
    data = path([100, 100, 89, 89, 89], traded=[100, 100, None, None, None])
    result = long(100, data, owner(1_000))
    assert forced(result) == [("takeover", 90.0, 100.0, 0, 100, "adl")]
    (when,) = result.liquidations["time"]
    assert 60 <= (when.value - ns("00:02")) / SECOND <= 62


def test_a_fund_that_cannot_pay_rejects_the_fill():
    """With 10 in the fund a fill at 88, for which it would owe 22.47, is refused: deleveraging."""
    data = path([100, 100, 89, 89], traded=[100, 100, 88, 88])
    result = long(100, data, owner(1_000, insurance_fund={"USDC": 10}))
    assert forced(result) == [("takeover", 90.0, 100.0, 0, 100, "adl")]
    assert fund(result) == 10
    assert result.findings == []


def test_a_short_is_closed_the_same_way():
    """-100 at 107 with 300 of 321: limit 107 + (1 - 300 / 321) x 4.815; a slice of 1,070 is 10; 1.5 % of 1,070."""
    data = path([100, 100, 107, 107, 107], traded=[100, 100, 107.4, 107.3, 107])
    script = Script(("00:00", lambda s: s.sell(COIN, quantity=100)))
    result = audited(data, script, owner(1_000))
    first = forced(result)[0]
    assert first == ("liquidation", 107.3, 10.0, 16.095, 0, "")


@pytest.mark.parametrize("seed", range(6))
def test_the_first_position_is_drawn_by_the_seed(seed):
    both = coin(OTHER, rules=coin())
    data = path([100, 100, 92.7, 92.7]) + path([100, 100, 92.7, 92.7], symbol=OTHER)
    steps = [("00:00", lambda s: s.buy(COIN, quantity=100)), ("00:00", lambda s: s.buy(OTHER, quantity=100))]
    result = audited(data, Script(*steps), owner(2_000, both), seed=seed)
    again = run(data, Script(*steps), owner(2_000, both), seed=seed)
    assert result.liquidations.equals(again.liquidations)
    assert len(result.liquidations) >= 1


def test_seeds_differ_in_the_position_they_begin_with():
    both = coin(OTHER, rules=coin())
    data = path([100, 100, 92.7, 92.7]) + path([100, 100, 92.7, 92.7], symbol=OTHER)
    steps = [("00:00", lambda s: s.buy(COIN, quantity=100)), ("00:00", lambda s: s.buy(OTHER, quantity=100))]
    first = {run(data, Script(*steps), owner(2_000, both), seed=seed).liquidations["symbol"][0] for seed in range(12)}
    assert first == {COIN, OTHER}


def test_the_oracle_is_the_mark_without_being_asked_for():
    result = long(1, path([100, 100, 101, 101]), owner(1_000))
    assert "the index, which is the venue's mark" in str(result)
    assert result.equity["equity"].iloc[-1] == pytest.approx(1_001)


def test_funding_moves_an_index_that_is_cut_to_its_decimals():
    """60,000 x 0.00123 % = 0.738 a BTC: the index of BTC counts cents, so a long of 1.5 pays 1.095; SOL would 1.107."""
    times = [ns("00:00") + i * MINUTE for i in range(4)]
    data = points("index", [(t, 60_000) for t in times], BTC, DYDX)
    data += trades([(t + SECOND, 60_000, 10) for t in times], BTC, DYDX)
    data += funding([("00:02", 0.0000123)], BTC, DYDX, hours=1)
    for side, paid in (("buy", "-1.095"), ("sell", "1.095")):
        script = Script(("00:00", lambda s, side=side: getattr(s, side)(BTC, quantity=1.5)))
        result = audited(data, script, account(DYDX, {"USDC": 20_000}, leverage=10))
        assert amounts(result, "funding", name=DYDX) == [Decimal(paid)]


def test_profit_that_is_not_realised_may_leave():
    """10 at 100, at 150: equity 600, initial margin 1,500 / 20 = 75: 525 may leave, more than the deposit of 100."""
    seen = Notes()
    steps = [
        ("00:02:45", lambda s: seen.append(s.account(DYDX).withdrawable("USDC"))),
        ("00:02:50", lambda s: s.withdraw(DYDX, "USDC", 525)),
        ("00:03:45", lambda s: seen.append(s.account(DYDX).withdrawable("USDC"))),
        ("00:03:50", lambda s: s.close(COIN)),
    ]
    result = long(10, path([100, 100, 150, 150, 150, 150]), owner(100), *steps)
    assert seen == [525, 0]
    assert postings(result, "withdrawal", name=DYDX) == -525
    assert balance(result, "USDC", name=DYDX) == 75
    assert result.liquidations.empty


def test_an_isolated_market_stands_alone_in_its_subaccount():
    alone = coin(OTHER, rules=coin(), is_alone=True)
    data = path([100] * 6) + path([100] * 6, symbol=OTHER)
    steps = [
        ("00:00:10", lambda s: s.buy(COIN, quantity=1)),
        ("00:01:10", lambda s: s.buy(OTHER, quantity=1)),
        ("00:02:10", lambda s: s.close(COIN)),
        ("00:03:10", lambda s: s.buy(OTHER, quantity=1)),
        ("00:04:10", lambda s: s.buy(COIN, quantity=1)),
    ]
    result = audited(data, Script(*steps), owner(1_000, alone))
    assert reasons(result) == ["filled", "rejected NOT_ALONE", "filled", "filled", "rejected NOT_ALONE"]


def test_open_interest_above_its_caps_asks_for_full_margin_of_new_orders_only():
    """SOL from 2026-03-04: at an open interest of 100 million a position needs its whole notional."""
    symbol, start = "SOL/USDC:USDC", "2026-04-01T00:"
    times = [f"{start}{i:02d}" for i in range(6)]
    data = points("index", [(t, 100) for t in times], symbol, DYDX)
    data += trades([(f"{t}:30", 100, 1000) for t in times], symbol, DYDX)
    rows = frame([(f"{start}02", 1_000_000.0)], "native")
    data += feeds.from_pandas(rows, kind="open_interest", venue=DYDX, symbol=symbol)
    steps = [
        (f"{start}01", lambda s: s.buy(symbol, quantity=50)),
        (f"{start}03", lambda s: s.buy(symbol, quantity=1)),
        (f"{start}04:10", lambda s: s.sell(symbol, quantity=10)),
    ]
    result = audited(data, Script(*steps), account(DYDX, {"USDC": 1_000}, leverage=20))
    assert reasons(result) == ["filled", "rejected INSUFFICIENT_MARGIN", "filled"]
    assert result.margin["initial"].max() == pytest.approx(5_000)
    assert result.liquidations.empty


def test_final_settlement_is_at_the_oracle_and_free():
    delisting = feeds.from_pandas(frame([("00:03", "delisting")], "what"), kind="venue_events", venue=DYDX, symbol=COIN)
    result = long(10, path([100, 100, 103, 103, 103], traded=[100, 100, 90, 90, 90]) + delisting, owner(100))
    assert result.fills[["price", "fee"]].iloc[-1].tolist() == [103, 0]
    assert balance(result, "USDC", name=DYDX) == 130


def test_elsewhere_a_delisting_needs_its_price():
    event = feeds.from_pandas(
        frame([("00:00:30", "delisting")], "what"), kind="venue_events", venue=USDM, symbol=LINEAR
    )
    with pytest.raises(ConfigError, match="needs value= its settlement price"):
        run(constant(100, start="00:00", end="00:02") + event, Script())


@example([(0, 0), (30, 0), (20, 0)], -1, 500)
@given(
    st.lists(st.tuples(st.integers(-60, 60), st.integers(-80, 80)), min_size=3, max_size=12),
    st.sampled_from([1, -1]),
    st.integers(40, 900),
)
def test_every_step_is_that_of_the_exact_model(moves, side, deposit):
    """A position of 100 at 100, then oracle prices and trades in turn; Fractions to the last millionth."""
    oracles, prices, at = [100_000, 100_000], [100_000, 100_000], 100_000
    for move, apart in moves:
        at = at * (1000 + move) // 1000
        oracles.append(at)
        prices.append(at * (1000 + apart) // 1000)
    data = path([x / 1000 for x in oracles], traded=[x / 1000 for x in prices])
    verb = "buy" if side > 0 else "sell"
    script = Script(("00:00", lambda s: getattr(s, verb)(COIN, quantity=100)))
    result = audited(data, script, owner(deposit), limits=False, on_ruin="continue")
    if result.fills.empty:
        return
    model = Subaccount(
        quote=Fraction(deposit) - side * 100 * 100,
        size=Fraction(side * 100),
        maintenance_rate=Fraction(3, 100),
        step=Fraction(1, 1000),
        tick=Fraction(1, 1000),
    )
    expected = play(model, [Fraction(x, 1000) for x in oracles[1:]], [Fraction(x, 1000) for x in prices[1:]])
    found = forced(result)
    assert [(row[0] == "takeover", row[2]) for row in found] == [(x.is_given, float(x.quantity)) for x in expected]
    for row, step in zip(found, expected, strict=True):
        paid = row[3] - (0 if step.is_given else row[4])
        assert row[1] == pytest.approx(float(step.price), abs=0.001 if step.is_given else 1e-9)
        assert paid == pytest.approx(float(step.paid), abs=1e-9)
    if model.size == 0:
        assert float(balance(result, "USDC", name=DYDX)) == pytest.approx(max(0, float(model.quote)), abs=0.1)


class Gambler(Drawn):
    """Takes random positions in two markets, large ones too, every three minutes."""

    def on_timer(self, timer):
        symbol = self.random.choice([COIN, OTHER])
        if self.random.random() < 0.8:
            self.target(symbol, leverage=self.random.uniform(-15, 15))
        else:
            self.close(symbol)


def walk(seed, symbol):
    """Return half a day with leaps, trades beside the oracle and funding each hour, then half an hour of rest."""
    random = Random(f"{seed} {symbol}")
    prices = [100.0]
    while len(prices) < 720:
        leap = random.choice([0.02, 0.08]) if random.random() < 0.01 else 0.002
        prices.append(round(max(20.0, prices[-1] * (1 + random.gauss(0, leap))), 3))
    apart = [round(p * (1 + random.gauss(0, 0.05 if random.random() < 0.1 else 0.0005)), 3) for p in prices]
    prices += [prices[-1]] * 30
    apart += [prices[-1]] * 30
    times = [ns("00:00") + i * MINUTE for i in range(len(prices))]
    data = points("index", list(zip(times, prices, strict=True)), symbol, DYDX)
    data += trades([(t + MINUTE // 2, p, 1000) for t, p in zip(times, apart, strict=True)], symbol, DYDX)
    rates = [(times[i], random.choice([0.001, -0.001])) for i in range(60, 720, 60)]
    return data + funding(rates, symbol, DYDX, hours=1)


@pytest.mark.slow
@pytest.mark.parametrize("limited", [False, True])
def test_whatever_happens_money_is_conserved_and_nothing_is_left_that_the_venue_would_have_closed(limited):
    both = coin(OTHER, rules=coin())
    kinds = Counter()
    for seed in range(20):
        data = walk(seed, COIN) + walk(seed, OTHER)
        own = owner(2_000, both, fees=(0, 0.0005), slippage=2, insurance_fund={"USDC": 50} if limited else None)
        result = audited(data, Gambler(seed), own, seed=seed)
        assert result.margin[result.margin["flags"] != "extreme"]["ratio"].iloc[-1] <= 1
        kinds.update(result.liquidations["what"])
        kinds.update(result.liquidations.loc[result.liquidations["shortfall"] > 0, "paid_by"])
    assert kinds["liquidation"] > 0
    assert kinds["takeover"] > 0
    assert kinds["insurance_fund"] > 0
