"""What a population does to a run: marks that it moves, the book that it eats, winners that it deleverages, funding."""

import numpy as np
import pandas as pd
import pytest
from crowds import RATE, Idle, both_sides, crash, holders, steps, tape, triggers
from engine_data import (
    MINUTE,
    OTHER_COIN,
    SECOND,
    USDM,
    USER_COIN,
    Notes,
    account,
    bars,
    book,
    funding,
    marks,
    ns,
    points,
    run,
    totals,
    trades,
    user_coin,
)  # fmt: skip

import venues
from backtest import ConfigError, Crowd
from backtest.lab.positions import population
from feeds.dataset import Dataset

ADDRESS = f"{USER_COIN}@{USDM}"


COIN = "X/USDC:USDC"
# Hyperliquid closes a position of that size whole, by an order in the market (venues/hyperliquid.md, liquidation)
WHOLE = user_coin(COIN, rules="hyperliquid")


def uniform(density: float, reach: float, count: int):
    """Longs whose triggers lie evenly over the drops up to `reach`: `density` base coins per 100 % of drop."""
    drops = (np.arange(count) + 0.5) * reach / count
    leverage = 1.0 / (1.0 - (1.0 - drops) * (1.0 - RATE))  # E (1 - 1/L) / (1 - m) = E (1 - drop)
    return holders(1.0, density * reach / count, 100.0, leverage, symbol=COIN)


def slide(level: float, minutes: int = 400):
    """100, step by step down to another level, and an hour there."""
    way = np.concatenate([np.linspace(100.0, level, minutes), np.full(60, level)])
    return [(ns("00:00") + i * MINUTE, round(p, 3)) for i, p in enumerate(way)]


def shocked(level=98.0, *, strategy=None, balance=10_000, **options):
    """A population of 60,000 coins per 100 % of drop under a slide to a level, and what became of it."""
    crowd = Crowd(uniform(60_000, 0.2, 6_000), **options)
    given = account(WHOLE, balances={"USDC": balance}, leverage=50)
    path = slide(level)
    data = marks(path, COIN, "hyperliquid") + trades([(t + SECOND, p, 1e6) for t, p in path], COIN, "hyperliquid")
    result = run(data, strategy or Idle(), given, population=crowd, on_ruin="continue")
    return result, result.meta["population"]["closed"][f"{COIN}@hyperliquid"]["long"]


# ---------------------------------------------------------------- marks


def test_ll_05_a_shock_of_2_percent_becomes_5_in_a_run_as_in_the_lab():
    result, closed = shocked(mark_depth={COIN: 100_000.0})
    shift = result.meta["population"]["largest_shift"][f"{COIN}@hyperliquid"]
    assert 100 - 98.0 + shift == pytest.approx(5.0, abs=4e-3)  # one account moves it by 0.002
    assert closed == pytest.approx(3_000, abs=4.0)
    assert set(result.population["what"]) == {"liquidation"}
    assert shocked()[1] == pytest.approx(60_000 * 0.02, abs=2.0)


def test_a_book_that_refills_ends_the_cascade_earlier():
    moved = {refill: shocked(mark_depth={COIN: 100_000.0}, refill=refill)[1] for refill in (1e-5, 1e-4, 1.0)}
    assert 3_000 > moved[1e-5] > 1.1 * moved[1e-4] > 1.1 * moved[1.0]
    assert moved[1.0] == pytest.approx(60_000 * 0.02, rel=0.05)


def test_strategies_see_the_mark_that_the_venue_shows_and_it_can_close_their_position():
    class Watch(Idle):
        def on_mark(self, event):
            self.note("mark", event.price)

    opened = ("00:00:30", lambda s: s.buy(COIN, quantity=1))
    seen = {}
    for depth in ({}, {COIN: 100_000.0}):
        notes = Notes()
        result, _ = shocked(strategy=Watch(opened, notes=notes), balance=4.0, mark_depth=depth)  # goes at 96.5
        seen[bool(depth)] = min(note[2] for note in notes if note[1] == "mark"), len(result.liquidations)
    assert seen[False] == (98.0, 0)
    assert seen[True][0] == pytest.approx(95.0, abs=4e-3)
    assert seen[True][1] > 0


