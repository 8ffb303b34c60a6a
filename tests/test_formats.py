"""Importing in general: containers, damage, recognition, catalogs, batches, memory layout of long files."""

import gzip
import io
import json
import zipfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import feather, parquet

import feeds.formats.records
import feeds.formats.rows
from feeds.catalog import Catalog
from feeds.errors import FeedError
from feeds.formats import FORMATS, cells
from feeds.formats.heads import symbol_in_name
from feeds.formats.packed import Packed, joined
from feeds.importing import ImportResult, import_file, import_files
from feeds.tables import build

MS = 1_704_067_200_000
DAY_MS = 86_400_000
HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"


def trades(rows: int = 40, *, first: int = 0, step_ms: int = 1000) -> str:
    return HEADER + "".join(
        f"{i},{100 + i % 7}.{i % 3},0.{1 + i % 5:03d},{i},{i},{MS + i * step_ms},{'true' if i % 2 else 'false'}\n"
        for i in range(first, first + rows)
    )


def fingerprint(path: Path, **options: str) -> str:
    return import_file(path, **options).dataset.fingerprint


def content(result: ImportResult) -> dict[str, list[object]]:
    """Rows of the one stream; `seq` counts within a file or a partition, so it is left out."""
    (stream,) = result.dataset.streams
    return stream.table().drop_columns("seq").to_pydict()


NAME = "BTCUSDT-aggTrades-2024-01"


# --- containers ---


def test_a_text_file_is_the_same_plain_gzipped_and_zipped(tmp_path: Path) -> None:
    data = trades().encode()
    (tmp_path / f"{NAME}.csv").write_bytes(data)
    (tmp_path / f"{NAME}.csv.gz").write_bytes(gzip.compress(data))
    with zipfile.ZipFile(tmp_path / "anything.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{NAME}.csv", data)
    found = {fingerprint(path) for path in tmp_path.iterdir()}
    assert len(found) == 1


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.csv").write_text(trades())
    (tmp_path / f"{NAME}-w.csv").write_bytes(b"\xef\xbb\xbf" + trades().replace("\n", "\r\n").encode())
    assert fingerprint(tmp_path / f"{NAME}.csv") == fingerprint(tmp_path / f"{NAME}-w.csv")


def test_the_order_of_named_columns_changes_nothing(tmp_path: Path) -> None:
    rows = [line.split(",") for line in trades().splitlines()]
    (tmp_path / f"{NAME}.csv").write_text(trades())
    (tmp_path / f"{NAME}-r.csv").write_text("".join(",".join(reversed(row)) + "\n" for row in rows))
    assert fingerprint(tmp_path / f"{NAME}.csv") == fingerprint(tmp_path / f"{NAME}-r.csv")


def test_a_folder_is_read_file_by_file_in_name_order(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text(trades(10, first=10))
    (tmp_path / "a.csv").write_text(trades(10))
    (tmp_path / "README.md").write_text("no data")
    folder = import_files(tmp_path, symbol="BTC/USDT:USDT")
    listed = import_files([tmp_path / "b.csv", tmp_path / "a.csv"], symbol="BTC/USDT:USDT")
    assert folder.rows_out == listed.rows_out == 20
    assert folder.dataset.streams[0].table()["id"].to_pylist() == list(range(20))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.csv", "no such file"),
        ("data.xlsx", "ending not readable"),
        ("two.zip", "expected one member, found 2"),
    ],
)
def test_paths_that_cannot_be_read_are_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "data.xlsx").write_bytes(b"PK")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", "1")
        archive.writestr("b.csv", "2")
    with pytest.raises(FeedError, match=message):
        import_file(tmp_path / name)


def _truncated(folder: Path, kind: str) -> Path:
    """Write a file that ends too early."""
    data = trades(3000).encode()
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{NAME}.csv", data)
    elif kind == "csv.gz":
        buffer.write(gzip.compress(data))
    else:
        table = pa.table({"agg_trade_id": range(3000), "price": [1.5] * 3000})
        (parquet.write_table if kind == "parquet" else feather.write_feather)(table, buffer)
    path = folder / f"{NAME}.{kind}"
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) * 3 // 4])
    return path


