"""The engine against the slow model in exact fractions (tests/reference): the same scenario, the same atoms.

The same hand wrote both, so agreement counts only together with the worked cases and real rows of the other files.
Where a comparison of floats may go either way, or no document says which way a half goes, the model notes a doubt; such
a scenario is not compared, and few may be like that.
"""

from fractions import Fraction

import pytest
from agreement import agreed, both
from generators import MARGINED, WORLDS, scenarios, slide, storm
from hypothesis import assume, given
from reference import courses, fills, funding, position, tape
from reference.rounding import half_up

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
        courses, "least_reduction", lambda pool, leg, price: abs(leg.position.quantity) / leg.contract.lot,
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