# ---------------------------------------------------------------- the market


def test_forced_orders_eat_the_book_that_the_users_order_meets_next():
    levels = {100.0 - i: 10.0 for i in range(15)}
    data = book([("00:00", levels, {101.0: 500.0})], COIN, "hyperliquid")
    data += marks([("00:00:01", 100.0), ("00:05", 98.4), ("00:20", 98.4)], COIN, "hyperliquid")
    longs = holders(1.0, 10.0, 100.0, [50.0, 50.0, 2.0], symbol=COIN)
    sell = ("00:06", lambda s: s.sell(COIN, quantity=1))
    filled = {}
    for crowd in (None, Crowd(longs)):
        notes = Notes()
        given = account(WHOLE, balances={"USDC": 1_000})
        result = run(data, (Idle if crowd else Plain)(sell, notes=notes), given, population=crowd)
        filled[crowd is not None] = result.fills["price"].tolist(), [n[2:6] for n in notes if n[1] == "forced"]
    assert filled[False] == ([100.0], [])
    # both were worth nothing below 98, and sold what the book had above it: 100 and 99 are gone
    assert filled[True] == ([98.0], [(COIN, -1, 100.0, 10.0), (COIN, -1, 99.0, 10.0)])


class Plain(Idle):
    on_liquidation = None  # nothing in the run could fire it


@pytest.mark.parametrize("late", [0, 7])
def test_forced_orders_are_heard_one_feed_latency_after_their_fill(late):
    notes = Notes()
    given = account(user_coin(), latency=("1ms", "1ms", f"{late}ms"))
    result = run(tape(crash()), Idle(notes=notes), given, population=Crowd(both_sides(200)))
    forced = steps(result, "liquidation")
    heard = [note for note in notes if note[1] == "forced"]
    assert len(heard) == len(forced) > 20
    for note, (_, row) in zip(heard, forced.iterrows(), strict=True):
        assert note[0] - note[6] == late * 10**6
        assert note[6] == row["time"].value
        assert note[3] == -np.sign(row["quantity"])
        assert note[4:6] == (row["price"], abs(row["quantity"]))


# ---------------------------------------------------------------- deleveraging


def gap(level: float = 80.0):
    """100 for five minutes, then another level at once."""
    return [(ns("00:00") + i * MINUTE, 100.0 if i < 5 else level) for i in range(12)]


def test_winners_take_over_in_the_order_of_the_venues_score_what_the_fund_cannot_pay():
    # A long of 10 at 100 with 50 of collateral is bankrupt at 95; at 80 the fund of 30 pays for 2 of its 10 (15 each).
    # Shorts at 100, worth 20 each at 80: profit / collateral x maintenance / equity ranks 5 of 10 times before 4 of 5.
    rows = {
        "symbol": USER_COIN, "side": [1, -1, -1, -1], "quantity": [10.0, 5.0, 4.0, 3.0], "entry": [100.0] * 4,
        "collateral": [50.0, 50.0, 80.0, 300.0], "mmr": [RATE] * 4,
    }  # fmt: skip
    given = account(user_coin(), insurance_fund={"USDT": 30.0}, adl="population")
    result = run(tape(gap()), Idle(), given, population=Crowd(population(rows, is_partial=True)))
    assert totals(result)[0] == {"USDT": 0}
    adl = steps(result, "adl")
    assert adl[["member", "quantity", "price"]].to_numpy().tolist() == [[1, -5.0, 95.0], [2, -3.0, 95.0]]
    (taken,) = steps(result, "takeover").to_dict("records")
    assert (taken["quantity"], taken["price"], taken["paid_by"]) == (10.0, 95.0, "adl")
    assert taken["shortfall"] == 150.0
    ledger = result.ledger
    assert ledger.loc[ledger["kind"] == "adl", "amount"].tolist() == [25.0, 15.0]  # 5 a coin of profit at 95
    assert ledger.loc[ledger["kind"] == "insurance", "amount"].tolist() == [-30.0]
    assert "unfunded_loss" not in set(ledger["kind"])
    assert result.meta["population"]["deleveraged"] == 2
    assert result.findings == []


