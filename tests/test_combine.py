"""Equal and contradicting rows."""

from collections import Counter

import feed_rows as rows
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.combine import deduplicate, merge
from feeds.tables import build, ints


def rules(found):
    return [(each.rule, each.severity, each.count) for each in found.findings]


def no_ids(prices, *, stamps=None):
    return build(
        "trades",
        {
            "ts": [rows.START] * len(prices) if stamps is None else stamps,
            "price": prices,
            "quantity": [1] * len(prices),
            "side": [1] * len(prices),
        },
    )


def test_d1_same_id_with_the_same_content_is_dropped():
    table = rows.trades(5)
    found = deduplicate(pa.concat_tables([table, table.slice(1, 2)]), "trades", 0)
    assert rules(found) == [("D1", "repair", 2)]
    assert ints(found.table, "id").tolist() == [1000, 1001, 1002, 1003, 1004]


def test_d2_same_id_with_other_content_is_set_apart_and_the_first_is_kept():
    other = rows.trades(1, first_id=1002, price="1.5", start=rows.START + 2 * rows.SECOND)
    found = deduplicate(pa.concat_tables([rows.trades(5), other]), "trades", 0)
    assert rules(found) == [("D2", "fatal", 1)]
    assert found.findings[0].days == ("2024-01-01",)
    assert found.findings[0].examples == ("2024-01-01T00:00:02Z",)
    assert ints(found.conflicts, "price").tolist() == [15]
    assert set(ints(found.table, "price").tolist()) == {420005}


def test_d2_same_id_at_another_time_is_a_contradiction():
    later = rows.trades(1, first_id=1002, start=rows.START + 50 * rows.SECOND)
    assert rules(deduplicate(pa.concat_tables([rows.trades(5), later]), "trades", 0)) == [("D2", "fatal", 1)]


def test_d3_equal_trades_without_id_are_two_trades():
    found = deduplicate(no_ids([10, 10, 11]), "trades", 0)
    assert found.table.num_rows == 3
    assert found.findings == []


@pytest.mark.parametrize("factor", [2, 3])
def test_d3_file_in_which_every_row_is_repeated_alike_is_halved(factor):
    found = deduplicate(no_ids([10, 11, 12] * factor), "trades", 0)
    assert rules(found) == [("D3", "repair", 3 * (factor - 1))]
    assert ints(found.table, "price").tolist() == [10, 11, 12]


def test_f4_funding_rows_of_one_slot_are_one_or_a_contradiction():
    table = rows.funding(3)
    assert rules(deduplicate(pa.concat_tables([table, table.slice(1, 1)]), "funding", 0)) == [("F4", "repair", 1)]
    other = rows.funding(1, rate="0.0002", start=rows.START + 8 * rows.HOUR)
    assert rules(deduplicate(pa.concat_tables([table, other]), "funding", 0)) == [("D2", "fatal", 1)]


def test_predicted_rates_may_repeat_their_time():
    table = rows.funding(2, kind=[1, 1], ts=[rows.START] * 2)
    assert deduplicate(table, "funding", 0).table.num_rows == 2


def test_empty_cell_is_filled_from_the_repeat_and_contradicts_nothing():
    bare, full = rows.funding(3), rows.funding(3, mark=["1.5", None, "2.5"])
    bare = bare.replace_schema_metadata(full.schema.metadata)
    for order in ([bare, full], [full, bare]):
        found = deduplicate(pa.concat_tables(order), "funding", 0)
        assert found.conflicts.num_rows == 0
        assert found.table.column("mark").to_pylist() == [15, None, 25]


def test_bars_are_named_by_their_open():
    table = rows.bars(5)
    found = deduplicate(pa.concat_tables([table, rows.bars(5, close=np.full(5, 99))]), "bars", rows.MINUTE)
    assert rules(found)[0][0] == "D2"
    assert found.table.equals(table)


def test_tiers_are_named_by_time_and_floor():
    values = {"ts": [1, 1, 1], "floor": [0, 5, 5], "maintenance_rate": [1, 2, 2], "max_leverage": [9, 8, 8]}
    found = deduplicate(build("tiers", values), "tiers", 0)
    assert found.table.column("floor").to_pylist() == [0, 5]


bags = st.lists(st.integers(1, 4), max_size=12)


@given(bags, bags)
def test_rows_without_a_name_join_by_the_larger_count(old, new):
    found = merge(no_ids(old or [9]), no_ids(new or [9]), "trades", 0)
    assert Counter(ints(found.table, "price").tolist()) == Counter(old or [9]) | Counter(new or [9])


@given(bags, bags)
def test_joining_again_adds_nothing(old, new):
    once = merge(no_ids(old or [9]), no_ids(new or [9]), "trades", 0).table
    assert merge(once, no_ids(new or [9]), "trades", 0).table.equals(once)


ids = st.sets(st.integers(0, 40), min_size=1)


@given(ids, ids)
def test_rows_with_ids_join_as_sets(old, new):
    def some(chosen):
        numbers = np.array(sorted(chosen))
        return rows.trades(len(numbers), id=numbers, ts=rows.START + numbers, side=numbers % 2)

    found = merge(some(old), some(new), "trades", 0)
    assert sorted(ints(found.table, "id").tolist()) == sorted(old | new)
    assert found.findings == []
    assert found.conflicts.num_rows == 0


def test_trades_with_and_without_ids_join_side_by_side():
    found = merge(rows.trades(3, price=10, quantity=1), no_ids([10, 11]), "trades", 0)
    assert found.table.num_rows == 5
    again = merge(found.table, no_ids([10, 11]), "trades", 0)
    assert again.table.num_rows == 5
