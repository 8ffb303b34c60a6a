"""Deribit on real rows: the hourly funding of the SOL perpetual over years, whole hours and parts of them."""

from decimal import ROUND_DOWN, Decimal
from pathlib import Path

import pandas as pd
import pytest
from engine_data import HOUR, Script, account, amounts, marks, run, trades

import feeds
import venues

SYMBOL, VENUE = "SOL/USDC:USDC", "deribit"
PANEL = "ohlcv/deribit_SOL_PERP_1h.parquet"
ATOM = Decimal("1e-8")


@pytest.fixture(scope="module")
def panel(real_data: Path) -> pd.DataFrame:
    """Rows with a rate and a price, a year of them without a hole."""
    whole = pd.read_parquet(real_data / PANEL)
    known = whole[whole["funding_rate_1h_deribit"].notna() & whole["index_price_deribit"].notna()]
    return known[known["timestamp"] >= "2025-01-01"].iloc[: 24 * 180].reset_index(drop=True)


def data_of(panel, first_trade):
    stamps = [int(t.value) for t in panel["timestamp"]]
    prices = panel["index_price_deribit"].round(4).tolist()
    data = marks(list(zip(stamps, prices, strict=True)), SYMBOL, VENUE)
    data += trades([(stamps[0] + first_trade, prices[0], 1e6)], SYMBOL, VENUE)
    frame = pd.DataFrame(
        {"ts": stamps[1:], "rate": panel["funding_rate_1h_deribit"].round(10).tolist()[1:], "interval_hours": 1.0}
    )
    return stamps, prices, frame, data + feeds.from_pandas(frame, kind="funding", venue=VENUE, symbol=SYMBOL)


@pytest.mark.parametrize("late", [1, 30])
def test_a_position_pays_every_hourly_rate_and_of_the_first_hour_its_part(panel, late):
    """Bought `late` minutes into the first hour: that hour counts with what is left of it."""
    stamps, prices, frame, data = data_of(panel, late * HOUR // 60)
    script = Script((stamps[0], lambda s: s.buy(SYMBOL, quantity=100)))
    result = run(data, script, account(venues.get(VENUE), {"USDC": 1e7}), on_gap="skip")
    expected = []
    for row, (rate, price) in enumerate(zip(frame["rate"], prices[1:], strict=True)):
        share = Decimal(60 - late) / 60 if row == 0 else Decimal(1)
        held = (share * 100).quantize(Decimal("1e-6"))
        expected.append((-held * Decimal(repr(rate)) * Decimal(repr(price))).quantize(ATOM, ROUND_DOWN))
    paid = amounts(result, "funding", name=VENUE)
    assert len(expected) > 4_000
    assert [p for p in paid[1:] if p] == [e for e in expected[1:] if e] or paid[1:] == expected[1:]
    assert float(paid[0]) == pytest.approx(float(expected[0]), abs=1e-6)


def test_daily_settlements_leave_the_account_as_it_would_be_without_them(panel):
    """What is paid out at 08:00 of 180 days and the rest at the end are the whole profit."""
    stamps, prices, _, data = data_of(panel, HOUR // 2)
    script = Script((stamps[0], lambda s: s.buy(SYMBOL, quantity=100)))
    result = run(data, script, account(venues.get(VENUE), {"USDC": 1e7}), on_gap="skip")
    paid_out = amounts(result, "settlement", name=VENUE)
    assert len(paid_out) > 150
    hours = pd.to_datetime(stamps, utc=True)
    last = max(row for row, t in enumerate(hours) if t.hour == 8)
    assert float(sum(paid_out)) == pytest.approx(100 * (prices[last] - prices[0]), abs=1e-5)