def test_the_users_winning_short_is_deleveraged_when_it_ranks_first_and_the_strategy_hears_of_it():
    longs = holders(1.0, 10.0, 100.0, [20.0])
    notes = Notes()
    opened = ("00:00:30", lambda s: s.sell(USER_COIN, quantity=6))
    script = Idle(opened, ("00:08", lambda s: s.note("held", s.position(USER_COIN).quantity)), notes=notes)
    given = account(user_coin(), balances={"USDT": 100.0}, insurance_fund={"USDT": 0.0}, adl="population")
    result = run(tape(gap()), script, given, population=Crowd(longs))
    assert [(row["what"], row["price"], row["quantity"]) for row in result.liquidations.to_dict("records")] == [
        ("adl", 95.0, -6.0)
    ]
    (event,) = [note[2] for note in notes if note[1] == "adl"]
    assert (event.price, event.quantity) == (95.0, -6.0)
    assert [note[2] for note in notes if note[1] == "held"] == [0.0]
    assert result.summary["end_equity"] == pytest.approx(130.0)  # 6 x 5, not 6 x 20
    ledger = result.ledger
    # what no winner took stays with the fund, which has nothing: 4 x 15 is a loss that nobody paid
    assert ledger.loc[ledger["kind"] == "unfunded_loss", "amount"].tolist() == [60.0]
    assert any("unfunded" in text or "nobody" in text for text in result.findings)


def test_without_joining_the_users_position_is_left_alone():
    given = [
        account(user_coin(), balances={"USDT": 100.0}, insurance_fund={"USDT": 0.0}),
        account(user_coin(), balances={"USDT": 100.0}, account="other", adl="population"),
    ]
    opened = ("00:00:30", lambda s: s.sell(f"{USER_COIN}@{USDM}/main", quantity=6))
    shorts = population({
        "symbol": USER_COIN, "side": [1, -1], "quantity": [10.0, 10.0], "entry": [100.0, 100.0],
        "collateral": [50.0, 500.0], "mmr": [RATE] * 2,
    })  # fmt: skip
    result = run(tape(gap()), Idle(opened), *given, population=Crowd(shorts))
    assert result.liquidations.empty
    assert steps(result, "adl")["member"].tolist() == [1]


# ---------------------------------------------------------------- funding, pairs, bars


def test_members_pay_funding_like_anybody_and_it_can_close_them():
    """B17: at 100 the second has 0.6 over its requirement of 0.5, and pays 0.3 at each funding."""
    rows = {
        "symbol": USER_COIN, "side": [1, 1, -1], "quantity": [1.0, 1.0, 2.0], "entry": [100.0] * 3,
        "collateral": [50.0, 1.1, 50.0], "mmr": [RATE] * 3,
    }  # fmt: skip
    path = [(ns("00:00") + i * 30 * MINUTE, 100.0) for i in range(60)]
    data = tape(path) + funding([("08:00", 0.003), ("16:00", 0.003), (ns("23:59"), 0.0)], USER_COIN)
    result = run(data, Idle(), account(user_coin()), population=Crowd(population(rows)))
    paid = result.ledger[result.ledger["kind"] == "funding"]
    assert paid["amount"].tolist() == pytest.approx([-0.3, -0.3, 0.6, -0.3, -0.3, 0.6])
    (closed,) = steps(result).to_dict("records")
    assert closed["member"] == 1
    assert ns("16:00") <= closed["time"].value <= ns("16:31")
    assert totals(result)[0] == {"USDT": 0}


