"""The synthetic market does what its description says, and gives the same bytes every time."""

import json
import os
import subprocess
import sys
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import feeds
from feeds.errors import FeedError
from feeds.synthetic import DEFAULT_DAYS, DEFAULT_TRADES, START_NS, sample, tables
from feeds.synthetic.market import LEGS
from feeds.synthetic.processes import arrivals, draws, heavy_sizes, student_t4
from feeds.tables import check, content_sha256, ints, scales_of

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = str(Path(feeds.__file__).parents[1])  # of the feeds under test: this tree, or an installed wheel
SECOND, MINUTE, HOUR, DAY = 10**9, 60 * 10**9, 3600 * 10**9, 86_400 * 10**9
CRASH_NS = START_NS + 5 * DAY + 13 * HOUR + 20 * MINUTE
BTC, ETH, INVERSE = "BTC/USDT:USDT", "ETH/USDT:USDT", "BTC/USD:BTC"
PERPETUALS = [BTC, ETH, INVERSE]


def by_name(**given):
    wanted = {"seed": 0, "days": DEFAULT_DAYS, "trades_per_day": DEFAULT_TRADES, "legs": LEGS} | given
    return {(symbol, kind): table for _venue, symbol, kind, table in tables(**wanted)}


@pytest.fixture(scope="module")
def market():
    return by_name()


@cache
def thin(seed):
    """Ten days with few trades: prices and funding hardly depend on them."""
    return by_name(seed=seed, trades_per_day=500)


def numbers(table, name):
    """A column as floats, with its scale taken out."""
    scale = {"rate": "rate", "quantity": "quantity", "native": "quantity"}.get(name, "price")
    if name == "price" and b"price_scale" not in table.schema.metadata:
        scale = "rate"  # premium
    return ints(table, name) / 10.0 ** scales_of(table)[scale]


def at(table, name, times):
    """The last value at or before each time."""
    return numbers(table, name)[np.searchsorted(ints(table, "ts"), times, side="right") - 1]


def kurtosis(x):
    x = x - x.mean()
    return (x**4).mean() / (x**2).mean() ** 2


def autocorrelation(x, lag):
    x = x - x.mean()
    return (x[lag:] * x[:-lag]).mean() / (x**2).mean()


def minute_returns(table, *, until=CRASH_NS):
    return np.diff(np.log(at(table, "price", np.arange(START_NS, until, MINUTE))))


def hashes(seed):
    small = tables(seed=seed, days=2, trades_per_day=500, legs=LEGS)
    return {f"{symbol} {kind}": content_sha256(table) for _venue, symbol, kind, table in small}


# ---- determinism


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_another_process_with_another_hash_seed_gives_the_same_bytes(hash_seed):
    code = (
        "import json; from feeds.synthetic import tables; from feeds.synthetic.market import LEGS;"
        "from feeds.tables import content_sha256;"
        "print(json.dumps({f'{s} {k}': content_sha256(t)"
        " for _, s, k, t in tables(seed=3, days=2, trades_per_day=500, legs=LEGS)}))"
    )
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": PACKAGES}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == hashes(3)


def test_every_stream_differs_from_that_of_another_seed():
    first, second = hashes(0), hashes(1)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] == second[name]] == []


def test_a_further_instrument_moves_no_draw_of_the_others():
    alone = by_name(days=2, trades_per_day=500, legs=LEGS[:1])
    together = by_name(days=2, trades_per_day=500)
    for name, table in alone.items():
        assert table.equals(together[name]), name


def test_funding_and_prices_do_not_depend_on_the_number_of_trades():
    few, many = by_name(days=2, trades_per_day=500), by_name(days=2, trades_per_day=2_000)
    assert ints(few[BTC, "funding"], "rate").tolist() == ints(many[BTC, "funding"], "rate").tolist()
    assert few[ETH, "index"].equals(many[ETH, "index"])


# ---- form


def test_every_table_is_canonical_sorted_and_inside_its_days(market):
    for (_symbol, kind), table in market.items():
        check(table, kind)
        stamps = ints(table, "ts")
        assert stamps[0] >= START_NS
        assert stamps[-1] < START_NS + DEFAULT_DAYS * DAY


