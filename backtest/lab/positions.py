"""A population of positions: its columns and their checks, liquidation prices by the engine, who holds how much.

Prices come from the engine's own functions (`venues.pool`), row by row in C: a row's contract is linear or inverse
with one maintenance rate, at the mark or at the entry; shipped rules of a venue come in through `liquidation_move`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backtest.errors import ConfigError
from backtest.lab.given import Array, array, column, number

if TYPE_CHECKING:
    from venues import VenueRules
    from venues.contract import ContractBox

Words = NDArray[np.str_]

MARGIN_MODES: Final = ("isolated", "cross", "portfolio", "cdp")
CONTRACTS: Final = ("linear", "inverse", "spot_loan")
MM_BASES: Final = ("mark", "entry")
BALANCE: Final = 1e-3  # longs and shorts of a perpetual may differ by this share


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Positions, one row each; a row may stand for many accounts by its weight.

    Attributes
    ----------
    venue, account, symbol, collateral_asset, margin_mode, contract, mm_base : ndarray of str
        margin_mode: isolated, cross, portfolio or cdp; contract: linear, inverse or spot_loan; mm_base: mark or entry.
    side : ndarray of float64
        +1 long, -1 short.
    quantity : ndarray of float64
        Base units (inverse: USD of contracts), above 0.
    entry : ndarray of float64
        Quote per base.
    collateral : ndarray of float64
        Units of the collateral asset, at least 0.
    haircut : ndarray of float64
        Part of the collateral that does not count, in [0, 1].
    mmr : ndarray of float64
        Maintenance margin rate, in [0, 1).
    opened_at : ndarray of int64
        ns.
    weight : ndarray of float64
        Accounts that a row stands for.
    """

    venue: Words
    account: Words
    symbol: Words
    side: Array
    quantity: Array
    entry: Array
    collateral: Array
    collateral_asset: Words
    haircut: Array
    margin_mode: Words
    contract: Words
    mmr: Array
    mm_base: Words
    opened_at: NDArray[np.int64]
    weight: Array

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.quantity)

    @property
    def digest(self) -> str:
        """A fingerprint of all rows."""
        found = hashlib.sha256()
        for field in fields(self):
            values = getattr(self, field.name)
            found.update(field.name.encode())
            # text by its letters: the width of a column of text depends on how it was made
            found.update("\0".join(values.tolist()).encode() if values.dtype.kind == "U" else values.tobytes())
        return found.hexdigest()[:16]

    @property
    def notional(self) -> Array:
        """Quote at entry, weights included; of inverse contracts the quantity is in USD already."""
        made: Array = self.weight * self.quantity * np.where(self.contract == "inverse", 1.0, self.entry)
        return made


def population(rows: Mapping[str, ArrayLike], *, is_partial: bool = False) -> Population:
    """Return a checked population.

    Parameters
    ----------
    rows : mapping of str to array_like
        Columns; what is left out is the same for all: venue, account and symbol "", collateral_asset "quote", haircut
        0, margin_mode isolated, contract linear, mm_base mark, opened_at 0, weight 1.
    is_partial : bool
        Accept that longs and shorts of a contract do not match: data of a part of the accounts.

    Raises
    ------
    ConfigError
        If a column cannot be used, or longs and shorts of a perpetual differ by more than 0.1 %.
    """
    names = [field.name for field in fields(Population)]
    unknown = sorted(set(rows) - set(names))
    missing = [name for name in ("side", "quantity", "entry", "collateral", "mmr") if name not in rows]
    if unknown or missing:
        raise ConfigError(f"population: unknown columns {unknown}, missing {missing}; allowed are {', '.join(names)}")
    length = len(np.atleast_1d(np.asarray(rows["quantity"])))
    words: dict[str, Any] = {
        "venue": "", "account": "", "symbol": "", "collateral_asset": "quote", "margin_mode": "isolated",
        "contract": "linear", "mm_base": "mark",
    }  # fmt: skip
    made: dict[str, Any] = {name: _words(rows.get(name, word), name, length) for name, word in words.items()}
    for name, allowed in (("margin_mode", MARGIN_MODES), ("contract", CONTRACTS), ("mm_base", MM_BASES)):
        wrong = set(made[name].tolist()) - set(allowed)
        if wrong:
            raise ConfigError(f"{name} must be one of {', '.join(allowed)}, got {sorted(wrong)[0]!r}")
    made["side"] = column(rows["side"], "side", length)
    if np.any(np.abs(made["side"]) != 1.0):
        raise ConfigError("side must be +1 (long) or -1 (short)")
    made["quantity"] = column(rows["quantity"], "quantity", length, above=0.0)
    made["entry"] = column(rows["entry"], "entry", length, above=0.0)
    made["collateral"] = column(rows["collateral"], "collateral", length, low=0.0)
    made["mmr"] = column(rows["mmr"], "mmr", length, low=0.0, below=1.0)
    made["haircut"] = column(_full(rows.get("haircut", 0.0), length), "haircut", length, low=0.0, high=1.0)
    made["weight"] = column(_full(rows.get("weight", 1.0), length), "weight", length, above=0.0)
    made["opened_at"] = np.asarray(_full(rows.get("opened_at", 0), length), dtype=np.int64)
    found = Population(**made)
    if not is_partial:
        _check_balance(found)
    return found


