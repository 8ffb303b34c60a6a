"""Cash and carry on the hourly file of AVAXUSDT: coins in a spot account, the perpetual sold against them.

The file has spot, perpetual and a mark that is true at the end of its row's hour; the funding is the published one, the
tiers those of the 178-symbol table. What is expected is worked out with pandas from the same files.
"""

from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from engine_data import USDM, amounts, balance

import feeds
import venues
from backtest import Backtest, Result, Strategy
from feeds.dataset import Dataset

SPOT, PERP = "AVAX/USDT@binance_spot", "AVAX/USDT:USDT@binance_usdm"
CASH = "binance_spot"
START, END = pd.Timestamp("2025-03-06", tz="UTC"), pd.Timestamp("2025-10-11", tz="UTC")
PANEL = "ohlcv/binance_um_AVAXUSDT_1h.parquet"
RATES = "funding/binance_um_funding_rates.parquet"
TIERS = "instruments/binance_um_leverage_tiers_2024-10.parquet"


class Carry(Strategy):
    """In while the last settled rate pays, out when it has cost; hedged coin for coin, the fee in coins included."""

    coins: float = 400.0
    enter: float = 0.00008  # per 8 hours
    leave: float = -0.00005

    def on_start(self) -> None:
        """Look an hour and a half after each settlement."""
        self.every("8h", offset="90m")

    def on_timer(self, timer: Any) -> None:
        """Go in or out by the last settled rate."""
        rate = self.funding(PERP).last_rate
        if rate is None:
            return
        held = self.position(SPOT).quantity
        if not held and rate > self.enter:
            self.buy(SPOT, quantity=self.coins)
        elif held and rate < self.leave:
            self.target(SPOT, quantity=0)

    def on_fill(self, fill: Any) -> None:
        """Sell as many contracts as there are coins."""
        if fill.symbol == SPOT:
            self.target(PERP, delta=-self.position(SPOT).delta)


@pytest.fixture(scope="module")
def data(real_data: Path) -> Dataset:
    """Bars and marks of the hourly file, the published funding, the table of tiers."""
    panel = feeds.import_file(real_data / PANEL).dataset.select(kinds=["bars", "mark"])
    rates = feeds.import_file(real_data / RATES, symbol="AVAX/USDT:USDT").dataset
    tiers = feeds.import_file(real_data / TIERS, venue=USDM, symbol="AVAX/USDT:USDT", valid_from="2024-10-01").dataset
    return (panel + rates + tiers).between(START, END)


def run(data: Dataset, **options: Any) -> Result:
    accounts = [
        venues.Venue(CASH, balances={"USDT": 12_000}),
        venues.Venue(USDM, balances={"USDT": 8_000}, leverage=5),
    ]
    return Backtest(data, Carry(), venues=accounts, **options).run()


@pytest.fixture(scope="module")
def result(data: Dataset) -> Result:
    return run(data)


@pytest.fixture(scope="module")
def panel(real_data: Path) -> pd.DataFrame:
    """The hourly file by the beginning of the hour, with the mark at the hour's beginning beside it as `mark`."""
    frame = pd.read_parquet(real_data / PANEL)
    frame.index = pd.DatetimeIndex(frame["timestamp"]).tz_localize("UTC")
    frame["mark"] = frame["mark_price_binance"].shift(1, freq="h").reindex(frame.index)
    return frame


def settlements(real_data: Path) -> pd.Series:
    """Published rates by the instant of their settlement."""
    rates = pd.read_parquet(real_data / RATES).query("symbol == 'AVAXUSDT'")
    times = pd.to_datetime(rates["calc_time"], unit="ms", utc=True).dt.round("h")
    found = pd.Series(rates["last_funding_rate"].to_numpy(), index=pd.DatetimeIndex(times))
    return found[(found.index >= START) & (found.index < END)]


def held_at(fills: pd.DataFrame, time: pd.Timestamp) -> Decimal:
    """Contracts held just before a time."""
    return sum((row.side * exact(row.quantity) for row in fills.itertuples() if row.time < time), start=Decimal(0))


def exact(value: Any) -> Decimal:
    return Decimal(repr(float(value)))


