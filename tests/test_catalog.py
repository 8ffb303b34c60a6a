"""The catalog: written in pieces, read as one."""

import hashlib
import re
from decimal import Decimal
from pathlib import Path

import feed_rows as rows
import numpy as np
import pyarrow as pa
import pytest

from feeds.catalog import Catalog
from feeds.errors import FeedError
from feeds.findings import Finding, Gap
from feeds.tables import build, ints


def write(catalog, kind="trades", table=None, symbol=rows.SYMBOL, **extra):
    found = rows.trades() if table is None else table
    return catalog.write(rows.VENUE, symbol, kind, found, **{"source": "a.csv"} | extra)


def files(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in Path(root).rglob("*") if path.is_file()}


def stored(catalog, kind="trades", symbol=rows.SYMBOL, **bounds):
    return catalog.read(rows.VENUE, symbol, kind, raw=True, **bounds)


@pytest.fixture
def catalog(tmp_path):
    return Catalog(tmp_path / "catalog")


def test_table_is_split_over_utc_days(catalog):
    table = rows.trades(49, start=rows.START + 30 * rows.MINUTE, step=rows.HOUR)
    parts = write(catalog, table=table)
    assert [(part.name, part.rows) for part in parts] == [("2024-01-01", 24), ("2024-01-02", 24), ("2024-01-03", 1)]
    assert ints(stored(catalog), "id").tolist() == ints(table, "id").tolist()


def test_funding_is_kept_by_month(catalog):
    parts = write(catalog, "funding", rows.funding(100))
    assert [part.name for part in parts] == ["2024-01", "2024-02"]


def test_last_and_first_nanosecond_of_a_day_part(catalog):
    table = rows.trades(2, start=rows.START + rows.DAY - 1, step=1)
    assert [part.name for part in write(catalog, table=table)] == ["2024-01-01", "2024-01-02"]


def test_writing_the_same_again_changes_no_byte(catalog, tmp_path):
    for kind, table in (("trades", rows.trades(5000)), ("bars:1m", rows.bars(60)), ("funding", rows.funding(20))):
        write(catalog, kind, table)
    before = files(tmp_path)
    for kind, table in (("trades", rows.trades(5000)), ("bars:1m", rows.bars(60)), ("funding", rows.funding(20))):
        write(catalog, kind, table)
        write(catalog, kind, table.slice(5, 10))
    assert files(tmp_path) == before


def test_pieces_in_any_order_give_the_rows_of_the_whole(tmp_path):
    table = rows.trades(10_000, step=10 * rows.SECOND)
    pieces = [table.slice(0, 4000), table.slice(3000, 4000), table.slice(7000)]
    whole = Catalog(tmp_path / "whole")
    write(whole, table=table)
    for number, order in enumerate(([0, 1, 2], [2, 0, 1], [1, 2, 0])):
        catalog = Catalog(tmp_path / str(number))
        for place in order:
            write(catalog, table=pieces[place])
        assert catalog.fingerprint() == whole.fingerprint()
        assert stored(catalog).equals(stored(whole))


def test_joined_rows_find_their_common_scale(catalog):
    write(catalog, table=rows.trades(5, price="1.5"))
    write(catalog, table=rows.trades(5, price="1.25", first_id=2000, start=rows.START + rows.HOUR))
    assert (
        catalog.read(rows.VENUE, rows.SYMBOL, "trades").column("price").to_pylist()
        == [Decimal("1.50")] * 5 + [Decimal("1.25")] * 5
    )


def test_days_of_different_scales_are_read_at_the_finest(catalog):
    write(catalog, table=rows.trades(5, price="1.5"))
    write(catalog, table=rows.trades(5, price="1.25", first_id=2000, start=rows.START + rows.DAY))
    stream = catalog.dataset(rows.VENUE, rows.SYMBOL).streams[0]
    assert [part.scales["price"] for part in stream.parts] == [1, 2]
    assert stream.scales["price"] == 2
    prices = [value for batch in stream.batches(["price"], 3) for value in batch.column(0).to_pylist()]
    assert prices == [150] * 5 + [125] * 5


def test_gap_that_new_rows_fill_is_closed(catalog):
    table = rows.bars(60)
    holed = pa.concat_tables([table.slice(0, 20), table.slice(30)])
    assert len(write(catalog, "bars:1m", holed)[0].gaps) == 1
    assert write(catalog, "bars:1m", table.slice(18, 14))[0].gaps == ()


