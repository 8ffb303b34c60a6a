"""Scenario scripts: what each step does to data and runs, by hand; days that are remembered; what is refused."""

import numpy as np
import pandas as pd
import pytest
from engine_data import (
    HOUR,
    MINUTE,
    SECOND,
    USDM,
    USER_COIN,
    Listener,
    Script,
    account,
    bars,
    book,
    constant,
    funding,
    marks,
    ns,
    points,
    reasons,
    run,
    trades,
    user_coin,
)  # fmt: skip

from backtest import Backtest, ConfigError
from backtest.scenario import carried_out
from backtest.scenario_days import NAMED_DAYS, check_covers, named_day
from backtest.scenarios import (
    STEPS,
    Deleverage,
    Depeg,
    FailVenue,
    Freeze,
    GapPrice,
    LagEngine,
    LagOracle,
    MultiplyFunding,
    Overload,
    SuspendTransfers,
    ThinDepth,
    WidenBasis,
)  # fmt: skip

PATH = [(ns("00:00") + i * MINUTE, 100.0 + i) for i in range(10)]


def values(data, kind, column="price", symbol=USER_COIN):
    """A column of the one stream of a kind, as numbers."""
    (stream,) = [s for s in data.streams if s.kind == kind and s.symbol == symbol]
    table = stream.table()
    name = (
        "rate"
        if column == "rate"
        else "price"
        if column in ("price", "bid_price", "open", "low", "close")
        else "quantity"
    )
    return (np.array(table[column].to_pylist()) / 10 ** stream.scales[name]).tolist()


# ---------------------------------------------------------------- what steps do to data


def test_a_lagging_oracle_shows_what_it_was_before_inside_the_window():
    data = points("index", PATH, USER_COIN) + marks(PATH, USER_COIN)
    step = LagOracle(symbol=USER_COIN, delay="3m", start=ns("00:05"), until=ns("00:08"), kinds=("index",))
    found = step.apply(data)
    assert values(found, "index") == [100, 101, 102, 103, 104, 102, 103, 104, 108, 109]
    assert values(found, "mark") == [p for _, p in PATH]
    early = LagOracle(symbol=USER_COIN, delay="3m").apply(data)
    assert values(early, "mark") == [100, 100, 100, 100, 101, 102, 103, 104, 105, 106]


def test_thin_depth_keeps_a_share_on_the_step_of_the_sizes_and_nothing_vanishes():
    data = trades([(t, p, q) for (t, p), q in zip(PATH, [1, 2, 3, 4, 0.5] * 2, strict=True)], USER_COIN)
    found = ThinDepth(symbol=USER_COIN, share=0.25, start=ns("00:01"), until=ns("00:05")).apply(data)
    # on one decimal as the data, a half to the even one; never nothing
    assert values(found, "trades", "quantity") == [1, 0.5, 0.8, 1.0, 0.1, 1, 2, 3, 4, 0.5]
    whole = bars([("00:00", 1, 2, 1, 2, 90), ("01:00", 2, 3, 2, 3, 60)], USER_COIN)
    halved = ThinDepth(symbol=USER_COIN, share=0.5).apply(whole)
    assert values(halved, "bars", "volume") == [45.0, 30.0]


def test_a_book_is_thinned_as_a_whole():
    data = book([("00:00", {99.0: 10.0, 98.0: 20.0}, {101.0: 30.0}), ("00:05", {99.0: 0.0}, {101.0: 10.0})], USER_COIN)
    found = ThinDepth(symbol=USER_COIN, share=0.5).apply(data)
    assert sorted(values(found, "book", "quantity")) == [0.0, 5.0, 5.0, 10.0, 15.0]
    with pytest.raises(ConfigError, match="is thinned as a whole; leave start and until out"):
        ThinDepth(symbol=USER_COIN, share=0.5, start=ns("00:03")).apply(data)


