"""Random processes of the synthetic market, on numpy's raw PCG64 words and exactly rounded arithmetic only.

Nothing here calls a function whose last bit depends on the machine (exp, log, pow, cos) or on numpy's version (the
distributions of ``Generator``): draws are 64-bit words of PCG64, whose stream numpy guarantees, and every float comes
from +, -, *, / and sqrt in a fixed order. Equal seeds therefore give equal bytes everywhere.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]
Source = Callable[[int], Words]

MINUTE_S = 60
BRANCHING = 0.6  # mean number of trades that one trade excites directly
FOLLOW_MEAN_MS = 2_000  # mean delay of an excited trade
GARCH_ALPHA, GARCH_BETA, GARCH_MAX = 0.10, 0.88, 25.0


class Crash(NamedTuple):
    """Shape of the flash crash, one value per second."""

    level: Floats  # factor on the price: 1 before, 1 - depth at the trough
    panic: Floats  # 0 before, 1 at the trough, then fading to 0


def draws(seed: int, *names: str) -> Source:
    """Return a source of 64-bit words of its own for one named purpose: ``source(n)`` gives the next n of them."""
    words = [int.from_bytes(name.encode(), "big") for name in names]
    return np.random.PCG64(np.random.SeedSequence([seed, *words])).random_raw


def uniform(words: Words) -> Floats:
    """Return numbers in (0, 1] from the upper 53 bits of each word."""
    return ((words >> np.uint64(11)) + np.uint64(1)).astype(np.float64) * 2.0**-53


def student_t4(words: Words) -> Floats:
    """Return Student t shocks with 4 degrees of freedom, scaled to variance 1, from the upper 14 bits of each word.

    Notes
    -----
    The quantile of t4 is closed: with a = 4 p (1 - p), x = sign(p - 1/2) 2 sqrt(c / sqrt(a) - 1), where
    c = cos(arccos(sqrt(a)) / 3) is the root in (0.86, 1] of 4 c^3 - 3 c = sqrt(a), found here by Newton's method.
    14 bits cut the tails at 7 standard deviations of the shock.

    References
    ----------
    W. T. Shaw, Sampling Student's T distribution, Journal of Computational Finance 9(4), 2006, section 2.
    """
    cells = 1 << 14
    p = (np.arange(cells) + 0.5) / cells
    root = np.sqrt(4.0 * p * (1.0 - p))
    c = np.ones(cells)
    for _ in range(8):
        c = c - (4.0 * c * c * c - 3.0 * c - root) / (12.0 * c * c - 3.0)
    quantile = np.where(p < 0.5, -2.0, 2.0) * np.sqrt(np.maximum(c / root - 1.0, 0.0))
    table: Floats = quantile / math.sqrt(2.0)  # the variance of t4 is 2
    return table[(words >> np.uint64(50)).astype(np.int64)]


def mean_reverting(shocks: Floats, *, start: float, mean: float, speed: float) -> Floats:
    """Return x[0] = start, x[k + 1] = x[k] + speed (mean - x[k]) + shocks[k]: as many values as shocks."""
    value, out = start, []
    for shock in shocks.tolist():
        out.append(value)
        value = value + speed * (mean - value) + shock
    return np.array(out)


def garch(shocks: Floats) -> Floats:
    """Return the volatility ratio of each step, known before its shock.

    GARCH(1, 1): variance v[0] = 1, v[k + 1] = (1 - alpha - beta) + v[k] (alpha shock[k]^2 + beta), at most GARCH_MAX;
    the ratio is sqrt(v).
    """
    variance, out = 1.0, []
    for shock in shocks.tolist():
        out.append(math.sqrt(variance))
        variance = 1.0 - GARCH_ALPHA - GARCH_BETA + variance * (GARCH_ALPHA * shock * shock + GARCH_BETA)
        variance = min(variance, GARCH_MAX)
    return np.array(out)


def flash_crash(
    seconds: int, *, begin: int, length: int, depth: float, lasting: float, rebound: int, fade: int
) -> Crash:
    """Return the crash: a smooth fall by ``depth`` within ``length`` seconds, then a rebound to a lasting loss.

    Parameters
    ----------
    seconds, begin, length : int
        Seconds of the path; second at which the fall begins; its duration.
    depth, lasting : float
        Share of the price lost at the trough; share that never comes back.
    rebound, fade : int
        Seconds after the trough at which half of the transient loss, and of the panic, is gone.

    Notes
    -----
    With u = time since begin / length in [0, 1], fall = u^2 (3 - 2 u), and s = seconds since the trough:
    level = 1 - fall (lasting + (depth - lasting) rebound / (rebound + s)); panic = fall fade / (fade + s).
    """
    time = np.arange(seconds, dtype=np.float64) - begin
    u = np.clip(time / length, 0.0, 1.0)
    fall = u * u * (3.0 - 2.0 * u)
    since = np.maximum(time - length, 0.0)
    level = 1.0 - fall * (lasting + (depth - lasting) * (rebound / (rebound + since)))
    return Crash(level, fall * (fade / (fade + since)))


class Walk(NamedTuple):
    """An anchored random walk."""

    level: Floats  # per second: deviation from the anchor as a share of it
    ratio: Floats  # per minute: volatility over its long-run value


def anchored_walk(shocks: Floats, *, volatility: float, speed: float, stress: Floats) -> Walk:
    """Return a walk with fat-tailed seconds, clustered minutes and a weak pull to its anchor.

    Parameters
    ----------
    shocks : ndarray of float64, shape (60 n,)
        Independent shocks of variance 1, one per second.
    volatility : float
        Long-run standard deviation of one minute, as a share of the anchor.
    speed : float
        Share of the deviation that is undone in a minute.
    stress : ndarray of float64, shape (n,)
        Factor on the volatility of each minute that does not feed back into later ones.

    Notes
    -----
    Minute m: ratio[m] from ``garch`` on z[m] = sum of its shocks / sqrt(60); second s of it moves by
    volatility ratio[m] stress[m] shock / sqrt(60) - speed x[m] / 60, with x[m] the deviation at the minute's start.
    """
    step = shocks.reshape(-1, MINUTE_S)
    running = np.cumsum(step, axis=1)
    ratio = garch(running[:, -1] / math.sqrt(MINUTE_S))
    scale = volatility * ratio * stress / math.sqrt(MINUTE_S)
    opening = mean_reverting(scale * running[:, -1], start=0.0, mean=0.0, speed=speed)
    pull = 1.0 - speed * np.arange(MINUTE_S) / MINUTE_S
    level = opening[:, None] * pull + scale[:, None] * (running - step)
    return Walk(level.reshape(-1), ratio)


def by_seconds(minutes: Floats) -> Floats:
    """Return values of minute starts joined by straight lines, one per second; the last minute is level."""
    following = np.append(minutes[1:], minutes[-1])
    share = np.arange(MINUTE_S) / MINUTE_S
    return (minutes[:, None] + (following - minutes)[:, None] * share).reshape(-1)


def arrivals(source: Source, *, expected: int, weights: Floats, buy_share: Floats) -> tuple[Ints, npt.NDArray[np.int8]]:
    """Return times and aggressor sides of self-exciting trades.

    Parameters
    ----------
    source : callable
        Raw words, as ``draws`` gives.
    expected : int
        Expected number of trades, edge losses aside.
    weights : ndarray of float64, shape (n,)
        Relative rate of spontaneous trades in each minute.
    buy_share : ndarray of float64, shape (n,)
        Probability that a spontaneous trade of the minute is a buy.

    Returns
    -------
    times : ndarray of int64
        Milliseconds since the first minute's start, ascending.
    sides : ndarray of int8
        +1 buyer aggressor, -1 seller.

    Notes
    -----
    A Hawkes process in its cluster form: expected x (1 - BRANCHING) spontaneous trades form a Poisson process given its
    count, with intensity proportional to the weights; each trade has two chances of BRANCHING / 2 to excite a follower,
    after a delay d with survival P(d > t) = (1 + t / FOLLOW_MEAN_MS)^-2 (power law, mean FOLLOW_MEAN_MS). A follower
    takes the side of its parent with probability 7/8.

    References
    ----------
    A. G. Hawkes, D. Oakes, A cluster process representation of a self-exciting process, J. Appl. Prob. 11, 1974.
    """
    bounds = np.cumsum(weights)
    place = uniform(source(round(expected * (1.0 - BRANCHING)))) * bounds[-1]
    minute = np.minimum(np.searchsorted(bounds, place), len(weights) - 1)
    within = 1.0 - (bounds[minute] - place) / weights[minute]
    span_ms = MINUTE_S * 1000
    times = minute * span_ms + np.clip(within * span_ms, 0.0, span_ms - 1).astype(np.int64)
    sides = np.where(uniform(source(len(times))) <= buy_share[minute], 1, -1).astype(np.int8)
    all_times, all_sides = [times], [sides]
    chance, half = np.uint64(round(BRANCHING / 2 * 2**32)), np.uint64(2**32 - 1)
    while len(times):
        words = source(len(times))
        first, second = words & half < chance, words >> np.uint64(32) < chance
        parents = np.concatenate([np.flatnonzero(first), np.flatnonzero(second)])
        words = source(len(parents))
        delay = FOLLOW_MEAN_MS * (1.0 / np.sqrt(uniform(words)) - 1.0)
        times = times[parents] + delay.astype(np.int64)
        turn = np.where(words & np.uint64(7) == 0, -1, 1).astype(np.int8)
        inside = times < len(weights) * span_ms
        times, sides = times[inside], (sides[parents] * turn)[inside]
        all_times.append(times)
        all_sides.append(sides)
    joined = np.concatenate(all_times)
    order = np.argsort(joined, kind="stable")
    return joined[order], np.concatenate(all_sides)[order]


def heavy_sizes(words: Words, *, scale: float, largest: int) -> Ints:
    """Return sizes in lots with a power-law tail: P(size - 1 > q) = (1 + q / scale)^(-4/3), cut at ``largest``."""
    root = np.sqrt(uniform(words))  # u^(-3/4) = 1 / (sqrt(u) sqrt(sqrt(u)))
    return 1 + np.minimum(scale * (1.0 / (root * np.sqrt(root)) - 1.0), largest - 1).astype(np.int64)


def median_of_three(a: Ints, b: Ints, c: Ints) -> Ints:
    """Return the middle one of three values, element by element."""
    return np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))
