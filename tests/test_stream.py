"""Streams in memory: batches, bounds, joins."""

import re

import feed_rows as rows
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import FeedError
from feeds.findings import Finding, Gap
from feeds.stream import Stream
from feeds.tables import build, ints


def stream(table, kind="trades", **extra):
    return Stream.from_table(rows.VENUE, rows.SYMBOL, kind, table, **extra)


def column(found, name, size=7, **bounds):
    return [value for batch in found.batches([name], size, **bounds) for value in batch.column(0).to_pylist()]


@pytest.mark.parametrize("size", [1, 7, 99, 100, 101, 131072])
def test_batches_hold_every_row_once_and_no_more_than_asked(size):
    table = rows.trades(100)
    batches = list(stream(table).batches(["price", "ts"], size))
    assert batches[0].schema.names == ["price", "ts"]
    assert max(batch.num_rows for batch in batches) <= size
    assert np.concatenate([ints(batch, "ts") for batch in batches]).tolist() == ints(table, "ts").tolist()


@given(st.integers(-5, 105), st.integers(-5, 105), st.integers(1, 40))
def test_bounds_take_exactly_the_rows_inside(low, high, size):
    table = rows.trades(100)
    start, end = rows.START + low * rows.SECOND, rows.START + high * rows.SECOND
    stamps = ints(table, "ts").tolist()
    expected = [each for each in stamps if start <= each < end]
    assert column(stream(table), "ts", size, start=start, end=end) == expected
    cut = stream(table).between(start, end)
    assert column(cut, "ts", size) == expected
    assert cut.rows == len(expected)
    if expected:
        assert (cut.ts_min, cut.ts_max) == (expected[0], expected[-1])


def test_bounds_narrow_and_never_widen():
    cut = stream(rows.trades(100)).between(rows.START + 10 * rows.SECOND, rows.START + 20 * rows.SECOND)
    assert column(cut.between(rows.START, rows.START + 12 * rows.SECOND), "ts") == [
        rows.START + i * rows.SECOND for i in (10, 11)
    ]
    assert len(column(cut, "ts", start=rows.START)) == 10


def test_empty_cells_come_as_zero():
    found = stream(rows.funding(3, mark=["10.5", None, "11"]), "funding")
    assert column(found, "mark") == [105, 0, 110]


def test_fingerprint_depends_on_content_and_place_only():
    one = stream(rows.trades(100))
    assert one.fingerprint == stream(rows.trades(100)).fingerprint
    assert one.fingerprint != stream(rows.trades(100, price="42000.6")).fingerprint
    other = Stream.from_table(rows.VENUE, "ETH/USDT:USDT", "trades", rows.trades(100))
    assert one.fingerprint != other.fingerprint
    assert one.between(rows.START, rows.START + rows.DAY).fingerprint == one.fingerprint
    assert one.between(rows.START + 1).fingerprint != one.fingerprint


def test_streams_that_follow_each_other_join():
    late = rows.trades(50, start=rows.START + rows.HOUR, price="42000.25")
    first = stream(rows.trades(50), gaps=[Gap(rows.START, rows.START + 1)])
    joined = first.joined(stream(late))
    assert joined.rows == 100
    assert joined.scales["price"] == 2
    assert column(joined, "price") == [4200050] * 50 + [4200025] * 50
    assert joined.fingerprint == stream(late).joined(first).fingerprint
    assert len(joined.gaps) == 1
    assert ints(joined.table(), "price").tolist() == [4200050] * 50 + [4200025] * 50


def test_joined_cuts_keep_their_cuts():
    whole = stream(rows.trades(100))
    middle = rows.START + 50 * rows.SECOND
    joined = whole.between(rows.START + 10 * rows.SECOND, middle).joined(
        whole.between(middle, middle + 20 * rows.SECOND)
    )
    assert column(joined, "ts") == [rows.START + i * rows.SECOND for i in range(10, 70)]
    assert joined.rows == 60


def test_the_same_stream_twice_is_one():
    one = stream(rows.trades(100), findings=[Finding("O1", "repair", 1, "sorted")])
    joined = one.joined(stream(rows.trades(100)))
    assert joined.rows == 100
    assert [each.rule for each in joined.findings] == ["O1"]


def test_overlapping_streams_are_refused_with_the_remedy():
    with pytest.raises(FeedError, match=re.escape("is given twice and the two overlap")):
        stream(rows.trades(100)).joined(stream(rows.trades(100, start=rows.START + rows.SECOND)))


def test_gaps_are_cut_to_the_bounds():
    found = stream(rows.trades(10), gaps=[Gap(rows.START + 2, rows.START + 8, "suspect")])
    assert found.between(rows.START + 4, rows.START + 6).gaps == (Gap(rows.START + 4, rows.START + 6, "suspect"),)
    assert found.between(rows.START + 8).gaps == ()


@pytest.mark.parametrize(
    ("columns", "size", "words"),
    [(["pric"], 10, "no column 'pric'; it has ts, ts_avail"), (["price"], 0, "rows must be at least 1, got 0")],
)
def test_unusable_request_is_refused(columns, size, words):
    with pytest.raises(FeedError, match=re.escape(words)):
        stream(rows.trades(3)).batches(columns, size)


@pytest.mark.parametrize(
    ("venue", "symbol", "kind", "words"),
    [
        ("nowhere", rows.SYMBOL, "trades", "venue 'nowhere'"),
        (rows.VENUE, "BTC/USD:BTC", "trades", "no instrument"),
        (rows.VENUE, rows.SYMBOL, "quotes", "a canonical table has"),
        (rows.VENUE, rows.SYMBOL, "bars", "needs a timeframe"),
    ],
)
def test_stream_of_a_wrong_place_is_refused(venue, symbol, kind, words):
    with pytest.raises(FeedError, match=words):
        Stream.from_table(venue, symbol, kind, rows.trades(3))


def test_empty_table_makes_no_stream():
    with pytest.raises(FeedError, match="no rows"):
        stream(rows.trades(3).slice(0, 0))


def test_head_shows_numbers_in_their_units():
    head = stream(rows.trades(10)).head(2)
    assert head["price"].tolist() == [42000.5, 42000.5]
    assert str(head["ts"].iloc[1]) == "2024-01-01 00:00:01+00:00"


def test_aggregated_trades_may_carry_the_ids_they_stand_for():
    table = build(
        "trades",
        {"ts": [rows.START], "id": [1], "price": [1], "quantity": [1], "side": [1], "first_id": [7], "last_id": [9]},
    )
    assert table.column_names[-2:] == ["first_id", "last_id"]
    assert stream(table).rows == 1


def test_repr_is_one_line():
    assert repr(stream(rows.trades(10))) == (
        "Stream(BTC/USDT:USDT@binance_usdm trades, 10 rows, 2024-01-01T00:00:00Z .. 2024-01-01T00:00:09Z, 0 gaps)"
    )


def test_batches_of_a_slice_do_not_copy():
    table = rows.trades(1000).combine_chunks()
    batch = next(stream(table).batches(["ts"], 500))
    assert batch.column(0).buffers()[1].address == table.column("ts").chunk(0).buffers()[1].address
    assert isinstance(batch, pa.RecordBatch)
