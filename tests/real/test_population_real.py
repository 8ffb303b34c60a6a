"""A hundred thousand accounts on the tape of a crash: who is closed, what adds up, what own sales do to the mark.

Only the trades are real. The accounts, their leverages and the tiers are stated here; marks are the last trades.
"""

from pathlib import Path

import numpy as np
import pytest
from crash_tapes import Tape, load, ns, rules, stamp, stated_funding
from crowds import Idle
from engine_data import COINM, account, run, totals

from backtest import Crowd, Result
from backtest.lab.positions import Population, population
from backtest.scenario import Step
from backtest.scenarios import LagEngine
from feeds.dataset import Dataset

COUNT, RATE, SIZE = 100_000, 0.01, 10
START = ns("20:00")


@pytest.fixture(scope="module", params=["BCH", "AVAX"])
def tape(request: pytest.FixtureRequest, real_data: Path) -> Tape:
    """BCH fell by a quarter, AVAX by more than two thirds, in leaps beyond many bankruptcy prices."""
    return load(real_data)[request.param]


@pytest.fixture(scope="module")
def people(tape: Tape) -> Population:
    """Longs and shorts of 3 contracts each, leverages from 1.5 to 20, opened at the price of 20:00."""
    entry = float(tape.price(tape.first_after(START)))
    leverage = np.geomspace(1.5, 20.0, COUNT // 2).repeat(2)
    value = 3.0 * SIZE
    return population(
        {
            "symbol": tape.symbol, "contract": "inverse", "side": np.tile([1.0, -1.0], COUNT // 2),
            "quantity": np.full(COUNT, value), "entry": np.full(COUNT, entry), "mmr": np.full(COUNT, RATE),
            "collateral": value / entry / leverage,
        }
    )  # fmt: skip


def lived(tape: Tape, crowd: Crowd, *steps: Step, fund: float = 1_000_000, adl: str = "off") -> Result:
    data: Dataset = tape.trades + stated_funding(tape.symbol)
    given = account(rules(tape.coin), {tape.coin: 10}, insurance_fund={tape.coin: fund}, adl=adl)
    return run(data, Idle(), given, population=crowd, mark="last", start=START, prices={tape.coin: 100.0},
               scenario=steps)  # fmt: skip


@pytest.fixture(scope="module")
def still(tape: Tape, people: Population) -> Result:
    return lived(tape, Crowd(people))


def test_without_own_impact_the_tape_closes_the_static_count(tape, people, still):
    after = tape.frame["cents"].to_numpy()[tape.first_after(START - 1) :] / 100.0
    leverage = people.quantity / people.entry / people.collateral
    # E (1 + m) / (1 + 1/L) and E (1 - m) / (1 - 1/L), LL-01
    trigger = people.entry * (1.0 + people.side * RATE) / (1.0 + people.side / leverage)
    crossed = np.where(people.side > 0, after.min() <= trigger, after.max() >= trigger)
    near = np.abs(trigger / np.where(people.side > 0, after.min(), after.max()) - 1.0) < 1e-6
    found = set(still.population["member"])
    assert found ^ set(np.flatnonzero(crossed)) <= set(np.flatnonzero(near))
    assert still.meta["population"]["liquidated"] == len(found) > 20_000


@pytest.mark.parametrize("delay", [None, "20s"])
def test_liquidated_notional_bad_debt_and_fund_add_up_with_the_ledger(tape, people, still, delay):
    if delay is not None:
        still = lived(tape, Crowd(people), LagEngine(venue=COINM, delay=delay))
        assert still.population["shortfall"].sum() > 0.0  # a late engine turns the same tape into bad debt
    sums, of = totals(still)
    assert sums == {tape.coin: 0}
    found, raw = still.meta["population"], still.store.columns("population")
    population_row, fund_row = f"{COINM} population", f"{COINM} insurance_fund"
    assert found["wallets"][tape.coin] == of[tape.coin, population_row]
    assert sum(found["bad_debt"].get(tape.coin, {}).values()) == int(raw["shortfall"].sum())
    ledger = still.ledger
    fees = round(1e8 * -ledger.loc[ledger["kind"] == "liquidation_fee", "amount"].sum())
    assert fees == int(raw["fee"].sum())
    paid = round(1e8 * ledger.loc[(ledger["kind"] == "insurance"), "amount"].where(ledger["account"] == fund_row).sum())
    rests = round(
        1e8 * ledger.loc[(ledger["kind"] == "insurance"), "amount"].where(ledger["account"] != fund_row).sum()
    )
    assert of[tape.coin, fund_row] == 10**14 + fees + paid - rests
    table = still.population
    forced = table[table["what"] != "adl"]
    closed = found["closed"][f"{tape.symbol}@{COINM}"]
    assert closed["long"] + closed["short"] == forced["quantity"].abs().sum()
    assert closed["notional"] == pytest.approx((forced["quantity"].abs() * SIZE / forced["price"]).sum())


def test_most_longs_go_in_the_minutes_of_the_cascade(still):
    longs = still.population[still.population["quantity"] > 0]
    minutes = longs["time"].dt.floor("10min").value_counts()
    assert stamp(minutes.index[0]).startswith("21:1")
    assert minutes.iloc[0] > 0.5 * len(longs)


def test_with_own_impact_more_are_closed_and_the_result_is_deterministic(tape, people, still):
    symbol = tape.symbol
    crowd = Crowd(people, mark_depth={symbol: 3_000_000.0}, refill=0.01)
    moved = lived(tape, crowd)
    if tape.coin == "BCH":  # of AVAX every long is closed anyway
        assert moved.meta["population"]["liquidated"] > still.meta["population"]["liquidated"]
    assert moved.meta["population"]["largest_shift"][f"{symbol}@{COINM}"] > 0.0
    assert totals(moved)[0] == {tape.coin: 0}
    again = lived(tape, crowd)
    assert again.store.columns("population")["price"].tobytes() == moved.store.columns("population")["price"].tobytes()


def test_an_exhausted_fund_is_followed_by_winners_of_the_other_side(tape, people):
    late = LagEngine(venue=COINM, delay="20s")
    found = lived(tape, Crowd(people), late, fund=0.5, adl="population")
    assert totals(found)[0] == {tape.coin: 0}
    table = found.population
    taken, closed = table[table["paid_by"] == "adl"], table[table["what"] == "adl"]
    assert len(taken) > 0
    assert len(closed) > 0
    assert set(np.sign(closed["quantity"])) == {-1.0}  # shorts won
    # what winners gave up on the way from their mark to the bankruptcy price is what the fund lacked
    kept = found.ledger[(found.ledger["kind"] == "insurance") & (found.ledger["account"] == f"{COINM} insurance_fund")]
    fees = found.ledger.loc[found.ledger["kind"] == "liquidation_fee", "amount"].abs().sum()
    # but for rests of prices that are rounded to cents
    lacked = found.ledger.loc[found.ledger["kind"] == "unfunded_loss", "amount"].sum()
    assert -kept["amount"].sum() <= 0.5 + fees + lacked
    assert lacked < 1e-3 * taken["shortfall"].sum()
    assert found.meta["population"]["bad_debt"][tape.coin]["adl"] == round(1e8 * taken["shortfall"].sum())
    # contract for contract, at the price of the bankrupt side
    moved = closed.groupby(["time", "price"])["quantity"].sum()
    offered = taken.groupby(["time", "price"])["quantity"].sum()
    assert (moved.abs() <= offered.reindex(moved.index)).all()
    ranks = closed.groupby("time")["member"].nunique()
    assert ranks.max() > 1
