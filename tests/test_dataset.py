"""Datasets: what is in them does not depend on how they were put together."""

import re
from decimal import Decimal
from itertools import permutations

import feed_rows as rows
import pytest

from feeds.dataset import Dataset, Stream
from feeds.errors import FeedError

ETH = "ETH/USDT:USDT"


def stream(symbol=rows.SYMBOL, kind="trades", table=None):
    return Stream.from_table(rows.VENUE, symbol, kind, rows.trades() if table is None else table)


def tier(ts, floor=0, symbol=rows.SYMBOL):
    return {"ts": ts, "venue": rows.VENUE, "symbol": symbol, "floor": Decimal(floor), "max_leverage": Decimal(20)}


STREAMS = [
    stream(),
    stream(ETH),
    stream(kind="bars:1m", table=rows.bars()),
    stream(kind="funding", table=rows.funding()),
]


@pytest.mark.parametrize("order", list(permutations(STREAMS)))
def test_order_of_streams_has_no_effect(order):
    first, other = Dataset(STREAMS), Dataset(order)
    assert other.streams == first.streams
    assert other.fingerprint == first.fingerprint
    assert repr(other) == repr(first)


def test_sum_of_datasets_is_the_dataset_of_all():
    assert sum(Dataset([each]) for each in STREAMS).fingerprint == Dataset(STREAMS).fingerprint
    assert (Dataset(STREAMS[:2]) + Dataset(STREAMS[2:])).rows == Dataset(STREAMS).rows


def test_adding_something_else_is_a_type_error():
    with pytest.raises(TypeError):
        Dataset(STREAMS) + 1


def test_one_stream_twice_counts_once():
    assert Dataset([*STREAMS, STREAMS[0]]).fingerprint == Dataset(STREAMS).fingerprint


def test_overlapping_repeat_is_refused():
    with pytest.raises(FeedError, match="is given twice and the two overlap"):
        Dataset([stream(), stream(table=rows.trades(price="1"))])


def test_names_are_listed():
    found = Dataset(STREAMS)
    assert found.symbols == (rows.SYMBOL, ETH)
    assert found.venues == (rows.VENUE,)


def test_between_keeps_rules_that_came_into_force_before():
    rules = [tier(rows.START - rows.DAY), tier(rows.START + rows.SECOND), tier(rows.START + rows.DAY)]
    cut = Dataset(STREAMS, tiers=rules).between(rows.START, "2024-01-01T00:00:30")
    assert [row["ts"] for row in cut.tiers] == [rows.START - rows.DAY, rows.START + rows.SECOND]
    assert {each.kind: each.rows for each in cut.streams if each.symbol == rows.SYMBOL} == {
        "trades": 30,
        "bars": 1,
        "funding": 1,
    }


def test_between_that_cuts_nothing_keeps_the_fingerprint():
    found = Dataset(STREAMS)
    assert found.between("2023-01-01", "2025-01-01").fingerprint == found.fingerprint


def test_rules_are_in_the_fingerprint_and_repeats_are_not():
    plain, with_rule = Dataset(STREAMS), Dataset(STREAMS, tiers=[tier(rows.START)])
    assert plain.fingerprint != with_rule.fingerprint
    assert (with_rule + with_rule).tiers == with_rule.tiers
    assert Dataset(STREAMS, tiers=[tier(2), tier(1)]).tiers == Dataset(STREAMS, tiers=[tier(1), tier(2)]).tiers


@pytest.mark.parametrize(
    ("kinds", "symbols", "labels"),
    [
        ("trades", None, ["BTC/USDT:USDT trades", "ETH/USDT:USDT trades"]),
        ("bars", None, ["BTC/USDT:USDT bars"]),
        (["bars:1m", "funding"], None, ["BTC/USDT:USDT bars", "BTC/USDT:USDT funding"]),
        (None, ETH, ["ETH/USDT:USDT trades"]),
        (None, [f"{ETH}@binance_usdm"], ["ETH/USDT:USDT trades"]),
    ],
)
def test_select_takes_kinds_and_symbols(kinds, symbols, labels):
    found = Dataset(STREAMS).select(kinds=kinds, symbols=symbols)
    assert [f"{each.symbol} {each.kind}" for each in found.streams] == labels


def test_select_keeps_the_rules_of_its_symbols_and_of_the_venue():
    rules = [tier(1), tier(1, symbol=ETH)]
    events = [{"ts": 1, "venue": rows.VENUE, "symbol": "*", "what": "outage"}]
    found = Dataset(STREAMS, tiers=rules, venue_events=events).select(symbols=ETH)
    assert [row["symbol"] for row in found.tiers] == [ETH]
    assert len(found.venue_events) == 1


@pytest.mark.parametrize(
    ("kinds", "symbols", "words"),
    [
        ("quotes", None, "kind 'quotes' is not in the dataset; it has bars:1m, funding, trades"),
        ("bars:1h", None, "kind 'bars:1h' is not in the dataset"),
        (None, "ETH/USDC:USDC", "did you mean ETH/USDT:USDT"),
    ],
)
def test_select_of_what_is_not_there_is_refused(kinds, symbols, words):
    with pytest.raises(FeedError, match=re.escape(words)):
        Dataset(STREAMS).select(kinds=kinds, symbols=symbols)


def test_start_after_end_is_refused():
    with pytest.raises(FeedError, match="is not before end"):
        Dataset(STREAMS).between("2024-01-02", "2024-01-01")


def test_repr_lists_streams_with_their_times():
    text = repr(Dataset([stream()], tiers=[tier(1)]))
    assert text.startswith("Dataset of 1 stream, 100 rows, fingerprint ")
    assert "BTC/USDT:USDT@binance_usdm  trades  100 rows  2024-01-01T00:00:00Z .. 2024-01-01T00:01:39Z" in text
    assert text.endswith("1 tiers")
