"""Attribution: adds up exactly in every grouping, and says what a trader computes by hand."""

from fractions import Fraction

import generators_results as g
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.attribution import BY, attribute
from backtest.attribution_entries import FLOWS, LINES
from backtest.attribution_sums import exact_sums, round_to_sum
from backtest.errors import ConfigError, InvariantError
from backtest.result import Result
from backtest.result_storage import Store

GROUPINGS = [by for by in BY if by != "asset"]
UNIT = 10**8


def store_of(run):
    run.finish()
    return Store(run.description(), run.arrays())


def equity_of(run):
    """Equity of a run now, from its balances and positions, exactly."""
    owned = (g.USDM, g.COINM, g.SPOT_ACCOUNT, g.TRANSIT)
    cash = sum(
        Fraction(amount * Fraction(run.price[asset]), UNIT)
        for (owner, asset), amount in run.balances.items()
        if owner in owned
    )
    return cash + sum(
        Fraction(run.unrealized(which) * Fraction(run.price[run.asset(which)]), UNIT)
        for which, position in run.positions.items()
        if position.quantity
    )


def flows_of(run):
    """Net deposits after the opening, in atoms of USDT."""
    return sum(row[1] for row in run.rows["ledger"] if row[0] > g.START and row[10] in (9, 10))


@pytest.mark.parametrize("by", GROUPINGS)
def test_lines_and_flows_add_up_exactly_to_the_change_of_equity(by):
    run = g.carry()
    start = 140_000
    found = attribute(store_of(run), by)
    assert found.start == start
    assert found.end == equity_of(run)
    assert found.change == equity_of(run) - start - Fraction(flows_of(run), UNIT)
    assert found.change == sum((found.total(line) for line in LINES), Fraction(0))
    assert found.total("transfers") == 0


@pytest.mark.parametrize("line", LINES)
def test_each_line_is_the_same_in_every_grouping(line):
    run = store_of(g.carry())
    totals = {by: attribute(run, by).total(line) for by in GROUPINGS if by != "month"}
    assert len(set(totals.values())) == 1, totals


def test_lines_of_cash_are_the_same_by_month():
    run = store_of(g.carry())
    months, symbols = attribute(run, "month"), attribute(run, "symbol")
    for line in ("slippage", "funding", "fees", "liquidation", "conversion"):
        assert months.total(line) == symbols.total(line)


def test_the_equity_of_each_venue_is_explained_by_its_lines_flows_and_transfers():
    run = g.carry()
    found = attribute(store_of(run), "venue").groups
    price = Fraction(run.price[g.BTC])
    ended = {
        "binance_usdm": Fraction(run.balances[g.USDM, g.USDT] + run.unrealized(g.LINEAR), UNIT),
        "binance_coinm": Fraction(run.balances[g.COINM, g.BTC] + run.unrealized(g.INVERSE), UNIT) * price,
        "binance_spot": Fraction(run.balances[g.SPOT_ACCOUNT, g.USDT], UNIT)
        + Fraction(run.balances[g.SPOT_ACCOUNT, g.BTC], UNIT) * price,
    }
    began = {"binance_usdm": 10_000, "binance_coinm": 60_000, "binance_spot": 70_000}
    for venue, end in ended.items():
        assert sum(found[venue].values()) == end - began[venue]


def test_a_long_that_returns_to_its_entry_loses_fees_and_funding_only():
    # 1 BTC at 60,000, 0.05 % both ways, three fundings of 0.01 % at 60,000: exactly -78.
    run = g.Run().begin(usdm_usdt=10_000 * UNIT)
    run.at(g.HOUR).fill(g.LINEAR, 1_000, 6_000_000, decision=6_000_000, fee=30 * UNIT)
    for hours in (8, 16, 24):
        run.at(hours * g.HOUR).fund(g.LINEAR, 10_000)
    run.at(25 * g.HOUR).fill(g.LINEAR, -1_000, 6_000_000, decision=6_000_000, fee=30 * UNIT)
    found = attribute(store_of(run))
    assert found.change == -78
    assert (found.total("funding"), found.total("fees")) == (-18, -60)
    assert found.total("price") == found.total("slippage") == found.total("revaluation") == 0