def test_declared_gap_stays_until_rows_fall_into_it(catalog):
    hole = Gap(rows.START + 1, rows.START + rows.SECOND, "missing", "ids 5 to 9")
    write(catalog, gaps=[hole])
    assert write(catalog, table=rows.trades(5, first_id=5000, start=rows.START + rows.HOUR))[0].gaps == (hole,)
    filling = rows.trades(1, first_id=900, start=rows.START + 5)
    assert write(catalog, table=filling)[0].gaps == ()


def test_d2_contradiction_keeps_the_old_rows_and_quarantines_the_new(catalog, tmp_path):
    write(catalog, table=rows.trades(10, price="1.5"))
    (part,) = write(catalog, table=rows.trades(12, price="1.6"), source="b.csv")
    assert part.status == "conflict"
    assert [(each.rule, each.severity, each.count) for each in part.findings] == [("D2", "fatal", 10)]
    assert ints(stored(catalog), "price").tolist() == [15] * 10 + [16] * 2
    (kept,) = Path(part.path).glob("quarantine-*.parquet")
    assert ints(pa.parquet.read_table(kept), "price").tolist() == [16] * 10
    assert [gap.reason for gap in catalog.dataset(rows.VENUE, rows.SYMBOL).streams[0].gaps] == ["conflict"]
    before = files(tmp_path)
    write(catalog, table=rows.trades(12, price="1.6"), source="b.csv")
    assert files(tmp_path) == before


def test_replace_accepts_a_revision(catalog):
    write(catalog, table=rows.trades(10, price="1.5"))
    write(catalog, table=rows.trades(10, price="1.6"))
    (part,) = write(catalog, table=rows.trades(10, price="1.6"), replace=True)
    assert (part.status, part.rows) == ("complete", 10)
    assert set(ints(stored(catalog), "price").tolist()) == {16}


def test_fatal_finding_marks_only_its_days(catalog):
    found = Finding("D2", "fatal", 1, "contradiction", days=("2024-01-02",))
    parts = write(catalog, table=rows.trades(3, step=rows.DAY), findings=[found])
    assert [part.status for part in parts] == ["complete", "conflict", "complete"]


def test_trades_without_ids_can_be_read_in_again(catalog):
    table = rows.trades(6, id=np.full(6, -1), ts=np.repeat([rows.START, rows.START + 1], 3))
    write(catalog, table=table)
    (part,) = write(catalog, table=table)
    assert part.rows == 6


def test_aggregate_columns_are_stored(catalog):
    values = {"ts": rows.START + np.arange(3), "id": [1, 2, 3], "side": [1, 1, -1], "price": ["1.5"] * 3}
    extra = {"quantity": [1] * 3, "first_id": [5, 7, 9], "last_id": [6, 8, 10]}
    write(catalog, table=build("trades", values | extra))
    assert stored(catalog).column("last_id").to_pylist() == [6, 8, 10]
    write(catalog, table=rows.trades(2, first_id=900, start=rows.START + rows.DAY))
    assert stored(catalog).num_rows == 5


def test_status_of_partitions_is_carried_as_gaps(catalog):
    write(catalog, table=rows.trades(3, step=rows.DAY), status="suspect")
    gaps = catalog.dataset(rows.VENUE, rows.SYMBOL, start="2024-01-02", end="2024-01-03").streams[0].gaps
    assert gaps == (Gap(rows.START + rows.DAY, rows.START + 2 * rows.DAY, "suspect", "2024-01-02"),)


def test_missing_day_between_stored_days_is_a_gap(catalog):
    for day in (0, 2):
        write(catalog, table=rows.trades(5, start=rows.START + day * rows.DAY, first_id=day * 100))
    stream = catalog.dataset(rows.VENUE, rows.SYMBOL).streams[0]
    assert stream.gaps == (Gap(rows.START + rows.DAY, rows.START + 2 * rows.DAY, "missing", "no partition"),)


@pytest.mark.parametrize(
    ("kind", "table", "gaps"),
    [
        ("trades", rows.trades(5, start=rows.START + rows.DAY), [(-1, 1), (2, 4)]),
        ("bars:1h", rows.bars(24, start=rows.START + rows.DAY, timeframe="1h", step=rows.HOUR), [(-1, 1), (2, 4)]),
        ("funding", rows.funding(3, start=rows.START + rows.DAY), [(-1, 1), (2, 4)]),
    ],
)
def test_time_asked_for_but_not_stored_is_a_gap(catalog, kind, table, gaps):
    write(catalog, kind, table)
    found = catalog.dataset(rows.VENUE, rows.SYMBOL, start=rows.START - rows.DAY, end=rows.START + 4 * rows.DAY)
    days = [((gap.start - rows.START) / rows.DAY, (gap.end - rows.START) / rows.DAY) for gap in found.streams[0].gaps]
    assert days == gaps
    inside = catalog.dataset(rows.VENUE, rows.SYMBOL, start="2024-01-02", end="2024-01-03")
    assert inside.streams[0].gaps == ()


