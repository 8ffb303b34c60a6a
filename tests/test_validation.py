"""`validate`: each rule finds its own defect, and clean data is clean."""

import json
import re
from pathlib import Path

import feed_rows as rows
import numpy as np
import pyarrow as pa
import pytest

import feeds
from feeds.catalog import Catalog
from feeds.dataset import Dataset, Stream
from feeds.errors import FeedError
from feeds.findings import Finding, Gap
from feeds.store import DATA
from feeds.tables import build

S, M, H = rows.SECOND, rows.MINUTE, rows.HOUR


def report(table, kind="trades", **extra):
    return feeds.validate(Stream.from_table(rows.VENUE, rows.SYMBOL, kind, table, **extra))


def changed(table, name, row, value):
    """Return a table with one cell replaced, past all checks."""
    column = table.column(name).to_pylist()
    column[row] = value
    place = table.column_names.index(name)
    return table.set_column(place, table.schema.field(name), pa.array(column, table.schema.field(name).type))


def without(table, *places):
    return table.take(pa.array([i for i in range(table.num_rows) if i not in places]))


def quotes(n=100, **changes):
    values = {"ts": rows.START + np.arange(n) * S, "bid_price": [10] * n, "ask_price": [11] * n}
    return build(
        "quotes", values | {"bid_quantity": [1] * n, "ask_quantity": [1] * n, "update_id": np.arange(n)} | changes
    )


def book(sequence):
    n = len(sequence)
    values = {"ts": rows.START + np.arange(n), "side": [1] * n, "price": [10] * n, "quantity": [1] * n}
    return build("book", values | {"seq": [seq for seq, _ in sequence], "prev_seq": [prev for _, prev in sequence]})


def liquidations(**changes):
    values = {"ts": [rows.START, rows.START + 1], "side": [1, -1], "price": [1, 2], "quantity": [1, 1]}
    return build("liquidations", values | changes)


def instruments(**changes):
    values = {"ts": [rows.START, rows.START + H], "kind": ["perpetual"] * 2, "base": ["BTC"] * 2, "quote": ["USDT"] * 2}
    values |= {
        "settle": ["USDT"] * 2,
        "contract": ["linear"] * 2,
        "contract_size": [1, 1],
        "quantity_unit": ["base"] * 2,
    }
    return build("instruments", values | {"tick_size": ["0.1"] * 2, "lot_size": ["0.001"] * 2} | changes)


def open_interest(stamps, native=5):
    return build("open_interest", {"ts": stamps, "native": [native] * len(stamps)})


CLEAN = {
    "trades": rows.trades(500),
    "bars:1m": rows.bars(500),
    "mark:1m": rows.bars(500, kind="mark"),
    "funding": rows.funding(90),
    "quotes": quotes(),
    "book": book([(1, 0), (2, 1), (2, 1), (3, 2)]),
    "liquidations": liquidations(),
    "open_interest": open_interest(rows.START + np.arange(10) * 5 * M),
    "premium": build("premium", {"ts": [rows.START, rows.START + 1], "price": ["-0.001", "0.001"]}),
}


@pytest.mark.parametrize("kind", CLEAN)
def test_clean_data_is_clean(kind):
    found = report(CLEAN[kind], kind)
    assert (found.rows, found.exit_code) == ([], 0)
    assert found.checked_rows == CLEAN[kind].num_rows


