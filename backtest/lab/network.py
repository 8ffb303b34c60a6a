"""Contagion: venues that see each other's prices and share collateral, as a matrix of branching ratios."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from backtest.errors import ConfigError
from backtest.lab.curves import LiquidationCurve
from backtest.lab.depth import DepthCurve
from backtest.lab.given import Array, array, column, number


@dataclass(frozen=True, slots=True)
class Contagion:
    """Linear response of a system of venues.

    Attributes
    ----------
    matrix : ndarray of float64, shape (n, n)
        Row i, column j: drop at i caused, in one generation, by a unit drop at j.
    ratio : float
        Branching ratio of the system: spectral radius of the matrix; from 1 on a shock grows without end.
    direction : ndarray of float64, shape (n,)
        Right Perron vector, largest entry 1: how drops are shared while the system breaks.
    resolvent : ndarray of float64 or None
        (I - matrix)^-1, total drop at i per unit shock at j; None from a ratio of 1 on.
    importance : ndarray of float64 or None
        Column sums of the resolvent: drop of all venues per unit shock at each.
    """

    matrix: Array
    ratio: float
    direction: Array
    resolvent: Array | None
    importance: Array | None

    def response(self, shocks: ArrayLike) -> Array:
        """Return the total drop of each venue after outside shocks."""
        s = column(shocks, "shocks", len(self.matrix))
        if self.resolvent is None:
            raise ConfigError(f"the system's branching ratio is {self.ratio:g}: no linear response from 1 on")
        made: Array = self.resolvent @ s
        return made


def mark_matrix(weights: ArrayLike) -> Array:
    """Return checked mark weights: row v says of which prices venue v's mark is made; rows sum to 1."""
    w = array(weights, "mark weights", low=0.0)
    if w.ndim != 2 or w.shape[0] != w.shape[1] or not np.allclose(w.sum(axis=1), 1.0, rtol=0.0, atol=1e-9):
        raise ConfigError(f"mark weights must be square with rows that sum to 1, got shape {w.shape}")
    return w


def branching_matrix(ratios: ArrayLike, weights: ArrayLike, *, collateral: ArrayLike | None = None) -> Array:
    """Return diag(R) W, plus what shared collateral adds.

    Parameters
    ----------
    ratios : array_like, shape (n,)
        Branching ratio of each venue by itself.
    weights : array_like, shape (n, n)
        Mark weights.
    collateral : array_like, shape (n, n), optional
        Slope of i's impact x base units of i sold per unit drop of collateral j.
    """
    w = mark_matrix(weights)
    made: Array = column(ratios, "ratios", len(w), low=0.0)[:, None] * w
    if collateral is not None:
        extra = array(collateral, "collateral", low=0.0)
        if extra.shape != w.shape:
            raise ConfigError(f"collateral must have shape {w.shape}, got {extra.shape}")
        made = made + extra
    return made


def contagion(matrix: ArrayLike) -> Contagion:
    """Return the linear response of a branching matrix."""
    b = array(matrix, "matrix", low=0.0)
    if b.ndim != 2 or b.shape[0] != b.shape[1] or not len(b):
        raise ConfigError(f"matrix must be square, got shape {b.shape}")
    values, vectors = np.linalg.eig(b)
    row = int(np.argmax(np.abs(values)))
    ratio = float(np.abs(values[row]))
    vector = np.abs(vectors[:, row].real)
    direction = vector / vector.max() if vector.max() > 0.0 else vector
    if ratio >= 1.0:
        return Contagion(b, ratio, direction, None, None)
    resolvent: Array = np.linalg.inv(np.eye(len(b)) - b).astype(np.float64)
    return Contagion(b, ratio, direction, resolvent, resolvent.sum(axis=0))


def pooled_ratio(ratios: ArrayLike, depths: ArrayLike) -> float:
    """Return the ratio of venues that arbitrage holds at one price: the mean of theirs, weighted by depth.

    A venue above 1 by itself can be stable when pooled, and a stable one can be dragged along.
    """
    d = column(depths, "depths", above=0.0)
    return float(column(ratios, "ratios", len(d), low=0.0) @ d / d.sum())


def coupled_cascade(
    liquidations: Sequence[LiquidationCurve],
    books: Sequence[DepthCurve],
    weights: ArrayLike,
    shocks: ArrayLike,
    *,
    shares: ArrayLike = 1.0,
    limit: int = 200_000,
) -> Array:
    """Return the least vector of drops with x_i = s_i + impact_i(share_i x total_i((W x)_i)), from below.

    Parameters
    ----------
    liquidations, books : sequences of length n
    weights : array_like, shape (n, n)
        Mark weights: venue i's positions are judged at its mark, a mean of all prices.
    shocks : array_like, shape (n,)
    shares : float or array_like, shape (n,)
        Part of forced sales that reaches each book.
    limit : int
        Of rounds; beyond it an error, as just below a critical shock.
    """
    w = mark_matrix(weights)
    n = len(w)
    if len(liquidations) != n or len(books) != n:
        raise ConfigError(f"{n} venues in the mark weights, got {len(liquidations)} curves and {len(books)} books")
    s = column(shocks, "shocks", n, low=0.0, high=1.0)
    part = np.broadcast_to(array(shares, "shares", low=0.0, high=1.0), (n,))
    drop = s.copy()
    for _ in range(limit):
        mark = w @ drop
        own = [
            float(book.impact(portion * curve.total(at)))
            for curve, book, portion, at in zip(liquidations, books, part.tolist(), mark.tolist(), strict=True)
        ]
        now: Array = np.maximum(np.minimum(1.0, s + np.array(own)), drop)
        if np.all(now - drop <= 4e-16 * now):
            return now
        drop = now
    raise ConfigError(f"no rest within {limit} rounds: the shocks lie at a critical one; raise limit or move them")


def looped_leverage(loan_to_value: float, loops: int) -> float:
    """Return the exposure per unit of own money after n rounds of lending and borrowing: (1 - l^(n + 1)) / (1 - l)."""
    ltv = number(loan_to_value, "loan_to_value", low=0.0, below=1.0)
    if isinstance(loops, bool) or not isinstance(loops, int) or loops < 0:
        raise ConfigError(f"loops must be a whole number of at least 0, got {loops!r}")
    return float((1.0 - ltv ** (loops + 1)) / (1.0 - ltv))


def loop_drop(loan_to_value: float, limit: float) -> float:
    """Return the drop of collateral at which a loan at `loan_to_value` meets the liquidation limit: 1 - l / limit."""
    top = number(limit, "limit", above=0.0, high=1.0)
    return 1.0 - number(loan_to_value, "loan_to_value", low=0.0, high=top) / top
