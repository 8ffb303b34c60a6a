"""The curve of a run and its headline figures."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backtest import statistics
from backtest.attribution import Attribution
from backtest.attribution_moments import asset_prices, snapshots
from backtest.result_frames import scaled
from backtest.result_storage import Store, grouped
from backtest.tables import ACCOUNT_ROLES, FORCED, LEDGER_KINDS, ORDER_STATUS, PAID_BY

KEYS = (
    "start_equity", "end_equity", "return", "max_drawdown", "funding", "fees", "slippage", "price_pnl", "revaluation",
    "liquidations", "shortfall", "min_distance", "max_margin_ratio",
    # after the ones that api.md names:
    "deposits", "withdrawals", "interest", "liquidation_costs", "adl", "settlement", "venue_failure",
    "conversion", "change", "max_margin_ratio_bound", "max_leverage", "margin_calls", "adl_events", "fills", "orders",
    "rejected_orders", "funding_payments", "insurance_paid", "unfunded_loss", "turnover", "time_in_market", "days",
    "cagr", "volatility", "sharpe", "sortino", "longest_drawdown_days",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Curve:
    """Samples of the whole run.

    Attributes
    ----------
    times : ndarray of int64, shape (n,)
        ns, ascending.
    equity, cash, unrealized : ndarray of float64, shape (n,)
        Reporting asset.
    worth : ndarray of float64, shape (n,)
        Of one unit invested at the start, deposits taken out; see `statistics.wealth`.
    flow_times, flows : ndarray
        Deposits (> 0) and withdrawals (< 0) after the start, reporting asset.
    """

    times: NDArray[np.int64]
    equity: NDArray[np.float64]
    cash: NDArray[np.float64]
    unrealized: NDArray[np.float64]
    worth: NDArray[np.float64]
    flow_times: NDArray[np.int64]
    flows: NDArray[np.float64]


def curve(store: Store) -> Curve:
    """Return the equity curve in order of time, its last sample at the end of the run."""
    table = store.columns("equity")
    order = np.argsort(table["time"], kind="stable")
    times, equity, cash, unrealized = (table[name][order] for name in ("time", "equity", "cash", "unrealized"))
    ended, last_cash, last_unrealized = _end(store)
    if len(times) and times[-1] < ended:
        if math.isclose(equity[-1], last_cash + last_unrealized, rel_tol=1e-9, abs_tol=1e-9):
            times = np.r_[times[:-1], ended]  # that sample is the end, stamped with its place on the grid
        else:
            times, equity = np.r_[times, ended], np.r_[equity, last_cash + last_unrealized]
            cash, unrealized = np.r_[cash, last_cash], np.r_[unrealized, last_unrealized]
    flow_times, flows = _flows(store)
    flow_times = _after_sample(times, cash, flow_times, flows)
    worth = statistics.wealth(times, equity, flow_times, flows)
    return Curve(times, equity, cash, unrealized, worth, flow_times, flows)


def _end(store: Store) -> tuple[int, float, float]:
    """Return time, cash and unrealised profit of the last snapshot of holdings."""
    held = snapshots(store, months=False)
    rows = np.flatnonzero(held.moment == held.last)
    part = {name: values[rows] for name, values in held.rows.items()}
    price = asset_prices(store).fill(part["asset"], part["time"], part["value_price"])
    worth = scaled(part["amount"], store.asset_scales[part["asset"]]) * price
    is_cash = part["instrument"] < 0
    return int(held.times[-1]), float(worth[is_cash].sum()), float(worth[~is_cash].sum())


def _after_sample(
    times: NDArray[np.int64], cash: NDArray[np.float64], flow_times: NDArray[np.int64], flows: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the times of flows, those that a sample of the same instant does not hold yet one nanosecond later.

    A sample on a round minute shows what was there just before it, and a timer deposits on a round minute: whether the
    money is in the sample, its cash tells. The last sample holds everything.
    """
    out = flow_times.copy()
    for time in np.unique(flow_times[np.isin(flow_times, times[:-1])]).tolist():
        at = int(np.searchsorted(times, time, side="right")) - 1
        before = int(np.searchsorted(times, time, side="left")) - 1
        amount = float(flows[flow_times == time].sum())
        change = float(cash[at] - cash[before]) if before >= 0 else 0.0
        if at < len(times) - 1 and abs(change - amount) > abs(change):
            out[flow_times == time] = time + 1
    return out