FEED = {
    "T1": ("trades", changed(rows.trades(50), "ts", 0, 5), 1, 1),
    "D1": (
        "trades",
        pa.concat_tables([rows.trades(2, step=0, first_id=7), rows.trades(2, step=0, first_id=7)]),
        2,
        1,
    ),
    "D2": ("trades", changed(rows.trades(50), "id", 7, 1006), 1, 2),
    "D3": ("trades", rows.trades(6, step=0, price=["1", "2", "3"] * 2, id=[-1] * 6, side=[1] * 6), 3, 1),
    "O2": ("trades", changed(rows.trades(50), "id", 7, 5000), 1, 1),
    "V1": ("trades", changed(rows.trades(50), "price", 7, 0), 1, 1),
    "V2": ("trades", changed(rows.trades(5000), "price", 70, 500000), 1, 1),
    "V4": ("bars:1m", changed(rows.bars(50), "high", 7, 1), 1, 1),
    "B1": ("quotes", quotes(bid_price=[10] * 50 + [11] * 3 + [10] * 47), 3, 1),
    "B2": ("book", book([(1, 0), (2, 1), (4, 3), (5, 4)]), 1, 1),
    "G1": ("trades", without(rows.trades(500), 30, 31, 200), 3, 1),
    "G2": (
        "trades",
        rows.trades(500, id=[-1] * 500, ts=rows.START + (np.arange(500) + 70 * (np.arange(500) > 40)) * S),
        1,
        1,
    ),
    "G3": ("bars:1m", without(rows.bars(100), 30, 31, 60), 3, 1),
    "F2": ("funding", changed(rows.funding(20), "ts", 7, rows.START + 56 * H + 90 * S), 1, 1),
    "F4": ("funding", pa.concat_tables([rows.funding(7), rows.funding(1, start=rows.START + 48 * H)]), 1, 1),
    "F5": ("funding", changed(rows.funding(20), "rate", 7, 500), 1, 1),
    "F6": ("funding", without(rows.funding(20), 6, 7), 2, 1),
    "I2": ("instruments", instruments(alias_of=[None, "OLD"]), 1, 1),
    "I3": (
        "bars:1m",
        rows.bars(200, volume=[5] * 100 + [0] * 100, **dict.fromkeys(("open", "high", "low", "close"), [7] * 200)),
        100,
        1,
    ),
    "L1": ("liquidations", liquidations(side=[1, 0]), 1, 2),
}


def unsorted_check(kind, table):
    """Return the findings on a table; the sorted form that a stream demands is checked elsewhere."""
    from feeds.rules import check_table
    from feeds.schema import split_kind

    return check_table(table, *split_kind(kind))


@pytest.mark.parametrize("rule", FEED)
def test_rule_finds_its_defect_and_counts_it(rule):
    kind, table, count, _ = FEED[rule]
    found = {each.rule: each for each in unsorted_check(kind, table)}
    assert rule in found
    assert found[rule].count == count
    assert found[rule].message


@pytest.mark.parametrize("rule", [rule for rule in FEED if FEED[rule][0] != "instruments"])
def test_exit_code_says_how_bad_it_is(rule):
    kind, table, _, code = FEED[rule]
    found = report(table, kind)
    assert found.exit_code == code
    assert rule in {row.rule for row in found.rows}


def test_o1_rows_out_of_order_are_fatal():
    found = unsorted_check("trades", rows.trades(5).take(pa.array([0, 2, 1, 3, 4])))
    assert [(each.rule, each.severity) for each in found if each.rule == "O1"] == [("O1", "fatal")]


def test_t3_rows_outside_their_partition_are_flagged():
    from feeds.rules import outside

    found = outside(rows.trades(10, start=rows.START - 3 * S), (rows.START, rows.START + rows.DAY))
    assert [(each.rule, each.severity, each.count) for each in found] == [("T3", "flag", 3)]
    assert outside(rows.trades(10), (rows.START, rows.START + rows.DAY)) == []


def test_f3_change_of_interval_and_i1_change_of_facts_are_no_findings_to_act_on():
    stamps = rows.START + np.array([0, 8, 16, 20, 24, 28]) * H
    table = build("funding", {"ts": stamps, "rate": ["0.0001"] * 6, "interval_s": np.array([8, 8, 8, 4, 4, 4]) * 3600})
    assert [(each.rule, each.severity) for each in unsorted_check("funding", table)] == [("F3", "repair")]
    found = unsorted_check("instruments", instruments(lot_size=["0.001", "0.01"]))
    assert [(each.rule, each.severity, each.count) for each in found] == [("I1", "repair", 1)]
    assert report(table, "funding").exit_code == 0


