"""Decisions with price bands are those of looking at every account after every event: not a byte differs."""

from pathlib import Path

import engine_random
import pytest
from compiling import compile_in

from backtest import Strategy
from backtest.assembly import Assembly
from backtest.outcome import outcome

HERE = Path(__file__).parent


class Examiner(Strategy):
    """Has the margin of every account looked at in full after each event, or only listens."""

    def __init__(self, looks):
        super().__init__()
        self.looks = looks
        self.exchange = None
        self.asked = 0

    def look(self, event):
        """Look."""
        if self.looks:
            self.exchange.examine_all(self.now)
            self.asked += 1

    on_trade = on_mark = on_index = on_funding = look


def journal(test, examiner):
    """Run and return the bytes of all tables."""
    made = Assembly(test.data, test.venues, test.settings)
    made.decide()
    made.build(test.strategies)
    examiner.exchange = made.exchange
    made.loop.run()
    return engine_random.tables(outcome(made, config={}, cash_rate=0.0))


def restless(seed):
    """Return a strategy of many positions at high leverage."""
    return engine_random.Restless(seed=seed, eagerness=0.1)


@pytest.mark.parametrize("seed", [31, 32, 33])
def test_looking_at_every_account_after_every_event_changes_no_byte(seed):
    found = []
    for looks in (False, True):
        examiner = Examiner(looks)
        test = engine_random.prepared(seed, 900, strategies=[restless(seed), examiner])
        found.append(journal(test, examiner))
        assert (examiner.asked > 4_000) == looks
    assert found[0] == found[1]
    assert found[0]["liquidations"]


@pytest.fixture(scope="module")
def without_bands(tmp_path_factory):
    """Return the module with the margin engine that asks at every change."""
    load = compile_in(tmp_path_factory.mktemp("bands"), [HERE / "compiled" / "no_bands.pyx"])
    return load("no_bands")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40, 52))
def test_bands_switched_off_change_no_byte(seed, without_bands, monkeypatch):
    """Bars and quiet stretches of them included: there too a band is what lets them pass."""
    plain = engine_random.tables(engine_random.prepared(seed, 1_200, strategies=[restless(seed)]).run())
    before = without_bands.calls()
    monkeypatch.setattr("venues.engine.MarginEngine", without_bands.NoBands)
    assert engine_random.tables(engine_random.prepared(seed, 1_200, strategies=[restless(seed)]).run()) == plain
    assert without_bands.calls() > before + 1_000