def test_prices_are_positive_and_only_premium_and_rates_may_be_negative(market):
    for (symbol, kind), table in market.items():
        for name in ("price", "average_price", "quantity", "mark", "native"):
            if name in table.column_names and kind != "premium":
                assert ints(table, name).min() > 0, (symbol, kind, name)
    assert ints(market[BTC, "premium"], "price").min() < 0
    assert ints(market[BTC, "funding"], "rate").min() < 0


@pytest.mark.parametrize(
    ("symbol", "tick", "lot"), [(BTC, 1, 3), (ETH, 2, 3), (INVERSE, 1, 0), ("BTC/USDT", 2, 5)], ids=str
)
def test_trades_use_the_whole_tick_and_lot_grid_and_nothing_finer(market, symbol, tick, lot):
    trades = market[symbol, "trades"]
    assert scales_of(trades)["price"] == tick
    assert scales_of(trades)["quantity"] == lot
    assert set(np.unique(ints(trades, "price") % 10)) == set(range(10))
    assert set(np.unique(ints(trades, "quantity") % 10)) == set(range(10))


def test_trades_have_contiguous_ids_known_sides_and_millisecond_stamps(market):
    trades = market[ETH, "trades"]
    assert np.all(np.diff(ints(trades, "id")) == 1)
    assert set(np.unique(ints(trades, "side"))) == {-1, 1}
    assert np.all(ints(trades, "ts") % 10**6 == 0)


def test_points_come_every_ten_seconds_and_every_second_in_the_crash(market):
    for kind in ("mark", "index"):
        stamps = ints(market[BTC, kind], "ts")
        steps = np.diff(stamps)
        dense = (stamps[:-1] >= CRASH_NS) & (stamps[:-1] < CRASH_NS + 2 * HOUR - SECOND)
        assert set(steps[dense]) == {SECOND}
        assert set(steps[~dense & (stamps[:-1] < CRASH_NS)]) == {10 * SECOND}
    assert set(np.diff(ints(market[BTC, "premium"], "ts"))) == {10 * SECOND}


# ---- funding and mark


@pytest.mark.parametrize("symbol", PERPETUALS)
def test_funding_is_the_published_formula_on_the_premium_points_of_its_interval(market, symbol):
    premium, funding = market[symbol, "premium"], market[symbol, "funding"]
    points = [
        (ts, Fraction(value, 10**8))
        for ts, value in zip(ints(premium, "ts").tolist(), ints(premium, "price").tolist(), strict=True)
    ]
    interest, damper, cap = Fraction("0.0001"), Fraction("0.0005"), Fraction("0.003")
    stamps = ints(funding, "ts").tolist()
    assert stamps == [START_NS + k * 8 * HOUR for k in range(1, 3 * DEFAULT_DAYS)]
    for stamp, rate in zip(stamps, ints(funding, "rate").tolist(), strict=True):
        inside = [value for ts, value in points if stamp - 8 * HOUR < ts <= stamp]
        average = sum(i * value for i, value in enumerate(inside, start=1)) / Fraction(sum(range(1, len(inside) + 1)))
        expected = average + min(damper, max(-damper, interest - average))
        expected = min(cap, max(-cap, expected))
        assert len(inside) == 2880
        assert abs(Fraction(rate, 10**8) - expected) <= Fraction(1, 2 * 10**8)


@pytest.mark.parametrize("symbol", PERPETUALS)
def test_a_funding_row_carries_the_mark_of_its_instant_and_its_interval(market, symbol):
    funding, mark = market[symbol, "funding"], market[symbol, "mark"]
    row = np.searchsorted(ints(mark, "ts"), ints(funding, "ts"))
    assert ints(mark, "ts")[row].tolist() == ints(funding, "ts").tolist()
    assert ints(funding, "mark").tolist() == ints(mark, "price")[row].tolist()
    assert set(ints(funding, "interval_s")) == {28_800}
    assert set(ints(funding, "kind")) == {0}


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_funding_is_mostly_positive_so_that_a_carry_earns(seed):
    found = thin(seed)
    for symbol in PERPETUALS:
        rates = ints(found[symbol, "funding"], "rate")
        assert rates.sum() > 0
        assert (rates > 0).mean() > 0.8


