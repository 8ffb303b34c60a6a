"""Capacity: what the market did not fill of orders that take."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_BY_THE_MARKET = ("VOLUME_EXHAUSTED", "NOT_FILLABLE")
_RESTING = ("limit", "stop_limit", "take_limit")


def leftovers(orders: "pd.DataFrame", fills: "pd.DataFrame") -> "pd.DataFrame":
    """Return the orders that take and were not filled whole, with what is `left`.

    Parameters
    ----------
    orders : DataFrame
        Of a result: one row per order in its final state.
    fills : DataFrame
        Of the same: an order that still works has no row of its own for each part.
    """
    parts = fills.groupby("order")["quantity"].sum()
    filled = orders["order"].map(parts).fillna(0.0)
    # sums of parts are floats: less than a millionth of a millionth of the order is none
    left = (orders["quantity"] - filled).where(lambda rest: rest > 1e-12 * orders["quantity"], 0.0)
    open_ = orders["status"].isin(["working", "canceled", "expired"])
    # a stop that nothing was filled of may not have been triggered; a market order takes from the moment it arrives
    takes = (orders["type"] == "market") | ((filled > 0) & ~orders["type"].isin(_RESTING))
    found = (left > 0) & open_ & (takes | orders["reason"].isin(_BY_THE_MARKET))
    made = orders[found].reset_index(drop=True)
    made["filled"] = filled[found].to_numpy()
    made.insert(list(made.columns).index("filled") + 1, "left", left[found].to_numpy())
    made.attrs["units"] = {**orders.attrs["units"], "left": orders.attrs["units"]["quantity"]}
    return made
