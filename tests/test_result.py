"""Results: tables with exact numbers and names, and one screen."""

import re
from decimal import Decimal
from pathlib import Path

import generators_results as g
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest import tables
from backtest.errors import ConfigError
from backtest.result import Result
from backtest.result_frames import scaled
from backtest.result_summary import KEYS
from venues.records import DTYPES

ROOT = Path(__file__).resolve().parent.parent
API = {
    "fills": "time account symbol order side price quantity fee fee_asset realized_pnl is_maker tag",
    "funding": "time account symbol quantity mark rate amount asset",
    "liquidations": "time account symbol step trigger_mark price quantity fee shortfall paid_by",
    "ledger": "time account asset kind amount balance ref",
    "margin": "time account equity initial maintenance ratio leverage distance",
}
SUMMARY = (
    "start_equity end_equity return max_drawdown funding fees slippage price_pnl revaluation liquidations shortfall "
    "min_distance max_margin_ratio"
)


@pytest.fixture(scope="module")
def carry():
    return g.carry().finish()


# Tables


@pytest.mark.parametrize("name", sorted(DTYPES))
def test_rows_of_the_journal_are_rows_of_the_result(name):
    assert tables.TABLES[{"postings": "ledger"}.get(name, name)].dtype == DTYPES[name]


@pytest.mark.parametrize(
    ("file", "enum", "words"),
    [
        ("orders", "OrderType", tables.ORDER_TYPES),
        ("orders", "TimeInForce", tables.TIMES_IN_FORCE),
        ("orders", "OrderFlag", tables.ORDER_FLAGS),
        ("orders", "OrderStatus", tables.ORDER_STATUS),
        ("orders", "Reason", tables.REASONS),
        ("records", "PostingKind", tables.LEDGER_KINDS),
        ("records", "Forced", tables.FORCED),
        ("records", "PaidBy", tables.PAID_BY),
    ],
)
def test_words_stand_in_the_order_of_the_codes_of_the_engine(file, enum, words):
    text = (ROOT / "venues" / f"{file}.pxd").read_text()
    body = re.search(rf"cdef enum {enum}:.*?\n\n", text, re.DOTALL).group()
    found = re.findall(r"^    (\w+) = (\d+)", body, re.MULTILINE)
    other = {
        "funding_payment": "funding", "adl_profit": "adl", "settlement_profit": "settlement", "no_reason": "",
        "own_order": "own", "by_liquidation": "liquidation", "by_takeover": "takeover", "by_adl": "adl",
        "by_settlement": "settlement", "adl_counterparties": "adl", "forced_order": "forced",
        "gtc": "GTC", "ioc": "IOC", "fok": "FOK", "gtd": "GTD",
    }  # fmt: skip
    names = [other.get(name.lower(), name.lower()) for name, _ in found]
    numbers = [int(number) for _, number in found]
    assert names == [word.lower() if enum == "Reason" else word for word in words]
    assert numbers == [1 << i for i in range(len(words))] if enum == "OrderFlag" else numbers == list(range(len(words)))


@pytest.mark.parametrize("name", sorted(API))
def test_tables_begin_with_the_columns_of_the_interface(carry, name):
    wanted = API[name].split()
    assert list(getattr(carry, name).columns[: len(wanted)]) == wanted


@pytest.mark.parametrize("name", g.FRAMES)
def test_every_table_can_be_asked_for_full_and_empty(carry, name):
    for result in (carry, g.empty().finish()):
        frame = getattr(result, name)
        assert isinstance(frame, pd.DataFrame)
        assert not frame.columns.duplicated().any()
    full = getattr(carry, name)
    assert set(full.attrs["units"]) <= set(full.columns)
    for column in full.columns:
        if column in ("time", "submitted", "entry_time", "exit_time"):
            assert str(full[column].dt.tz) == "UTC"


def test_indices_become_names_and_mantissas_numbers(carry):
    fill = carry.fills.iloc[2]
    assert (fill.account, fill.symbol, fill.fee_asset, fill.tag) == ("binance_coinm", "BTC/USD:BTC", "BTC", "carry")
    assert (fill.price, fill.quantity, fill.side, fill.fee) == (60_000.0, 600.0, -1, 0.0005)
    assert fill.time == pd.Timestamp("2025-02-21", tz="UTC")
    assert not fill.is_maker
    assert (fill.forced, fill.leg) == ("own", "net")
    payment = carry.funding.iloc[1]
    assert (payment.rate, payment.asset) == (-0.00005, "BTC")


def test_none_is_missing_and_not_a_name(carry):
    assert pd.isna(carry.ledger.iloc[0].tag)
    assert pd.isna(carry.margin.iloc[0].symbol)
    assert np.isnan(g.ruin().finish().liquidations.iloc[0].bankruptcy)


