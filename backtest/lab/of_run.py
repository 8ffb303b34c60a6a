"""The lab on a run: the positions that it ended with as a population, its forced closes as times and sizes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backtest.errors import ConfigError
from backtest.lab.given import Array
from backtest.lab.positions import Population, population

if TYPE_CHECKING:
    import pandas as pd

    from backtest.result import Result


def population_of_run(result: "Result") -> Population:
    """Return the open positions of a run's accounts at its end, for a leverage map, stress or contagion.

    Collateral is the wallet behind a position: of a cross account all of it stands in the row of its first position.
    Maintenance is the rate in force at the latest sample of margin. A run to another moment is a run with that `end`.

    Raises
    ------
    ConfigError
        If nothing was open.
    """
    trips = result.positions
    held = trips[trips["is_open"] & (trips["held"] != 0.0)]
    if not len(held):
        raise ConfigError("nothing is open at the end of the run")
    contracts = {entry["symbol"]: entry for entry in result.meta["instruments"]}
    modes = {entry["name"]: entry["margin_mode"] for entry in result.meta["accounts"]}
    rows: dict[str, list[object]] = {name: [] for name in (
        "venue", "account", "symbol", "side", "quantity", "entry", "collateral", "collateral_asset", "margin_mode",
        "contract", "mmr", "opened_at",
    )}  # fmt: skip
    seen: set[tuple[str, str]] = set()
    for row in held.to_dict("records"):
        account, symbol = str(row["account"]), str(row["symbol"])
        facts = contracts[symbol]
        if facts["contract"] not in ("linear", "inverse"):
            continue
        size = float(row["held"]) * facts["size"] / 10 ** facts["size_scale"]
        mode = modes[account]
        key = (account, symbol if mode == "isolated" else facts["settle"])
        wallet, rate = _wallet(result.margin, account, symbol if mode == "isolated" else "", facts["settle"], result)
        values = {
            "venue": facts["venue"], "account": account, "symbol": symbol, "side": np.sign(size),
            "quantity": abs(size), "entry": float(row["entry_price"]), "collateral": 0.0 if key in seen else wallet,
            "collateral_asset": facts["settle"], "margin_mode": mode, "contract": facts["contract"], "mmr": rate,
            "opened_at": row["entry_time"].value,
        }  # fmt: skip
        seen.add(key)
        for name, value in values.items():
            rows[name].append(value)
    return population({name: np.array(values) for name, values in rows.items()}, is_partial=True)


def _wallet(margin: "pd.DataFrame", account: str, symbol: str, asset: str, result: "Result") -> tuple[float, float]:
    """Return what backs a pool without its unrealised profit, and its maintenance rate, at the latest sample."""
    samples = margin[(margin["account"] == account) & (margin["asset"] == asset)]
    samples = samples[samples["symbol"].fillna("") == symbol]
    if not len(samples):
        raise ConfigError(f"{account}: no sample of the margin of {symbol or asset}")
    last = samples.iloc[-1]
    notional = float(last["leverage"] * last["equity"])
    if symbol:
        return float(last["equity"]) - _unrealized(result, account, asset, symbol), float(
            last["maintenance"]
        ) / notional
    ledger = result.ledger
    mine = ledger[(ledger["asset"] == asset) & (ledger["account"] == account)]["amount"].sum()
    other = ledger[(ledger["asset"] == asset) & (ledger["contra"] == account)]["amount"].sum()
    return float(mine - other), float(last["maintenance"]) / notional


def _unrealized(result: "Result", account: str, asset: str, symbol: str) -> float:
    """Return the unrealised profit of a position at the end."""
    held = result.holdings
    rows = held[(held["account"] == account) & (held["symbol"] == symbol) & (held["asset"] == asset)]
    return float(rows[rows["snapshot"] == rows["snapshot"].max()]["amount"].sum()) if len(rows) else 0.0


@dataclass(frozen=True, slots=True)
class ForcedCloses:
    """Forced closes of a run, one entry each, in order of time.

    Attributes
    ----------
    seconds : ndarray of float64
        Since 1970.
    quantity : ndarray of float64
        Signed like the position that was closed, in the instrument's unit.
    notional : ndarray of float64
        At the price of the close, quote; of inverse contracts the contracts times their size.
    """

    seconds: Array
    quantity: Array
    notional: Array


def forced_closes(result: "Result", symbol: str) -> ForcedCloses:
    """Return the forced closes of a contract, of the users' accounts and of a population, deleveraging left out.

    For `backtest.lab.velocity`, `branching.ratio_from_counts` and `hawkes`.
    """
    import pandas as pd

    facts = next((entry for entry in result.meta["instruments"] if entry["symbol"] == symbol), None)
    if facts is None:
        names = ", ".join(entry["symbol"] for entry in result.meta["instruments"])
        raise ConfigError(f"{symbol} is not in the run; it has {names}")
    columns = ["time", "symbol", "quantity", "price", "what"]
    rows = pd.concat([result.liquidations[columns], result.population[columns]])
    rows = rows[(rows["symbol"] == symbol) & rows["what"].isin(["liquidation", "takeover"])]
    rows = rows.sort_values("time", kind="stable")
    size = rows["quantity"].to_numpy(dtype=np.float64)
    unit = facts["size"] / 10 ** facts["size_scale"]
    price = np.ones(len(size)) if facts["contract"] == "inverse" else rows["price"].to_numpy(dtype=np.float64)
    seconds = rows["time"].astype("int64").to_numpy() / 1e9
    return ForcedCloses(seconds, size, np.abs(size) * unit * price)
