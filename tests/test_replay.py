"""Replay of an account export: small synthetic accounts whose figures a reader can check by hand."""

from pathlib import Path

import pandas as pd
import pytest

import feeds
from backtest.errors import ConfigError
from backtest.replay_export import ReplayResult, replay

# USD-M, one-way: 0.020 BTC bought in one order at one price in two fills, half sold by a maker, funding, then the rest.
USDM_FILLS = """\
Time(UTC),Symbol,Side,Position Side,Price,Quantity,Amount,Fee,Realized Profit,Buyer,Maker,Trade Id,Order Id
2025-03-03 01:00:00,BTCUSDT,BUY,BOTH,50000.00000000,0.01500000,750.00000000,-0.37500000 USDT,0E-8,true,false,1,5
2025-03-03 01:00:00,BTCUSDT,BUY,BOTH,50000.00000000,0.00500000,250.00000000,-0.12500000 USDT,0E-8,true,false,2,5
2025-03-03 02:00:00,BTCUSDT,SELL,BOTH,50100.00000000,0.01000000,501.00000000,-0.00030000 BNB,1.00000000,false,true,3,6
2025-03-03 09:00:00,BTCUSDT,SELL,BOTH,49000.0,0.01000000,490.00000000,-0.24500000 USDT,-10.00000000,false,false,4,7
"""
USDM_LEDGER = """\
Date(UTC),type,Amount,Asset,Symbol,Transaction ID
2025-03-03 00:00:00,TRANSFER,1000.00000000,USDT,,1
2025-03-03 00:00:00,TRANSFER,0.50000000,BNB,,2
2025-03-03 01:00:00,COMMISSION,-0.37500000,USDT,BTCUSDT,3
2025-03-03 01:00:00,COMMISSION,-0.12500000,USDT,BTCUSDT,4
2025-03-03 02:00:00,REALIZED_PNL,1.00000000,USDT,BTCUSDT,5
2025-03-03 02:00:00,COMMISSION,-0.00030000,BNB,BTCUSDT,6
2025-03-03 08:00:01,FUNDING_FEE,-0.05000000,USDT,BTCUSDT,7
2025-03-03 09:00:00,COMMISSION,-0.24500000,USDT,BTCUSDT,8
2025-03-03 09:00:00,REALIZED_PNL,-10.00000000,USDT,BTCUSDT,9
2025-03-04 00:00:00,TRANSFER,-990.20500000,USDT,,10
"""
# COIN-M: 0.1 BTC, 1,000 contracts bought at 50,000 for 2 BTC. The account is worth zero at 100000 / 2.099 = 47641.734.
COINM_FILLS = """\
Time(UTC),Symbol,Side,Position Side,Price,Quantity,Amount,Fee,Realized Profit,Maker,Buyer,Trade Id,Order Id
2025-03-03 01:00:00,BTCUSD_PERP,BUY,LONG,50000.00000000,1000.00000000,2.00000000,-0.00100000 BTC,0E-8,false,true,1,5
2025-03-03 05:10:00,BTCUSD_PERP,SELL,LONG,47800.00000000,600.00000000,1.25523012,0E-8 BTC,-0.05523012,false,false,2,8
2025-03-03 05:10:00,BTCUSD_PERP,SELL,LONG,47641.80000000,400.00000000,0.83959883,0E-8 BTC,-0.03959883,false,false,3,9
"""
COINM_ORDERS = """\
Date(UTC),Order No,Symbol,Type,Side,Price,Amount,Executed,Average price,Trading total,Stop Price,Status
2025-03-03 01:00:00,5,BTCUSD_PERP,MARKET,BUY,0E-8,1000.00000000,1000.00000000,50000.00000000,2.00000000,0E-8,FILLED
2025-03-03 05:10:00,8,BTCUSD_PERP,LIMIT,SELL,47641.80000000,1000.00000000,600.00000000,47800.00000000,1.25523012,0E-8,\
EXPIRED
2025-03-03 05:10:00,9,BTCUSD_PERP,LIMIT,SELL,47641.80000000,400.00000000,400.00000000,47641.80000000,0.83959883,0E-8,\
FILLED
"""
# After the 600: 0.099 - 0.05523012 = 0.04376988; the 400 at their takeover lose 0.03959883; 0.00417105 is left, less
# than 1.5 % of 1.25523012.
COINM_LEDGER = """\
Date(UTC),type,Amount,Asset,Symbol,Transaction ID
2025-03-03 00:00:00,DEPOSIT,0.10000000,BTC,,1
2025-03-03 01:00:00,COMMISSION,-0.00100000,BTC,BTCUSD_PERP,2
2025-03-03 05:10:00,REALIZED_PNL,-0.05523012,BTC,BTCUSD_PERP,3
2025-03-03 05:10:00,INSURANCE_CLEAR,-0.00417105,BTC,BTCUSD_PERP,4
2025-03-03 05:10:00,REALIZED_PNL,-0.03959883,BTC,BTCUSD_PERP,5
"""