@pytest.mark.parametrize("level", [30_000, 60_000, 90_000])
def test_a_coin_hedged_by_inverse_contracts_keeps_its_dollars(level):
    # 1 BTC and 600 x 100 USD short at 60,000: profit of the short and revaluation of the coin cancel.
    run = g.Run(reporting="USD").begin(coinm_btc=UNIT)
    run.at(g.HOUR).fill(g.INVERSE, -600, 600_000, decision=600_000)
    run.at(2 * g.HOUR)
    run.price[g.BTC], run.marks[g.INVERSE] = float(level), level * 10
    found = attribute(store_of(run))
    atom = level / UNIT  # unrealised profit is cut to an atom of the coin
    assert float(found.total("price")) == pytest.approx(60_000 - level, abs=atom)
    assert found.total("revaluation") == level - 60_000
    assert float(found.end) == pytest.approx(60_000, abs=atom)


def test_slippage_is_what_fills_were_worse_than_the_decision():
    run = g.Run().begin(usdm_usdt=10_000 * UNIT)
    run.at(g.HOUR).fill(g.LINEAR, 500, 6_001_000, decision=6_000_000)  # bought 10 too high: -5
    run.at(2 * g.HOUR).fill(g.LINEAR, -500, 6_100_000, decision=6_100_600)  # sold 6 too low: -3
    found = attribute(store_of(run))
    assert found.total("slippage") == -8
    assert found.total("price") == Fraction("503")  # (61,006 - 60,000) x 0.5
    assert found.change == 495


def test_slippage_of_an_inverse_fill_is_in_coin():
    run = g.Run(reporting="BTC", price={g.USDT: 1 / 60_000, g.BTC: 1.0}).begin(coinm_btc=UNIT)
    run.at(g.HOUR).fill(g.INVERSE, 600, 600_000, decision=500_000)
    found = attribute(store_of(run))
    # 60,000 USD bought at 60,000 instead of 50,000: 1.2 - 1.0 coins fewer
    assert float(found.total("slippage")) == pytest.approx(-0.2, abs=1e-15)


def test_a_fill_without_a_decision_price_is_counted_and_stays_in_price():
    run = g.Run().begin(usdm_usdt=10_000 * UNIT)
    run.at(g.HOUR).fill(g.LINEAR, 500, 6_001_000)
    found = attribute(store_of(run))
    assert found.unknown_decisions == 1
    assert found.total("slippage") == 0
    assert found.frame().attrs["unknown_decisions"] == 1


def test_what_a_forced_close_costs_is_not_slippage():
    found = attribute(store_of(g.ruin()))
    assert found.total("slippage") == 0
    assert found.total("price") == -3_500  # to the mark of 56,500
    assert found.total("liquidation") == 500  # 100 below the mark, 600 paid by the fund
    assert found.change == -3_000


def test_what_the_venue_does_counts_for_the_strategy_and_tag_that_last_increased():
    run = g.Run().begin(usdm_usdt=10_000 * UNIT)
    run.at(g.HOUR).fill(g.LINEAR, 1_000, 6_000_000, decision=6_000_000, tag=0)
    run.at(8 * g.HOUR).fund(g.LINEAR, 10_000, tag=-1, strategy=-1)
    run.fill(g.LINEAR, 100, 6_000_000, decision=6_000_000, tag=1)  # after the payment of the same instant
    run.at(16 * g.HOUR).fund(g.LINEAR, 10_000, tag=-1, strategy=-1)
    run.at(17 * g.HOUR).fill(g.LINEAR, -100, 6_000_000, decision=6_000_000, tag=0)  # reduces
    run.marks[g.LINEAR] = 5_990_000
    run.at(18 * g.HOUR).fill(g.LINEAR, -1_000, 5_980_000, decision=5_990_000, forced="liquidation", strategy=-1, tag=-1)
    store = store_of(run)
    found = attribute(store, "tag").groups
    assert found["carry"]["funding"] == -6
    assert found["hedge"]["funding"] == Fraction("-6.6")
    assert found["hedge"]["liquidation"] == -100
    assert list(attribute(store, "strategy").groups) == ["Carry"]


def test_a_deleveraged_position_shows_what_it_missed_against_the_mark():
    run = g.Run().begin(usdm_usdt=10_000 * UNIT)
    run.at(g.HOUR).fill(g.LINEAR, -1_000, 6_000_000, decision=6_000_000)
    run.at(2 * g.HOUR).fill(g.LINEAR, 1_000, 5_800_000, decision=5_700_000, forced="adl", strategy=-1, tag=-1)
    found = attribute(store_of(run))
    assert (found.total("price"), found.total("adl")) == (3_000, -1_000)


