"""DataFrames as datasets: every mistake has its sentence."""

import re
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import feeds
from feeds.errors import FeedError

VENUE, SYMBOL = "binance_usdm", "BTC/USDT:USDT"
HOUR = pd.Timedelta("1h")


def hours(n=10, start="2024-01-01"):
    return pd.date_range(start, periods=n, freq="1h", tz="UTC")


def bars(n=10, **changes):
    values = {"open": 100.0, "high": 101.5, "low": 99.0, "close": 100.25, "volume": [1.5] * n} | changes
    return pd.DataFrame(values, index=hours(n))


def funding(n=3, **changes):
    index = pd.date_range("2024-01-01", periods=n, freq="8h", tz="UTC")
    return pd.DataFrame({"rate": [0.0001] * n} | changes, index=index)


def trades(n=3, **changes):
    values = {"price": [100.5] * n, "quantity": [0.01] * n, "side": (["buy", "sell"] * n)[:n]} | changes
    return pd.DataFrame(values, index=hours(n))


def take(frame, kind="bars", timeframe="1h", *, symbol=SYMBOL, venue=VENUE):
    return feeds.from_pandas(frame, kind=kind, venue=venue, symbol=symbol, timeframe=timeframe)


def only(dataset):
    (stream,) = dataset.streams
    return stream


def values(dataset, name):
    stream = only(dataset)
    return [each for batch in stream.batches([name], 4) for each in batch.column(0).to_pylist()]


def test_bars_are_known_at_their_close():
    found = only(take(bars()))
    assert (found.kind, found.timeframe_ns, found.rows) == ("bars", HOUR.value, 10)
    assert values(take(bars()), "ts")[0] == hours()[0].value
    assert values(take(bars()), "ts_avail")[0] == (hours()[0] + HOUR).value
    assert found.scales["price"] == 2
    assert values(take(bars()), "close") == [10025] * 10


def test_kind_may_carry_the_timeframe():
    assert take(bars(), "bars:1h", None).fingerprint == take(bars()).fingerprint
    with pytest.raises(FeedError, match="contradict each other"):
        take(bars(), "bars:1h", "1m")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_unit_of_the_index_does_not_matter(unit):
    frame = bars()
    frame.index = frame.index.as_unit(unit)
    assert take(frame).fingerprint == take(bars()).fingerprint


def test_other_time_zones_are_the_same_instants():
    assert take(bars().tz_convert("Asia/Tokyo")).fingerprint == take(bars()).fingerprint


def test_ts_column_in_ns_is_taken_like_an_index():
    frame = bars()
    frame = frame.assign(ts=frame.index.as_unit("ns").astype("int64")).reset_index(drop=True)
    assert take(frame).fingerprint == take(bars()).fingerprint


@pytest.mark.parametrize("form", [float, str, Decimal, lambda text: np.float64(text)])
def test_a_number_may_be_float_text_or_decimal(form):
    frame = bars(close=[form("100.25")] * 10)
    assert take(frame).fingerprint == take(bars()).fingerprint


def test_missing_bars_are_gaps_and_never_filled():
    found = only(take(bars().drop(hours()[[3, 4]])))
    assert found.rows == 8
    assert [(gap.start, gap.end, gap.reason) for gap in found.gaps] == [(hours()[3].value, hours()[5].value, "missing")]


def test_funding_interval_comes_from_the_spacing_or_the_column():
    assert values(take(funding(), "funding", None), "interval_s") == [8 * 3600] * 3
    given = take(funding(interval_hours=[8, 4, 1]), "funding", None)
    assert values(given, "interval_s") == [8 * 3600, 4 * 3600, 3600]
    assert values(take(funding(1, interval_hours=[8]), "funding", None), "interval_s") == [8 * 3600]


def test_jittered_funding_is_moved_to_the_grid_and_reported():
    frame = funding()
    frame.index = frame.index + pd.to_timedelta([3, 0, 17], unit="ms")
    found = take(frame, "funding", None)
    assert values(found, "ts") == values(take(funding(), "funding", None), "ts")
    assert [(finding.rule, finding.count) for _, finding in found.findings] == [("F1", 2)]


def test_missing_settlement_is_a_gap():
    found = only(take(funding(6).drop(funding(6).index[3]), "funding", None))
    assert [gap.start for gap in found.gaps] == [funding(6).index[3].value]


def test_mark_of_funding_may_be_empty():
    assert values(take(funding(mark=[1.5, None, 2.0]), "funding", None), "mark") == [15, 0, 20]


