"""The comparer: each account runs as it would alone, on its own data first, and what stands in is named."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import feeds
import venues
from backtest import Backtest, ConfigError, Result, Strategy, compare
from backtest.comparison import COLUMNS
from backtest.stand_ins import counterpart, readdress, renamed
from venues import get

COIN = "BTC/USDT:USDT"
START = pd.Timestamp("2024-01-01", tz="UTC")


class Hold(Strategy):
    symbol: str = COIN
    leverage: float = 4.0

    def on_start(self):
        self.once("1m")

    def on_timer(self, timer):
        self.target(self.symbol, leverage=self.leverage)


def market(prices, *, venue="binance_usdm", symbol=COIN, rate=0.0005):
    """Trades and marks each minute, funding each eight hours."""
    at = START + pd.to_timedelta(np.arange(len(prices)), unit="min")
    trades = pd.DataFrame({"price": prices, "quantity": 1000.001, "side": 1}, index=at + pd.Timedelta("1s"))
    marks = pd.DataFrame({"price": prices}, index=at)
    funded = pd.date_range(START, at[-1], freq="8h")
    funding = pd.DataFrame({"rate": rate}, index=funded)
    place = {"venue": venue, "symbol": symbol}
    return sum(
        (
            feeds.from_pandas(frame, kind=kind, **place)
            for frame, kind in ((trades, "trades"), (marks, "mark"), (funding, "funding"))
        ),
        feeds.Dataset([]),
    )


def falling(depth=0.25, minutes=1200):
    """A fall to 1 - depth at the middle, and back."""
    half = np.linspace(0.0, depth, minutes // 2)
    return np.round(60_000 * (1 - np.r_[half, half[::-1]]), 1)


def account(name, **more):
    return venues.Venue(name, **({"balances": {"USDT": 10_000}, "missing_tiers": "nearest"} | more))


def test_each_account_runs_as_it_would_alone():
    data = market(falling())
    found = compare(data, Hold(), [account("binance_usdm"), account("bybit")])
    alone = Backtest(data, Hold(), venues=account("binance_usdm")).run()
    assert found.results["binance_usdm"].summary == alone.summary
    assert found.results["binance_usdm"].fingerprint == alone.fingerprint
    moved = sum((feeds.Dataset([s.relabelled("bybit", COIN)]) for s in data.streams), feeds.Dataset([]))
    other = Backtest(moved, Hold(), venues=account("bybit")).run()
    assert found.results["bybit"].summary == other.summary
    assert other.summary["fees"] < alone.summary["fees"]


def test_the_table_says_who_is_closed_when_and_what_it_took():
    found = compare(
        market(falling(0.15)),
        Hold(),
        {"cross": account("binance_usdm"), "isolated": account("binance_usdm", margin_mode="isolated")},
    )
    table = found.table
    assert list(table.index) == ["cross", "isolated"]
    assert list(table.columns) == list(COLUMNS) == list(table.attrs["units"])
    assert table.loc["cross", "liquidations"] == 0
    assert pd.isna(table.loc["cross", "first_liquidation"])
    assert table.loc["isolated", "liquidations"] == 1
    forced = found.results["isolated"].liquidations.iloc[0]
    assert table.loc["isolated", "first_liquidation"] == forced["time"]
    assert table.loc["isolated", "liquidation_mark"] == forced["trigger_mark"]
    for label, result in found.results.items():
        assert table.loc[label, "capital"] == pytest.approx(result.margin["initial"].max())
        assert table.loc[label, "efficiency"] == pytest.approx(
            result.summary["change"] / result.margin["initial"].max()
        )


def test_the_reason_for_which_most_orders_are_refused_is_said():
    class Many(Hold):
        def on_timer(self, timer):
            for _ in range(3):
                self.buy(COIN, quantity=1000)
            self.buy(COIN, quantity=0.00001)

    found = compare(market(falling(0.1)), Many(), [account("binance_usdm"), account("bybit", leverage=5)])
    assert set(found.table["rejected_orders"]) == {4}
    assert set(found.table["rejected_for"]) <= {"INSUFFICIENT_MARGIN", "POSITION_LIMIT", "ABOVE_MAXIMUM"}


def test_capital_is_what_all_pools_need_at_the_same_time():
    class Two(Strategy):
        def on_start(self):
            self.once("1m")

        def on_timer(self, timer):
            self.target(COIN, leverage=1)
            self.target("ETH/USDT:USDT", leverage=1)

    data = market(falling(0.02)) + market(falling(0.02) / 20, symbol="ETH/USDT:USDT")
    isolated = account("binance_usdm", margin_mode="isolated", leverage=10)
    found = compare(data, Two(), [isolated])
    margin = found.results["binance_usdm"].margin
    apart = margin.groupby(["time", "symbol"])["initial"].last().unstack().ffill().sum(axis=1)
    assert found.table["capital"].iloc[0] == pytest.approx(apart.max())
    assert found.table["capital"].iloc[0] > 1.5 * margin["initial"].max()


def test_rows_of_a_venue_itself_come_before_those_that_stand_in():
    prices = falling(0.1)
    own = market(prices * 0.999, venue="bybit")
    found = compare(market(prices) + own.select(kinds="mark"), Hold(), [account("binance_usdm"), account("bybit")])
    assert found.base == "binance_usdm"
    assert [row.kind for row in found.stand_ins["bybit"]] == ["trades", "funding"]
    assert {row.source for row in found.stand_ins["bybit"]} == {f"{COIN}@binance_usdm"}
    assert found.notes() == [f"bybit: {COIN} reads trades, funding of {COIN}@binance_usdm"]
    marks = {label: result.exposure["mark"].iloc[-1] for label, result in found.results.items()}
    assert marks["bybit"] == pytest.approx(0.999 * marks["binance_usdm"])
    assert compare(market(prices) + own, Hold(), [account("binance_usdm"), account("bybit")]).notes() == []


def test_symbols_balances_and_addresses_are_those_of_the_other_venue():
    accounts = [account("binance_usdm"), account("bybit", balances={"USDC": 10_000}, leverage=5)]
    pairs = {"bybit": {COIN: "BTC/USDC:USDC"}}
    for symbol in (COIN, f"{COIN}@binance_usdm"):
        found = compare(market(falling(0.1)), Hold(symbol=symbol), accounts, symbols=pairs, mark={COIN: "last"})
        assert set(found.results["bybit"].fills["symbol"]) == {"BTC/USDC:USDC"}
        assert list(found.table["reporting"]) == ["USDT", "USDC"]
    assert renamed(["a", (COIN,), 3], "binance_usdm", "bybit", pairs["bybit"]) == ["a", ("BTC/USDC:USDC",), 3]
    assert renamed(f"{COIN}@okx", "binance_usdm", "bybit", pairs["bybit"]) == f"{COIN}@okx"


def test_other_accounts_of_a_label_stay_as_they_are():
    class Carry(Strategy):
        def on_start(self):
            self.once("1m")

        def on_timer(self, timer):
            self.buy("BTC/USDT", quantity=0.05)
            self.sell(COIN, quantity=0.05)

    spot = market(falling(0.1), venue="binance_spot", symbol="BTC/USDT").select(kinds="trades")
    wallet = venues.Venue("binance_spot", balances={"USDT": 10_000})
    labels = {name: [account(name), wallet] for name in ("binance_usdm", "bybit")}
    found = compare(market(falling(0.1)) + spot, Carry(), labels)
    for label, result in found.results.items():
        assert len(result.fills) == 2
        assert {row["venue"] for row in result.meta["accounts"] if row["role"] == "user"} == {label, "binance_spot"}
    assert {row.symbol for row in found.stand_ins["bybit"]} == {COIN}


def test_contracts_of_the_same_kind_are_found_by_their_base():
    assert counterpart(COIN, get("bybit")) == COIN
    assert counterpart("BTC/USD:BTC", get("binance_coinm")) == "BTC/USD:BTC"
    assert counterpart("BTC/USD:BTC-250627", get("bybit")) == "BTC/USD:BTC-250627"
    assert counterpart("USDT/USD", get("bybit")) == "USDT/USD"
    with pytest.raises(ConfigError, match=r"binance_coinm lists no linear contract that is BTC/USDT:USDT"):
        counterpart(COIN, get("binance_coinm"))


def test_rules_of_the_base_venue_stay_behind():
    tiers = pd.DataFrame(
        {"floor": [0.0], "maintenance_rate": [0.2], "max_leverage": [3.0], "amount": [0.0]}, index=[START]
    )
    data = market(falling(0.1)) + feeds.from_pandas(tiers, kind="tiers", venue="binance_usdm", symbol=COIN)
    moved = readdress(data, "binance_usdm", get("bybit"))
    assert len(data.tiers) == 1
    assert moved.data.tiers == ()
    own = readdress(data, "binance_usdm", get("binance_usdm"))
    assert own.data.fingerprint == data.fingerprint
    assert own.stand_ins == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"venues": []}, "at least one account"),
        ({"venues": ["bybit"]}, r"takes venues.Venue\(...\), got str"),
        ({"venues": [account("bybit"), account("bybit")]}, "two accounts are 'bybit cross'"),
        ({"base": "okx"}, "base='okx' is not in the data; they are of binance_usdm"),
        ({"symbols": {"okx": {}}}, r"symbols names 'okx', which is not compared \(binance_usdm\)"),
        ({"symbols": {"binance_usdm": {"X/USDT:USDT": COIN}}}, "'X/USDT:USDT', which is not in the data of binance"),
        ({"mark": "lats"}, "must be feed, last, index, formula or feed.impact, got .lats."),
    ],
)
def test_what_cannot_be_compared_is_said(arguments, message):
    given = {"venues": [account("binance_usdm")], **arguments}
    with pytest.raises(ConfigError, match=message):
        compare(market(falling(0.1)), Hold(), **given)


def test_data_of_several_venues_need_a_base():
    both = market(falling(0.1)) + market(falling(0.1), venue="okx")
    with pytest.raises(ConfigError, match="contracts of binance_usdm, okx, none of bybit; say whose"):
        compare(both, Hold(), [account("bybit")])
    assert compare(both, Hold(), [account("bybit")], base="okx").base == "okx"


def test_every_account_that_cannot_run_is_named_at_once():
    accounts = {
        "no tiers": account("bybit", missing_tiers="error"),
        "too much": account("binance_usdm", leverage=500),
        "well": account("binance_usdm"),
    }
    data = market(falling(0.1), symbol="DOGE/USDT:USDT")
    with pytest.raises(ConfigError) as found:
        compare(data, Hold(symbol="DOGE/USDT:USDT"), accounts)
    lines = str(found.value).splitlines()
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["no tiers", "too much"]
    assert "missing_tiers='nearest'" in lines[1]


def test_everything_is_saved_and_the_results_come_back(tmp_path: Path):
    found = compare(market(falling()), Hold(), {"<b>a": account("binance_usdm"), "b": account("bybit")})
    page, table, *folders = found.save(tmp_path / "out")
    text = page.read_text()
    assert "&lt;b&gt;a" in text
    assert "<b>a" not in text
    assert "http" not in text.replace("http-equiv", "")
    assert text.count('class="chart"') == 3
    read = pd.read_csv(table, index_col="venue")
    assert list(read["end_equity"]) == pytest.approx(list(found.table["end_equity"]))
    assert [path.name for path in folders] == ["-b-a", "b"]
    assert Result.load(folders[1]).summary == found.results["b"].summary
    assert str(found).endswith(found.notes()[-1])


def test_results_of_any_kind_stand_side_by_side(levdyn, tmp_path):
    from backtest import Backtest, side_by_side
    from backtest.demo import BuyAndHold

    def ran(leverage, days):
        account = venues.Venue("binance_usdm", balances={"USDT": 10_000})
        data = feeds.sample(symbols=["BTC/USDT:USDT"], days=days)
        return Backtest(data, BuyAndHold(leverage=leverage), venues=account).run()

    survival = {"1x": ran(1, 2), "3x": ran(3, 2), "longer": ran(1, 3)}
    found = side_by_side({name: survival[name] for name in ("1x", "3x")})
    assert found.table.index.to_list() == ["1x", "3x"]
    assert found.notes() == []
    assert side_by_side(survival).notes() == ["The runs have different data.", "The runs have different spans."]
    with pytest.raises(ConfigError, match="at least two"):
        side_by_side({"one": survival["1x"]})
    for name, result in survival.items():
        result.save(tmp_path / name)
    done = levdyn("report", "1x", "3x", "longer", "--out", "all.html", "--still")
    assert done.code == 0, done.err
    page = (tmp_path / "all.html").read_text()
    assert "The runs have different data." in page
    for name, result in survival.items():
        assert name in page
        assert f"{result.summary['end_equity']:,.2f}" in page
    assert "--out" in levdyn("report", "1x", "3x").err
    assert "named twice" in levdyn("report", "1x", "1x", "--out", "x.html").err
