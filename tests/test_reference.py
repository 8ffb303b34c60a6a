"""The engine against the slow model in exact fractions (tests/reference): the same scenario, the same atoms.

The same hand wrote both, so agreement counts only together with the worked cases and real rows of the other files.
Where a comparison of floats may go either way, or no document says which way a half goes, the model notes a doubt; such
a scenario is not compared, and few may be like that.
"""

from collections import Counter
from fractions import Fraction

import both_sides
import pytest
from generators import MARGINED, WORLDS, scenarios, slide, storm
from hypothesis import assume, given
from reference import fills, funding, liquidation, position, tape
from reference.rounding import half_up

DOUBTFUL = 0.1  # share of scenarios that may stay uncompared
MANY = range(1_000, 1_040)
SEEDS = {  # of a storm and of a slide
    "linear": (17, 9),
    "linear basket": (10, 11),
    "two accounts": (3, 7),
    "inverse": (0, 0),
    "inverse curve": (0, 0),
    "spot": (0, 0),
    "carry": (0, 0),
    "two coins of margin": (0, 0),
}
REACHED = {  # what happens in them
    *(("posting", kind) for kind in ("trade_profit", "fee", "funding", "liquidation_fee", "insurance", "adl")),
    *(("posting", kind) for kind in ("settlement", "spot_trade", "transfer", "deposit", "withdrawal", "unfunded_loss")),
    *(("fill", why, "taker") for why in ("own", "liquidation", "takeover", "adl", "settlement")),
    ("fill", "own", "maker"),
    *(("step", "takeover", payer) for payer in ("nobody", "insurance_fund", "unfunded")),
    *(("order", "canceled", why) for why in ("BY_USER", "BY_VENUE", "POSITION_CLOSED")),
    *(("order", "rejected", why) for why in ("INSUFFICIENT_MARGIN", "INSUFFICIENT_BALANCE", "POSITION_LIMIT")),
    *(("order", "rejected", why) for why in ("NOTHING_TO_REDUCE", "WOULD_TAKE", "WOULD_TRIGGER")),
    ("order", "expired", "NOT_FILLABLE"),
    *(("refusal", why) for why in ("INSUFFICIENT_BALANCE", "INSUFFICIENT_MARGIN", "LEVERAGE_ABOVE_TIER")),
    *(("refusal", why) for why in ("NOTHING_TO_REDUCE", "POSITION_LIMIT")),
    *(("transfer", status) for status in ("sent", "arrived", "refused")),
    *(("margin call", mode, active) for mode in ("isolated", "cross") for active in (True, False)),
}


def both(scenario):
    """Run a scenario through both and return the reference run and the differences."""
    trader = both_sides.Trader(scenario)
    made = both_sides.engine(scenario, trader)
    made.loop.run()
    run = both_sides.reference(scenario, made)
    return run, both_sides.differences(both_sides.seen(made, trader), both_sides.told(run))


def agreed(told):
    """Assert that both agree on every (name, scenario) without a doubt; return what happened in them, counted."""
    happened, differing, doubtful, n = Counter(), [], 0, 0
    for name, scenario in told:
        run, found = both(scenario)
        n += 1
        if run.doubts:
            doubtful += 1
            continue
        differing += [(name, line) for line in found]
        happened.update(kinds_of(run))
    assert not differing
    assert doubtful <= max(1, DOUBTFUL * n)
    return happened


def kinds_of(run):
    """Return the kinds of everything that happened in a run of the reference model."""
    out = [("posting", posting.kind) for posting in run.ledger.postings]
    out += [("fill", fill.forced, "maker" if fill.is_maker else "taker") for fill in run.fills]
    out += [("step", step.what, step.paid_by) for step in run.steps]
    out += [("order", order.status, order.reason) for order in run.orders]
    out += [("refusal", reason) for _, reason in run.verbs.refusals]
    out += [("transfer", row[-2]) for row in run.verbs.transfers]
    out += [("margin call", "isolated" if isinstance(call[2], tuple) else "cross", call[3]) for call in run.calls]
    return out


@given(scenarios())
def test_engine_and_reference_agree_to_the_atom(scenario):
    run, found = both(scenario)
    assume(not run.doubts)
    assert not found


def test_engine_and_reference_agree_in_every_world_and_every_rule_is_reached():
    told = [(f"storm {seed} {world}", storm(seed, (world,))) for world, (seed, _) in SEEDS.items()]
    told += [
        (f"slide {seed} {world}", slide(seed, (world,))) for world, (_, seed) in SEEDS.items() if world in MARGINED
    ]
    assert not REACHED - set(agreed(told))


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_engine_and_reference_agree_in_many_storms(world):
    agreed((f"storm {seed}", storm(seed, (world,))) for seed in MANY)


@pytest.mark.slow
@pytest.mark.parametrize("world", MARGINED)
def test_engine_and_reference_agree_in_many_slides(world):
    agreed((f"slide {seed}", slide(seed, (world,))) for seed in MANY)


def nearest(value):
    """Return atoms rounded to the nearest: not what the venue does."""
    return half_up(Fraction(value) * 10**8)


WRONG = {
    "a fee is rounded to the nearest": (fills, "atoms", nearest),
    "funding is rounded to the nearest": (funding, "atoms", nearest),
    "profit is rounded to the nearest": (position, "atoms", nearest),
    "the average entry has twelve digits": (position, "DIGITS", 12),
    "a forced close takes the whole position": (
        liquidation, "least_reduction", lambda pool, leg, price: abs(leg.position.quantity) / leg.contract.lot,
    ),
    "slippage is rounded toward the taker": (tape, "ceiling", lambda x: x.numerator // x.denominator),
}  # fmt: skip


@pytest.mark.parametrize("rule", WRONG)
def test_a_wrong_rule_in_the_reference_is_noticed(rule, monkeypatch):
    """The comparison sees what it should: with one rule changed the two no longer agree."""
    monkeypatch.setattr(*WRONG[rule])
    told = (maker(seed, (world,)) for seed in range(6) for maker in (slide, storm) for world in MARGINED)
    assert any(found for run, found in map(both, told) if not run.doubts)


def test_an_order_that_takes_exactly_what_is_available_is_taken():
    """One coin of an inverse contract at leverage 1: the float sums of three orders left -1e-17 of it, and refused."""
    run, found = both(slide(20, ("inverse",)))
    assert not run.doubts
    assert not found
    assert run.orders[7].status == "filled"