def test_a_wider_basis_moves_the_contract_and_not_its_index():
    data = points("index", PATH, USER_COIN) + marks(PATH, USER_COIN) + trades([(t, p, 1) for t, p in PATH], USER_COIN)
    found = WidenBasis(symbol=USER_COIN, by=0.02, start=ns("00:08")).apply(data)
    expected = [*(p for _, p in PATH[:8]), 110.0, 111.0]  # 110.16 and 111.18 on whole numbers, the step of the data
    assert values(found, "mark") == values(found, "trades") == expected
    assert values(found, "index") == [p for _, p in PATH]


def test_a_gap_moves_everything_and_may_come_back():
    data = points("index", PATH, USER_COIN) + marks(PATH, USER_COIN)
    found = GapPrice(symbol=USER_COIN, by=-0.5, at=ns("00:02"), until=ns("00:04")).apply(data)
    assert values(found, "index") == values(found, "mark") == [100, 101, 51, 52, *(p for _, p in PATH[4:])]


def test_funding_is_multiplied_inside_the_window():
    data = funding([("00:00", 0.0001), ("08:00", 0.0002), ("16:00", -0.0003)], USER_COIN)
    found = MultiplyFunding(symbol=USER_COIN, factor=-3, start=ns("08:00")).apply(data)
    assert values(found, "funding", "rate") == pytest.approx([0.0001, -0.0006, 0.0009])


def test_a_coin_without_index_rows_gets_them_and_one_with_rows_keeps_its_path():
    data = constant(100.0, start="00:00", end="01:00", symbol=USER_COIN)
    made = Depeg(asset="USDT", price=0.9, start=ns("00:10"), until=ns("00:20")).apply(data)
    assert values(made, "index", symbol="USDT/USD") == [1.0, 0.9, 1.0]
    has = data + points("index", [("00:00", 1.0), ("00:15", 0.98), ("00:30", 1.01)], "USDT/USD")
    found = Depeg(asset="USDT", price=0.5, start=ns("00:10"), until=ns("00:20")).apply(has)
    assert values(found, "index", symbol="USDT/USD") == pytest.approx([1.0, 0.49, 1.01])


def test_steps_at_venues_write_the_rows_that_recorded_days_have():
    data = constant(100.0, start="00:00", end="01:00", symbol=USER_COIN)
    at = {"start": ns("00:10"), "until": ns("00:20")}
    given = [
        Freeze(venue=USDM, **at), Freeze(venue=USDM, cancels=True, **at), Overload(venue=USDM, refused=0.25, **at),
        SuspendTransfers(venue=USDM, **at), FailVenue(venue=USDM, at=ns("00:30"), kept=0.4),
        Deleverage(venue=USDM, symbol=USER_COIN, at=ns("00:05"), share=0.5),
    ]  # fmt: skip
    rows = carried_out(given, data).venue_events
    assert [(r["what"], r["ts"], r["until"], r["symbol"], r["value"]) for r in rows] == [
        ("adl", ns("00:05"), 0, USER_COIN, "0.5"),
        ("overload", ns("00:10"), ns("00:20"), "*", "0.25"),
        ("cancel_only", ns("00:10"), ns("00:20"), "*", None),
        ("outage", ns("00:10"), ns("00:20"), "*", None),
        ("transfer_suspended", ns("00:10"), ns("00:20"), "*", None),
        ("failure", ns("00:30"), 0, "*", "0.4"),
    ]
    assert {r["source"] for r in rows} == {"scenario"}
    # the same rows as data of a day, kind venue_events
    import feeds

    frame = pd.DataFrame({"what": ["outage"], "until": [ns("00:20")]}, index=pd.DatetimeIndex([ns("00:10")], tz="UTC"))
    recorded = data + feeds.from_pandas(frame, kind="venue_events", venue=USDM, symbol="*")
    script = Listener(
        ("00:15", lambda s: s.buy(USER_COIN, quantity=1)), ("00:25", lambda s: s.buy(USER_COIN, quantity=1))
    )
    for each in ({"data": recorded}, {"data": data, "scenario": given[0]}):
        options = {"scenario": each["scenario"]} if "scenario" in each else {}
        found = run(each["data"], script, account(user_coin()), **options)
        assert reasons(found) == ["rejected VENUE_UNAVAILABLE", "filled"]


