"""Resampling of observed returns: the stationary bootstrap, and filtered historical simulation on top of GARCH."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backtest.errors import ConfigError
from backtest.lab.draws import Draws
from backtest.lab.garch import Garch
from backtest.lab.given import Array, Estimate, column, count, number


def stationary_rows(
    length: int, *, mean_block: float, samples: int, seed: int, size: int | None = None
) -> NDArray[np.int64]:
    """Return rows of a stationary bootstrap (Politis, Romano 1994), shape (samples, size).

    Blocks have geometric lengths and wrap around the end.

    Parameters
    ----------
    length : int
        Of the observed series.
    mean_block : float
        At least 1.
    samples : int
    seed : int
    size : int, optional
        Of each sample; the observed length by default.
    """
    n, wanted = count(length, "length"), count(length if size is None else size, "size")
    draws = Draws(seed, "stationary bootstrap")
    shape = (count(samples, "samples"), wanted)
    begins = draws.uniform(shape) < 1.0 / number(mean_block, "mean_block", low=1.0)
    begins[:, 0] = True
    fresh = draws.below(n, shape)
    place = np.arange(wanted)
    last = np.maximum.accumulate(np.where(begins, place, 0), axis=1)
    return (np.take_along_axis(fresh, last, axis=1) + place - last) % n


def block_bootstrap(
    statistic: Callable[[NDArray[np.int64]], float], length: int, *, mean_block: float, seed: int, samples: int = 1000
) -> tuple[Estimate, tuple[float, float]]:
    """Return a statistic with its bootstrap error and 95 % percentile interval.

    Parameters
    ----------
    statistic : callable
        Rows -> value: called with the observed rows and with those of each sample.
    length, mean_block, seed, samples
        As in `stationary_rows`.
    """
    value = statistic(np.arange(length))
    rows = stationary_rows(length, mean_block=mean_block, samples=samples, seed=seed)
    found = np.array([statistic(sample) for sample in rows])
    found = found[np.isfinite(found)]
    if len(found) < 2:
        raise ConfigError("the statistic is not finite on the samples")
    low, high = np.quantile(found, [0.025, 0.975]).tolist()
    return Estimate(value, float(found.std(ddof=1)), len(found)), (low, high)


def filtered_history(model: Garch, returns: ArrayLike, *, steps: int, paths: int, seed: int) -> Array:
    """Return paths whose innovations are drawn from history, standardised by the model, from today's variance on.

    Returns
    -------
    ndarray of float64, shape (paths, steps)
    """
    r = column(returns, "returns")
    variances = model.variances(r)
    noise = r / np.sqrt(variances[:-1])
    rows = Draws(seed, "filtered history").below(len(r), (count(paths, "paths"), count(steps, "steps")))
    return model.filter(noise[rows], float(variances[-1]))[0]