@pytest.mark.parametrize("kind", ["csv.gz", "zip", "parquet", "feather"])
def test_a_truncated_file_is_refused_and_nothing_is_written(tmp_path: Path, kind: str) -> None:
    path = _truncated(tmp_path, kind)
    with pytest.raises(FeedError, match=r"cannot be read to its end|not a whole zip file"):
        import_file(path, catalog=tmp_path / "catalog", symbol="BTC/USDT:USDT")
    assert not (tmp_path / "catalog").exists()


def test_a_flipped_bit_in_a_gzip_file_is_refused(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(trades(3000).encode()))
    data[len(data) // 2] ^= 1
    (tmp_path / f"{NAME}.csv.gz").write_bytes(data)
    with pytest.raises(FeedError):
        import_file(tmp_path / f"{NAME}.csv.gz")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows"),
        (HEADER, "no rows"),
        ("not json", None),
        (trades().replace("103.", "1o3."), "'1o3"),
        (trades() + "40,100\n", "Expected 7 columns, got 2"),
        (trades().replace(HEADER, HEADER.replace("\n", ",extra\n")), "not a known format: header agg_trade_id"),
        (trades().replace(HEADER, HEADER.replace("price", "cost")), "not a known format: header agg_trade_id,cost"),
        (trades().replace(",true", ",maybe"), "is not one of true"),
        (trades().replace(f"{MS}", "12345"), r"from 12345 \(no unit\) to 1704067239000 \(ms\)"),
    ],
)
def test_text_that_is_not_what_it_should_be_is_refused(tmp_path: Path, text: str, message: str | None) -> None:
    (tmp_path / f"{NAME}.csv").write_text(text)
    with pytest.raises(FeedError, match=message):
        import_file(tmp_path / f"{NAME}.csv", catalog=tmp_path / "catalog")
    assert not (tmp_path / "catalog").exists()


def test_truncated_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps([[MS, 1, 1, 1, 1, 1]])[:-1])
    with pytest.raises(FeedError, match="not whole JSON"):
        import_file(tmp_path / "x.json")


def test_a_few_empty_cells_are_dropped_and_counted_and_many_refuse_the_file(tmp_path: Path) -> None:
    path = tmp_path / f"{NAME}.csv"
    path.write_text(trades(3000).replace("\n7,100.1,", "\n7,,").replace("\n9,102.0,", "\n9,nan,"))
    result = import_file(path)
    assert [(finding.rule, finding.count) for finding in result.findings if finding.rule == "V1"] == [("V1", 2)]
    assert (result.rows_in, result.rows_out) == (3000, 2998)
    path.write_text(trades(3000).replace(",0.003,", ",,"))
    with pytest.raises(FeedError, match="600 of 3000 rows have no number"):
        import_file(path)


# --- names and choices ---


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTCUSDT-aggTrades-2024-01-01.zip", "BTCUSDT"),
        ("ETHBTC-1m-2025-01.csv", "ETHBTC"),
        ("BTCUSDT_260327-trades-2026-01.csv", "BTCUSDT_260327"),
        ("BTCUSD_PERP-1m-2025-10-10.csv", "BTCUSD_PERP"),
        ("1000PEPEUSDT-fundingRate-2025-10.csv", "1000PEPEUSDT"),
        ("binance_um_AVAXUSDT_1m-2025-02.parquet", "AVAXUSDT"),
        ("binance_cm_BTCUSD_PERP_markPriceKlines_1m_2025-10-09.zip", "BTCUSD_PERP"),
        ("binance_spot_aggTrades_BTCUSDC_2025-10-08.parquet", "BTCUSDC"),
        ("BTC_USDT_USDT-1h-mark.feather", "BTC/USDT:USDT"),
        ("BTC_USDT-4h.json", "BTC/USDT"),
        ("ETH_USDT_USDT-260327-1h-futures.feather", "ETH/USDT:USDT-260327"),
        ("BTCUSDT_vs_ETHUSDT.csv", None),
        ("prices.csv", None),
    ],
)
def test_a_file_name_may_carry_one_symbol(name: str, symbol: str | None) -> None:
    assert symbol_in_name(name) == symbol