def test_units_say_the_asset_when_there_is_one_and_the_column_when_there_are_several(carry):
    assert carry.fills.attrs["units"]["fee"] == "asset in column fee_asset"
    one = g.ruin().finish()
    assert one.fills.attrs["units"]["fee"] == "USDT"
    assert one.fills.attrs["units"]["time"] == "UTC"


@given(st.integers(-(2**63) + 1, 2**63 - 1), st.integers(0, 18))
def test_a_mantissa_becomes_the_nearest_float(mantissa, scale):
    exact = Decimal(mantissa).scaleb(-scale)
    assert scaled(np.array([mantissa], dtype=np.int64), np.array([scale], dtype=np.int64))[0] == float(exact)


def test_orders_have_one_row_each_in_the_final_state(carry):
    orders = carry.orders
    assert orders.order.is_unique
    rejected = orders[orders.status == "rejected"]
    assert rejected.reason.tolist() == ["INSUFFICIENT_MARGIN"]
    assert rejected.average_price.isna().all()
    filled = orders[orders.status == "filled"]
    assert filled.average_price.tolist() == pytest.approx(filled.price.tolist())
    assert len(carry.order_events) == 2 * len(orders)


def test_a_table_that_is_not_of_a_result_is_refused():
    meta, arrays = g.parts(g.empty())
    with pytest.raises(ConfigError, match="no table 'trades'"):
        Result(meta, arrays | {"trades": arrays["fills"]})


def test_a_table_without_one_of_its_columns_is_refused():
    meta, arrays = g.parts(g.empty())
    fills = np.zeros(1, dtype=[("time", "<i8"), ("price", "<i8")])
    with pytest.raises(ConfigError, match="table 'fills' of a result: no column order, quantity"):
        Result(meta, arrays | {"fills": fills})


# Round trips


def test_a_round_trip_counts_its_own_funding_fees_and_profit():
    run = g.Run().begin(usdm_usdt=10_000 * 10**8)
    run.at(g.HOUR).fill(g.LINEAR, 1_000, 6_000_000, fee=3 * 10**8)
    run.at(2 * g.HOUR).fund(g.LINEAR, 10_000)  # -6
    run.at(3 * g.HOUR).fill(g.LINEAR, -1_000, 6_100_000, fee=4 * 10**8)
    trade = run.finish().trades.iloc[0]
    assert (trade.realized_pnl, trade.funding, trade.fees, trade.pnl) == (1_000, -6, 7, 987)
    assert (trade.entry_price, trade.exit_price, trade.side, trade.quantity) == (60_000, 61_000, 1, 1)


def test_funding_at_the_instant_of_a_fill_goes_to_the_position_before_it():
    run = g.Run().begin(usdm_usdt=10_000 * 10**8)
    run.at(g.HOUR).fill(g.LINEAR, 1_000, 6_000_000)
    run.at(8 * g.HOUR).fund(g.LINEAR, 10_000)
    run.fill(g.LINEAR, -1_000, 6_000_000)
    run.fill(g.LINEAR, -2_000, 6_000_000)
    run.at(9 * g.HOUR).fill(g.LINEAR, 2_000, 6_000_000)
    trades = run.finish().trades
    assert trades.funding.tolist() == [-6, 0]


def test_a_fill_that_turns_the_position_ends_one_trip_and_begins_another():
    run = g.Run().begin(usdm_usdt=10_000 * 10**8)
    run.at(g.HOUR).fill(g.LINEAR, 1_000, 6_000_000)
    run.at(2 * g.HOUR).fill(g.LINEAR, -3_000, 6_100_000, fee=3 * 10**8)
    run.at(3 * g.HOUR).fill(g.LINEAR, 2_000, 6_000_000)
    trades = run.finish().trades
    assert trades.side.tolist() == [1, -1]
    assert trades.realized_pnl.tolist() == [1_000, 2_000]
    assert trades.fees.tolist() == [1, 2]  # shared by quantity
    assert trades.exit_time[0] == trades.entry_time[1]


def test_a_position_still_open_at_the_end_is_not_a_trade():
    run = g.Run().begin(usdm_usdt=10_000 * 10**8)
    run.at(g.HOUR).fill(g.LINEAR, -1_000, 6_000_000)
    run.at(2 * g.HOUR).fill(g.LINEAR, 400, 5_900_000)
    result = run.finish()
    assert result.trades.empty
    position = result.positions.iloc[0]
    assert position.is_open
    assert (position.held, position.quantity, position.side) == (-0.6, 1.0, -1)
    assert position.realized_pnl == 400
    assert pd.isna(position.exit_time)


