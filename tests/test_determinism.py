"""The same run gives the same bytes, and everything of one instant happens in the written order."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import engine_random
import pandas as pd
import pytest
from engine_data import (
    HOUR,
    LINEAR,
    MINUTE,
    SECOND,
    USDM,
    USER_COIN,
    Notes,
    Script,
    account,
    amounts,
    bars,
    constant,
    frame,
    funding,
    marks,
    ns,
    points,
    reasons,
    run,
    trades,
    user_coin,
)

import feeds
import venues
from backtest import Strategy

HERE = Path(__file__).parent
LATENCIES = {"none": None, "one": "150ms", "each": ("100ms", "700ms", "300ms")}


@pytest.fixture(scope="module")
def reference():
    """Digests of the same runs in the ordinary way."""
    return {
        name: engine_random.digest(engine_random.prepared(3, 900, latency=each).run())
        for name, each in LATENCIES.items()
    }


@pytest.mark.parametrize("latency", LATENCIES)
@pytest.mark.parametrize("rows", [1, 7, 4_096, 131_072])
def test_the_size_of_batches_changes_no_byte(rows, latency, reference):
    """B30: read row by row or all at once."""
    test = engine_random.prepared(3, 900, latency=LATENCIES[latency])
    test.settings.batch_rows = rows
    assert engine_random.digest(test.run()) == reference[latency]


@pytest.mark.parametrize("latency", LATENCIES)
@pytest.mark.parametrize("rows", [7, 4_096])
def test_decoding_ahead_changes_no_byte(rows, latency, reference):
    for prefetch in (True, False):
        test = engine_random.prepared(3, 900, latency=LATENCIES[latency])
        test.settings.batch_rows, test.settings.prefetch = rows, prefetch
        assert engine_random.digest(test.run()) == reference[latency]


@pytest.mark.parametrize("shuffle", [1, 2, 3])
def test_the_order_in_which_streams_are_added_changes_no_byte(shuffle, reference):
    streams = [*engine_random.parts(3, 900), engine_random.deleveraging(900)]
    Random(shuffle).shuffle(streams)
    test = engine_random.prepared(3, data=sum(streams))
    assert engine_random.digest(test.run()) == reference["none"]


def test_a_second_run_of_one_backtest_gives_the_same_files(tmp_path):
    """B29: nothing of a run stays behind, meta data included."""
    test = engine_random.prepared(3, 900)
    first, second = test.run(), test.run()
    saved = [result.save(tmp_path / name) for name, result in (("a", first), ("b", second))]
    contents = [{path.name: path.read_bytes() for path in sorted(folder.iterdir())} for folder in saved]
    assert len(contents[0]) > 10
    assert contents[0] == contents[1]


def test_the_hash_seed_of_the_process_changes_no_byte():
    """B29: two processes whose sets and dicts of text are ordered differently."""
    found = set()
    for seed in ("1", "4242"):
        places = os.pathsep.join([str(HERE), *(path for path in sys.path if path)])
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": places}
        command = [sys.executable, "-c", "import engine_random; engine_random.main()"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=HERE.parent)
        found.add(done.stdout.strip())
    assert found == {engine_random.digest(engine_random.prepared(3, 600).run())}


class Idle(Strategy):
    """Listens and does nothing."""

    def on_trade(self, event):
        """Hear it."""

    def on_mark(self, event):
        """Hear it."""


def shown(result, *without):
    """Return the tables that a user reads, by name."""
    names = (
        "ledger",
        "fills",
        "funding",
        "margin",
        "equity",
        "exposure",
        "order_events",
        "liquidations",
        "transfers",
        "series",
        "log",
    )
    return {name: getattr(result, name).drop(columns=list(without), errors="ignore") for name in names}


@pytest.mark.parametrize("symbol", ["AAA/USDT:USDT", "ZZZ/USDT:USDT"])
def test_an_unrelated_stream_changes_nothing(symbol):
    """Before or after the others in every order of names: no draw, no price, no time of theirs moves."""
    data = engine_random.market(5, 600)
    own = engine_random.prepared(5, data=data).run()
    # At times that the run has anyway: a sample of equity is written with the first event of its minute.
    stamps = [ns("00:00") + i * MINUTE + 20 * SECOND + 7 for i in range(9)]
    other = marks([(t, 5) for t in stamps], symbol) + trades([(t, 5, 1) for t in stamps], symbol)
    test = engine_random.prepared(5, data=data + other)
    test.venues = [
        venues.Venue(v.rules, **{**options(v), "missing_tiers": "nearest"}) if v.name == USDM else v
        for v in test.venues
    ]
    for name, table in shown(test.run()).items():
        pd.testing.assert_frame_equal(table, shown(own)[name], obj=name)


def options(venue):
    """Return the arguments that an account was made with."""
    names = ("account", "balances", "leverage", "margin_mode", "collateral", "fees", "adl", "insurance_fund", "latency")
    return {name: getattr(venue, name) for name in names}


@pytest.mark.parametrize("place", [0, 1])
def test_an_unrelated_strategy_changes_nothing(place):
    own = engine_random.prepared(5, 600).run()
    pair = [engine_random.Restless(seed=5)]
    pair.insert(place, Idle())
    both = engine_random.prepared(5, 600, strategies=pair).run()
    for name, table in shown(both).items():
        pd.testing.assert_frame_equal(table, shown(own)[name], obj=name)


def test_another_seed_of_the_strategy_changes_the_result():
    """The digest sees what it should: this file would not notice a digest of nothing."""
    data = engine_random.market(3, 600)
    digests = [
        engine_random.digest(engine_random.prepared(3, data=data, strategies=[engine_random.Restless(seed=seed)]).run())
        for seed in (3, 4)
    ]
    assert digests[0] != digests[1]


# ---------------------------------------------------------------------------------------------------------------------
# Everything at one nanosecond. The order is kept in a file: a change of it is a change of results.

ORDER = json.loads((HERE / "golden" / "order_of_ties.json").read_text())
T = ns("10:00")


class Everything(Script):
    """Notes which hooks are called at one instant."""

    def on_start(self):
        """Arrange a timer and the order whose answer comes at that instant."""
        self.once(T - self.now, name="timer")
        self.once(T - 90 * SECOND - self.now, name="order")

    def on_timer(self, timer):
        """Note the timer, or send the order."""
        if timer.name == "order":
            self.buy(USER_COIN, quantity=1)
        else:
            self.heard("timer")

    def heard(self, what):
        """Note a kind at the instant."""
        if self.now == T:
            self.notes.append(what)

    def on_fill(self, fill):
        """Note it."""
        self.heard("answer")


HOOKS = {
    "index": "on_index",
    "mark": "on_mark",
    "funding": "on_funding",
    "trade": "on_trade",
    "liquidation": "on_liquidation",
    "open interest": "on_open_interest",
    "bar": "on_bar",
}


def listener(kinds):
    """Return a class that listens to some kinds."""

    def hook(kind):
        return lambda self, event: self.heard(kind)

    return type("Listening", (Everything,), {HOOKS[kind]: hook(kind) for kind in kinds if kind in HOOKS})


def at_instant(kind):
    """Return one row of a kind that is delivered at the instant."""
    if kind == "trade":
        return trades([(T, 100, 1)], USER_COIN)
    if kind == "bar":
        return bars([(T - HOUR, 100, 100, 100, 100)], USER_COIN)
    if kind == "funding":
        return funding([(T, 0.0001)], USER_COIN)
    if kind == "liquidation":
        row = frame([(T, 1, 100, 1)], "side price quantity")
        return feeds.from_pandas(row, kind="liquidations", venue=USDM, symbol=USER_COIN)
    if kind == "open interest":
        row = frame([(T, 100, 10_000)], "native quote")
        return feeds.from_pandas(row, kind="open_interest", venue=USDM, symbol=USER_COIN)
    return points(kind, [(T, 100)], USER_COIN)


def quiet():
    """Return a market that fills the order a minute before the instant, and another that goes on after it."""
    own = marks([(T - 2 * HOUR, 100), (T - 30 * SECOND, 100)], USER_COIN)
    own += trades([(T - 2 * HOUR, 100, 1), (T - MINUTE, 100, 1)], USER_COIN)
    return own + marks([(T + MINUTE, 100)]) + trades([(T + MINUTE, 100, 1)])


PAIRS = list(itertools.combinations(ORDER["strategy_clock"], 2))


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_every_pair_of_kinds_at_one_nanosecond_is_delivered_in_the_written_order(first, second):
    kinds = [kind for kind in (first, second) if kind in HOOKS]
    heard = []
    for order in (kinds, kinds[::-1]):
        notes = Notes()
        rows = [at_instant(kind) for kind in order]
        data = sum(rows, quiet())
        owner = account(user_coin(), latency=("0s", "60s", "0s"))
        run(data, listener(kinds)(notes=notes), owner, on_gap="warn")
        heard.append([kind for kind in notes if kind in (first, second)])
    assert heard == [[first, second]] * 2


def settlement(at, price):
    """Return a settlement of the contract as data."""
    row = pd.DataFrame([{"ts": at, "until": at, "what": "delisting", "value": price, "source": "test"}])
    return feeds.from_pandas(row, kind="venue_events", venue=USDM, symbol=USER_COIN)


def base(*, until=T, price=100):
    """Return marks and trades before the instant, the last of them a minute earlier."""
    return constant(price, start=T - HOUR, end=until - MINUTE, symbol=USER_COIN)


def hold(quantity=10):
    """Return a step that opens a position early."""
    return (T - 50 * MINUTE, lambda s: s.buy(USER_COIN, quantity=quantity))


def rule_before_mark():
    """A stricter tier from the instant on liquidates at the mark before it, not at the one of the instant."""
    tier = {"ts": T, "floor": 0, "maintenance_rate": 0.5, "max_leverage": 1, "amount": 0}
    strict = feeds.from_pandas(pd.DataFrame([tier]), kind="tiers", venue=USDM, symbol=USER_COIN)
    data = base() + marks([(T, 99)], USER_COIN) + trades([(T + SECOND, 99, 9)], USER_COIN) + strict
    result = run(data, Script(hold()), account(user_coin(), {"USDT": 400}, leverage=10))
    return result.liquidations["trigger_mark"].tolist()[0] == 100.0


def index_before_funding():
    """A rate is priced at the index of its own instant where that is the mark."""
    data = points("index", [(T - HOUR, 100), (T, 110)], USER_COIN) + trades(
        [(T - HOUR, 100, 9), (T - MINUTE, 100, 9)], USER_COIN
    )
    data += funding([(T, 0.01)], USER_COIN)
    result = run(
        data,
        Script((T - 50 * MINUTE, lambda s: s.buy(USER_COIN, quantity=1))),
        account(user_coin()),
        mark="index",
        on_gap="warn",
    )
    return [float(x) for x in amounts(result, "funding")] == [-1.1]


def mark_before_funding():
    """A rate is priced at the mark of its own instant."""
    data = base() + marks([(T, 110)], USER_COIN) + funding([(T, 0.01)], USER_COIN)
    return [float(x) for x in amounts(run(data, Script(hold(1)), account(user_coin())), "funding")] == [-1.1]


def funding_before_settlement():
    """What is held up to its settlement still pays the rate of that instant."""
    data = base() + funding([(T, 0.01)], USER_COIN) + settlement(T, 103)
    result = run(data, Script(hold(1)), account(user_coin()))
    return [float(x) for x in amounts(result, "funding")] == [-1.0] and len(amounts(result, "settlement")) == 1


def mark_before_settlement():
    """The settlement price is the last word about a contract's mark."""
    data = base() + marks([(T, 90)], USER_COIN) + settlement(T, 103)
    result = run(data, Script(hold(1)), account(user_coin()))
    return [float(x) for x in amounts(result, "settlement")] == [3.0]


