"""The section of the report that shows where a run traded: price, fills, stops, liquidation price, funding."""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backtest.report_charts import Line, Mark
from backtest.report_html import Html, element, section
from backtest.report_live import Draw
from backtest.result_frames import scaled
from backtest.result_storage import Store, grouped
from backtest.tables import FORCED, ORDER_STATUS, ORDER_TYPES

if TYPE_CHECKING:
    from backtest.result import Result

MAX_SYMBOLS = 4
MAX_POINTS = 400  # of each kind; of more, the largest in each part of the run
HOLE = 3  # times the usual distance between samples
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def prices(result: "Result", happened: list[Mark], draw: Draw) -> Html | None:
    """Return a chart for each of the symbols that were traded most; None where none was."""
    store, meta = result.store, result.meta
    traded = most_traded(store)
    if not traded:
        return None
    charts = []
    for account, instrument in traded[:MAX_SYMBOLS]:
        lines = lines_of(store, account, instrument)
        if not lines:
            continue
        name = store.symbols[instrument] or ""
        where = f"{name}, {store.accounts[account]}" if len({each for each, _ in traded}) > 1 else name
        charts.append(
            draw(
                where,
                lines,
                form=lambda value: f"{value:,.6g}",
                hover="%{y:,.8~g} " + str(meta["instruments"][instrument]["quote"]),
                start=meta["start_ns"],
                end=meta["end_ns"],
                marks=[mark for mark in happened if mark.kind in ("liquidation", "adl")],
                height=260,
            )
        )
    if len(traded) > MAX_SYMBOLS:
        text = f"The {MAX_SYMBOLS} with the largest turnover of {len(traded)} that were traded."
        charts.append(element("p", text, class_="note"))
    note = (
        "The mark while a position was held (once an hour, and at funding), fills, funding payments (small), stops "
        "while they worked, and the liquidation price of a position that stands alone in its margin pool."
    )
    return section("Price", *charts, note=note)


def most_traded(store: Store) -> list[tuple[int, int]]:
    """Return account and instrument of all fills, the largest turnover first."""
    fills = store.columns("fills")
    if len(fills["time"]) == 0:
        return []
    keys, which = grouped(fills["account"], fills["instrument"])
    rows = fills["instrument"]
    quantity = scaled(fills["quantity"], store.quantity_scales[rows]) * store.sizes[rows]
    price = scaled(fills["price"], store.price_scales[rows])
    inverse = np.array([kind == "inverse" for kind in store.contracts])[rows]
    turnover = np.bincount(which, np.where(inverse, quantity, quantity * price))
    order = np.argsort(-turnover, kind="stable")
    return [(int(keys[0, number]), int(keys[1, number])) for number in order.tolist()]


def lines_of(store: Store, account: int, instrument: int) -> list[Line]:
    """Return mark, liquidation price, stops, fills and funding of one symbol in one account."""
    times, marks, quantity = _marks(store, account, instrument)
    out = []
    if len(times):
        shown_times, shown = _with_holes(times, marks)
        out.append(Line("mark", shown_times, shown))
        prices = _liquidation_prices(store, account, instrument, times, marks, quantity)
        if np.isfinite(prices).any():
            out.append(Line("liquidation price", *_with_holes(times, prices), ink="bad"))
    stops = _stops(store, account, instrument)
    if len(stops.times):
        out.append(stops)
    return [*out, *_fills(store, account, instrument), *_payments(store, account, instrument)]


def _marks(store: Store, account: int, instrument: int) -> tuple[Ints, Floats, Floats]:
    """Return times, marks and signed quantities of the samples of a position and of its funding payments."""
    held, paid = store.columns("exposure"), store.columns("funding")
    rows = np.flatnonzero((held["account"] == account) & (held["instrument"] == instrument) & (held["mark"] > 0))
    own = np.flatnonzero((paid["account"] == account) & (paid["instrument"] == instrument) & (paid["mark"] > 0))
    scale, units = int(store.price_scales[instrument]), int(store.quantity_scales[instrument])
    times = np.r_[held["time"][rows], paid["time"][own]].astype(np.int64)
    marks = np.r_[held["mark"][rows], scaled(paid["mark"][own], scale)]
    quantity = np.r_[held["quantity"][rows], scaled(paid["quantity"][own], units)]
    order = np.argsort(times, kind="stable")
    return times[order], marks[order], quantity[order]


def _with_holes(times: Ints, values: Floats) -> tuple[Ints, Floats]:
    """Return a line that breaks where it was not sampled for much longer than usual: there was no position."""
    steps = np.diff(times)
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else math.inf
    holes = np.flatnonzero(steps > HOLE * usual) + 1
    return np.insert(times, holes, times[holes - 1] + 1), np.insert(values, holes, np.nan)


