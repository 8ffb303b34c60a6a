"""Auctions of positions closed by force: a Dutch auction on random blocks, its best speed, and the rules of engines.

Blocks arrive as a Poisson process; the ask decays exponentially and is taken at the first block at which it is at or
below the fair price. Closed forms: Moallemi and Robinson, as stated in leverage_lab.md section 8.1.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from backtest.errors import ConfigError
from backtest.lab.draws import Draws
from backtest.lab.given import Array, Estimate, array, column, count, mean_of, number


class Dutch(NamedTuple):
    """What a Dutch auction costs: loss as a fraction of the fair price at the fill, seconds until the fill."""

    loss: float
    seconds: float


def dutch_auction(
    decay: float, *, volatility: float, block_time: float, start: float = 0.0, drift: float = 0.0
) -> Dutch:
    """Return expected loss and time of a Dutch auction.

    With delta = decay + drift - volatility^2 / 2 > 0 and zeta = (sqrt(delta^2 + 2 volatility^2 / block_time) - delta)
    / volatility^2: loss = 1 / (1 + zeta), time = (start + 1 / zeta) / delta. The loss does not depend on the start.

    Parameters
    ----------
    decay : float
        Of the ask, per second.
    volatility : float
        Of the fair price, per sqrt(second), at least 0.
    block_time : float
        Mean seconds between blocks.
    start : float
        ln(ask / fair) at the beginning, at least 0.
    drift : float
        Of the fair price, per second.
    """
    sigma, mean = number(volatility, "volatility", low=0.0), number(block_time, "block_time", above=0.0)
    z0 = number(start, "start", low=0.0)
    delta = number(decay, "decay") + number(drift, "drift") - 0.5 * sigma**2
    if not delta > 0.0:
        raise ConfigError(
            f"decay + drift - volatility^2 / 2 must be above 0, got {delta:g}: the ask would not come down"
        )
    # 1 / zeta without cancellation, which also holds at volatility 0: delta x block_time
    inverse = 0.5 * mean * (math.sqrt(delta**2 + 2.0 * sigma**2 / mean) + delta)
    return Dutch(inverse / (1.0 + inverse), (z0 + inverse) / delta)


class Simulated(NamedTuple):
    """Loss and seconds of simulated auctions, each with its standard error."""

    loss: Estimate
    seconds: Estimate


def simulate_dutch(
    decay: float,
    *,
    volatility: float,
    block_time: float,
    seed: int,
    start: float = 0.0,
    drift: float = 0.0,
    runs: int = 200_000,
) -> Simulated:
    """Return the same by simulation, block by block; parameters as in `dutch_auction`."""
    dutch_auction(decay, volatility=volatility, block_time=block_time, start=start, drift=drift)  # checks
    draws = Draws(seed, "dutch auction")
    number_of_runs = count(runs, "runs", low=2)
    delta = decay + drift - 0.5 * volatility**2
    gap = np.full(number_of_runs, float(start))
    seconds = np.zeros(number_of_runs)
    active = np.arange(number_of_runs)
    while len(active):
        wait = block_time * draws.exponential(len(active))
        gap[active] += -delta * wait + volatility * np.sqrt(wait) * draws.normal(len(active))
        seconds[active] += wait
        active = active[gap[active] > 0.0]
    return Simulated(mean_of(-np.expm1(gap)), mean_of(seconds))


class BestDecay(NamedTuple):
    """The decay per second with the least cost = loss + holding cost x seconds."""

    decay: float
    cost: float


def best_decay(
    holding_cost: float, *, volatility: float, block_time: float, start: float, drift: float = 0.0
) -> BestDecay:
    """Return the decay that costs least.

    Parameters
    ----------
    holding_cost : float
        Per second, as a fraction of the position: the expected growth of its shortfall (`shortfall_growth`).
    volatility, block_time, start, drift
        As in `dutch_auction`.
    """
    kappa = number(holding_cost, "holding_cost", above=0.0)
    z0 = number(start, "start", low=0.0)
    floor = 0.5 * number(volatility, "volatility", low=0.0) ** 2 - number(drift, "drift")

    def cost(log_delta: float) -> float:
        found = dutch_auction(
            floor + math.exp(log_delta), volatility=volatility, block_time=block_time, start=z0, drift=drift
        )
        return found.loss + kappa * found.seconds

    # at volatility 0 the best is near sqrt(kappa z0 / block_time), and volatility moves it little
    guess = math.log(max(math.sqrt(kappa * max(z0, 1e-6) / number(block_time, "block_time", above=0.0)), 1e-300))
    found = minimize_scalar(cost, bracket=(guess - 3.0, guess, guess + 3.0), method="brent", options={"xtol": 1e-12})
    return BestDecay(floor + math.exp(float(found.x)), float(found.fun))


def shortfall_growth(distance: float, volatility: float, *, horizon: float = 60.0) -> float:
    """Return how fast the expected shortfall of a position grows: the mean over the horizon, per second.

    Parameters
    ----------
    distance : float
        Drop to bankruptcy, as a fraction; at or below 0: already bankrupt.
    volatility : float
        Per sqrt(second).
    horizon : float
        Seconds.
    """
    from scipy.special import ndtr

    spread = number(volatility, "volatility", above=0.0) * math.sqrt(number(horizon, "horizon", above=0.0))
    z = number(distance, "distance") / spread
    density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    beyond = spread * (density - z * float(ndtr(-z)))
    return (beyond - max(-float(distance), 0.0)) / horizon


@dataclass(frozen=True, slots=True)
class StepAuction:
    """A clipper: the price starts at oracle x buffer and is cut by a factor every step.

    Parameters
    ----------
    buffer : float
        First price over the oracle's, above 0.
    cut : float
        Factor in (0, 1) per step.
    step : float
        Seconds.
    tail : float
        Seconds after which the auction must be started anew.
    cusp : float
        Share of the first price below which it must be started anew.
    """

    buffer: float
    cut: float
    step: float
    tail: float = math.inf
    cusp: float = 0.0

    def __post_init__(self) -> None:
        """Check every field."""
        number(self.buffer, "buffer", above=0.0)
        number(self.cut, "cut", above=0.0, below=1.0)
        number(self.step, "step", above=0.0)
        number(self.cusp, "cusp", low=0.0, below=1.0)
        if not self.tail > 0.0:
            raise ConfigError(f"tail must be above 0, got {self.tail!r}")

    def price(self, seconds: ArrayLike) -> Array:
        """Return the price over the oracle's at the start; nan once the auction needs a reset."""
        t = array(seconds, "seconds", low=0.0)
        share = self.cut ** np.floor(t / self.step * (1.0 + 1e-12))
        return np.where((t > self.tail) | (share < self.cusp), np.nan, self.buffer * share)

    def steps_to(self, level: float) -> int:
        """Return after how many steps the price is at or below `level` x the oracle's, the oracle standing still."""
        ratio = math.log(number(level, "level", above=0.0) / self.buffer) / math.log(self.cut)
        return max(0, math.ceil(ratio - 1e-12))