def settlement_before_trade():
    """An order that waits is cancelled by the settlement and is not filled by a trade of that instant."""
    data = base() + trades([(T, 95, 9)], USER_COIN) + settlement(T, 103)
    resting = (T - 40 * MINUTE, lambda s: s.buy(USER_COIN, quantity=1, limit=99))
    return reasons(run(data, Script(resting), account(user_coin()))) == ["canceled BY_VENUE"]


def funding_before_trade():
    """A trade of the instant opens a position that does not pay."""
    data = base() + trades([(T, 100, 9)], USER_COIN) + funding([(T, 0.01)], USER_COIN)
    script = Script((T - 30 * SECOND, lambda s: s.buy(USER_COIN, quantity=1)))
    result = run(data, script, account(user_coin()))
    return len(result.fills) == 1 and amounts(result, "funding") == []


def mark_before_trade():
    """A stop that the mark of the instant triggers is filled by a trade of the instant."""
    data = base() + marks([(T, 94)], USER_COIN) + trades([(T, 93, 9)], USER_COIN)
    steps = [hold(1), (T - 30 * MINUTE, lambda s: s.protect(USER_COIN, stop=95))]
    return run(data, Script(*steps), account(user_coin())).fills["price"].tolist() == [100.0, 93.0]


def trade_before_arrival():
    """An order that arrives with a trade waits for the next one."""
    later = trades([(T, 100, 9), (T + MINUTE, 101, 9)], USER_COIN)
    script = Script((T - 10 * SECOND, lambda s: s.buy(USER_COIN, quantity=1)))
    owner = account(user_coin(), latency=("10s", "0s", "0s"))
    result = run(base() + later, script, owner)
    return result.fills["price"].tolist() == [101.0]


