"""The examples do what their first lines say, on the sample and on small made-up markets."""

import math

import numpy as np
import pandas as pd
import pytest
from engine_data import (
    CASH,
    COINM,
    HOUR,
    INVERSE,
    LINEAR,
    MINUTE,
    SPOT,
    USDM,
    Notes,
    account,
    bars,
    funding,
    marks,
    ns,
    points,
    run,
    trades,
)

import feeds
import venues
from backtest import Backtest
from strategies.basket import WeakBasket
from strategies.funding_arbitrage import FundingArbitrage
from strategies.funding_carry import CoinCarry, FundingCarry
from strategies.trend import TrendPyramid

DAYS = 10  # the sample's own length; its crash is on the sixth day


def sample(*symbols):
    """Return the sample's streams of some symbols."""
    return feeds.sample(symbols=symbols, days=DAYS)


def series(result, name):
    """Return the recorded values of a name."""
    rows = result.series
    return rows[rows["name"] == name].set_index("time")["value"]


def signed(fills):
    """Return the signed quantities of fills."""
    return fills["side"] * fills["quantity"]


# ---------------------------------------------------------------------------- carry


@pytest.fixture(scope="module")
def carry():
    accounts = [venues.Venue(USDM, balances={"USDT": 50_000}), venues.Venue(CASH, balances={"USDT": 50_000})]
    return Backtest(sample(LINEAR, SPOT), FundingCarry(), venues=accounts).run()


def test_carry_holds_as_many_coins_as_it_is_short(carry):
    delta = series(carry, "delta")
    held = carry.exposure[carry.exposure["symbol"] == LINEAR]["quantity"].abs().max()
    assert held > 0.7
    assert delta.abs().max() < 0.002 * held


def test_carry_earns_the_funding_and_nothing_from_the_price(carry):
    summary = carry.summary
    assert summary["funding"] == pytest.approx(carry.funding["amount"].sum())
    assert summary["funding"] > 300
    # What the short loses the coins gain, but for the basis between the two markets.
    assert abs(summary["price_pnl"]) > 1_000
    assert abs(summary["price_pnl"] + summary["revaluation"]) < 0.05 * abs(summary["price_pnl"])
    assert summary["liquidations"] == 0


def test_carry_leaves_when_the_predicted_funding_turns_negative_and_comes_back(carry):
    predicted = series(carry, "predicted")
    fills = carry.fills[carry.fills["symbol"] == SPOT]
    sold = fills[fills["side"] < 0]
    assert (predicted < 0).any()
    assert len(sold) == 1
    assert predicted.asof(sold["time"].iloc[0]) < 0
    assert signed(fills).tolist()[::2] == pytest.approx([0.83, 0.78], abs=0.01)


def rally(hours=72, top=1.9):
    """Return coin and perpetual that rise together, with a premium that pays and no basis to speak of."""
    times = [ns("00:00") + i * MINUTE for i in range(hours * 60)]
    prices = [round(50_000 * (1 + (top - 1) * max(0, i - 600) / (hours * 60)), 1) for i in range(hours * 60)]
    rows = list(zip(times, prices, strict=True))
    rates = [(t, 0.0001) for t in times if t % (8 * HOUR) == 0 and t > times[0]]
    tape = [(t, p, 1000.001) for t, p in rows]
    return (
        trades(tape, SPOT, CASH)
        + trades(tape)
        + marks(rows)
        + points("premium", [(t, 0.0006) for t in times])
        + funding(rates)
    )


def rally_accounts():
    return [account(balances={"USDT": 40_000}), account(CASH, {"USDT": 100_000})]


def test_carry_sells_coins_and_sends_the_money_before_its_short_is_liquidated():
    kept = run(rally(), FundingCarry(), *rally_accounts())
    assert kept.summary["liquidations"] == 0
    assert len(kept.transfers[kept.transfers["status"] == "arrived"]) >= 1
    assert (kept.fills["tag"] == "margin").any()
    assert kept.exposure["quantity"].iloc[-1] < 0


def test_carry_that_does_not_care_is_liquidated_by_the_same_rally():
    class Careless(FundingCarry):
        def on_margin_call(self, event):
            pass

    lost = run(rally(), Careless(), *rally_accounts())
    assert lost.summary["liquidations"] > 0


@pytest.fixture(scope="module")
def coin_carry():
    accounts = [venues.Venue(COINM, balances={"BTC": 0}), venues.Venue(CASH, balances={"USDT": 50_000})]
    return Backtest(sample(INVERSE, SPOT), CoinCarry(), venues=accounts).run()


