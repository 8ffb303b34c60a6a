"""Pages of empty and extreme runs: made, right, and looked at in a browser, wide and on a phone."""

import re

import engine_data as ed
import numpy as np
import pandas as pd
import pytest
from browsers import Shown, chromium

import feeds
import venues
from backtest import Backtest, Strategy
from backtest.result_text import money, percent

pytestmark = pytest.mark.slow

COINS = [f"C{number:02d}/USDT:USDT" for number in range(100)]


class Once(Strategy):
    """Goes to a leverage when the run begins, and stays there."""

    symbols: tuple = (ed.LINEAR,)
    leverage: float = 1.0
    after: str = "1h"

    def on_start(self):
        self.once(self.after)

    def on_timer(self, timer):
        for symbol in self.symbols:
            self.target(symbol, leverage=self.leverage, tag=f"entry of {symbol}")


class Weekly(Strategy):
    """Turns round every week."""

    symbol: str = ed.LINEAR

    def on_start(self):
        self.every("7d")

    def on_timer(self, timer):
        self.target(self.symbol, leverage=-1.5 if self.position(self.symbol).quantity > 0 else 1.5)


def usdm(amount=10_000, **more):
    return venues.Venue(ed.USDM, balances={"USDT": amount}, **more)


def sample(strategy, *accounts, symbols=(ed.LINEAR,), days=10, **more):
    return Backtest(feeds.sample(symbols=symbols, days=days), strategy, venues=list(accounts), **more).run()


def no_trades():
    return sample(Strategy(), usdm(), days=2)


def one_trade():
    class InAndOut(Once):
        def on_timer(self, timer):
            if timer.name == "once":
                self.target(ed.LINEAR, leverage=1)
                self.once("10h", name="out")
            else:
                self.close(ed.LINEAR)

    return sample(InAndOut(), usdm(), days=2)


def ruined_at_once():
    rows = [("00:00", 100), ("00:01", 100), ("00:02", 60), ("00:03", 60)]
    data = ed.marks(rows, ed.USER_COIN) + ed.trades([(at, price, 1e6) for at, price in rows], ed.USER_COIN)
    account = ed.account(ed.user_coin(), balances={"USDT": 1_000}, leverage=20)
    return Backtest(data, Once(symbols=(ed.USER_COIN,), leverage=15, after="30s"), venues=account).run()


def hundred_symbols():
    hours = pd.date_range("2025-01-01", periods=24 * 20, freq="1h", tz="UTC")
    rng, data = np.random.default_rng(5), []
    market = rng.normal(0, 0.004, len(hours))
    for number, coin in enumerate(COINS):
        close = (number + 1) * np.exp(np.cumsum(market + rng.normal(0, 0.004, len(hours))))
        frame = pd.DataFrame({"open": np.r_[number + 1.0, close[:-1]], "close": close}, index=hours)
        frame["high"], frame["low"], frame["volume"] = frame.max(axis=1), frame.min(axis=1), 1e7
        data.append(feeds.from_pandas(frame.round(4), kind="bars:1h", venue=ed.USDM, symbol=coin))
        rates = pd.DataFrame({"rate": np.round(rng.normal(1e-4, 1e-4, len(hours[::8])), 6)}, index=hours[::8])
        data.append(feeds.from_pandas(rates.assign(interval_hours=8.0), kind="funding", venue=ed.USDM, symbol=coin))
    strategy = Once(symbols=tuple(COINS), leverage=0.03)
    return Backtest(data, strategy, venues=usdm(missing_tiers="nearest"), mark="last").run()


def five_years_of_minutes():
    n = 5 * 365 * 1440
    times = pd.date_range("2019-01-01", periods=n, freq="1min", tz="UTC")
    close = np.round(20_000 * np.exp(np.cumsum(np.random.default_rng(7).normal(0, 4e-4, n))), 1)
    bars = pd.DataFrame({"open": np.r_[20_000.0, close[:-1]], "close": close}, index=times)
    bars["high"], bars["low"], bars["volume"] = bars.max(axis=1), bars.min(axis=1), 1e4
    rates = pd.DataFrame({"rate": 1e-5, "interval_hours": 8.0}, index=times[::480])
    data = [
        feeds.from_pandas(bars, kind="bars:1m", venue=ed.USDM, symbol=ed.LINEAR),
        feeds.from_pandas(rates, kind="funding", venue=ed.USDM, symbol=ed.LINEAR),
    ]
    return Backtest(data, Weekly(), venues=usdm(1e6, missing_tiers="nearest"), mark="last").run()