def test_a_cross_account_of_two_contracts_is_closed_when_a_users_account_is():
    rules = user_coin(OTHER_COIN, rules=user_coin())
    way = np.concatenate([np.zeros(3), np.linspace(0.0, 0.3, 150)])
    path = [(ns("00:00") + i * MINUTE, round(100 * (1 - x), 3)) for i, x in enumerate(way)]
    other = [(t, round(50 * (1 + 0.7 * x), 3)) for (t, _), x in zip(path, way, strict=True)]
    data = tape(path) + tape(other, OTHER_COIN)
    opened = ("00:00:30", lambda s: (s.buy(USER_COIN, quantity=2), s.sell(OTHER_COIN, quantity=3)))
    alone = run(data, Idle2(opened), account(rules, {"USDT": 60.0}), on_ruin="continue")
    rows = {
        "symbol": [USER_COIN, OTHER_COIN], "account": "pair", "margin_mode": "cross", "side": [1, -1],
        "quantity": [2.0, 3.0], "entry": [100.0, 50.0], "collateral": [40.0, 20.0], "mmr": [RATE] * 2,
    }  # fmt: skip
    among = run(data, Idle(), account(rules), population=Crowd(population(rows, is_partial=True)))
    columns = ["time", "symbol", "trigger_mark", "price", "quantity", "shortfall", "what"]
    assert len(alone.liquidations) > 1
    pd.testing.assert_frame_equal(
        among.population[columns].reset_index(drop=True), alone.liquidations[columns].reset_index(drop=True)
    )


class Idle2(Plain):
    on_adl = Idle.on_adl


@pytest.mark.parametrize("bar_path", ["ohlc", "olhc", "worst"])
def test_inside_a_bar_each_is_closed_where_the_mark_meets_its_trigger(bar_path):
    shape = [("00:00", 100, 101, 99, 100), ("01:00", 100, 103, 88, 95), ("02:00", 95, 96, 94, 95)]
    data = bars(shape, USER_COIN) + bars(shape, USER_COIN, kind="mark")
    found = both_sides(400)
    result = run(data, Plain(), account(user_coin()), population=Crowd(found), bar_path=bar_path)
    price = triggers(found)
    crossed = np.flatnonzero(np.where(found.side > 0, price >= 88, price <= 103))
    assert result.meta["population"]["liquidated"] == len(crossed) > 50
    first = steps(result).groupby("member")["trigger_mark"].first()
    assert set(first.index) == set(crossed)
    assert first.to_numpy() == pytest.approx(price[first.index], abs=2e-3)


def test_quiet_bars_are_passed_over_beside_a_population_that_is_far_away():
    shape = [(ns("00:00") + i * 3600 * SECOND, 100, 101, 99, 100) for i in range(200)]
    data = bars(shape, USER_COIN) + bars(shape, USER_COIN, kind="mark")
    result = run(data, Plain(), account(user_coin()), population=Crowd(holders([1.0, -1.0], 1.0, 100.0, 10.0)))
    assert result.meta["population"]["liquidated"] == 0


# ---------------------------------------------------------------- what is refused

GOOD = {"side": [1], "quantity": [1.0], "entry": [100.0], "collateral": [10.0], "mmr": [RATE]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"symbol": "Z/USDT:USDT"}, r"Z/USDT:USDT@any venue is no derivative of the run; it has X/USDT:USDT"),
        ({"venue": "okx"}, r"any symbol@okx is no derivative"),
        ({"contract": "inverse"}, r"is linear, its rows say contract = inverse"),
        ({"haircut": 0.1}, r"without a haircut"),
        ({"collateral_asset": "BTC"}, r"collateral in a run is USDT.*BTC"),
        ({"margin_mode": "cdp"}, r"margin_mode cdp is none of cross, isolated"),
        ({"weight": 1.5}, r"whole weights"),
        ({"quantity": [1e-6]}, r"no position is as large as a lot"),
    ],
)
def test_rows_without_a_place_in_the_run_are_refused(change, said):
    found = Crowd(population(GOOD | change, is_partial=True))
    with pytest.raises(ConfigError, match=said):
        run(tape(gap()), Idle(), account(user_coin()), population=found)


