"""The crash day as ticks and as bars of a second, a minute and an hour: what of a position changes, and why.

What is expected is worked out from the CSV files with decimals, none of it with the engine's own functions.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from crash_tapes import (
    ATOM,
    FUNDING,
    RATE,
    SIZE,
    STAKE,
    TICK,
    Tape,
    down,
    hold,
    load,
    ns,
    rules,
    stamp,
    stated_funding,
    worsened,
)
from engine_data import COINM, HOUR, USDM, Script, balance, postings

import feeds
import venues
from backtest import Backtest, Result
from feeds.dataset import Dataset


@pytest.fixture(scope="module")
def tapes(real_data: Path) -> dict[str, Tape]:
    return load(real_data)


def bars_of(tape: Tape, timeframe: str) -> pd.DataFrame:
    """Bars from 15:00 as a venue publishes them: first, highest, lowest and last trade; flat where nothing traded."""
    frame = tape.frame[tape.frame["ts"] >= ns("15:00")]
    groups = frame.set_index(pd.to_datetime(frame["ts"], utc=True)).resample(timeframe.replace("m", "min"))
    made = groups["price"].ohlc()
    made["close"] = made["close"].ffill()
    for name in ("open", "high", "low"):
        made[name] = made[name].fillna(made["close"])
    return made.assign(volume=groups["amount"].sum())


def data_of(tape: Tape, grain: str) -> Dataset:
    if grain == "ticks":
        return tape.trades
    return feeds.from_pandas(bars_of(tape, grain), kind="bars", venue=COINM, symbol=tape.symbol, timeframe=grain)


GRAINS = {"1s": 10**9, "1m": 60 * 10**9, "1h": HOUR}


def long_at_15(
    tape: Tape, grain: str, *, contracts: int, leverage: int, marks: dict[str, float] | None = None
) -> Result:
    account = venues.Venue(
        rules(tape.coin), balances={tape.coin: STAKE[tape.coin]}, margin_mode="isolated", leverage=leverage
    )
    data = data_of(tape, grain) + stated_funding(tape.symbol, marks=marks)
    strategy = hold(tape.symbol, contracts, "15:00")
    return Backtest(data, strategy, venues=account, mark="last", start="2025-10-10T14:59").run()


# Five contracts, so that a tenth of any second's volume is enough. Time, mark at the trigger, price of the close.
# Two causes for every difference. Price: between two points of a bar the price is on every cent, so that a bar triggers
# on the liquidation price itself and closes there, a tape at the next trade below it. Time: a bar does not say when its
# low was; it is placed at the first third of it, which of an hour is up to 40 minutes off.
CLOSES = {
    ("AAVE", 5): {
        "ticks": ("21:13:25.110", 230.30, 230.15),
        "1s": ("21:13:25.333", 230.31, 230.26),
        "1m": ("21:13:20.000", 230.31, 230.26),
        "1h": ("21:20:00.000", 230.31, 230.26),
    },
    ("AAVE", 10): {
        "ticks": ("20:56:02.548", 251.25, 251.17),
        "1s": ("20:56:02.333", 251.25, 251.19),
        "1m": ("20:56:20.000", 251.25, 251.19),
        "1h": ("20:20:00.000", 251.25, 251.19),
    },
    ("AVAX", 5): {
        "ticks": ("21:13:19.784", 23.51, 23.50),
        "1s": ("21:13:19.333", 23.51, 23.50),
        "1m": ("21:13:20.000", 23.51, 23.50),
        "1h": ("21:20:00.000", 23.51, 23.50),
    },
    ("AVAX", 10): {
        "ticks": ("20:56:22.750", 25.65, 25.63),
        "1s": ("20:56:22.333", 25.65, 25.64),
        "1m": ("20:56:20.000", 25.65, 25.64),
        "1h": ("20:20:00.000", 25.65, 25.64),
    },
    ("BCH", 5): {
        "ticks": ("21:16:35.058", 498.46, 498.35),
        "1s": ("21:16:35.333", 498.46, 498.36),
        "1m": ("21:16:20.000", 498.46, 498.36),
        "1h": ("21:20:00.000", 498.46, 498.36),
    },
    ("BCH", 10): {
        "ticks": ("20:56:19.278", 543.78, 543.67),
        "1s": ("20:56:19.333", 543.78, 543.67),
        "1m": ("20:56:20.000", 543.78, 543.67),
        "1h": ("20:20:00.000", 543.78, 543.67),
    },
}


@pytest.mark.parametrize(("coin", "leverage"), CLOSES)
def test_ticks_and_bars_differ_only_by_what_a_bar_does_not_say(
    tapes: dict[str, Tape], coin: str, leverage: int
) -> None:
    tape, usd = tapes[coin], Decimal(50)
    first = tape.first_after(ns("15:00") - 1)
    entry = worsened(tape.price(first), 1)
    before, after = tape.first_after(ns("16:00")) - 1, tape.first_after(ns("16:00"))
    posted = (usd / entry / leverage).quantize(ATOM, ROUND_CEILING)
    for grain, seen in CLOSES[coin, leverage].items():
        result = long_at_15(tape, grain, contracts=5, leverage=leverage)
        bought = result.fills.iloc[0]
        assert (bought["price"], bought["quantity"]) == (float(entry), 5)
        # The mark of 16:00: the last trade before it on the tape, the first after it as the open of a bar.
        (paid,) = result.funding.itertuples()
        mark = tape.price(before if grain == "ticks" else after)
        amount = -down(usd / mark * FUNDING)
        assert (paid.time.value, paid.mark) == (ns("16:00"), float(mark))
        assert postings(result, "funding", name=COINM) == amount
        assert amount == -down(usd / tape.price(before) * FUNDING)
        liquidation = usd * (1 + RATE) / (posted + amount + usd / entry)
        trigger = liquidation.quantize(TICK, ROUND_FLOOR)
        if grain == "ticks":
            row = tape.first_at_or_below(liquidation, first)
            assert row is not None
            when, trigger, close = tape.time(row + 1), tape.price(row), worsened(tape.price(row + 1), -1)
        else:
            bars = bars_of(tape, grain)
            opened = bars.index[int(np.argmax(bars["low"] <= float(liquidation)))]
            assert bars.at[opened, "open"] > float(liquidation)
            when, close = opened.value + GRAINS[grain] // 3, worsened(trigger, -1)
        (step,) = result.liquidations.itertuples()
        assert (step.time.value, step.trigger_mark, step.price) == (when, float(trigger), float(close))
        assert (stamp(step.time), step.trigger_mark, step.price) == seen
        assert (step.quantity, step.shortfall, step.paid_by) == (5, 0, "nobody")


def test_funding_rows_with_a_mark_of_their_own_pay_the_same_whatever_the_bars(tapes: dict[str, Tape]) -> None:
    """Without one, a hundred contracts of AAVE pay an atom less from bars.

    264.28 was the last trade before 16:00, 264.29 the first after it, which is the open of a bar.
    """
    tape = tapes["AAVE"]
    row = tape.first_after(ns("16:00")) - 1
    assert (tape.price(row), tape.price(row + 1)) == (Decimal("264.28"), Decimal("264.29"))
    marks = {"08:00": 280.0, "16:00": float(tape.price(row))}
    with_mark, without = (
        [
            postings(long_at_15(tape, grain, contracts=100, leverage=3, marks=given), "funding", name=COINM)
            for grain in ("ticks", *GRAINS)
        ]
        for given in (marks, None)
    )
    assert with_mark == [Decimal("-0.00037838")] * 4
    assert without == [Decimal("-0.00037838")] + [Decimal("-0.00037837")] * 3


def test_a_second_gives_no_more_than_a_tenth_of_its_volume_and_the_fund_pays_for_the_rest(
    tapes: dict[str, Tape],
) -> None:
    """A hundred contracts are too many for one second of AAVE: bought in four, closed in two, the rest taken over.

    Ticks know no depth and close all of them at the next trade (their fills say so); the last 17 of the one-second run
    are the fund's at the bankruptcy price, 0.00408255 AAVE above their worth at the mark.
    """
    tape = tapes["AAVE"]
    volume = bars_of(tape, "1s")["volume"]
    fine = long_at_15(tape, "1s", contracts=100, leverage=5)
    fills = fine.fills
    for fill in fills[fills["forced"] != "takeover"].itertuples():
        assert fill.quantity <= 0.1 * volume[fill.time.floor("s")]
    assert fills["quantity"].tolist()[4:] == [54, 29, 17]
    assert fills["forced"].tolist() == ["own"] * 4 + ["liquidation", "liquidation", "takeover"]
    assert fine.liquidations["paid_by"].tolist() == ["nobody", "nobody", "insurance_fund"]
    # By hand: what is in the leg's wallet after four buys, a payment of funding and two closes; then its zero.
    rows = [{name: Decimal(str(getattr(fill, name))) for name in ("quantity", "price", "realized_pnl", "fee")}
            for fill in fills.itertuples()]  # fmt: skip
    bought, closed = rows[:4], rows[4:6]
    value = sum(row["quantity"] * SIZE / row["price"] for row in bought)
    wallet = sum((row["quantity"] * SIZE / row["price"] / 5).quantize(ATOM, ROUND_CEILING) for row in bought)
    wallet += postings(fine, "funding", name=COINM) + sum(row["realized_pnl"] - row["fee"] for row in closed)
    price, mark = rows[6]["price"], Decimal(str(fills["decision_price"].iloc[6]))
    assert price == (170 / (wallet + value * 17 / 100)).quantize(TICK)
    assert Decimal(str(fine.liquidations["shortfall"].iloc[2])) == down(170 / mark - 170 / price)
    assert (price, mark, fine.liquidations["shortfall"].iloc[2]) == (Decimal("230.60"), Decimal("229.33"), 0.00408255)
    coarse = long_at_15(tape, "ticks", contracts=100, leverage=5)
    assert coarse.fills["quantity"].tolist() == [100, 100]
    assert (coarse.liquidations["shortfall"] == 0).all()


# --- a hedged basket ---

BASKET = {"AAVE": -18.2, "AVAX": -179.0, "BCH": 16.9}  # coins: short 5,000 USD each, long 10,000


def linear(tape: Tape) -> str:
    return f"{tape.coin}/USDT:USDT"


def basket_rules() -> venues.VenueRules:
    """USD-M with the three contracts as the user describes them."""
    book = venues.get(USDM)
    for coin in BASKET:
        book = book.with_instrument(
            venues.Instrument(
                f"{coin}/USDT:USDT",
                contract="linear",
                tick_size=0.01,
                lot_size=0.1,
                tiers=[venues.Tier(floor=0, maintenance_rate=0.01, max_leverage=50)],
                clearance_fee=0.0125,
            )
        )
    return book


def basket_data(tape: Tape, grain: str) -> Dataset:
    """The tape's prices as those of a linear contract; quantities in coins of the same dollars."""
    if grain == "ticks":
        frame = tape.frame[tape.frame["ts"] >= ns("14:59")].copy()
        frame["quantity"] = (frame["amount"] * SIZE / frame["price"]).round(3).clip(lower=0.001)
        return feeds.from_pandas(
            frame[["ts", "price", "quantity", "side"]], kind="trades", venue=USDM, symbol=linear(tape)
        )
    bars = bars_of(tape, grain)
    bars["volume"] = (bars["volume"] * SIZE / bars["close"]).round(3)
    return feeds.from_pandas(bars, kind="bars", venue=USDM, symbol=linear(tape), timeframe=grain)


