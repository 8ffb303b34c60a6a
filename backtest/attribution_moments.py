"""The moments between which equity is explained, and what assets were worth at any time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtest.errors import ConfigError, InvariantError
from backtest.result_storage import Columns, Store


@dataclass(frozen=True, slots=True)
class Snapshots:
    """The moments between which equity is explained, and what was owned at each.

    Attributes
    ----------
    rows : dict of str to ndarray
        Rows of the holdings table that belong to the chosen moments; `moment` counts these from 0.
    moment : ndarray of int64
    times, ledger_rows, fill_rows : ndarray of int64
        One element per moment.
    """

    rows: Columns
    moment: NDArray[np.int64]
    times: NDArray[np.int64]
    ledger_rows: NDArray[np.int64]
    fill_rows: NDArray[np.int64]

    @property
    def last(self) -> int:
        """Return the number of the last moment."""
        return len(self.times) - 1

    def intervals(self, starts: NDArray[np.int64], count: int) -> NDArray[np.int64]:
        """Return the interval of each of `count` rows of a table; -1 before the start."""
        found: NDArray[np.int64] = np.searchsorted(starts, np.arange(count), side="right").astype(np.int64) - 1
        return found


def asset_prices(store: Store) -> "AssetPrices":
    """Return the prices of the assets, made once for each result."""
    if "asset prices" not in store.memo:
        store.memo["asset prices"] = AssetPrices(store)
    made: AssetPrices = store.memo["asset prices"]
    return made


def snapshots(store: Store, *, months: bool) -> Snapshots:
    """Return the start and the end of the run, with the month boundaries between them if asked for.

    Raises
    ------
    InvariantError
        If the holdings table has no start and end, or rows were written after the end.
    """
    rows = store.columns("holdings")
    numbers, first = np.unique(rows["snapshot"], return_index=True)
    if len(numbers) < 2:
        raise InvariantError(f"holdings: {len(numbers)} snapshots in the result; a start and an end are needed")
    if not months:
        numbers, first = numbers[[0, -1]], first[[0, -1]]
    chosen = np.isin(rows["snapshot"], numbers)
    made = Snapshots(
        rows={name: values[chosen] for name, values in rows.items()},
        moment=np.searchsorted(numbers, rows["snapshot"][chosen]).astype(np.int64),
        times=rows["time"][first],
        ledger_rows=rows["ledger_rows"][first],
        fill_rows=rows["fill_rows"][first],
    )
    for name, ends in (("ledger", made.ledger_rows), ("fills", made.fill_rows)):
        if (np.diff(ends) < 0).any() or ends[-1] != store.rows(name):
            raise InvariantError(
                f"holdings: snapshots after {ends.tolist()} rows of {name}, which has {store.rows(name)}"
            )
    return made


class AssetPrices:
    """Price of each asset in the reporting asset over time, as the postings and holdings saw it."""

    def __init__(self, store: Store) -> None:
        self._reporting = store.meta["reporting"]
        self._names = store.assets
        self._known: dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
        columns = [store.columns(name) for name in ("ledger", "holdings")]
        times, assets, prices = (
            np.concatenate([part[key] for part in columns]) for key in ("time", "asset", "value_price")
        )
        for asset in range(len(store.assets) - 1):
            rows = np.flatnonzero((assets == asset) & np.isfinite(prices))
            order = rows[np.argsort(times[rows], kind="stable")]
            self._known[asset] = times[order], prices[order]

    def at(self, assets: NDArray[Any], times: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the last price known at each time (the first one ever known before that).

        Raises
        ------
        ConfigError
            If an asset never had a price.
        """
        out = np.ones(len(assets), dtype=np.float64)
        for asset in np.unique(assets).tolist():
            if self._names[asset] == self._reporting:
                continue
            known, prices = self._known[asset]
            if len(known) == 0:
                raise ConfigError(
                    f"no price of {self._names[asset]} in {self._reporting} in the whole run; give index rows of "
                    f"{self._names[asset]}/{self._reporting}, or prices={{{self._names[asset]!r}: ...}}"
                )
            rows = np.flatnonzero(assets == asset)
            out[rows] = prices[np.maximum(np.searchsorted(known, times[rows], side="right") - 1, 0)]
        return out

    def fill(self, assets: NDArray[Any], times: NDArray[np.int64], prices: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return `prices` with the unknown ones taken from the nearest known one."""
        unknown = np.flatnonzero(~np.isfinite(prices))
        if len(unknown) == 0:
            return prices
        out = prices.copy()
        out[unknown] = self.at(assets[unknown], times[unknown])
        return out
