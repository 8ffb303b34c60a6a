"""A real account's history through our accounts: profits, fees, forced closes, funding, margin."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import feeds
from backtest.replay_export import ReplayResult, replay

pytestmark = pytest.mark.real

# Files of the real data that a replay reads besides the export.
MARKET = (
    ("funding/binance_um_funding_rates.parquet", {}),
    ("ohlcv/multi_venue_1h_BTC_SOL_2025-03_2026-03.parquet", {"symbol": "BTCUSDT", "venue": "binance_usdm"}),
    ("ohlcv/binance_cm_BTCUSD_PERP_markPriceKlines_1m_2025-10-09.zip", {}),
    ("ohlcv/binance_cm_BTCUSD_PERP_markPriceKlines_1m_2025-10-10.zip", {}),
    (
        "instruments/binance_um_leverage_tiers_2024-10.parquet",
        {"venue": "binance_usdm", "valid_from": "2024-10-24"},
    ),
)


@cache
def market(folder: Path) -> feeds.Dataset:
    return sum(feeds.import_file(folder / name, **options).dataset for name, options in MARKET)  # type: ignore[arg-type]


@cache
def replayed(folder: Path, venue: str, scale: float = 1.0, basis: float | None = None) -> ReplayResult:
    return replay(folder / "accounts", venue=venue, data=market(folder), scale=scale, basis=basis)


def bar(result: ReplayResult, asset: str) -> pd.Timestamp:
    return pd.Timestamp(result.report.timeline.triggers[asset].ts)


def test_coin_margined_profits_and_fees_come_out_to_the_last_digit_b38(real_data: Path) -> None:
    report = replayed(real_data, "binance_coinm").report
    assert report.counts("realized") == (207, 207)
    assert report.counts("fee") == (589, 589)
    assert report.counts("funding") == (242, 242)
    delivered = report.table("realized").query("symbol == 'BTC/USD:BTC-250926'")
    assert delivered["ours"].tolist() == delivered["export"].tolist() == [-0.02436318]


def test_the_coin_margined_account_is_closed_in_the_venues_four_orders_and_ends_empty(real_data: Path) -> None:
    report = replayed(real_data, "binance_coinm").report
    assert [(step.symbol[-6:], int(step.filled), float(step.limit), step.rule) for step in report.steps] == [
        ("251226", 4210, 110457.2, "rate"),
        ("251226", 13049, 110718.6, "margin left"),
        ("260327", 3644, 113143.7, "margin left"),
        ("260327", 7398, 113143.7, "takeover"),
    ]
    assert [round(step.fee / 1e8, 6) for step in report.steps] == [0.037584, 0.033214, 0.013469, 0.0]
    assert report.steps[0].fee == report.steps[0].fee_recorded
    # The price behind a rounded limit is inferred: the two capped fees share what is left within 11 atoms.
    assert max(abs(step.fee - step.fee_recorded) for step in report.steps) <= 11
    wallet = report.wallets[0]
    assert (wallet.ours, wallet.theirs, wallet.largest_difference) == (0, 0, 0)


def test_usd_margined_profits_come_out_under_one_stated_rule(real_data: Path) -> None:
    report = replayed(real_data, "binance_usdm").report
    exact, rows = report.counts("realized")
    assert rows == 821
    assert exact >= 805
    wrong = report.table("realized").query("difference != 0")
    assert set(wrong["symbol"]) == {"BTC/USDT:USDT-251226"}
    assert wrong["difference"].abs().max() <= 70e-8
    last_digit = [cause.count for cause in report.causes if "-1 of its last digit" in cause.text]
    assert sum(last_digit) >= len(wrong) - 1


def test_usd_margined_fees_and_forced_closes_match_and_the_wallets_end_at_the_exports(real_data: Path) -> None:
    report = replayed(real_data, "binance_usdm").report
    assert report.counts("fee") == (1142, 1142)
    assert [cause.count for cause in report.causes if cause.text == "fees in BNB taken as recorded"] == [1137]
    assert report.counts("clearance") == (5, 5)
    assert [step.rule for step in report.steps].count("rate") == 4
    wallets = {wallet.asset: wallet for wallet in report.wallets}
    assert (wallets["BNB"].largest_difference, wallets["USDC"].largest_difference) == (0, 0)
    difference = report.table("realized").query("asset == 'USDT'")["difference"].sum()
    assert wallets["USDT"].ours - wallets["USDT"].theirs == pytest.approx(difference * 1e8, abs=0.5)
    assert wallets["USDT"].largest_difference < 200


def test_funding_is_the_position_at_the_hourly_open_times_the_published_rate(real_data: Path) -> None:
    check = replayed(real_data, "binance_usdm").report.funding_check()
    bitcoin = check.query("symbol == 'BTC/USDT:USDT'")
    assert len(bitcoin) == 205
    assert set(bitcoin["mark_source"]) == {"own series, open"}
    off = (bitcoin["ratio"] - 1.0).abs()
    assert np.percentile(off, 95) < 0.0002
    assert bitcoin["computed"].sum() == pytest.approx(bitcoin["export"].sum(), rel=1e-4)
    rest = check.query("symbol != 'BTC/USDT:USDT'")
    assert rest["symbol"].value_counts().to_dict() == {"ETH/USDT:USDT": 11, "BCH/USDT:USDT": 5}
    assert (np.sign(rest["computed"]) == np.sign(rest["export"])).all()
    # no mark in the data: the last own fill stands in for it
    assert rest["computed"].abs().sum() == pytest.approx(rest["export"].abs().sum(), rel=0.03)


def test_the_usd_margined_pools_trigger_within_two_minutes_of_the_real_ones(real_data: Path) -> None:
    result = replayed(real_data, "binance_usdm")
    for asset in ("USDT", "USDC"):
        real = pd.Timestamp(result.report.forced_at[asset])
        assert abs(bar(result, asset) - real) < pd.Timedelta("2min")


def test_the_coin_margined_trigger_depends_on_the_basis_of_the_dated_contracts(real_data: Path) -> None:
    usual = replayed(real_data, "binance_coinm").report
    assert usual.survived
    assert usual.timeline.worst("BTC").ratio > 0.3
    fallen = replayed(real_data, "binance_coinm", basis=1.02)
    real = pd.Timestamp(fallen.report.forced_at["BTC"])
    assert bar(fallen, "BTC") == real.floor("min")


@pytest.mark.parametrize("venue", ["binance_coinm", "binance_usdm"])
def test_half_the_quantities_survive_at_the_usual_basis(real_data: Path, venue: str) -> None:
    result = replayed(real_data, venue, 0.5)
    assert result.report.survived
    assert result.fills["forced"].isin(["own", "settlement"]).all()
    assert result.summary["max_margin_ratio"] < 0.25
    assert result.ledger.query("account.str.contains('main')")["balance"].min() >= 0.0


def test_half_the_coin_margined_quantities_do_not_survive_without_any_basis(real_data: Path) -> None:
    result = replayed(real_data, "binance_coinm", 0.5, 1.0)
    assert bar(result, "BTC") == pd.Timestamp("2025-10-10 21:20")