def test_the_mark_is_within_the_three_prices_whose_median_it_is(market):
    mark, index, funding, trades = (market[BTC, kind] for kind in ("mark", "index", "funding", "trades"))
    first_trade = ints(trades, "ts")[0]
    stamps = ints(mark, "ts")
    stamps = stamps[(stamps > first_trade) & (stamps > START_NS + 8 * HOUR) & (stamps % (10 * SECOND) == 0)]
    price, at_index, last = (at(table, "price", stamps) for table in (mark, index, trades))
    into = (stamps - START_NS) % (8 * HOUR)
    adjusted = at_index * (1 + at(funding, "rate", stamps) * (1 - into / (8 * HOUR)))
    low, high = np.minimum(adjusted, last), np.maximum(adjusted, last)
    outside = np.maximum(low - price, price - high)
    # a median of three is one of the other two, or lies between them
    assert outside.max() < 1e-4
    assert ((price - low > 0.01) & (high - price > 0.01)).mean() > 0.05


def test_trades_print_around_the_index_times_one_plus_premium(market):
    trades, index, premium = market[BTC, "trades"], market[BTC, "index"], market[BTC, "premium"]
    stamps = ints(trades, "ts")
    whole = stamps - stamps % SECOND
    on_point = (whole % (10 * SECOND) == 0) & (whole > START_NS)
    fair = at(index, "price", whole[on_point]) * (1 + at(premium, "price", whole[on_point]))
    distance = (numbers(trades, "price")[on_point] - fair) * ints(trades, "side")[on_point]
    assert np.all(distance > 0)  # buys above, sells below: the bounce
    assert np.median(distance / fair) < 3e-5


# ---- the crash and the statistics


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
@pytest.mark.parametrize(("symbol", "depth"), [(BTC, 0.18), (ETH, 0.225), (INVERSE, 0.18)])
def test_the_crash_takes_its_depth_within_twenty_minutes_and_part_comes_back(seed, symbol, depth):
    mark = thin(seed)[symbol, "mark"]
    before = float(at(mark, "price", [CRASH_NS])[0])
    fall = at(mark, "price", np.arange(CRASH_NS, CRASH_NS + 25 * MINUTE, SECOND))
    assert depth - 0.05 < 1 - fall.min() / before < depth + 0.06
    later = float(at(mark, "price", [CRASH_NS + 4 * HOUR])[0])
    assert fall.min() < later < before
    assert (later - fall.min()) / (before - fall.min()) > 0.2


@pytest.mark.parametrize("symbol", PERPETUALS)
def test_a_ten_times_long_from_the_start_cannot_survive_and_a_three_times_long_can(market, symbol):
    mark = numbers(market[symbol, "mark"], "price")
    lowest = mark.min() / mark[0]
    # equity of a leverage-L long is 1 / L + lowest - 1 per unit of notional; below zero nothing is left
    assert 1 / 10 + lowest - 1 < 0
    assert 1 / 3 + lowest - 1 > 0.01 * lowest


@pytest.mark.parametrize("symbol", [BTC, ETH])
def test_returns_have_fat_tails_and_clustered_volatility_outside_the_crash(market, symbol):
    returns = minute_returns(market[symbol, "index"])
    assert kurtosis(returns) > 3.6
    for lag in (1, 10):
        assert autocorrelation(np.abs(returns), lag) > 0.08
    assert abs(autocorrelation(returns, 1)) < 0.05


def test_the_two_coins_move_together(market):
    found = np.corrcoef(minute_returns(market[BTC, "index"]), minute_returns(market[ETH, "index"]))[0, 1]
    assert 0.7 < found < 0.9