def test_every_payment_is_quantity_times_the_mark_at_the_end_of_the_hour_before_times_the_published_rate(
    result: Result, panel: pd.DataFrame, real_data: Path
) -> None:
    fills = result.fills
    sold = fills[fills["symbol"] == "AVAX/USDT:USDT"]
    due: list[tuple[pd.Timestamp, Decimal]] = []
    for time, rate in settlements(real_data).items():
        quantity = held_at(sold, time)
        if quantity:
            amount = -quantity * exact(panel.at[time, "mark"]) * exact(rate)
            due.append((time, amount.quantize(Decimal("1e-8"), ROUND_DOWN)))
    assert len(due) == 408
    assert result.funding["time"].tolist() == [time for time, _ in due]
    assert amounts(result, "funding") == [amount for _, amount in due]
    assert sum(amount for _, amount in due) == Decimal("234.27036083")


def test_coins_and_contracts_are_one_hedge_through_the_crash(result: Result) -> None:
    """At most one lot of the perpetual (a whole coin, by the file's volumes) is unhedged; nothing is liquidated."""
    assert len(result.fills) == 122
    assert result.liquidations.empty
    for coins, contracts in hedges(result.fills):
        assert 0 <= coins + contracts < 1
    assert result.fills["quantity"].iloc[-1] == 399  # still short when the hour of 21:00 began
    assert result.summary["liquidations"] == 0


def hedges(fills: pd.DataFrame) -> Iterator[tuple[Decimal, Decimal]]:
    """Coins owned and contracts held after each pair of fills."""
    coins = contracts = Decimal(0)
    for number, row in enumerate(fills.itertuples()):
        if row.symbol == "AVAX/USDT":
            coins += row.side * exact(row.quantity) - (exact(row.fee) if row.fee_asset == "AVAX" else 0)
        else:
            contracts += row.side * exact(row.quantity)
        if number % 2:
            yield coins, contracts


def test_the_money_at_the_end_is_that_of_a_cash_book(result: Result, panel: pd.DataFrame) -> None:
    """Deposits, what fills cost and brought, fees, funding; the open pair at the last spot price and the last mark."""
    fills = result.fills
    bought, sold = fills[fills["symbol"] == "AVAX/USDT"], fills[fills["symbol"] != "AVAX/USDT"]
    coins = sum(exact(row.side * row.quantity) - (exact(row.fee) if row.side > 0 else 0) for row in bought.itertuples())
    spent = sum(
        exact(row.side * row.quantity) * exact(row.price) + (exact(row.fee) if row.side < 0 else 0)
        for row in bought.itertuples()
    )
    assert balance(result, "AVAX", name=CASH) == coins == Decimal("399.6")
    assert balance(result, name=CASH) == pytest.approx(12_000 - spent, abs=Decimal("1e-6"))
    flows = sum(-exact(row.side * row.quantity) * exact(row.price) - exact(row.fee) for row in sold.itertuples())
    last = panel.index[panel.index < END][-1]
    mark = exact(panel.at[last, "mark"])
    worth = 8_000 + flows + sum(amounts(result, "funding")) + held_at(sold, END) * mark
    end = 12_000 - spent + coins * exact(panel.at[last, "close_spot_binance"]) + worth
    assert result.summary["end_equity"] == pytest.approx(float(end), abs=1e-5)
    assert result.summary["end_equity"] == pytest.approx(19_206.506, abs=1e-3)


def test_a_mark_of_the_hour_beside_coins_on_their_bar_shows_a_drawdown_that_was_none(
    data: Dataset, result: Result
) -> None:
    """The one mark an hour stands still at 24.77 while the bar takes the coins to 8.52: 38 % of nothing.

    With the perpetual's own bar as its mark both legs fall together. Funding hardly changes: 234.2704 against 234.2715.
    """
    moving = run(data, mark={PERP: "last"})
    assert result.summary["max_drawdown"] == pytest.approx(-0.380, abs=5e-4)
    assert moving.summary["max_drawdown"] == pytest.approx(-0.0625, abs=5e-4)
    equity = result.equity
    lowest = equity.loc[equity["equity"].idxmin(), "time"]
    assert lowest.floor("h") == pd.Timestamp("2025-10-10T21:00", tz="UTC")
    assert len(moving.funding) == len(result.funding)
    assert moving.summary["funding"] == pytest.approx(result.summary["funding"], abs=2e-3)
    assert moving.fills["quantity"].tolist() == result.fills["quantity"].tolist()
