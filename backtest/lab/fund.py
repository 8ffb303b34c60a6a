"""Insurance funds: what closing by force loses, who pays, and how large a fund must be.

A position's shortfall is its quantity times the distance of its fills beyond its bankruptcy price. Pooled accounting
lets a surplus of one position pay for another (a fund that keeps both); per position only losses count.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import quad

from backtest.errors import ConfigError
from backtest.lab.curves import StepLiquidations
from backtest.lab.depth import DepthCurve
from backtest.lab.given import Array, Estimate, array, column, number


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What positions closed in one sweep lose beyond their margin.

    Attributes
    ----------
    fills : ndarray of float64, shape (positions,)
        Average drop at which each was sold, in the order of `StepLiquidations`.
    results : ndarray of float64, shape (positions,)
        Quote: above 0 a surplus, below 0 a shortfall.
    """

    fills: Array
    results: Array

    @property
    def gross(self) -> float:
        """Sum of the shortfalls: what a fund pays that keeps no surplus."""
        return float(-np.minimum(self.results, 0.0).sum())

    @property
    def surplus(self) -> float:
        """Sum of the surpluses."""
        return float(np.maximum(self.results, 0.0).sum())

    @property
    def net(self) -> float:
        """What a fund pays that keeps the surpluses, at least 0."""
        return max(0.0, self.gross - self.surplus)


def sweep_shortfall(
    liquidations: StepLiquidations,
    bankruptcies: ArrayLike,
    book: DepthCurve,
    *,
    shock: float,
    drop: float,
    reference: float,
    share: float = 1.0,
) -> Shortfall:
    """Return the shortfall of every position closed when the price has dropped by `drop`.

    The book is swept in order of liquidation prices from the outside shock on; what a backstop takes (1 - share) is at
    the bankruptcy price and loses nothing here.

    Parameters
    ----------
    liquidations : StepLiquidations
    bankruptcies : array_like
        Drop at bankruptcy of each position, in the order in which positions were given.
    book : DepthCurve
    shock, drop : float
        Outside and total drop.
    reference : float
        Price that drops are of, quote per base.
    share : float
        Part of forced sales that reaches the book.
    """
    price = number(reference, "reference", above=0.0)
    part = number(share, "share", low=0.0, high=1.0)
    limits = array(bankruptcies, "bankruptcies")[liquidations.rows]
    reached = int(liquidations.reached(number(drop, "drop", low=0.0, high=1.0)))
    sizes = part * liquidations.quantities[:reached]
    swept = book.swept(part * liquidations.sums[: reached + 1])
    average = np.divide(np.diff(swept), sizes, out=np.zeros(reached), where=sizes > 0.0)
    fills = np.minimum(number(shock, "shock", low=0.0, high=1.0) + average, 1.0)
    return Shortfall(fills, price * sizes * (limits[:reached] - fills))


class Paid(NamedTuple):
    """Who pays a loss, quote; the parts sum to it."""

    margin: float
    fee: float
    fund: float
    backstop: float
    adl: float
    socialised: float


def waterfall(
    loss: float,
    *,
    margin: float,
    fee: float = 0.0,
    fund: float = 0.0,
    backstop: float = 0.0,
    winners: float = 0.0,
    has_adl: bool = True,
) -> Paid:
    """Return how a loss runs down: position margin, liquidation fee, fund, backstop, then winners or all.

    Parameters
    ----------
    loss : float
        Quote, at least 0.
    margin, fee, fund, backstop : float
        What each layer holds, at least 0.
    winners : float
        Unrealized profit of the other side: what ADL can take.
    has_adl : bool
        Without it everything beyond the backstop is socialised; with it, what exceeds the winners' profit.
    """
    left = number(loss, "loss", low=0.0)
    paid: list[float] = []
    layers = (margin, fee, fund, backstop, winners if has_adl else 0.0)
    for name, held in zip(("margin", "fee", "fund", "backstop", "winners"), layers, strict=True):
        part = min(left, number(held, name, low=0.0))
        paid.append(part)
        left -= part
    return Paid._make([*paid, left])


class Requirement(NamedTuple):
    """Size of a fund, quote: the loss not exceeded with the confidence, the mean beyond it, the mean of all."""

    value_at_risk: float
    expected_shortfall: float
    expected: float


def required_fund_of_law(
    loss: Callable[[float], float], shock_of_tail: Callable[[float], float], confidence: float
) -> Requirement:
    """Return the fund for losses that do not decrease with one random shock, by quadrature.

    Parameters
    ----------
    loss : callable
        Shock -> loss, quote, nondecreasing.
    shock_of_tail : callable
        Probability of more -> shock: -mean x ln(tail) for an exponential shock.
    confidence : float
        In (0, 1), as 0.99.
    """
    tail = 1.0 - number(confidence, "confidence", above=0.0, below=1.0)

    def mean(of: float) -> float:
        # tail probability u = of x exp(-z); losses jump where positions go, so the range is cut fine
        cuts = np.linspace(0.0, 60.0, 241)
        return math.fsum(
            quad(lambda z: loss(shock_of_tail(of * math.exp(-z))) * math.exp(-z), a, b, limit=200)[0]
            for a, b in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)
        )

    return Requirement(loss(shock_of_tail(tail)), mean(tail), mean(1.0))