def test_v2_real_moves_are_not_spikes():
    step = rows.trades(5000, price=np.where(np.arange(5000) < 70, 100.0, 150.0))
    assert report(step).rows == []
    wild = np.exp(np.cumsum(np.random.default_rng(4).normal(size=5000) * 0.08)).round(6) * 100
    assert "V2" not in {row.rule for row in report(rows.trades(5000, price=wild.round(6))).rows}


def test_v3_trades_off_the_tick_or_the_lot_of_the_instrument_in_force():
    first = {"ts": rows.START, "valid_from": rows.START, "tick_size": "0.5", "lot_size": "0.01"}
    second = first | {"ts": rows.START + 50 * S, "valid_from": rows.START + 50 * S, "tick_size": "1"}
    place = {"venue": rows.VENUE, "symbol": rows.SYMBOL}
    stream = Stream.from_table(rows.VENUE, rows.SYMBOL, "trades", rows.trades(100))
    assert feeds.validate(Dataset([stream], instruments=[first | place])).rows == []
    (row,) = feeds.validate(Dataset([stream], instruments=[first | place, second | place])).rows
    assert (row.rule, row.count) == ("V3", 50)
    stale = feeds.validate(Dataset([stream], instruments=[first | place | {"lot_size": "1"}]))
    assert "specification is stale" in stale.rows[0].message


def test_b1_says_how_long_the_book_was_crossed():
    (row,) = report(quotes(bid_price=[10] * 50 + [12] * 3 + [10] * 46 + [12]), "quotes").rows
    assert "at most 3 s" in row.message


def compared(trades, bars, kind="bars:1m"):
    streams = [
        Stream.from_table(rows.VENUE, rows.SYMBOL, "trades", trades),
        Stream.from_table(rows.VENUE, rows.SYMBOL, kind, bars),
    ]
    return {row.rule: row.count for row in feeds.validate(Dataset(streams)).rows}


def minute_trades(flags=0):
    """One trade of 0.5 every 10 s for ten minutes: 3 a minute."""
    return rows.trades(61, step=10 * S, quantity="0.5", flags=np.full(61, flags))


def test_g4_bar_volume_must_be_the_sum_of_its_trades():
    assert compared(minute_trades(), rows.bars(10, volume=[3] * 10)) == {}
    assert compared(minute_trades(), rows.bars(10, volume=[3] * 4 + [4] + [3] * 5)) == {"G4": 1}


def test_g4_an_aggregate_over_the_edge_of_a_minute_is_tolerated():
    moved = rows.bars(10, volume=[3, 3, 3.5, 2.5, 3, 3, 3, 3, 3, 3])
    assert compared(minute_trades(), moved) == {"G4": 2}
    assert compared(minute_trades(flags=16), moved) == {}
    missing = rows.bars(10, volume=[3, 3, 3.5, 3, 3, 3, 3, 3, 3, 3])
    assert compared(minute_trades(flags=16), missing) == {"G4": 1}


@pytest.mark.parametrize(("same", "expected"), [(100, {"M1"}), (99, set())])
def test_m1_mark_that_equals_the_trade_candles_is_another_series(same, expected):
    bars = rows.bars(150)
    close = [each.as_py() - (1 if i >= same else 0) for i, each in enumerate(bars.column("close"))]
    mark = rows.bars(150, kind="mark", close=close)
    streams = [
        Stream.from_table(rows.VENUE, rows.SYMBOL, "bars:1m", bars),
        Stream.from_table(rows.VENUE, rows.SYMBOL, "mark:1m", mark),
    ]
    found = feeds.validate(Dataset(streams))
    assert {row.rule for row in found.rows} == expected
    assert found.exit_code == (2 if expected else 0)


def test_m1_price_that_stands_still_proves_nothing():
    flat = dict.fromkeys(("open", "high", "low", "close"), [7] * 200)
    streams = [
        Stream.from_table(rows.VENUE, rows.SYMBOL, kind, rows.bars(200, kind=kind.partition(":")[0], **flat))
        for kind in ("bars:1m", "index:1m")
    ]
    assert feeds.validate(Dataset(streams)).exit_code == 0