def test_what_a_crowd_cannot_be_is_refused_where_it_is_said():
    found = population(GOOD, is_partial=True)
    for options, said in (
        ({"refill": 0.1}, "no effect without mark_depth"),
        ({"mark_depth": {USER_COIN: 0.0}}, r"mark_depth\['X/USDT:USDT'\]"),
        ({"mark_depth": {USER_COIN: 1.0}, "refill": -1.0}, "refill"),
        ({"mark_depth": 5.0}, "mapping of symbol"),
        ({"mark_dept": {}}, "did you mean 'mark_depth'"),
    ):
        with pytest.raises(ConfigError, match=said):
            Crowd(found, **options)
    with pytest.raises(ConfigError, match=r"positions must be.*dict"):
        Crowd(GOOD)
    with pytest.raises(ConfigError, match=r"must be a backtest.Crowd, got Population"):
        run(tape(gap()), Idle(), account(user_coin()), population=found)
    with pytest.raises(ConfigError, match=r"mark_depth\['Y/USDT:USDT'\] is no derivative"):
        run(tape(gap()), Idle(), account(user_coin()), population=Crowd(found, mark_depth={OTHER_COIN: 1.0}))


def test_deleveraging_that_could_never_happen_is_refused():
    found = Crowd(population(GOOD, is_partial=True))
    with pytest.raises(ConfigError, match="insurance fund is unlimited"):
        run(tape(gap()), Idle(), account(user_coin(), adl="population"), population=found)
    inverse = Crowd(population(GOOD | {"contract": "inverse", "quantity": [100.0]}, is_partial=True))
    deribit = venues.Venue("deribit", balances={"BTC": 1.0}, adl="population", insurance_fund={"BTC": 1.0})
    with pytest.raises(ConfigError, match="deribit publishes none"):
        run(tape_at("deribit", "BTC/USD:BTC"), Idle(), deribit, population=inverse)


def tape_at(venue, symbol):
    return marks(gap(), symbol, venue) + trades([(t, p, 1e6) for t, p in gap()], symbol, venue)


def test_the_first_screen_says_who_else_is_there():
    crowd = Crowd(both_sides(200), mark_depth={USER_COIN: 1e9}, refill=0.01)
    text = str(run(tape(gap(99.0)), Idle(), account(user_coin()), population=crowd))
    assert "200 accounts with 200 positions" in text
    assert "comes back at 0.01 per second" in text


# ---------------------------------------------------------------- the end of a contract, sessions, failures


def event(what, since, *, value=None, symbol="*"):
    row = {"ts": ns(since), "ts_avail": 0, "until": 0, "venue": USDM, "symbol": symbol, "what": what}
    return Dataset([], venue_events=[row | {"value": value, "source": "test"}])


def pair():
    return population({
        "symbol": USER_COIN, "side": [1, -1], "quantity": [2.0, 2.0], "entry": [100.0, 100.0],
        "collateral": [50.0, 60.0], "mmr": [RATE] * 2,
    })  # fmt: skip


def test_a_delisted_contract_settles_for_members_too():
    data = tape([(ns("00:00") + i * MINUTE, 100.0) for i in range(20)])
    data += event("delisting", "00:10", value="93", symbol=USER_COIN)
    result = run(data, Plain(), account(user_coin()), population=Crowd(pair()))
    settled = result.ledger[result.ledger["kind"] == "settlement"]
    assert sorted(settled["amount"]) == [-14.0, 14.0]
    assert result.meta["population"]["wallets"] == {"USDT": 110 * 10**8}
    assert result.meta["population"]["liquidated"] == 0
    assert totals(result)[0] == {"USDT": 0}


