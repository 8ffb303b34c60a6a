"""From raw columns to a canonical table."""

import re

import feed_rows as rows
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import FeedError
from feeds.normalize import grid_gaps, normalize, stamps_ns
from feeds.tables import check, ints, scales_of


def raw(n=2000, **changes):
    values = {
        "ts": (rows.START + np.arange(n) * rows.SECOND) // 1_000_000,
        "id": np.arange(n),
        "price": np.array(["42000.5"] * n, dtype=object),
        "quantity": np.array(["0.010"] * n, dtype=object),
        "side": np.ones(n, dtype=np.int64),
    }
    return values | changes


def cell(name, value, n=2000):
    values = raw(n)
    values[name][5] = value
    return values


def rules(findings):
    return {each.rule: (each.severity, each.count) for each in findings}


def test_text_columns_become_a_canonical_table():
    table, findings = normalize(raw(), "trades")
    check(table, "trades")
    assert scales_of(table)["price"] == 1
    assert ints(table, "ts")[0] == rows.START
    assert rules(findings) == {"T2": ("repair", 2000)}


def test_canonical_table_is_left_as_it_is():
    for kind, table in (("trades", rows.trades()), ("bars:1m", rows.bars()), ("funding", rows.funding())):
        assert normalize(table, kind) == (table, [])


def test_arrow_tables_are_taken_like_mappings():
    values = raw()
    assert normalize(pa.table({name: pa.array(list(column)) for name, column in values.items()}), "trades")[0].equals(
        normalize(values, "trades")[0]
    )