def _words(values: ArrayLike, name: str, length: int) -> Words:
    found = np.asarray(_full(values, length), dtype=np.str_)
    if found.shape != (length,):
        raise ConfigError(f"{name} must have shape ({length},), got {found.shape}")
    return found


def _full(values: ArrayLike, length: int) -> Any:
    return np.full(length, values) if np.ndim(values) == 0 else np.asarray(values)


def _check_balance(found: Population) -> None:
    """Refuse perpetuals whose longs and shorts differ: every contract has two sides."""
    traded = found.contract != "spot_loan"
    keys = np.char.add(np.char.add(found.venue, " "), found.symbol)
    for key in np.unique(keys[traded]):
        row = traded & (keys == key)
        size = found.weight[row] * found.quantity[row]
        longs, shorts = float(size[found.side[row] > 0].sum()), float(size[found.side[row] < 0].sum())
        if abs(longs - shorts) > BALANCE * max(longs, shorts):
            raise ConfigError(
                f"{key.strip() or 'population'}: longs {longs:g} and shorts {shorts:g} differ by more than 0.1 %; "
                "is_partial=True accepts data of a part of the accounts"
            )


def liquidation_prices(found: Population) -> tuple[Array, Array]:
    """Return liquidation and bankruptcy price of each isolated position, quote per base; nan where there is none.

    Collateral counts after its haircut, in the settle asset: quote (linear) or base (inverse). Collateral in another
    asset moves with it: `drop_at_liquidation`. Rows of cross and portfolio accounts have no price of their own.
    """
    alone = (found.margin_mode == "isolated") & (found.contract != "spot_loan")
    if not alone.all():
        row = int(np.argmin(alone))
        raise ConfigError(
            f"row {row} is {found.margin_mode[row]} / {found.contract[row]}: only isolated linear and inverse rows "
            "have a price of their own; for accounts use `liquidation_move`"
        )
    boxes, box_of = _boxes(found)
    return _prices(boxes, box_of, found.side * found.quantity, found.entry, found.collateral * (1.0 - found.haircut))


def margin_utilisation(found: Population, marks: ArrayLike) -> Array:
    """Return maintenance / equity of each position by itself at its mark; infinite where no equity is left.

    Parameters
    ----------
    found : Population
        Linear and inverse contracts; maintenance is taken at the mark.
    marks : array_like
        Quote per base, one for all or one a row.
    """
    from venues.pool import risk_arrays

    n = len(found)
    boxes, box_of = _boxes(found)
    mark = np.ascontiguousarray(np.broadcast_to(array(marks, "marks", above=0.0), (n,)))
    out = np.empty((n, 5))
    risk_arrays(
        boxes, box_of, np.arange(n + 1), found.side * found.quantity, found.entry, mark, np.ones(n),
        found.collateral * (1.0 - found.haircut), out,
    )  # fmt: skip
    equity, maintenance = out[:, 0], out[:, 2]
    made: Array = np.divide(maintenance, equity, out=np.full(n, np.inf), where=equity > 0.0)
    return made


def _boxes(found: Population) -> "tuple[list[ContractBox], NDArray[np.int32]]":
    """Return the contracts of a population, and which one each row has."""
    keys = np.rec.fromarrays([found.contract, found.mmr, found.mm_base])
    unique, box_of = np.unique(keys, return_inverse=True)
    boxes = [contract_box(str(kind), float(rate), str(base)) for kind, rate, base in unique.tolist()]
    return boxes, np.ascontiguousarray(box_of, dtype=np.int32)


def contract_box(contract: str, maintenance_rate: float, mm_base: str = "mark") -> "ContractBox":
    """Return a contract with one tier for the engine's functions; a rate of 0 stands for the smallest float."""
    from venues.contract import ContractBox
    from venues.instrument import Instrument, MarginRules, Tier

    if contract not in ("linear", "inverse"):
        raise ConfigError(f"contract must be linear or inverse, got {contract!r}")
    rate = max(number(maintenance_rate, "maintenance_rate", low=0.0, below=1.0), 5e-324)
    symbol, base = ("X/USD:USD", "USD") if contract == "linear" else ("X/USD:X", "X")
    return ContractBox(
        Instrument(symbol, contract=contract),
        index=0,
        assets={"X": 0, "USD": 1} | {base: 1 if base == "USD" else 0},
        price_scale=8,
        quantity_scale=8,
        fees=(0.0, 0.0),
        tiers=[Tier(floor=0.0, maintenance_rate=rate, max_leverage=1.0, amount=0.0)],
        margin=MarginRules(isolated="entry" if mm_base == "entry" else "mark"),
    )


def _prices(boxes: "list[ContractBox]", row: ArrayLike, *columns: ArrayLike) -> tuple[Array, Array]:
    from venues.pool import price_arrays

    quantity, entry, wallet = (np.ascontiguousarray(values, dtype=np.float64) for values in columns)
    out = np.empty((len(quantity), 2))
    price_arrays(boxes, np.ascontiguousarray(row, dtype=np.int32), quantity, entry, wallet, out)
    out[out <= 0.0] = np.nan
    return out[:, 0].copy(), out[:, 1].copy()


