"""From positions of a leverage map to accounts of a run: whose they are, in units of the run's tables."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backtest.errors import ConfigError

if TYPE_CHECKING:
    from backtest.assembly import Assembly
    from backtest.lab.positions import Population
    from backtest.run_instruments import RunInstrument

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Accounts and their positions, as `venues.members.Members` takes them.

    Attributes
    ----------
    venue, asset, wallet, isolated : ndarray, shape (accounts,)
    first : ndarray of int32, shape (accounts + 1,)
    instrument, quantity, price, leverage : ndarray, shape (positions,)
    left_out : int
        Positions smaller than a lot.
    """

    venue: NDArray[np.int32]
    asset: NDArray[np.int32]
    first: NDArray[np.int32]
    wallet: Ints
    isolated: NDArray[np.uint8]
    instrument: NDArray[np.int32]
    quantity: Ints
    price: Ints
    leverage: NDArray[np.float64]
    left_out: int


def crowd_rows(assembly: "Assembly", found: "Population") -> Rows:
    """Return the accounts of a population.

    Raises
    ------
    ConfigError
        If a row has no place in the run.
    """
    run_of = _runs(assembly, found)
    for name, run in {
        (str(v), str(s)): run for v, s, run in zip(found.venue, found.symbol, run_of, strict=True)
    }.items():
        _check_place(assembly, found, name, run)
    index = np.array([run.index for run in run_of], dtype=np.int32)
    runs = {run.index: run for run in run_of}
    size, price, atoms, most = (np.zeros(len(found)) for _ in range(4))
    lots = np.ones(len(found))
    for row, run in runs.items():
        mine = index == row
        size[mine] = 10.0**run.quantity_scale / run.instrument.contract_size
        price[mine] = 10.0**run.price_scale
        atoms[mine] = 10.0 ** assembly.scales[assembly.asset_rows[run.instrument.settle]]
        most[mine] = run.tables[0].tiers[0].max_leverage if run.tables else np.inf
        lots[mine] = max(1.0, round((run.instrument.lot_size or 0) * 10**run.quantity_scale))
    # within 1e-9 below a lot is on it: floats must not cost a lot
    units = (np.floor(found.quantity * size / lots * (1.0 + 1e-9)) * lots).astype(np.int64)
    weight = found.weight.astype(np.int64)
    if np.any(weight != found.weight):
        raise ConfigError("a population in a run needs whole weights: each row is so many accounts of its own")
    value = found.quantity * np.where(found.contract == "inverse", 1.0 / found.entry, found.entry)
    leverage = np.clip(np.divide(value, found.collateral, out=np.full(len(value), np.inf),
                                 where=found.collateral > 0.0), 1.0, np.minimum(most, 1e9))  # fmt: skip
    shared = (found.margin_mode == "cross") & (found.account != "")
    if np.any(weight[shared] != 1):
        raise ConfigError("rows of one cross account need a weight of 1")
    kept = units > 0
    # one account for each row and weight; rows of a named cross account are neighbours
    key = np.where(shared, np.char.add(np.char.add(found.venue, "@"), found.account), "")
    _, named = np.unique(key, return_inverse=True)
    place = np.where(shared, len(found) + named, np.arange(len(found)))
    order = np.argsort(place, kind="stable")
    order = order[kept[order]]
    order = np.repeat(order, weight[order])
    new = np.ones(len(order), dtype=bool)
    new[1:] = (place[order][1:] != place[order][:-1]) | ~shared[order][1:]
    first = np.append(np.flatnonzero(new), len(order)).astype(np.int32)
    owner = np.cumsum(new) - 1
    wallet = np.zeros(len(first) - 1, dtype=np.int64)
    np.add.at(wallet, owner, np.floor(found.collateral * atoms * (1.0 + 1e-15)).astype(np.int64)[order])
    heads = order[first[:-1]]
    settle = np.array([assembly.asset_rows[run.instrument.settle] for run in run_of], dtype=np.int32)
    if np.any(settle[order] != settle[heads][owner]):
        raise ConfigError("positions of one cross account of a population must settle in one asset")
    venue = np.array([assembly.venue_names.index(run.venue) for run in run_of], dtype=np.int32)
    return Rows(
        venue=venue[heads],
        asset=settle[heads],
        first=first,
        wallet=wallet,
        isolated=(found.margin_mode[heads] == "isolated").astype(np.uint8),
        instrument=index[order],
        quantity=(found.side[order].astype(np.int64) * units[order]),
        price=np.maximum(1, np.rint(found.entry * price).astype(np.int64))[order],
        leverage=np.ascontiguousarray(leverage[order]),
        left_out=int(weight[~kept].sum()),
    )


def _runs(assembly: "Assembly", found: "Population") -> "list[RunInstrument]":
    """Return the instrument of each row."""
    known = {(run.venue, run.symbol): run for run in assembly.instruments if run.is_derivative}
    places: dict[tuple[str, str], RunInstrument] = {}
    for venue, symbol in sorted({(str(v), str(s)) for v, s in zip(found.venue, found.symbol, strict=True)}):
        fitting = [run for (v, s), run in known.items() if venue in ("", v) and symbol in ("", s)]
        if len(fitting) != 1:
            has = ", ".join(f"{s}@{v}" for v, s in known)
            what = f"{symbol or 'any symbol'}@{venue or 'any venue'}"
            raise ConfigError(
                f"population: {what} is {'no derivative' if not fitting else 'more than one derivative'} of the run; "
                f"it has {has or 'none'}"
            )
        places[venue, symbol] = fitting[0]
    return [places[str(v), str(s)] for v, s in zip(found.venue, found.symbol, strict=True)]


def _check_place(assembly: "Assembly", found: "Population", name: tuple[str, str], run: "RunInstrument") -> None:
    """Refuse what the contract or the venue does not have."""
    mine = (found.venue == name[0]) & (found.symbol == name[1])
    where = f"population: {run.symbol}@{run.venue}"
    kinds = set(found.contract[mine].tolist())
    if kinds != {run.instrument.contract}:
        raise ConfigError(f"{where} is {run.instrument.contract}, its rows say contract = {', '.join(sorted(kinds))}")
    facts = next(v for v in assembly.venues if v.name == run.venue).book.facts
    modes = set(found.margin_mode[mine].tolist()) - set(facts.margin_modes)
    if modes:
        raise ConfigError(f"{where}: margin_mode {', '.join(sorted(modes))} is none of {', '.join(facts.margin_modes)}")
    assets = set(found.collateral_asset[mine].tolist()) - {"quote", run.instrument.settle}
    if assets or np.any(found.haircut[mine] != 0.0):
        raise ConfigError(
            f"{where}: collateral in a run is {run.instrument.settle} without a haircut, "
            f"got {', '.join(sorted(assets)) or 'a haircut'}"
        )
    if not facts.liquidation:
        raise ConfigError(f"{where}: {run.venue} closes nothing by force, a population there would have no effect")
