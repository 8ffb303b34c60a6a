"""Kinds, timeframes and columns."""

import re

import pytest

from feeds import schema
from feeds.errors import FeedError

WRITTEN = list(schema.KINDS)


@pytest.mark.parametrize(
    ("text", "kind", "length"),
    [
        ("bars:1m", "bars", 60_000_000_000),
        ("bars:4h", "bars", 14_400_000_000_000),
        ("mark:1d", "mark", 86_400_000_000_000),
        ("bars:250ms", "bars", 250_000_000),
        ("trades", "trades", 0),
        ("mark", "mark", 0),
    ],
)
def test_kind_splits_into_word_and_length_and_joins_back(text, kind, length):
    assert schema.split_kind(text) == (kind, length)
    assert schema.join_kind(kind, length) == text


@pytest.mark.parametrize(
    ("text", "short"), [("60s", "1m"), ("24h", "1d"), ("7d", "1w"), ("90m", "90m"), ("1000ms", "1s")]
)
def test_timeframe_is_written_in_its_largest_unit(text, short):
    assert schema.timeframe_text(schema.timeframe_ns(text)) == short


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bar:1m", "did you mean 'bars'"),
        ("bars", "timeframe='1m'"),
        ("trades:1m", "has no timeframe"),
        ("bars:1M", "ms, s, m, h, d, w"),
        ("bars:0m", "ms, s, m, h, d, w"),
        ("bars:-1m", "ms, s, m, h, d, w"),
        ("", "is not known"),
    ],
)
def test_unusable_kind_is_refused_with_what_is_allowed(text, words):
    with pytest.raises(FeedError, match=re.escape(words)):
        schema.split_kind(text)


@pytest.mark.parametrize("kind", WRITTEN)
def test_every_kind_begins_with_ts_and_ts_avail(kind):
    names = schema.columns(kind, 60_000_000_000 if kind == "bars" else 0).names
    assert names[:2] == ["ts", "ts_avail"]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", WRITTEN)
def test_scaled_columns_are_64_bit_integers(kind):
    import pyarrow as pa

    length = 60_000_000_000 if kind == "bars" else 0
    found = schema.columns(kind, length)
    for column in schema.layout(kind, length):
        if column.scale is not None:
            assert column.scale in schema.SCALES
            assert found.field(column.name).type == pa.int64()


@pytest.mark.parametrize(
    ("kind", "column", "scale"),
    [
        ("trades", "price", "price"),
        ("trades", "quantity", "quantity"),
        ("trades", "id", None),
        ("bars:1m", "volume", "quantity"),
        ("bars", "high", "price"),
        ("premium", "price", "rate"),
        ("premium:1m", "low", "rate"),
        ("funding", "rate", "rate"),
        ("funding", "mark", "price"),
        ("open_interest", "quote", "quote"),
    ],
)
def test_column_knows_its_scale(kind, column, scale):
    assert schema.scale_of(kind, column) == scale


def test_unknown_column_is_refused_with_the_list():
    with pytest.raises(FeedError, match="no column 'pricee'; it has ts, ts_avail"):
        schema.scale_of("trades", "pricee")


def test_newer_schema_version_is_refused():
    assert schema.check_version("trades/1") == "trades"
    with pytest.raises(FeedError, match="newer than this reader"):
        schema.check_version("trades/2")
    with pytest.raises(FeedError, match="not one of ours"):
        schema.check_version("ticks/1")


def test_aggregate_columns_exist_for_trades_only():
    assert schema.columns("trades", aggregates=True).names[-2:] == ["first_id", "last_id"]
    assert "first_id" not in schema.columns("quotes", aggregates=True).names
