"""Bad input: each message says what was given, what is allowed, where, and what would accept it; nothing is written."""

import math
import textwrap
from dataclasses import replace

import feed_rows
import numpy as np
import pyarrow.parquet as pq
import pytest
from engine_data import (
    CASH,
    LINEAR,
    MINUTE,
    SPOT,
    USDM,
    Notes,
    Script,
    account,
    constant,
    frame,
    funding,
    marks,
    ns,
    reasons,
    run,
    trades,
)

import feeds
import venues
from backtest import Backtest, Strategy
from backtest.cli import main
from feeds.catalog import Catalog
from feeds.errors import LevdynError
from feeds.tables import build

DATA = constant(50_000, start="00:00", end="02:00")


class Hold(Strategy):
    """Has one parameter."""

    leverage: float = 2.0

    def on_start(self):
        """Ask once an hour."""
        self.every("1h")

    def on_timer(self, timer):
        """Hold."""
        self.target(LINEAR, leverage=self.leverage)


def with_hook(name):
    """Return a strategy with one more hook."""
    return type("Watcher", (Strategy,), {name: lambda self, event: None})()


def at_once(action, **options):
    """Return a call that runs an action of a strategy on BTC at 50,000."""
    return lambda: run(DATA, Script(("00:10", action)), account(**options))


def rows_of(values, kind="trades"):
    """Return a call that takes a frame of prices a minute apart."""
    made = frame([(ns("00:00") + i * MINUTE, value, 1, 1) for i, value in enumerate(values)], "price quantity side")
    return lambda: feeds.from_pandas(made, kind=kind, venue=USDM, symbol=LINEAR)


def unsorted():
    """Return a frame whose third row is early."""
    made = frame([("00:00", 1, 1, 1), ("00:02", 1, 1, 1), ("00:01", 1, 1, 1)], "price quantity side")
    return feeds.from_pandas(made, kind="trades", venue=USDM, symbol=LINEAR)


def gap_in_mark():
    """Run over an hour without marks with a position open."""
    prices = [(ns("00:00") + i * MINUTE, 50_000) for i in [*range(10), *range(70, 80)]]
    tape = trades([(ns("00:00") + i * MINUTE, 50_000, 1) for i in range(80)])
    return run(marks(prices) + tape, Script(("00:02", lambda s: s.buy(LINEAR, quantity=0.01))))


def ambiguous():
    """Run with one name at two venues and ask for it without saying which."""
    usdm = venues.get(USDM)
    other = replace(usdm, facts=replace(usdm.facts, name="bybit"))
    both = DATA + constant(50_000, start="00:00", end="02:00", venue="bybit")
    return run(both, Script(("00:10", lambda s: s.buy(LINEAR, quantity=1))), account(), account(other))


def two_accounts(action):
    """Return a call that runs an action with two accounts of one venue."""
    return lambda: run(DATA, Script(("00:10", action)), account(account="a"), account(account="b"))


