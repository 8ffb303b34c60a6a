"""Plain tables of quotes, books, open interest and liquidations, and instruments and tiers as data."""

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

import feeds
from feeds.errors import FeedError
from feeds.importing import ImportResult, import_file
from feeds.times import time_ns

WHERE = {"venue": "bybit", "symbol": "BTC/USDT:USDT"}
NS = time_ns("2024-01-01")
US = NS // 1000


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def rows(result: ImportResult, folder: Path, kind: str) -> list[dict[str, object]]:
    """Return the stored rows of the one instrument as dicts with decimals."""
    return list(feeds.Catalog(folder).read(WHERE["venue"], WHERE["symbol"], kind).to_pylist())


def test_quotes_are_told_by_their_header_and_keep_their_receipt(tmp_path: Path) -> None:
    head = "timestamp,local_timestamp,bid,bid_size,ask,ask_size"
    text = f"{head}\n{US},{US + 5},99.5,1,100.5,2\n{US + 9},{US + 1},99,1,101,2\n"
    result = import_file(write(tmp_path / "q.csv", text), catalog=tmp_path / "c", **WHERE)
    first, second = rows(result, tmp_path / "c", "quotes")
    assert (first["bid_price"], first["ask_quantity"]) == (Decimal("99.5"), 2)
    assert first["ts_avail"] == (US + 5) * 1000
    assert second["ts_avail"] == second["ts"]  # a receipt before the event is a clock that is behind


def test_open_interest_is_told_by_its_header(tmp_path: Path) -> None:
    text = f"time,open_interest,quote\n{US},1000.5,30000000\n{US + 300_000_000},1001,\n"
    result = import_file(write(tmp_path / "oi.csv", text), catalog=tmp_path / "c", **WHERE)
    assert [(row["native"], row["quote"]) for row in rows(result, tmp_path / "c", "open_interest")] == [
        (Decimal("1000.5"), 30_000_000),
        (1001, None),
    ]


def test_a_book_needs_its_kind_and_a_size_of_zero_takes_a_level_away(tmp_path: Path) -> None:
    text = f"t,snap,number,s,p,q\n{US},1,1,bid,99.5,3\n{US},1,1,ask,100.5,2\n{US + 9},0,2,bid,99.5,0\n"
    names = {"ts": "t", "is_snapshot": "snap", "seq": "number", "side": "s", "price": "p", "quantity": "q"}
    path = write(tmp_path / "b.csv", text)
    result = import_file(path, kind="book", columns=names, catalog=tmp_path / "c", **WHERE)
    found = rows(result, tmp_path / "c", "book")
    assert [(row["seq"], row["is_snapshot"], row["side"], row["quantity"]) for row in found] == [
        (1, 1, 1, 3),
        (1, 1, -1, 2),
        (2, 0, 1, 0),
    ]


def test_liquidations_need_their_kind_and_have_no_coverage_of_their_own(tmp_path: Path) -> None:
    path = write(tmp_path / "l.csv", f"time,side,price,qty,avg_price\n{US},sell,99.5,3,99\n")
    result = import_file(path, format="csv", kind="liquidations", catalog=tmp_path / "c", **WHERE)
    (row,) = rows(result, tmp_path / "c", "liquidations")
    assert (row["side"], row["average_price"], row["coverage"]) == (-1, 99, "unknown")


def test_a_kind_without_its_columns_says_which_it_needs(tmp_path: Path) -> None:
    path = write(tmp_path / "q.csv", f"time,bid\n{US},99.5\n")
    with pytest.raises(FeedError, match="quotes need a column for bid_quantity, ask_price, ask_quantity"):
        import_file(path, format="csv", kind="quotes", **WHERE)


INSTRUMENT = "symbol,kind,base,quote,settle,contract,contract_size,quantity_unit,tick_size,lot_size"


def test_instruments_are_rows_that_hold_from_a_time_on(tmp_path: Path) -> None:
    body = "BTCUSDT,perpetual,BTC,USDT,USDT,linear,1,base"
    text = (
        f"{INSTRUMENT},valid_from,funding_interval_s\n{body},0.5,0.001,2023-01-01,28800\n{body},0.1,0.001,2024-01-01,\n"
    )
    result = import_file(write(tmp_path / "i.csv", text), venue="bybit", catalog=tmp_path / "c")
    assert result.format == "instruments-table"
    found = rows(result, tmp_path / "c", "instruments")
    assert [(row["valid_from"], row["tick_size"], row["funding_interval_s"]) for row in found] == [
        (time_ns("2023-01-01"), Decimal("0.5"), 28_800),
        (NS, Decimal("0.1"), None),
    ]
    dataset = feeds.Catalog(tmp_path / "c").dataset("bybit", "BTC/USDT:USDT", kinds=["instruments"])
    assert [row["contract_size"] for row in dataset.instruments] == [1, 1]


def test_instruments_without_a_date_need_one(tmp_path: Path) -> None:
    path = write(tmp_path / "i.csv", f"{INSTRUMENT}\nBTCUSDT,perpetual,BTC,USDT,USDT,linear,1,base,0.1,0.001\n")
    with pytest.raises(FeedError, match="does not say since when it holds"):
        import_file(path, venue="bybit")
    (row,) = import_file(path, venue="bybit", valid_from="2024-01-01").dataset.instruments
    assert row["valid_from"] == NS


@pytest.mark.parametrize(("word", "instead"), [("perpetual", "perp"), ("linear", "quanto")])
def test_an_instrument_of_no_kind_that_exists_here_is_refused(tmp_path: Path, word: str, instead: str) -> None:
    line = "BTCUSDT,perpetual,BTC,USDT,USDT,linear,1,base,0.1,0.001".replace(word, instead)
    with pytest.raises(FeedError, match=f"is '{instead}', allowed: "):
        import_file(write(tmp_path / "i.csv", f"{INSTRUMENT}\n{line}\n"), venue="bybit", valid_from="2024-01-01")


def test_a_history_of_tiers_comes_from_one_table(tmp_path: Path) -> None:
    table = pa.table(
        {
            "symbol": ["BTCUSDT", "BTCUSDT", "ETHUSDT"],
            "valid_from": pa.array([NS, NS + 10**9, NS]).cast(pa.timestamp("ns", "UTC")),
            "floor": ["0", "0", "0"],
            "maintenance_rate": ["0.005", "0.004", "0.01"],
            "max_leverage": [100, 125, 50],
        }
    )
    parquet.write_table(table, tmp_path / "t.parquet")
    result = import_file(tmp_path / "t.parquet", venue="bybit", catalog=tmp_path / "c")
    assert (result.format, result.rows_out) == ("tiers-table", 3)
    assert [(row["valid_from"], row["maintenance_rate"]) for row in rows(result, tmp_path / "c", "tiers")] == [
        (NS, Decimal("0.005")),
        (NS + 10**9, Decimal("0.004")),
    ]


def test_a_row_of_rules_without_its_date_is_refused(tmp_path: Path) -> None:
    text = "symbol,valid_from,floor,maintenance_rate,max_leverage\nBTCUSDT,2024-01-01,0,0.01,50\nBTCUSDT,,5,0.02,20\n"
    with pytest.raises(FeedError, match="1 rows of BTCUSDT lack a value"):
        import_file(write(tmp_path / "t.csv", text), venue="bybit")