def test_spot_bought_is_exchange_then_revaluation():
    run = g.Run().begin(spot_usdt=70_000 * UNIT)
    run.at(g.HOUR).fill(g.SPOT, 100_000, 6_003_000, decision=6_000_000)
    run.at(2 * g.HOUR).price[g.BTC] = 61_000.0
    found = attribute(store_of(run))
    assert (found.total("price"), found.total("slippage")) == (0, -30)
    assert found.groups["balance of BTC"]["revaluation"] == 1_000


def test_a_transfer_between_venues_earns_nothing():
    run = g.Run().begin(usdm_usdt=1_000 * UNIT)
    run.at(g.HOUR).send(g.USDM, g.SPOT_ACCOUNT, g.USDT, 400 * UNIT, fee=UNIT)
    run.at(2 * g.HOUR).arrive(g.USDM, g.SPOT_ACCOUNT, g.USDT, 400 * UNIT, fee=UNIT)
    found = attribute(store_of(run), "venue")
    assert found.change == -1
    assert found.total("fees") == -1
    assert found.groups["binance_usdm"]["transfers"] == -400
    assert found.groups["binance_spot"]["transfers"] == 399


def test_money_still_in_transit_at_the_end_is_owned():
    run = g.Run().begin(usdm_usdt=1_000 * UNIT)
    run.at(g.HOUR).send(g.USDM, g.SPOT_ACCOUNT, g.USDT, 400 * UNIT)
    found = attribute(store_of(run), "venue")
    assert found.change == 0
    assert found.groups["in transit"]["transfers"] == 400


def test_deposits_and_withdrawals_stand_apart():
    run = g.Run().begin(usdm_usdt=1_000 * UNIT)
    run.at(g.HOUR).deposit(g.USDM, g.USDT, 500 * UNIT)
    run.at(2 * g.HOUR).deposit(g.USDM, g.USDT, -200 * UNIT)
    found = attribute(store_of(run))
    assert (found.change, found.total("deposits"), found.total("withdrawals")) == (0, 500, -200)


def test_months_begin_at_midnight_with_what_happens_then():
    found = attribute(store_of(g.carry()), "month")
    assert list(found.groups) == ["2025-02", "2025-03"]
    # The payment at 00:00 of 1 March: 0.02 % of 0.5 x 63,500 received by the short.
    assert found.groups["2025-03"]["funding"] == Fraction("6.35")


def test_the_frame_adds_up_and_ends_with_the_total():
    made = Result(*_parts(g.carry())).attribution("tag")
    assert made.index[-1] == "total"
    assert np.allclose(made[list(LINES)].sum(axis=1), made["change"])
    assert np.allclose(made.iloc[:-1].sum(), made.iloc[-1])
    assert list(made.columns) == [*LINES, "change", *FLOWS]


def test_per_asset_opening_and_postings_are_the_closing_balance():
    run = g.carry()
    made = Result(*_parts(run)).attribution("asset")
    ended = sum(run.balances.get((owner, g.BTC), 0) for owner in (g.USDM, g.COINM, g.SPOT_ACCOUNT, g.TRANSIT))
    assert made.loc["BTC", "closing"] == ended / UNIT
    kinds = made.drop(columns="closing")
    assert np.allclose(kinds.sum(axis=1), made["closing"], atol=1e-9)


@pytest.mark.parametrize("by", ["asset", "symbol"])
def test_a_posting_that_the_balances_do_not_know_is_an_error(by):
    meta, tables = _parts(g.carry())
    tables["ledger"]["amount"][5] += 1
    with pytest.raises(InvariantError, match="atoms"):
        Result(meta, tables).attribution(by)


def test_a_result_without_snapshots_is_an_error():
    meta, tables = _parts(g.carry())
    del tables["holdings"]
    with pytest.raises(InvariantError, match="a start and an end"):
        Result(meta, tables).attribution()


