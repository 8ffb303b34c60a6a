"""What a return is measured by: margin, coin, market, days; exposure; funding by month and hour."""

import re

import engine_data as ed
import generators_results as g
import numpy as np
import pytest

import feeds
import venues
from backtest import Backtest, Strategy
from backtest.report import page
from backtest.report_capital import best_days, daily_profit, market_beta, other_assets
from backtest.report_price import lines_of, most_traded


class Hold(Strategy):
    symbol: str = ed.LINEAR
    leverage: float = 2.0

    def on_start(self):
        self.once("1h")

    def on_timer(self, timer):
        self.target(self.symbol, leverage=self.leverage)

    def on_fill(self, fill):
        self.protect(self.symbol, stop=0.5 * fill.price)


@pytest.fixture(scope="module")
def held():
    account = venues.Venue(ed.USDM, balances={"USDT": 10_000})
    return Backtest(feeds.sample(symbols=[ed.LINEAR]), Hold(), venues=account).run()


def text_of(made, anchor):
    block = made[made.index(f'id="{anchor}"') :]
    return re.sub(r"<[^>]+>", "|", block[: block.index("</section>")])


def test_a_position_of_twice_the_equity_has_a_beta_of_two(held):
    beta, name = market_beta(held)
    assert name == ed.LINEAR
    # What is bought at twice the equity drifts with the price: 1.9 to 2.4 on the way.
    assert beta == pytest.approx(2.0, abs=0.2)
    assert f"|beta to {ed.LINEAR}, hourly while held||{beta:,.2f}|" in text_of(page(held, interactive=False), "capital")


def test_daily_profit_adds_up_to_the_change(held):
    days = daily_profit(held)
    assert len(days) == 10
    assert days.sum() == pytest.approx(held.summary["change"])
    assert best_days(held) == "no profit"
    run = g.carry().finish()
    assert daily_profit(run).sum() == pytest.approx(run.summary["change"])


def test_five_best_days_are_a_share_of_all_profit():
    run = g.Run().begin(usdm_usdt=10_000 * 10**8)
    run.at(g.HOUR).fill(g.LINEAR, 1_000, 6_000_000)
    for day in range(1, 9):
        run.at(day * g.DAY).marks[g.LINEAR] += 10_000 if day in (2, 3, 4, 5, 6) else 1_000
        run.sample()
    # 0.01 coin... of 100 units a day on the five, 10 on the others: 500 of 530.
    assert best_days(run.finish()) == f"{500 / 530:.0%}".replace("%", " %") + " (8 days)"


def test_equity_is_counted_in_the_coin_that_is_held():
    result = g.carry(reporting="USDT").finish()
    ((name, first, last, start, end, change),) = other_assets(result)
    assert name == "BTC"
    found = result.summary
    price = float(first.replace(",", ""))
    assert float(start.replace(",", "")) == pytest.approx(found["start_equity"] / price, rel=1e-4)
    assert float(end.replace(",", "")) == pytest.approx(found["end_equity"] / float(last.replace(",", "")), rel=1e-4)
    assert change.endswith("%")


def test_exposure_names_each_position_and_how_long_it_was_held(held):
    text = text_of(page(held, interactive=False), "exposure")
    assert f"|{ed.LINEAR}|" in text
    # Bought at 01:00 of the first of ten days, held to the end.
    assert "|99.6 %|" in text


def test_funding_is_told_by_month_and_hour(held):
    text = text_of(page(held, interactive=False), "funding")
    assert "|hour, UTC|" in text
    rows = re.findall(r"\|(0[08]|16):00\|\|USDT\|\|(\d+)\|\|([\d.,-]+)\|\|([\d.,-]+)\|\|([\d.,-]+)\|", text)
    assert [hour for hour, *_ in rows] == ["00", "08", "16"]
    assert sum(int(count) for _, count, *_ in rows) == len(held.funding)
    nets = [float(net.replace(",", "")) for *_, net in rows]
    assert sum(nets) == pytest.approx(held.funding["amount"].sum(), abs=0.02)


def test_the_price_has_marks_liquidation_price_stop_fills_and_funding(held):
    ((account, instrument),) = most_traded(held.store)
    lines = {line.name: line for line in lines_of(held.store, account, instrument)}
    assert list(lines) == ["mark", "liquidation price", "stops", "bought", "funding"]
    fill = held.fills.iloc[0]
    assert lines["bought"].values.tolist() == [fill["price"]]
    assert lines["bought"].texts == [f"bought {fill['quantity']:,.6g} BTC at {fill['price']:,.8g}"]
    known = np.isfinite(lines["stops"].values)
    assert lines["stops"].values[known] == pytest.approx(0.5 * fill["price"], abs=0.1)
    # Twice the equity: it takes a fall of about a half, by the account's own arithmetic.
    prices = lines["liquidation price"].values
    first = prices[np.isfinite(prices)][0]
    own = venues.Account(
        venues.get(ed.USDM, as_of="2024-11-01"), balances={"USDT": 10_000 - fill["fee"]},
        positions=[venues.Position(ed.LINEAR, quantity=fill["quantity"], entry_price=fill["price"], leverage=20)],
    ).risk(marks={ed.LINEAR: fill["price"]})  # fmt: skip
    assert first == pytest.approx(own.positions[ed.LINEAR].liquidation_price, rel=1e-3)
    assert len(lines["funding"].values) == len(held.funding)


def test_several_positions_in_a_pool_have_no_liquidation_price_in_the_picture():
    class Both(Strategy):
        def on_start(self):
            self.once("1h")

        def on_timer(self, timer):
            for symbol in (ed.LINEAR, "ETH/USDT:USDT"):
                self.target(symbol, leverage=1)

    account = venues.Venue(ed.USDM, balances={"USDT": 10_000})
    result = Backtest(feeds.sample(symbols=[ed.LINEAR, "ETH/USDT:USDT"]), Both(), venues=account).run()
    for account, instrument in most_traded(result.store):
        assert "liquidation price" not in [line.name for line in lines_of(result.store, account, instrument)]


def test_of_very_many_fills_the_largest_are_drawn():
    run = g.Run().begin(usdm_usdt=10_000 * 10**8)
    for minute in range(1_000):
        run.at(g.HOUR + minute * g.HOUR // 60).fill(g.LINEAR, 1_000 if minute == 500 else 10, 6_000_000)
    run.sample()
    result = run.finish()
    line = next(line for line in lines_of(result.store, 0, g.LINEAR) if line.points == "buy")
    assert len(line.times) <= 400
    assert "largest of 1,000" in line.name
    assert any("bought 0.01 " in text for text in line.texts)


def test_what_stays_the_same_has_no_histogram():
    from backtest.report_columns import Column, columns, histogram

    made = histogram("x", np.full(50, 3.0), form=lambda value: f"{value:g}x")
    assert "All the time 3x." in made
    assert "<svg" not in made
    drawn = histogram("x", np.array([1.0, 1.0, 1.0, 2.0, np.nan]), form=lambda value: f"{value:g}", bins=2)
    assert re.findall("<title>(.*?)</title>", drawn) == ["1 to 1.5: 75.0%", "1.5 to 2: 25.0%"]
    weighted = histogram(
        "x", np.array([1.0, 2.0]), np.array([1.0, 3.0]), form=lambda v: f"{v:g}", bins=2, bad_above=1.6
    )
    assert "1.5 to 2: 75.0%" in weighted
    assert weighted.count('class="bad"') == 1
    assert "Nothing to show" in columns("x", [Column("a", 0.0, "a")], form=str)