def test_predicted_rates_are_told_apart():
    frame = funding(kind=["settled", "predicted", "settled"], interval_hours=8)
    assert values(take(frame, "funding", None), "kind") == [0, 1, 0]


@pytest.mark.parametrize(
    "side",
    [["buy", "sell", "buy"], ["BUY", "SELL", "BUY"], [1, -1, 1], [1.0, -1.0, 1.0]],
    ids=["words", "caps", "ints", "floats"],
)
def test_side_may_be_words_or_numbers(side):
    assert values(take(trades(side=side), "trades", None), "side") == [1, -1, 1]


def test_points_and_bars_of_a_mark_are_different_kinds():
    points = take(bars()[["close"]].rename(columns={"close": "price"}), "mark", None)
    assert (only(points).kind, only(points).timeframe_ns) == ("mark", 0)
    assert only(take(bars().drop(columns="volume"), "mark")).timeframe_ns == HOUR.value


def test_index_of_a_collateral_asset_has_a_place():
    frame = pd.DataFrame({"price": [0.9998, 1.0001]}, index=hours(2))
    assert only(take(frame, "index", None, symbol="USDT/USD")).symbol == "USDT/USD"


def test_premium_may_be_negative():
    frame = pd.DataFrame({"price": [-0.0001, 0.0002]}, index=hours(2))
    assert values(take(frame, "premium", None), "price") == [-1, 2]


def test_tiers_become_rows_of_the_dataset():
    frame = pd.DataFrame(
        {"floor": [0, 50_000], "maintenance_rate": [0.004, 0.005], "max_leverage": [125, 100], "amount": [0, 50]},
        index=hours(1)[[0, 0]],
    )
    found = take(frame, "tiers", None)
    assert found.streams == ()
    assert [row["maintenance_rate"] for row in found.tiers] == [Decimal("0.004"), Decimal("0.005")]
    assert {row["symbol"] for row in found.tiers} == {SYMBOL}
    assert found.tiers[0]["valid_from"] == hours(1)[0].value


def test_venue_events_may_concern_all_symbols():
    frame = pd.DataFrame({"what": ["outage"], "until": hours(2)[1:]}, index=hours(1))
    (row,) = take(frame, "venue_events", None, symbol="*").venue_events
    assert (row["what"], row["symbol"], row["venue"]) == ("outage", "*", VENUE)
    assert row["until"] == hours(2)[1].value


def test_time_at_which_a_row_was_known_may_be_given():
    frame = trades(ts_avail=hours(3) + pd.Timedelta("5ms"))
    assert (
        values(take(frame, "trades", None), "ts_avail") == (hours(3) + pd.Timedelta("5ms")).as_unit("ns").asi8.tolist()
    )


def broken(name, row, value, frame=None):
    frame = bars() if frame is None else frame
    frame = frame.astype({name: object})
    frame.iloc[row, frame.columns.get_loc(name)] = value
    return frame.astype({name: float})


