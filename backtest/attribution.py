"""Where the money came from, exactly: every posting valued at its time, the rest is revaluation of balances."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backtest.attribution_entries import (
    FLOWS,
    LINES,
    NAMES,
    Entries,
    fill_entries,
    posting_entries,
    unrealized_entries,
)
from backtest.attribution_moments import Snapshots, asset_prices, snapshots
from backtest.attribution_owners import Owners
from backtest.attribution_sums import exact_sums
from backtest.errors import ConfigError, InvariantError
from backtest.result_storage import Columns, Store
from backtest.tables import LEDGER_KINDS

if TYPE_CHECKING:
    import pandas as pd

BY = ("symbol", "venue", "tag", "month", "strategy", "account", "asset")
NONE = "(none)"
_MATERIAL = "attribution"
_ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class Attribution:
    """Change of equity by group and line, in the reporting asset, as exact fractions.

    Attributes
    ----------
    by : str
    groups : dict of str to dict of str to Fraction
        Amounts by line of `LINES` and by flow of `FLOWS`; received is positive.
    start, end : Fraction
        Equity at the start (opening deposits in it) and at the end.
    unknown_decisions : int
        Fills without a known price at the decision: what they cost is inside the price line.
    """

    by: str
    groups: dict[str, dict[str, Fraction]]
    start: Fraction
    end: Fraction
    unknown_decisions: int

    def total(self, name: str) -> Fraction:
        """Return the sum of a line or flow over all groups."""
        return sum((group[name] for group in self.groups.values()), _ZERO)

    @property
    def change(self) -> Fraction:
        """Return the sum of all lines: the change of equity without deposits and withdrawals."""
        return sum((self.total(line) for line in LINES), _ZERO)

    def frame(self) -> "pd.DataFrame":
        """Return one row per group and a last row ``total`` as floats; in each the lines add up to ``change``."""
        import pandas as pd

        rows = dict(self.groups) | {"total": {name: self.total(name) for name in NAMES}}
        columns = [*LINES, "change", *FLOWS]
        values = [
            [float(row[name] if name != "change" else sum((row[line] for line in LINES), _ZERO)) for name in columns]
            for row in rows.values()
        ]
        made = pd.DataFrame(values, index=pd.Index(list(rows), name=self.by), columns=columns)
        made.attrs["units"] = dict.fromkeys(columns, "reporting asset")
        made.attrs["unknown_decisions"] = self.unknown_decisions
        return made


def attribute(store: Store, by: str = "symbol") -> Attribution:
    """Explain the change of equity.

    Per asset the postings are whole numbers. In the reporting asset each is multiplied by the price of its time, and
    *revaluation of balances* is, for each account and asset, balance x price at the end, less that at the start, less
    the valued postings between: what merely holding the asset did. Unrealised profit at the end less that at the start,
    each valued at its time, belongs to price. The price line is profit at decision prices; what fills gained or cost
    against those is slippage, or a cost of liquidation or ADL where the fill was forced. What the venue does to a
    position counts for the strategy and the tag that last increased it.

    Parameters
    ----------
    store : Store
    by : str
        symbol, venue, tag, month (UTC), strategy or account.

    Returns
    -------
    Attribution
        Lines, deposits and withdrawals add up exactly to the change of equity.

    Raises
    ------
    ConfigError
        If `by` is unknown, or an amount has no price in the reporting asset.
    InvariantError
        If balances and postings disagree.
    """
    if by not in BY or by == "asset":
        raise ConfigError(f"attribution(by={by!r}): allowed are {', '.join(repr(name) for name in BY)}")
    material = _material(store)
    moments = material.moments
    labels = _Labels(store, moments, by)
    groups: dict[str, dict[str, Fraction]] = {}
    for part in (material.postings, material.others):
        for label, line, amount in _sums(part, labels):
            groups.setdefault(label, dict.fromkeys(NAMES, _ZERO))[line] += amount
    equity = [_ZERO] * (moments.last + 1)
    for label, amount in _revaluations(store, material, labels, equity):
        groups.setdefault(label, dict.fromkeys(NAMES, _ZERO))["revaluation"] += amount
    kept = {name: lines for name, lines in sorted(groups.items()) if by == "month" or any(lines.values())}
    made = Attribution(by, kept, equity[0], equity[-1], material.unknown)
    explained = made.change + sum((made.total(flow) for flow in FLOWS), _ZERO)
    if explained != made.end - made.start:
        raise InvariantError(
            f"attribution by {by} explains {float(explained)} of a change of equity of {float(made.end - made.start)}"
        )
    return made


def forget(store: Store) -> None:
    """Drop what attributions are made of, which is larger than they are; it is made anew when another is asked for."""
    store.memo.pop(_MATERIAL, None)


def asset_table(store: Store) -> "pd.DataFrame":
    """Return one row per asset, in units of that asset: opening, the sum of the postings of each kind, closing.

    Raises
    ------
    InvariantError
        If opening plus postings is not closing, to the atom.
    """
    import pandas as pd

    moments = snapshots(store, months=False)
    held = moments.rows
    ledger = store.columns("ledger")
    later = moments.intervals(moments.ledger_rows, len(ledger["time"])) >= 0
    rows: dict[str, dict[str, float]] = {}
    for asset, row in enumerate(store.meta["assets"]):
        unit = 10 ** row["scale"]
        cash = (held["asset"] == asset) & (held["instrument"] < 0)
        sums = {
            kind: _exact(ledger["amount"], later & (ledger["asset"] == asset) & (ledger["kind"] == code), ledger, store)
            for code, kind in enumerate(LEDGER_KINDS)
        }
        opening = sum(held["amount"][cash & (moments.moment == 0)].tolist())
        closing = sum(held["amount"][cash & (moments.moment == moments.last)].tolist())
        if opening + sum(sums.values()) != closing:
            raise InvariantError(
                f"{row['name']}: {opening} atoms at the start and postings of {sum(sums.values())} are not the "
                f"{closing} at the end"
            )
        rows[row["name"]] = (
            {"opening": opening / unit}
            | {kind: total / unit for kind, total in sums.items()}
            | {"closing": closing / unit}
        )
    made = pd.DataFrame.from_dict(rows, orient="index", columns=["opening", *LEDGER_KINDS, "closing"])
    made.index.name = "asset"
    made.attrs["units"] = dict.fromkeys(made.columns, "asset of the row")
    return made


@dataclass(frozen=True, slots=True)
class _Material:
    """What all groupings are made of."""

    moments: Snapshots
    postings: Entries
    others: Entries  # unrealised profit, and costs of fills
    unknown: int
    valued: dict[int, Fraction]  # postings in the reporting asset by account, asset, interval; 10^-scale
    counted: dict[int, Fraction]  # the same in atoms


def _material(store: Store) -> _Material:
    """Return the entries of an attribution by pieces of a month, made once for each result.

    What is explained over the whole run is the sum over its months, to the last digit: between two of them each
    balance and each unrealised profit is taken off at the price at which it was added.
    """
    if _MATERIAL not in store.memo:
        moments, prices = snapshots(store, months=True), asset_prices(store)
        owners = Owners(store)
        postings = posting_entries(store, moments, prices, owners)
        costs, unknown = fill_entries(store, moments, prices, owners)
        keys = _balance_key(store, moments, postings.account.astype(np.int64), postings.asset, postings.interval)
        store.memo[_MATERIAL] = _Material(
            moments,
            postings,
            unrealized_entries(store, moments, prices).joined(costs),
            unknown,
            exact_sums(postings.amount, postings.price, keys),
            exact_sums(postings.amount, np.ones(len(keys)), keys),
        )
    made: _Material = store.memo[_MATERIAL]
    return made


def _balance_key(store: Store, moments: Snapshots, account: Any, asset: Any, interval: Any) -> Any:
    """Return account, asset and interval as one number, for numbers or arrays."""
    return (account * len(store.meta["assets"]) + asset) * moments.last + interval


class _Labels:
    """The group of each entry."""

    def __init__(self, store: Store, moments: Snapshots, by: str) -> None:
        self._by = by
        self._assets = store.assets
        months = np.datetime_as_string(moments.times[:-1].astype("datetime64[ns]"), unit="M").tolist()
        venues = [NONE if row["venue"] is None else row["venue"] for row in store.meta["accounts"]]
        self._names: list[str] = {
            "symbol": [*store.labels(), NONE],
            "venue": [
                "in transit" if row["role"] == "in_transit" else venue
                for row, venue in zip(store.meta["accounts"], venues, strict=True)
            ],
            "account": [row["name"] for row in store.meta["accounts"]],
            "tag": [*store.meta["tags"], NONE],
            "strategy": [*store.meta["strategies"], NONE],
            "month": months,
        }[by]
        self._field = {"symbol": "instrument", "venue": "account", "month": "interval"}.get(by, by)

    def codes(self, found: Entries) -> NDArray[np.int64]:
        """Return the index of each entry's group; -1 counts from the end."""
        codes: NDArray[np.int64] = getattr(found, self._field).astype(np.int64)
        return np.where(codes < 0, len(self._names) - 1, codes)

    def name(self, code: int) -> str:
        """Return the name of a group."""
        return self._names[code]

    def of_balance(self, account: int, asset: int, interval: int) -> str:
        """Return the group of what a balance gained by being held."""
        if self._by in ("venue", "account"):
            return self._names[account]
        return self._names[interval] if self._by == "month" else f"balance of {self._assets[asset]}"


