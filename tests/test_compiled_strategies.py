"""Strategies of a user's own .pyx: hooks that are found, the lock, errors, parameters, and twins of Python ones."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from compiling import compile_in
from engine_data import LINEAR, USDM, account, bars, run

import backtest
import feeds
import venues
from backtest import Backtest, ConfigError, Strategy
from strategies.trend_compiled import EmaCross

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = Path(backtest.__file__).resolve().parent / "templates"
DAY = {"days": 1, "trades_per_day": 5_000}


def wallet(**options):
    return venues.Venue(USDM, balances={"USDT": 50_000}, **options)


def fills_of(result):
    """Return everything that says what was done, in order."""
    columns = ["time", "symbol", "side", "price", "quantity", "fee", "realized_pnl", "is_maker"]
    return result.fills[columns].reset_index(drop=True)


# ---------------------------------------------------------------------------- the compiled example, always built


class EmaCrossInPython(Strategy):
    """The compiled example, hook for hook in Python."""

    symbol: str = LINEAR
    timeframe: str = "1m"
    fast: int = 60
    slow: int = 600
    notional: float = 10_000.0

    def on_start(self):
        self._bars = 0
        self.subscribe_bars(self.symbol, self.timeframe)

    def on_bar(self, bar):
        self._bars += 1
        if self._bars == 1:
            self._fast = self._slow = bar.close
        self._fast += (bar.close - self._fast) * 2.0 / (self.fast + 1)
        self._slow += (bar.close - self._slow) * 2.0 / (self.slow + 1)
        if self._bars <= self.slow:
            return
        held = self.position(self.symbol).quantity + sum(o.side * (o.sent - o.filled) for o in self.orders(self.symbol))
        side = 1 if self._fast > self._slow else -1
        if held * side > 0:
            return
        price = self.mark_or_last()
        change = round(side * self.round_quantity(self.symbol, self.notional / price) - held, 9)
        (self.buy if change > 0 else self.sell)(self.symbol, quantity=abs(change))

    def mark_or_last(self):
        return self._mark

    def on_mark(self, event):
        if event.symbol == self.symbol:
            self._mark = event.price


@pytest.mark.parametrize("latency", [None, "250ms"])
def test_the_compiled_example_trades_as_its_python_twin_does_order_by_order(latency):
    parameters = {"fast": 20, "slow": 120, "notional": 8_000.0}
    data = feeds.sample(days=2)
    one, other = (
        Backtest(data, twin(**parameters), venues=wallet(latency=latency)).run()
        for twin in (EmaCross, EmaCrossInPython)
    )
    assert len(one.fills) > 20
    assert fills_of(one).equals(fills_of(other))
    assert one.summary["end_equity"] == other.summary["end_equity"]


def test_the_compiled_example_takes_bars_of_the_data_as_well():
    rows = [(i * 3600 * 10**9, p, p + 1, p - 1, p) for i, p in enumerate([100 + abs(i % 20 - 10) for i in range(200)])]
    start = 1_735_689_600 * 10**9
    data = bars([(start + t, *prices) for t, *prices in rows])
    result = run(data, EmaCross(timeframe="1h", fast=3, slow=12, notional=1_000), account(), mark="last")
    assert set(result.fills["side"]) == {1, -1}


def test_parameters_of_a_compiled_class_are_overridden_by_run_and_a_second_run_gives_the_same_bytes():
    test = Backtest(feeds.sample(**DAY), EmaCross(slow=300), venues=wallet())
    first, changed, again = test.run(), test.run(slow=60, fast=10), test.run()
    assert len(changed.fills) > len(first.fills)
    assert changed.config["strategies"][0]["parameters"]["slow"] == 60
    assert first.fingerprint == again.fingerprint
    assert fills_of(first).equals(fills_of(again))


@pytest.mark.parametrize(
    ("made", "error", "said"),
    [
        (lambda: EmaCross(fsat=5), ConfigError, "did you mean 'fast'"),
        (lambda: EmaCross(fast=2.5), ConfigError, "EmaCross.fast cannot hold 2.5: its compiled field makes 2 of it"),
        (lambda: EmaCross(symbol=5), TypeError, "str"),
    ],
)
def test_a_wrong_parameter_of_a_compiled_class_is_refused(made, error, said):
    with pytest.raises(error, match=said):
        made()


def test_a_python_heir_changes_the_parameters_of_a_compiled_class_by_its_own_table():
    class Quick(EmaCross):
        PARAMETERS = {"fast": 5}  # noqa: RUF012

    assert Quick().parameter_values() == EmaCross().parameter_values() | {"fast": 5}


def test_an_annotation_that_would_hide_a_compiled_field_is_refused():
    class Hidden(EmaCross):
        fast: int = 5

    with pytest.raises(ConfigError, match=r"Hidden.fast hides the compiled field .* PARAMETERS = \{'fast': 5\}"):
        Hidden()


# ---------------------------------------------------------------------------- compiled here: slow


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Return a function that imports a file compiled in a folder of its own, as a user compiles it."""
    folder = tmp_path_factory.mktemp("compiled")
    sources = [ROOT / "tests" / "compiled" / "probes.pyx", *sorted(TEMPLATES.glob("*.pyx"))]
    yield compile_in(folder, sources)
    for source in sources:
        sys.modules.pop(source.stem, None)


