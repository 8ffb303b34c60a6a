"""Funding of BTCUSDT on hourly candles against pandas, row by row; and what rows of the future change: nothing.

The published rates and the candles are read twice: by the importers for the engine, as plain columns for pandas.
"""

from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from engine_data import USDM, amounts

import feeds
import venues
from backtest import Backtest, Result, Strategy
from backtest.tables import TABLES
from feeds.dataset import Dataset

SYMBOL = "BTC/USDT:USDT"
START, END = "2025-03-06T11:00", "2025-10-11"  # the candles begin at 11:00
CANDLES = "ohlcv/multi_venue_1h_BTC_SOL_2025-03_2026-03.parquet"
RATES = "funding/binance_um_funding_rates.parquet"
# Bitcoin held, changed every 40 hours: both sides, lots of one thousandth, flat at times.
HELD = ("0.5", "-0.25", "1.234", "0", "-2.001", "0.007", "-0.6", "1.5")


class Schedule(Strategy):
    """Holds what the list says, whatever happens."""

    def on_start(self) -> None:
        """Begin half an hour after a full one, so that no change falls on a funding time."""
        self._turn = 0
        self.every("40h", offset="30m")

    def on_timer(self, timer: Any) -> None:
        """Go on to the next quantity."""
        self.target(SYMBOL, quantity=float(HELD[self._turn % len(HELD)]))
        self._turn += 1


@pytest.fixture(scope="module")
def data(real_data: Path) -> Dataset:
    candles = feeds.import_file(real_data / CANDLES, venue=USDM, symbol=SYMBOL)
    rates = feeds.import_file(real_data / RATES, symbol=SYMBOL)
    return (candles.dataset + rates.dataset).between(START, END)


@pytest.fixture(scope="module")
def result(data: Dataset) -> Result:
    account = venues.Venue(USDM, balances={"USDT": 250_000}, leverage=5)
    return Backtest(data, Schedule(), venues=account, mark="last").run()


@pytest.fixture(scope="module")
def expected(real_data: Path) -> pd.DataFrame:
    """What each settlement must pay: -quantity x open of the hour that begins there x rate, cut at 8 decimals."""
    candles = pd.read_parquet(real_data / CANDLES).query("venue == 'binance' and coin == 'BTC'").set_index("timestamp")
    rates = pd.read_parquet(real_data / RATES).query("symbol == 'BTCUSDT'")
    times = pd.to_datetime(rates["calc_time"], unit="ms", utc=True).dt.round("h")
    frame = pd.DataFrame({"rate": rates["last_funding_rate"].to_numpy()}, index=pd.DatetimeIndex(times))
    frame = frame[(frame.index >= pd.Timestamp(START, tz="UTC")) & (frame.index < pd.Timestamp(END, tz="UTC"))]
    frame["mark"] = candles["o"].reindex(frame.index)
    # Timers are aligned to UTC: so many whole 40 h since 1970, half an hour later.
    step = pd.Timedelta("40h")
    turns = (frame.index - pd.Timestamp("1970-01-01T00:30", tz="UTC")) // step
    first = (pd.Timestamp(START, tz="UTC") - pd.Timestamp("1970-01-01T00:30", tz="UTC")) // step + 1
    frame["quantity"] = [HELD[(turn - first) % len(HELD)] if turn >= first else "0" for turn in turns]
    frame["amount"] = [
        (-Decimal(quantity) * Decimal(repr(mark)) * Decimal(repr(rate))).quantize(Decimal("1e-8"), ROUND_DOWN)
        for quantity, mark, rate in zip(frame["quantity"], frame["mark"], frame["rate"], strict=True)
    ]
    return frame


def test_every_payment_is_that_of_pandas(result: Result, expected: pd.DataFrame) -> None:
    due = expected[expected["quantity"] != "0"]
    paid = result.funding
    assert len(due) == 570
    assert paid["time"].tolist() == due.index.tolist()
    assert paid["quantity"].tolist() == [float(quantity) for quantity in due["quantity"]]
    assert paid["mark"].tolist() == due["mark"].tolist()
    assert paid["rate"].tolist() == due["rate"].tolist()
    assert amounts(result, "funding") == due["amount"].tolist()
    assert sum(amounts(result, "funding")) == due["amount"].sum() == Decimal("-143.82891677")
    assert result.summary["funding"] == pytest.approx(float(due["amount"].sum()), abs=1e-9)


class Follower(Strategy):
    """Takes the side that was paid last, the more the higher the rate: every row decides what it does next."""

    def on_funding(self, event: Any) -> None:
        """Turn with the rate."""
        self.target(SYMBOL, quantity=round(float(np.clip(-event.rate * 10_000, -2, 2)), 3))

    def on_funding_payment(self, payment: Any) -> None:
        """Put what was paid into the record."""
        self.record(paid=payment.amount)


def following(data: Dataset, flipped_from: pd.Timestamp | None = None) -> Result:
    """Run on the data, the rates of all rows from a time on with the other sign."""
    (stream,) = data.select(kinds="funding").streams
    table = stream.table().to_pandas()
    scale = 10.0 ** stream.scales["rate"]
    rows = pd.DataFrame(
        {"ts": table["ts"], "rate": table["rate"] / scale, "interval_hours": table["interval_s"] / 3600}
    )
    if flipped_from is not None:
        rows.loc[rows["ts"] >= flipped_from.value, "rate"] *= -1
    rates = feeds.from_pandas(rows.round(12), kind="funding", venue=USDM, symbol=SYMBOL)
    account = venues.Venue(USDM, balances={"USDT": 250_000}, leverage=5, latency=("200ms", "100ms", "1s"))
    return Backtest(data.select(kinds="bars") + rates, Follower(), venues=account, mark="last").run()


def before(result: Result, time: pd.Timestamp) -> dict[str, bytes]:
    """Return all rows of all tables older than a time, as bytes."""
    found = {}
    for name in TABLES:
        columns = result.store.columns(name)
        rows = columns["time"] < time.value
        found[name] = b"".join(np.ascontiguousarray(columns[key][rows]).tobytes() for key in sorted(columns))
    return found


@pytest.mark.parametrize("time", ["2025-03-09T03:00", "2025-05-01T11:17", "2025-07-04T15:59:59.9", "2025-10-10T09:00"])
def test_flipping_all_funding_after_a_time_changes_nothing_before_the_first_row_that_is_flipped(
    data: Dataset, time: str
) -> None:
    first = pd.Timestamp(time, tz="UTC").ceil("8h")
    published, flipped = following(data), following(data, first)
    assert before(published, first) == before(flipped, first)
    assert sum(map(len, before(published, first).values())) > 0
    after = [result.funding.loc[result.funding["time"] >= first, "amount"].sum() for result in (published, flipped)]
    assert after[0] != after[1]
