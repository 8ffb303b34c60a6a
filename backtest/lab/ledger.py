"""Stored positions (kind `positions` of a catalog) as a population: one snapshot, decimals as floats."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from backtest.errors import ConfigError
from backtest.lab.positions import Population, population

if TYPE_CHECKING:
    import pyarrow as pa

_NAMES: Final = {"qty": "quantity"}  # of columns that are called otherwise here
_KEPT: Final = (
    "venue", "account", "symbol", "side", "qty", "entry", "collateral", "collateral_asset", "haircut", "margin_mode",
    "contract", "mmr", "mm_base", "opened_at", "weight",
)  # fmt: skip


def population_of(table: "pa.Table", *, at: int | None = None, is_partial: bool = True) -> Population:
    """Return the population of the latest snapshot of each venue and account at or before a time.

    Parameters
    ----------
    table : pyarrow.Table
        Rows of kind `positions`, as `Catalog.read(venue, symbol, "positions")` returns them.
    at : int, optional
        ns; None: the latest of all.
    is_partial : bool
        Accept that longs and shorts do not match: few ledgers are whole.

    Returns
    -------
    Population

    Raises
    ------
    ConfigError
        If a column is missing or no snapshot is that early.
    """
    missing = [name for name in ("ts", *_KEPT) if name not in table.column_names]
    if missing:
        raise ConfigError(
            f"positions: columns {', '.join(missing)} are missing; it has {', '.join(table.column_names)}"
        )
    rows = table.to_pandas()
    if at is not None:
        rows = rows[rows["ts"] <= at]
    if not len(rows):
        raise ConfigError("positions: no snapshot" + ("" if at is None else f" at or before {at} ns"))
    latest = rows.groupby(["venue", "account"])["ts"].transform("max")
    rows = rows[rows["ts"] == latest]
    made: dict[str, Any] = {}
    for name in _KEPT:
        column = rows[name]
        if name in ("side", "qty", "entry", "collateral", "haircut", "mmr", "weight"):
            made[_NAMES.get(name, name)] = column.astype(float).to_numpy()
        elif name == "opened_at":
            made[name] = column.fillna(0).astype(np.int64).to_numpy()
        else:
            made[name] = column.astype(str).to_numpy()
    return population(made, is_partial=is_partial)