@pytest.fixture
def catalog(tmp_path):
    found = Catalog(tmp_path / "catalog")
    found.write(rows.VENUE, rows.SYMBOL, "trades", rows.trades(3 * 24, step=H), source="a")
    found.write(rows.VENUE, rows.SYMBOL, "funding", rows.funding(9), source="b")
    return found


def test_clean_catalog_is_clean_by_every_way_in(catalog):
    folder = next(iter(catalog.partitions())).path
    for target in (catalog, catalog.root, Path(catalog.root), folder, f"{folder}/{DATA}"):
        assert feeds.validate(target).rows == []
    assert feeds.validate(catalog.dataset(rows.VENUE, rows.SYMBOL)).exit_code == 0
    found = feeds.validate(catalog)
    assert (found.checked_files, found.checked_rows) == (4, 81)
    assert str(found) == "81 rows, 4 files checked: clean"


@pytest.mark.parametrize("name", [DATA, "ledger.json"])
def test_c1_changed_bytes_are_fatal_and_the_rest_is_still_checked(catalog, name):
    path = Path(next(iter(catalog.partitions())).path) / name
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 3] ^= 1
    path.write_bytes(raw)
    found = feeds.validate(catalog)
    assert [(row.rule, row.severity) for row in found.rows] == [("C1", "fatal")]
    assert (found.exit_code, found.checked_files) == (2, 3)


def test_c1_changed_bytes_are_found_through_a_dataset(catalog):
    dataset = catalog.dataset(rows.VENUE, rows.SYMBOL)
    path = Path(next(iter(catalog.partitions())).path) / DATA
    path.write_bytes(path.read_bytes()[:-9])
    assert {row.rule for row in feeds.validate(dataset).rows} == {"C1"}


def test_g1_ids_missing_between_days_are_found(tmp_path):
    catalog = Catalog(tmp_path)
    catalog.write(rows.VENUE, rows.SYMBOL, "trades", rows.trades(100), source="a")
    later = rows.trades(100, start=rows.START + rows.DAY, first_id=1103)
    catalog.write(rows.VENUE, rows.SYMBOL, "trades", later, source="a")
    (row,) = feeds.validate(catalog).rows
    assert (row.rule, row.count, row.examples) == ("G1", 3, ("1100 to 1102",))


def test_missing_days_and_statuses_are_found(tmp_path):
    catalog = Catalog(tmp_path)
    for day, status in ((0, "complete"), (2, "suspect")):
        table = rows.bars(24, start=rows.START + day * rows.DAY, timeframe="1h", step=H)
        catalog.write(rows.VENUE, rows.SYMBOL, "bars:1h", table, source="a", status=status)
    found = feeds.validate(catalog)
    assert [(row.rule, row.count) for row in found.rows] == [("A1", 1), ("G3", 1)]
    in_dataset = feeds.validate(catalog.dataset(rows.VENUE, rows.SYMBOL))
    assert {row.rule for row in in_dataset.rows} == {"A1", "G3"}


def test_conflict_is_fatal(catalog):
    other = rows.trades(1, price="1.5")
    catalog.write(rows.VENUE, rows.SYMBOL, "trades", other, source="b")
    found = feeds.validate(catalog)
    assert ({row.rule for row in found.rows}, found.exit_code) == ({"D2"}, 2)
    assert feeds.validate(catalog.dataset(rows.VENUE, rows.SYMBOL)).exit_code == 2


def test_f5_other_unit_than_the_months_before_is_found(tmp_path):
    catalog = Catalog(tmp_path)
    catalog.write(rows.VENUE, rows.SYMBOL, "funding", rows.funding(93), source="a")
    percent = rows.funding(50, start=rows.START + 31 * rows.DAY, rate="0.02")
    catalog.write(rows.VENUE, rows.SYMBOL, "funding", percent, source="a")
    (row,) = feeds.validate(catalog).rows
    assert (row.rule, row.count) == ("F5", 50)
    assert "200 times off the history's 0.0001" in row.message