def test_average_prices_of_an_inverse_trip_are_harmonic():
    run = g.Run().begin(coinm_btc=10**8)
    run.at(g.HOUR).fill(g.INVERSE, 100, 400_000)
    run.at(2 * g.HOUR).fill(g.INVERSE, 100, 600_000)
    run.at(3 * g.HOUR).fill(g.INVERSE, -200, 480_000)
    trade = run.finish().trades.iloc[0]
    assert trade.entry_price == pytest.approx(48_000)
    assert trade.realized_pnl == pytest.approx(0.0, abs=1e-8)


def test_excursions_come_from_the_samples_while_it_was_open():
    run = g.Run().begin(usdm_usdt=100_000 * 10**8)
    run.at(g.HOUR).fill(g.LINEAR, -1_000, 6_000_000)
    for hour, mark in ((2, 6_600_000), (3, 5_700_000)):
        run.at(hour * g.HOUR).marks[g.LINEAR] = mark
        run.sample()
    run.at(4 * g.HOUR).fill(g.LINEAR, 1_000, 5_800_000)
    run.at(5 * g.HOUR).marks[g.LINEAR] = 9_000_000
    run.sample()
    trade = run.finish().trades.iloc[0]
    assert (trade.mae, trade.mfe) == (pytest.approx(-0.10), pytest.approx(0.05))


def test_a_trip_closed_by_force_says_so():
    assert g.ruin().finish().trades.exit_reason.tolist() == ["liquidation"]


def test_fees_in_another_asset_are_counted_at_their_price():
    meta, arrays = g.parts(g.carry())
    arrays["fills"]["fee_asset"][0] = g.BTC  # 15 BTC at 60,000
    trips = Result(meta, arrays).positions
    linear = trips[trips.symbol == "BTC/USDT:USDT"].iloc[0]
    assert linear.fees == pytest.approx(15 * 60_000 + 2 * 5 / 7)


# Figures


def test_the_summary_has_stable_keys_and_adds_up(carry):
    found = carry.summary
    assert tuple(found) == KEYS
    assert list(KEYS[: len(SUMMARY.split())]) == SUMMARY.split()
    lines = ("price_pnl", "slippage", "funding", "fees", "interest", "liquidation_costs", "adl", "settlement",
             "venue_failure", "conversion", "revaluation")  # fmt: skip
    assert sum(found[line] for line in lines) == pytest.approx(found["change"])
    ended = found["start_equity"] + found["change"] + found["deposits"] + found["withdrawals"]
    assert found["end_equity"] == pytest.approx(ended)
    assert found["end_equity"] == pytest.approx(carry.equity.equity.iloc[-1])


def test_deposits_do_not_enter_the_return(carry):
    whole = carry.equity.equity.iloc[-1] / carry.equity.equity.iloc[0] - 1
    assert carry.summary["return"] < whole - 0.02  # 5,000 in and 1,000 out of 140,000
    assert float((1 + carry.returns()).prod() - 1) == pytest.approx(carry.summary["return"])


@pytest.mark.parametrize("is_after", [True, False], ids=["sampled after the deposit", "sampled before it"])
def test_a_deposit_at_the_instant_of_a_sample_earns_nothing(is_after):
    run = g.Run().begin(usdm_usdt=1_000 * 10**8)
    run.at(g.HOUR)
    if is_after:
        run.deposit(g.USDM, g.USDT, 500 * 10**8)
    run.sample()
    if not is_after:
        run.deposit(g.USDM, g.USDT, 500 * 10**8)
    run.at(2 * g.HOUR).sample()
    run.at(3 * g.HOUR)
    found = run.finish().summary
    assert (found["return"], found["max_drawdown"], found["deposits"]) == (0, 0, 500)


def test_samples_before_and_after_a_deposit_of_one_instant_earn_nothing():
    run = g.Run().begin(usdm_usdt=1_000 * 10**8)
    run.at(g.HOUR).sample()
    run.deposit(g.USDM, g.USDT, 500 * 10**8)
    run.sample()
    run.at(2 * g.HOUR)
    found = run.finish().summary
    assert (found["return"], found["max_drawdown"]) == (0, 0)


