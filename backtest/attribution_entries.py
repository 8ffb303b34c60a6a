"""What an attribution is made of: postings, unrealised profit, and what fills cost against the decision."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtest.attribution_moments import AssetPrices, Snapshots
from backtest.attribution_owners import Owners
from backtest.result_storage import Columns, Store
from backtest.tables import ACCOUNT_ROLES, FORCED, LEDGER_KINDS

LINES = (
    "price", "slippage", "funding", "fees", "interest", "liquidation", "adl", "settlement", "failure",
    "conversion", "revaluation",
)  # fmt: skip
FLOWS = ("deposits", "withdrawals", "transfers")
NAMES = (*LINES, *FLOWS)
# What a posting of each kind is; transfer is decided by the other side.
LINE_OF_KIND = {
    "trade_profit": "price",
    "spot_trade": "price",
    "adl": "price",
    "settlement": "price",
    "fee": "fees",
    "funding": "funding",
    "interest": "interest",
    # a loan and what is owed for it sum to zero
    "borrow": "interest",
    "repay": "interest",
    "debt": "interest",
    "conversion": "conversion",
    "liquidation_fee": "liquidation",
    "insurance": "liquidation",
    "unfunded_loss": "liquidation",
    "socialised": "adl",
    "venue_failure": "failure",
    "deposit": "deposits",
    "withdrawal": "withdrawals",
    "transfer": "transfers",
}
# Where the distance from the decision price to the fill goes.
LINE_OF_FORCED = {
    "own": "slippage",
    "liquidation": "liquidation",
    "takeover": "liquidation",
    "adl": "adl",
    "settlement": "settlement",
}
INVERSE_SCALE = 16  # decimals of the coin to which the cost of an inverse fill is rounded, half to even
_SAFE = float(1 << 62)


@dataclass(frozen=True, slots=True)
class Entries:
    """Amounts that enter an attribution; one element per amount.

    Attributes
    ----------
    amount : ndarray of int64 or of Python integers
        Mantissa of `scale` decimals of an asset, received is positive.
    price : ndarray of float64
        Reporting asset per unit of that asset.
    line : ndarray of int32
        Index into `NAMES`.
    scale, account, asset, instrument, strategy, tag, interval : ndarray of int32
        Indices; -1 = none. `interval` counts the pieces of the run that are explained one by one.
    """

    amount: NDArray[Any]
    price: NDArray[np.float64]
    line: NDArray[np.int32]
    scale: NDArray[np.int32]
    account: NDArray[np.int32]
    asset: NDArray[np.int32]
    instrument: NDArray[np.int32]
    strategy: NDArray[np.int32]
    tag: NDArray[np.int32]
    interval: NDArray[np.int32]

    def joined(self, *others: "Entries") -> "Entries":
        """Return these entries and others as one."""
        return Entries(*(np.concatenate([getattr(part, f.name) for part in (self, *others)]) for f in fields(Entries)))


def posting_entries(store: Store, moments: Snapshots, prices: AssetPrices, owners: Owners) -> Entries:
    """Return the owned sides of all postings after the start."""
    ledger = store.columns("ledger")
    value = prices.fill(ledger["asset"], ledger["time"], ledger["value_price"])
    interval = moments.intervals(moments.ledger_rows, len(value))
    roles = np.array([ACCOUNT_ROLES.index(row["role"]) for row in store.meta["accounts"]], dtype=np.int64)
    lines = np.array([NAMES.index(LINE_OF_KIND[kind]) for kind in LEDGER_KINDS], dtype=np.int64)
    parts = []
    for own, other, sign in (("account", "contra", 1), ("contra", "account", -1)):
        rows = np.flatnonzero(store.is_owned[ledger[own]] & (interval >= 0))
        amount = sign * ledger["amount"][rows]
        line = lines[ledger["kind"][rows]]
        # A transfer to another account of the run moves nothing in total, one with the outside is a flow; what a
        # third party keeps of it is a fee.
        moved = line == NAMES.index("transfers")
        outside = roles[ledger[other][rows]] == ACCOUNT_ROLES.index("outside")
        line = np.where(moved & outside & (amount > 0), NAMES.index("deposits"), line)
        line = np.where(moved & outside & (amount <= 0), NAMES.index("withdrawals"), line)
        line = np.where(moved & ~outside & ~store.is_owned[ledger[other][rows]], NAMES.index("fees"), line)
        indices = _indices(ledger, rows, "asset", "instrument", "strategy", "tag")
        funding = line == NAMES.index("funding")
        account = ledger[own][rows]
        parts.append(
            _entries(
                amount=amount,
                price=value[rows],
                line=line,
                scale=store.asset_scales[ledger["asset"][rows]],
                account=account,
                interval=interval[rows],
                **owners.fill(account, indices["instrument"], ledger["time"][rows], indices, before=funding),
            )
        )
    return parts[0].joined(parts[1])


def unrealized_entries(store: Store, moments: Snapshots, prices: AssetPrices) -> Entries:
    """Return the unrealised profit at the end of each interval, and minus that at its start."""
    held = moments.rows
    value = prices.fill(held["asset"], held["time"], held["value_price"])
    parts = []
    for sign in (1, -1):
        edge = 0 if sign > 0 else moments.last
        rows = np.flatnonzero((held["instrument"] >= 0) & (moments.moment != edge))
        parts.append(
            _entries(
                amount=sign * held["amount"][rows],
                price=value[rows],
                line=np.full(len(rows), NAMES.index("price"), dtype=np.int64),
                scale=store.asset_scales[held["asset"][rows]],
                interval=moments.moment[rows] - (sign > 0),
                **_indices(held, rows, "account", "asset", "instrument", "strategy", "tag"),
            )
        )
    return parts[0].joined(parts[1])


@dataclass(frozen=True, slots=True)
class FillCosts:
    """What fills gained (+) or cost (-) against their decision prices; only those with one.

    Attributes
    ----------
    rows : ndarray of int64
        Of the fills table.
    amount : ndarray of int64 or of Python integers
        Mantissa of `scale` decimals of `asset`.
    scale, asset, line : ndarray of int64
        `line` is an index into `NAMES`: slippage, or the cost of the force behind the fill.
    price : ndarray of float64
        Reporting asset per unit of the asset.
    """

    rows: NDArray[np.int64]
    amount: NDArray[Any]
    scale: NDArray[np.int64]
    asset: NDArray[np.int64]
    line: NDArray[np.int64]
    price: NDArray[np.float64]


def fill_costs(store: Store, prices: AssetPrices) -> FillCosts:
    """Return the cost of every fill with a decision price."""
    fills = store.columns("fills")
    rows = np.flatnonzero(fills["decision_price"] != 0)
    amount, scale = _cost_of_fills(store, fills, rows)
    asset = store.settle[fills["instrument"][rows]]
    lines = np.array([NAMES.index(LINE_OF_FORCED[word]) for word in FORCED], dtype=np.int64)
    return FillCosts(rows, amount, scale, asset, lines[fills["forced"][rows]], prices.at(asset, fills["time"][rows]))


def fill_entries(store: Store, moments: Snapshots, prices: AssetPrices, owners: Owners) -> tuple[Entries, int]:
    """Return what fills cost against their decision prices, and the same taken from the price line.

    Returns
    -------
    entries : Entries
        Sums to zero.
    unknown : int
        Number of fills without a decision price; they have no entry.
    """
    fills = store.columns("fills")
    costs = fill_costs(store, prices)
    interval = moments.intervals(moments.fill_rows, len(fills["time"]))[costs.rows]
    indices = _indices(fills, costs.rows, "account", "instrument", "strategy", "tag")
    indices = owners.fill(indices["account"], indices["instrument"], fills["time"][costs.rows], indices)
    parts = [
        _entries(
            amount=amount,
            price=costs.price,
            line=line,
            scale=costs.scale,
            asset=costs.asset,
            interval=interval,
            **indices,
        )
        for amount, line in (
            (costs.amount, costs.line),
            (-costs.amount, np.full(len(costs.rows), NAMES.index("price"), dtype=np.int64)),
        )
    ]
    return parts[0].joined(parts[1]), len(fills["time"]) - len(costs.rows)


def _cost_of_fills(store: Store, fills: Columns, rows: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the gain (+) or cost (-) of fills against the decision, as mantissas, and their scales.

    Linear and spot, exact: side x quantity x size x (decision - price), in 10^-(price + quantity + size scale).
    Inverse: side x quantity x size x (1 / price - 1 / decision), rounded to 10^-16 of the coin.
    """
    instruments = store.meta["instruments"]
    size = np.array([row["size"] for row in instruments], dtype=np.int64)
    size_scale = np.array([row["size_scale"] for row in instruments], dtype=np.int64)
    inverse = np.array([kind == "inverse" for kind in store.contracts], dtype=bool)
    which = fills["instrument"][rows]
    signed = fills["side"][rows].astype(np.int64) * fills["quantity"][rows]
    price, decision = fills["price"][rows], fills["decision_price"][rows]
    scale = store.price_scales[which] + store.quantity_scales[which] + size_scale[which]
    is_inverse = inverse[which] if len(rows) else np.zeros(0, dtype=bool)
    bound = np.abs(signed.astype(np.float64)) * np.abs((decision - price).astype(np.float64)) * size[which]
    if not is_inverse.any() and (bound < _SAFE).all():
        return signed * (decision - price) * size[which], scale
    out = np.empty(len(rows), dtype=object)
    out[:] = [
        _inverse_cost(*row) if row[-1] else row[0] * row[3] * (row[2] - row[1])
        for row in zip(
            signed.tolist(),
            price.tolist(),
            decision.tolist(),
            size[which].tolist(),
            (INVERSE_SCALE + store.price_scales[which] - store.quantity_scales[which] - size_scale[which]).tolist(),
            is_inverse.tolist(),
            strict=True,
        )
    ]
    return out, np.where(is_inverse, INVERSE_SCALE, scale)


def _inverse_cost(signed: int, price: int, decision: int, size: int, exponent: int, _: bool) -> int:
    """Return signed x size x (1 / price - 1 / decision) x 10^exponent, rounded half to even."""
    numerator, denominator = signed * size * (decision - price), price * decision
    if exponent >= 0:
        numerator *= 10**exponent
    else:
        denominator *= 10**-exponent
    quotient, rest = divmod(numerator, denominator)
    return quotient + (2 * rest > denominator or (2 * rest == denominator and quotient % 2))


def _entries(amount: NDArray[Any], price: NDArray[np.float64], **indices: NDArray[Any]) -> Entries:
    """Return entries with their indices in 32 bits: a long run has millions."""
    return Entries(amount, price, **{name: values.astype(np.int32, copy=False) for name, values in indices.items()})


def _indices(columns: Columns, rows: NDArray[np.int64], *names: str) -> dict[str, NDArray[np.int32]]:
    return {name: columns[name][rows].astype(np.int32, copy=False) for name in names}