def test_trades_come_in_clusters(market):
    stamps = ints(market[BTC, "trades"], "ts")
    quiet = stamps[stamps < CRASH_NS]
    counts = np.bincount((quiet - START_NS) // (10 * SECOND))
    assert counts.var() / counts.mean() > 2  # 1 for a Poisson process
    assert autocorrelation(counts.astype(float), 1) > 0.2


def test_sides_of_neighbouring_trades_agree_more_often_than_by_chance(market):
    side = ints(market[BTC, "trades"], "side")
    assert (side[1:] == side[:-1]).mean() > 0.55
    assert 0.48 < (side > 0).mean() < 0.52


def test_number_of_trades_is_about_what_was_asked_for(market):
    for symbol, share in ((BTC, 1.0), (ETH, 0.5), (INVERSE, 0.1), ("BTC/USDT", 0.25)):
        assert market[symbol, "trades"].num_rows == pytest.approx(share * DEFAULT_TRADES * DEFAULT_DAYS, rel=0.05)


@pytest.mark.parametrize("symbol", PERPETUALS)
def test_forced_orders_are_flagged_trades_and_cluster_in_the_crash(market, symbol):
    forced, trades = market[symbol, "liquidations"], market[symbol, "trades"]
    flagged = ints(trades, "flags") == 1
    for mine, theirs in (("ts", "ts"), ("side", "side"), ("average_price", "price"), ("quantity", "quantity")):
        assert ints(forced, mine).tolist() == ints(trades, theirs)[flagged].tolist()
    assert set(forced.column("coverage").to_pylist()) == {"full"}
    assert np.all((ints(forced, "price") - ints(forced, "average_price")) * ints(forced, "side") > 0)
    inside = (ints(forced, "ts") > CRASH_NS) & (ints(forced, "ts") < CRASH_NS + 20 * MINUTE)
    assert inside.mean() > 0.4
    assert (ints(forced, "side")[inside] < 0).mean() > 0.95


def test_nobody_is_forced_on_spot(market):
    assert ("BTC/USDT", "liquidations") not in market
    assert ints(market["BTC/USDT", "trades"], "flags").max() == 0


def test_collateral_prices_agree_with_the_indices(market):
    dollar = market["USDT/USD", "index"]
    assert np.abs(numbers(dollar, "price") - 1).max() < 0.002
    stamps = ints(dollar, "ts")
    product = at(market[BTC, "index"], "price", stamps) * numbers(dollar, "price")
    assert at(market["BTC/USD", "index"], "price", stamps) == pytest.approx(product, rel=1e-6)
    assert market["BTC/USD", "index"].equals(market[INVERSE, "index"])


# ---- the pieces


@pytest.mark.parametrize(("p", "quantile"), [(0.90, 1.533206), (0.975, 2.776445), (0.995, 4.604095)])
def test_shocks_have_the_tabulated_quantiles_of_student_t_with_four_degrees(p, quantile):
    word = np.array([int(p * 2**14) << 50], dtype=np.uint64)  # standard table of the t distribution
    assert student_t4(word)[0] * np.sqrt(2) == pytest.approx(quantile, rel=2e-3)
    assert student_t4(~word)[0] == pytest.approx(-student_t4(word)[0], rel=1e-9)


def test_sizes_have_the_stated_power_law_tail():
    sizes = heavy_sizes(draws(0, "test")(400_000), scale=1_000, largest=10**9)
    for q in (1_000, 10_000, 100_000):
        assert (sizes - 1 > q).mean() == pytest.approx((1 + q / 1_000) ** (-4 / 3), rel=0.1)
    assert heavy_sizes(draws(0, "test")(400_000), scale=1_000, largest=5_000).max() == 5_000


def test_spontaneous_trades_follow_the_weights_of_the_minutes():
    weights = np.array([1.0] * 500 + [3.0] * 500)
    times, sides = arrivals(draws(0, "test"), expected=200_000, weights=weights, buy_share=np.full(1000, 0.5))
    assert times[0] >= 0
    assert times[-1] < 60_000_000
    assert (times >= 30_000_000).mean() == pytest.approx(0.75, abs=0.01)
    assert len(times) == pytest.approx(200_000, rel=0.03)
    assert len(times) == len(sides)


# ---- sample()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"seed": 0.5}, "seed must be a whole number"),
        ({"seed": True}, "seed must be a whole number"),
        ({"days": 0}, "days must be a whole number from 1 to 31, got 0"),
        ({"days": 32}, "days must be a whole number from 1 to 31, got 32"),
        ({"trades_per_day": 99}, "trades_per_day must be a whole number from 100"),
        ({"symbols": "BTC/USDT:USD"}, "did you mean 'BTC/USDT:USDT'"),
        ({"symbols": ["BTC/USDT:USDT", "SOL/USDT:USDT"]}, "'SOL/USDT:USDT' is not in the synthetic market"),
    ],
    ids=str,
)
def test_an_argument_outside_the_stated_range_is_refused(given, says):
    with pytest.raises(FeedError, match=says):
        sample(**given)


def test_the_default_sample_needs_one_venue_and_has_every_kind_of_a_perpetual():
    data = sample()
    assert data.venues == ("binance_usdm",)
    assert data.symbols == ("BTC/USD", BTC, ETH, "USDT/USD")
    kinds = {stream.kind for stream in data.streams if stream.symbol == ETH}
    assert kinds == {"trades", "mark", "index", "premium", "funding", "liquidations", "open_interest"}


