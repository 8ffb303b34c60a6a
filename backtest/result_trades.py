"""Round trips: from flat to flat per account, symbol and leg, put together from the fills."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backtest.attribution_moments import asset_prices
from backtest.result_excursions import excursions
from backtest.result_frames import names, scaled, times
from backtest.result_storage import Store
from backtest.tables import FORCED, LEDGER_KINDS, LEGS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Trips:
    """Fills in order of account, symbol, leg and time, cut into round trips.

    Attributes
    ----------
    fill : ndarray of int64, shape (parts,)
        Row in the fills table; a fill that turns a position is two parts.
    quantity, held : ndarray of int64, shape (parts,)
        Signed quantity of the part and position after it.
    reduces : ndarray of bool, shape (parts,)
    share : ndarray of float64, shape (parts,)
        Of the quantity of its fill.
    first, last : ndarray of int64, shape (trips,)
        Parts with which a trip begins and ends.
    key : ndarray of int64, shape (trips,)
        Account, symbol and leg as one number.
    """

    fill: NDArray[np.int64]
    quantity: NDArray[np.int64]
    held: NDArray[np.int64]
    reduces: NDArray[np.bool_]
    share: NDArray[np.float64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    key: NDArray[np.int64]

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of one value per part over each trip."""
        return np.add.reduceat(values, self.first) if len(self.first) else np.zeros(0)


def keys(account: NDArray[Any], instrument: NDArray[Any], leg: NDArray[Any]) -> NDArray[np.int64]:
    """Return account, instrument and leg as one number."""
    return (account.astype(np.int64) << 34) + (instrument.astype(np.int64) << 2) + leg.astype(np.int64) + 1


def cut(store: Store) -> Trips:
    """Return the fills of a run cut into round trips."""
    fills = store.columns("fills")
    key = keys(fills["account"], fills["instrument"], fills["leg"])
    order = np.argsort(key, kind="stable")
    key = key[order]
    quantity = fills["side"][order].astype(np.int64) * fills["quantity"][order]
    begins = np.flatnonzero(np.r_[True, key[1:] != key[:-1]]) if len(key) else np.zeros(0, dtype=np.int64)
    running = np.cumsum(quantity)
    after = running - np.repeat((running - quantity)[begins], np.diff(np.r_[begins, len(key)]))
    before = after - quantity
    turns = np.sign(before) * np.sign(after) < 0
    # A fill that turns the position closes it whole, then opens the rest.
    take = np.repeat(np.arange(len(key)), 1 + turns)
    closing = np.flatnonzero(turns) + np.arange(np.count_nonzero(turns))
    part, held, previous = quantity[take], after[take], before[take]
    part[closing], held[closing] = -before[turns], 0
    part[closing + 1], previous[closing + 1] = after[turns], 0
    first = np.flatnonzero(previous == 0)
    last = np.r_[first[1:], len(take)].astype(np.int64)[: len(first)] - 1
    share = np.abs(part) / np.abs(quantity[take])
    return Trips(order[take], part, held, part * previous < 0, share, first, last, key[take][first])


def round_trips(store: Store) -> "pd.DataFrame":
    """Return every round trip, those still open at the end too.

    Returns
    -------
    DataFrame
        One row per trip in the order in which they began. `side` +1 long, -1 short; `quantity` the largest held, `held`
        what is still open; `entry_price` and `exit_price` averages of the fills that increased and that reduced
        (harmonic for inverse, as the contract pays); `realized_pnl` without fees; `fees` paid and `funding` received,
        in `asset` (settle asset; quote of spot); `pnl` = realized_pnl + funding - fees; `mae` and `mfe` the worst and
        best of mark / entry_price - 1 in the direction of the trip over the samples of its exposure; `min_distance` the
        smallest distance to liquidation among its margin samples; `exit_reason` own, liquidation, takeover, adl,
        settlement. Spot counts what the run itself bought and sold.
    """
    import pandas as pd

    fills = store.columns("fills")
    trips = cut(store)
    begin, end = trips.fill[trips.first], trips.fill[trips.last]
    account, instrument, leg = (fills[name][begin].astype(np.int64) for name in ("account", "instrument", "leg"))
    side = np.sign(trips.quantity[trips.first])
    is_open = trips.held[trips.last] != 0
    opened, closed = fills["time"][begin], np.where(is_open, 0, fills["time"][end])
    asset = store.settle[instrument]
    entry, exit_, shut = _averages(store, trips)
    realized = _realized(store, trips, instrument, side, entry, exit_, shut) + _paid_out(store, trips, opened)
    fees = _fees(store, trips, asset)
    funding = _funding(store, trips, opened)
    mae, mfe, distance = excursions(store, account, instrument, side, opened, closed, entry)
    largest = np.maximum.reduceat(np.abs(trips.held), trips.first) if len(begin) else np.zeros(0, dtype=np.int64)
    made = pd.DataFrame(
        {
            "account": names(store.accounts, account),
            "symbol": names(store.symbols, instrument),
            "leg": names([LEGS[0], LEGS[1], LEGS[-1]], leg),
            "side": side,
            "entry_time": times(opened),
            "exit_time": times(closed),
            "quantity": scaled(largest, store.quantity_scales[instrument]),
            "entry_price": entry,
            "exit_price": exit_,
            "pnl": realized + funding - fees,
            "realized_pnl": realized,
            "funding": funding,
            "fees": fees,
            "asset": names(store.assets, asset),
            "mae": mae,
            "mfe": mfe,
            "min_distance": distance,
            "fills": trips.last - trips.first + 1,
            "exit_reason": names(["", *FORCED], np.where(is_open, 0, fills["forced"][end] + 1)),
            "strategy": names([*store.meta["strategies"], None], fills["strategy"][begin]),
            "tag": names([*store.meta["tags"], None], fills["tag"][begin]),
            "is_open": is_open,
            "held": scaled(trips.held[trips.last], store.quantity_scales[instrument]),
        }
    )
    made = made.iloc[np.argsort(opened, kind="stable")].reset_index(drop=True)
    made.attrs["units"] = {
        "quantity": "base or contracts", "held": "base or contracts", "entry_price": "quote per base",
        "exit_price": "quote per base", "pnl": "asset of the row", "realized_pnl": "asset of the row",
        "funding": "asset of the row", "fees": "asset of the row", "mae": "1", "mfe": "1", "min_distance": "1",
    }  # fmt: skip
    return made


