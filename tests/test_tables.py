"""Canonical tables: building, checking, content hash."""

import re
from decimal import Decimal

import feed_rows as rows
import numpy as np
import pyarrow as pa
import pytest

from feeds import tables
from feeds.errors import FeedError


def test_bars_get_their_close_and_are_known_no_earlier():
    table = rows.bars(3)
    assert tables.ints(table, "ts_close").tolist() == [rows.START + i * rows.MINUTE for i in (1, 2, 3)]
    assert tables.ints(table, "ts_avail").tolist() == tables.ints(table, "ts_close").tolist()


def test_columns_of_one_scale_share_the_finest_of_them():
    table = tables.build(
        "bars:1m",
        {"ts": [rows.START], "open": ["1.5"], "high": [2], "low": ["1.25"], "close": [1.5], "volume": ["3.1"]},
    )
    assert tables.scales_of(table) == {"price": 2, "quantity": 1, "rate": 0, "quote": 0}
    assert [tables.ints(table, name)[0] for name in ("open", "high", "low", "close", "volume")] == [
        150,
        200,
        125,
        150,
        31,
    ]


def test_empty_cells_stay_empty_where_the_schema_allows_them():
    table = rows.funding(3, mark=["42000.5", None, 42001])
    assert table.column("mark").to_pylist() == [420005, None, 420010]
    assert tables.ints(table, "mark").tolist() == [420005, 0, 420010]


def test_small_tables_keep_decimals():
    table = tables.build(
        "tiers",
        {"ts": [rows.START], "floor": [0], "maintenance_rate": [0.004], "max_leverage": [125], "amount": ["0.5"]},
    )
    assert table.to_pylist()[0]["maintenance_rate"] == Decimal("0.004")
    assert table.to_pylist()[0]["valid_from"] == rows.START


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"ts": [1], "quantity": [1]}, "column 'price' is missing"),
        ({"ts": [1], "pricee": [1], "quantity": [1]}, "did you mean it by 'pricee'"),
        ({"ts": [1], "price": [1], "quantity": [1], "sid": [1]}, "did you mean 'side'"),
        ({"ts": [1, 2], "price": [1], "quantity": [1]}, "different lengths"),
        ({"ts": [1], "price": ["x"], "quantity": [1]}, "price: 'x' (row 0)"),
    ],
)
def test_unusable_columns_are_refused(values, words):
    with pytest.raises(FeedError, match=re.escape(words)):
        tables.build("trades", values)


def test_check_refuses_what_is_not_canonical():
    table = rows.trades(5)
    tables.check(table, "trades")
    with pytest.raises(FeedError, match="a canonical table has ts, ts_avail"):
        tables.check(table.drop_columns(["seq"]), "trades")
    with pytest.raises(FeedError, match=r"row 1 .* is earlier than the row before"):
        tables.check(table.take(pa.array([3, 1, 4])), "trades")
    with pytest.raises(FeedError, match=r"trades\.side: type int64, needs int8"):
        tables.check(table.set_column(6, "side", pa.array([1] * 5)), "trades")


def test_content_hash_does_not_see_chunks_or_slices():
    table = rows.bars(50, quote_volume=[None, 1.5] * 25)
    chunked = pa.concat_tables([table.slice(0, 13), table.slice(13, 30), table.slice(43)])
    assert tables.content_sha256(chunked) == tables.content_sha256(table)
    longer = pa.concat_tables([table, table])
    assert tables.content_sha256(longer.slice(50)) == tables.content_sha256(table)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: tables.with_scales(t, tables.scales_of(t) | {"price": 3}),
        lambda t: t.slice(1),
        lambda t: t.take(pa.array([1, 0, *range(2, t.num_rows)])),
        lambda t: t.set_column(8, t.schema.field(8), pa.array([7, *([None] * (t.num_rows - 1))], pa.int64())),
        lambda t: t.rename_columns([*t.column_names[:-1], "counts"]),
    ],
    ids=["scale", "row", "order", "cell", "name"],
)
def test_content_hash_sees_every_change(change):
    table = rows.bars(20)
    assert tables.content_sha256(change(table)) != tables.content_sha256(table)


def test_text_cells_are_hashed_with_their_borders():
    def events(*what):
        return tables.build("venue_events", {"ts": [1] * len(what), "venue": ["v"] * len(what), "what": list(what)})

    assert tables.content_sha256(events("ab", "c")) != tables.content_sha256(events("a", "bc"))


def test_scales_move_exactly_and_strip_to_the_least():
    table = rows.trades(4, price="42000.5")
    finer = tables.rescale_table(table, "trades", 0, {"price": 4, "quantity": 5, "rate": 0, "quote": 0})
    assert tables.scales_of(finer)["price"] == 4
    assert np.array_equal(tables.ints(finer, "price"), tables.ints(table, "price") * 1000)
    assert tables.strip_scales(finer, "trades", 0).equals(table, check_metadata=True)


def test_scale_of_zero_only_columns_is_stripped_whole():
    table = rows.bars(3, volume=["0.00", "0.0", "0"])
    assert tables.scales_of(table)["quantity"] == 0