def export(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def usdm(folder: Path, ledger: str = USDM_LEDGER, **options: object) -> ReplayResult:
    return replay(export(folder, fills=USDM_FILLS, ledger=ledger), venue="binance_usdm", **options)  # type: ignore[arg-type]


def coinm(folder: Path, **options: object) -> ReplayResult:
    files = {"fills": COINM_FILLS, "orders": COINM_ORDERS, "ledger": COINM_LEDGER}
    return replay(export(folder, **files), venue="binance_coinm", **options)  # type: ignore[arg-type]


def frame(rows: dict[str, tuple[float, ...]], columns: list[str]) -> pd.DataFrame:
    index = pd.DatetimeIndex([f"2025-03-03 {time}" for time in rows], tz="UTC")
    return pd.DataFrame(list(rows.values()), index=index, columns=columns)


def marks(low: float) -> feeds.Dataset:
    """Hourly marks of the inverse perpetual whose fifth bar reaches `low`."""
    rows = {f"0{hour}:00": (50_000.0, 50_000.0, 49_000.0, 50_000.0) for hour in range(8)}
    rows["05:00"] = (49_000.0, 49_000.0, low, 49_000.0)
    bars = frame(rows, ["open", "high", "low", "close"])
    return feeds.from_pandas(bars, kind="mark", timeframe="1h", venue="binance_coinm", symbol="BTC/USD:BTC")


def test_every_row_of_a_consistent_export_comes_out(tmp_path: Path) -> None:
    report = usdm(tmp_path).report
    assert report.counts("realized") == (2, 2)
    assert report.counts("fee") == (4, 4)
    assert report.counts("funding") == (1, 1)
    assert [(w.asset, w.ours, w.theirs, w.largest_difference) for w in report.wallets] == [
        ("BNB", 49_970_000, 49_970_000, 0),
        ("USDT", 0, 0, 0),
    ]
    assert [cause.text for cause in report.causes if "fees in" in cause.text] == ["fees in BNB taken as recorded"]


def test_a_wrong_row_of_the_export_is_shown_beside_ours(tmp_path: Path) -> None:
    report = usdm(tmp_path, USDM_LEDGER.replace("REALIZED_PNL,1.00000000", "REALIZED_PNL,1.00000007")).report
    assert report.counts("realized") == (1, 2)
    wrong = report.table("realized").query("difference != 0")
    assert wrong[["ours", "export"]].values.tolist() == [[1.0, 1.00000007]]
    assert [(w.asset, w.ours, w.theirs) for w in report.wallets][1] == ("USDT", 0, 7)


def test_a_row_that_the_export_lacks_is_a_finding(tmp_path: Path) -> None:
    lines = [line for line in USDM_LEDGER.splitlines(keepends=True) if ",9\n" not in line]
    result = usdm(tmp_path, "".join(lines))
    assert result.findings == ["realised profits: 0 rows of the export have no posting of ours, 1 have no row"]


def test_funding_is_computed_from_the_open_at_its_time_and_posted_as_recorded(tmp_path: Path) -> None:
    bars = frame({"07:00": (48_000.0, 51_000.0, 47_000.0, 50_000.0), "08:00": (50_010.0, 50_500.0, 49_000.0, 49_500.0)},
                 ["open", "high", "low", "close"])  # fmt: skip
    rates = frame({"08:00": (0.0001, 8.0)}, ["rate", "interval_hours"])
    where = {"venue": "binance_usdm", "symbol": "BTC/USDT:USDT"}
    data = feeds.from_pandas(bars.assign(volume=1.0), kind="bars", timeframe="1h", **where)
    data += feeds.from_pandas(rates, kind="funding", **where)
    row = usdm(tmp_path, data=data).report.funding_check().iloc[0]
    assert (row["quantity"], row["mark"], row["computed"], row["export"]) == (0.01, 50_010.0, -0.05001, -0.05)


def test_the_forced_close_ends_at_zero_with_a_fee_of_what_the_margin_held(tmp_path: Path) -> None:
    result = coinm(tmp_path)
    report = result.report
    assert report.counts("realized") == (2, 2)
    assert report.counts("clearance") == (1, 1)
    first, second = report.steps
    assert (first.rule, first.fee, first.by_rate) == ("margin left", 417_105, 1_882_845)
    assert (second.rule, second.fee, second.is_takeover) == ("takeover", 0, True)
    assert report.wallets[0].ours == report.wallets[0].largest_difference == 0
    assert result.liquidations["what"].tolist() == ["liquidation", "takeover"]
    assert result.fills["forced"].tolist() == ["own", "liquidation", "takeover"]


# Maintenance 0.4 %: 100400 / mark reaches 2.099 at 47832.3.
@pytest.mark.parametrize(("low", "bar"), [(47_900.0, None), (47_800.0, "2025-03-03 05:00")])
def test_the_margin_timeline_triggers_where_maintenance_reaches_equity(tmp_path: Path, low: float, bar: str) -> None:
    report = coinm(tmp_path, data=marks(low)).report
    assert report.survived == (bar is None)
    assert [pd.Timestamp(p.ts) for p in report.timeline.triggers.values()] == ([pd.Timestamp(bar)] if bar else [])
    worst = report.margin().set_index("time").loc["2025-03-03 05:00+00:00"]
    assert (worst["moment"], worst["maintenance"]) == ("low", pytest.approx(400 / low))


def test_half_the_quantity_survives_and_leaves_the_forced_fills_out(tmp_path: Path) -> None:
    result = coinm(tmp_path, data=marks(47_800.0), scale=0.5)
    assert result.report.survived
    assert result.fills[["quantity", "fee"]].values.tolist() == [[500.0, 0.0005]]
    assert (result.report.steps, result.report.rows, result.report.wallets) == ([], {}, [])


def test_scaled_quantities_go_toward_zero_on_the_lot_and_close_with_the_position(tmp_path: Path) -> None:
    # 0.015, 0.020, 0.010, 0 held; x 0.3333 toward zero: 0.004, 0.006, 0.003, 0
    fills = usdm(tmp_path, scale="0.3333").fills
    assert (fills["quantity"] * fills["side"]).round(6).tolist() == [0.004, 0.002, -0.003, -0.003]


def test_a_withdrawal_beyond_a_scaled_wallet_waits_for_the_next_deposit(tmp_path: Path) -> None:
    ledger = USDM_LEDGER + "2025-03-05 00:00:00,TRANSFER,1.00000000,USDT,,11\n"
    result = usdm(tmp_path, ledger, scale=2)
    # twice the real loss of 9.795 is gone when 990.205 are asked for: 980.41 are paid, 9.795 owed, 1 kept back
    moved = result.ledger.query("asset == 'USDT' and kind in ('deposit', 'withdrawal')")["amount"].tolist()
    assert moved == [1000.0, pytest.approx(-980.41)]
    assert result.ledger.query("asset == 'USDT' and account.str.contains('main')")["balance"].min() >= 0.0


def test_a_taker_order_walks_its_prices_in_order_whatever_the_export_lists(tmp_path: Path) -> None:
    fills = """\
Time(UTC),Symbol,Side,Position Side,Price,Quantity,Amount,Fee,Realized Profit,Buyer,Maker,Trade Id,Order Id
2025-03-03 01:00:00,BTCUSDT,SELL,SHORT,50000.00000000,0.01000000,500.00000000,0E-8 USDT,0E-8,false,false,1,5
2025-03-03 01:00:00,BTCUSDT,SELL,SHORT,50010.00000000,0.01000000,500.10000000,0E-8 USDT,0E-8,false,false,2,5
"""
    ledger = "Date(UTC),type,Amount,Asset,Symbol,Transaction ID\n2025-03-03 00:00:00,TRANSFER,1,USDT,,1\n"
    result = replay(export(tmp_path, fills=fills, ledger=ledger), venue="binance_usdm")
    assert result.fills["price"].tolist() == [50_010.0, 50_000.0]


def test_a_replay_is_a_result_like_any_other(tmp_path: Path) -> None:
    result = usdm(tmp_path)
    # BNB has no price anywhere, and says so
    assert result.summary["fees"] == pytest.approx(-0.745)
    assert any(text.startswith("BNB: no price") for text in result.warnings)
    assert result.attribution(by="asset").loc["USDT", "trade_profit"] == pytest.approx(-9.0)
    saved = ReplayResult.load(result.save(tmp_path / "saved"))
    assert saved.fills.equals(result.fills)
    assert "REPLAY of binance_usdm" in str(result)


@pytest.mark.parametrize(("options", "message"), [({"scale": 0}, "scale must be above zero, got 0"),
                                                   ({"basis": -1.0}, "basis must be above zero")])  # fmt: skip
def test_options_without_meaning_are_refused(tmp_path: Path, options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        usdm(tmp_path, **options)


def test_an_export_without_fills_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no fills of binance_usdm"):
        replay(export(tmp_path, ledger=USDM_LEDGER), venue="binance_usdm")