@pytest.mark.parametrize(("unit", "factor"), [("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1)])
def test_t2_unit_is_told_by_magnitude(unit, factor):
    found, findings = stamps_ns(rows.START // factor + np.arange(3))
    assert found.tolist() == [rows.START + i * factor for i in range(3)]
    assert bool(findings) == (unit != "ns")


@pytest.mark.parametrize(
    "stamps", [[rows.START, rows.START // 1000], [5], [rows.START // 10**6, rows.START // 10**9], [-1]]
)
def test_t2_mixed_or_unknown_units_are_refused(stamps):
    with pytest.raises(FeedError, match="not of one unit"):
        stamps_ns(np.array(stamps))


def test_t1_impossible_time_is_dropped_and_many_are_refused():
    early = 1_230_000_000_000
    table, findings = normalize(cell("ts", early), "trades")
    assert (table.num_rows, rules(findings)["T1"]) == (1999, ("flag", 1))
    with pytest.raises(FeedError, match="T1"):
        normalize(raw(2000, ts=np.full(2000, early)), "trades")


def test_t1_rows_after_the_fetch_are_impossible():
    now = rows.START + 1990 * rows.SECOND - 300 * rows.SECOND
    with pytest.raises(FeedError, match="9 of 2000 rows"):
        normalize(raw(), "trades", now_ns=now)
    assert normalize(raw(), "trades", now_ns=now + 9 * rows.SECOND)[0].num_rows == 2000


@pytest.mark.parametrize("value", ["", "nan", None, "inf", "-inf", "NaN", "0", "-1", "0.00"])
@pytest.mark.parametrize("name", ["price", "quantity"])
def test_v1_row_without_a_usable_number_is_dropped_and_flagged(name, value):
    table, findings = normalize(cell(name, value), "trades")
    assert table.num_rows == 1999
    assert rules(findings)["V1"] == ("flag", 1)
    assert 5 not in ints(table, "id")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, -5.0])
def test_v1_floats_are_treated_alike(value):
    values = raw()
    values["price"] = np.full(2000, 1.5)
    values["price"][5] = value
    assert normalize(values, "trades")[0].num_rows == 1999


def test_v1_more_than_a_thousandth_of_bad_rows_refuses_the_file():
    values = raw()
    values["price"][:3] = "nan"
    with pytest.raises(FeedError, match=re.escape("3 of 2000 rows: price or size that is no number (rule V1")):
        normalize(values, "trades")
    with pytest.raises(FeedError, match="V1"):
        normalize(cell("price", "0", 10), "trades")


def test_v1_word_that_is_no_number_at_all_is_an_error():
    with pytest.raises(FeedError, match="'abc'"):
        normalize(cell("price", "abc"), "trades")


def test_v1_premium_may_be_negative():
    table, _ = normalize({"ts": [rows.START], "price": ["-0.00012"]}, "premium")
    assert ints(table, "price").tolist() == [-12]


def test_o1_rows_out_of_order_are_sorted_by_time_then_id():
    order = np.random.default_rng(1).permutation(2000)
    values = {name: column[order] for name, column in raw().items()}
    values["id"] = np.full(2000, -1)
    table, findings = normalize(values, "trades")
    assert np.all(np.diff(ints(table, "ts")) > 0)
    assert rules(findings)["O1"][0] == "repair"


def test_o1_newest_first_is_reversed_and_keeps_the_order_inside_a_stamp():
    values = raw(6, id=np.full(6, -1), ts=np.repeat([rows.START + 2, rows.START + 1, rows.START], 2))
    values["price"] = np.array(["6", "5", "4", "3", "2", "1"])
    table, findings = normalize(values, "trades")
    assert ints(table, "price").tolist() == [1, 2, 3, 4, 5, 6]
    assert rules(findings)["O1"][0] == "repair"


def test_o2_interleaved_halves_are_sorted_by_id():
    order = np.arange(2000).reshape(2, 1000).T.ravel()
    values = {name: column[order] for name, column in raw().items()}
    table, findings = normalize(values, "trades")
    assert ints(table, "id").tolist() == list(range(2000))
    assert rules(findings)["O2"][0] == "repair"


def test_o2_ids_that_contradict_time_refuse_the_file():
    values = raw(id=np.random.default_rng(2).permutation(2000))
    with pytest.raises(FeedError, match="O2"):
        normalize(values, "trades")


def test_trades_of_one_stamp_are_ordered_by_number_not_by_text():
    values = raw(4, ts=np.full(4, rows.START), id=np.array([100000, 100001, 99998, 99999]))
    assert ints(normalize(values, "trades")[0], "id").tolist() == [99998, 99999, 100000, 100001]


@given(st.permutations(range(30)))
def test_any_order_of_rows_gives_the_same_table(order):
    values = {name: column[list(order)] for name, column in raw(30).items()}
    found = normalize(values, "trades")[0].drop_columns(["seq"])
    assert found.equals(normalize(raw(30), "trades")[0].drop_columns(["seq"]))


def test_d2_contradiction_is_fatal_and_says_the_day():
    values = raw()
    values["id"][6] = 5
    _, findings = normalize(values, "trades")
    assert [(each.rule, each.days) for each in findings if each.severity == "fatal"] == [("D2", ("2024-01-01",))]


@pytest.mark.parametrize(
    "change",
    [{"high": 90}, {"low": 200}, {"volume": -1}, {"open": 1000}, {"close": 1}],
    ids=lambda each: next(iter(each)),
)
def test_v4_bar_that_contradicts_itself_is_dropped(change):
    ((name, value),) = change.items()
    table = rows.bars(200)
    column = ints(table, name).copy()
    column[7] = value
    table = table.set_column(table.column_names.index(name), table.schema.field(name), pa.array(column))
    found, findings = normalize(table, "bars:1m")
    assert found.num_rows == 199
    assert rules(findings)["V4"] == ("flag", 1)


def test_v4_shuffled_columns_refuse_the_file():
    with pytest.raises(FeedError, match="V4"):
        normalize(
            rows.bars(200).rename_columns({"high": "low", "low": "high"}).select(rows.bars(1).column_names), "bars:1m"
        )


def test_bar_is_known_at_its_close_or_later():
    values = {name: [1] for name in ("open", "high", "low", "close", "volume")} | {
        "ts": [rows.START],
        "ts_close": [rows.START + rows.MINUTE - 1_000_000],  # as vendors write it: the last millisecond
        "ts_avail": [rows.START + 90 * rows.SECOND],
    }
    table, _ = normalize(values, "bars:1m")
    assert ints(table, "ts_close").tolist() == [rows.START + rows.MINUTE]
    assert ints(table, "ts_avail").tolist() == [rows.START + 90 * rows.SECOND]


def test_l1_forced_order_needs_a_side_and_a_known_coverage():
    values = {"ts": [rows.START], "side": [1], "price": [1], "quantity": [1]}
    assert normalize(values, "liquidations")[0].column("coverage").to_pylist() == ["unknown"]
    with pytest.raises(FeedError, match=re.escape("side 0 is not allowed (L1)")):
        normalize(values | {"side": [0]}, "liquidations")
    with pytest.raises(FeedError, match="coverage 'most'"):
        normalize(values | {"coverage": ["most"]}, "liquidations")


def test_raw_stamps_of_funding_are_kept_beside_the_grid():
    raw_stamps = rows.START + np.arange(3) * 8 * rows.HOUR + np.array([3, 0, 17]) * 1_000_000
    table, _ = normalize({"ts": raw_stamps, "rate": ["0.0001"] * 3}, "funding")
    assert ints(table, "ts_raw").tolist() == raw_stamps.tolist()
    assert ints(table, "ts").tolist() == [rows.START + i * 8 * rows.HOUR for i in range(3)]


def test_predicted_rates_keep_their_own_time():
    stamps = [rows.START, rows.START + rows.HOUR + 7, rows.START + 8 * rows.HOUR]
    table, _ = normalize({"ts": stamps, "rate": ["0.0001"] * 3, "kind": [0, 1, 0]}, "funding")
    assert ints(table, "ts").tolist() == stamps
    assert ints(table, "interval_s").tolist() == [8 * 3600] * 3


def test_g3_missing_bars_are_gaps():
    table = rows.bars(10)
    holed = pa.concat_tables([table.slice(0, 3), table.slice(5)])
    gaps = grid_gaps(holed, "bars", rows.MINUTE)
    assert [(gap.start, gap.end) for gap in gaps] == [(rows.START + 3 * rows.MINUTE, rows.START + 5 * rows.MINUTE)]
    assert grid_gaps(rows.trades(), "trades", 0) == []