def test_steps_are_carried_out_in_their_order():
    data = marks(PATH, USER_COIN)
    gap, lag = GapPrice(symbol=USER_COIN, by=-0.5, at=ns("00:05")), LagOracle(symbol=USER_COIN, delay="2m")
    assert values(carried_out([gap, lag], data), "mark") == [100, 100, 100, 101, 102, 103, 104, 52, 53, 54]
    assert values(carried_out([lag, gap], data), "mark") == [100, 100, 100, 101, 102, 52, 52, 52, 53, 54]


# ---------------------------------------------------------------- what they do to a run


def long_with(equity, **options):
    """One coin long at 100; goes at (100 - equity) / 0.995."""
    return Script(("00:00:30", lambda s: s.buy(USER_COIN, quantity=1))), account(
        user_coin(), {"USDT": equity}, **options
    )


FALL = [(ns("00:00") + i * MINUTE, 100.0 if i < 5 else 90.0 if i < 8 else 99.0) for i in range(20)]


def tape(path):
    return marks(path, USER_COIN) + trades([(t + SECOND, p, 1e6) for t, p in path], USER_COIN)


def test_a_lagging_mark_liquidates_later_or_not_at_all():
    script, given = long_with(9.0)
    at_once = run(tape(FALL), script, given, on_ruin="continue")
    assert at_once.liquidations["time"].iloc[0].value == FALL[5][0]
    late = LagOracle(symbol=USER_COIN, delay="2m", kinds=("mark",))
    assert (
        run(tape(FALL), script, given, scenario=late, on_ruin="continue").liquidations["time"].iloc[0].value
        == FALL[7][0]
    )
    blind = LagOracle(symbol=USER_COIN, delay="1m", start=FALL[5][0], until=FALL[6][0], kinds=("mark",))
    assert (
        run(tape(FALL), script, given, scenario=blind, on_ruin="continue").liquidations["time"].iloc[0].value
        == FALL[6][0]
    )


@pytest.mark.parametrize("course", [USDM, "okx", "bybit", "hyperliquid"])
def test_a_late_engine_finds_the_price_of_its_time_or_an_account_that_is_well_again(course):
    symbol = "X/USDC:USDC" if course == "hyperliquid" else USER_COIN
    asset = symbol.partition(":")[2]
    rules = user_coin(symbol, rules=course)
    given = account(rules, {asset: 10.2})
    script = Script(("00:00:30", lambda s: s.buy(symbol, quantity=1)))
    data = marks(FALL, symbol, course) + trades([(t + SECOND, p, 1e6) for t, p in FALL], symbol, course)
    found = {}
    for delay in (None, "90s", "3m", "5m"):
        scenario = None if delay is None else LagEngine(venue=course, delay=delay)
        found[delay] = run(data, script, given, scenario=scenario, on_ruin="continue").liquidations
    assert FALL[5][0] <= found[None]["time"].iloc[0].value < FALL[6][0]
    assert found["90s"]["time"].iloc[0].value >= FALL[5][0] + 90 * SECOND
    assert found["3m"].empty  # 99 when the engine acts: equity 9.2 of 0.5
    assert found["5m"].empty


def test_a_gap_beyond_bankruptcy_leaves_a_shortfall():
    script, given = long_with(9.0)
    flat = [(t, 100.0) for t, _ in FALL]
    found = run(
        tape(flat), script, given, scenario=GapPrice(symbol=USER_COIN, by=-0.2, at=FALL[5][0]), on_ruin="continue"
    )
    assert found.liquidations["shortfall"].sum() == pytest.approx(20.0 - 9.0)