@dataclass(frozen=True, slots=True)
class FundSize:
    """A fund from simulated losses.

    Attributes
    ----------
    confidence : float
    value_at_risk, expected_shortfall, expected : Estimate
        Quote, with standard errors.
    contributions : ndarray of float64, shape (accounts,)
        Mean loss of each account in the scenarios from the value at risk on (Euler): they sum to expected_shortfall.
    cover_two : float
        Largest sum of the two largest losses in one scenario: the alternative of central counterparties.
    """

    confidence: float
    value_at_risk: Estimate
    expected_shortfall: Estimate
    expected: Estimate
    contributions: Array
    cover_two: float


def required_fund(losses: ArrayLike, confidence: float = 0.999) -> FundSize:
    """Return the size of a fund from losses over the joint law of shocks, depth and cascades.

    Parameters
    ----------
    losses : array_like, shape (scenarios, accounts)
        Quote, at least 0; independent scenarios.
    confidence : float
        In (0, 1).
    """
    by_account = array(losses, "losses", low=0.0)
    if by_account.ndim != 2 or len(by_account) < 2:
        raise ConfigError(f"losses must have shape (scenarios, accounts), at least 2 scenarios, got {by_account.shape}")
    level = number(confidence, "confidence", above=0.0, below=1.0)
    total = by_account.sum(axis=1)
    n = len(total)
    order = np.argsort(total, kind="stable")
    beyond = max(1, round(n * (1.0 - level)))
    worst = order[n - beyond :]
    value = float(total[worst[0]])
    # the order statistics one standard deviation of the binomial away bracket the quantile
    spread = math.sqrt(n * level * (1.0 - level))
    low, high = (min(max(round(n - beyond + step), 0), n - 1) for step in (-spread, spread))
    error = 0.5 * float(total[order[high]] - total[order[low]])
    mean = float(total[worst].mean())
    # variance of a tail mean: that of the losses beyond plus that of where the tail begins (Manistre, Hancock 2005)
    inside = float(total[worst].var(ddof=1)) if beyond > 1 else 0.0
    mean_error = math.sqrt((inside + level * (mean - value) ** 2) / beyond)
    top = np.sort(by_account, axis=1)[:, -2:].sum(axis=1)
    return FundSize(
        confidence=level,
        value_at_risk=Estimate(value, error, n),
        expected_shortfall=Estimate(mean, mean_error, beyond),
        expected=Estimate(float(total.mean()), float(total.std(ddof=1)) / math.sqrt(n), n),
        contributions=by_account[worst].mean(axis=0),
        cover_two=float(top.max()),
    )


def fund_curve(losses: ArrayLike, confidences: Sequence[float] = (0.9, 0.95, 0.99, 0.995, 0.999)) -> list[FundSize]:
    """Return the size of a fund at several confidences."""
    return [required_fund(losses, confidence) for confidence in confidences]


@dataclass(slots=True)
class Fund:
    """A fund over time: it is paid by fees and surplus, pays shortfalls while it can, and is never negative.

    Attributes
    ----------
    balance : float
        Quote, at least 0.
    paid_in, paid_out, unfunded : float
        Sums so far; what the fund could not pay is unfunded.
    """

    balance: float
    paid_in: float = 0.0
    paid_out: float = 0.0
    unfunded: float = 0.0

    def __post_init__(self) -> None:
        """Check the balance."""
        self.balance = number(self.balance, "balance", low=0.0)

    def receive(self, amount: float) -> None:
        """Take a fee or a surplus."""
        got = number(amount, "amount", low=0.0)
        self.balance += got
        self.paid_in += got

    def cover(self, shortfall: float) -> float:
        """Pay a shortfall as far as the balance goes; return what is left of it."""
        asked = number(shortfall, "shortfall", low=0.0)
        given = min(asked, self.balance)
        self.balance -= given
        self.paid_out += given
        self.unfunded += asked - given
        return asked - given


def account_losses(quantities: ArrayLike, fills: ArrayLike, bankruptcies: ArrayLike, *, reference: float) -> Array:
    """Return quantity x max(0, fill drop - bankruptcy drop) x reference, quote; arrays are broadcast."""
    q, fill, limit = (
        array(quantities, "quantities", low=0.0),
        array(fills, "fills"),
        array(bankruptcies, "bankruptcies"),
    )
    made: Array = number(reference, "reference", above=0.0) * q * np.maximum(fill - limit, 0.0)
    return made


def fee_inflow(notionals: ArrayLike, rate: float) -> float:
    """Return what liquidation fees bring a fund: rate x notional closed by force, quote."""
    return float(column(notionals, "notionals", low=0.0).sum()) * number(rate, "rate", low=0.0)