def clip_sizes(debts: ArrayLike, *, hole: float) -> Array:
    """Return how much debt of each auction may start while at most `hole` is under auction, in order."""
    asked = column(debts, "debts", low=0.0)
    before = np.cumsum(asked) - asked
    made: Array = np.clip(number(hole, "hole", low=0.0) - before, 0.0, asked)
    return made


def spiral_bound(bonus: float) -> float:
    """Return the loan to value from which a liquidation with a bonus makes it worse: 1 / (1 + bonus)."""
    return 1.0 / (1.0 + number(bonus, "bonus", low=0.0))


def loan_to_value_after(collateral: ArrayLike, debt: ArrayLike, repaid: ArrayLike, bonus: float) -> Array:
    """Return debt / collateral after `repaid` was exchanged for collateral worth repaid x (1 + bonus)."""
    c, d = array(collateral, "collateral", above=0.0), array(debt, "debt", low=0.0)
    x = array(repaid, "repaid", low=0.0)
    left = c - x * (1.0 + number(bonus, "bonus", low=0.0))
    if np.any(left <= 0.0) or np.any(x > d):
        raise ConfigError("repaid must not exceed the debt, nor what the collateral pays for with the bonus")
    made: Array = (d - x) / left
    return made


def repay_for_health(
    collateral: float, debt: float, *, threshold: float, bonus: float, health: float = 1.0, close_factor: float = 1.0
) -> float:
    """Return how much must be repaid until collateral x threshold / debt is `health`.

    (h D - LT C) / (h - LT (1 + b)), at least 0 and at most close_factor x debt. With LT (1 + b) >= h no amount reaches
    it: then all that the close factor allows.
    """
    c, d = number(collateral, "collateral", low=0.0), number(debt, "debt", low=0.0)
    lt, b = number(threshold, "threshold", above=0.0, high=1.0), number(bonus, "bonus", low=0.0)
    h, most = number(health, "health", above=0.0), number(close_factor, "close_factor", above=0.0, high=1.0) * d
    if h * d <= lt * c:
        return 0.0
    gain = h - lt * (1.0 + b)
    return most if gain <= 0.0 else min(most, (h * d - lt * c) / gain)


