"""The order in which a venue deleverages positions of one side, for many at once."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from venues.checks import Time
from venues.rule_calls import adl_scores, effective_score

if TYPE_CHECKING:
    from venues.contract import ContractBox
    from venues.rulebook import VenueRules

FIGURES: Final = {
    "price_on_leverage": ("mark", "entry_price", "notional", "account_value"),
}  # of other scores: profit on margin


def queue_order(
    rules: "VenueRules", box: "ContractBox", side: int, figures: Mapping[str, NDArray[np.float64]], *, at: Time
) -> NDArray[np.intp]:
    """Return the rows of positions of one side in the order in which they are closed; ties keep their order.

    Parameters
    ----------
    rules : VenueRules
        Whose ranking holds at `at`.
    side : {1, -1}
    figures : mapping
        unrealized_pnl, collateral, margin_ratio, mark, entry_price, notional, account_value, quantity (signed) and
        bankruptcy_price of each.

    Raises
    ------
    VenueError
        If the venue publishes no ranking.
    """
    if rules.facts.scores_adl:
        rules.need(rules.facts.scores_adl, at, "score for auto-deleveraging")
        rows = zip(
            *(figures[name].tolist() for name in ("quantity", "entry_price", "mark", "bankruptcy_price")), strict=True
        )
        scores = np.array([
            effective_score(box, quantity, entry=entry, mark=mark, bankruptcy=bankruptcy)
            for quantity, entry, mark, bankruptcy in rows
        ])  # fmt: skip
    else:
        rules.need(rules.facts.ranks_adl, at, "ranking for auto-deleveraging")
        score = rules.facts.adl_ranks_by
        names = FIGURES.get(score, ("unrealized_pnl", "collateral", "margin_ratio"))
        count = len(figures["mark"])
        scores = adl_scores(np.full(count, side), {name: figures[name] for name in names}, score=score)
    return np.argsort(-scores, kind="stable")
