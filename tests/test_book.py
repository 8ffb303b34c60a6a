"""The book: levels as the feed tells them, sequence breaks, crossings, what own orders have taken."""

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venues.book import Book

UNKNOWN, VALID, CROSSED = 0, 1, 2
SECOND = 10**9


def sides(book):
    return book.levels(1), book.levels(-1)


def started(*rows, tick=1):
    book = Book(tick)
    book.apply(1, rows or [(1, 99, 5), (1, 98, 7), (-1, 101, 4), (-1, 103, 6)], sequence=10, is_snapshot=True)
    return book


def test_updates_set_levels_and_zero_takes_them_out():
    book = started()
    book.apply(2, [(1, 99, 0), (1, 97, 2), (-1, 100, 1)], sequence=11, previous=10)
    assert sides(book) == ([(98, 7), (97, 2)], [(100, 1), (101, 4), (103, 6)])


def test_a_snapshot_replaces_everything():
    book = started()
    book.apply(2, [(1, 50, 1), (-1, 60, 1)], sequence=20, is_snapshot=True)
    assert sides(book) == ([(50, 1)], [(60, 1)])


PRICES = st.one_of(st.integers(900, 1100), st.integers(1, 400_000), st.sampled_from([10**9, 3 * 10**9]))
ROWS = st.lists(st.tuples(st.sampled_from([1, -1]), PRICES, st.integers(0, 3)), max_size=12)


@given(st.lists(st.tuples(st.booleans(), ROWS), min_size=1, max_size=12), st.sampled_from([1, 5]))
def test_the_levels_are_those_of_two_sorted_tables(messages, tick):
    """Prices far apart move the window; a price off the tick makes the tick finer."""
    book, tables = Book(tick), {1: {}, -1: {}}
    for time, (is_snapshot, rows) in enumerate([(True, []), *messages], start=1):
        book.apply(time, rows, is_snapshot=is_snapshot)
        if is_snapshot:
            tables = {1: {}, -1: {}}
        for side, price, quantity in rows:
            tables[side][price] = quantity
        want = tuple(
            sorted(
                OrderedDict((p, q) for p, q in tables[side].items() if q).items(), key=lambda row, s=side: -s * row[0]
            )
            for side in (1, -1)
        )
        assert sides(book) == want


def test_nothing_counts_before_the_first_snapshot():
    book = Book(1)
    assert not book.apply(1, [(1, 99, 5)], sequence=5, previous=4)
    assert (book.condition, sides(book)) == (UNKNOWN, ([], []))


def test_an_update_that_does_not_follow_ends_the_book_until_the_next_snapshot():
    """feeds.md B2."""
    book = started()
    assert not book.apply(2, [(1, 99, 1)], sequence=14, previous=12)
    assert (book.condition, book.breaks) == (UNKNOWN, 1)
    assert not book.apply(3, [(1, 99, 1)], sequence=15, previous=14)
    assert book.apply(4, [(1, 90, 1), (-1, 91, 1)], sequence=20, is_snapshot=True)
    assert (book.condition, book.breaks) == (VALID, 1)


def test_a_snapshot_asked_for_lies_between_two_updates():
    """Binance: updates up to the snapshot's id are dropped, the first one after it spans it."""
    book = Book(1)
    book.apply(1, [(1, 99, 1)], sequence=100, previous=90)
    book.apply(2, [(1, 99, 5), (-1, 101, 5)], sequence=115, is_snapshot=True)
    assert not book.apply(3, [(1, 99, 2)], sequence=110, previous=100)
    assert book.apply(4, [(1, 99, 3)], sequence=120, previous=110)
    assert book.apply(5, [(1, 99, 4)], sequence=125, previous=120)
    assert (book.breaks, book.levels(1)) == (0, [(99, 4)])


def test_a_crossed_book_is_borne_for_a_second_and_then_unknown():
    """feeds.md B1; locked counts as crossed."""
    book = started()
    book.apply(2, [(-1, 99, 1)])
    assert (book.condition, book.crossings) == (CROSSED, 1)
    book.apply(2 + SECOND, [(1, 90, 1)])
    assert book.condition == CROSSED
    book.apply(3 + SECOND, [(1, 90, 2)])
    assert (book.condition, book.invalidations, book.longest_crossing) == (UNKNOWN, 1, SECOND + 1)


def test_a_crossing_that_ends_in_time_leaves_the_book_valid():
    book = started()
    book.apply(2, [(-1, 98, 1)])
    book.apply(12, [(1, 99, 0), (1, 98, 0)])
    assert (book.condition, book.longest_crossing, book.levels(1)) == (VALID, 10, [])


def test_what_was_eaten_stays_eaten_until_the_feed_states_another_quantity():
    book = started()
    book.take(-1, 101, 3)
    assert book.left(-1, 101) == 1
    book.apply(2, [(-1, 103, 9), (-1, 101, 4)])
    assert book.left(-1, 101) == 1
    book.apply(3, [(-1, 101, 5)])
    assert book.left(-1, 101) == 5


def test_a_snapshot_that_states_the_same_level_brings_nothing_back():
    book = started()
    book.take(-1, 101, 3)
    book.apply(2, [(1, 99, 5), (-1, 101, 4)], sequence=11, is_snapshot=True)
    assert book.left(-1, 101) == 1
    book.apply(3, [(1, 99, 5), (-1, 102, 4)], sequence=12, is_snapshot=True)
    book.apply(4, [(-1, 101, 4)], sequence=13, previous=12)
    assert book.left(-1, 101) == 4


def test_a_tick_must_be_positive():
    with pytest.raises(ValueError, match="tick must be at least one price unit, got 0"):
        Book(0)