def valued(store: Store, kinds: tuple[str, ...]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return times and values (reporting asset) of the owned postings of some kinds after the start.

    Deposits and withdrawals, whatever their kind, are not among them.
    """
    ledger = store.columns("ledger")
    start = snapshots(store, months=False).ledger_rows[0]
    codes = [LEDGER_KINDS.index(kind) for kind in kinds]
    outside = np.array([row["role"] == "outside" for row in store.meta["accounts"]], dtype=bool)
    sides = store.is_owned[ledger["account"]].astype(np.int64) - store.is_owned[ledger["contra"]]
    inside = ~(outside[ledger["account"]] | outside[ledger["contra"]])
    rows = np.flatnonzero(np.isin(ledger["kind"], codes) & (sides != 0) & inside)
    rows = rows[rows >= start]
    rows = rows[np.argsort(ledger["time"][rows], kind="stable")]
    assets, times = ledger["asset"][rows], ledger["time"][rows]
    amounts = scaled(ledger["amount"][rows] * sides[rows], store.asset_scales[assets])
    return times, amounts * asset_prices(store).fill(assets, times, ledger["value_price"][rows])


def summary(store: Store, run: Curve, attribution: Attribution, time_in_market: float) -> dict[str, float | int]:
    """Return the headline figures under stable keys.

    Parameters
    ----------
    store : Store
    run : Curve
    attribution : Attribution
        Of the whole run, by anything but month.
    time_in_market : float

    Returns
    -------
    dict
        Reporting asset unless said. `return` time-weighted; `max_drawdown` and `worst_day` negative fractions;
        `price_pnl` is profit at decision prices, so that price_pnl + slippage + funding + fees + interest +
        liquidation_costs + adl + settlement + venue_failure + conversion + revaluation = change, and end_equity =
        start_equity + change + deposits + withdrawals (these negative); `liquidations` counts episodes; `shortfall`
        what accounts could not pay; `min_distance` as a fraction of the mark; `max_margin_ratio` 1 = liquidation;
        `max_margin_ratio_bound` what that would have been if, inside each bar, every instrument of an account with
        several positions had been at its adverse extreme at once (the same figure without such bars).
    """
    total = {name: float(attribution.total(name)) for name in ("price", "slippage", "funding", "fees", "interest")}
    margin, forced, calls = (store.columns(name) for name in ("margin", "liquidations", "margin_calls"))
    by_force = np.isin(forced["what"], [FORCED.index("liquidation"), FORCED.index("takeover")])
    shortfall = _in_reporting(store, forced["asset"], forced["shortfall"], forced["time"])
    daily = statistics.returns(run.times, run.worth)
    figures = statistics.plain(daily, float(store.meta["cash_rate"]))
    order_ids, rejected = _orders(store)
    unfunded = _unfunded(store)
    values: dict[str, float | int] = {
        "start_equity": float(attribution.start),
        "end_equity": float(attribution.end),
        "return": float(run.worth[-1] - 1.0) if len(run.worth) else float("nan"),
        "max_drawdown": float(statistics.drawdowns(run.worth).min(initial=0.0)),
        "funding": total["funding"],
        "fees": total["fees"],
        "slippage": total["slippage"],
        "price_pnl": total["price"],
        "revaluation": float(attribution.total("revaluation")),
        "liquidations": len(np.unique(forced["episode"][by_force])),
        "shortfall": float(shortfall.sum()),
        "min_distance": float(margin["distance"].min(initial=np.inf)),
        "max_margin_ratio": float(margin["ratio"].max(initial=0.0)),
        "deposits": float(attribution.total("deposits")),
        "withdrawals": float(attribution.total("withdrawals")),
        "interest": total["interest"],
        "liquidation_costs": float(attribution.total("liquidation")),
        "adl": float(attribution.total("adl")),
        "settlement": float(attribution.total("settlement")),
        "venue_failure": float(attribution.total("failure")),
        "conversion": float(attribution.total("conversion")),
        "change": float(attribution.change),
        "max_margin_ratio_bound": _bound(store),
        "max_leverage": float(margin["leverage"].max(initial=0.0)),
        "margin_calls": int(np.count_nonzero(calls["active"] * (calls["strategy"] < 0))),
        "adl_events": int(np.count_nonzero(forced["what"] == FORCED.index("adl"))),
        "fills": store.rows("fills"),
        "orders": order_ids,
        "rejected_orders": rejected,
        "funding_payments": store.rows("funding"),
        "insurance_paid": _paid(store, ("insurance_fund", "unfunded"), shortfall) - unfunded,
        "unfunded_loss": unfunded,
        "turnover": _turnover(store),
        "time_in_market": time_in_market,
        "days": figures["days"],
        "cagr": figures["cagr"],
        "volatility": figures["volatility"],
        "sharpe": figures["sharpe"],
        "sortino": figures["sortino"],
        "longest_drawdown_days": statistics.longest_drawdown(run.times, run.worth),
    }
    return {key: values[key] for key in KEYS}


def committed(store: Store) -> float:
    """Return the largest initial margin that all pools of a run needed together, reporting asset."""
    margin = store.columns("margin")
    order = np.argsort(margin["time"], kind="stable")
    times, assets = margin["time"][order], margin["asset"][order]
    held = margin["initial"][order].copy()
    named = assets >= 0  # of all assets together the row is in the reporting asset
    held[named] *= asset_prices(store).at(assets[named], times[named])
    _, pool = grouped(*(margin[name][order] for name in ("account", "asset", "instrument")))
    by_pool = np.argsort(pool, kind="stable")
    begins = np.diff(pool[by_pool], prepend=-1) != 0
    before = np.where(begins, 0.0, np.roll(held[by_pool], 1))
    change = np.empty_like(held)
    change[by_pool] = held[by_pool] - before
    totals = np.cumsum(change)
    last = np.flatnonzero(np.r_[times[1:] != times[:-1], True]) if len(times) else np.zeros(0, dtype=np.int64)
    return float(totals[last].max(initial=0.0))


def break_even_fee(summary: Mapping[str, float]) -> float:
    """Return the fee on turnover, as a fraction, at which a run would have ended where it began; nan without a trade.

    On paper, from its turnover: what it earned before fees over what it traded.
    """
    turnover = float(summary["turnover"])
    return float("nan") if turnover == 0.0 else (float(summary["change"]) - float(summary["fees"])) / turnover


def _bound(store: Store) -> float:
    """Return the highest margin ratio at independent extremes of bars; at least the highest ratio of the run."""
    ratios = [row["ratio"] for row in store.meta["margin_bounds"]]
    highest = float(store.columns("margin")["ratio"].max(initial=0.0))
    return max([highest, *(math.inf if ratio is None else ratio for ratio in ratios)])


def _flows(store: Store) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return deposits and withdrawals after the start: every posting between an owned account and the outside."""
    ledger = store.columns("ledger")
    roles = np.array([ACCOUNT_ROLES.index(row["role"]) for row in store.meta["accounts"]], dtype=np.int64)
    outside = ACCOUNT_ROLES.index("outside")
    start = snapshots(store, months=False).ledger_rows[0]
    sign = np.zeros(len(ledger["time"]), dtype=np.int64)
    for own, other, side in (("account", "contra", 1), ("contra", "account", -1)):
        crossing = store.is_owned[ledger[own]] & (roles[ledger[other]] == outside) if len(sign) else sign != 0
        sign[crossing] = side
    rows = np.flatnonzero(sign)
    rows = rows[rows >= start]
    rows = rows[np.argsort(ledger["time"][rows], kind="stable")]
    times = ledger["time"][rows]
    amounts = scaled(ledger["amount"][rows] * sign[rows], store.asset_scales[ledger["asset"][rows]])
    return times, amounts * asset_prices(store).fill(ledger["asset"][rows], times, ledger["value_price"][rows])


def _in_reporting(
    store: Store, assets: NDArray[np.int64], amounts: NDArray[np.int64], times: NDArray[np.int64]
) -> NDArray[np.float64]:
    return scaled(amounts, store.asset_scales[assets]) * asset_prices(store).at(assets, times)


def _paid(store: Store, who: tuple[str, ...], shortfall: NDArray[np.float64]) -> float:
    codes = [PAID_BY.index(name) for name in who]
    return float(shortfall[np.isin(store.columns("liquidations")["paid_by"], codes)].sum())


def _unfunded(store: Store) -> float:
    """Return the losses that nobody paid: a row marked so may have been paid in part by the fund's last money."""
    ledger = store.columns("ledger")
    rows = np.flatnonzero(ledger["kind"] == LEDGER_KINDS.index("unfunded_loss"))
    return float(_in_reporting(store, ledger["asset"][rows], ledger["amount"][rows], ledger["time"][rows]).sum())


def _orders(store: Store) -> tuple[int, int]:
    """Return how many orders there were and how many the venue refused."""
    rows = store.final_orders()
    refused = store.columns("orders")["status"][rows] == ORDER_STATUS.index("rejected")
    return len(rows), int(np.count_nonzero(refused))


def _turnover(store: Store) -> float:
    """Return the notional of all fills in the reporting asset."""
    fills = store.columns("fills")
    which = fills["instrument"]
    if len(which) == 0:
        return 0.0
    inverse = np.array([kind == "inverse" for kind in store.contracts])[which]
    quantity = scaled(fills["quantity"], store.quantity_scales[which]) * store.sizes[which]
    price = scaled(fills["price"], store.price_scales[which])
    value = np.where(inverse, quantity / price, quantity * price)
    return float((value * asset_prices(store).at(store.settle[which], fills["time"])).sum())