def test_coin_carry_turns_its_cash_into_collateral_and_hedges_all_of_it(coin_carry):
    fills = coin_carry.fills
    assert fills["symbol"].tolist()[:2] == [SPOT, INVERSE]
    assert coin_carry.transfers["status"].tolist() == ["sent", "arrived"]
    hedged = series(coin_carry, "delta").loc[fills["time"].iloc[1] :]
    assert len(hedged) > 20
    assert hedged.abs().max() < 0.01 * fills["quantity"].iloc[0]


def test_coin_carry_is_worth_the_same_dollars_through_the_crash_and_cannot_be_liquidated(coin_carry):
    equity = coin_carry.equity.set_index("time")["equity"]
    hedged = equity.loc[coin_carry.fills["time"].iloc[1] + pd.Timedelta("1h") :]
    prices = coin_carry.exposure["mark"]
    assert prices.min() < 0.85 * prices.max()
    assert hedged.min() > 0.985 * hedged.max()
    assert coin_carry.summary["liquidations"] == 0


def test_coin_carry_is_paid_in_coins(coin_carry):
    assert set(coin_carry.funding["asset"]) == {"BTC"}
    assert coin_carry.funding["amount"].sum() > 0
    assert coin_carry.summary["funding"] > 0


# ---------------------------------------------------------------------------- arbitrage


class Watched(FundingArbitrage):
    """Notes all equity before and after each message of a transfer."""

    notes: Notes = Notes()

    def share_out(self):
        before = self.equity
        super().share_out()
        self.notes.append((self.now, before))

    def on_transfer(self, event):
        self.notes.append((self.now, event.status, self.equity))
        super().on_transfer(event)


@pytest.fixture(scope="module")
def arbitrage():
    notes = Notes()
    accounts = [venues.Venue(USDM, balances={"USDT": 50_000}), venues.Venue(COINM, balances={"BTC": 1})]
    result = Backtest(sample(LINEAR, INVERSE), Watched(notes=notes), venues=accounts).run()
    return result, notes


def test_arbitrage_is_long_where_longs_pay_less_and_earns_the_difference(arbitrage):
    result, _ = arbitrage
    leads = result.fills[result.fills["tag"] == "carry"]
    edge = series(result, "edge")
    assert len(leads) > 0
    assert all(np.sign(edge.asof(row.time)) == row.side for row in leads.itertuples())
    assert result.funding[result.funding["symbol"] == LINEAR]["amount"].sum() > 0
    assert result.summary["funding"] > 0
    assert result.summary["end_equity"] > result.summary["start_equity"]


def test_arbitrage_owns_no_coins_on_balance(arbitrage):
    result, _ = arbitrage
    delta = series(result, "delta").iloc[1:]
    assert delta.abs().max() < 0.005  # of two to three coins on each side


def test_arbitrage_fills_up_the_side_that_runs_dry_converting_on_the_way(arbitrage):
    result, _ = arbitrage
    sent = result.transfers[result.transfers["status"] == "sent"]
    assert len(sent) > 0
    assert set(zip(sent["asset"], sent["receive_asset"], strict=True)) == {("USDT", "BTC"), ("BTC", "USDT")}
    assert (result.transfers["status"] == "arrived").sum() == len(sent)
    assert result.summary["liquidations"] == 0


