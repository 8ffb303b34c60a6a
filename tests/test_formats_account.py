"""A Binance account export: USD-M and COIN-M spellings, exact cells, order of rows, refusals."""

import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from feeds.catalog import Catalog
from feeds.errors import FeedError
from feeds.formats.binance_account import read_account_export
from feeds.importing import import_file

USDM_FILLS = """\
Uid,Time(UTC),Symbol,Side,Position Side,Price,Quantity,Amount,Fee,Realized Profit,Buyer,Maker,Trade Id,Order Id
77,2024-01-02 03:04:05,BTCUSDT,BUY,LONG,42000.10000000,0.01000000,420.00100000,-0.00021000 BNB,0E-8,true,false,11,5
77,2024-01-02 03:04:05,BTCUSDT,SELL,LONG,42000.2,0.01000000,420.00200000,-0.16800080 USDT,0.00100000,false,true,12,6
"""
COINM_FILLS = """\
Time(UTC),Symbol,Side,Position Side,Price,Quantity,Amount,Fee,Realized Profit,Maker,Buyer,Trade Id,Order Id
2024-01-02 03:04:05,BTCUSD_PERP,SELL,SHORT,42000.10000000,3.00000000,0.00714284,-0.00000357 BTC,0E-8,true,false,21,7
"""
COINM_ORDERS = """\
Date(UTC),Order No,Symbol,Type,Side,Price,Amount,Executed,Average price,Trading total,Stop Price,Status
2024-01-02 03:04:00,7,BTCUSD_PERP,LIMIT,SELL,42000.10000000,3.00000000,0E-8,,0E-8,0E-8,CANCELED
"""
USDM_ORDERS = """\
Time(UTC),Order No,Symbol,Type,Side,Position Side,Price,Average Price,Amount,Executed Amount,Executed Quote Amount,\
Stop Price,Status,Client Order Id,Time In Force,Working Type,Update Time
2024-01-02 03:04:00,5,BTCUSDT,MARKET,BUY,LONG,0E-8,42000.10000000,0.01000000,0.01000000,420.00100000,0E-8,FILLED,\
autoclose-1,IOC,Contract Price,2024-01-02 03:04:05
"""
LEDGER = """\
Date(UTC),type,Amount,Asset,Symbol,Transaction ID
2024-01-02 03:04:05,TRANSFER,100.00000000,USDT,,1
2024-01-02 03:04:05,REALIZED_PNL,0.00100000,USDT,BTCUSDT,2
2024-01-02 03:04:05,COMMISSION,-0.16800080,USDT,BTCUSDT,2
2024-01-02 08:00:00,FUNDING_FEE,-0.00000001,USDT,BTCUSDT,3
2024-01-03 00:00:00,SOMETHING_NEW,1,USDT,,4
"""
POSITIONS = """\
symbol,Margin Mode,Position Side,Entry Price,Avg. Close Pirce,Max Open Interest,Closed Vol.,Closing PNL,Opened,Closed,\
Status
BTCUSDT,Isolated,Long,42000.10000000,42000.20000000,0.01000000,0.01000000,0.00100000,2024-01-02 03:04:05.123,,\
Partially Closed
"""


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def test_the_files_of_a_folder_are_told_apart_by_header_and_symbol(tmp_path: Path) -> None:
    folder = write(tmp_path, a=USDM_FILLS, b=COINM_FILLS, c=COINM_ORDERS, d=LEDGER, e=USDM_ORDERS, f="x,y\n1,2\n")
    export = read_account_export(folder, venue="binance_usdm")
    assert (export.fills.num_rows, export.orders.num_rows, export.ledger.num_rows) == (2, 1, 5)
    assert len(export.skipped) == 3
    assert any("header x,y" in reason for reason in export.skipped)
    other = read_account_export(folder / "b.csv", venue="binance_coinm")
    assert other.fills["symbol"].to_pylist() == ["BTC/USD:BTC"]
    assert other.orders.num_rows == other.ledger.num_rows == other.positions.num_rows == 0