def english_auction(values: ArrayLike, *, participation: float, seed: int, bidders: int = 3) -> Array:
    """Return the winning bids of English auctions at which each bidder shows up with a probability.

    Before Liquidations 2.0 a lot without a second bidder went for nothing (March 2020: about 36 % of liquidations).

    Parameters
    ----------
    values : array_like, shape (lots,)
        What each lot is worth, quote.
    participation : float
        Chance of each bidder to take part, in [0, 1].
    seed : int
    bidders : int
        Who might.

    Returns
    -------
    ndarray of float64, shape (lots,)
        The value where two or more compete, 0 otherwise.
    """
    worth = column(values, "values", low=0.0)
    chance = number(participation, "participation", low=0.0, high=1.0)
    shown = Draws(seed, "english auction").uniform((len(worth), count(bidders, "bidders"))) < chance
    return np.where(shown.sum(axis=1) >= 2, worth, 0.0)


def partial_schedule(quantity: float, *, fraction: float, least: float) -> Array:
    """Return the slices of a position closed by a fraction of what is left per step, the last one whole.

    Parameters
    ----------
    quantity : float
        Base units.
    fraction : float
        In (0, 1].
    least : float
        A rest of at most this is closed at once, above 0.
    """
    left, part = number(quantity, "quantity", low=0.0), number(fraction, "fraction", above=0.0, high=1.0)
    floor, slices = number(least, "least", above=0.0), []
    while left > 0.0:
        size = left if left <= floor else max(left * part, min(floor, left))
        slices.append(size)
        left -= size
    return np.array(slices)


def soft_liquidation(upper: float, lower: float, price: ArrayLike, *, bands: int = 10) -> tuple[Array, Array]:
    """Return (collateral left, average sale price) of a loan whose collateral is sold band by band as the price falls.

    A simplification of LLAMMA: each band sells evenly between its two prices, at their geometric mean, and buys back at
    the same prices when the price returns; what arbitrage costs on the way is not in it.

    Parameters
    ----------
    upper, lower : float
        Prices at which the first band begins and the last one ends.
    price : array_like
    bands : int
        Of equal collateral, with a constant price ratio.

    Returns
    -------
    (left, average) : ndarray of float64
        Part of the collateral, in [0, 1]; nan average where nothing was sold.
    """
    low = number(lower, "lower", above=0.0)
    edges = np.geomspace(number(upper, "upper", above=low), low, count(bands, "bands") + 1)
    p = array(price, "price", above=0.0)
    sold = np.clip((edges[:-1] - p[..., None]) / (edges[:-1] - edges[1:]), 0.0, 1.0) / bands
    means = np.sqrt(edges[:-1] * edges[1:])
    total = sold.sum(axis=-1)
    average = np.divide((sold * means).sum(axis=-1), total, out=np.full_like(total, np.nan), where=total > 0.0)
    return 1.0 - total, average