def test_equity_loses_but_the_slippage_of_the_conversion_when_money_leaves_and_nothing_when_it_arrives(arbitrage):
    result, notes = arbitrage
    sent = {row.time.value: row for row in result.transfers.itertuples() if row.status == "sent"}
    told = [note for note in notes if len(note) == 3]
    before = {note[0]: note[1] for note in notes if len(note) == 2}
    assert [status for _, status, _ in told] == ["sent", "arrived"] * (len(told) // 2)
    for time, status, equity in told:
        if status == "sent":
            # 2 bp of what is exchanged at the index
            dollars = sent[time].amount if sent[time].asset == "USDT" else sent[time].received / (1 - 0.0002)
            assert equity == pytest.approx(before[time] - 0.0002 * dollars, rel=1e-8)
    minutes = result.equity.set_index("time")["equity"]
    for row in result.transfers.itertuples():
        around = minutes.loc[row.time - pd.Timedelta("2min") : row.time + pd.Timedelta("2min")]
        assert around.max() - around.min() < 0.002 * around.mean()
        assert row.amount * (60_000 if row.asset == "BTC" else 1) > 0.05 * around.mean()


def sudden_rally():
    """Return both contracts at 50,000 for ten hours, then 40 % higher within forty minutes; one pays its shorts."""
    prices = [50_000 * (1 + 0.01 * min(40, max(0, i - 605))) for i in range(15 * 60)]
    rows = [(ns("00:00") + i * MINUTE, price) for i, price in enumerate(prices)]
    data = points("index", [(t, 1) for t, _ in rows], "USDT/USD", USDM)
    for symbol, venue, premium, size in ((INVERSE, COINM, 0.0, 100_000), (LINEAR, USDM, 0.001, 100.001)):
        data += marks(rows, symbol, venue) + trades([(t, p, size) for t, p in rows], symbol, venue)
        data += points("premium", [(t, premium) for t, _ in rows], symbol, venue)
        data += funding([(ns("08:00"), 0.0001)], symbol, venue)
    return data


def test_arbitrage_closes_the_other_leg_when_one_is_liquidated():
    accounts = [account(balances={"USDT": 25_000}), account(COINM, {"BTC": 0.5})]
    result = run(sudden_rally(), FundingArbitrage(), *accounts, reporting="USD", on_ruin="continue")
    assert set(result.liquidations["symbol"]) == {LINEAR}
    inverse = result.fills[result.fills["symbol"] == INVERSE]
    assert inverse["tag"].tolist() == ["carry", "leg lost"]
    assert signed(inverse).sum() == 0
    assert inverse["time"].iloc[-1] - result.liquidations["time"].iloc[0] <= pd.Timedelta("2min")


# ---------------------------------------------------------------------------- trend


def breakout_market():
    """Return five days of minutes: three of a quiet swing, one of a rise of 12 %, and a fall of 12 % in an hour."""
    quiet = [50_000 * (1 + 0.003 * math.sin(i / 60)) for i in range(72 * 60)]
    rise = [quiet[-1] * (1 + 0.12 * i / (24 * 60)) + 60 * math.sin(i / 7) for i in range(24 * 60)]
    fall = [rise[-1] * (1 - 0.12 * i / 60) for i in range(60)]
    flat = [fall[-1] + 60 * math.sin(i / 7) for i in range(23 * 60)]
    path = [(ns("00:00") + i * MINUTE, round(p, 1)) for i, p in enumerate(quiet + rise + fall + flat)]
    return marks(path) + trades([(t, p, 1000.001) for t, p in path]), path


@pytest.fixture(scope="module")
def trend():
    data, path = breakout_market()
    return run(data, TrendPyramid(), account(balances={"USDT": 100_000})), path


def test_trend_buys_the_breakout_and_adds_a_unit_for_each_range_of_gain(trend):
    result, _ = trend
    buys = result.fills[result.fills["side"] > 0]
    assert buys["tag"].tolist()[:4] == ["unit 1", "unit 2", "unit 3", "unit 4"]
    assert buys["price"].iloc[:4].is_monotonic_increasing
    assert buys["time"].iloc[0] >= pd.Timestamp("2025-01-04", tz="UTC")


def test_trend_aims_at_its_volatility_and_never_above_its_leverage(trend):
    result, _ = trend
    wanted, leverage = series(result, "wanted"), series(result, "leverage")
    assert wanted.max() <= 5.0
    assert wanted.min() < 5.0
    assert leverage.max() > 1
    assert (leverage <= 1.26 * wanted).all()


def test_the_resident_stop_trails_the_mark_and_closes_everything_between_two_bars(trend):
    result, path = trend
    stops = result.orders[(result.orders["type"] == "trailing_stop") & (result.orders["status"] == "filled")]
    assert len(stops) == 1
    stop = stops.iloc[0]
    fills = result.fills[result.fills["order"] == stop["order"]]
    position = signed(result.fills[result.fills["time"] < fills["time"].iloc[0]]).sum()
    assert fills["quantity"].sum() == pytest.approx(position)
    high = max(price for time, price in path if time <= fills["time"].iloc[0].value)
    recorded = series(result, "stop").iloc[-1]
    assert 0.9 * high < recorded < high  # the strategy knew the trigger
    assert fills["price"].iloc[0] == pytest.approx(recorded, rel=0.01)
    assert fills["time"].iloc[0].minute != 0
    assert result.summary["liquidations"] == 0


def test_trend_trades_on_the_sample_too():
    result = Backtest(
        feeds.sample(days=DAYS), TrendPyramid(lookback=12), venues=venues.Venue(USDM, balances={"USDT": 50_000})
    ).run()
    assert len(result.fills) > 5
    assert (result.orders["type"] == "trailing_stop").any()


# ---------------------------------------------------------------------------- basket

COINS = [f"C{i:02d}/USDT:USDT" for i in range(12)]
HEDGE = LINEAR


def coin_paths(hours=120, seed=5):
    """Return hourly closes of the hedge and of coins that move with it, each with its own drift."""
    draw = np.random.default_rng(seed)
    market = draw.normal(0, 0.004, hours)
    paths = {HEDGE: 50_000 * np.exp(np.cumsum(market))}
    for number, symbol in enumerate(COINS, start=1):
        own = -0.0004 * number + draw.normal(0, 0.001, hours)
        paths[symbol] = 100 * np.exp(np.cumsum((1 + 0.05 * number) * market + own))
    return {symbol: path.round(3) for symbol, path in paths.items()}


def coin_bars(ends=None):
    """Return hourly bars of the paths; `ends` cuts some short."""
    found = []
    for symbol, closes in coin_paths().items():
        opens = [closes[0], *closes[:-1]]
        rows = [
            (ns("00:00") + i * HOUR, o, max(o, c), min(o, c), c, 1_000_000.001)
            for i, (o, c) in enumerate(zip(opens, closes, strict=True))
        ]
        found.append(bars(rows[: (ends or {}).get(symbol)], symbol))
    return sum(found[1:], found[0])


def short_basket(data, **parameters):
    basket = WeakBasket(timeframe="1h", lookback=24, listed_for="1d", rebalance="12h", names=5, **parameters)
    wallet = account(balances={"USDT": 100_000}, missing_tiers="nearest")
    return run(data, basket, wallet, mark="last")


@pytest.fixture(scope="module")
def basket():
    return short_basket(coin_bars())


def holdings(result, time):
    """Return the signed notional of each symbol at a time, from the sampled exposure."""
    rows = result.exposure[result.exposure["time"] == time].set_index("symbol")["notional"]
    return rows[rows != 0]


def test_basket_is_short_of_the_weakest_in_equal_parts_and_long_of_the_hedge(basket):
    at = pd.Timestamp("2025-01-03 02:00", tz="UTC")
    held, equity = holdings(basket, at), basket.equity.set_index("time")["equity"].asof(at)
    shorts = held.drop(HEDGE)
    assert set(shorts.index) == set(COINS[-5:])  # the strongest downward drifts
    assert shorts.to_numpy() == pytest.approx(np.full(5, -0.3 * equity), rel=0.25)  # within the tolerance
    beta = series(basket, "beta").asof(at)
    assert 1.2 < beta < 1.9
    assert held[HEDGE] == pytest.approx(1.5 * beta * equity, rel=0.25)


def test_basket_spreads_its_changes_over_half_an_hour(basket):
    first = basket.orders[basket.orders["symbol"] == HEDGE].head(30)
    times = first["submitted"] if "submitted" in first else first["time"]
    assert times.diff().dropna().unique().tolist() == [pd.Timedelta("1min")]


def test_basket_is_not_moved_by_the_market_as_a_whole(basket):
    equity = basket.equity.set_index("time")["equity"].resample("1h").last().pct_change()
    market = pd.Series(coin_paths()[HEDGE], pd.date_range("2025-01-01 01:00", periods=120, freq="1h", tz="UTC"))
    both = pd.concat([equity, market.pct_change()], axis=1, keys=["equity", "market"]).loc["2025-01-03":].dropna()
    assert len(both) > 60
    assert abs(both.cov().loc["equity", "market"] / both["market"].var()) < 0.3  # its longs alone: more than 2


def test_basket_makes_the_others_fit_when_a_leg_is_delisted():
    gone, at = COINS[-1], 84
    row = {
        "ts": ns("00:00") + at * HOUR,
        "until": 0,
        "what": "delisting",
        "value": coin_paths()[gone][at - 1],
        "source": "",
    }
    notice = feeds.from_pandas(pd.DataFrame([row]), kind="venue_events", venue=USDM, symbol=gone)
    result = short_basket(coin_bars(ends={gone: at}) + notice)
    time = pd.Timestamp(ns("00:00") + at * HOUR, tz="UTC")
    before, after = holdings(result, time - pd.Timedelta("1h")), holdings(result, time + pd.Timedelta("2h"))
    assert gone in before
    assert gone not in after
    assert COINS[-6] in after  # the next weakest has taken its place
    settled = result.fills[result.fills["forced"] == "settlement"]
    assert settled["symbol"].tolist() == [gone]
    assert series(result, "shorts").index.tolist().count(time) == 1
    assert result.summary["liquidations"] == 0


def test_basket_takes_what_there_is_where_few_are_listed():
    result = Backtest(
        feeds.sample(days=4),
        WeakBasket(timeframe="1h", lookback=24, listed_for="1d", rebalance="6h"),
        venues=venues.Venue(USDM, balances={"USDT": 50_000}),
    ).run()
    assert set(series(result, "shorts")) == {1}
    assert signed(result.fills[result.fills["symbol"] == "ETH/USDT:USDT"]).iloc[0] < 0