def test_fills_are_exact_and_keep_the_order_of_the_file(tmp_path: Path) -> None:
    fills = read_account_export(write(tmp_path, fills=USDM_FILLS), venue="binance_usdm").fills.to_pylist()
    first, second = fills
    assert (first["seq"], second["seq"]) == (0, 1)
    assert first["ts"] == 1704164645 * 10**9
    assert (first["side"], first["position_side"], first["is_maker"]) == (1, 1, 0)
    assert (first["fee"], first["fee_asset"]) == (Decimal("-0.00021"), "BNB")
    assert (first["price"], first["quantity"], first["quote"]) == (
        Decimal("42000.1"),
        Decimal("0.01"),
        Decimal("420.001"),
    )
    assert first["realized_pnl"] == 0
    assert (second["id"], second["order_id"], second["is_maker"]) == ("12", "6", 1)
    assert first["symbol"] == "BTC/USDT:USDT"
    assert "Uid" not in first


def test_swapped_maker_and_buyer_columns_are_read_by_name(tmp_path: Path) -> None:
    fill = read_account_export(write(tmp_path, fills=COINM_FILLS), venue="binance_coinm").fills.to_pylist()[0]
    assert (fill["side"], fill["position_side"], fill["is_maker"]) == (-1, -1, 1)


def test_a_side_that_contradicts_the_buyer_flag_is_refused(tmp_path: Path) -> None:
    text = USDM_FILLS.replace("BUY,LONG", "SELL,LONG")
    with pytest.raises(FeedError, match="data row 1 has side -1 but its buyer flag is 1"):
        read_account_export(write(tmp_path, fills=text), venue="binance_usdm")


def test_orders_of_both_spellings_have_the_same_columns(tmp_path: Path) -> None:
    folder = write(tmp_path, a=USDM_ORDERS, b=COINM_ORDERS, c=LEDGER)
    linear = read_account_export([folder / "a.csv", folder / "c.csv"], venue="binance_usdm").orders
    (folder / "c.csv").write_text(LEDGER.replace("BTCUSDT", "BTCUSD_PERP"))
    inverse = read_account_export([folder / "b.csv", folder / "c.csv"], venue="binance_coinm").orders
    assert linear.schema == inverse.schema
    assert linear.to_pylist()[0]["client_order_id"] == "autoclose-1"
    assert linear.to_pylist()[0]["ts_update"] - linear.to_pylist()[0]["ts"] == 5 * 10**9
    row = inverse.to_pylist()[0]
    assert (row["average_price"], row["client_order_id"], row["position_side"]) == (None, None, 0)
    assert (row["filled"], row["quantity"]) == (0, 3)


def test_ledger_words_become_kinds_and_unknown_ones_are_reported(tmp_path: Path) -> None:
    export = read_account_export(write(tmp_path, ledger=LEDGER), venue="binance_usdm")
    assert export.ledger["kind"].to_pylist() == ["transfer", "realized_pnl", "fee", "funding", "other"]
    assert export.ledger["amount"].to_pylist()[3] == Decimal("-0.00000001")
    assert export.ledger["symbol"].to_pylist()[0] is None
    assert "SOMETHING_NEW" in export.findings[0]


def test_an_open_position_has_no_closing_time(tmp_path: Path) -> None:
    row = read_account_export(write(tmp_path, p=POSITIONS, l=LEDGER), venue="binance_usdm").positions.to_pylist()[0]
    assert (row["margin_mode"], row["position_side"], row["ts_close"]) == ("isolated", 1, None)
    assert row["ts_open"] == 1704164645_123_000_000
    assert row["status"] == "partially closed"


def test_monthly_files_are_joined_in_time_order_and_repeated_fills_dropped(tmp_path: Path) -> None:
    later = USDM_FILLS.splitlines()[0] + "\n" + USDM_FILLS.splitlines()[2] + "\n"
    later += later.splitlines()[1].replace("03:04:05", "04:00:00").replace(",12,6", ",13,6") + "\n"
    folder = write(tmp_path, a=later, b=USDM_FILLS)
    export = read_account_export(folder, venue="binance_usdm")
    assert export.fills["id"].to_pylist() == ["11", "12", "13"]
    assert export.fills["seq"].to_pylist() == [0, 1, 2]
    assert "1 repeated fills dropped" in export.findings[0]


def test_the_same_trade_id_with_another_content_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, a=USDM_FILLS, b=USDM_FILLS.replace("42000.1000", "42000.3000"))
    with pytest.raises(FeedError, match="two different fills have the id 11"):
        read_account_export(folder, venue="binance_usdm")