def _liquidation_prices(
    store: Store, account: int, instrument: int, times: Ints, marks: Floats, quantity: Floats
) -> Floats:
    """Return mark x (1 -/+ distance) where the position is the only one of its pool; nan elsewhere.

    The distance of a pool is that of its nearest position, so with several nobody knows whose it is.
    """
    margin, held = store.columns("margin"), store.columns("exposure")
    isolated = np.flatnonzero((margin["account"] == account) & (margin["instrument"] == instrument))
    rows = isolated
    if len(isolated) == 0:
        settle = int(store.settle[instrument])
        rows = np.flatnonzero(
            (margin["account"] == account) & (margin["instrument"] < 0) & np.isin(margin["asset"], (settle, -1))
        )
        others = (held["account"] == account) & (held["instrument"] != instrument) & (held["quantity"] != 0)
        if others.any():
            return np.full(len(times), np.nan)
    if len(rows) == 0:
        return np.full(len(times), np.nan)
    rows = rows[np.argsort(margin["time"][rows], kind="stable")]
    latest = np.searchsorted(margin["time"][rows], times, side="right") - 1
    distance = np.where(latest >= 0, margin["distance"][rows][np.maximum(latest, 0)], np.nan)
    is_known = np.isfinite(distance) & (quantity != 0)
    made = marks * (1.0 - np.sign(quantity) * np.where(is_known, distance, 0.0))
    return np.where(is_known & (made > 0), made, np.nan)


def _stops(store: Store, account: int, instrument: int) -> Line:
    """Return the triggers of resident stops, each from when it worked until it was over."""
    orders = store.columns("orders")
    stops = [ORDER_TYPES.index(name) for name in ("stop_market", "stop_limit", "trailing_stop")]
    mine = (orders["account"] == account) & (orders["instrument"] == instrument) & np.isin(orders["type"], stops)
    rows = np.flatnonzero(mine & (orders["trigger"] > 0))
    over = np.isin(
        orders["status"][rows], [ORDER_STATUS.index(s) for s in ("filled", "canceled", "rejected", "expired")]
    )
    begun: dict[int, int] = {}
    times: list[int] = []
    values: list[float] = []
    end, divisor = int(store.meta["end_ns"]), 10.0 ** int(store.price_scales[instrument])

    def add(first: int, last: int) -> None:
        trigger = orders["trigger"][first] / divisor
        times.extend((int(orders["time"][first]), last, last + 1))
        values.extend((trigger, trigger, math.nan))

    for row, is_over in zip(rows.tolist(), over.tolist(), strict=True):
        number = int(orders["order"][row])
        if not is_over:
            begun.setdefault(number, row)
        elif number in begun:
            add(begun.pop(number), int(orders["time"][row]))
    for row in begun.values():
        add(row, end)
    order = np.argsort(np.array(times, dtype=np.int64), kind="stable")
    return Line("stops", np.array(times, dtype=np.int64)[order], np.array(values)[order], ink="warn")


def _fills(store: Store, account: int, instrument: int) -> list[Line]:
    """Return buys, sells and what was closed by force; of very many the largest in each part of the run."""
    fills = store.columns("fills")
    mine = (fills["account"] == account) & (fills["instrument"] == instrument)
    own = fills["forced"] == FORCED.index("own")
    kinds = {
        "buy": mine & own & (fills["side"] > 0), "sell": mine & own & (fills["side"] < 0), "forced": mine & ~own,
    }  # fmt: skip
    out = []
    unit = (
        "contracts"
        if store.contracts[instrument] in ("inverse", "quanto")
        else store.meta["instruments"][instrument]["base"]
    )
    for kind, chosen in kinds.items():
        rows = np.flatnonzero(chosen)
        if len(rows) == 0:
            continue
        kept = _largest(rows, fills["time"], fills["quantity"], store)
        price = scaled(fills["price"][kept], int(store.price_scales[instrument]))
        quantity = scaled(fills["quantity"][kept], int(store.quantity_scales[instrument]))
        word = {"buy": "bought", "sell": "sold", "forced": "closed by force"}[kind]
        texts = [f"{word} {q:,.6g} {unit} at {p:,.8g}" for q, p in zip(quantity.tolist(), price.tolist(), strict=True)]
        name = word if len(kept) == len(rows) else f"{word} (the {len(kept):,d} largest of {len(rows):,d})"
        out.append(Line(name, fills["time"][kept].astype(np.int64), price, points=kind, texts=texts))
    return out


def _payments(store: Store, account: int, instrument: int) -> list[Line]:
    """Return funding payments, at the mark that priced them."""
    paid = store.columns("funding")
    rows = np.flatnonzero((paid["account"] == account) & (paid["instrument"] == instrument) & (paid["mark"] > 0))
    if len(rows) == 0:
        return []
    kept = _largest(rows, paid["time"], np.abs(paid["amount"]), store)
    amounts = scaled(paid["amount"][kept], store.asset_scales[paid["asset"][kept]])
    asset = store.assets[int(paid["asset"][kept[0]])]
    texts = [f"funding {'received' if x > 0 else 'paid'}: {abs(x):,.6g} {asset}" for x in amounts.tolist()]
    marks = scaled(paid["mark"][kept], int(store.price_scales[instrument]))
    return [Line("funding", paid["time"][kept].astype(np.int64), marks, points="funding", texts=texts)]


def _largest(rows: Ints, times: Ints, sizes: Ints, store: Store) -> Ints:
    """Return the rows, or the largest one in each of so many parts of the run."""
    if len(rows) <= MAX_POINTS:
        return rows
    start, end = int(store.meta["start_ns"]), int(store.meta["end_ns"])
    part = (times[rows].astype(np.int64) - start) // max(1, -(-(end - start) // MAX_POINTS))
    order = np.lexsort((-sizes[rows], part))
    _, first = np.unique(part[order], return_index=True)
    return np.sort(rows[order[first]])
