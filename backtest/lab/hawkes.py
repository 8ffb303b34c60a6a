"""Hawkes processes with exponential kernel: liquidations that cause liquidations, simulated, measured, estimated.

Intensity mu + sum over past events of n beta exp(-beta age): each event has n children on average, the branching ratio.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import gammaln

from backtest.errors import ConfigError
from backtest.lab.draws import Draws
from backtest.lab.given import Array, Estimate, array, ascending, number


@dataclass(frozen=True, slots=True)
class Hawkes:
    """A Hawkes process.

    Parameters
    ----------
    rate : float
        Immigrants per second, above 0.
    ratio : float
        Branching ratio n, in [0, 1): from 1 on there is no stationary process.
    decay : float
        Of the kernel, per second, above 0.
    """

    rate: float
    ratio: float
    decay: float

    def __post_init__(self) -> None:
        """Check every field."""
        number(self.rate, "rate", above=0.0)
        number(self.ratio, "ratio", low=0.0, below=1.0)
        number(self.decay, "decay", above=0.0)

    @property
    def intensity(self) -> float:
        """Mean events per second: rate / (1 - n)."""
        return self.rate / (1.0 - self.ratio)

    def simulate(self, horizon: float, seed: int) -> Array:
        """Return event times in (0, horizon], ascending, generation by generation from an empty past."""
        end, draws = number(horizon, "horizon", above=0.0), Draws(seed, "hawkes")
        born = np.sort(draws.uniform(int(draws.poisson(self.rate * end, 1)[0])) * end)
        generations = [born]
        while len(born):
            children = draws.poisson(self.ratio, len(born))
            born = np.repeat(born, children) + draws.exponential(int(children.sum())) / self.decay
            born = born[born <= end]
            generations.append(born)
        return np.sort(np.concatenate(generations))


def cluster_size(ratio: float) -> tuple[float, float]:
    """Return mean and variance of the size of a cluster, its first event included: 1 / (1 - n) and n / (1 - n)^3."""
    n = number(ratio, "ratio", low=0.0, below=1.0)
    return 1.0 / (1.0 - n), n / (1.0 - n) ** 3


def fano_factor(ratio: float) -> float:
    """Return variance / mean of counts in long windows: 1 / (1 - n)^2."""
    return (1.0 - number(ratio, "ratio", low=0.0, below=1.0)) ** -2


def cluster_probability(ratio: float, size: ArrayLike) -> Array:
    """Return the probability of each cluster size (Borel): exp(-n k) (n k)^(k - 1) / k!."""
    n, k = number(ratio, "ratio", low=0.0, below=1.0), array(size, "size", low=1.0)
    if n == 0.0:
        return np.where(k == 1.0, 1.0, 0.0)
    made: Array = np.exp(-n * k + (k - 1.0) * np.log(n * k) - gammaln(k + 1.0))
    return made


@dataclass(frozen=True, slots=True)
class HawkesFit:
    """A process of largest likelihood, with the standard error of its branching ratio from the curvature there."""

    process: Hawkes
    ratio: Estimate
    log_likelihood: float


def fit_hawkes(times: ArrayLike, *, end: float, start: float = 0.0) -> HawkesFit:
    """Return the process of largest likelihood.

    Parameters
    ----------
    times : array_like
        Event times in (start, end], ascending; equal times must be spread first.
    end, start : float
        What was observed, seconds.
    """
    seen = ascending(times, "times", above=start, high=end) - start
    span = number(end, "end", above=start) - start
    if len(seen) < 20:
        raise ConfigError(f"times: at least 20 events are needed, got {len(seen)}")
    gaps = np.diff(seen).tolist()
    mean_rate = len(seen) / span

    def loss(x: NDArray[np.float64]) -> float:
        ratio, decay, rate = _unpack(x, mean_rate)
        excited, logs = 0.0, math.log(rate)
        for gap in gaps:
            excited = (excited + 1.0) * math.exp(-decay * gap)
            logs += math.log(rate + ratio * decay * excited)
        mass = rate * span + ratio * float(np.sum(-np.expm1(-decay * (span - seen))))
        return mass - logs

    typical = math.log(max(1.0 / float(np.median(gaps)), 1e-300))
    best = min(
        (
            minimize(loss, np.array([0.0, typical + shift, 0.0]), method="Nelder-Mead",
                     options={"xatol": 1e-6, "fatol": 1e-8, "maxiter": 3000})
            for shift in (0.0, -2.0)
        ),
        key=lambda result: float(result.fun),
    )  # fmt: skip
    ratio, decay, rate = _unpack(best.x, mean_rate)
    error = _error(loss, best.x) * ratio * (1.0 - ratio)
    return HawkesFit(Hawkes(rate, ratio, decay), Estimate(ratio, error, len(seen)), -float(best.fun))


def _unpack(x: NDArray[np.float64], mean_rate: float) -> tuple[float, float, float]:
    """Return ratio (by logit), decay and rate (by logarithms)."""
    logit, decay, rate = (float(v) for v in np.clip(x, -40.0, 40.0))
    return 1.0 / (1.0 + math.exp(-logit)) * (1.0 - 1e-12), math.exp(decay), mean_rate * math.exp(rate)


def _error(loss: Callable[[NDArray[np.float64]], float], x: NDArray[np.float64], step: float = 1e-3) -> float:
    """Return the standard error of the first parameter: root of the first entry of the inverse curvature."""
    n = len(x)
    curvature = np.empty((n, n))
    unit = np.eye(n) * step
    for i in range(n):
        for j in range(n):
            values = [loss(x + a * unit[i] + b * unit[j]) for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
            curvature[i, j] = (values[0] - values[1] - values[2] + values[3]) / (4.0 * step * step)
    inverse = np.linalg.pinv(curvature)
    return math.sqrt(max(float(inverse[0, 0]), 0.0))