def test_an_asset_without_any_price_names_the_argument_that_gives_one():
    meta, tables = _parts(g.carry())
    for name in ("ledger", "holdings"):
        tables[name]["value_price"][tables[name]["asset"] == g.BTC] = np.nan
    with pytest.raises(ConfigError, match=r"prices=\{'BTC'"):
        Result(meta, tables).attribution()


def test_a_posting_before_the_first_price_takes_that_first_price():
    meta, tables = _parts(g.carry())
    first = np.flatnonzero(tables["ledger"]["asset"] == g.BTC)[0]
    tables["ledger"]["value_price"][first] = np.nan
    expected = Result(*_parts(g.carry())).explained().change
    assert Result(meta, tables).explained().change == expected


def test_an_unknown_grouping_lists_the_known_ones():
    with pytest.raises(ConfigError, match="'symbol', 'venue', 'tag', 'month', 'strategy'"):
        Result(*_parts(g.carry())).attribution(by="coin")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["linear", "inverse", "spot", "fund", "move", "transfer", "flow", "month"]),
        st.integers(-900, 900),
        st.integers(1, 9_999),
    ),
    max_size=25,
)


@given(STEPS, st.sampled_from(GROUPINGS))
def test_random_runs_are_explained_exactly(steps, by):
    run = g.Run().begin(usdm_usdt=10**12, coinm_btc=10**10, spot_usdt=10**12)
    month = 0
    for what, amount, level in steps:
        run.at(run.now - g.START + g.HOUR)
        step(run, what, amount, level)
        if what == "month" and month == 0:
            run.at(28 * g.DAY).snapshot()
            month = 1
    found = attribute(store_of(run), by)
    assert found.end == equity_of(run)
    assert found.change + sum((found.total(flow) for flow in FLOWS), Fraction(0)) == found.end - found.start


def step(run, what, amount, level):
    if what == "linear" and amount:
        run.fill(g.LINEAR, amount, 6_000_000 + level, decision=6_000_000 - level, fee=level)
    elif what == "inverse" and amount:
        run.fill(g.INVERSE, amount, 600_000 + level, decision=600_000 + 2 * level, fee=-level)
    elif what == "spot" and amount:
        run.fill(g.SPOT, amount, 6_000_000 + level, decision=6_000_000, fee=level)
    elif what == "fund" and g.LINEAR in run.positions:
        run.fund(g.LINEAR, amount)
    elif what == "move":
        run.price[g.BTC] = 60_000 + level / 7
        run.marks[g.LINEAR], run.marks[g.INVERSE] = 6_000_000 + 3 * level, 600_000 - level
    elif what == "transfer":
        run.send(g.COINM, g.SPOT_ACCOUNT, g.BTC, level, fee=level // 10)
    elif what == "flow" and amount:
        run.deposit(g.USDM, g.USDT, amount)


AMOUNTS = st.integers(-(2**63) + 1, 2**63 - 1)


@given(st.lists(st.tuples(AMOUNTS, st.floats(1e-9, 1e9), st.integers(0, 3)), max_size=30))
def test_exact_sums_have_no_rounding(rows):
    expected = {}
    for amount, price, key in rows:
        expected[key] = expected.get(key, Fraction(0)) + amount * Fraction(price)
    amounts, prices, keys = (list(part) for part in zip(*rows, strict=True)) if rows else ([], [], [])
    found = exact_sums(np.array(amounts, dtype=np.int64), np.array(prices, dtype=float), np.array(keys, dtype=np.int64))
    assert found == expected


def test_exact_sums_take_integers_of_any_size():
    amounts = np.array([10**30, -1, 10**30], dtype=object)
    assert exact_sums(amounts, np.array([1.0, 0.5, 1.0]), np.zeros(3, dtype=np.int64)) == {
        0: 2 * 10**30 - Fraction(1, 2)
    }


@given(st.lists(st.fractions(-1000, 1000, max_denominator=10**6), max_size=12), st.integers(0, 4))
def test_rounded_lines_add_up_to_the_rounded_sum(values, decimals):
    rounded = round_to_sum(values, decimals)
    unit = Fraction(1, 10**decimals)
    assert all((value / unit).denominator == 1 for value in rounded)
    assert all(abs(a - b) < unit for a, b in zip(values, rounded, strict=True))
    assert abs(sum(rounded, Fraction(0)) - sum(values, Fraction(0))) <= unit / 2


def _parts(run):
    run.finish()
    return run.description(), run.arrays()
