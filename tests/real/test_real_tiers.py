"""Bracket tables of 178 Binance USD-M symbols (2024-10): the recursion of amounts, and the tables that are shipped."""

from itertools import groupby

import pyarrow.parquet as parquet
import pytest

import venues
from venues.instrument import Tier, complete_tiers


@pytest.fixture(scope="module")
def tables(real_data):
    rows = parquet.read_table(real_data / "instruments" / "binance_um_leverage_tiers_2024-10.parquet").to_pylist()
    rows.sort(key=lambda row: (row["symbol"], row["minNotional"]))
    return {symbol: list(group) for symbol, group in groupby(rows, key=lambda row: row["symbol"])}


def test_published_amounts_follow_by_continuity(tables):
    assert len(tables) == 178
    for symbol, rows in tables.items():
        tiers = [
            Tier(floor=r["minNotional"], maintenance_rate=r["maintenanceMarginRate"], max_leverage=r["maxLeverage"])
            for r in rows
        ]
        amounts = [row.amount for row in complete_tiers(tiers, symbol)]
        assert amounts == pytest.approx([r["cum"] for r in rows], abs=0.011), symbol


@pytest.mark.parametrize("symbol", ["BTC/USDT:USDT", "ETH/USDT:USDT", "XRP/USDT:USDT"])
def test_shipped_tables_are_the_published_ones(tables, symbol):
    shipped = venues.get("binance_usdm", as_of="2024-10-24").tiers(symbol)
    published = [(r["minNotional"], r["maintenanceMarginRate"], r["maxLeverage"], r["cum"]) for r in tables[symbol]]
    assert [(t.floor, t.maintenance_rate, t.max_leverage, t.amount) for t in shipped] == published