def bar_before_arrival():
    """The last part of a bar is met before an order that arrives with it."""
    rows = [(T - HOUR, 100, 100, 100, 100), (T, 100, 106, 100, 103), (T + HOUR, 107, 107, 107, 107)]
    close = T + HOUR - 1
    steps = [(close, lambda s: s.buy(USER_COIN, quantity=1))]
    result = run(bars(rows, USER_COIN), Script(*steps), account(user_coin()), mark="last")
    return result.fills["price"].tolist() == [107.0]


def arrival_before_transfer():
    """Money that comes in at the instant does not yet back an order that arrives at it."""
    data = base(until=T + 2 * MINUTE)
    owners = [account(user_coin(), {"USDT": 1}, leverage=10), account(user_coin(), {"USDT": 1_000}, account="b")]
    steps = [
        (T - 20 * SECOND, lambda s: s.transfer("USDT", 500, source=f"{USDM}/b", target=USDM)),
        (T - 20 * SECOND, lambda s: s.buy(f"{USER_COIN}@{USDM}/main", quantity=10)),
        (T + SECOND, lambda s: s.buy(f"{USER_COIN}@{USDM}/main", quantity=10)),
    ]
    owners = [
        venues.Venue(
            o.rules,
            account=o.account,
            balances=o.balances,
            leverage=o.leverage,
            fees=(0, 0),
            slippage=0,
            latency=("20s", "0s", "0s"),
        )
        for o in owners
    ]
    result = run(data, Script(*steps), *owners)
    # Within a venue money moves at once: it leaves when its request arrives, and comes in after all other arrivals.
    return reasons(result) == ["rejected INSUFFICIENT_MARGIN", "filled"]


