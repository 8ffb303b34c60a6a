"""The worst and the best of each round trip, from the samples that were taken while it was open."""

import numpy as np
from numpy.typing import NDArray

from backtest.result_storage import Store

_FOREVER = np.iinfo(np.int64).max


def excursions(
    store: Store,
    account: NDArray[np.int64],
    instrument: NDArray[np.int64],
    side: NDArray[np.int64],
    opened: NDArray[np.int64],
    closed: NDArray[np.int64],
    entry: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return adverse and favourable excursion and the smallest distance to liquidation of each trip.

    Parameters
    ----------
    store : Store
    account, instrument, side : ndarray of int64, shape (trips,)
    opened, closed : ndarray of int64, shape (trips,)
        ns; closed 0 = still open.
    entry : ndarray of float64, shape (trips,)
        Average entry price.

    Returns
    -------
    mae, mfe : ndarray of float64, shape (trips,)
        Worst and best of side x (mark / entry - 1); nan without a sample.
    distance : ndarray of float64, shape (trips,)
        Of its margin pool; nan without a sample, inf without a liquidation price.
    """
    exposure, margin = store.columns("exposure"), store.columns("margin")
    until = np.where(closed == 0, _FOREVER, closed)
    mae, mfe, distance = (np.full(len(opened), np.nan) for _ in range(3))
    pairs = np.unique(np.stack([account, instrument]), axis=1).T.tolist() if len(opened) else []
    for owner, what in pairs:
        mine = np.flatnonzero((account == owner) & (instrument == what))
        rows = np.flatnonzero(
            (exposure["account"] == owner) & (exposure["instrument"] == what) & (exposure["mark"] > 0)
        )
        for direction in (1, -1):
            chosen = mine[side[mine] == direction]
            # The row with which a position closes has quantity 0 and belongs to both directions.
            fitting = rows[exposure["quantity"][rows] * direction >= 0]
            low, high = _extremes(exposure["time"][fitting], exposure["mark"][fitting], opened[chosen], until[chosen])
            worst, best = (low, high) if direction > 0 else (high, low)
            mae[chosen] = direction * (worst / entry[chosen] - 1.0)
            mfe[chosen] = direction * (best / entry[chosen] - 1.0)
        settle = store.settle[what]
        cross = (margin["instrument"] < 0) & ((margin["asset"] == settle) | (margin["asset"] < 0))
        pool = np.flatnonzero((margin["account"] == owner) & (cross | (margin["instrument"] == what)))
        distance[mine], _ = _extremes(margin["time"][pool], margin["distance"][pool], opened[mine], until[mine])
    return mae, mfe, distance


def _extremes(
    times: NDArray[np.int64], values: NDArray[np.float64], begin: NDArray[np.int64], end: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smallest and the largest value with begin <= time <= end; nan where there is none."""
    low, high = np.full(len(begin), np.nan), np.full(len(begin), np.nan)
    if len(times) == 0 or len(begin) == 0:
        return low, high
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    start = np.searchsorted(times, begin, side="left")
    stop = np.searchsorted(times, end, side="right")
    some = np.flatnonzero(stop > start)
    if len(some) == 0:
        return low, high
    # reduceat over [start, stop), [stop, next start), ...: every second result is wanted; one more value at the end
    # lets a stop lie behind the last sample.
    edges = np.stack([start[some], stop[some]], axis=1).ravel()
    padded = np.append(values, np.nan)
    low[some] = np.fmin.reduceat(padded, edges)[::2]
    high[some] = np.fmax.reduceat(padded, edges)[::2]
    return low, high
