"""How much a Sharpe ratio is worth: probabilistic and deflated ratio, shortest track record, overfitting of a search.

Sources: Bailey and Lopez de Prado, The Sharpe Ratio Efficient Frontier (2012) and The Deflated Sharpe Ratio (2014);
Bailey, Borwein, Lopez de Prado and Zhu, The Probability of Backtest Overfitting (2015). Ratios are per period, of the
same length as the returns; kurtosis is raw, 3 for a normal distribution.
"""

import math
from collections.abc import Callable
from itertools import combinations
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backtest.errors import ConfigError

_NORMAL = NormalDist()
_EULER = 0.5772156649015329
Metric = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def probabilistic(
    sharpe: float, observations: int, *, skew: float = 0.0, kurtosis: float = 3.0, benchmark: float = 0.0
) -> float:
    """Return the probability that the true ratio is above a benchmark.

    Parameters
    ----------
    sharpe, benchmark : float
        Per period.
    observations : int
        Returns that the ratio was estimated from, at least 2.
    skew, kurtosis : float
        Of the returns; kurtosis raw.

    Raises
    ------
    ConfigError
        If there are too few observations, or no distribution has such moments.
    """
    if observations < 2:
        raise ConfigError(f"observations must be at least 2, got {observations!r}")
    return _NORMAL.cdf((sharpe - benchmark) * math.sqrt(observations - 1) / _error(sharpe, skew, kurtosis))


def expected_maximum(trials: int) -> float:
    """Return how many standard deviations the best of so many independent trials without skill is expected to be above
    their mean.
    """
    if trials < 1:
        raise ConfigError(f"trials must be at least 1, got {trials!r}")
    if trials == 1:
        return 0.0
    first, second = (_NORMAL.inv_cdf(1.0 - 1.0 / (trials * each)) for each in (1.0, math.e))
    return (1.0 - _EULER) * first + _EULER * second


def deflated(
    sharpe: float, observations: int, *, trials: int, variance: float, skew: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Return the probability that the true ratio of the best of several trials is above what luck would have given.

    Parameters
    ----------
    sharpe : float
        Of the trial that was chosen, per period.
    observations : int
    trials : int
        Independent configurations that were tried.
    variance : float
        Of the ratios (per period) of all trials.
    skew, kurtosis : float
    """
    if variance < 0.0:
        raise ConfigError(f"variance must not be negative, got {variance!r}")
    luck = math.sqrt(variance) * expected_maximum(trials)
    return probabilistic(sharpe, observations, skew=skew, kurtosis=kurtosis, benchmark=luck)


def shortest_record(
    sharpe: float, *, confidence: float = 0.95, skew: float = 0.0, kurtosis: float = 3.0, benchmark: float = 0.0
) -> float:
    """Return how many observations it takes to say with this confidence that the true ratio is above a benchmark.

    Infinity for a ratio that is not above it.
    """
    if not 0.0 < confidence < 1.0:
        raise ConfigError(f"confidence must be in (0, 1), got {confidence!r}")
    if sharpe <= benchmark:
        return math.inf
    return 1.0 + (_error(sharpe, skew, kurtosis) * _NORMAL.inv_cdf(confidence) / (sharpe - benchmark)) ** 2


def overfitting(returns: ArrayLike, *, blocks: int = 16, metric: Metric | None = None) -> tuple[float, Any]:
    """Return the probability of backtest overfitting by combinatorially symmetric cross-validation.

    Parameters
    ----------
    returns : array_like of float, shape (periods, configurations)
    blocks : int
        Even number of stretches into which the periods are cut, as equal as possible; every half of them is once in
        sample.
    metric : callable, optional
        From returns of shape (k, configurations) to one figure per configuration, higher is better; the mean return.

    Returns
    -------
    share : float
        Of the splits in which the best configuration in sample is below the median of the others out of sample.
    logits : ndarray of float64, shape (splits,)
        Of its relative rank out of sample; below 0 counts.
    """
    table = np.asarray(returns, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 2:
        raise ConfigError(f"returns must have shape (periods, at least 2 configurations), got {table.shape}")
    if blocks < 2 or blocks % 2 or blocks > len(table):
        raise ConfigError(f"blocks must be even, from 2 to the {len(table)} periods, got {blocks!r}")
    judge: Metric = metric if metric is not None else lambda part: np.asarray(part.mean(axis=0), dtype=np.float64)
    pieces = np.array_split(np.arange(len(table)), blocks)
    logits = []
    for chosen in combinations(range(blocks), blocks // 2):
        inside = np.concatenate([pieces[number] for number in chosen])
        outside = np.setdiff1d(np.arange(len(table)), inside)
        best = int(np.argmax(judge(table[inside])))
        scores = judge(table[outside])
        below, equal = np.count_nonzero(scores < scores[best]), np.count_nonzero(scores == scores[best])
        rank = (below + (equal + 1) / 2) / (table.shape[1] + 1)
        logits.append(math.log(rank / (1.0 - rank)))
    found = np.array(logits)
    return float(np.mean(found < 0.0)), found


def track_record(
    excess: NDArray[np.float64],
    *,
    trials: int = 1,
    variance: float | None = None,
    benchmark: float = 0.0,
    confidence: float = 0.95,
) -> dict[str, float]:
    """Return what the Sharpe ratio of returns is worth.

    Parameters
    ----------
    excess : ndarray of float64, shape (n,)
        Returns above cash, one a period.
    trials : int
        Configurations that were tried before this one was chosen.
    variance : float, optional
        Of their ratios per period; needed with several trials.
    benchmark : float
        Ratio per period to be above.
    confidence : float
        Of the shortest record.

    Returns
    -------
    dict
        observations, sharpe (per period), skew, kurtosis (raw), probability (that the true ratio is above the
        benchmark), deflated (above what luck would have given in so many trials), shortest_record (observations that
        it takes to be confident of the benchmark).

    Raises
    ------
    ConfigError
        With fewer than three returns or none that differ, and for several trials without their variance.
    """
    if trials > 1 and variance is None:
        raise ConfigError(f"trials={trials}: give variance=, that of the ratios (per period) of all trials")
    n = len(excess)
    if n < 3 or excess.std() == 0.0:
        raise ConfigError(f"a track record needs three returns that differ, got {n}")
    unit = (excess - excess.mean()) / excess.std()
    sharpe = float(excess.mean() / excess.std(ddof=1))
    moments = {"skew": float((unit**3).mean()), "kurtosis": float((unit**4).mean())}
    return {
        "observations": n,
        "sharpe": sharpe,
        **moments,
        "probability": probabilistic(sharpe, n, benchmark=benchmark, **moments),
        "deflated": deflated(sharpe, n, trials=trials, variance=0.0 if variance is None else variance, **moments),
        "shortest_record": shortest_record(sharpe, confidence=confidence, benchmark=benchmark, **moments),
    }


def _error(sharpe: float, skew: float, kurtosis: float) -> float:
    """Return the standard error of a ratio times the root of observations - 1."""
    inside = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    if inside <= 0.0:
        raise ConfigError(
            f"no distribution has skew {skew:g} and raw kurtosis {kurtosis:g} (kurtosis >= 1 + skew^2, 3 for a normal "
            "one)"
        )
    return math.sqrt(inside)
