"""Random numbers of the lab: raw PCG64 words through inverse distribution functions, so that a seed means one sample.

numpy guarantees the stream of words of PCG64 but not the distributions of its Generator; here a normal or a Poisson
number is the inverse of its distribution function at one uniform number, whatever the version of numpy.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from backtest.errors import ConfigError
from backtest.lab.given import Array, number

Shape = int | tuple[int, ...]


class Draws:
    """A stream of random numbers of its own for each (seed, purpose).

    Parameters
    ----------
    seed : int
        At least 0.
    purpose : str
        What is drawn: two purposes of one seed are independent.
    """

    def __init__(self, seed: int, purpose: str) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            raise ConfigError(f"seed must be a whole number of at least 0, got {seed!r}")
        self._words = np.random.PCG64(np.random.SeedSequence([int(seed), *purpose.encode()])).random_raw

    def uniform(self, shape: Shape) -> Array:
        """Return numbers in (0, 1), never 0 or 1: odd multiples of 2^-54."""
        size = math.prod(shape) if isinstance(shape, tuple) else shape
        words = np.asarray(self._words(size), dtype=np.uint64)
        made: Array = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
        return made.reshape(shape)

    def normal(self, shape: Shape) -> Array:
        """Return standard normal numbers."""
        made: Array = special.ndtri(self.uniform(shape))
        return made

    def exponential(self, shape: Shape) -> Array:
        """Return exponential numbers of mean 1."""
        made: Array = -np.log(self.uniform(shape))
        return made

    def student(self, degrees: float, shape: Shape) -> Array:
        """Return numbers of Student's distribution."""
        made: Array = special.stdtrit(number(degrees, "degrees", above=0.0), self.uniform(shape))
        return made

    def chi_square(self, degrees: float, shape: Shape) -> Array:
        """Return numbers of the chi-square distribution."""
        made: Array = 2.0 * special.gammaincinv(0.5 * number(degrees, "degrees", above=0.0), self.uniform(shape))
        return made

    def poisson(self, mean: float, shape: Shape) -> NDArray[np.int64]:
        """Return Poisson numbers."""
        rate = number(mean, "mean", low=0.0)
        if rate == 0.0:
            return np.zeros(shape, dtype=np.int64)
        top = math.ceil(rate + 12.0 * math.sqrt(rate) + 40.0)
        table = special.pdtr(np.arange(top + 1), rate)
        made: NDArray[np.int64] = np.searchsorted(table, self.uniform(shape)).astype(np.int64)
        return made

    def below(self, limit: int, shape: Shape) -> NDArray[np.int64]:
        """Return whole numbers from 0 to limit - 1."""
        made: NDArray[np.int64] = np.minimum((self.uniform(shape) * limit).astype(np.int64), limit - 1)
        return made

    def choice(self, weights: Sequence[float] | Array, shape: Shape) -> NDArray[np.int64]:
        """Return rows of `weights`, each as often as its weight says."""
        total = np.cumsum(np.asarray(weights, dtype=np.float64))
        rows = np.searchsorted(total, self.uniform(shape) * total[-1], side="right")
        made: NDArray[np.int64] = np.minimum(rows, len(total) - 1).astype(np.int64)
        return made
