"""GARCH(1,1) and GJR volatility, normal or Student innovations: moments, simulation, estimation."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from scipy.optimize import minimize

from backtest.errors import ConfigError
from backtest.lab.draws import Draws
from backtest.lab.given import Array, column, count, number


@dataclass(frozen=True, slots=True)
class Garch:
    """Variance of the next return: omega + (alpha + gamma [r < 0]) r^2 + beta x variance.

    Parameters
    ----------
    omega : float
        Above 0, in squared returns.
    alpha, beta, gamma : float
        At least 0; alpha + beta + gamma / 2 below 1, or there is no stationary variance.
    degrees : float
        Of freedom of Student innovations, above 2; infinite: normal.
    """

    omega: float
    alpha: float
    beta: float
    gamma: float = 0.0
    degrees: float = math.inf

    def __post_init__(self) -> None:
        """Check every field."""
        number(self.omega, "omega", above=0.0)
        number(self.alpha, "alpha", low=0.0)
        number(self.beta, "beta", low=0.0)
        number(self.gamma, "gamma", low=0.0)
        number(self.persistence, "alpha + beta + gamma / 2", below=1.0)
        if not self.degrees > 2.0:
            raise ConfigError(f"degrees must be above 2, got {self.degrees!r}")

    @property
    def persistence(self) -> float:
        """alpha + beta + gamma / 2."""
        return self.alpha + self.beta + 0.5 * self.gamma

    @property
    def variance(self) -> float:
        """Stationary variance."""
        return self.omega / (1.0 - self.persistence)

    @property
    def half_life(self) -> float:
        """Steps after which half of a shock to the variance is left."""
        return math.inf if self.persistence == 0.0 else -math.log(2.0) / math.log(self.persistence)

    @property
    def kurtosis(self) -> float:
        """Kurtosis of returns (normal: 3); infinite where the fourth moment is. Symmetric models only (gamma 0)."""
        if self.gamma:
            raise ConfigError("kurtosis is given for gamma = 0 only")
        inner = 3.0
        if math.isfinite(self.degrees):
            inner = math.inf if self.degrees <= 4.0 else 3.0 * (self.degrees - 2.0) / (self.degrees - 4.0)
        left = 1.0 - self.beta**2 - 2.0 * self.alpha * self.beta - inner * self.alpha**2
        return inner * (1.0 - self.persistence**2) / left if left > 0.0 else math.inf

    def simulate(self, steps: int, paths: int, seed: int) -> Array:
        """Return returns of shape (paths, steps), starting at the stationary variance."""
        shape, draws = (count(paths, "paths"), count(steps, "steps")), Draws(seed, "garch")
        if math.isfinite(self.degrees):
            noise = draws.student(self.degrees, shape) * math.sqrt((self.degrees - 2.0) / self.degrees)
        else:
            noise = draws.normal(shape)
        return self.filter(noise)[0]

    def filter(self, noise: Array, variance: float | None = None) -> tuple[Array, Array]:
        """Return returns and variances made of unit innovations, shape (paths, steps)."""
        now = np.full(len(noise), self.variance if variance is None else variance)
        returns, variances = np.empty_like(noise), np.empty_like(noise)
        for step in range(noise.shape[1]):
            variances[:, step] = now
            r = np.sqrt(now) * noise[:, step]
            returns[:, step] = r
            now = self.omega + (self.alpha + self.gamma * (r < 0.0)) * r**2 + self.beta * now
        return returns, variances

    def variances(self, returns: ArrayLike) -> Array:
        """Return the variance of each observed return, and of the next one, shape (n + 1,)."""
        r = column(returns, "returns")
        square = (self.alpha + self.gamma * (r < 0.0)) * r**2
        out = np.empty(len(r) + 1)
        now = out[0] = float(np.mean(r**2)) if len(r) else self.variance
        for row, part in enumerate(square.tolist()):
            now = self.omega + part + self.beta * now
            out[row + 1] = now
        return out


def fit_garch(returns: ArrayLike, *, is_asymmetric: bool = False, is_student: bool = True) -> Garch:
    """Return the model of largest likelihood.

    Parameters
    ----------
    returns : array_like
        At least 100, mean taken as 0.
    is_asymmetric : bool
        Estimate gamma.
    is_student : bool
        Estimate degrees of freedom; else normal.
    """
    r = column(returns, "returns")
    if len(r) < 100 or not np.any(r):
        raise ConfigError(f"returns: at least 100 are needed, not all 0, got {len(r)}")
    scale = float(np.mean(r**2))

    def model(x: NDArray[np.float64]) -> Garch:
        # a simplex by logits keeps every try stationary
        e = np.exp(np.append(np.clip(x[:3], -30.0, 30.0), 0.0))
        alpha, beta, half_gamma, _ = (e / e.sum() * (1.0 - 1e-9)).tolist()
        gamma = 2.0 * half_gamma if is_asymmetric else 0.0
        persistence = alpha + beta + 0.5 * gamma
        degrees = 2.05 + math.exp(min(float(x[4]), 7.0)) if is_student else math.inf
        return Garch(scale * math.exp(float(np.clip(x[3], -5, 5))) * (1.0 - persistence), alpha, beta, gamma, degrees)

    def loss(x: NDArray[np.float64]) -> float:
        made = model(x)
        v = made.variances(r)[:-1]
        if not math.isfinite(made.degrees):
            return float(0.5 * np.sum(np.log(v) + r**2 / v))
        nu = made.degrees
        constant = special.gammaln(0.5 * (nu + 1.0)) - special.gammaln(0.5 * nu) - 0.5 * math.log((nu - 2.0) * math.pi)
        terms = 0.5 * np.log(v) + 0.5 * (nu + 1.0) * np.log1p(r**2 / ((nu - 2.0) * v))
        return float(np.sum(terms) - len(r) * constant)

    found = minimize(loss, np.array([0.5, 3.0, -1.0, 0.0, 1.5]), method="Nelder-Mead",
                     options={"maxiter": 4000, "xatol": 1e-4, "fatol": 1e-4})  # fmt: skip
    return model(found.x)