def test_the_symbol_given_wins_over_the_file_name(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.csv").write_text(trades())
    assert import_file(tmp_path / f"{NAME}.csv", symbol="ETH/USDT:USDT").dataset.symbols == ("ETH/USDT:USDT",)
    assert import_file(tmp_path / f"{NAME}.csv", symbol="BTCUSD_PERP").dataset.symbols == ("BTC/USD:BTC",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "binance-aggtrade"}, "did you mean 'binance-aggtrades'"),
        ({"venue": "binance_um"}, "did you mean 'binance_usdm'"),
        ({"symbol": "BTC-USDT/x/y"}, "not a unified name"),
        ({"symbol": "nonsense"}, "symbol= 'nonsense'"),
        ({"kind": "trade"}, "kind 'trade' is not known"),
        ({"kind": "bars"}, "holds trades of BTC/USDT:USDT, but kind='bars' was asked for"),
        ({"timeframe": "1x"}, "timeframe '1x' is not known"),
        ({"venue": "binance_spot"}, "holds BTCUSDT of binance_usdm, but venue='binance_spot'"),
        ({"format": "tardis-trades"}, "this format has exchange,symbol,timestamp"),
        ({"format": "ccxt-tiers"}, "this format"),
        ({"format": "hourly-panel"}, "this format"),
    ],
)
def test_a_wrong_choice_says_what_is_allowed(tmp_path: Path, options: dict[str, str], message: str) -> None:
    (tmp_path / f"{NAME}.csv").write_text(trades())
    with pytest.raises(FeedError, match=message):
        import_file(tmp_path / f"{NAME}.csv", **options)