def test_thin_depth_makes_a_bars_fill_smaller():
    shape = [(ns("00:00") + i * HOUR, 100, 100, 100, 100, 1_000) for i in range(4)]
    data = bars(shape, USER_COIN) + bars([row[:5] for row in shape], USER_COIN, kind="mark")
    script = Script(("01:30", lambda s: s.buy(USER_COIN, quantity=80)))
    given = account(user_coin(), {"USDT": 100_000})
    assert run(data, script, given).fills["quantity"].tolist() == [80.0]  # a tenth of the volume is 100
    thin = run(data, script, given, scenario=ThinDepth(symbol=USER_COIN, share=0.5))
    assert thin.fills["quantity"].tolist() == [50.0, 30.0]


def test_a_depeg_of_the_collateral_lowers_what_it_is_worth():
    data = constant(60_000.0, start="00:00", end="02:00")
    step = Depeg(asset="USDT", price=0.9, start=ns("01:00"))
    given = account(balances={"USDT": 1_000})
    found = run(data, Script(), given, reporting="USD", scenario=step)
    assert found.equity["equity"].iloc[0] == 1_000.0
    assert found.equity["equity"].iloc[-1] == 900.0


def test_the_scenario_is_in_the_configuration_and_on_the_first_screen():
    step = GapPrice(symbol=USER_COIN, by=-0.01, at=FALL[5][0])
    script, given = long_with(50.0)
    found = run(tape(FALL), script, given, scenario=[step, LagEngine(venue=USDM, delay="1s")])
    assert found.config["scenario"] == [
        {"what": "gap_price", "symbol": USER_COIN, "by": -0.01, "at": FALL[5][0]},
        {"what": "lag_engine", "venue": USDM, "delay": "1s"},
    ]
    assert "scenario 1" in str(found)
    assert "gap_price: symbol X/USDT:USDT, by -0.01" in str(found)
    plain = run(tape(FALL), script, given)
    assert found.fingerprint != plain.fingerprint


# ---------------------------------------------------------------- seeds


def test_jitter_moves_a_step_by_its_own_draw():
    data = marks([(ns("00:00") + i * SECOND, 100.0) for i in range(7200)], USER_COIN)
    moved = {}
    for seed in (0, 0, 1, 2):
        step = Freeze(venue=USDM, start=ns("00:10"), until=ns("00:20"), jitter="1h", seed=seed)
        (row,) = step.apply(data).venue_events
        assert row["until"] - row["ts"] == 600 * SECOND
        assert 0 <= row["ts"] - ns("00:10") < HOUR
        assert moved.setdefault(seed, row["ts"]) == row["ts"]
    assert len(set(moved.values())) == 3
    other = Overload(venue=USDM, start=ns("00:10"), until=ns("00:20"), refused=1, jitter="1h")
    assert other.apply(data).venue_events[0]["ts"] != moved[0]


# ---------------------------------------------------------------- named days


@pytest.mark.parametrize("name", NAMED_DAYS)
def test_a_named_day_runs_on_other_data_from_where_it_is_told(name):
    day = NAMED_DAYS[name]
    given = {"venue": USDM, "symbol": USER_COIN, "asset": "USDT"}
    found = named_day(name, **{key: given[key] for key in day.takes}, at=ns("00:30"))
    assert len(found) == len(day.steps)
    data = constant(100.0, start="00:00", end="23:00", symbol=USER_COIN)
    result = run(
        data,
        Script(),
        account(user_coin()),
        scenario=found,
        reporting="USD",
        prices={"USDT": 1} if "asset" not in day.takes else {},
    )
    assert [row["what"] for row in result.config["scenario"]] == [what for what, _ in day.steps]
    assert day.source
    assert day.needs


