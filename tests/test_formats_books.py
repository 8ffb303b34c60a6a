"""Books, quotes, options, captured streams and positions: what their rows say."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vendor_files
from test_formats_vendors import column, only, save, write
from vendor_files import MS, US, USER

from feeds.catalog import Catalog
from feeds.errors import FeedError
from feeds.importing import import_file
from feeds.rules import check_table
from feeds.tables import build, scales_of

NS = MS * 10**6
TARDIS = "exchange,symbol,timestamp,local_timestamp"


def tardis(i: int, *cells: Any) -> str:
    return ",".join(map(str, ("binance-futures", "BTCUSDT", US + i, US + i + 5, *cells)))


def test_updates_before_the_first_snapshot_belong_to_no_book(tmp_path: Path) -> None:
    rows = [tardis(i, str(i == 2).lower(), "bid", 10 + i, i) for i in range(5)]
    result = import_file(write(tmp_path, "u.csv", f"{TARDIS},is_snapshot,side,price,amount", *rows))
    stream = only(result)
    assert (column(stream, "price"), column(stream, "is_snapshot")) == (["12", "13", "14"], [1, 0, 0])
    assert [(each.rule, each.count) for each in result.findings] == [("B2", 2)]


def test_a_snapshot_of_n_levels_becomes_2n_rows_and_empty_levels_none(tmp_path: Path) -> None:
    names = ",".join(
        f"{side}[{n}].{what}" for n in range(2) for side in ("asks", "bids") for what in ("price", "amount")
    )
    rows = [
        tardis(0, "2.5", "1", "2.4", "3", "2.6", "4", "2.3", "5"),
        tardis(1, "2.5", "1", "2.4", "3", "", "", "", ""),
    ]
    stream = only(import_file(write(tmp_path, "s.csv", f"{TARDIS},{names}", *rows)))
    assert column(stream, "price") == ["2.4", "2.3", "2.5", "2.6", "2.4", "2.5"]
    assert column(stream, "side") == [1, 1, -1, -1, 1, -1]
    assert column(stream, "seq") == [0, 0, 0, 0, 1, 1]
    assert column(stream, "ts_avail")[0] - column(stream, "ts")[0] == 5000


def test_quotes_of_tardis_have_the_ask_first(tmp_path: Path) -> None:
    path = write(tmp_path, "q.csv", f"{TARDIS},ask_amount,ask_price,bid_price,bid_amount", tardis(0, 1, 2.5, 2.4, 3))
    stream = only(import_file(path))
    found = [column(stream, name)[0] for name in ("bid_price", "bid_quantity", "ask_price", "ask_quantity")]
    assert found == ["2.4", "3", "2.5", "1"]


def test_depth_bands_are_no_book_and_a_space_before_a_time_is_no_harm(tmp_path: Path) -> None:
    header = "timestamp,percentage,depth,notional,weighted_avg_price"
    rows = ["2024-01-01 00:00:07,-5,8243.012,979983314.2056,1", " 2024-01-01 00:00:37,5.00,1,2,3"]
    stream = only(import_file(write(tmp_path, "BTCUSDT-bookDepth-2024-01-01.csv", header, *rows)))
    assert (stream.kind, column(stream, "percentage"), column(stream, "ts")[1]) == (
        "depth",
        ["-5", "5"],
        NS + 37 * 10**9,
    )


def test_options_keep_what_a_row_has_and_greeks_as_doubles(tmp_path: Path) -> None:
    sample = vendor_files.SAMPLES["tardis-options-chain"]
    (tmp_path / sample.name).write_text(sample.text)
    stream = only(import_file(tmp_path / sample.name))
    assert stream.symbol == "BTC/USD:BTC-240126-40000-C"
    table = stream.table()
    assert table["ask_price"].null_count == table.num_rows
    assert (column(stream, "mark_price")[0], column(stream, "underlying_price")[0]) == ("0.0501", "42000.5")
    assert table["gamma"].to_pylist()[0] == 0.00001


def test_deribit_volatilities_become_fractions_and_a_price_of_nothing_no_quote(tmp_path: Path) -> None:
    row = {
        "timestamp": MS,
        "instrument_name": "BTC-26JAN24-40000-C",
        "mark_price": 0.05,
        "mark_iv": 62.5,
        "underlying_price": 42000.5,
        "greeks": {"delta": 0.5},
        "best_bid_price": 0.0,
        "best_bid_amount": 0.0,
        "bid_iv": 0.0,
        "best_ask_price": 0.06,
        "best_ask_amount": 3.0,
        "ask_iv": 70.0,
    }
    table = only(import_file(save(tmp_path, "o.json", {"result": [row]}))).table()
    assert [table[name].to_pylist()[0] for name in ("mark_iv", "ask_iv", "bid_iv", "bid_price", "delta")] == [
        0.625,
        0.7,
        None,
        None,
        0.5,
    ]


def captured(*messages: dict[str, Any]) -> list[str]:
    return [f"{(MS + 5 * i) * 10**6} {json.dumps(message)}" for i, message in enumerate(messages)]


def update(i: int, before: int, **more: Any) -> dict[str, Any]:
    data = {
        "e": "depthUpdate",
        "E": MS + i,
        "T": MS + i,
        "s": "BTCUSDT",
        "U": i,
        "u": i,
        "pu": before,
        "b": [["10", "1"]],
        "a": [],
    }
    return {"stream": "btcusdt@depth@0ms", "data": data | more}


def test_a_captured_stream_with_a_book_asked_for_in_its_middle_has_no_break(tmp_path: Path) -> None:
    asked = {"lastUpdateId": 12, "E": MS + 3, "T": MS + 3, "bids": [["10", "1"]], "asks": [["11", "2"]]}
    lines = captured(update(1, 0), update(2, 1), asked, update(13, 2), update(14, 13))
    book = only(import_file(write(tmp_path, "c.jsonl", *lines)), "book")
    assert (book.venue, column(book, "seq"), column(book, "is_snapshot")) == (
        "binance_usdm",
        [1, 2, 12, 12, 13, 14],
        [0, 0, 1, 1, 0, 0],
    )
    assert check_table(book.table(), "book", 0) == []
    lines = captured(update(1, 0), update(2, 1), update(14, 13))
    broken = only(import_file(write(tmp_path, "d.jsonl", *lines)), "book")
    assert [(each.rule, each.count) for each in check_table(broken.table(), "book", 0)] == [("B2", 1)]


def test_b1_snapshots_that_cross_are_flagged() -> None:
    sides, prices = [1, -1, 1, -1], [10, 11, 12, 11]
    values = {"ts": np.array([0, 0, 1, 1]) + NS, "seq": np.array([1, 1, 2, 2]), "is_snapshot": [1] * 4, "side": sides}
    table = build("book", values | {"price": prices, "quantity": [1] * 4})
    assert [(each.rule, each.count) for each in check_table(table, "book", 0)] == [("B1", 1)]


def test_a_spot_capture_numbers_its_updates_without_the_one_before(tmp_path: Path) -> None:
    data = {"e": "depthUpdate", "E": MS, "s": "BTCUSDT", "U": 5, "u": 9, "b": [["10", "1"]], "a": []}
    ticker = {"u": 9, "s": "BTCUSDT", "b": "10", "B": "1", "a": "11", "A": "2"}
    result = import_file(write(tmp_path, "c.jsonl", *captured({"data": data}, {"data": ticker})))
    book, quotes = only(result, "book"), only(result, "quotes")
    assert (book.venue, column(book, "prev_seq")) == ("binance_spot", [4])
    assert column(quotes, "ts") == [NS + 5_000_000]  # it has no time but that of its receipt


def test_forced_orders_of_a_capture_are_sampled(tmp_path: Path) -> None:
    order = {"s": "BTCUSDT", "S": "SELL", "p": "9", "q": "2", "X": "FILLED", "T": MS}
    result = import_file(write(tmp_path, "c.jsonl", *captured(update(1, 0), {"e": "forceOrder", "E": MS, "o": order})))
    forced = only(result, "liquidations")
    assert (column(forced, "side"), column(forced, "coverage")) == ([-1], ["sampled"])


# --- positions ---


def positions(result: Any, catalog: Path, venue: str) -> list[dict[str, Any]]:
    return Catalog(catalog).read(venue, "*", "positions").to_pylist()


def test_hyperliquid_positions_share_the_value_of_their_account(tmp_path: Path) -> None:
    sample = vendor_files.SAMPLES["hyperliquid-positions"]
    result = import_file(save(tmp_path, "s.json", json.loads(sample.text)), catalog=tmp_path / "c")
    (row,) = positions(result, tmp_path / "c", "hyperliquid")
    expected = {
        "account": USER,
        "symbol": "BTC/USDC:USDC",
        "side": -1,
        "qty": Decimal("0.5"),
        "collateral": 2150,
        "mmr": Decimal("0.01"),
        "margin_mode": "cross",
        "contract": "linear",
        "weight": 1,
        "ts": NS,
    }
    assert {name: row[name] for name in expected} == expected


def test_hyperliquid_state_takes_its_address_from_lines_or_the_file_name(tmp_path: Path) -> None:
    state = json.loads(vendor_files.SAMPLES["hyperliquid-positions"].text)[USER]
    lines = [json.dumps({"user": USER, "clearinghouseState": state})]
    for path in (write(tmp_path, "s.jsonl", *lines), save(tmp_path, f"state_{USER}.json", state)):
        assert import_file(path, catalog=tmp_path / path.suffix).rows_out == 1
    with pytest.raises(FeedError, match="put the address into the file name"):
        import_file(save(tmp_path, "state.json", state))


def test_dydx_positions_need_a_time_and_the_facts_of_their_market(tmp_path: Path) -> None:
    answer = json.loads(vendor_files.SAMPLES["dydx-positions"].text)
    path = save(tmp_path, "s.json", answer)
    with pytest.raises(FeedError, match="valid_from"):
        import_file(path)
    result = import_file(path, valid_from="2024-01-01", catalog=tmp_path / "c")
    (row,) = positions(result, tmp_path / "c", "dydx")
    assert (row["account"], row["side"], row["collateral"], row["mmr"]) == ("dydx1abc/0", -1, 1000, Decimal("0.03"))
    del answer["markets"]
    with pytest.raises(FeedError, match="maintenanceMarginFraction"):
        import_file(save(tmp_path, "n.json", answer), valid_from="2024-01-01")


def test_scales_of_options_do_not_meet(tmp_path: Path) -> None:
    # 16 decimals of a mark price and a five-digit underlying would not fit 64 bits at one scale.
    sample = vendor_files.SAMPLES["tardis-options-chain"]
    (tmp_path / sample.name).write_text(sample.text.replace("0.0501", "0.0002344295447954"))
    table = only(import_file(tmp_path / sample.name)).table()
    assert (scales_of(table)["price"], scales_of(table)["quote"]) == (16, 1)
