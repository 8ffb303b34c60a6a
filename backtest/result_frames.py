"""Stored columns as DataFrames: names instead of indices, exact numbers instead of mantissas, UTC times, units."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backtest.result_storage import Columns, Store
from backtest.tables import BITS, CODES, LEGS, Column, table

if TYPE_CHECKING:
    import pandas as pd

RENAMED = {"instrument": "symbol"}
_POWERS = np.array([float(10**k) for k in range(23)])  # each exact in float64
_EXACT = 1 << 53
_HIDDEN = {"rate_scale", "ledger_rows", "fill_rows", "filled_value"}


def scaled(mantissas: NDArray[np.int64], scales: NDArray[np.int64] | int) -> NDArray[np.float64]:
    """Return mantissa / 10^scale, each the float64 nearest to the exact number.

    Parameters
    ----------
    mantissas : ndarray of int64, shape (n,)
    scales : int or ndarray of int64, shape (n,)
        0 to 22.

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    powers = _POWERS[scales]
    out: NDArray[np.float64] = mantissas / powers
    # A quotient of two exact floats is rounded once; an integer above 2^53 would be rounded twice.
    large = np.flatnonzero((mantissas > _EXACT) | (mantissas < -_EXACT))
    if len(large):
        wide = np.broadcast_to(np.asarray(scales), mantissas.shape)
        for row in large.tolist():
            out[row] = int(mantissas[row]) / 10 ** int(wide[row])
    return out


def times(values: NDArray[np.int64]) -> "pd.DatetimeIndex":
    """Return ns since 1970 as UTC times; 0 becomes NaT."""
    import pandas as pd

    stamps = values.astype("datetime64[ns]")
    if (values == 0).any():
        stamps = stamps.copy()
        stamps[values == 0] = np.datetime64("NaT", "ns")
    return pd.DatetimeIndex(stamps, tz="UTC")


def names(values: list[str | None], indices: NDArray[Any]) -> NDArray[np.object_]:
    """Return a name for each index; `values` ends with the name of -1."""
    lookup = np.empty(len(values), dtype=object)
    lookup[:] = values
    taken: NDArray[np.object_] = lookup[indices]
    return taken


def frame(store: Store, name: str, rows: NDArray[Any] | None = None) -> "pd.DataFrame":
    """Return a table as a DataFrame.

    Parameters
    ----------
    store : Store
    name : str
        Of the table.
    rows : ndarray of int or bool, optional
        Which rows, in which order.

    Returns
    -------
    DataFrame
        The columns that api.md names come first. ``attrs["units"]`` says the unit of each.
    """
    import pandas as pd

    definition = table(name)
    stored = store.columns(name)
    if rows is not None:
        stored = {key: values[rows] for key, values in stored.items()}
    out: dict[str, Any] = {}
    units: dict[str, str] = {}
    for column in definition.columns:
        if column.name not in _HIDDEN:
            shown = RENAMED.get(column.name, column.name)
            out[shown], units[shown] = _decode(store, column, stored)
    order = [*definition.shown, *(key for key in out if key not in definition.shown)]
    made = pd.DataFrame({key: out[key] for key in order})
    made.attrs["units"] = {key: units[key] for key in order}
    return made


def _decode(store: Store, column: Column, stored: Columns) -> tuple[Any, str]:
    """Return the values of one column and its unit in words."""
    values, unit = stored[column.name], column.unit
    kind, _, argument = unit.partition(":")
    if kind == "time":
        return times(values), "UTC"
    if kind in ("price", "price?"):
        out = scaled(values, store.price_scales[stored["instrument"]])
        if kind == "price?":
            out[values == 0] = np.nan
        return out, "quote per base"
    if kind == "quantity":
        whole = values.dtype.kind == "i"
        return (scaled(values, store.quantity_scales[stored["instrument"]]) if whole else values), "base or contracts"
    if kind == "rate":
        return scaled(values, stored["rate_scale"].astype(np.int64)), "per interval"
    if kind == "atoms":
        assets = store.settle[stored["instrument"]] if argument == "settle" else stored[argument]
        return scaled(values, store.asset_scales[assets]), _asset_unit(store, assets, argument)
    lists = {
        "account": store.accounts,
        "instrument": store.symbols,
        "asset": store.assets,
        "strategy": [*store.meta["strategies"], None],
        "tag": [*store.meta["tags"], None],
        "series": [*store.meta["series"], None],
        "text": [*store.meta["texts"], None],
    }
    if kind in lists:
        return names(lists[kind], values), "name"
    if kind == "code":
        return names([*CODES[argument]], values), "word"
    if kind == "bits":
        return _bits(BITS[argument], values), "words"
    if kind == "leg":
        return names([LEGS[0], LEGS[1], LEGS[-1]], values), "word"
    if kind == "flag":
        return values != 0, "true or false"
    return values, unit


def _asset_unit(store: Store, assets: NDArray[Any], argument: str) -> str:
    present = np.unique(assets)
    if len(present) == 1 and present[0] >= 0:
        return str(store.assets[present[0]])
    return "settle asset of the symbol" if argument == "settle" else f"asset in column {argument}"


def _bits(words: tuple[str, ...], values: NDArray[Any]) -> NDArray[np.object_]:
    """Return the words of the bits set, joined by a bar."""
    lookup = ["|".join(word for bit, word in enumerate(words) if code >> bit & 1) for code in range(1 << len(words))]
    return names([*lookup], values)