def time_in_market(trips: "pd.DataFrame", start_ns: int, end_ns: int) -> float:
    """Return the share of the run with at least one open trip; nan for a run of no length."""
    if end_ns <= start_ns:
        return float("nan")
    total, reached = 0, start_ns
    begins = trips["entry_time"].to_numpy(dtype="datetime64[ns]").astype(np.int64)
    ends = trips["exit_time"].to_numpy(dtype="datetime64[ns]").astype(np.int64)
    ends = np.where(trips["is_open"], end_ns, ends)
    for begin, end in sorted(zip(begins.tolist(), ends.tolist(), strict=True)):
        begin = max(begin, reached)
        if end > begin:
            total += end - begin
            reached = end
    return total / (end_ns - start_ns)


def _averages(store: Store, trips: Trips) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return average price in and out of each trip (nan without), and the quantity that was closed."""
    fills = store.columns("fills")
    which = fills["instrument"][trips.fill]
    price = scaled(fills["price"][trips.fill], store.price_scales[which])
    quantity = scaled(np.abs(trips.quantity), store.quantity_scales[which])
    inverse = np.array([*(kind == "inverse" for kind in store.contracts), False])
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(inverse[which], quantity / price, quantity * price)
        averages = []
        for chosen in (~trips.reduces, trips.reduces):
            amount, worth = trips.sums(quantity * chosen), trips.sums(value * chosen)
            harmonic = inverse[which[trips.first]]
            averages.append(np.where(amount > 0, np.where(harmonic, amount / worth, worth / amount), np.nan))
    return averages[0], averages[1], trips.sums(quantity * trips.reduces)


def _realized(
    store: Store,
    trips: Trips,
    instrument: NDArray[np.int64],
    side: NDArray[np.int64],
    entry: NDArray[np.float64],
    exit_: NDArray[np.float64],
    shut: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the profit posted by the closing fills; spot has none posted: what was sold at its average prices."""
    fills = store.columns("fills")
    posted = scaled(fills["realized_pnl"], store.asset_scales[store.settle[fills["instrument"]]])
    realized = trips.sums(posted[trips.fill] * trips.reduces)
    spot = np.array([*(kind == "spot" for kind in store.contracts), False])[instrument]
    return np.where(spot, np.where(shut > 0, side * shut * (exit_ - entry), 0.0), realized)


def _fees(store: Store, trips: Trips, asset: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return fees paid, those in another asset at the prices of their time."""
    fills = store.columns("fills")
    paid_in = fills["fee_asset"][trips.fill].astype(np.int64)
    wanted = np.repeat(asset, trips.last - trips.first + 1)
    fee = scaled(fills["fee"][trips.fill], store.asset_scales[paid_in]) * trips.share
    other = np.flatnonzero((paid_in != wanted) & (fee != 0))
    if len(other):
        prices, time = asset_prices(store), fills["time"][trips.fill][other]
        fee[other] *= prices.at(paid_in[other], time) / prices.at(wanted[other], time)
    return trips.sums(fee)


def _funding(store: Store, trips: Trips, opened: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the funding of each trip: payments after its first fill, at or before its last (design.md section 4).

    Where funding accrues, what a trip has accrued is paid after it has ended, to the same position.
    """
    funding = store.columns("funding")
    amount = scaled(funding["amount"], store.asset_scales[funding["asset"]])
    key = keys(funding["account"], funding["instrument"], funding["leg"])
    return _shared_out(trips, opened, key, funding["time"], amount)


def _paid_out(store: Store, trips: Trips, opened: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what daily settlements paid out to each trip; those venues have no hedge mode."""
    ledger = store.columns("ledger")
    rows = np.flatnonzero((ledger["kind"] == LEDGER_KINDS.index("settlement")) & (ledger["ref"] == 0))
    amount = scaled(ledger["amount"][rows], store.asset_scales[ledger["asset"][rows]])
    key = keys(ledger["account"][rows], ledger["instrument"][rows], np.zeros(len(rows), dtype=np.int64))
    return _shared_out(trips, opened, key, ledger["time"][rows], amount)


def _shared_out(
    trips: Trips,
    opened: NDArray[np.int64],
    key: NDArray[np.int64],
    time: NDArray[np.int64],
    amount: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Add payments to the trips they belong to."""
    out = np.zeros(len(opened))
    # A payment at T goes to the position held before T's trades: the last trip of its key that began before T.
    for value in np.unique(trips.key).tolist():
        rows = np.flatnonzero(key == value)
        mine = np.flatnonzero(trips.key == value)
        found = np.searchsorted(opened[mine], time[rows], side="left") - 1
        known = found >= 0
        np.add.at(out, mine[found[known]], amount[rows[known]])
    return out