CASES = {
    "misspelt parameter of a strategy": (
        lambda: Hold(levrage=3),
        ["Hold has no parameter 'levrage'", "did you mean 'leverage'?", "It has: leverage"],
    ),
    "misspelt parameter of a run": (
        lambda: Backtest(DATA, Hold(), venues=account()).run(levrage=3),
        ["'levrage'", "did you mean 'leverage'?"],
    ),
    "misspelt argument of a backtest": (
        lambda: Backtest(DATA, Hold(), venues=account(), marks="last"),
        ["Backtest has no argument 'marks'", "did you mean 'mark'?", "bar_path"],
    ),
    "misspelt argument of an account": (
        lambda: venues.Venue(USDM, balance={"USDT": 1}),
        ["Venue has no argument 'balance'", "did you mean 'balances'?"],
    ),
    "misspelt venue": (lambda: venues.get("binance_usdn"), ["'binance_usdn'", "did you mean 'binance_usdm'?"]),
    "unknown symbol": (
        at_once(lambda s: s.buy("BTC/USDT:USDC", quantity=1)),
        ["'BTC/USDT:USDC' is not in the run", "did you mean 'BTC/USDT:USDT", "It has: BTC/USDT:USDT@binance_usdm"],
    ),
    "ambiguous symbol": (
        ambiguous,
        ["'BTC/USDT:USDT' fits more than one", "@binance_usdm", "@bybit", "write SYMBOL@venue"],
    ),
    "ambiguous account": (
        two_accounts(lambda s: s.buy(LINEAR, quantity=0.01)),
        ["several accounts at binance_usdm", "binance_usdm/a, binance_usdm/b", "write SYMBOL@venue/account"],
    ),
    "an account given twice": (
        lambda: run(DATA, Hold(), account(), account()),
        ["'binance_usdm' is given twice", "account='...'"],
    ),
    "data of a venue without an account": (
        lambda: run(DATA + constant(1, start="00:00", end="00:10", symbol=SPOT, venue=CASH), Hold()),
        ["BTC/USDT@binance_spot", "venues= has no binance_spot", "venues.Venue('binance_spot', balances=...)"],
    ),
    "missing tiers": (
        lambda: run(constant(1, start="00:00", end="00:10", symbol="DOGE/USDT:USDT"), Script()),
        [
            "DOGE/USDT:USDT@binance_usdm has no tier table",
            "missing_tiers='nearest'",
            "missing_tiers=[venues.Tier(...)]",
        ],
    ),
    "missing marks": (
        lambda: run(trades([("00:00", 50_000, 1), ("00:10", 50_000, 1)]), Script()),
        ["BTC/USDT:USDT@binance_usdm", "mark='feed' needs mark rows", "the data have trades", "mark='last' accepts"],
    ),
    "gap in mark with an open position": (
        gap_in_mark,
        [
            "BTC/USDT:USDT@binance_usdm: at 2025-01-01",
            "latest mark is of 2025-01-01 00:09",
            "on_gap='warn'",
            "on_gap='skip'",
        ],
    ),
    "missing funding row": (
        lambda: run(DATA + funding([("00:00", 0.0001), ("01:00", 0.0001)], hours=0.25), Script()),
        [
            "BTC/USDT:USDT@binance_usdm: no funding row between 2025-01-01T00:00:00Z and 2025-01-01T01:00:00Z",
            "on_gap='warn'",
        ],
    ),
    "price that is no number": (
        rows_of([1.0, math.nan, 1.0]),
        ["price of row 1 (2025-01-01T00:01:00Z) is nan", "a finite number is required", "dropna"],
    ),
    "negative price": (rows_of([1.0, 1.0, -2.0]), ["row 2 (2025-01-01T00:02:00Z)", "not above 0", "price -2"]),
    "unsorted rows": (unsorted, ["row 2 (2025-01-01T00:01:00Z) is earlier than row 1", "frame.sort_index()"]),
    "balance in an unknown asset": (
        lambda: run(DATA, Hold(), account(balances={"USDT": 1, "DOGE": 5})),
        ["Venue('binance_usdm')", "balance in 'DOGE'", "(USDT)"],
    ),
    "no money": (
        lambda: run(DATA, Hold(), account(balances={"USDT": 0})),
        ["every balance is zero", "balances={'USDT': 10_000}"],
    ),
    "leverage above the tier's maximum": (
        lambda: run(DATA, Hold(), account(leverage=126)),
        ["leverage 126 of BTC/USDT:USDT exceeds the 125", "first tier"],
    ),
    "leverage below one": (lambda: account(leverage=0.5), ["leverage", "0.5", "1"]),
    "hedge mode without a side": (
        at_once(lambda s: s.buy(LINEAR, quantity=0.01), position_mode="hedge"),
        ["account binance_usdm is in hedge mode", "position='long' or 'short'"],
    ),
    "a side in one-way mode": (
        at_once(lambda s: s.buy(LINEAR, quantity=0.01, position="long")),
        ["one-way mode", "'long'", "position_mode='hedge'"],
    ),
    "dead hook": (
        lambda: run(DATA, with_hook("on_open_interest")),
        [
            "Watcher.on_open_interest would never be called",
            "no open_interest rows (they have mark, trades)",
            "take the hook out",
        ],
    ),
    "hook of a book that is not there": (
        lambda: run(DATA, with_hook("on_book")),
        ["Watcher.on_book", "would never be called", "the data have no book rows"],
    ),
    "misspelt hook": (
        lambda: run(DATA, with_hook("on_trades")),
        ["Watcher.on_trades is no hook", "did you mean on_trade?"],
    ),
    "start after end": (
        lambda: run(DATA, Hold(), start="2025-01-01T01:00", end="2025-01-01T00:30"),
        ["start 2025-01-01T01:00:00Z is not before end 2025-01-01T00:30:00Z", "the data go from 2025-01-01T00:00:00Z"],
    ),
    "start after the data": (
        lambda: run(DATA, Hold(), start="2026-01-01", end="2026-02-01"),
        ["no data between 2026-01-01T00:00:00Z and 2026-02-01T00:00:00Z", "they go from 2025-01-01T00:00:00Z"],
    ),
    "a class in place of an instance": (lambda: run(DATA, Hold), ["write Hold()"]),
    "something else in place of a strategy": (lambda: run(DATA, "Hold"), ["backtest.Strategy", "got str"]),
    "a frame in place of data": (
        lambda: run(frame([("00:00", 1)], "price"), Hold()),
        ["feeds.Dataset", "got DataFrame", "feeds.from_pandas"],
    ),
    "two sizes": (
        at_once(lambda s: s.buy(LINEAR, quantity=1, notional=5)),
        ["exactly one size is needed", "got quantity, notional"],
    ),
    "a size that is no number": (
        at_once(lambda s: s.buy(LINEAR, quantity=math.nan)),
        ["quantity must be a positive number, got nan"],
    ),
    "a negative size of a buy": (
        at_once(lambda s: s.buy(LINEAR, notional=-5)),
        ["notional must be a positive number, got -5"],
    ),
    "a price of zero": (
        at_once(lambda s: s.buy(LINEAR, quantity=1, limit=0)),
        ["limit must be a positive price, got 0"],
    ),
    "a submitted price of zero": (
        at_once(lambda s: s.submit(LINEAR, side="buy", quantity=1, limit=0)),
        ["limit must be a positive number, got 0"],
    ),
    "a transfer to nowhere": (
        at_once(lambda s: s.transfer("USDT", 5, source="binance_usdm", target="binance_coin")),
        ["account 'binance_coin' is unknown", "the run has binance_usdm"],
    ),
    "an unknown asset": (
        at_once(lambda s: s.withdraw("binance_usdm", "EUR", 5)),
        ["asset 'EUR' is unknown", "the run has"],
    ),
    "a price for an unknown asset": (
        lambda: run(DATA, Hold(), prices={"EUR": 1.1}),
        ["prices= names 'EUR'", "no asset of the run"],
    ),
    "an unpriced asset": (
        lambda: run(
            constant(50_000, start="00:00", end="01:00"),
            Hold(),
            account(balances={"USDT": 1, "BNB": 1}, collateral="multi"),
        ),
        ["BNB", "no price", "index rows of BNB/USD", "prices="],
    ),
    "warmup that is no duration": (
        lambda: run(DATA, Hold(), warmup="soon"),
        ["a duration is a number and a unit", "got 'soon'"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_message_says_what_was_given_what_is_allowed_and_what_would_accept_it(name):
    call, words = CASES[name]
    with pytest.raises(LevdynError) as error:
        call()
    for word in words:
        assert word in str(error.value)
    assert isinstance(error.value, ValueError)


def test_an_off_lot_size_is_refused_by_the_venue_with_its_reason():
    notes = Notes()
    result = run(DATA, Script(("00:10", lambda s: s.submit(LINEAR, side="buy", quantity="0.0015")), notes=notes))
    assert reasons(result) == ["rejected OFF_LOT"]
    assert result.orders["requested_quantity"].tolist() == [0.0015]


def test_a_leverage_asked_for_during_the_run_above_the_tier_is_refused_and_reported():
    result = run(DATA, Script(("00:10", lambda s: s.set_leverage(LINEAR, 126))))
    (warning,) = result.warnings
    assert warning.startswith("2025-01-01T00:10:00Z: set_leverage('BTC/USDT:USDT', 126) at binance_usdm refused")
    assert warning.endswith("LEVERAGE_ABOVE_TIER")


# ---------------------------------------------------------------------------------------------------------------------
# The same at the command: exit code 2, the reason on standard error, nothing written

STRATEGY = """
from backtest import Strategy


class Hold(Strategy):
    leverage: float = 2.0

    def on_start(self):
        self.every("1h")

    def on_timer(self, timer):
        self.target("BTC/USDT:USDT", leverage=self.leverage)


class Unknown(Hold):
    def on_timer(self, timer):
        self.target("BTC/USDT:USDC", leverage=1)


class Sideless(Hold):
    def on_timer(self, timer):
        self.buy("BTC/USDT:USDT", quantity=0.001)


class Dead(Hold):
    def on_liquidation(self, event):
        pass
"""
CONFIG = """
[data]
catalog = "catalog"
symbols = ["BTC/USDT:USDT@binance_usdm"]

[strategy]
class = "strategy.py:Hold"

[venue]
name = "binance_usdm"
balances = { USDT = 10_000 }

[report]
out = "result"
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with a catalog of two days, a strategy and a configuration that runs."""
    start = feed_rows.START + 366 * feed_rows.DAY
    catalog = Catalog(tmp_path / "catalog")
    minutes = start + np.arange(48 * 60) * MINUTE
    prices = [50_000 + i % 7 for i in range(minutes.size)]
    for symbol in ("BTC/USDT:USDT", "DOGE/USDT:USDT"):
        catalog.write(USDM, symbol, "mark", build("mark", {"ts": minutes, "price": prices}))
        catalog.write(USDM, symbol, "trades", feed_rows.trades(minutes.size, start=start, step=MINUTE, price=50_000))
        catalog.write(USDM, symbol, "funding", feed_rows.funding(6, start=start))
    (tmp_path / "strategy.py").write_text(STRATEGY)
    (tmp_path / "run.toml").write_text(textwrap.dedent(CONFIG))
    return tmp_path


def files(folder):
    """Return what is in a folder, with its content."""
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def truncate(folder):
    """Cut a Parquet file in the middle."""
    path = next((folder / "catalog").rglob("*trades*/**/*.parquet"), None) or next(
        path for path in (folder / "catalog").rglob("*.parquet") if "trades" in path.as_posix()
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def drop_funding(folder):
    """Leave a hole in the funding rows."""
    catalog = Catalog(folder / "catalog")
    table = feed_rows.funding(6, start=feed_rows.START + 366 * feed_rows.DAY)
    catalog.write(USDM, "BTC/USDT:USDT", "funding", table.filter([i != 2 for i in range(6)]), replace=True)


COMMANDS = {
    "misspelt key": (["venue.leverag=5"], None, ["leverag", "did you mean"]),
    "misspelt parameter": (["strategy.parameters.levrage=5"], None, ["levrage", "did you mean"]),
    "unknown symbol in the data": (["data.symbols=['BTC/USDT:USDC@binance_usdm']"], None, ["BTC/USDT:USDC"]),
    "unknown symbol in a strategy": (["strategy.class=strategy.py:Unknown"], None, ["BTC/USDT:USDC", "did you mean"]),
    "missing tiers": (["data.symbols=['DOGE/USDT:USDT@binance_usdm']"], None, ["DOGE", "missing_tiers"]),
    "truncated Parquet": ([], truncate, [".parquet"]),
    "missing funding row": ([], drop_funding, ["no funding row between", "on_gap='warn'"]),
    "balance in an unknown asset": (["venue.balances={USDT=1, DOGE=5}"], None, ["'DOGE'"]),
    "leverage above the tier": (["venue.leverage=200"], None, ["leverage 200", "125"]),
    "hedge mode without a side": (
        ["venue.position_mode=hedge", "strategy.class=strategy.py:Sideless"], None, ["hedge mode", "position='long'"]
    ),
    "dead hook": (["strategy.class=strategy.py:Dead"], None, ["on_liquidation would never be called", "on_liquidated"]),
    "start after end": (["run.start='2025-01-02'", "run.end='2025-01-01'"], None, ["is not before end"]),
    "unknown word": (["run.bar_path=wurst"], None, ["bar_path", "worst"]),
    "no such file": (["strategy.class=strateg.py:Hold"], None, ["no such file", "strategy.py"]),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_ends_with_two_says_why_and_writes_nothing(name, folder, capsys):
    settings, spoil, words = COMMANDS[name]
    if spoil is not None:
        spoil(folder)
    before = files(folder)
    arguments = [part for text in settings for part in ("--set", text)]
    assert main(["run", str(folder / "run.toml"), *arguments]) == 2
    said = " ".join(capsys.readouterr().err.split())
    for word in words:
        assert word in said
    assert files(folder) == before


def test_the_configuration_of_these_tests_runs(folder, capsys):
    assert main(["run", str(folder / "run.toml")]) == 0
    assert (folder / "result" / "meta.json").is_file()
    capsys.readouterr()


def test_a_stored_file_that_another_program_has_put_out_of_order_is_refused_by_name(tmp_path):
    minutes = feed_rows.START + np.arange(5) * MINUTE
    catalog = Catalog(tmp_path)
    catalog.write(USDM, LINEAR, "mark", build("mark", {"ts": minutes, "price": [50_000] * 5}))
    catalog.write(USDM, LINEAR, "trades", feed_rows.trades(5, start=feed_rows.START, step=MINUTE, price=50_000))
    (path,) = [path for path in tmp_path.rglob("*.parquet") if "mark" in path.as_posix()]
    table = pq.read_table(path, partitioning=None)
    pq.write_table(table.take([0, 1, 3, 2, 4]), path)
    data = Catalog(tmp_path).dataset(USDM, LINEAR, start=int(minutes[0]), end=int(minutes[-1]) + 1)
    with pytest.raises(LevdynError) as error:
        run(data, Script())
    assert str(path) in str(error.value)
    assert "the file has changed" in str(error.value)
