"""Sections of the report about trading: liquidations, funding, trades, orders, what the strategy wrote."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.report_capital import funding_by
from backtest.report_columns import histogram
from backtest.report_html import Html, element, section, table
from backtest.report_live import Draw
from backtest.report_overview import number
from backtest.report_series import recorded
from backtest.result_text import decimals_of, money, percent
from backtest.tables import LEDGER_KINDS, ORDER_STATUS
from venues.orders import REASONS

if TYPE_CHECKING:
    import pandas as pd

    from backtest.result import Result
    from backtest.result_storage import Store

MAX_ROWS = 100
MAX_TRADES = 8
FEW_TRADES = 5  # fewer are not drawn
MAX_SERIES = 12
MAX_LOG = 40
TIME = "%Y-%m-%d %H:%M:%S"


def price(value: float) -> str:
    """Return a price with up to eight digits; nan is a dash."""
    return "–" if value != value else f"{value:,.8g}"


def liquidations(result: "Result") -> Html:
    """Return the liquidation log and the margin calls."""
    steps, calls = result.liquidations, result.margin_calls
    raised = calls[calls["active"]]
    parts = []
    if steps.empty:
        parts.append(element("p", "Nothing was closed by force."))
    else:
        rows = [
            (
                f"{row.time:{TIME}}", row.account, _word(row.symbol), f"{row.what} {row.episode}.{row.step}",
                price(row.trigger_mark), price(row.price), price(row.quantity), _plain(row.fee),
                _plain(row.shortfall), row.asset, row.paid_by.replace("_", " ") if row.shortfall else "–",
            )
            for row in _rows(steps.head(MAX_ROWS))
        ]  # fmt: skip
        headings = (
            "time (UTC)", "account", "symbol", "step", "trigger mark", "price", "quantity", "fee", "shortfall", "in",
            "paid by",
        )  # fmt: skip
        parts += [table(headings, rows, text=(0, 1, 2, 3, 9, 10)), _more(len(steps))]
    if not raised.empty:
        called = [
            (
                f"{row.time:{TIME}}", _word(row.strategy) if is_own else "venue", row.account, _word(row.symbol),
                percent(row.ratio, 1), percent(row.distance),
            )
            for row, is_own in zip(_rows(raised.head(MAX_ROWS)), raised["strategy"].notna(), strict=False)
        ]  # fmt: skip
        titles = ("time (UTC)", "warned by", "account", "symbol", "margin ratio", "distance")
        parts += [
            element("h3", "Margin calls and alerts"),
            table(titles, called, text=(0, 1, 2, 3)),
            _more(len(raised)),
        ]
    return section("Liquidations", *parts, *_failures(result))


def _failures(result: "Result") -> list[Html]:
    """Return what accounts lost with venues that failed."""
    if not (result.store.columns("ledger")["kind"] == LEDGER_KINDS.index("venue_failure")).any():
        return []
    ledger = result.ledger
    lost = ledger[ledger["kind"] == "venue_failure"]
    rows = [(f"{row.time:{TIME}}", row.account, _amount(-row.amount, row.asset)) for row in _rows(lost.head(MAX_ROWS))]
    return [
        element("h3", "Failed venues"), table(("time (UTC)", "account", "lost"), rows, text=(0, 1)), _more(len(lost)),
    ]  # fmt: skip


def funding(result: "Result") -> Html:
    """Return what each account received and paid on each symbol."""
    payments = result.funding
    if payments.empty:
        return section("Funding", element("p", "No funding was paid."))
    rows = []
    groups: Any = payments.groupby(["account", "symbol"], sort=True)
    for (account, symbol), group in groups:
        received, paid = group["amount"].clip(lower=0).sum(), group["amount"].clip(upper=0).sum()
        asset = group["asset"].iloc[0]
        rows.append(
            (
                account, symbol, f"{len(group):,d}", _amount(received, asset), _amount(paid, asset),
                _amount(received + paid, asset), percent(group["rate"].mean(), 4),
                f"{group['time'].min():%Y-%m-%d}", f"{group['time'].max():%Y-%m-%d}",
            )
        )  # fmt: skip
    headings = ("account", "symbol", "payments", "received", "paid", "net", "mean rate", "first", "last")
    return section(
        "Funding",
        table(headings, rows[:MAX_ROWS], text=(0, 1, 7, 8)),
        _more(len(rows)),
        *funding_by(result),
        note="A positive rate is paid by longs. The mean is over the payments of the position held.",
    )


def trades(result: "Result") -> Html:
    """Return a summary of the round trips, and the largest losses and gains."""
    closed, everything = result.trades, result.positions
    left = int(everything["is_open"].sum())
    note = f"From flat to flat; {left:d} still open at the end." if left else "From flat to flat."
    if closed.empty:
        return section("Trades", element("p", "No position was opened and closed."), note=note)
    rows = [_summary(str(asset), group) for asset, group in closed.groupby("asset", sort=True)]
    headings = ("in", "trades", "won", "mean", "median", "best", "worst", "mean hours", "closed by force")
    parts = [table(headings, rows)]
    moves = [
        ("Trades by the worst move of the price against them", closed["mae"]),
        ("Trades by the nearest distance to liquidation", closed["min_distance"]),
    ]
    drawn = [
        histogram(title, values.to_numpy(dtype=float), form=lambda value: percent(value, 1), bins=24)
        for title, values in moves
        if len(closed) >= FEW_TRADES and np.isfinite(values).any()
    ]
    if drawn:
        parts.append(element("div", *drawn, class_="pair"))
    ranked = closed.sort_values("pnl", kind="stable")
    half = min(MAX_TRADES, (len(ranked) + 1) // 2)
    for title, chosen in (("Largest losses", ranked.head(half)), ("Largest gains", ranked.tail(half).iloc[::-1])):
        chosen = chosen[chosen["pnl"] < 0] if title == "Largest losses" else chosen[chosen["pnl"] > 0]
        if not chosen.empty:
            parts += [element("h3", title), _trade_table(chosen)]
    note += " Profit has funding and fees in it; worst, best and nearest (liquidation) are fractions of the price."
    return section("Trades", *parts, note=note)


def orders(result: "Result") -> Html:
    """Return how many orders ended in which state, and why."""
    rows = result.store.final_orders()
    if len(rows) == 0:
        return section("Orders", element("p", "No order was sent."))
    stored = result.store.columns("orders")
    ends = stored["status"][rows].astype(np.int64) * len(REASONS) + stored["reason"][rows]
    found, counts = np.unique(ends, return_counts=True)
    lines = sorted(
        (-count, ORDER_STATUS[end // len(REASONS)], REASONS[end % len(REASONS)])
        for end, count in zip(found.tolist(), counts.tolist(), strict=True)
    )
    cells = [
        (status, reason.replace("_", " ").lower() or "–", f"{-count:,d}", percent(-count / len(rows), 1))
        for count, status, reason in lines
    ]
    return section("Orders", table(("final state", "reason", "orders", "share"), cells, text=(0, 1)))


def records(result: "Result", store: "Store", draw: Draw) -> Html | None:
    """Return charts of the recorded series and the last lines of the log; None when there are neither."""
    lines = recorded(store)
    written = result.log
    if not lines and written.empty:
        return None
    start, end = result.meta["start_ns"], result.meta["end_ns"]
    parts = [
        draw(line.name, [line], form=lambda value: f"{value:,.4g}", start=start, end=end, height=110)
        for line in lines[:MAX_SERIES]
    ]
    if len(lines) > MAX_SERIES:
        parts.append(element("p", f"{len(lines) - MAX_SERIES} more in the series table.", class_="note"))
    if not written.empty:
        rows = [(f"{row.time:{TIME}}", _word(row.strategy), row.text) for row in _rows(written.tail(MAX_LOG))]
        parts += [element("h3", "Log"), table(("time (UTC)", "strategy", "text"), rows, text=(0, 1, 2), class_="log")]
        if len(written) > MAX_LOG:
            parts.append(element("p", f"The last {MAX_LOG} of {len(written):,d} lines.", class_="note"))
    return section("Recorded by the strategy", *parts)


def _summary(asset: str, group: "pd.DataFrame") -> tuple[str, ...]:
    pnl = group["pnl"]
    hours = (group["exit_time"] - group["entry_time"]).dt.total_seconds().mean() / 3600
    forced = group["exit_reason"].isin(("liquidation", "takeover", "adl")).sum()
    decimals = decimals_of(float(pnl.abs().max()))
    return (
        asset, f"{len(group):,d}", percent(float((pnl > 0).mean()), 1),
        *(money(float(value), decimals) for value in (pnl.mean(), pnl.median(), pnl.max(), pnl.min())),
        number(float(hours), 1), f"{forced:,d}",
    )  # fmt: skip


def _trade_table(chosen: "pd.DataFrame") -> Html:
    rows = [
        (
            f"{row.entry_time:%Y-%m-%d %H:%M}", number((row.exit_time - row.entry_time).total_seconds() / 3600, 1),
            row.symbol, price(row.side * row.quantity), price(row.entry_price), price(row.exit_price), _plain(row.pnl),
            _plain(row.funding), row.asset, percent(row.mae), percent(row.mfe), percent(row.min_distance),
            row.exit_reason,
        )
        for row in _rows(chosen)
    ]  # fmt: skip
    headings = (
        "from (UTC)", "hours", "symbol", "quantity", "entry", "exit", "profit", "funding", "in", "worst", "best",
        "nearest", "closed by",
    )  # fmt: skip
    return table(headings, rows, text=(0, 2, 8, 12))


def _rows(frame: "pd.DataFrame") -> Iterator[Any]:
    return frame.itertuples()


def _word(value: object) -> str:
    """Return a name, or nothing where there is none (pandas turns None into nan)."""
    return value if isinstance(value, str) else ""


def _amount(value: float, asset: str) -> str:
    return f"{_plain(value)} {asset}"


def _plain(value: float) -> str:
    return money(value, decimals_of(abs(value))) if value else "0"


def _more(count: int) -> Html:
    return (
        element("p", f"{count - MAX_ROWS:,d} more in the table of the result.", class_="note")
        if count > MAX_ROWS
        else Html()
    )
