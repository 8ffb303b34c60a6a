"""Figures of a track record: the plain ones computed here, the rest by `quantstats.stats` behind one adaptor.

quantstats guesses whether it was given prices or returns (a series without a negative value and with one above 1 is
taken for prices), ignores the cash rate in its Sortino ratio and rounds exposure up to whole percents; and importing it
loads matplotlib and yfinance. So return, growth, volatility, Sharpe, Sortino and drawdown are ours (tests compare them
with quantstats where its definition is the same), and of quantstats only functions are called that can be told not to
guess, each with clean daily simple returns and tested by itself.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backtest.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

PERIODS = 365  # days a year: these markets do not close
MIN_DAYS_GROWTH = 30  # below it a growth rate per year is a fantasy and is not given
NAN = float("nan")


def wealth(
    times: NDArray[np.int64],
    equity: NDArray[np.float64],
    flow_times: NDArray[np.int64],
    flows: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return what one unit invested at the first sample has become: time-weighted, deposits taken out.

    Between two samples the factor is (equity - flows between them) / equity before; from the sample at which nothing
    is left on it stays 0, whatever is deposited later.

    Parameters
    ----------
    times : ndarray of int64, shape (n,)
        ns, ascending.
    equity : ndarray of float64, shape (n,)
        Reporting asset.
    flow_times : ndarray of int64, shape (m,)
        ns, ascending.
    flows : ndarray of float64, shape (m,)
        Reporting asset; deposits > 0, withdrawals < 0. A flow at the time of a sample is inside that sample.

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    if len(times) == 0:
        return np.zeros(0)
    # Of several samples at the nanosecond of a flow some were taken before it: only the last one counts.
    is_last = np.r_[times[1:] != times[:-1], True]
    chosen = np.flatnonzero(is_last | ~np.isin(times, flow_times))
    value = equity[chosen]
    sums = np.concatenate([np.zeros(1), np.cumsum(flows, dtype=np.float64)])
    counted = sums[np.searchsorted(flow_times, times[chosen], side="right")]
    factors = np.ones(len(value), dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        factors[1:] = np.where(value[:-1] > 0, (value[1:] - np.diff(counted)) / value[:-1], 0.0)
    if value[0] <= 0:
        factors[0] = 0.0
    ruined = np.cumsum(factors <= 0) > 0
    worth = np.cumprod(np.where(ruined, 0.0, factors), dtype=np.float64)
    return worth[np.maximum(np.searchsorted(chosen, np.arange(len(times)), side="right") - 1, 0)]


def returns(times: NDArray[np.int64], worth: NDArray[np.float64], freq: str = "1D") -> "pd.Series[float]":
    """Return simple returns per period (UTC), each labelled with the time at which its period begins.

    Parameters
    ----------
    times : ndarray of int64, shape (n,)
        ns, ascending.
    worth : ndarray of float64, shape (n,)
        From `wealth`. A sample exactly on a boundary belongs to the period that ends there.
    freq : str
        A pandas offset alias of fixed length, or ``"MS"`` for months.

    Returns
    -------
    Series of float64
        Their product is the whole return. After ruin (-1) the returns are 0.
    """
    import pandas as pd

    if len(times) < 2:
        return pd.Series(np.zeros(0), index=pd.DatetimeIndex([], tz="UTC"), name="return")
    # A sample on a boundary ends the period before it, so the last nanosecond before a sample says its period.
    inside = times[1:] - 1
    if freq in ("MS", "ME", "M"):
        labels = inside.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
        first = int(times[:1].astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)[0])
        numbers = np.arange(first, labels[-1] + 1)
        grid = numbers.astype("datetime64[M]")
    else:
        step = _period_ns(freq)
        labels = inside // step
        numbers = np.arange(times[0] // step, labels[-1] + 1)
        grid = (numbers * step).astype("datetime64[ns]")
    # The last sample of each period; a period without one ends where the one before it ended.
    ends = worth[np.searchsorted(labels, numbers, side="right")]
    starts = np.r_[worth[0], ends[:-1]]
    index = pd.DatetimeIndex(grid.astype("datetime64[ns]"), tz="UTC")
    with np.errstate(divide="ignore", invalid="ignore"):
        made = pd.Series(np.where(starts > 0, ends / starts - 1.0, 0.0), index=index, name="return")
    made.attrs["units"] = {"return": f"simple return per {freq}"}
    return made


def _period_ns(freq: str) -> int:
    """Return the length of a period in ns."""
    import pandas as pd

    try:
        length = int(pd.Timedelta(freq if freq[:1].isdigit() or freq[:1] in "+-" else f"1{freq}").value)
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"returns(freq={freq!r}): a fixed length such as '1D', '1h', '7D', or 'MS' for months"
        ) from error
    if length <= 0:
        raise ConfigError(f"returns(freq={freq!r}): the length of a period must be positive")
    return length


def drawdowns(worth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return worth / highest so far - 1 at each sample, 0 to -1."""
    if len(worth) == 0:
        return np.zeros(0)
    peak = np.maximum.accumulate(np.maximum(worth, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        out: NDArray[np.float64] = np.where(peak > 0, worth / peak - 1.0, 0.0)
    return out


def falls(worth: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the deepest drawdown of each path (-1 to 0), and the most periods in a row below an earlier peak.

    Parameters
    ----------
    worth : ndarray of float64, shape (paths, moments)
    """
    peak = np.maximum.accumulate(worth, axis=1)
    deepest = (worth / peak - 1.0).min(axis=1)
    number = np.arange(worth.shape[1])
    last = np.maximum.accumulate(np.where(worth >= peak, number, 0), axis=1)
    return deepest, (number - last).max(axis=1).astype(np.float64)


def longest_drawdown(times: NDArray[np.int64], worth: NDArray[np.float64]) -> float:
    """Return the longest time between a peak and its recovery (or the end), in days."""
    if len(worth) < 2:
        return 0.0
    peak = np.maximum.accumulate(worth)
    at_peak = np.flatnonzero(worth >= peak)
    # From the last sample at a peak to the first that reaches it again.
    edges = np.r_[times[at_peak], times[-1]]
    gaps = np.diff(edges)[np.r_[np.diff(at_peak) > 1, at_peak[-1] < len(worth) - 1]]
    return float(gaps.max(initial=0)) / 86_400e9


def daily_cash(cash_rate: float) -> float:
    """Return what cash earns a day at a yearly rate."""
    return float((1.0 + cash_rate) ** (1.0 / PERIODS) - 1.0)


def plain(daily: "pd.Series[float]", cash_rate: float = 0.0) -> dict[str, float]:
    """Return the figures that need no library.

    Parameters
    ----------
    daily : Series of float64
        Simple returns per day.
    cash_rate : float
        Per year; what cash would have earned, taken off in Sharpe and Sortino by the day.

    Returns
    -------
    dict of str to float
        days; cagr (nan below 30 days); volatility (standard deviation with n - 1, per year of 365 days); sharpe (mean
        over standard deviation of daily excess returns x sqrt(365)); sortino (the same over the root of the mean
        square of the negative excess returns); best_day, worst_day. nan where not defined.
    """
    values = daily.to_numpy(dtype=float)
    n = len(values)
    out = {"days": float(n)} | dict.fromkeys(("cagr", "volatility", "sharpe", "sortino", "best_day", "worst_day"), NAN)
    if n == 0:
        return out
    out["best_day"], out["worst_day"] = float(values.max()), float(values.min())
    if n >= MIN_DAYS_GROWTH:
        out["cagr"] = float(np.prod(1.0 + values) ** (PERIODS / n) - 1.0)
    if n < 2:
        return out
    excess = values - daily_cash(cash_rate)
    spread = float(values.std(ddof=1))
    downside = math.sqrt(float(np.mean(np.minimum(excess, 0.0) ** 2)))
    out["volatility"] = spread * math.sqrt(PERIODS)
    # A constant series has a standard deviation of rounding errors, not a Sharpe ratio.
    if spread > 1e-12 * max(1e-9, float(np.abs(values).max())):
        out["sharpe"] = float(excess.mean()) / spread * math.sqrt(PERIODS)
    if downside > 0.0:
        out["sortino"] = float(excess.mean()) / downside * math.sqrt(PERIODS)
    return out


def library(daily: "pd.Series[float]") -> dict[str, float]:
    """Return figures from `quantstats.stats`, nan where it has none.

    Parameters
    ----------
    daily : Series of float64
        Simple returns per day, no nan.

    Returns
    -------
    dict of str to float
        skew, kurtosis (excess), value_at_risk (normal, 95 %), expected_shortfall (mean of the worst 5 % of the days),
        tail_ratio, win_rate (of days with a return), payoff_ratio, profit_factor, kelly, consecutive_wins,
        consecutive_losses.
    """
    names = (
        "skew", "kurtosis", "value_at_risk", "expected_shortfall", "tail_ratio", "win_rate", "payoff_ratio",
        "profit_factor", "kelly", "consecutive_wins", "consecutive_losses",
    )  # fmt: skip
    values = daily.to_numpy(dtype=float)
    if len(values) < 3 or not np.isfinite(values).all() or not (values != 0).any():
        return dict.fromkeys(names, NAN)
    import quantstats.stats

    stats: Any = quantstats.stats
    clean = daily.tz_localize(None) if getattr(daily.index, "tz", None) is not None else daily
    told: dict[str, Any] = {"prepare_returns": False}
    losses, wins = bool((values < 0).any()), bool((values > 0).any())
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {
            "skew": stats.skew(clean, **told),
            "kurtosis": stats.kurtosis(clean, **told),
            "value_at_risk": stats.value_at_risk(clean, **told),
            "expected_shortfall": stats.conditional_value_at_risk(clean, method="historical", **told),
            "tail_ratio": stats.tail_ratio(clean, **told),
            "win_rate": stats.win_rate(clean, **told),
            # Without a win or without a loss the ratios are not defined; quantstats answers 0, inf or a warning.
            "payoff_ratio": stats.payoff_ratio(clean, **told) if losses and wins else NAN,
            "profit_factor": stats.profit_factor(clean, **told) if losses else NAN,
            "kelly": stats.kelly_criterion(clean, **told) if losses and wins else NAN,
            "consecutive_wins": stats.consecutive_wins(clean, **told),
            "consecutive_losses": stats.consecutive_losses(clean, **told),
        }
    return {name: float(found[name]) if np.isfinite(found[name]) else NAN for name in names}
