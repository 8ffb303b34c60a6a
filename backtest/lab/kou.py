"""First passage with double-exponential jumps (Kou and Wang 2003), by inverting its Laplace transform.

The transform in closed form needs the two roots with positive real part of a quartic. It is inverted by the Euler
method (Abate and Whitt 2006), which works with complex arguments in double precision to about 1e-9; Gaver-Stehfest on
the real axis would need 30 digits.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from backtest.errors import ConfigError
from backtest.lab.given import Array, number

TERMS = 15  # of the Euler method: 2 x 15 + 1 values of the transform


@dataclass(frozen=True, slots=True)
class KouJumps:
    """Jump diffusion of the logarithm with exponential jumps both ways.

    Parameters
    ----------
    volatility : float
        Of the diffusion, per sqrt(year), above 0.
    intensity : float
        Jumps a year.
    up_probability : float
        In [0, 1].
    mean_up, mean_down : float
        Mean size of jumps of the logarithm, above 0; mean_up below 1, or the price has no mean.
    drift : float
        Of the price, per year: jumps are compensated.
    """

    volatility: float
    intensity: float
    up_probability: float
    mean_up: float
    mean_down: float
    drift: float = 0.0

    def __post_init__(self) -> None:
        """Check every field."""
        number(self.volatility, "volatility", above=0.0)
        number(self.intensity, "intensity", low=0.0)
        number(self.up_probability, "up_probability", low=0.0, high=1.0)
        number(self.mean_up, "mean_up", above=0.0, below=1.0)  # eta_up <= 1: the price has no mean
        number(self.mean_down, "mean_down", above=0.0)
        number(self.drift, "drift")

    @property
    def log_drift(self) -> float:
        """Drift of the logarithm between jumps."""
        up, down = 1.0 / self.mean_up, 1.0 / self.mean_down
        p = self.up_probability
        jump = p * up / (up - 1.0) + (1.0 - p) * down / (down + 1.0) - 1.0
        return self.drift - 0.5 * self.volatility**2 - self.intensity * jump

    @property
    def total_volatility(self) -> float:
        """Volatility with the variance of the jumps, per sqrt(year)."""
        p = self.up_probability
        square = 2.0 * (p * self.mean_up**2 + (1.0 - p) * self.mean_down**2)
        return math.sqrt(self.volatility**2 + self.intensity * square)


def kou_passage_probability(price: float, barrier: float, model: KouJumps, horizon: float) -> float:
    """Return the probability that the price meets or jumps over a barrier within `horizon` years.

    Parameters
    ----------
    price, barrier : float
        Above 0, not equal.
    model : KouJumps
    horizon : float
        Years, above 0.

    Returns
    -------
    float
        In [0, 1], to about 1e-9.
    """
    s, h = number(price, "price", above=0.0), number(barrier, "barrier", above=0.0)
    time = number(horizon, "horizon", above=0.0)
    if s == h:
        raise ConfigError("price and barrier must differ")
    is_above = h > s
    away = abs(math.log(h / s))
    towards = model.log_drift if is_above else -model.log_drift
    p = model.up_probability if is_above else 1.0 - model.up_probability
    ahead, behind = (1.0 / model.mean_up, 1.0 / model.mean_down)
    if not is_above:
        ahead, behind = behind, ahead
    nodes, weights = _euler(TERMS)
    half = 0.5 * model.volatility**2
    total = 0.0
    for alpha, weight in zip((nodes / time).tolist(), weights.tolist(), strict=True):
        total += weight * _transform(alpha, away, towards, half, model.intensity, p, ahead, behind).real
    scale = float(10.0 ** (TERMS / 3.0)) / time
    return min(1.0, max(0.0, scale * total))


def _transform(
    alpha: complex, away: float, drift: float, half: float, intensity: float, p: float, ahead: float, behind: float
) -> complex:
    """Return the Laplace transform of the probability in time; Kou and Wang 2003, theorem 3.1."""
    # (drift b + half b^2 - intensity - alpha)(ahead - b)(behind + b) + intensity p ahead (behind + b)
    #     + intensity (1 - p) behind (ahead - b) = 0
    quartic = np.polymul([half, drift, -(intensity + alpha)], np.polymul([-1.0, ahead], [1.0, behind]))
    jumps = intensity * np.array([p * ahead - (1.0 - p) * behind, ahead * behind])
    roots = np.roots(np.polyadd(quartic, jumps))
    right = roots[roots.real > 0.0]
    if len(right) != 2:
        raise ConfigError(f"no two roots ahead of the barrier, got {roots}")  # unreachable for checked models
    first, second = complex(right[0]), complex(right[1])
    if intensity == 0.0 or p == 0.0:  # no jump can reach the barrier: the root at `ahead` is not one of the diffusion
        near = min(
            (first, second),
            key=lambda root: abs(drift * root + half * root**2 - intensity * _other(root, p, behind) - alpha),
        )
        return complex(np.exp(-near * away)) / alpha
    gap = second - first
    one = (ahead - first) / ahead * second / gap * np.exp(-first * away)
    two = (second - ahead) / ahead * first / gap * np.exp(-second * away)
    return complex(one + two) / alpha


def _other(root: complex, p: float, behind: float) -> complex:
    """Return 1 - E[exp(root x jump)] where all jumps go the other way."""
    return complex(1.0 - (1.0 - p) * behind / (behind + root))


@cache
def _euler(terms: int) -> tuple[NDArray[np.complex128], Array]:
    """Return nodes and weights of the Euler method."""
    k = np.arange(2 * terms + 1)
    nodes = np.asarray(terms * math.log(10.0) / 3.0 + 1j * math.pi * k, dtype=np.complex128)
    weights = np.ones(2 * terms + 1)
    weights[0] = 0.5
    tail = 2.0**-terms
    weights[2 * terms] = tail
    for i in range(1, terms):
        weights[2 * terms - i] = weights[2 * terms - i + 1] + tail * math.comb(terms, i)
    return nodes, weights * np.where(k % 2 == 0, 1.0, -1.0)
