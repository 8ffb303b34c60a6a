"""Own impact and capacity in a run: what later orders, forced closes and marks feel, and what holds for each model."""

from random import Random

import engine_random
import numpy as np
import pandas as pd
import pytest
from engine_data import (
    HOUR,
    MINUTE,
    SECOND,
    USDM,
    USER_COIN,
    Notes,
    Script,
    account,
    bars,
    forced,
    marks,
    ns,
    run,
    totals,
    trades,
    user_coin,
)
from test_no_look_ahead import TABLES, Curious, before, same

import feeds
import venues
from backtest import Backtest, ConfigError
from backtest.assembly import Assembly
from backtest.schedules import almgren_chriss, obizhaeva_wang

LINEAR_MODEL = {"law": "linear", "depth": 1000, "memory": "exponential", "recovery": "1m"}


def coin(**fields):
    return user_coin(tick_size=1e-6, lot_size=0.001, **fields)


def owner(balance=1_000_000, rules=None, **options):
    return account(rules or coin(), balances={"USDT": balance}, **options)


def tape(price=100, end="01:00", quantity=1000):
    """Return marks, and trades half a second after each order of a test."""
    rows = [(t + SECOND // 2, price, quantity) for t in range(ns("00:00"), ns(end) + 1, SECOND * 10)]
    return marks([("00:00", price), (end, price)], USER_COIN) + trades(rows, USER_COIN)


def buy(quantity, **more):
    return lambda s: s.buy(USER_COIN, quantity=quantity, **more)


def sell(quantity, **more):
    return lambda s: s.sell(USER_COIN, quantity=quantity, **more)


def prices(result):
    return result.fills["price"].tolist()


def test_an_order_pays_half_of_the_way_it_moves_the_market_and_the_next_one_what_is_left_of_it():
    model = venues.Impact(**LINEAR_MODEL)
    result = run(tape(), Script(("00:01", buy(500)), ("00:02", buy(500)), ("00:30", buy(500))), owner(impact=model))
    # 0.5 % by 500; a minute later a half of it is left; half an hour later nothing
    assert prices(result) == pytest.approx([100.25, 100.50, 100.25], abs=2e-6)


def test_what_is_permanent_moves_both_sides():
    model = venues.Impact(law="linear", depth=1000, memory="none", permanent=0.4)
    result = run(tape(), Script(("00:01", buy(500)), ("00:02", sell(500)), ("00:03", buy(500))), owner(impact=model))
    assert prices(result) == pytest.approx([100.25, 100.2 - 0.25, 100.25], abs=2e-6)


def test_the_almgren_chriss_cost_of_a_schedule_is_its_closed_form():
    """LL-41 (leverage_lab.md section 10.3): E 911,226.99 and 662,500, sold through the engine at 50."""
    price, eta, gamma, fixed, total = 50, 2.5e-6, 2.5e-7, 0.0625, 1_000_000
    model = venues.Impact(law="linear", depth=0.01 * price / (2 * eta), memory="none", permanent=gamma / (2 * eta))
    for aversion, want in ((1e-6, 911_226.99), (0.0, 662_500.0)):
        plan = almgren_chriss(
            total, steps=5, time=5, volatility=0.95, temporary=eta, permanent=gamma, fixed=fixed, aversion=aversion
        ).holdings
        sizes = [round(plan[i] - plan[i + 1], 3) for i in range(5)]
        sizes[-1] = round(total - sum(sizes[:-1]), 3)
        steps = [(f"00:0{i + 1}", sell(size)) for i, size in enumerate(sizes)]
        result = run(tape(price), Script(*steps), owner(1e9, impact=model, slippage=fixed / price * 1e4), limits=False)
        paid = sum((price - p) * q for p, q in zip(prices(result), result.fills["quantity"], strict=True))
        assert paid == pytest.approx(want, rel=1e-4)


def test_a_propagator_in_a_run_is_the_sum_of_what_each_order_has_left():
    model = venues.Impact(law="linear", depth=1000, memory="power", recovery="10s", exponent=0.5)
    orders = [(0, 300.0), (10, 100.0), (60, 400.0), (1200, 200.0)]
    steps = [(ns("00:01") + at * SECOND, buy(size)) for at, size in orders]
    found = prices(run(tape(), Script(*steps), owner(impact=model)))
    for number, (at, size) in enumerate(orders):
        taken = sum(x * (1 + (at - t) / 10) ** -0.5 for t, x in orders[:number]) + size / 2
        assert found[number] == pytest.approx(100 * (1 + 0.01 * taken / 1000), abs=2e-6)


def test_obizhaeva_and_wangs_schedule_in_a_run_costs_their_closed_form():
    """X^2 (lambda / 2 + kappa / (rho T + 2)): a block, a constant rate in 200 orders, a block; LL-42's formula."""
    total, rho, horizon, share, depth = 1000.0, 0.02, 100.0, 0.25, 1e5
    block, rate = obizhaeva_wang(total, recovery=rho, time=horizon)
    rows = [(ns("00:00") + i * SECOND // 2, 100.0, 1000.0) for i in range(600)]
    data = marks([("00:00", 100), ("00:10", 100)], USER_COIN) + trades(rows, USER_COIN)
    part = round(rate * horizon / 200, 3)
    first = round((total - 200 * part) / 2, 3)
    assert first == pytest.approx(block, abs=0.2)
    at = ns("00:01") - SECOND // 4
    sizes = [(at, first)] + [(at + i * SECOND // 2, part) for i in range(1, 201)]
    sizes.append((at + 201 * SECOND // 2, round(total - first - 200 * part, 3)))
    model = venues.Impact(
        law="linear", depth=depth, recovery=round(np.log(2) / rho * SECOND), memory="exponential", permanent=share
    )
    result = run(data, Script(*[(when, buy(size)) for when, size in sizes]), owner(1e9, impact=model))
    paid = float(((result.fills["price"] / 100 - 1) * result.fills["quantity"]).sum())
    q = 100 * depth  # units for the whole price
    assert paid == pytest.approx(total * total / q * (share / 2 + (1 - share) / (rho * horizon + 2)), rel=2e-3)


def test_a_limit_order_takes_up_to_the_quantity_whose_last_unit_costs_its_limit_and_rests():
    model = venues.Impact(**LINEAR_MODEL)
    result = run(tape(quantity=1), Script(("00:01", buy(800, limit=100.5))), owner(impact=model))
    first = result.fills.iloc[0]
    assert (first["quantity"], first["price"]) == (pytest.approx(500, abs=0.01), pytest.approx(100.25, abs=2e-6))
    assert not first["is_maker"]
    # what rests then trades with the tape, at its limit
    assert set(result.fills["price"][1:]) == {100.5}
    assert result.fills["is_maker"][1:].all()


def test_immediate_or_cancel_drops_and_fill_or_kill_refuses_what_lies_beyond_the_limit():
    model = venues.Impact(**LINEAR_MODEL)
    steps = (("00:01", buy(800, limit=100.5, tif="FOK")), ("00:20", buy(800, limit=100.5, tif="IOC")))
    result = run(tape(), Script(*steps), owner(impact=model))
    assert result.fills["quantity"].tolist() == pytest.approx([500], abs=0.01)
    assert result.orders["reason"].tolist() == ["NOT_FILLABLE", "NOT_FILLABLE"]


def crash(depth):
    """Return what a forced close of 500 long from 100 gives when the mark falls to 90.4, in a market of that depth."""
    rows = [(ns("00:00") + i * 5 * SECOND, 100 if i < 30 else 90.4, 1000) for i in range(600)]
    data = trades(rows, USER_COIN) + marks([(t, p) for t, p, _ in rows], USER_COIN)
    model = None if depth is None else venues.Impact(law="linear", depth=depth, memory="exponential", recovery="10m")
    fund = {"insurance_fund": {"USDT": 1e6}}
    return run(data, Script(("00:01", buy(500))), owner(5_010, impact=model, leverage=100, **fund))


def test_a_forced_close_feels_depth_and_what_own_orders_took_before_it():
    """In a deep market a part closed at the price is enough; in a thin one the price falls to bankruptcy."""
    deep, thin = crash(1e7), crash(1000)
    assert {row[0] for row in forced(deep)} == {"liquidation"}
    assert all(row[1] == pytest.approx(90.4, abs=0.01) for row in forced(deep))
    closed = sum(row[2] for row in forced(deep))
    assert closed < 500
    steps = forced(thin)
    assert len(steps) > 1
    # each step begins where the one before has left the market
    own = [row[1] for row in steps if row[0] == "liquidation"]
    assert own[0] < forced(deep)[0][1] - 0.05
    assert min(own) < own[0]
    assert sum(row[2] for row in steps) > closed


def test_a_forced_close_is_dearer_when_own_sells_have_just_thinned_the_bids():
    """The decay is felt by the forced close: the same close right after own sells, and an hour after them."""
    found = {}
    for when in ("00:01", "01:09:50"):
        rows = [(ns("00:00") + i * 5 * SECOND, 100 if i * 5 < 4200 else 95.3, 1000) for i in range(900)]
        data = trades(rows, USER_COIN) + marks([(t, p) for t, p, _ in rows], USER_COIN)
        model = venues.Impact(law="linear", depth=3000, memory="exponential", recovery="5m")
        other = account(coin(), balances={"USDT": 1e6}, account="other", impact=model)
        script = Script(
            ("00:00:10", lambda s: s.buy(f"{USER_COIN}@{USDM}/main", quantity=100)),
            (when, lambda s: s.sell(f"{USER_COIN}@{USDM}/other", quantity=450)),
        )
        result = run(data, script, owner(501.7, impact=model, leverage=100), other)
        found[when] = result.liquidations["price"].iloc[0]
        assert result.liquidations["time"].iloc[0].value >= ns("01:10")
    assert found["01:09:50"] < found["00:01"] - 0.1


def test_the_mark_follows_own_orders_if_chosen_and_the_strategy_hears_it_with_its_latency():
    model = venues.Impact(law="linear", depth=1000, memory="exponential", recovery="1m")
    heard = Notes()

    class Watcher(Script):
        def on_mark(self, event):
            heard.append((event.ts, event.price, self.now))

    rows = [(t, 100) for t in range(ns("00:00"), ns("00:10"), MINUTE // 2)]
    data = trades([(t + SECOND, p, 10) for t, p in rows], USER_COIN) + marks(rows, USER_COIN)
    result = run(
        data,
        Watcher(("00:01", buy(400))),
        owner(impact=model, latency=("0s", "0s", "2s")),
        mark="feed+impact",
    )
    assert prices(result) == pytest.approx([100.2], abs=2e-6)
    # the asks are 0.4 % up at 00:01:01, the middle a half of that; half of it is left after a minute
    moved = {ts: price for ts, price, _ in heard}
    assert moved[ns("00:01")] == 100
    assert moved[ns("00:02")] == pytest.approx(100 * (1 + 0.002 * 2 ** (-59 / 60)), abs=2e-6)
    assert all(now == ts + 2 * SECOND for ts, _, now in heard)
    named = {row["name"]: row["value"] for row in result.assumptions}
    assert "moved as own orders move" in named["mark"]


def test_an_own_sale_can_push_the_mark_to_the_own_liquidation():
    rows = [(ns("00:00") + i * 10 * SECOND, 100, 1000) for i in range(200)]
    data = trades([(t + SECOND, p, q) for t, p, q in rows], USER_COIN) + marks([(t, p) for t, p, _ in rows], USER_COIN)
    model = venues.Impact(law="linear", depth=1000, memory="exponential", recovery="10m")
    long = f"{USER_COIN}@{USDM}/main"
    script = Script(
        ("00:01", lambda s: s.buy(long, quantity=100)),
        ("00:15", lambda s: s.sell(f"{USER_COIN}@{USDM}/other", quantity=3000)),
    )
    found = {}
    for mark in ("feed", "feed+impact"):
        other = account(coin(), balances={"USDT": 1e6}, account="other", impact=model)
        result = run(data, script, owner(150, impact=model, leverage=100), other, mark=mark)
        found[mark] = result.summary["liquidations"]
        if found[mark]:
            # at once, not with the next mark of the feed
            assert result.liquidations["time"].iloc[0].value <= ns("00:15:01") + 11 * SECOND
    assert found["feed"] == 0
    assert found["feed+impact"] > 0


def volume_share(share, kind, **options):
    """Return the result of buying a share of an hour's volume."""
    rows = [(ns("00:00") + i * 10 * SECOND, 100 + (i % 7) * 0.01, 2.0) for i in range(720)]
    if kind == "trades":
        data = trades(rows, USER_COIN) + marks([(t, p) for t, p, _ in rows], USER_COIN)
    else:
        candles = [(ns("00:00") + i * MINUTE, 100, 100.05, 99.95, 100, 12.0) for i in range(120)]
        data = bars(candles, USER_COIN, timeframe="1m") + bars(
            [row[:5] for row in candles], USER_COIN, timeframe="1m", kind="mark"
        )
    model = venues.Impact(volatility=0.03, volume=17_280, recovery="10m")
    return run(data, Script(("00:30", buy(share * 720))), owner(impact=model, **options))


@pytest.mark.parametrize("kind", ["trades", "bars"])
def test_the_same_signal_at_one_ten_and_a_hundred_percent_of_volume_gets_worse_prices(kind):
    found = [volume_share(share, kind, participation=0.2) for share in (0.01, 0.1, 1.0)]
    paid = [float(np.average(r.fills["price"], weights=r.fills["quantity"])) for r in found]
    assert paid[0] < paid[1] < paid[2]
    filled = [r.fills["quantity"].sum() for r in found]
    assert filled[:2] == pytest.approx([7.2, 72])
    # a fifth of the volume of the ninety minutes that are left
    assert filled[2] == pytest.approx(0.2 * 90 * 12, rel=0.02)
    assert filled[2] <= 0.2 * 90 * 12 + 0.2 * 2
    left = found[2].leftovers
    assert left[["quantity", "status"]].iloc[0].tolist() == [720, "working"]
    assert left["left"].iloc[0] == pytest.approx(720 - filled[2])
    assert any("result.leftovers" in text for text in found[2].warnings)
    assert found[0].leftovers.empty


@pytest.mark.parametrize("kind", ["trades", "bars"])
def test_nothing_fills_above_the_cap_of_any_trade_or_bar(kind):
    result = volume_share(1.0, kind, participation=0.15)
    size, step = (2.0, 10 * SECOND) if kind == "trades" else (12.0, MINUTE)
    parts = result.fills.groupby(result.fills["time"].astype("int64") // step)["quantity"].sum()
    assert len(parts) > 50
    assert parts.max() <= 0.15 * size * (1 + 1e-9)


def test_resting_orders_share_the_cap_with_takers():
    rows = [(ns("00:10") + i * SECOND, 99.0, 10.0, -1) for i in range(20)]
    data = marks([("00:00", 100), ("01:00", 100)], USER_COIN) + trades([("00:01", 100.0, 1.0, 1), *rows], USER_COIN)
    script = Script(("00:05", buy(4)), ("00:05", buy(1000, limit=99.5)))
    found = run(data, script, owner(participation=0.3)).fills
    parts = found.groupby("time")["quantity"].sum()
    assert parts.max() <= 3.0 + 1e-9
    assert parts.sum() == pytest.approx(0.3 * 200)
    assert {True, False} <= set(found["is_maker"])


@pytest.mark.parametrize("kind", ["trades", "bars"])
def test_what_the_cap_leaves_expires_if_chosen(kind):
    result = volume_share(1.0, kind, participation=0.2, leftovers="cancel")
    assert result.orders["reason"].tolist() == ["VOLUME_EXHAUSTED"]
    assert result.fills["quantity"].sum() <= 0.2 * 12.0
    assert len(result.leftovers) == 1


def depth_rows(seconds, seed=0, after=None):
    """Return rows of recorded depth every half minute, from some time on others."""
    random, rows = Random(seed), []
    for i in range(seconds // 30):
        at = engine_random.START + i * 30 * SECOND
        thin = 0.2 if after is not None and at >= after else 1.0
        for side in (-1, 1):
            total = 0.0
            for percent in (0.2, 1, 2, 5):
                total += random.uniform(5, 40) * thin
                rows.append((at, side * percent, total, total * 100))
    return pd.DataFrame(rows, columns=["ts", "percentage", "quantity", "notional"])


def depth(symbol, venue, seconds, **more):
    frame = depth_rows(seconds, **more).round(6)
    return feeds.from_pandas(frame, kind="depth", venue=venue, symbol=symbol)


def test_recorded_depth_is_what_an_order_meets_as_of_its_time():
    frame = pd.DataFrame(
        [(ns("00:00"), p, q, 0.0) for p, q in ((-1.0, 100.0), (1.0, 100.0))]
        + [(ns("00:10"), p, q, 0.0) for p, q in ((-1.0, 50.0), (1.0, 50.0))],
        columns=["ts", "percentage", "quantity", "notional"],
    )
    data = tape() + feeds.from_pandas(frame, kind="depth", venue=USDM, symbol=USER_COIN)
    model = venues.Impact(law="recorded", memory="none")
    result = run(data, Script(("00:05", buy(50)), ("00:15", buy(50))), owner(impact=model))
    assert prices(result) == pytest.approx([100.25, 100.5], abs=2e-6)


MODELS = {
    "measured, exponential": {"impact": venues.Impact(factor=3, spread=0.01, permanent=0.2)},
    "measured, power": {"impact": venues.Impact(memory="power", recovery="2s", factor=3), "participation": 0.5},
    "linear, none": {
        "impact": venues.Impact(law="linear", depth=200, memory="none", permanent=0.5),
        "participation": 0.2,
        "leftovers": "cancel",
    },
    "recorded": {"impact": venues.Impact(law="recorded", recovery="1m")},
}
SECONDS = 900
PLACES = (
    (engine_random.LINEAR, USDM), (engine_random.ETHER, USDM), (engine_random.INVERSE, "binance_coinm"),
    (engine_random.SPOT, "binance_spot"),
)  # fmt: skip


def outcome(name, seed, future=None, latency="400ms"):
    """Return a run of the random market, five accounts, with a model of impact."""
    data = engine_random.market(seed, SECONDS, future)
    options = dict(MODELS[name])
    if name == "recorded":
        after = None if future is None else future.after
        for symbol, venue in PLACES:
            data = data + depth(symbol, venue, SECONDS, after=after)
    owners = engine_random.accounts(latency, **options)
    mark = {f"{engine_random.LINEAR}@{USDM}": "feed+impact"} if name == "measured, exponential" else "feed"
    return run(data, [Curious(seed=seed)], *owners, reporting="USDT", on_ruin="refill", mark=mark)


@pytest.mark.parametrize("name", MODELS)
def test_nothing_before_a_time_rests_on_the_data_after_it(name):
    moment = engine_random.START + 8 * MINUTE
    own, other = (outcome(name, 31, future) for future in (None, engine_random.Future(moment, 31)))
    for table in TABLES:
        same(before(getattr(own, table), moment), before(getattr(other, table), moment), table)
    assert len(before(own.fills, moment)) > 5
    assert not own.fills.equals(other.fills)


@pytest.mark.parametrize("name", MODELS)
def test_money_is_conserved_and_a_second_run_gives_the_same(name):
    one, two = outcome(name, 32), outcome(name, 32)
    assert set(totals(one)[0].values()) == {0}
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(one, table), getattr(two, table))


def test_bars_that_are_passed_over_are_measured_like_bars_that_are_unfolded():
    random, price, rows = Random(3), 100.0, []
    for i in range(600):
        last = round(price * (1 + random.gauss(0, 0.002)), 3)
        high, low = round(max(price, last) + 0.01, 3), round(min(price, last) - 0.01, 3)
        rows.append((ns("00:00") + i * MINUTE, price, high, low, last, round(random.expovariate(0.1), 3)))
        price = last
    data = bars(rows, USER_COIN, timeframe="1m") + bars(
        [row[:5] for row in rows], USER_COIN, timeframe="1m", kind="mark"
    )
    steps = [(ns("01:00") + i * HOUR, buy(1)) for i in range(8)]
    found = []
    for unfolds in (False, True):
        model = venues.Impact(factor=2.0, spread=0.02)
        test = Backtest(data, Script(*steps), venues=[owner(impact=model)])
        assembly = Assembly(test.data, test.venues, test.settings)
        assembly.decide()
        assembly.build([s.fresh_copy({}) for s in test.strategies])
        assembly.loop.unfolds_all = unfolds
        assembly.loop.run()
        found.append(assembly.exchange.journal.fills.table()["price"].tolist())
        if not unfolds:
            assert assembly.loop.bars_passed > 100
    assert found[0] == found[1]
    assert len(found[0]) >= 8


def test_orders_wait_until_something_has_been_measured():
    model = venues.Impact()
    result = run(tape(), Script(("00:01", buy(1))), owner(impact=model))
    assert result.fills["time"].iloc[0].value >= ns("00:05")


@pytest.mark.parametrize(
    ("options", "more", "message"),
    [
        ({"impact": venues.Impact(law="recorded")}, {}, "needs rows of kind depth, the data have mark, trades"),
        ({}, {"mark": "feed+impact"}, "needs venues.Venue.*impact="),
        ({"participation": 0.1, "fills": "touch"}, {}, "participation= would have no effect"),
        ({"participation": 0.0}, {}, "participation must be"),
        ({"leftovers": "keep"}, {}, "leftovers"),
        ({"impact": "large"}, {}, "impact must be venues.Impact"),
    ],
)
def test_what_cannot_be_is_refused(options, more, message):
    with pytest.raises((ConfigError, venues.VenueError), match=message):
        run(tape(), Script(), owner(**options), **more)


def test_marks_of_bars_cannot_follow_own_orders():
    model = venues.Impact(**LINEAR_MODEL)
    with pytest.raises(ConfigError, match="mark rows that are points"):
        run(constant_bars(), Script(), owner(impact=model), mark="feed+impact")


def constant_bars():
    rows = [(ns("00:00") + i * MINUTE, 100, 100, 100, 100) for i in range(10)]
    return bars(rows, USER_COIN, timeframe="1m") + bars(rows, USER_COIN, timeframe="1m", kind="mark")


def test_accounts_at_one_venue_share_its_markets():
    with pytest.raises(ConfigError, match="have different impact="):
        run(tape(), Script(), owner(impact=venues.Impact(**LINEAR_MODEL)), owner(1, account="two"))


def test_the_first_screen_says_what_own_orders_do():
    result = run(tape(), Script(), owner(impact=venues.Impact(**LINEAR_MODEL), participation=0.25))
    named = {row["name"]: row["value"] for row in result.assumptions}
    assert named["own impact"] == "linear, 1 % for 1000; half of what is missing comes back every 1 min, 0 % never"
    assert named["capacity"] == "at most 25% of the volume; what is left waits"
    assert result.config["venues"][0]["participation"] == 0.25
