"""Who holds how much, and how close they are: whale and margin statistics of accounts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from backtest.errors import ConfigError
from backtest.lab.given import column


@dataclass(frozen=True, slots=True)
class Concentration:
    """Who holds how much, and how close they are.

    Attributes
    ----------
    top_share : float
        Part of notional held by the ten largest accounts.
    herfindahl : float
        Sum of squared shares of notional.
    utilisation : dict of float to float
        Quantile -> maintenance / equity, weighted by notional.
    foreign_collateral : float
        Part of notional whose collateral is not the quote currency.
    within : dict of float to float
        Distance -> part of notional that is that close to liquidation (3 %: the published Compound anchor).
    """

    top_share: float
    herfindahl: float
    utilisation: dict[float, float]
    foreign_collateral: float
    within: dict[float, float]


def concentration(
    notional: ArrayLike,
    *,
    distance: ArrayLike,
    utilisation: ArrayLike,
    is_foreign: ArrayLike = False,
    quantiles: Sequence[float] = (0.5, 0.9, 0.99),
    distances: Sequence[float] = (0.01, 0.03, 0.05, 0.10),
) -> Concentration:
    """Return the concentration of accounts; arrays of one row each.

    Parameters
    ----------
    notional : array_like
        Quote, above 0.
    distance : array_like
        |mark - liquidation price| / mark; infinite without one.
    utilisation : array_like
        Maintenance / equity, at least 0; infinite without equity.
    is_foreign : array_like of bool
        Collateral is not the quote currency.
    """
    held = column(notional, "notional", above=0.0)
    if not len(held):
        raise ConfigError("notional must hold at least one account")
    far = np.asarray(distance, dtype=np.float64)
    used = np.asarray(utilisation, dtype=np.float64)
    if used.shape != held.shape or not np.all(used >= 0.0):
        raise ConfigError(f"utilisation must be at least 0, of shape {held.shape}, got shape {used.shape}")
    foreign = np.broadcast_to(np.asarray(is_foreign, dtype=bool), held.shape)
    shares = held / held.sum()
    order = np.argsort(used, kind="stable")
    below = np.cumsum(shares[order])
    rows = np.minimum(np.searchsorted(below, np.asarray(quantiles) * (1.0 - 1e-12)), len(held) - 1)
    return Concentration(
        top_share=float(np.sort(shares)[-10:].sum()),
        herfindahl=float((shares**2).sum()),
        utilisation=dict(zip(quantiles, used[order][rows].tolist(), strict=True)),
        foreign_collateral=float(shares[foreign].sum()),
        within={d: float(shares[far <= d].sum()) for d in distances},
    )
