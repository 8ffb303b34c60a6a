"""A squeeze between two venues: funding arbitrage at five times, price up a quarter in three hours."""

import numpy as np
import pandas as pd
import pytest
from engine_data import COINM, INVERSE, LINEAR, MINUTE, USDM, account, funding, marks, ns, points, run, trades

import feeds
from strategies.funding_arbitrage import FundingArbitrage

BEGIN, HOURS = 11 * 60 + 5, 16  # minute at which the price begins to rise
SIZE = 2.5  # of all equity on each side: five times the half that lies there


def squeeze(suspended=False):
    """Both contracts at 50,000, then 25 % higher within three hours; the dollar-margined one pays its shorts."""
    rise = 0.25 / 180
    rows = [(ns("00:00") + i * MINUTE, round(50_000 * (1 + rise * min(180, max(0, i - BEGIN))), 1)) for i in range(960)]
    data = points("index", [(t, 1) for t, _ in rows], "USDT/USD", USDM)
    for symbol, venue, premium, size in ((INVERSE, COINM, 0.0, 100_000), (LINEAR, USDM, 0.001, 100.001)):
        data += marks(rows, symbol, venue) + trades([(t, p, size) for t, p in rows], symbol, venue)
        data += points("premium", [(t, premium) for t, _ in rows], symbol, venue)
        data += funding([(ns("08:00"), 0.0001)], symbol, venue)
        if suspended:
            row = {"what": ["transfer_suspended"], "until": [ns("16:00")]}
            frame = pd.DataFrame(row, index=pd.DatetimeIndex([ns("10:30")], tz="UTC"))
            data += feeds.from_pandas(frame, kind="venue_events", venue=venue, symbol="*")
    return data


def carried(data):
    accounts = [account(balances={"USDT": 25_000}, slippage=2), account(COINM, {"BTC": 0.5}, slippage=2)]
    return run(data, FundingArbitrage(size=SIZE), *accounts, reporting="USD", on_ruin="continue")


@pytest.fixture(scope="module")
def survived():
    return carried(squeeze())


def test_both_sides_stand_at_five_times_before_it_begins(survived):
    start = pd.Timestamp(ns("11:00"), unit="ns", tz="UTC")
    sides = survived.margin[survived.margin["time"] < start].groupby("account")["leverage"].last()
    assert sides["binance_coinm"] == pytest.approx(5.0, rel=0.01)
    assert sides["binance_usdm"] == pytest.approx(6.0, rel=0.01)  # the coins of the other side's collateral too


def test_with_transfers_of_twenty_minutes_both_sides_survive(survived):
    assert survived.summary["liquidations"] == 0
    sent = survived.transfers[survived.transfers["status"] == "sent"]
    arrived = survived.transfers[survived.transfers["status"] == "arrived"]
    assert len(sent) == len(arrived) > 0
    assert ((arrived["time"].to_numpy() - sent["time"].to_numpy()) == np.timedelta64(20, "m")).all()
    assert set(sent["asset"]) == {"BTC"}  # from the long side to the short one


def test_equity_is_continuous_through_transit_and_each_conversion_is_paid_once(survived):
    minutes = survived.equity.set_index("time")["equity"]
    assert minutes.pct_change().abs().max() < 0.003
    sent = survived.transfers[survived.transfers["status"] == "sent"]
    converted = survived.ledger[survived.ledger["kind"] == "conversion"]
    coins, dollars = (converted[converted["asset"] == asset] for asset in ("BTC", "USDT"))
    assert len(coins) == len(dollars) == len(sent)  # each is exchanged once, when it leaves
    worth = -coins["amount"].to_numpy() * coins["value_price"].to_numpy()
    assert dollars["amount"].to_numpy() == pytest.approx(worth * (1 - 0.0002), rel=1e-6)
    assert dollars["amount"].to_numpy() == pytest.approx(sent["received"].to_numpy())


def test_with_transfers_suspended_the_short_side_is_closed_and_the_other_follows():
    found = carried(squeeze(suspended=True))
    assert found.summary["liquidations"] > 0
    assert set(found.liquidations["symbol"]) == {LINEAR}
    first = found.liquidations["time"].iloc[0]
    assert pd.Timestamp(ns("12:30"), unit="ns", tz="UTC") < first < pd.Timestamp(ns("14:05"), unit="ns", tz="UTC")
    assert set(found.transfers["status"]) == {"refused"}
    after = found.fills[(found.fills["symbol"] == INVERSE) & (found.fills["time"] > first)].iloc[0]
    assert after["tag"] == "leg lost"
    assert after["time"] - first <= pd.Timedelta("2min")