def counts(compiled, data, **parameters):
    """Return what `Every` reports of a run."""
    seen = {}
    Backtest(data, compiled("probes").Every(report=seen.update, **parameters), venues=wallet()).run()
    return seen


@pytest.mark.slow
def test_every_c_hook_is_called_as_often_as_the_data_have_rows(compiled):
    data = feeds.sample(**DAY)
    rows = {}
    for stream in data.streams:
        if not stream.symbol.endswith("/USD"):
            rows[stream.kind] = rows.get(stream.kind, 0) + stream.rows
    seen = counts(compiled, data)
    for hook, kind in (
        ("trade", "trades"), ("mark", "mark"), ("index", "index"), ("funding", "funding"),
        ("liquidation", "liquidations"), ("open_interest", "open_interest"),
    ):  # fmt: skip
        assert (hook, seen[hook]) == (hook, rows[kind])
    assert seen["bar"] in (23, 24)  # the last hour closes where the data end
    assert seen["timer"] in (23, 24)
    assert seen["fill"] == 1
    assert seen["wrong"] == 0


@pytest.mark.slow
def test_a_run_of_c_hooks_alone_calls_them_without_the_lock(compiled):
    assert counts(compiled, feeds.sample(**DAY))["locked"] == 0


def test_two_compiled_runs_in_two_threads_do_not_meet():
    tests = [Backtest(feeds.sample(**DAY), EmaCross(fast=fast, slow=60), venues=wallet()) for fast in (5, 10)]
    alone = [fills_of(test.run()) for test in tests]
    with ThreadPoolExecutor(2) as pool:
        together = [fills_of(result) for result in pool.map(Backtest.run, tests * 3)]
    assert not alone[0].equals(alone[1])
    assert all(found.equals(alone[number % 2]) for number, found in enumerate(together))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "bits"), [("Every", 511), ("Trades", 1), ("Heir", 5), ("Silent", 0), ("Faulty", 1 | 2 | 128 | 256)]
)
def test_overridden_c_hooks_are_found_and_no_others(compiled, name, bits):
    found = []

    class Told(getattr(compiled("probes"), name)):
        def on_stop(self):
            found.append(self.c_hooks)

    told = Told(where="nowhere") if name == "Faulty" else Told()
    Backtest(feeds.sample(**DAY), told, venues=wallet()).run()
    assert found == [bits]


@pytest.mark.slow
@pytest.mark.parametrize("where", ["trade", "bar", "fill", "timer"])
def test_an_error_in_a_c_hook_reaches_the_user_with_the_time(compiled, where):
    faulty = compiled("probes").Faulty(where=where)
    with pytest.raises(ArithmeticError, match=f"fault {where}") as caught:
        Backtest(feeds.sample(**DAY), faulty, venues=wallet()).run()
    assert any("in the run at 2024-11-01T" in note for note in caught.value.__notes__)


@pytest.mark.slow
def test_a_c_hook_that_nothing_in_the_data_can_call_is_refused(compiled):
    rows = [(i, 100, 101, 99, 100) for i in range(10)]
    data = bars([(1_735_689_600 * 10**9 + i * 3600 * 10**9, *prices) for i, *prices in rows])
    with pytest.raises(ConfigError, match=r"Trades.on_trade would never be called: the data have no trades rows"):
        run(data, compiled("probes").Trades(), account(), mark="last")


@pytest.mark.slow
@pytest.mark.parametrize("latency", [None, "3s"])
def test_what_a_compiled_strategy_has_sent_counts_before_it_has_filled(compiled, latency):
    result = Backtest(feeds.sample(**DAY), compiled("probes").Patient(), venues=wallet(latency=latency)).run()
    assert len(result.orders) == 1
    assert result.fills["quantity"].sum() == pytest.approx(5_000 / 60_000, rel=0.02)


@pytest.mark.slow
def test_a_plain_class_of_a_compiled_file_behaves_like_one_of_python(compiled):
    made = compiled("probes").Plain
    assert made.parameters() == {"symbol": LINEAR, "size": 0.01}
    result = Backtest(feeds.sample(**DAY), made(), venues=wallet()).run(size=0.02)
    assert result.fills[["quantity", "tag"]].to_numpy().tolist() == [[0.02, "tenth"]]


@pytest.mark.slow
def test_both_templates_trade_alike_order_by_order(compiled):
    data = feeds.sample(days=2)
    one, other = (
        Backtest(data, compiled(name).Cross(fast=50, slow=500, pause=100), venues=wallet()).run()
        for name in ("plain_class", "cdef_class")
    )
    assert len(one.fills) > 10
    assert fills_of(one).equals(fills_of(other))
