"""The mark price formulas of the venues behind one call: which figures each of them takes."""

from collections.abc import Mapping
from typing import Final

from venues.dated_rules import DatedRules
from venues.errors import VenueError
from venues.facts import MarkRules
from venues.funding import ema_mark, fair_mark, formula_mark, outside_mark

# figures beside index and basis: those that a formula needs, and those that it may take
_NEEDS: Final = {
    "median": ("contract_price", "last_rate", "hours_left"),
    "fair": ("last_rate", "hours_left"),
    "ema": (),
    "outside_median": ("contract_price",),
    "basis": (),
}
_TAKES: Final = {"outside_median": ("outside", "short_average")}


def formula_price(
    rules: DatedRules,
    mark: MarkRules,
    *,
    index: float,
    basis: float,
    interval_hours: float,
    given: Mapping[str, float],
) -> float:
    """Return the formula mark of a perpetual; `VenueRules.mark_price` says what the figures are.

    Raises
    ------
    VenueError
        If a figure is missing that the formula needs, or one is given that it does not look at.
    """
    needs = _NEEDS[mark.formula]
    idle = [name for name in given if name not in (*needs, *_TAKES.get(mark.formula, ()))]
    missing = [f"{name}=" for name in needs if name not in given]
    if idle:
        raise VenueError(f"the mark of {rules.name} does not depend on {', '.join(idle)}; leave it out")
    if missing:
        raise VenueError(f"the mark of {rules.name} needs {', '.join(missing)}")
    if mark.formula == "basis":
        return index + basis
    if mark.formula == "ema":
        return ema_mark(index=index, average=basis, bound=mark.bound)
    if mark.formula == "fair":
        return fair_mark(index=index, interval_hours=interval_hours, **given)
    for name in ("contract_price", "outside", "short_average"):
        if name in given and not given[name] > 0.0:
            raise VenueError(f"{name} must be above 0, got {given[name]:g}")
    if mark.formula == "outside_median":
        return outside_mark(index=index, basis=basis, **given)
    return formula_mark(index=index, basis=basis, interval_hours=interval_hours, **given)
