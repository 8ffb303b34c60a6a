"""Scenarios through the engine and the slow model, told of only where no doubt is left; what happened in them."""

from collections import Counter

import both_sides

DOUBTFUL = 0.1  # share of scenarios that may stay uncompared


def both(scenario):
    """Run a scenario through both and return the reference run and the differences."""
    trader = both_sides.Trader(scenario)
    made = both_sides.engine(scenario, trader)
    made.loop.run()
    run = both_sides.reference(scenario, made)
    return run, both_sides.differences(both_sides.seen(made, trader), both_sides.told(run))


def agreed(told, doubtful=DOUBTFUL):
    """Assert that both agree on every (name, scenario) without a doubt; return what happened in them, counted."""
    happened, differing, doubts, n = Counter(), [], 0, 0
    for name, scenario in told:
        run, found = both(scenario)
        n += 1
        if run.doubts:
            doubts += 1
            continue
        differing += [(name, line) for line in found]
        happened.update(kinds_of(run))
    assert not differing
    assert doubts <= max(1, doubtful * n)
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
