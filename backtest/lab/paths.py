"""Generators of paths: Brownian, with jumps, correlated with heavy tails. All return log-returns, per step and path."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from backtest.errors import ConfigError
from backtest.lab.draws import Draws
from backtest.lab.given import Array, array, count, number
from backtest.lab.kou import KouJumps


@dataclass(frozen=True, slots=True)
class MertonJumps:
    """Jump diffusion of the logarithm with normal jumps.

    Parameters
    ----------
    volatility : float
        Of the diffusion, per sqrt(year), above 0.
    intensity : float
        Jumps a year.
    mean, deviation : float
        Of the logarithm of one jump.
    drift : float
        Of the price, per year: jumps are compensated.
    """

    volatility: float
    intensity: float = 0.0
    mean: float = 0.0
    deviation: float = 0.0
    drift: float = 0.0

    def __post_init__(self) -> None:
        """Check every field."""
        number(self.volatility, "volatility", above=0.0)
        number(self.intensity, "intensity", low=0.0)
        number(self.mean, "mean")
        number(self.deviation, "deviation", low=0.0)
        number(self.drift, "drift")

    @property
    def log_drift(self) -> float:
        """Drift of the logarithm between jumps."""
        jump = math.expm1(self.mean + 0.5 * self.deviation**2)
        return self.drift - 0.5 * self.volatility**2 - self.intensity * jump

    @property
    def total_volatility(self) -> float:
        """Volatility with the variance of the jumps, per sqrt(year)."""
        return math.sqrt(self.volatility**2 + self.intensity * (self.mean**2 + self.deviation**2))

    def moments(self, step: float) -> "Moments":
        """Return the moments of log-returns over `step` years, from the cumulants of the process."""
        t = number(step, "step", above=0.0)
        mu, d2 = self.mean, self.deviation**2
        second = (self.volatility**2 + self.intensity * (mu**2 + d2)) * t
        third = self.intensity * (mu**3 + 3.0 * mu * d2) * t
        fourth = self.intensity * (mu**4 + 6.0 * mu**2 * d2 + 3.0 * d2**2) * t
        return Moments(math.sqrt(second), third / second**1.5, fourth / second**2)


class Moments(NamedTuple):
    """Standard deviation, skewness, excess kurtosis."""

    deviation: float
    skewness: float
    excess_kurtosis: float


class Paths(NamedTuple):
    """Log-returns with the part of them that jumps made; shape (paths, steps)."""

    returns: Array
    jumps: Array

    def prices(self, start: float) -> Array:
        """Return prices, shape (paths, steps + 1), the start included."""
        sums = np.cumsum(self.returns, axis=1)
        begin = np.zeros((len(sums), 1))
        made: Array = number(start, "start", above=0.0) * np.exp(np.concatenate([begin, sums], axis=1))
        return made


def brownian(volatility: float, *, step: float, steps: int, paths: int, seed: int, drift: float = 0.0) -> Paths:
    """Return geometric Brownian motion; volatility and drift per year, `step` in years."""
    return jump_diffusion(MertonJumps(volatility, drift=drift), step=step, steps=steps, paths=paths, seed=seed)


def jump_diffusion(model: KouJumps | MertonJumps, *, step: float, steps: int, paths: int, seed: int) -> Paths:
    """Return a jump diffusion, exact at its steps.

    Parameters
    ----------
    model : MertonJumps or KouJumps
    step : float
        Years.
    steps, paths : int
    seed : int
    """
    t, shape = number(step, "step", above=0.0), (count(paths, "paths"), count(steps, "steps"))
    draws = Draws(seed, "paths")
    smooth = model.log_drift * t + model.volatility * math.sqrt(t) * draws.normal(shape)
    times = draws.poisson(model.intensity * t, shape).ravel()
    sizes = jump_sizes(model, draws, int(times.sum()))
    sums = np.concatenate([np.zeros(1), np.cumsum(sizes)])
    ends = np.cumsum(times)
    jumps = np.where(times > 0, sums[ends] - sums[ends - times], 0.0).reshape(shape)
    return Paths(smooth + jumps, jumps)


def jump_sizes(model: KouJumps | MertonJumps, draws: Draws, how_many: int) -> Array:
    """Return the logarithms of jumps."""
    if isinstance(model, MertonJumps):
        made: Array = model.mean + model.deviation * draws.normal(how_many)
        return made
    is_up = draws.uniform(how_many) < model.up_probability
    size = draws.exponential(how_many)
    return np.where(is_up, model.mean_up * size, -model.mean_down * size)


def correlated(
    volatilities: Sequence[float],
    correlation: ArrayLike,
    *,
    degrees: float,
    step: float,
    steps: int,
    paths: int,
    seed: int,
) -> Array:
    """Return log-returns of several assets with Student margins under a t copula: they crash together.

    Parameters
    ----------
    volatilities : sequence of float
        Per sqrt(year), above 0.
    correlation : array_like, shape (assets, assets)
        Positive definite, ones on the diagonal.
    degrees : float
        Of freedom, above 2; large: normal.
    step : float
        Years.

    Returns
    -------
    ndarray of float64, shape (paths, steps, assets)
        With mean 0 and the given volatilities.
    """
    sigma = array(volatilities, "volatilities", above=0.0)
    r = array(correlation, "correlation", low=-1.0, high=1.0)
    if r.shape != (len(sigma), len(sigma)) or not np.allclose(np.diag(r), 1.0) or not np.allclose(r, r.T):
        raise ConfigError(f"correlation must be symmetric with ones on its diagonal, shape {(len(sigma),) * 2}")
    try:
        factor = np.linalg.cholesky(r)
    except np.linalg.LinAlgError:
        raise ConfigError("correlation must be positive definite") from None
    nu, draws = number(degrees, "degrees", above=2.0), Draws(seed, "correlated")
    shape = (count(paths, "paths"), count(steps, "steps"), len(sigma))
    normal = draws.normal(shape) @ factor.T
    mixing = np.sqrt((nu - 2.0) / draws.chi_square(nu, shape[:2]))
    made: Array = normal * mixing[..., None] * sigma * math.sqrt(number(step, "step", above=0.0))
    return made