def test_equal_arguments_return_the_same_object_and_others_do_not():
    assert sample(days=1, trades_per_day=500) is sample(seed=0, days=1, trades_per_day=500, symbols=())
    assert sample(days=1, trades_per_day=500) is not sample(days=1, trades_per_day=501)


def test_symbols_choose_the_instruments_and_their_venues():
    small = {"days": 1, "trades_per_day": 500}
    assert sample(symbols="all", **small).venues == ("binance_coinm", "binance_spot", "binance_usdm")
    chosen = sample(symbols=["BTC/USDT@binance_spot", INVERSE], **small)
    assert chosen.venues == ("binance_coinm", "binance_spot")
    assert chosen.symbols == ("BTC/USD", INVERSE, "BTC/USDT", "USDT/USD")
    assert chosen is sample(symbols=[INVERSE, "BTC/USDT"], **small)  # order and short form do not matter


def test_the_shortest_and_thinnest_sample_can_be_built():
    assert sample(days=1, trades_per_day=100).rows > 0


# ---- data/


def test_a_sample_in_which_nobody_is_liquidated_has_no_liquidations():
    data = sample(seed=1, trades_per_day=100, symbols=[BTC])
    assert "liquidations" not in {stream.kind for stream in data.streams}
    assert "trades" in {stream.kind for stream in data.streams}


def test_the_sample_in_data_is_what_the_seed_generates(tmp_path):
    from feeds.catalog import Catalog

    command = [sys.executable, "-m", "feeds.synthetic", "--out", str(tmp_path), "--seed", "0"]
    environment = os.environ | {"PYTHONPATH": PACKAGES}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "427,744 rows of 2024-11-05 to 2024-11-08" in done.stdout
    fresh = {(p.venue, p.symbol, p.kind, p.name): p.content() for p in Catalog(tmp_path).partitions()}
    shipped = {(p.venue, p.symbol, p.kind, p.name): p.content() for p in Catalog(ROOT / "data").partitions()}
    assert len(fresh) == 66
    assert shipped == fresh


def test_no_byte_of_the_sample_in_data_has_changed():
    from feeds.catalog import Catalog

    partitions = list(Catalog(ROOT / "data").partitions())
    assert len(partitions) == 66
    for partition in partitions:
        partition.verify()
        assert partition.status == "complete"
        assert partition.gaps == ()


def test_books_come_on_request_and_move_nothing_else():
    plain = sample(days=1, trades_per_day=1000)
    with_books = sample(days=1, trades_per_day=1000, book=True)
    others = [stream for stream in with_books.streams if stream.kind != "book"]
    assert {stream.kind for stream in with_books.streams} - {stream.kind for stream in plain.streams} == {"book"}
    assert [s.table().equals(o.table()) for s, o in zip(plain.streams, others, strict=True)] == [True] * len(others)
    again = sample(days=1, trades_per_day=1000, book=True, symbols="BTC/USDT:USDT")
    wanted = next(s for s in with_books.streams if s.kind == "book" and s.symbol == "BTC/USDT:USDT")
    assert next(s for s in again.streams if s.kind == "book").table().equals(wanted.table())


def test_trades_print_at_the_best_prices_of_the_book_before_them():
    data = sample(days=1, trades_per_day=2000, book=True, symbols="BTC/USDT:USDT")
    book, tape = (next(s for s in data.streams if s.kind == kind).table().to_pydict() for kind in ("book", "trades"))
    rows = list(zip(book["ts"], book["side"], book["price"], book["quantity"], strict=True))
    assert all(quantity > 0 for *_, quantity in rows)
    best = {}
    for ts, side, price, _ in rows:
        found = best.setdefault(ts, {})
        found[side] = max(found.get(side, price), price) if side > 0 else min(found.get(side, price), price)
    assert all(len(each) == 2 and each[1] < each[-1] for each in best.values())
    times = sorted(best)
    place = 0
    checked = 0
    for ts, side, price in zip(tape["ts"], tape["side"], tape["price"], strict=True):
        while place + 1 < len(times) and times[place + 1] <= ts:
            place += 1
        if ts % 1_000_000_000 >= 1_000_000 and (ts + 1_000_000) % 1_000_000_000 > 1_000_000:
            assert price == best[times[place]][-side]
            checked += 1
    assert checked > 1000