def test_a_day_says_which_data_it_needs():
    data = constant(100.0, start="00:00", end="23:00", symbol=USER_COIN)
    with pytest.raises(ConfigError, match=r"cascade_2025_10_10 was from 2025-10-10T21:10.*needs trades or bars.*at="):
        check_covers("cascade_2025_10_10", data)
    with pytest.raises(ConfigError, match=r"no day 'crash_2021_05_18' \(did you mean 'crash_2021_05_19'\?\)"):
        named_day("crash_2021_05_18")
    with pytest.raises(ConfigError, match="needs venue, symbol; it takes venue, symbol"):
        named_day("cascade_2025_10_10")
    with pytest.raises(ConfigError, match="has no use for symbol; it takes asset"):
        named_day("usdc_2023_03_11", asset="USDC", symbol=USER_COIN)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (GapPrice(symbol="Z/USDT:USDT", by=-0.1, at=0), r"gap_price: Z/USDT:USDT is not in the data"),
        (GapPrice(symbol=USER_COIN, by=-1.0, at=0), r"gap_price: by must be .*-1"),
        (LagOracle(symbol=USER_COIN, delay="0s"), "delay must be above 0"),
        (LagOracle(symbol=USER_COIN, delay="5s", kinds=("last",)), "kinds must hold index, mark or both"),
        (LagOracle(symbol=USER_COIN, delay="5s", kinds=("index",)), "no index of X/USDT:USDT"),
        (ThinDepth(symbol=USER_COIN, share=0.0), "share must be"),
        (MultiplyFunding(symbol=USER_COIN, factor=2.0), "no funding of X/USDT:USDT"),
        (Depeg(asset="EUR", price=0.9), "nothing in the data is quoted or settled in EUR"),
        (Freeze(venue="okx", start=0, until=1), r"okx is no venue of the data \(binance_usdm\)"),
        (Freeze(venue=USDM, start=2, until=1), "is not before until"),
        (Overload(venue=USDM, start=1, until=2, refused=1.5), "refused must be"),
        (FailVenue(venue=USDM, at="soon", kept=0.5), "at"),
        (LagEngine(venue=USDM, delay="-1s"), "delay must be above 0"),
        (LagEngine(venue="okx", delay="1s"), "okx is no venue of the run"),
        (GapPrice(symbol=USER_COIN, by=-0.1, at=0, jitter="-1s"), "jitter must not be negative"),
    ],
)
def test_a_step_that_cannot_be_is_refused_before_the_run(step, said):
    with pytest.raises(ConfigError, match=said):
        Backtest(tape(FALL), Script(), venues=account(user_coin()), scenario=step)


def test_misspelt_steps_are_refused_where_they_are_written():
    with pytest.raises(ConfigError, match="did you mean 'share'"):
        ThinDepth(symbol=USER_COIN, shar=0.5)
    with pytest.raises(ConfigError, match=r"must be a step of backtest\.scenarios or several, got dict"):
        Backtest(tape(FALL), Script(), venues=account(user_coin()), scenario={"what": "gap_price"})
    with pytest.raises(ConfigError, match="shorter than the bars"):
        LagOracle(symbol=USER_COIN, delay="5m").apply(bars([("00:00", 1, 2, 1, 2)], USER_COIN, kind="mark"))
    with pytest.raises(ConfigError, match="has a book, whose levels do not jump"):
        GapPrice(symbol=USER_COIN, by=-0.1, at=ns("00:01")).apply(
            book([("00:00", {99.0: 1.0}, {101.0: 1.0}), ("00:05", {99.0: 2.0}, {})], USER_COIN)
        )
    with pytest.raises(ConfigError, match="prices move where bars open"):
        GapPrice(symbol=USER_COIN, by=-0.1, at=ns("01:30")).apply(
            bars([(ns("00:00") + i * HOUR, 1, 2, 1, 2) for i in range(4)], USER_COIN)
        )
    assert set(STEPS) == {step.what for step in STEPS.values()}