TRADES, FUNDING = {"kind": "trades", "timeframe": None}, {"kind": "funding", "timeframe": None}
MISTAKES = {
    "no time zone": (bars().tz_localize(None), {}, "no time zone; if it is UTC, write frame.tz_localize('UTC')"),
    "no times": (bars().reset_index(drop=True), {}, "needs a DatetimeIndex with a time zone"),
    "text times": (bars().set_axis(list("abcdefghij")), {}, "pd.to_datetime"),
    "ts in ms": (bars().assign(ts=range(1_704_067_200_000, 1_704_067_200_010)), {}, "multiply ms by 1_000_000"),
    "float ts": (bars().assign(ts=1.5), {}, "ts is float64"),
    "unsorted": (bars().iloc[[0, 2, 1]], {}, "row 2 (2024-01-01T01:00:00Z) is earlier than row 1 (2024-01-01T02"),
    "twice": (bars().iloc[[0, 1, 1]], {}, "row 2 (2024-01-01T01:00:00Z) has the time of row 1"),
    "before 2009": (bars().set_index(hours(10, "1999-01-01")), {}, "nothing traded before 2009-01-03"),
    "NaN": (broken("close", 4, np.nan), {}, "close of row 4 (2024-01-01T04:00:00Z) is nan"),
    "inf": (broken("high", 4, np.inf), {}, "high of row 4 (2024-01-01T04:00:00Z) is inf"),
    "NaN volume": (broken("volume", 4, np.nan), {}, "volume of row 4"),
    "negative": (broken("low", 4, -1.0), {}, "row 4 (2024-01-01T04:00:00Z) has a price or size that is not above 0"),
    "zero": (broken("low", 4, 0.0), {}, "row 4 (2024-01-01T04:00:00Z) has a price or size that is not above 0"),
    "high < low": (broken("high", 4, 98.0), {}, "row 4 (2024-01-01T04:00:00Z) is no bar"),
    "open outside": (broken("open", 4, 102.0), {}, "row 4 (2024-01-01T04:00:00Z) is no bar"),
    "negative volume": (broken("volume", 4, -1.0), {}, "volume not below 0"),
    "missing column": (bars().drop(columns="volume"), {}, "column 'volume' is missing (given: open, high, low, close)"),
    "capitals": (bars().rename(columns=str.title), {}, "mean it by 'Open'? frame.rename(columns={'Open': 'open'})"),
    "misspelt": (bars().rename(columns={"close": "closs"}), {}, "did you mean it by 'closs'?"),
    "spare column": (bars().assign(rsi=1.0), {}, "column 'rsi' is not used. Used are open, high, low, close, volume"),
    "empty": (bars().iloc[:0], {}, "the frame has no rows"),
    "a series": (bars()["close"], {}, "takes a pandas DataFrame, got Series"),
    "no timeframe": (bars(), {"timeframe": None}, "kind 'bars' needs a timeframe"),
    "too short": (bars(), {"timeframe": "1m"}, "rows are at least 1h apart; pass timeframe='1h'"),
    "too long": (bars(), {"timeframe": "4h"}, "row 1 (2024-01-01T01:00:00Z) is 1h after the row before"),
    "no such timeframe": (bars(), {"timeframe": "1M"}, "timeframe '1M' is not known"),
    "no such kind": (bars(), {"kind": "bar"}, "did you mean 'bars'"),
    "account": (bars(), {"kind": "account_fills", "timeframe": None}, "use feeds.import_file"),
    "venue": (bars(), {"venue": "binance"}, "did you mean 'binance_usdm'"),
    "native symbol": (bars(), {"symbol": "BTCUSDT"}, "its unified name is 'BTC/USDT:USDT'"),
    "two venues": (bars(), {"symbol": f"{SYMBOL}@bybit"}, "names another venue"),
    "mark needs length": (bars().drop(columns="volume"), {"kind": "mark", "timeframe": None}, "pass timeframe="),
    "points have none": (
        bars()[["close"]].rename(columns={"close": "price"}),
        {"kind": "mark"},
        "index each value by the instant",
    ),
    "no interval": (funding(1), FUNDING, "give a column interval_hours"),
    "bad interval": (funding(interval_hours=[8, 0, 8]), FUNDING, "interval_hours of row 1 is 0"),
    "bad kind": (funding(kind=["settled", "paid", "settled"]), FUNDING, "kind of row 1 is 'paid'"),
    "bad side": (trades(side=["buy", "sell", "hold"]), TRADES, "side of row 2 is 'hold'"),
    "no side": (trades().drop(columns="side"), TRADES, "column 'side' is missing"),
    "zero size": (trades(quantity=[1, 0, 1]), TRADES, "row 1 (2024-01-01T01:00:00Z) has a price"),
    "id twice": (trades(id=[7, 8, 7]), TRADES, "id 7 occurs more than once"),
    "too wide": (trades(price=[1e-17, 5000.0, 1.0]), TRADES, "round the column first"),
    "text price": (trades(price=["1.5", "x", "2"]), TRADES, "price: 'x' (row 1)"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_refused_with_what_would_accept_it(name):
    frame, changes, words = MISTAKES[name]
    given = {"kind": "bars", "timeframe": "1h", "venue": VENUE, "symbol": SYMBOL} | changes
    with pytest.raises(FeedError, match=re.escape(words)):
        feeds.from_pandas(frame, **given)


def test_two_rates_of_one_settlement_contradict():
    frame = funding(3)
    frame.index = frame.index[[0, 1, 1]] + pd.to_timedelta([0, 0, 5], unit="ms")
    frame["rate"] = [0.0001, 0.0002, 0.0003]
    with pytest.raises(FeedError, match="D2"):
        take(frame.assign(interval_hours=8), "funding", None)


def test_frame_is_not_changed():
    frame = bars()
    before = frame.copy()
    take(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_public_names_are_found_without_pandas():
    import subprocess
    import sys

    code = "import sys, feeds; assert {'pandas', 'pyarrow'}.isdisjoint(sys.modules); print(*dir(feeds))"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"Catalog", "FeedError", "from_pandas", "import_file", "sample", "validate"} <= set(names)


def test_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'smaple'"):
        feeds.smaple  # noqa: B018