def test_a_file_whose_name_and_content_say_no_symbol_needs_one(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text(trades())
    with pytest.raises(FeedError, match="does not show the venue"):
        import_file(tmp_path / "prices.csv")
    with pytest.raises(FeedError, match="give symbol="):
        import_file(tmp_path / "prices.csv", venue="binance_usdm")


def test_every_format_has_its_own_name_and_says_what_it_is() -> None:
    assert len({item.name for item in FORMATS}) == len(FORMATS)
    assert all(item.what for item in FORMATS)


# --- catalogs ---


def test_an_import_into_a_catalog_holds_what_an_import_into_memory_holds(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.csv").write_text(trades(40, step_ms=DAY_MS // 16))
    memory = import_file(tmp_path / f"{NAME}.csv")
    stored = import_file(tmp_path / f"{NAME}.csv", catalog=tmp_path / "catalog")
    assert memory.written == ()
    assert len(stored.written) == 3
    assert all(Path(path).is_dir() for path in stored.written)
    assert content(stored) == content(memory)
    read = Catalog(tmp_path / "catalog").read("binance_usdm", "BTC/USDT:USDT", "trades")
    assert read["price"].to_pylist()[:3] == [Decimal("100.0"), Decimal("101.1"), Decimal("102.2")]


def test_importing_the_same_file_again_changes_no_byte(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.csv").write_text(trades())
    catalog = Catalog(tmp_path / "catalog")
    import_file(tmp_path / f"{NAME}.csv", catalog=catalog)
    before = {path: path.read_bytes() for path in (tmp_path / "catalog").rglob("*") if path.is_file()}
    import_file(tmp_path / f"{NAME}.csv", catalog=catalog)
    assert {path: path.read_bytes() for path in (tmp_path / "catalog").rglob("*") if path.is_file()} == before


def test_a_later_file_extends_the_day_of_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(trades(10))
    (tmp_path / "b.csv").write_text(trades(10, first=8))
    for name in ("a.csv", "b.csv"):
        result = import_file(tmp_path / name, catalog=tmp_path / "catalog", symbol="BTC/USDT:USDT")
    assert result.dataset.streams[0].table()["id"].to_pylist() == list(range(18))


def test_the_result_prints_streams_and_findings(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.csv").write_text(trades(5) + trades(5, first=9).removeprefix(HEADER))
    text = str(import_file(tmp_path / f"{NAME}.csv", catalog=tmp_path / "catalog"))
    assert "format binance-aggtrades: 10 rows read, 10 kept" in text
    assert "BTC/USDT:USDT@binance_usdm trades: 10 rows, 1 partitions" in text
    assert "G1 flag (4)" in text


# --- batches ---


def _long_file(folder: Path) -> Path:
    """Three days out of order, prices whose decimals grow, so that batches differ in scale."""
    days = [trades(60, first=60 * day, step_ms=DAY_MS // 60).removeprefix(HEADER) for day in range(3)]
    text = HEADER + days[2] + days[0] + days[1].replace("101.", "101.12345")
    (folder / f"{NAME}.csv").write_text(text)
    return folder / f"{NAME}.csv"


@pytest.mark.parametrize("stretch", [10, 100, 10**9])
@pytest.mark.parametrize("block", [300, 2000, 1 << 22])
def test_blocks_and_stretches_do_not_change_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, stretch: int
) -> None:
    path = _long_file(tmp_path)
    whole = content(import_file(path))
    monkeypatch.setattr(feeds.formats.records, "BLOCK_BYTES", block)
    monkeypatch.setattr(feeds.formats.rows, "_ONE_STRETCH", stretch)
    assert content(import_file(path)) == whole
    stored = import_file(path, catalog=tmp_path / "catalog")
    assert content(stored) == whole
    assert len(stored.written) == 3


int64s = st.integers(-(2**63) + 1, 2**63 - 1)


@given(
    base=st.integers(-(2**40), 2**40),
    offsets=st.lists(st.integers(0, 2**34), min_size=1, max_size=20),
    step=st.sampled_from([1, 1_000, 1_000_000]),
    wild=st.lists(int64s, min_size=1, max_size=20),
)
def test_packing_loses_nothing(base: int, offsets: list[int], step: int, wild: list[int]) -> None:
    rows = min(len(offsets), len(wild))
    table = pa.table(
        {
            "even": pa.array([base + step * offset for offset in offsets[:rows]]),
            "wild": pa.array(wild[:rows]),
            "empty": pa.array([None] * rows, pa.int64()),
            "small": pa.array([1] * rows, pa.int8()),
        }
    )
    assert joined([Packed([table]), Packed([table])]) == pa.concat_tables([table, table])


def test_mantissas_of_batches_meet_at_the_larger_scale() -> None:
    rows = feeds.formats.rows.Rows("x", "mark", 0)
    for price in ("1.5", "2.25", "3"):
        rows.add({"ts": np.array([MS * 10**6 + len(price)]), "price": [price]}, ())
    (day,) = rows.finished()
    table = day.take()
    assert (table["price"].to_pylist(), table.schema.metadata[b"price_scale"]) == ([300, 150, 225], b"2")


# --- cells ---


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1704067200", 1_704_067_200 * 10**9),
        ("1704067200001", 1_704_067_200_001 * 10**6),
        ("1704067200000001", 1_704_067_200_000_001 * 1000),
        ("1704067200000000001", 1_704_067_200_000_000_001),
        ("2024-01-01 00:00:00.5", 1_704_067_200_500_000_000),
        ("2024-01-01T00:00:00Z", 1_704_067_200 * 10**9),
        ("2024-01-01T03:00:00+03:00", 1_704_067_200 * 10**9),
        ("2024-01-01", 1_704_067_200 * 10**9),
    ],
)
def test_a_time_is_read_by_its_magnitude_or_as_iso_text(text: str, ns: int) -> None:
    assert cells.times(pa.array([text])).to_pylist() == [ns]


@pytest.mark.parametrize("values", [[1_704_067_200, 1_704_067_200_000], [12345], [0], [-1_704_067_200]])
def test_epochs_of_no_or_several_units_are_refused(values: list[int]) -> None:
    with pytest.raises(FeedError, match="all must be of one unit"):
        cells.times(pa.array(values))


def test_numbers_that_nobody_published_do_not_appear() -> None:
    assert cells.numbers(pa.array([3.3, float("nan")], pa.float32())).to_pylist() == ["3.3", None]
    table = build("mark", {"ts": [MS * 10**6], "price": cells.numbers(pa.array([0.1], pa.float32()))})
    assert table["price"].to_pylist() == [1]
