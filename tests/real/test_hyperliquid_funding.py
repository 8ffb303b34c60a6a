"""Hyperliquid's settled BTC funding of 2024 and 2025: every rate follows from its published premium."""

import pyarrow.parquet as parquet

import venues

HOURS = 12_192


def test_every_settled_rate_follows_from_its_premium_to_the_tenth_decimal(real_data):
    rows = parquet.read_table(real_data / "funding" / "hyperliquid_BTC_funding_premium_1h.parquet").to_pylist()
    assert len(rows) == HOURS
    rules = venues.get("hyperliquid")
    apart = [
        abs(rules.funding_rate(premium=row["premium"], symbol="BTC/USDC:USDC") - row["funding_rate"]) for row in rows
    ]
    assert max(apart) < 1e-10
    # both branches are in it: rates inside the band and beyond it
    inside = sum(abs(row["funding_rate"] - 0.0000125) < 1e-10 for row in rows)
    assert 1_000 < inside < HOURS - 1_000