def test_ledgers_that_overlap_in_time_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="overlap in time"):
        read_account_export(write(tmp_path, a=LEDGER, b=LEDGER), venue="binance_usdm")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a fee without asset", USDM_FILLS.replace("-0.00021000 BNB", "-0.00021000"), "is not a fee"),
        ("a price that is no number", USDM_FILLS.replace("42000.10000000,0.01", "n/a,0.01"), "column 'Price'"),
        ("a number that does not fit", USDM_FILLS.replace("420.00100000", "1E+40"), "column 'Amount'"),
        ("a number too fine", USDM_FILLS.replace("420.00100000", "1E-40"), "column 'Amount'"),
        ("a side that is no side", USDM_FILLS.replace("BUY,", "HOLD,"), "'HOLD' is not one of"),
        ("an empty id", USDM_FILLS.replace(",11,5", ",,5"), "1 empty cells for 'id'"),
        ("an empty time", USDM_FILLS.replace("2024-01-02 03:04:05", "", 1), "1 empty cells for 'ts'"),
        ("a time that is none", USDM_FILLS.replace("2024-01-02 03:04:05", "yesterday", 1), "Time\\(UTC\\)"),
    ],
)
def test_a_cell_that_does_not_parse_is_refused_with_its_column(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(FeedError, match=message):
        read_account_export(write(tmp_path, fills=text), venue="binance_usdm")


def test_a_header_zone_other_than_utc_is_applied(tmp_path: Path) -> None:
    text = LEDGER.replace("Date(UTC)", "Date(UTC+8)").replace("2024-01-02 03:04:05", "2024-01-02 11:04:05")
    ledger = read_account_export(write(tmp_path, ledger=text), venue="binance_usdm").ledger
    assert ledger["ts"].to_pylist()[0] == 1704164645 * 10**9


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(LEDGER.encode() * 50)
    (tmp_path / "ledger.csv.gz").write_bytes(whole[:-9])
    with pytest.raises(FeedError, match="cannot be read to its end"):
        read_account_export(tmp_path / "ledger.csv.gz", venue="binance_usdm")


def test_a_named_file_of_the_other_venue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="symbol BTCUSD_PERP"):
        read_account_export(write(tmp_path, a=COINM_FILLS) / "a.csv", venue="binance_usdm")
    with pytest.raises(FeedError, match="no fills and no ledger of binance_usdm"):
        read_account_export(tmp_path, venue="binance_usdm")
    with pytest.raises(FeedError, match="venue must be one of"):
        read_account_export(tmp_path, venue="bybit")


def test_the_kinds_of_a_catalog_take_the_tables(tmp_path: Path) -> None:
    export = read_account_export(write(tmp_path, a=USDM_FILLS, b=USDM_ORDERS, c=LEDGER), venue="binance_usdm")
    for kind, rows in (("account_fills", 2), ("account_orders", 1), ("account_ledger", 5)):
        table = export.canonical(kind)
        assert table.num_rows == rows
        assert "seq" not in table.column_names


def test_the_importer_stores_the_rows_of_an_account_under_the_whole_venue(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    write(files, a=USDM_FILLS, b=USDM_ORDERS, c=LEDGER)
    for _ in range(2):
        result = import_file(files, catalog=tmp_path / "catalog")
        assert {(item.venue, item.symbol, item.kind, item.rows_out) for item in result.streams} == {
            ("binance_usdm", "*", "account_fills", 2),
            ("binance_usdm", "*", "account_orders", 1),
            ("binance_usdm", "*", "account_ledger", 5),
        }
    stored = Catalog(tmp_path / "catalog").read("binance_usdm", "*", "account_fills").to_pylist()
    assert [(row["id"], row["price"], row["fee_asset"]) for row in stored] == [
        ("11", Decimal("42000.1"), "BNB"),
        ("12", Decimal("42000.2"), "USDT"),
    ]


def test_a_ledger_of_transfers_needs_its_venue(tmp_path: Path) -> None:
    path = write(tmp_path, ledger="".join(LEDGER.splitlines(keepends=True)[:2])) / "ledger.csv"
    with pytest.raises(FeedError, match="give venue='binance_usdm'"):
        import_file(path)
    assert import_file(path, venue="binance_coinm").streams[0].kind == "account_ledger"
    with pytest.raises(FeedError, match=r"not an account export of binance_coinm \(symbol BTCUSDT\)"):
        import_file(write(tmp_path, ledger=USDM_FILLS) / "ledger.csv", venue="binance_coinm")