EXPERIMENTS = {
    ("rule change", "mark"): rule_before_mark,
    ("index", "funding"): index_before_funding,
    ("mark", "funding"): mark_before_funding,
    ("mark", "settlement"): mark_before_settlement,
    ("funding", "settlement"): funding_before_settlement,
    ("settlement", "trade"): settlement_before_trade,
    ("funding", "trade"): funding_before_trade,
    ("mark", "trade"): mark_before_trade,
    ("trade", "arrival of an order or request"): trade_before_arrival,
    ("part of a bar", "arrival of an order or request"): bar_before_arrival,
    ("arrival of an order or request", "arrival of a transfer"): arrival_before_transfer,
}


@pytest.mark.parametrize("pair", EXPERIMENTS, ids=" before ".join)
def test_the_venues_clock_follows_the_written_order(pair):
    order = ORDER["venue_clock"]
    assert order.index(pair[0]) < order.index(pair[1])
    assert EXPERIMENTS[pair]()


def test_margin_is_judged_when_all_prices_of_an_instant_are_in():
    """A collateral that falls together with the short it backs is not looked at between the two prices."""
    before, at = T - HOUR, T
    # 0.1 BTC of collateral, 0.1 BTC short at 60,000: a fall of 60 % takes 3,600 from the one and gives it to the other.
    data = (
        points("index", [(before, 60_000), (at, 24_000), (at + MINUTE, 24_000)], "BTC/USD")
        + points("index", [(before, 1), (at + MINUTE, 1)], "USDT/USD")
        + marks([(before, 60_000), (at, 24_000), (at + MINUTE, 24_000)])
        + trades([(before, 60_000, 1), (before + MINUTE, 60_000, 1), (at + MINUTE, 24_000, 1)])
    )
    owner = account(balances={"BTC": 0.1, "USDT": 1}, collateral="multi", leverage=20)
    script = Script((before + SECOND, lambda s: s.sell(LINEAR, quantity=0.5)))
    result = run(data, script, owner, reporting="USD", on_gap="warn")
    assert len(result.fills) == 1
    assert result.liquidations.empty