@pytest.mark.parametrize("grain", ["ticks", "1h"])
def test_a_hedged_basket_that_lives_through_the_ticks_is_not_liquidated_by_its_hourly_bars(
    tapes: dict[str, Tape], grain: str
) -> None:
    """600 USDT against 20,000 of notional. Each leg at its own worst of the hour would be ruin; together they are not.

    A bar is walked by all legs down or up at once, so the shorts' gains stand beside the long's loss as on the tape.
    """
    data = sum((basket_data(tapes[coin], grain) for coin in BASKET), start=Dataset([]))
    steps = [
        (ns("15:00"), lambda s, coin=coin, q=q: s.target(f"{coin}/USDT:USDT", quantity=q)) for coin, q in BASKET.items()
    ]
    account = venues.Venue(basket_rules(), balances={"USDT": 600}, leverage=50)
    result = Backtest(data, Script(*steps), venues=account, mark="last", start="2025-10-10T14:59").run()
    assert result.liquidations.empty
    fills = result.fills
    bought = {coin: fills.loc[fills["symbol"] == f"{coin}/USDT:USDT"] for coin in BASKET}
    for coin, q in BASKET.items():
        first = tapes[coin].price(tapes[coin].first_after(ns("15:00") - 1))
        assert bought[coin]["price"].tolist() == [float(worsened(first, 1 if q > 0 else -1))]
        assert bought[coin]["quantity"].tolist() == [abs(q)]
    assert float(balance(result)) == pytest.approx(600 - fills["fee"].sum(), abs=1e-9)
    last = {coin: tapes[coin].frame["price"].iat[-1] for coin in BASKET}
    profit = sum(q * (last[coin] - bought[coin]["price"].iat[0]) for coin, q in BASKET.items())
    assert result.summary["end_equity"] == pytest.approx(float(balance(result)) + profit, abs=1e-6)
    assert 0.3 < result.summary["max_margin_ratio"] < 0.4
    assert ruined_hours(tapes, bought, float(balance(result))) == ["20:00", "21:00"]


def ruined_hours(tapes: dict[str, Tape], bought: dict[str, pd.DataFrame], wallet: float) -> list[str]:
    """Hours in which the account would be liquidated if each leg stood at its own adverse extreme at once."""
    hours = {coin: bars_of(tapes[coin], "1h") for coin in BASKET}
    found = []
    for hour in hours["BCH"].index:
        worst = {coin: hours[coin].at[hour, "high" if q < 0 else "low"] for coin, q in BASKET.items()}
        equity = wallet + sum(q * (worst[coin] - bought[coin]["price"].iat[0]) for coin, q in BASKET.items())
        if equity <= 0.01 * sum(abs(q) * worst[coin] for coin, q in BASKET.items()):
            found.append(hour.strftime("%H:%M"))
    return found
