"""Accounts out of a leverage map: positions whose engine closes them where the map says."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from backtest.errors import ConfigError
from backtest.lab.given import column, number
from backtest.lab.leverage_map import HeatMap, InferredMap
from backtest.lab.positions import Population, population

if TYPE_CHECKING:
    from venues import VenueRules


def accounts_of(
    prices: ArrayLike,
    quantities: ArrayLike,
    *,
    rules: "VenueRules",
    symbol: str,
    reference: float,
    size: float | None = None,
    margin_mode: str = "isolated",
) -> Population:
    """Return positions, opened at the reference price, that a venue's margin engine closes at given prices.

    Parameters
    ----------
    prices : array_like
        Liquidation price of each group, quote.
    quantities : array_like
        Signed, in the instrument's unit: longs above 0, shorts below.
    rules : VenueRules
        Whose engine says what collateral gives that price; a fee to close inside isolated margins is not in it.
    symbol : str
    reference : float
        Price at which all were opened, quote.
    size : float, optional
        Largest position of one account; larger groups are split into equal ones. None: one account a group.
    margin_mode : {"isolated", "cross"}

    Raises
    ------
    ConfigError
        If a price is on the wrong side of the reference price.
    """
    level = column(prices, "prices", above=0.0)
    held = column(quantities, "quantities", len(level))
    entry = number(reference, "reference", above=0.0)
    if np.any(held == 0.0):
        raise ConfigError("quantities must not be 0")
    wrong = np.flatnonzero(np.sign(held) * (entry - level) <= 0.0)
    if len(wrong):
        row = int(wrong[0])
        side = "long" if held[row] > 0 else "short"
        raise ConfigError(f"row {row}: a {side} opened at {entry:g} cannot be closed at {level[row]:g}")
    parts = np.ones(len(held), dtype=np.int64)
    if size is not None:
        parts = np.maximum(1, np.ceil(np.abs(held) / number(size, "size", above=0.0) - 1e-9).astype(np.int64))
    each = held / parts
    found = rules.risk_many(
        symbols=[symbol],
        symbol=np.zeros(len(each), dtype=np.int64),  # type: ignore[arg-type]  # arrays are sequences to the engine
        account=np.arange(len(each)),  # type: ignore[arg-type]
        quantity=each,  # type: ignore[arg-type]
        entry_price=np.full(len(each), entry),  # type: ignore[arg-type]
        mark=level,  # type: ignore[arg-type]
        leverage=np.ones(len(each)),  # type: ignore[arg-type]
        wallet=np.zeros(len(each)),  # type: ignore[arg-type]
    )
    # equity = wallet + profit meets maintenance at that price
    wallet = np.maximum(0.0, found.maintenance_margin - found.unrealized_pnl)
    rows = np.repeat(np.arange(len(each)), parts)
    facts = rules.box(symbol).instrument
    return population(
        {
            "venue": rules.name,
            "symbol": symbol,
            "side": np.sign(each)[rows],
            "quantity": np.abs(each * facts.contract_size)[rows],
            "entry": np.full(len(rows), entry),
            "collateral": wallet[rows],
            "mmr": np.zeros(len(rows)),
            "contract": facts.contract,
            "margin_mode": margin_mode,
        },
        is_partial=True,
    )


def accounts_of_map(
    found: InferredMap | HeatMap,
    *,
    rules: "VenueRules",
    symbol: str,
    reference: float | None = None,
    size: float | None = None,
    margin_mode: str = "isolated",
) -> Population:
    """Return the accounts of a leverage map: of every bin, of a `HeatMap` in the middle of each step of its grid.

    Parameters
    ----------
    found : InferredMap or HeatMap
        Quantities in base units.
    reference : float, optional
        Present price; a `HeatMap` has its own. Bins that it has passed already are left out.
    rules, symbol, size, margin_mode
        As in `accounts_of`; `size` in base units.
    """
    if isinstance(found, HeatMap):
        if reference is not None and reference != found.reference:
            raise ConfigError(f"reference: the map is of {found.reference:g}, got {reference:g}; leave it out")
        at = found.reference
        middle = 0.5 * (found.grid[1:] + found.grid[:-1])
        prices = np.concatenate([at * (1.0 - middle), at * (1.0 + middle)])
        held = np.concatenate([np.diff(found.longs), -np.diff(found.shorts)])
    else:
        if reference is None:
            raise ConfigError("reference is missing: the present price of an InferredMap")
        at = number(reference, "reference", above=0.0)
        (longs, long_size), (shorts, short_size) = found.bins(1), found.bins(-1)
        prices, held = np.concatenate([longs, shorts]), np.concatenate([long_size, -short_size])
    kept = (held != 0.0) & (np.sign(held) * (at - prices) > 0.0) & (prices > 0.0)
    facts = rules.box(symbol).instrument
    unit = (at if facts.contract == "inverse" else 1.0) / facts.contract_size  # of the instrument per base unit
    return accounts_of(
        prices[kept], held[kept] * unit, rules=rules, symbol=symbol, reference=at,
        size=None if size is None else size * unit, margin_mode=margin_mode,
    )  # fmt: skip
