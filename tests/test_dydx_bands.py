"""Decisions of dYdX with price bands are those of looking at all after every event, several markets open."""

import pytest
from engine_data import account
from test_bands import Examiner, journal
from test_dydx_runs import COIN, DYDX, OTHER, coin, walk
from venue_storms import Drawn

from backtest import Backtest

THIRD = "Z/USDC:USDC"
MARKETS = (COIN, OTHER, THIRD)


class Gambler(Drawn):
    """Turns to random leverages in three markets, and keeps most of them; sometimes an order rests far away."""

    period = "7m"

    def on_timer(self, timer):
        symbol = self.random.choice(MARKETS)
        act = self.random.random()
        if act < 0.75:
            self.target(symbol, leverage=self.random.uniform(-16, 16))
        elif act < 0.9:
            self.close(symbol)
        else:
            self.buy(symbol, quantity=1, limit=round(80 + 10 * self.random.random(), 3))


def owner(**options):
    rules = coin(THIRD, rules=coin(OTHER, rules=coin()))
    return account(rules, {"USDC": 2_000}, leverage=20, fees=(0, 0.0005), slippage=2, **options)


def decided(seed, **options):
    """Return the tables of a run in which bands decided as full looks do."""
    data = walk(seed, COIN) + walk(seed, OTHER) + walk(seed, THIRD)
    found = []
    for looks in (False, True):
        examiner = Examiner(looks)
        test = Backtest(data, [Gambler(seed), examiner], venues=[owner(**options)], on_ruin="continue", seed=seed)
        found.append(journal(test, examiner))
        assert (examiner.asked > 3_000) == looks
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize("seed", [3, 8])
def test_looking_at_every_subaccount_after_every_event_changes_no_byte(seed):
    assert decided(seed)["liquidations"]


@pytest.mark.slow
@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("seed", [5, 6, 7, 18, 26, 28])
def test_looking_at_every_subaccount_after_every_event_changes_no_byte_of_more(seed, limited):
    assert decided(seed, insurance_fund={"USDC": 50} if limited else None)["liquidations"]


def test_several_markets_are_open_in_those_runs():
    data = walk(8, COIN) + walk(8, OTHER) + walk(8, THIRD)
    result = Backtest(data, Gambler(8), venues=[owner()], on_ruin="continue", seed=8).run()
    held = result.exposure[result.exposure["quantity"] != 0].groupby("time")["symbol"].nunique()
    assert held.max() == 3
    assert (held > 1).mean() > 0.5
    assert DYDX in set(result.margin["account"])
