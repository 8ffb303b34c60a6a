"""Whose position the venue acted on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtest.result_storage import Store
from backtest.tables import FORCED


class Owners:
    """Whose position it was: strategy and tag of the own fill that last increased it, by account and instrument.

    What the venue does to a position (funding, forced closes) has no order of a strategy behind it; it counts
    for these.
    """

    def __init__(self, store: Store) -> None:
        fills = store.columns("fills")
        rows = np.flatnonzero((fills["increases"] != 0) & (fills["forced"] == FORCED.index("own")))
        key = self._key(fills["account"][rows], fills["instrument"][rows])
        order = np.argsort(key, kind="stable")
        self._key_of, rows = key[order], rows[order]
        self._time = fills["time"][rows]
        self._columns = {name: fills[name][rows] for name in ("strategy", "tag")}

    def fill(
        self,
        account: NDArray[Any],
        instrument: NDArray[Any],
        time: NDArray[np.int64],
        columns: dict[str, NDArray[np.int32]],
        *,
        before: NDArray[np.bool_] | None = None,
    ) -> dict[str, NDArray[np.int32]]:
        """Return strategies and tags with those of rows without a strategy filled in.

        Parameters
        ----------
        account, instrument, time : ndarray, shape (n,)
        columns : dict
            Whose ``strategy`` and ``tag``, shape (n,), are to be completed.
        before : ndarray of bool, shape (n,), optional
            Rows to which fills of the same instant do not count: funding is paid on the position before them.
        """
        unknown = (columns["strategy"] < 0) & (instrument >= 0)
        out = {name: values.copy() for name, values in columns.items()}
        key = self._key(account, instrument)
        for value in np.unique(key[unknown]).tolist():
            rows = np.flatnonzero(unknown & (key == value))
            begin, end = np.searchsorted(self._key_of, [value, value + 1])
            latest = time[rows] - (0 if before is None else before[rows].astype(np.int64))
            found = np.searchsorted(self._time[begin:end], latest, side="right") - 1
            for name in ("strategy", "tag"):
                out[name][rows[found >= 0]] = self._columns[name][begin:end][found[found >= 0]]
        return out

    @staticmethod
    def _key(account: NDArray[Any], instrument: NDArray[Any]) -> NDArray[np.int64]:
        return (account.astype(np.int64) << 32) + instrument.astype(np.int64)