def _sums(found: Entries, labels: _Labels) -> Iterator[tuple[str, str, Fraction]]:
    """Yield the exact sum of each group and line."""
    width = int(found.scale.max(initial=0)) + 1
    keys = (labels.codes(found) * len(NAMES) + found.line) * width + found.scale
    for key, total in exact_sums(found.amount, found.price, keys).items():
        rest, scale = divmod(key, width)
        group, line = divmod(rest, len(NAMES))
        yield labels.name(group), NAMES[line], total / 10**scale


def _revaluations(
    store: Store, material: _Material, labels: _Labels, equity: list[Fraction]
) -> Iterator[tuple[str, Fraction]]:
    """Yield what each balance gained by being held in each interval; add up equity at each moment on the way."""
    moments = material.moments
    held = moments.rows
    value = asset_prices(store).fill(held["asset"], held["time"], held["value_price"])
    balances: dict[tuple[int, int, int], tuple[int, Fraction]] = {}
    for row in range(len(value)):
        asset, moment, amount = int(held["asset"][row]), int(moments.moment[row]), int(held["amount"][row])
        worth = amount * Fraction(float(value[row])) / 10 ** int(store.asset_scales[asset])
        equity[moment] += worth
        if held["instrument"][row] < 0:
            balances[int(held["account"][row]), asset, moment] = amount, worth
    for account in np.flatnonzero(store.is_owned[:-1]).tolist():
        for asset, interval in product(range(len(store.meta["assets"])), range(moments.last)):
            before, worth = balances.get((account, asset, interval), (0, _ZERO))
            after, worth_after = balances.get((account, asset, interval + 1), (0, _ZERO))
            key = _balance_key(store, moments, account, asset, interval)
            counted = material.counted.get(key, _ZERO)
            if before + counted != after:
                raise InvariantError(
                    f"account {store.accounts[account]}: {before} atoms of {store.assets[asset]} and postings of "
                    f"{counted} are not the {after} held afterwards"
                )
            received = material.valued.get(key, _ZERO) / 10 ** int(store.asset_scales[asset])
            yield labels.of_balance(account, asset, interval), worth_after - worth - received


def _exact(amounts: NDArray[np.int64], chosen: NDArray[np.bool_], ledger: Columns, store: Store) -> int:
    """Return the sum of the owned sides of the chosen postings, in atoms."""
    sides = store.is_owned[ledger["account"]].astype(np.int64) - store.is_owned[ledger["contra"]]
    rows = np.flatnonzero(chosen & (sides != 0))
    total = exact_sums(amounts[rows] * sides[rows], np.ones(len(rows)), np.zeros(len(rows), dtype=np.int64))
    return int(total.get(0, _ZERO))
