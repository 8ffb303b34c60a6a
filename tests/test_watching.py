"""A run that is watched: what it says of itself meanwhile, and what Ctrl-C leaves of it."""

import os
import signal
import subprocess
import sys
import threading

import pytest

import feeds
import venues
from backtest import Backtest, Result, Strategy
from backtest.commands.watching import stopped_by_ctrl_c, teller

STRATEGY = """
import os, signal
from backtest import Strategy

class Pressed(Strategy):
    times: int = 1
    at: int = 5_000

    def on_start(self):
        self._seen = 0
        self.once("1m")

    def on_timer(self, timer):
        self.target("BTC/USDT:USDT", leverage=2)

    def on_trade(self, trade):
        self._seen += 1
        if self._seen == self.at:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)
"""
CONFIG = """
[data]
sample = { days = 2, trades_per_day = 20_000, symbols = ["BTC/USDT:USDT"] }
[strategy]
class = "pressed.py:Pressed"
[venue]
name = "binance_usdm"
balances = { USDT = 10_000 }
"""


class Buyer(Strategy):
    def on_start(self):
        self.once("1m")

    def on_timer(self, timer):
        self.target("BTC/USDT:USDT", leverage=2)


class Stopper(Buyer):
    at: int = 5_000

    def on_start(self):
        super().on_start()
        self._seen = 0

    def on_trade(self, trade):
        self._seen += 1
        if self._seen == self.at:
            self._backtest.stop()


def sample():
    return feeds.sample(days=2, trades_per_day=20_000, symbols=["BTC/USDT:USDT"])


def account():
    return venues.Venue("binance_usdm", balances={"USDT": 10_000})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pressed.py").write_text(STRATEGY)
    (tmp_path / "run.toml").write_text(CONFIG)
    return tmp_path


def test_ctrl_c_leaves_a_whole_result_up_to_there_and_says_so(folder, levdyn):
    (folder / "run.toml").write_text(CONFIG)
    before = signal.getsignal(signal.SIGINT)
    done = levdyn("run", folder / "run.toml", "--out", folder / "out", "--json")
    assert done.code == 1, done.err
    stopped = [text for text in done.json["findings"] if text.startswith("stopped at 2024-11-01T")]
    assert len(stopped) == 1
    saved = Result.load(folder / "out")
    end = saved.meta["end_ns"]
    assert "% of the time asked for" in stopped[0]
    assert len(saved.fills) > 0
    whole = Backtest(sample(), Buyer(), venues=account(), end=end + 1).run()
    posted = ["time", "account", "contra", "asset", "kind", "amount"]
    assert saved.ledger[posted].equals(whole.ledger[posted])
    assert saved.summary["end_equity"] == whole.summary["end_equity"]
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_twice_ends_it_at_once_and_writes_nothing(folder):
    (folder / "run.toml").write_text(CONFIG.replace('Pressed"', 'Pressed"\nparameters = { times = 2 }'))
    # a process in the background has been told to ignore it
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    call = [sys.executable, "-c", f"{heeding}; import sys; from backtest.cli import main; sys.exit(main())"]
    done = subprocess.run([*call, "run", "run.toml", "--out", "out"], capture_output=True, text=True, check=False)
    assert done.returncode == 130, done.stderr
    assert done.stderr.strip() == "interrupted"
    assert not (folder / "out").exists()


def test_a_run_can_be_stopped_by_the_program_that_started_it():
    strategy = Stopper()
    backtest = Backtest(sample(), strategy, venues=account())
    Stopper._backtest = backtest
    result = backtest.run()
    assert result.meta["end_ns"] < backtest.settings.end
    assert [text.partition(" at ")[0] for text in result.findings] == ["stopped"]
    again = Backtest(sample(), Stopper(at=10**9), venues=account())
    Stopper._backtest = again
    assert again.run().findings == []
    again.stop()  # without a run nothing happens
    assert again.progress().share == 0.0


def test_a_run_says_how_far_it_is_and_what_the_account_is_worth():
    class Looker(Buyer):
        def on_start(self):
            super().on_start()
            self.every("6h")

        def on_timer(self, timer):
            super().on_timer(timer)
            told.append((backtest.progress(), say(), self.equity))

    told = []
    backtest = Backtest(sample(), Looker(), venues=account())
    say = teller(backtest)
    assert say() == (0.0, "")
    result = backtest.run()
    shares = [seen.share for seen, _, _ in told]
    assert shares == sorted(shares)
    assert shares[0] < 0.01
    assert shares[-1] > 0.8
    last, (share, words), equity = told[-1]
    assert share == last.share
    assert last.events > 30_000
    assert last.equity == pytest.approx(equity, rel=0.01)
    assert last.ratio == pytest.approx(result.margin["ratio"].iloc[-1], rel=0.5)
    assert words.startswith("2024-11-02T")
    assert "events/s  equity" in words
    assert "margin ratio" in words


def test_outside_the_main_thread_signals_stay_as_they_are():
    seen = []

    def inside():
        with stopped_by_ctrl_c(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [before]
    with stopped_by_ctrl_c(lambda: seen.append("stopped")):
        os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is before
    assert seen[-1] == "stopped"
