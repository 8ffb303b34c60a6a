"""Universe: who was listed at a moment, whatever came later."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.errors import ConfigError
from backtest.history import History
from backtest.universe import Universe
from feeds.dataset import Dataset, Stream
from feeds.errors import FeedError
from feeds.tables import build

MINUTE = 60_000_000_000
HOUR, DAY = 60 * MINUTE, 1440 * MINUTE
T0 = 1_700_006_400_000_000_000  # 2023-11-15 00:00 UTC
VENUE = "binance_usdm"


def bars(symbol, first, last, *, step=DAY, kind="bars:1d", volume=1.0, price=10.0, venue=VENUE) -> Stream:
    """Return bars that open from `first` up to and including `last`, in steps from T0."""
    opens = T0 + step * np.arange(first, last + 1, dtype=np.int64)
    prices = dict.fromkeys(("open", "high", "low", "close"), np.full(opens.size, price))
    columns = {"ts": opens, **prices, "volume": np.broadcast_to(np.asarray(volume, dtype=float), opens.shape)}
    return Stream.from_table(venue, symbol, kind, build(kind, columns))


def trades(symbol, stamps) -> Stream:
    stamps = np.asarray(stamps, dtype=np.int64)
    ones = np.ones(stamps.size)
    return Stream.from_table(VENUE, symbol, "trades", build("trades", {"ts": stamps, "price": ones, "quantity": ones}))


def row(symbol, *, ts=T0, venue=VENUE, **fields):
    return {"venue": venue, "symbol": symbol, "ts": ts, "valid_from": ts, "contract_size": 1} | fields


def on(day, *streams, rows=(), hour=0.25, **options):
    """Return the members at a time of a day."""
    dataset = Dataset(streams, instruments=rows)
    given = {"quote": "USDT", "history": History(dataset)} | options
    return Universe(dataset).members(VENUE, now=T0 + day * DAY + round(hour * HOUR), **given)


A, B, C, D = (f"{name}/USDT:USDT" for name in "ABCD")


def test_symbol_is_in_once_its_first_bar_has_closed():
    streams = [bars(A, 0, 30), bars(B, 5, 30)]
    assert on(5, *streams, hour=23.9) == [A]
    assert on(6, *streams, hour=0) == [A, B]


def test_symbol_delisted_later_is_in_while_it_lives():
    streams = [bars(A, 0, 30), bars(B, 0, 9)]
    assert on(9, *streams) == [A, B]
    assert on(10, *streams, hour=23.9) == [A, B]  # its last bar closed today; that no more come shows tomorrow
    assert on(11, *streams, hour=0) == [A]


def test_everyone_is_alive_up_to_the_end_of_the_data():
    streams = [bars(A, 0, 30), bars(B, 0, 30), bars(C, 0, 29)]
    assert on(31, *streams) == [A, B]


def test_finest_data_tell_the_end():
    minutes = bars(B, 0, 9 * 1440 + 719, step=MINUTE, kind="bars:1m")
    streams = [bars(A, 0, 30), bars(B, 0, 9), minutes]
    assert on(9, *streams, hour=12) == [A, B]
    assert on(9, *streams, hour=12.02) == [A]


def test_finer_data_of_an_earlier_time_do_not_tell_the_end():
    streams = [bars(A, 0, 30), bars(B, 0, 9), bars(B, 0, 300, step=MINUTE, kind="bars:1m")]
    assert on(9, *streams) == [A, B]


def test_trades_end_after_an_hour_of_silence():
    streams = [bars(A, 0, 30), trades(B, [T0, T0 + 5 * DAY])]
    assert on(3, *streams) == [A, B]  # a gap inside is not an end
    assert on(5, *streams, hour=0.99) == [A, B]
    assert on(5, *streams, hour=1) == [A]


def test_prices_without_trading_make_no_member():
    index = Stream.from_table(VENUE, "USDT/USD", "index", build("index", {"ts": [T0], "price": [1.0]}))
    mark = Stream.from_table(VENUE, C, "mark", build("mark", {"ts": [T0], "price": [1.0]}))
    assert on(1, bars(A, 0, 30), index, mark) == [A]


def test_age_counts_from_the_first_data_without_an_instrument_row():
    streams = [bars(A, 0, 99), bars(B, 30, 99)]
    assert on(89, *streams, listed_for="60D", hour=23.9) == [A]
    assert on(90, *streams, listed_for="60D", hour=0) == [A, B]


@pytest.mark.parametrize(
    "length", ["60D", "60d", "60 days", " 1440h ", "1440 h", "8W 4D", timedelta(days=60), 60 * DAY, np.int64(60 * DAY)]
)
def test_length_can_be_written_in_many_ways(length):
    streams = [bars(A, 0, 99), bars(B, 30, 99)]
    assert on(90, *streams, listed_for=length, hour=-0.01) == [A]
    assert on(90, *streams, listed_for=length, hour=0) == [A, B]


@pytest.mark.parametrize("length", ["60", "3M", "soon", "", 1.5, True, "NaT"])
def test_length_that_is_none_is_refused(length):
    with pytest.raises(ConfigError, match="listed_for must"):
        on(5, bars(A, 0, 9), listed_for=length)


def test_negative_length_is_refused():
    with pytest.raises(ConfigError, match="must not be negative, got '-5D'"):
        on(5, bars(A, 0, 9), listed_for="-5D")


def test_age_counts_from_the_onboard_date_of_a_row():
    streams = [bars(A, 0, 99), bars(B, 0, 99)]
    rows = [row(A, onboard=T0 - 60 * DAY), row(B, onboard=T0 - 10 * DAY)]
    assert on(2, *streams, rows=rows, listed_for="60D") == [A]
    assert on(49, *streams, rows=rows, listed_for="60D") == [A]
    assert on(50, *streams, rows=rows, listed_for="60D") == [A, B]


def test_row_written_later_still_tells_the_onboard_date():
    rows = [row(A, ts=T0 + 500 * DAY, onboard=T0 - 60 * DAY)]
    assert on(2, bars(A, 0, 99), rows=rows, listed_for="60D") == [A]


def test_row_without_onboard_counts_from_its_validity_or_the_data():
    streams = [bars(A, 0, 99), bars(B, 0, 99)]
    rows = [row(A, ts=T0 - 60 * DAY), row(B, ts=T0 + 50 * DAY), row(B, ts=T0 + 60 * DAY)]
    assert on(2, *streams, rows=rows, listed_for="60D") == [A]
    assert on(60, *streams, rows=rows, listed_for="60D") == [A, B]


def test_onboard_after_the_first_data_counts():
    rows = [row(A, onboard=T0 + 20 * DAY)]
    assert on(19, bars(A, 0, 99), bars(B, 0, 99), rows=rows) == [B]
    assert on(20, bars(A, 0, 99), bars(B, 0, 99), rows=rows) == [A, B]


def test_symbol_listed_without_data_yet_is_not_in():
    rows = [row(A, onboard=T0 - 60 * DAY), row(D, onboard=T0 - 60 * DAY)]
    assert on(5, bars(A, 10, 99), bars(B, 0, 99), rows=rows) == [B]


@pytest.mark.parametrize("name", ["delist", "expiry"])
def test_symbol_is_out_from_its_end_on_although_data_go_on(name):
    rows = [row(A, onboard=T0, **{name: T0 + 20 * DAY})]
    streams = [bars(A, 0, 99), bars(B, 0, 99)]
    assert on(19, *streams, rows=rows, hour=23.9) == [A, B]
    assert on(20, *streams, rows=rows, hour=0) == [B]


def test_newest_row_of_a_listing_tells_its_end():
    rows = [row(A, delist=T0 + 20 * DAY), row(A, ts=T0 + 5 * DAY, delist=T0 + 30 * DAY)]
    assert on(25, bars(A, 0, 99), rows=rows) == [A]
    assert on(30, bars(A, 0, 99), bars(B, 0, 99), rows=rows) == [B]


def test_end_in_a_row_without_onboard_closes_the_listing_before_it():
    rows = [row(A, onboard=T0), row(A, ts=T0 + 5 * DAY, delist=T0 + 20 * DAY)]
    assert on(19, bars(A, 0, 99), bars(B, 0, 99), rows=rows) == [A, B]
    assert on(21, bars(A, 0, 99), bars(B, 0, 99), rows=rows) == [B]


def test_symbol_listed_again_is_out_in_between():
    rows = [
        row(A, onboard=T0, delist=T0 + 10 * DAY),
        row(A, ts=T0 + 20 * DAY, onboard=T0 + 20 * DAY),
    ]
    streams = [bars(A, 0, 99), bars(B, 0, 99)]
    days = (5, 15, 25, 40)
    assert [A in on(day, *streams, rows=rows) for day in days] == [True, False, True, True]
    assert [A in on(day, *streams, rows=rows, listed_for="10D") for day in days] == [False, False, False, True]


def test_rows_can_be_given_beside_the_dataset():
    dataset = Dataset([bars(A, 0, 99), bars(B, 0, 99)], instruments=[row(A, delist=T0)])
    assert Universe(dataset).members(VENUE, quote="USDT", now=T0 + 5 * DAY) == [B]
    assert Universe(dataset, []).members(VENUE, quote="USDT", now=T0 + 5 * DAY) == [A, B]
    assert Universe(dataset, [row(B, delist=T0)]).members(VENUE, quote="USDT", now=T0 + 5 * DAY) == [A]


def test_largest_come_first_and_ties_by_name():
    streams = [bars(A, 0, 99, volume=5), bars(B, 0, 99, volume=7), bars(C, 0, 99, volume=7), bars(D, 0, 99, volume=9)]
    assert on(10, *streams, by="volume") == [D, B, C, A]
    assert on(10, *streams, by="volume", top=2) == [D, B]
    assert on(10, *streams, by="volume", top=9) == [D, B, C, A]


def test_rank_is_by_quote_volume_of_the_last_thirty_complete_days():
    # A was huge until day 9; from day 40 on that is no longer in the window.
    fading = np.where(np.arange(100) < 10, 1e6, 1.0)
    streams = [bars(A, 0, 99, volume=fading, price=10.0), bars(B, 0, 99, volume=4.0, price=5.0)]
    assert on(39, *streams, by="volume") == [A, B]
    assert on(40, *streams, by="volume") == [B, A]  # 30 x 20 against 30 x 10


def test_rank_knows_nothing_of_the_day_that_is_not_over():
    rising = np.where(np.arange(100) < 20, 1.0, 1e9)
    streams = [bars(A, 0, 99, volume=rising), bars(B, 0, 99, volume=2.0)]
    assert on(20, *streams, by="volume", hour=23.9) == [B, A]
    assert on(21, *streams, by="volume", hour=0) == [A, B]
    assert on(21, *streams, by="volume", hour=0, latency=1) == [B, A]


def test_included_symbol_is_in_whatever_its_rank_and_age():
    streams = [bars(A, 0, 99, volume=5), bars(B, 0, 99, volume=7), bars(C, 8, 99, volume=9)]
    assert on(10, *streams, by="volume", top=1, listed_for="5D", include=[A, C]) == [B, A, C]
    assert on(10, *streams, by="volume", top=1, listed_for="5D", include=B) == [B]


def test_included_symbol_is_out_when_it_is_dead():
    streams = [bars(A, 0, 5), bars(B, 0, 99), bars(C, 50, 99)]
    assert on(10, *streams, include=[A, C]) == [B]


def test_included_symbol_keeps_the_name_that_was_written():
    streams = [bars(A, 0, 99), bars(B, 0, 99)]
    assert on(10, *streams, include=[f"{B}@{VENUE}", B]) == [A, f"{B}@{VENUE}"]
    assert on(10, *streams, include=[f"{B}@{VENUE}/second"]) == [A, f"{B}@{VENUE}/second"]


def test_included_symbol_may_be_of_another_venue():
    spot = bars("B/USDT", 0, 99, venue="binance_spot")
    assert on(10, bars(A, 0, 99), spot, include=["B/USDT"]) == [A, "B/USDT"]


def test_included_symbol_that_is_not_in_the_data_is_refused():
    with pytest.raises(ConfigError, match=r"include 'AA/USDT:USDT' is not in the data; did you mean A/USDT:USDT@"):
        on(10, bars(A, 0, 99), include=["AA/USDT:USDT"])
    with pytest.raises(FeedError, match="not a unified name"):
        on(10, bars(A, 0, 99), include=["BTCUSDT"])


def test_symbol_of_several_venues_is_named_with_its_venue():
    both = [bars(A, 0, 99), bars(A, 0, 99, venue="bybit"), bars(B, 0, 99)]
    assert on(10, *both) == [f"{A}@{VENUE}", B]
    with pytest.raises(ConfigError, match=rf"include '{A}' fits {A}@{VENUE}, {A}@bybit; write the one"):
        on(10, *both, include=[A])


def test_only_the_quote_currency_asked_for_is_in():
    streams = [bars(A, 0, 99), bars("A/USDC:USDC", 0, 99), bars("A/USDT:USDT-250627", 0, 99)]
    assert on(10, *streams) == [A, "A/USDT:USDT-250627"]
    assert on(10, *streams, quote="USDC") == ["A/USDC:USDC"]


def test_unknown_quote_and_venue_are_refused_with_what_there_is():
    with pytest.raises(ConfigError, match=r"quote 'USD' does not occur at binance_usdm in the data \(has USDT\)"):
        on(10, bars(A, 0, 99), quote="USD")
    with pytest.raises(ConfigError, match=r"venue 'bybit' has no bars.*\(has binance_usdm\)"):
        Universe(Dataset([bars(A, 0, 99)])).members("bybit", quote="USDT", now=T0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": 5}, r"top=5 needs a rank: pass by='volume'"),
        ({"by": "age"}, r"by must be one of volume, got 'age'"),
        ({"by": "volume", "top": 0}, r"top must be a whole number of at least 1, got 0"),
        ({"by": "volume", "top": True}, r"top must be"),
        ({"by": "volume", "history": None}, r"by='volume' needs history="),
    ],
)
def test_rank_that_makes_no_sense_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        on(10, bars(A, 0, 99), **options)


def test_nobody_is_a_member_before_the_data():
    assert on(-1, bars(A, 0, 99), by="volume", top=3) == []


def test_stream_that_was_cut_empty_is_no_member():
    dataset = Dataset([bars(A, 0, 99), bars(B, 0, 9).between(T0 + 20 * DAY, T0 + 30 * DAY)])
    assert Universe(dataset).members(VENUE, quote="USDT", now=T0 + 25 * DAY) == [A]


@given(
    lives=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=4),
    day=st.integers(0, 60),
    hour=st.integers(0, 23),
    age=st.integers(0, 20),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_comes_after_the_moment_changes_nothing(lives, day, hour, age, seed):
    draws = np.random.Generator(np.random.PCG64(seed))
    now = T0 + day * DAY + hour * HOUR
    before, after = [], []
    for symbol, (first, length) in zip((A, B, C, D), lives, strict=False):
        volumes = draws.integers(1, 100, length + 1).astype(float)
        before.append(bars(symbol, first, first + length, volume=volumes))
        closes = T0 + DAY * (first + np.arange(length + 1) + 1)
        # Volumes not known yet change, and a life that is not over goes on for another time.
        changed = np.where(closes <= now, volumes, volumes + 1e6)
        if closes[-1] + DAY > now:
            changed = np.append(changed, np.full(draws.integers(0, 20), 5e6))
        after.append(bars(symbol, first, first + changed.size - 1, volume=changed))

    def members(streams):
        dataset = Dataset(streams)
        return Universe(dataset).members(
            VENUE,
            quote="USDT",
            now=now,
            listed_for=age * DAY,
            by="volume",
            top=2,
            include=[A],
            history=History(dataset),
        )

    found = members(before)
    assert found == members(after)
    assert found == members(before[::-1])
    for symbol, (first, _) in zip((A, B, C, D), lives, strict=False):
        if symbol in found:
            assert T0 + first * DAY + DAY <= now