def negative_funding_only():
    hours = [f"2025-01-{day:02d}T{hour:02d}:00" for day in range(1, 21) for hour in range(0, 24, 4)]
    prices = [(at, 100 + 0.3 * (number % 7)) for number, at in enumerate(hours)]
    data = ed.marks(prices, ed.USER_COIN) + ed.trades([(at, p, 1e6) for at, p in prices], ed.USER_COIN)
    data += ed.funding([(at, -0.002) for at in hours[::2]], ed.USER_COIN)
    account = ed.account(ed.user_coin(), balances={"USDT": 1_000})
    return Backtest(data, Once(symbols=(ed.USER_COIN,), leverage=-2), venues=account).run()


def several_currencies():
    accounts = [
        venues.Venue(ed.CASH, balances={"USDT": 5_000, "BTC": 0.1}),
        usdm(5_000),
        venues.Venue(ed.COINM, balances={"BTC": 0.2}),
    ]
    places = (f"{ed.LINEAR}@{ed.USDM}", f"{ed.INVERSE}@{ed.COINM}", f"{ed.SPOT}@{ed.CASH}")

    class Three(Strategy):
        def on_start(self):
            self.once("1h")

        def on_timer(self, timer):
            self.target(places[0], leverage=-1)
            self.target(places[1], leverage=-1)
            self.buy(places[2], value=4_000, tag="coins")
            self.deposit(ed.USDM, "USDT", 1_000)

    return sample(Three(), *accounts, symbols=(ed.LINEAR, ed.INVERSE, ed.SPOT))


RUNS = {
    "no trades": no_trades,
    "one trade": one_trade,
    "ruined at once": ruined_at_once,
    "hundred symbols": hundred_symbols,
    "five years of minutes": five_years_of_minutes,
    "negative funding only": negative_funding_only,
    "several currencies": several_currencies,
}


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.mark.parametrize("name", RUNS)
def test_the_page_of_an_extreme_run_is_made_and_right(name, browser, tmp_path):
    result = RUNS[name]()
    path = result.tear_sheet(tmp_path / "page.html")
    assert path.stat().st_size < 5_000_000
    found = result.summary
    with Shown(browser, path) as shown:
        assert shown.said == []
        assert shown.fetched == [path.as_uri()]
        tiles = shown.page.inner_text("#headline")
        assert percent(found["return"]) in tiles
        assert money(found["end_equity"]).rstrip("0").rstrip(".") in tiles
        text = shown.page.inner_text("body").lower()
        assert not re.search(r"\bnan\b|\binf\b|none %", text)
        undrawn = shown.ask(
            "[...document.querySelectorAll('.live')].filter((place) => !place.querySelector('path.js-line, .point'))"
            ".map((place) => place.parentElement.querySelector('b').textContent)"
        )
        assert undrawn == []
        shown.picture(name.replace(" ", "-"))
    with Shown(browser, path, width=390) as shown:
        assert shown.ask("document.documentElement.scrollWidth") <= 390
        shown.picture(f"{name.replace(' ', '-')}-phone")


def test_several_currencies_are_counted_in_their_own_and_in_the_reporting_one():
    result = several_currencies()
    assert result.meta["reporting"] == "USD"
    coins = result.attribution(by="asset")
    assert set(coins.index) >= {"BTC", "USDT"}
    lines = result.attribution(by="symbol").loc["total"]
    change = lines.drop(["change", "deposits", "withdrawals", "transfers"]).sum()
    assert change == pytest.approx(lines["change"], abs=1e-6)
    assert lines["deposits"] == pytest.approx(1_000, rel=0.01)


def test_negative_funding_is_paid_by_the_short():
    result = negative_funding_only()
    assert (result.funding["amount"] < 0).all()
    assert result.summary["funding"] == pytest.approx(result.funding["amount"].sum())


def test_ruin_at_the_first_event_leaves_nothing():
    found = ruined_at_once().summary
    assert (found["return"], found["end_equity"], found["liquidations"]) == (-1.0, 0.0, 1)