def test_flags_of_the_import_are_repeated_and_repairs_are_not(tmp_path):
    catalog = Catalog(tmp_path)
    findings = [Finding("V1", "flag", 2, "dropped"), Finding("O1", "repair", 5, "sorted")]
    catalog.write(rows.VENUE, rows.SYMBOL, "trades", rows.trades(), source="a", findings=findings)
    assert [row.rule for row in feeds.validate(catalog).rows] == ["V1"]


def test_gaps_of_a_stream_are_reported():
    found = report(rows.trades(100), gaps=[Gap(rows.START, rows.START + S, "missing", "ids")])
    assert [(row.rule, row.message) for row in found.rows] == [("G2", "gaps: missing")]


def test_report_as_json_and_as_text():
    found = report(without(rows.trades(500), 30))
    values = json.loads(json.dumps(found.to_dict()))
    assert (values["exit_code"], values["checked_rows"]) == (1, 499)
    assert values["rows"][0] == {
        "rule": "G1",
        "severity": "flag",
        "count": 1,
        "where": "BTC/USDT:USDT@binance_usdm trades",
        "message": "missing ids in a contiguous series",
        "examples": ["1030 to 1030 at 2024-01-01T00:00:29Z"],
    }
    assert re.search(r"G1 +flag +1 +BTC/USDT:USDT@binance_usdm trades: missing ids", str(found))


def test_what_is_not_ours_is_refused(tmp_path):
    with pytest.raises(FeedError, match="no such file"):
        feeds.validate(tmp_path / "nothing")
    with pytest.raises(FeedError, match="neither a catalog"):
        feeds.validate(tmp_path)
    (tmp_path / "v1").mkdir()
    with pytest.raises(FeedError, match="is empty"):
        feeds.validate(tmp_path)


def test_the_function_survives_the_import_of_its_module():
    import feeds.validation

    assert callable(feeds.validate)


def test_findings_of_one_import_are_one_row_however_many_partitions_it_filled(tmp_path):
    catalog = Catalog(tmp_path)
    hours = [hour for hour in range(0, 90 * 24, 8) if hour % 240]
    table = build("funding", {"ts": rows.START + np.array(hours) * H, "rate": ["0.0001"] * len(hours),
                              "interval_s": np.full(len(hours), 28_800)})  # fmt: skip
    findings = [Finding("F6", "flag", 8, "settlements missing"), Finding("M2", "flag", 1, "columns not read: x")]
    catalog.write(rows.VENUE, rows.SYMBOL, "funding", table, source="a", findings=findings)
    found = feeds.validate(catalog)
    by_rule = {}
    for row in found.rows:
        by_rule.setdefault(row.rule, []).append((row.where.rpartition("funding ")[2], row.count))
    # Every hole is told once, where it lies; that of 1 March at midnight lies between two partitions.
    assert by_rule == {
        "F6": [(f"{rows.SYMBOL}@{rows.VENUE} funding", 1), ("2024-01", 3), ("2024-02", 2), ("2024-03", 2)],
        "M2": [("2024-01 to 2024-03", 1)],
    }
    assert len(found.to_dict()["rows"]) == 5
    through_a_dataset = feeds.validate(catalog.dataset(rows.VENUE, rows.SYMBOL))
    assert [(row.rule, row.count) for row in through_a_dataset.rows] == [("F6", 8), ("M2", 1)]


def test_g1_of_an_import_is_kept_where_the_rows_do_not_show_it(tmp_path):
    catalog = Catalog(tmp_path)
    odd = rows.trades(100, id=np.arange(100) * 7)
    catalog.write(rows.VENUE, rows.SYMBOL, "trades", odd, source="a", findings=[Finding("G1", "flag", 5, "missing")])
    assert [(row.rule, row.count) for row in feeds.validate(catalog).rows] == [("G1", 5)]