def test_missing_settlement_between_months_is_a_gap(catalog):
    write(catalog, "funding", rows.funding(92))  # up to 2024-01-31 08:00
    write(catalog, "funding", rows.funding(3, start=rows.START + 31 * rows.DAY))
    gaps = catalog.dataset(rows.VENUE, rows.SYMBOL).streams[0].gaps
    assert [(gap.start - rows.START) // rows.HOUR for gap in gaps] == [30 * 24 + 16]


def test_days_without_forced_orders_are_no_gap(catalog):
    values = {"ts": [rows.START, rows.START + 5 * rows.DAY], "side": [1, -1], "price": [1, 1], "quantity": [1, 1]}
    write(catalog, "liquidations", build("liquidations", values))
    assert catalog.dataset(rows.VENUE, rows.SYMBOL).streams[0].gaps == ()


def test_dataset_takes_pairs_and_kinds(catalog):
    write(catalog)
    write(catalog, "bars:1m", rows.bars())
    write(catalog, "bars:1h", rows.bars(5, timeframe="1h", step=rows.HOUR))
    write(catalog, symbol="ETH/USDT:USDT")
    both = catalog.dataset([(rows.VENUE, rows.SYMBOL), (rows.VENUE, "ETH/USDT:USDT")])
    assert len(both.streams) == 4
    assert both.fingerprint == catalog.dataset(rows.VENUE, [rows.SYMBOL, "ETH/USDT:USDT"]).fingerprint
    assert [each.timeframe_ns for each in catalog.dataset(rows.VENUE, rows.SYMBOL, kinds="bars").streams] == [
        rows.MINUTE,
        rows.HOUR,
    ]
    assert len(catalog.dataset(rows.VENUE, rows.SYMBOL, kinds=["bars:1m", "trades"]).streams) == 2


def test_dataset_fingerprint_is_the_content_not_the_place(catalog, tmp_path):
    write(catalog)
    other = Catalog(tmp_path / "elsewhere")
    write(other, source="other name.csv")
    assert catalog.fingerprint(rows.VENUE, rows.SYMBOL) == other.fingerprint(rows.VENUE, rows.SYMBOL)
    write(other, table=rows.trades(1, first_id=9, start=rows.START + rows.HOUR))
    assert catalog.fingerprint(rows.VENUE, rows.SYMBOL) != other.fingerprint(rows.VENUE, rows.SYMBOL)


@pytest.mark.parametrize("size", [7, 4096, 131072])
def test_rows_do_not_depend_on_the_batch_size(catalog, size):
    table = rows.trades(3000, step=100 * rows.SECOND, price=np.arange(3000) + 0.5)
    write(catalog, table=table)
    stream = catalog.dataset(rows.VENUE, rows.SYMBOL, start=rows.START + 500, end=rows.START + 3 * rows.DAY).streams[0]
    digest = hashlib.sha256()
    for batch in stream.batches(["ts", "price", "side"], size):
        assert batch.num_rows <= size
        digest.update(np.stack([ints(batch, name) for name in ("ts", "price", "side")], axis=1).tobytes())
    inside = (ints(table, "ts") >= rows.START + 500) & (ints(table, "ts") < rows.START + 3 * rows.DAY)
    expected = np.stack([ints(table, name)[inside] for name in ("ts", "price", "side")], axis=1)
    assert digest.hexdigest() == hashlib.sha256(expected.tobytes()).hexdigest()
    assert stream.rows == int(inside.sum())


def test_rule_tables_are_rows_of_the_dataset(catalog):
    write(catalog)
    tiers = {"ts": [rows.START - rows.DAY] * 2, "floor": [0, 50000], "maintenance_rate": [0.004, 0.005]}
    write(catalog, "tiers", build("tiers", tiers | {"max_leverage": [125, 100], "amount": [0, 50]}))
    events = {"ts": [rows.START + 5], "until": [rows.START + 9], "venue": [rows.VENUE], "what": ["outage"]}
    write(catalog, "venue_events", build("venue_events", events), symbol="*")
    found = catalog.dataset(rows.VENUE, rows.SYMBOL, start="2024-01-01", end="2024-01-02", kinds="trades")
    assert [(row["venue"], row["symbol"], row["floor"]) for row in found.tiers] == [
        (rows.VENUE, rows.SYMBOL, Decimal(0)),
        (rows.VENUE, rows.SYMBOL, Decimal(50000)),
    ]
    assert [row["what"] for row in found.venue_events] == ["outage"]
    assert len(found.streams) == 1
    assert catalog.symbols(rows.VENUE) == (rows.SYMBOL,)


def test_read_gives_decimals_between_bounds(catalog):
    write(catalog, "funding", rows.funding(6, mark=["1.5", None] * 3))
    table = catalog.read(rows.VENUE, rows.SYMBOL, "funding", "2024-01-01T08:00", "2024-01-02")
    assert table.column("rate").to_pylist() == [Decimal("0.0001")] * 2
    assert table.column("mark").to_pylist() == [None, Decimal("1.5")]
    assert ints(stored(catalog, "funding", start=rows.START + 1), "rate").tolist() == [1] * 5


def test_coverage_counts_rows_and_statuses(catalog):
    write(catalog, table=rows.trades(3, step=rows.DAY))
    write(catalog, "bars:1m", rows.bars(60), status="partial")
    found = catalog.coverage().set_index(["symbol", "kind"])
    assert found.loc[(rows.SYMBOL, "trades"), ["partitions", "rows", "complete"]].tolist() == [3, 3, 3]
    assert found.loc[(rows.SYMBOL, "bars:1m"), ["partitions", "rows", "partial", "complete"]].tolist() == [1, 60, 1, 0]
    assert str(found.loc[(rows.SYMBOL, "trades"), "last"]) == "2024-01-03 00:00:00+00:00"
    assert (found["bytes"] > 0).all()


def test_empty_catalog_has_an_empty_coverage(catalog):
    assert catalog.coverage().empty
    assert catalog.symbols(rows.VENUE) == ()


def test_instrument_ids_of_both_cases_live_side_by_side(tmp_path):
    catalog = Catalog(tmp_path)
    for symbol in ("kPEPE/USDC:USDC", "KPEPE/USDC:USDC"):
        catalog.write("hyperliquid", symbol, "trades", rows.trades(), source="x")
    assert catalog.symbols("hyperliquid") == ("KPEPE/USDC:USDC", "kPEPE/USDC:USDC")


@pytest.mark.parametrize(
    ("arguments", "named", "words"),
    [
        ((rows.VENUE, "BTCUSDT"), {}, "did you mean BTC/USDT:USDT"),
        ((rows.VENUE, "BTC/USDC:USDC"), {}, "did you mean BTC/USDT:USDT"),
        (("binance", rows.SYMBOL), {}, "did you mean 'binance_usdm'"),
        (("bybit", rows.SYMBOL), {}, "it has none"),
        ((rows.VENUE, rows.SYMBOL), {"kinds": "quotes"}, "has no 'quotes' (has trades)"),
        ((rows.VENUE, rows.SYMBOL), {"kinds": "tradez"}, "did you mean 'trades'"),
        ((rows.VENUE, rows.SYMBOL), {"start": "2024-01-02", "end": "2024-01-01"}, "is not before end"),
        (
            (rows.VENUE, rows.SYMBOL),
            {"start": "2024-02-01"},
            "no rows of BTC/USDT:USDT@binance_usdm between 2024-02-01",
        ),
        ((rows.VENUE,), {}, "symbols is missing"),
        ((rows.VENUE, []), {}, "at least one"),
        (([(rows.VENUE, rows.SYMBOL)], rows.SYMBOL), {}, "leave it out"),
    ],
)
def test_what_is_not_stored_is_an_error_that_says_what_is(catalog, arguments, named, words):
    write(catalog)
    with pytest.raises(FeedError, match=re.escape(words)):
        catalog.dataset(*arguments, **named)


def test_table_without_rows_and_remote_roots_cannot_be_written(catalog):
    with pytest.raises(FeedError, match="no rows; nothing to write"):
        write(catalog, table=rows.trades().slice(0, 0))


def test_file_that_changed_after_the_dataset_was_made_is_an_error(catalog):
    write(catalog)
    dataset = catalog.dataset(rows.VENUE, rows.SYMBOL)
    write(catalog, table=rows.trades(5, first_id=1, start=rows.START + rows.HOUR))
    with pytest.raises(FeedError, match="the file has changed"):
        list(dataset.streams[0].batches(["ts"], 10))


def test_first_write_sweeps_what_killed_writers_left(catalog):
    (part,) = write(catalog)
    left = Path(part.path) / f"data.parquet.{2**22 + 1}.part"
    left.write_bytes(b"half")
    other = Catalog(catalog.root)
    write(other, symbol="ETH/USDT:USDT")
    assert not left.exists()
