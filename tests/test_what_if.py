"""The same run with other costs: each is what a run with those costs is, and what has no effect is left out."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import feeds
import venues
from backtest import Backtest, Strategy
from backtest.what_if import AS_IT_IS, CHANGES, COLUMNS, cells, said

COIN = "BTC/USDT:USDT"


class Turns(Strategy):
    def on_start(self):
        self.every("8h")

    def on_timer(self, timer):
        self.target(COIN, leverage=0 if self.position(COIN).quantity else 2)


def account(**more):
    return venues.Venue("binance_usdm", balances={"USDT": 10_000}, **more)


def sample():
    return feeds.sample(days=4, trades_per_day=2_000, symbols=[COIN])


@pytest.fixture(scope="module")
def found():
    return Backtest(sample(), Turns(), venues=account(latency="20ms")).what_if()


def test_every_change_is_a_run_of_its_own(found):
    assert list(found.results) == [AS_IT_IS, *(name for name in CHANGES if name != "half the volume")]
    assert found.left_out == {"half the volume": "the data have no bars"}
    assert list(found.table.columns) == list(COLUMNS)
    same = Backtest(sample(), Turns(), venues=account(latency="20ms")).run()
    assert found.result.summary == same.summary
    assert found.table.loc[AS_IT_IS, "difference"] == 0.0


def test_they_are_what_runs_with_those_costs_are(found):
    def ended(data, **more):
        return Backtest(data, Turns(), venues=account(**more)).run().summary

    data = sample()
    latency = {"latency": "20ms"}
    by_hand = {
        "no fees": ended(data, fees=(0, 0), **latency),
        "fees x 2": ended(data, fees=(0.0004, 0.001), **latency),
        "no slippage": ended(data, slippage=0, **latency),
        "slippage x 2": ended(data, slippage=4, **latency),
        "latency x 5": ended(data, latency="100ms"),
    }
    for name, summary in by_hand.items():
        assert found.results[name].summary == summary, name
    assert found.table.loc["no fees", "fees"] == 0.0
    assert found.table.loc["fees x 2", "fees"] == pytest.approx(2 * found.table.loc[AS_IT_IS, "fees"], rel=0.02)
    assert found.table.loc["fees x 2", "difference"] < 0 < found.table.loc["no fees", "difference"]


def test_funding_of_the_other_sign_is_paid_by_the_other_side(found):
    ours, theirs = found.result.funding, found.results["funding reversed"].funding
    assert list(theirs["rate"]) == list(-ours["rate"])
    assert ours["rate"].any()
    first = 0
    assert theirs["amount"][first] == pytest.approx(-ours["amount"][first])


def test_fees_of_every_level_date_and_instrument_are_multiplied():
    own = venues.Instrument(COIN, contract="linear", maker_fee=-0.0001, taker_fee=0.0003)
    rules = venues.get("binance_usdm").with_instrument(own)
    for venue, taker in (
        (account(fees="vip3"), venues.get("binance_usdm").fees("vip3", symbol=COIN).taker),
        (replace(account(), rules=rules), 0.0003),
        (account(fees=(0.0, 0.0007)), 0.0007),
    ):
        runs = Backtest(sample(), Turns(), venues=venue).what_if().results
        for name, factor in ((AS_IT_IS, 1), ("no fees", 0), ("fees x 2", 2)):
            fills = runs[name].fills
            rates = fills["fee"] / (fills["quantity"] * fills["price"])
            assert rates.to_numpy() == pytest.approx(np.full(len(fills), factor * taker), abs=1e-9), (name, taker)


def test_half_the_volume_of_bars_fills_half_as_much_in_each():
    hours = pd.date_range("2024-01-01", periods=48, freq="1h", tz="UTC")
    bars = pd.DataFrame({"open": 100.0, "high": 100.5, "low": 99.5, "close": 100.0, "volume": 400.0}, index=hours)
    data = feeds.from_pandas(bars, kind="bars:1h", venue="binance_usdm", symbol=COIN)

    class Buyer(Strategy):
        def on_start(self):
            self.once("1h")

        def on_timer(self, timer):
            self.buy(COIN, quantity=100)

    run = Backtest(data, Buyer(), venues=account(missing_tiers="nearest"), mark="last").what_if()
    filled = {name: result.fills["quantity"].iloc[0] for name, result in run.results.items()}
    assert filled["half the volume"] == pytest.approx(filled[AS_IT_IS] / 2)
    assert run.left_out == {
        "latency x 5": "latency is zero",
        "funding reversed": "the data have no funding rows",
    }


def test_break_even_fee_is_where_the_run_would_have_ended_where_it_began(found):
    summary = found.result.summary
    earned = summary["change"] - summary["fees"]
    assert found.break_even_fee * summary["turnover"] == pytest.approx(earned)
    assert any("bp of its turnover" in text for text in said(found))

    class Idle(Strategy):
        def on_start(self):
            self.once("1h")

        def on_timer(self, timer):
            pass

    idle = Backtest(sample(), Idle(), venues=account()).what_if()
    assert math.isnan(idle.break_even_fee)
    assert [text for text in said(idle) if "turnover" in text] == []


def test_it_stands_in_the_tear_sheet_and_on_the_screen(found, levdyn, tmp_path):
    page = found.result.tear_sheet(tmp_path / "sheet.html", what_if=found).read_text()
    assert 'id="what-if"' in page
    for row in cells(found):
        assert row[0] in page
        assert row[1] in page
    assert 'id="what-if"' not in found.result.tear_sheet(tmp_path / "plain.html").read_text()
    done = levdyn("run", "run.toml", "--what-if", "--json", "--out", tmp_path / "out")
    assert done.code == 0, done.err
    assert next(iter(done.json["what_if"])) == AS_IT_IS
    assert 'id="what-if"' in (tmp_path / "out" / "tear_sheet.html").read_text()
    shown = levdyn("run", "run.toml", "--what-if")
    assert "funding reversed" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 110