def leverage_prices(
    entry: ArrayLike, leverage: ArrayLike, maintenance_rate: float, *, side: int, contract: str = "linear",
    mm_base: str = "mark",
) -> tuple[Array, Array]:  # fmt: skip
    """Return liquidation and bankruptcy prices of positions opened at `entry` with collateral = notional / leverage.

    Parameters
    ----------
    entry, leverage : array_like
        Broadcast with each other; above 0, at least 1.
    maintenance_rate : float
        In [0, 1).
    side : {1, -1}
    contract : {"linear", "inverse"}
    mm_base : {"mark", "entry"}
        Price at which maintenance is taken.

    Returns
    -------
    (liquidation, bankruptcy) : ndarray of float64
        Of the broadcast shape; nan where there is none.
    """
    if side not in (1, -1):
        raise ConfigError(f"side must be 1 (long) or -1 (short), got {side!r}")
    e, lev = np.broadcast_arrays(array(entry, "entry", above=0.0), array(leverage, "leverage", low=1.0))
    flat, by = e.ravel(), lev.ravel()
    # one unit of notional at entry: one USD of inverse contracts, one base coin of linear ones
    wallet = (1.0 / flat if contract == "inverse" else flat) / by
    box = contract_box(contract, maintenance_rate, mm_base)
    found = _prices([box], np.zeros(len(flat)), np.full(len(flat), float(side)), flat, wallet)
    return found[0].reshape(e.shape), found[1].reshape(e.shape)


def drop_at_liquidation(coverage: ArrayLike, maintenance_rate: ArrayLike, beta: ArrayLike = 0.0) -> Array:
    """Return the drop at which a long with collateral in an asset that falls beta times as much is closed.

    (K - m) / (1 + beta K - m), K = collateral after haircut / notional. A loan against collateral is K = beta = 1 times
    its own figures; beta = 0 is collateral in quote. An inverse contract is not beta = 1: its requirement is fixed in
    quote.
    """
    k = array(coverage, "coverage", low=0.0)
    m = array(maintenance_rate, "maintenance_rate", low=0.0, below=1.0)
    made: Array = (k - m) / (1.0 + array(beta, "beta", low=0.0) * k - m)
    return made


def liquidation_move(
    rules: "VenueRules",
    *,
    symbols: Sequence[str],
    direction: Mapping[str, float],
    symbol: Sequence[int],
    account: Sequence[int],
    quantity: ArrayLike,
    entry_price: ArrayLike,
    mark: ArrayLike,
    wallet: ArrayLike,
    steps: int = 400,
) -> Array:
    """Return the smallest move along one direction at which each cross account meets its requirement.

    Parameters
    ----------
    rules : VenueRules
        Whose margin engine judges (`risk_many`).
    symbols, symbol, account, quantity, entry_price, mark, wallet
        As in `VenueRules.risk_many`.
    direction : mapping of symbol to float
        Relative move of each mark per unit: {"BTC/USDT:USDT": -1, "ETH/USDT:USDT": -1.5}; a symbol left out stays.
    steps : int
        Of the scan before bisection to 1e-10: equity is not monotone along a direction when legs offset.

    Returns
    -------
    ndarray of float64, shape (accounts,)
        In [0, 1]; nan: none within 100 %.
    """
    unknown = sorted(set(direction) - set(symbols))
    if unknown or not direction:
        raise ConfigError(f"direction must name some of {', '.join(symbols)}, got {', '.join(direction) or 'nothing'}")
    move = np.array([float(direction.get(name, 0.0)) for name in symbols])[np.asarray(symbol, dtype=np.int64)]
    owner, prices = np.asarray(account, dtype=np.int64), array(mark, "mark", above=0.0)
    fixed: dict[str, Any] = {
        "symbols": symbols, "symbol": symbol, "account": account, "quantity": quantity, "entry_price": entry_price,
        "leverage": np.ones(len(owner)), "wallet": wallet,
    }  # fmt: skip

    def is_met(t: Array) -> NDArray[np.bool_]:
        # a price of zero is not one: the last step stops just above it
        moved = prices * np.maximum(1.0 + move * t[owner], 1e-12)
        found = rules.risk_many(mark=moved, **fixed)  # type: ignore[arg-type]  # arrays are sequences to the engine
        met: NDArray[np.bool_] = (found.maintenance_margin > 0.0) & (found.equity <= found.maintenance_margin)
        return met

    accounts = len(np.asarray(wallet))
    low, high = np.zeros(accounts), np.full(accounts, np.nan)
    for t in np.linspace(0.0, 1.0, steps + 1).tolist():
        met = is_met(np.full(accounts, t)) & np.isnan(high)
        high[met] = t
        low[np.isnan(high)] = t
    known = ~np.isnan(high)
    for _ in range(40):
        middle = np.where(known, 0.5 * (low + high), 0.0)
        met = is_met(middle)
        high, low = np.where(known & met, middle, high), np.where(known & ~met, middle, low)
    return high