def test_a_failed_venue_closes_members_at_their_marks():
    data = tape([(ns("00:00") + i * MINUTE, 100.0 + i) for i in range(20)]) + event("failure", "00:10", value=0.5)
    result = run(data, Plain(), account(user_coin()), population=Crowd(pair()))
    assert sorted(result.ledger.loc[result.ledger["kind"] == "settlement", "amount"]) == [-20.0, 20.0]
    assert totals(result)[0] == {"USDT": 0}


def test_members_of_a_venue_with_sessions_and_accruing_funding_are_paid_as_users_are():
    symbol = "BTC/USD:BTC"
    path = [(ns("00:00") + i * 10 * MINUTE, 50_000.0 + 20 * i) for i in range(100)]
    data = marks(path, symbol, "deribit") + trades([(t + SECOND, p, 1e6) for t, p in path], symbol, "deribit")
    data += points("index", path, symbol, "deribit")
    data += funding([(ns("00:00") + i * 3600 * SECOND, 0.0001) for i in range(1, 16)], symbol, "deribit", hours=1)
    given = account("deribit", {"BTC": 1.0}, fees=(0, 0))
    opened = Plain((ns("00:00") + SECOND // 2, lambda s: s.buy(symbol, quantity=1_000)))
    rows = {
        "symbol": symbol, "contract": "inverse", "side": [1], "quantity": [1_000.0], "entry": [50_000.0],
        "collateral": [1.0], "mmr": [0.0], "margin_mode": "cross", "account": "one",
    }  # fmt: skip
    crowd = Crowd(population(rows, is_partial=True))
    result = run(data, opened, given, population=crowd, prices={"BTC": 50_000})
    ledger = result.ledger
    for kind in ("funding", "settlement"):
        of = {
            name: ledger.loc[(ledger["kind"] == kind) & (ledger["account"] == name), "amount"].tolist()
            for name in ("deribit", "deribit population")
        }
        assert len(of["deribit"]) > 0
        # the user's is a second younger: funding of the first hour
        assert of["deribit population"][-1] == of["deribit"][-1]
        assert len(of["deribit population"]) == len(of["deribit"])


# ---------------------------------------------------------------- the impact model of the venue


def test_forced_sales_meet_the_impact_of_the_venue_and_move_its_mark_by_it():
    impact = venues.Impact(law="linear", depth=1_000.0, spread=0.0, memory="exponential", recovery="1d", permanent=1.0)
    crowd = Crowd(uniform(60_000, 0.2, 6_000))
    path = slide(98.0)
    data = marks(path, COIN, "hyperliquid") + trades([(t + SECOND, p, 1e6) for t, p in path], COIN, "hyperliquid")
    closed = {}
    for mark in ("feed", "feed+impact"):
        given = account(WHOLE, balances={"USDC": 10_000}, impact=impact)
        result = run(data, Idle(), given, population=crowd, mark=mark)
        assert totals(result)[0] == {"USDC": 0}
        steps_of = result.population
        raw = dict(path)
        fed = [raw[t.value - SECOND] for t in steps_of.loc[steps_of["what"] == "liquidation", "time"]]
        assert (steps_of.loc[steps_of["what"] == "liquidation", "price"].to_numpy() < fed).any()  # worse than the tape
        closed[mark] = result.meta["population"]["closed"][f"{COIN}@hyperliquid"]["long"]
    assert closed["feed+impact"] > 1.5 * closed["feed"]
    with pytest.raises(ConfigError, match="follows the impact of its venue already"):
        run(
            data, Idle(), account(WHOLE, balances={"USDC": 10_000}, impact=impact), mark="feed+impact",
            population=Crowd(uniform(60_000, 0.2, 60), mark_depth={COIN: 1e5}),
        )  # fmt: skip
