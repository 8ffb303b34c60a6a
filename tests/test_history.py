"""History: completed bars only, from whatever the data have, the same however the data are cut into files."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.errors import ConfigError
from backtest.history import History
from feeds.dataset import Dataset, Stream
from feeds.errors import FeedError
from feeds.schema import timeframe_ns
from feeds.tables import build

MINUTE = 60_000_000_000
HOUR, DAY = 60 * MINUTE, 1440 * MINUTE
T0 = 1_700_006_400_000_000_000  # 2023-11-15 00:00 UTC, a Wednesday
BTC, ETH = ("binance_usdm", "BTC/USDT:USDT"), ("binance_usdm", "ETH/USDT:USDT")
BOTH = {"BTC/USDT:USDT": BTC, "eth": ETH}


def bars(place, kind, opens, closes, *, late=None, quote_volume=None, volume=2.0) -> Stream:
    """Return a stream of bars: open = close - 1, high = close + 2, low = close - 3."""
    opens, closes = np.asarray(opens, dtype=np.int64), np.asarray(closes, dtype=float)
    columns = {
        "ts": opens,
        "open": closes - 1,
        "high": closes + 2,
        "low": closes - 3,
        "close": closes,
        "volume": np.broadcast_to(volume, closes.shape),
    }
    if late is not None:
        length = timeframe_ns(kind.partition(":")[2])
        columns["ts_avail"] = opens + length + np.asarray(late, dtype=np.int64)
    if quote_volume is not None:
        columns["quote_volume"] = quote_volume
    return Stream.from_table(*place, kind, build(kind, columns))


def trades(place, stamps, prices, quantities=None, *, late=None) -> Stream:
    stamps = np.asarray(stamps, dtype=np.int64)
    columns = {
        "ts": stamps,
        "price": np.asarray(prices, dtype=float),
        "quantity": np.full(stamps.size, 1.0) if quantities is None else quantities,
    }
    if late is not None:
        columns["ts_avail"] = stamps + np.asarray(late, dtype=np.int64)
    return Stream.from_table(*place, "trades", build("trades", columns))


def grid(count, step, *, start=T0):
    return start + step * np.arange(count, dtype=np.int64)


def hourly(place=BTC, count=100) -> Stream:
    return bars(place, "bars:1h", grid(count, HOUR), 1000.0 + np.arange(count))


def test_last_completed_bars_are_returned_by_their_close():
    frame = History(Dataset([hourly()])).frame({"x": BTC}, "1h", 3, field="close", now=T0 + 10 * HOUR)
    assert frame["x"].tolist() == [1007.0, 1008.0, 1009.0]
    assert frame.index.tolist() == [pd.Timestamp(T0 + hour * HOUR, tz="UTC") for hour in (8, 9, 10)]
    assert frame.index.name == "time"
    assert str(frame.index.tz) == "UTC"
    assert frame.dtypes.tolist() == [np.float64]


def test_bar_is_in_from_its_close_on_and_not_a_nanosecond_before():
    history = History(Dataset([hourly()]))
    at = T0 + 10 * HOUR
    assert history.frame({"x": BTC}, "1h", 1, field="close", now=at)["x"].tolist() == [1009.0]
    assert history.frame({"x": BTC}, "1h", 1, field="close", now=at - 1)["x"].tolist() == [1008.0]


def test_latency_hides_what_has_not_arrived():
    history = History(Dataset([hourly()]))
    at = T0 + 10 * HOUR
    assert history.frame({"x": BTC}, "1h", 1, field="close", now=at + 4, latency=5)["x"].tolist() == [1008.0]
    assert history.frame({"x": BTC}, "1h", 1, field="close", now=at + 5, latency=5)["x"].tolist() == [1009.0]


def test_each_venue_has_its_own_feed_latency():
    spot = ("binance_spot", "BTC/USDT")
    history = History(Dataset([hourly(), hourly(spot)]), feed_latency={"binance_spot": 5})
    both = {"x": BTC, "s": spot}
    at = T0 + 2 * DAY
    assert history.frame(both, "1h", 1, field="close", now=at).fillna(-1.0).to_numpy().tolist() == [[1047.0, -1.0]]
    assert history.frame(both, "1h", 1, field="close", now=at + 5).to_numpy().tolist() == [[1047.0, 1047.0]]
    assert history.quote_volume(*spot, now=at + 4, days=1) < history.quote_volume(*BTC, now=at + 4, days=1)
    assert history.quote_volume(*spot, now=at + 5, days=1) == history.quote_volume(*BTC, now=at + 5, days=1)


def test_late_bar_is_in_when_it_could_be_known_and_later_ones_wait_for_it():
    late = np.zeros(5, dtype=np.int64)
    late[2] = 90 * MINUTE
    history = History(Dataset([bars(BTC, "bars:1h", grid(5, HOUR), range(10, 15), late=late)]))

    def last(minutes):
        return history.frame({"x": BTC}, "1h", 1, field="close", now=T0 + minutes * MINUTE)["x"].tolist()

    assert last(180) == [11.0]
    assert last(240) == [11.0]  # bar 3 has closed, but its stream never reorders
    assert last(270) == [13.0]
    assert last(300) == [14.0]


@pytest.mark.parametrize("place", range(9))
def test_late_bar_holds_up_all_that_come_after_it(place):
    late = np.zeros(9, dtype=np.int64)
    late[place] = DAY
    history = History(Dataset([bars(BTC, "bars:1h", grid(9, HOUR), range(10, 19), late=late)]))
    for hour in range(25):
        frame = history.frame({"x": BTC}, "1h", 20, field="close", now=T0 + hour * HOUR)
        assert len(frame) == min(hour, place)
    assert len(history.frame({"x": BTC}, "1h", 20, field="close", now=T0 + (place + 1) * HOUR + DAY)) == 9


def test_columns_are_named_and_ordered_as_asked():
    history = History(Dataset([hourly(BTC), hourly(ETH)]))
    frame = history.frame({"eth": ETH, "BTC/USDT:USDT@binance_usdm": BTC}, "1h", 2, field="low", now=T0 + DAY)
    assert list(frame.columns) == ["eth", "BTC/USDT:USDT@binance_usdm"]


def test_fewer_bars_give_a_shorter_frame_and_missing_ones_are_nan():
    history = History(Dataset([hourly(BTC, 4), bars(ETH, "bars:1h", [T0 + 2 * HOUR], [7.0])]))
    frame = history.frame(BOTH, "1h", 10, field="close", now=T0 + DAY)
    assert frame["BTC/USDT:USDT"].tolist() == [1000.0, 1001.0, 1002.0, 1003.0]
    assert frame["eth"].fillna(-1.0).tolist() == [-1.0, -1.0, 7.0, -1.0]


def test_rows_are_the_last_closes_that_any_of_them_has():
    # BTC ended long ago, so its last bars lie before the last three of ETH.
    history = History(Dataset([hourly(BTC, 4), bars(ETH, "bars:1h", grid(9, HOUR), range(9))]))
    frame = history.frame(BOTH, "1h", 6, field="close", now=T0 + DAY)
    assert frame["eth"].tolist() == [3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    assert frame["BTC/USDT:USDT"].fillna(-1.0).tolist() == [1003.0, -1.0, -1.0, -1.0, -1.0, -1.0]


def test_before_the_first_bar_the_frame_is_empty():
    frame = History(Dataset([hourly()])).frame({"x": BTC}, "1h", 5, field="close", now=T0)
    assert frame.empty
    assert list(frame.columns) == ["x"]
    assert isinstance(frame.index, pd.DatetimeIndex)


def test_nothing_asked_is_an_empty_frame():
    frame = History(Dataset([hourly()])).frame({}, "1h", 5, field="close", now=T0 + DAY)
    assert frame.shape == (0, 0)
    assert isinstance(frame.index, pd.DatetimeIndex)


def test_several_fields_have_the_field_as_first_level():
    history = History(Dataset([hourly(BTC), hourly(ETH, 50)]))
    frame = history.frame(BOTH, "1h", 5, field=["high", "close"], now=T0 + 60 * HOUR)
    assert frame.columns.names == ["field", "symbol"]
    for field in ("high", "close"):
        alone = history.frame(BOTH, "1h", 5, field=field, now=T0 + 60 * HOUR)
        pd.testing.assert_frame_equal(frame[field], alone, check_names=False)


def test_frame_is_the_callers_own():
    history = History(Dataset([hourly()]))
    first = history.frame({"x": BTC}, "1h", 5, field="close", now=T0 + DAY)
    first.iloc[:, :] = 0.0
    assert (history.frame({"x": BTC}, "1h", 5, field="close", now=T0 + DAY) > 0).all(axis=None)


def test_longer_bars_are_put_together_from_finer_ones():
    draws = np.random.Generator(np.random.PCG64(5))
    closes = np.round(1000.0 + np.cumsum(draws.normal(0.0, 1.0, 3000)), 2)
    history = History(Dataset([bars(BTC, "bars:1m", grid(3000, MINUTE), closes, volume=draws.integers(1, 9, 3000))]))
    minutes = history.frame(
        {"x": BTC}, "1m", 3000, field=["open", "high", "low", "close", "volume"], now=T0 + 3000 * MINUTE
    ).droplevel("symbol", axis=1)
    opened = minutes.shift(freq="-1min")
    rules = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    expected = opened.resample("4h", label="right").agg(rules).iloc[:-1]  # the last one is not complete
    found = history.frame({"x": BTC}, "4h", 3000, field=list(rules), now=T0 + 3000 * MINUTE)
    assert len(found) == 3000 // 240
    pd.testing.assert_frame_equal(
        found.droplevel("symbol", axis=1), expected, check_names=False, check_freq=False, check_index_type=False
    )


def test_bars_of_the_timeframe_win_over_finer_ones_and_longer_ones_over_shorter():
    streams = [
        bars(BTC, "bars:1m", grid(600, MINUTE), np.full(600, 1.0)),
        bars(BTC, "bars:7m", grid(600, 7 * MINUTE), np.full(600, 7.0)),
        bars(BTC, "bars:30m", grid(20, 30 * MINUTE), np.full(20, 30.0)),
        bars(BTC, "bars:4h", grid(2, 240 * MINUTE), np.full(2, 240.0)),
        trades(BTC, [T0], [0.5]),
    ]
    history = History(Dataset(streams))

    def close(timeframe):
        return history.frame({"x": BTC}, timeframe, 1, field="close", now=T0 + 9 * HOUR)["x"].tolist()

    assert [close(text) for text in ("4h", "2h", "1h", "5m", "14m")] == [[240.0], [30.0], [30.0], [1.0], [7.0]]


def test_bars_are_made_of_trades_when_there_are_none():
    stamps = T0 + np.array([0, 5, 59, 60, 61, 200, 240]) * 1_000_000_000
    stream = trades(BTC, stamps, [10.0, 12.0, 9.0, 20.0, 21.0, 30.0, 40.0], [1, 2, 3, 4, 5, 6, 7])
    frame = History(Dataset([stream])).frame(
        {"x": BTC}, "1m", 10, field=["open", "high", "low", "close", "volume"], now=T0 + 4 * MINUTE
    )
    assert frame.to_numpy().tolist() == [
        [10.0, 12.0, 9.0, 9.0, 6.0],
        [20.0, 21.0, 20.0, 21.0, 9.0],
        [30.0, 30.0, 30.0, 30.0, 6.0],
    ]
    # Nothing happened in the minute that closes at 3: it has no bar.
    assert ((frame.index.as_unit("ns").asi8 - T0) // MINUTE).tolist() == [1, 2, 4]


def test_bar_of_trades_waits_for_the_last_of_them():
    late = np.array([0, 3_000_000_000, 0])
    stream = trades(BTC, T0 + np.array([1, 59, 61]) * 1_000_000_000, [1.0, 2.0, 3.0], late=late)
    history = History(Dataset([stream]))
    known = T0 + 62_000_000_000
    assert history.frame({"x": BTC}, "1m", 1, field="close", now=known - 1).empty
    assert history.frame({"x": BTC}, "1m", 1, field="close", now=known)["x"].tolist() == [2.0]


def test_mark_prices_serve_when_nothing_was_traded():
    points = Stream.from_table(*BTC, "mark", build("mark", {"ts": grid(40, MINUTE // 4), "price": np.arange(1.0, 41)}))
    history = History(Dataset([points]))
    frame = history.frame({"x": BTC}, "1m", 2, field=["open", "close"], now=T0 + 3 * MINUTE)
    assert frame.to_numpy().tolist() == [[5.0, 8.0], [9.0, 12.0]]
    columns = {"ts": grid(4, MINUTE)} | dict.fromkeys(("open", "high", "low", "close"), np.arange(1.0, 5))
    both = History(Dataset([points, Stream.from_table(*BTC, "mark:1m", build("mark:1m", columns))]))
    assert both.frame({"x": BTC}, "2m", 1, field="close", now=T0 + 2 * MINUTE)["x"].tolist() == [2.0]


def test_mark_prices_have_no_volume():
    points = Stream.from_table(*BTC, "mark", build("mark", {"ts": [T0], "price": [1.0]}))
    with pytest.raises(FeedError, match=r"BTC/USDT:USDT@binance_usdm.*'volume'.*no volume; add bars or trades"):
        History(Dataset([points])).frame({"x": BTC}, "1m", 1, field="volume", now=T0 + DAY)


def test_data_that_cannot_give_the_bars_are_named():
    stream = bars(BTC, "bars:7m", grid(5, 7 * MINUTE), range(1, 6))
    with pytest.raises(FeedError, match=r"BTC/USDT:USDT@binance_usdm: its data \(bars:7m\) cannot give 1h bars"):
        History(Dataset([stream])).frame({"x": BTC}, "1h", 1, field="close", now=T0)


def test_unknown_instrument_is_named_with_what_was_meant():
    with pytest.raises(FeedError, match=r"no data of ETH/USDT:USDT@binance_usdm.*has BTC/USDT:USDT@binance_usdm"):
        History(Dataset([hourly()])).frame({"x": ETH}, "1h", 1, field="close", now=T0)


@pytest.mark.parametrize("n", [0, -1, 2.0, True, "5", None])
def test_bad_count_is_refused(n):
    with pytest.raises(ConfigError, match="n must be a whole number of at least 1"):
        History(Dataset([hourly()])).frame({"x": BTC}, "1h", n, field="close", now=T0)


@pytest.mark.parametrize("field", ["price", [], ["close", "close"], ["close", "vwap"]])
def test_bad_field_is_refused(field):
    with pytest.raises(ConfigError, match="field"):
        History(Dataset([hourly()])).frame({"x": BTC}, "1h", 1, field=field, now=T0)


def test_bad_timeframe_is_refused():
    with pytest.raises(FeedError, match="timeframe 'hour' is not known"):
        History(Dataset([hourly()])).frame({"x": BTC}, "hour", 1, field="close", now=T0)


def test_weeks_begin_on_monday():
    days = grid(21, DAY)
    frame = History(Dataset([bars(BTC, "bars:1d", days, range(1, 22))])).frame(
        {"x": BTC}, "1w", 9, field="close", now=T0 + 60 * DAY
    )
    assert set(frame.index.day_name()) == {"Monday"}
    assert frame["x"].tolist() == [5.0, 12.0, 19.0, 21.0]


def test_column_is_read_once():
    reads = []

    class Watched(Stream):
        def batches(self, columns, *args, **options):
            reads.append(tuple(columns))
            return super().batches(columns, *args, **options)

    stream = hourly()
    watched = Watched(*stream.key, stream.parts)
    history = History(Dataset([watched]))
    for hour in range(1, 50):
        history.frame({"x": BTC}, "1h", 5, field="close", now=T0 + hour * HOUR)
        history.frame({"x": BTC}, "4h", 5, field=["close", "high"], now=T0 + hour * HOUR)
    assert sorted(reads) == sorted(
        [("ts", "ts_avail"), ("ts", "close"), ("ts", "ts_avail"), ("ts", "close"), ("ts", "high")]
    )


def test_values_do_not_depend_on_how_the_data_are_cut():
    draws = np.random.Generator(np.random.PCG64(8))
    count = 300_000  # more than two batches
    stamps = T0 + np.sort(draws.integers(0, 3 * DAY, count))
    whole = trades(BTC, stamps, np.round(draws.uniform(1, 2, count), 4), draws.integers(1, 10**9, count) / 1e9)
    cuts = [None, *(T0 + np.sort(draws.integers(0, 3 * DAY, 7))).tolist(), None]
    pieces = Dataset([whole.between(low, high) for low, high in pairwise(cuts)])
    assert len(pieces.streams) == 1
    fields = ["open", "high", "low", "close", "volume", "quote_volume"]
    for timeframe in ("1m", "1d"):
        frames = [
            History(dataset).frame({"x": BTC}, timeframe, 5000, field=fields, now=T0 + 3 * DAY)
            for dataset in (Dataset([whole]), pieces)
        ]
        assert len(frames[0]) == 3 * DAY // timeframe_ns(timeframe)
        assert frames[0].to_numpy().tobytes() == frames[1].to_numpy().tobytes()


def test_quote_volume_is_that_of_the_data_or_else_volume_times_close():
    stored = bars(BTC, "bars:1h", grid(48, HOUR), np.full(48, 10.0), quote_volume=np.full(48, 19.5))
    computed = bars(ETH, "bars:1h", grid(48, HOUR), np.full(48, 10.0))
    frame = History(Dataset([stored, computed])).frame(BOTH, "1d", 2, field="quote_volume", now=T0 + 2 * DAY)
    assert frame.to_numpy().tolist() == [[24 * 19.5, 24 * 20.0]] * 2


def test_quote_volume_counts_the_contract_size():
    inverse = ("binance_coinm", "ETH/USD:ETH")
    streams = [hourly(ETH), bars(inverse, "bars:1h", grid(24, HOUR), np.full(24, 3000.0), volume=7.0)]
    streams[0] = bars(ETH, "bars:1h", grid(24, HOUR), np.full(24, 3000.0), volume=7.0)
    history = History(Dataset(streams), contract_sizes={inverse: 10.0, ETH: 0.5})
    now = T0 + DAY
    assert history.quote_volume(*inverse, now=now) == 24 * 7.0 * 10.0
    assert history.quote_volume(*ETH, now=now) == 24 * 7.0 * 3000.0 * 0.5


def test_contract_size_comes_from_the_newest_instrument_row():
    inverse = ("binance_coinm", "ETH/USD:ETH")
    row = {"venue": inverse[0], "symbol": inverse[1], "ts": T0, "valid_from": T0, "contract_size": 10}
    stream = bars(inverse, "bars:1h", grid(24, HOUR), np.full(24, 3000.0), volume=1.0)
    dataset = Dataset([stream], instruments=[row | {"ts": T0 + 1, "contract_size": 20}, row])
    assert History(dataset).quote_volume(*inverse, now=T0 + DAY) == 24 * 20.0


def test_quote_volume_is_of_the_last_completed_days():
    stream = bars(BTC, "bars:1h", grid(24 * 40, HOUR), np.full(24 * 40, 1.0), volume=np.arange(24 * 40) // 24 + 1)
    history = History(Dataset([stream]))
    assert history.quote_volume(*BTC, now=T0 + HOUR) == 0.0
    assert history.quote_volume(*BTC, now=T0 + 2 * DAY + HOUR) == 24 * (1 + 2)
    assert history.quote_volume(*BTC, now=T0 + 35 * DAY) == 24 * sum(range(6, 36))
    assert history.quote_volume(*BTC, now=T0 + 35 * DAY - 1, days=2) == 24 * (33 + 34)


@st.composite
def markets(draw):
    """Return times, lateness and prices of the rows of two instruments (bars with holes; trades), and a moment."""
    late = st.sampled_from([0, 0, 0, 1, 5, MINUTE, 7 * MINUTE])
    places = sorted(draw(st.sets(st.integers(0, 60), min_size=1, max_size=40)))
    ticks = sorted(draw(st.lists(st.integers(0, 60 * MINUTE), min_size=1, max_size=40)))
    bar_rows = (T0 + MINUTE * np.array(places), np.array([draw(late) for _ in places]))
    tick_rows = (T0 + np.array(ticks), np.array([draw(late) for _ in ticks]))
    moment = draw(st.one_of(st.integers(0, 70 * MINUTE), st.integers(0, 70).map(lambda minute: minute * MINUTE)))
    return bar_rows, tick_rows, T0 + moment, draw(st.sampled_from([0, 1, 3 * MINUTE]))


@given(
    market=markets(),
    timeframe=st.sampled_from(["1m", "5m", "15m", "1h"]),
    n=st.integers(1, 80),
    seed=st.integers(0, 2**32 - 1),
)
def test_nothing_that_was_not_known_is_ever_in_a_frame(market, timeframe, n, seed):
    (opens, bar_late), (stamps, tick_late), now, latency = market
    draws = np.random.Generator(np.random.PCG64(seed))
    limit = now - latency
    bar_prices, tick_prices = draws.integers(10, 99, opens.size) + 0.0, draws.integers(10, 99, stamps.size) + 0.0
    # Other prices for everything that had not arrived by then.
    bar_others = np.where(opens + MINUTE + bar_late <= limit, bar_prices, bar_prices + 1000.0)
    tick_others = np.where(stamps + tick_late <= limit, tick_prices, tick_prices + 1000.0)

    def frame(bar_values, tick_values):
        dataset = Dataset(
            [
                bars(BTC, "bars:1m", opens, bar_values, late=bar_late, volume=bar_values),
                trades(ETH, stamps, tick_values, tick_values, late=tick_late),
            ]
        )
        fields = ["open", "high", "low", "close", "volume"]
        return History(dataset).frame(BOTH, timeframe, n, field=fields, now=now, latency=latency)

    found = frame(bar_prices, tick_prices)
    pd.testing.assert_frame_equal(found, frame(bar_others, tick_others))
    length = timeframe_ns(timeframe)
    closes = found.index.as_unit("ns").asi8
    assert len(found) <= n
    assert (closes <= limit).all()
    assert (closes % length == 0).all()
    for close, value in zip(closes, found["volume"]["BTC/USDT:USDT"], strict=True):
        inside = (opens >= close - length) & (opens < close)
        # A late bar holds back itself and all that follow it.
        held_back = ((opens < close) & (opens + MINUTE + bar_late > limit)).any()
        assert np.isnan(value) if held_back or not inside.any() else value == bar_prices[inside].sum()
    for close, value in zip(closes, found["high"]["eth"], strict=True):
        inside = (stamps >= close - length) & (stamps < close)
        assert np.isnan(value) or value == tick_prices[inside].max()