def test_the_curve_ends_at_the_end_even_when_the_last_sample_does_not():
    run = g.Run().begin(usdm_usdt=1_000 * 10**8)
    run.at(g.HOUR).fill(g.LINEAR, 100, 6_000_000, decision=6_000_000)
    run.at(90 * g.HOUR // 60).fill(g.LINEAR, -100, 5_900_000, decision=5_900_000)
    run.sample()
    run.at(2 * g.HOUR)
    meta, arrays = g.parts(run)
    whole = Result(meta, arrays).summary
    late = arrays["equity"][-1:].copy()
    late["time"] -= g.HOUR // 120  # stamped with its place on a grid
    for equity in (np.r_[arrays["equity"][:1], late], arrays["equity"][:1]):
        result = Result(meta, arrays | {"equity": equity})
        assert result.curve.times[-1] == g.START + 2 * g.HOUR
        assert result.summary["return"] == whole["return"] == pytest.approx(-0.1)


def test_a_ruined_run_says_what_was_lost_and_who_paid():
    found = g.ruin().finish().summary
    assert (found["return"], found["max_drawdown"], found["end_equity"]) == (-1.0, -1.0, 0.0)
    assert (found["liquidations"], found["shortfall"], found["insurance_paid"]) == (1, 600.0, 600.0)
    assert (found["min_distance"], found["max_margin_ratio"], found["margin_calls"]) == (0.0, 1.0, 1)


def test_steps_of_one_liquidation_count_once_and_deleveraging_not():
    run = g.ruin()
    run.liquidation(g.LINEAR, price=5_640_000, quantity=1, step=2)
    run.liquidation(g.LINEAR, price=5_640_000, quantity=1, step=1, episode=2, what="adl")
    found = run.finish().summary
    assert (found["liquidations"], found["adl_events"]) == (1, 1)


def test_an_empty_run_has_a_whole_summary():
    found = g.empty().finish().summary
    assert (found["return"], found["max_drawdown"], found["fills"], found["time_in_market"]) == (0, 0, 0, 0)
    assert found["min_distance"] == np.inf


def test_turnover_counts_contracts_at_their_size():
    run = g.Run(reporting="USD").begin(coinm_btc=10**8)
    run.at(g.HOUR).fill(g.INVERSE, -600, 600_000)
    assert run.finish().summary["turnover"] == pytest.approx(60_000)


def test_time_in_market_counts_overlapping_positions_once():
    run = g.Run().begin(usdm_usdt=10**12, coinm_btc=10**8)
    run.at(6 * g.HOUR).fill(g.LINEAR, 100, 6_000_000)
    run.at(8 * g.HOUR).fill(g.INVERSE, 100, 600_000)
    run.at(12 * g.HOUR).fill(g.LINEAR, -100, 6_000_000)
    run.fill(g.INVERSE, -100, 600_000)
    run.at(24 * g.HOUR)
    assert run.finish().summary["time_in_market"] == 0.25


def test_two_reads_of_the_summary_do_not_share_it(carry):
    carry.summary["return"] = 5.0
    assert carry.summary["return"] != 5.0


# The screen


def test_the_screen_begins_with_the_assumptions_and_marks_choices(carry):
    lines = str(carry).splitlines()
    assert lines[0].startswith("ASSUMPTIONS")
    assert any(line.startswith("* mark") and "no mark in the data" in line for line in lines)
    assert any(line.startswith("  fills") for line in lines)
    assert max(map(len, lines)) <= 100
    assert not [line for line in lines if line != line.rstrip()]


def test_a_long_assumption_is_wrapped_under_its_value():
    run = g.empty()
    note = "word " * 40
    run.meta = {"assumptions": [{"name": "fills", "value": "next trade", "note": note.strip(), "is_choice": False}]}
    lines = str(run.finish()).splitlines()
    assert lines[1].startswith("  fills  next trade (word")
    assert lines[2].startswith(" " * 9 + "word")
    assert max(map(len, lines)) <= 100
    assert not [line for line in lines if line != line.rstrip()]


def test_the_lines_of_the_screen_add_up_to_the_cent(carry):
    text = str(carry)
    block = text[text.index("WHERE IT CAME FROM") :].splitlines()[1:]
    block = block[: next(i for i, line in enumerate(block) if "change of equity" in line) + 1]
    amounts = [Decimal(line.split()[-1].replace(",", "")) for line in block]
    assert sum(amounts[:-1]) == amounts[-1]


def test_the_screen_never_shows_the_total_of_price_and_slippage(carry):
    total = carry.summary["price_pnl"] + carry.summary["slippage"]
    assert f"{total:,.2f}" not in str(carry)


@pytest.mark.parametrize("make", [g.carry, g.ruin, g.empty], ids=["carry", "ruin", "empty"])
def test_the_screen_fits_the_screen_and_shows_no_nan(make):
    run = make()
    run.meta = {"findings": ["the fund was exhausted"], "warnings": ["a gap of 3 minutes was skipped"]}
    text = str(run.finish())
    assert len(text.splitlines()) < 50
    assert "nan" not in text.lower()
    assert "the fund was exhausted" in text
    assert "a gap of 3 minutes" in text
