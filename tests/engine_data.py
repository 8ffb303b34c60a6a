"""Small markets, scripted strategies and exact readings of results for the tests of the whole engine."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import pandas as pd

import feeds
import venues
from backtest import Backtest, Result, Strategy
from feeds.dataset import Dataset
from feeds.times import time_ns

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 3600 * SECOND
DAY = 24 * HOUR
LINEAR = "BTC/USDT:USDT"
INVERSE = "BTC/USD:BTC"
SPOT = "BTC/USDT"
USDM, COINM, CASH = "binance_usdm", "binance_coinm", "binance_spot"
FREE: dict[str, Any] = {"slippage": 0, "fees": (0, 0)}
USER_COIN = "X/USDT:USDT"
OTHER_COIN = "Y/USDT:USDT"


def ns(text: str | int) -> int:
    """Return a time of 2025-01-01 (``"07:00"``), a whole time, or ns as they are."""
    if isinstance(text, int):
        return text
    return time_ns(f"2025-01-01T{text}" if len(text) < len("2025-01-01") else text)


def frame(rows: Iterable[tuple[Any, ...]], columns: str) -> pd.DataFrame:
    """Return rows of (time, values ...) as a frame with an integer column ts."""
    names = ["ts", *columns.split()]
    return pd.DataFrame([(ns(row[0]), *row[1:]) for row in rows], columns=names)


def trades(rows: Iterable[tuple[Any, ...]], symbol: str = LINEAR, venue: str = USDM) -> Dataset:
    """Return trades from rows of (time, price, quantity[, side])."""
    full = [row if len(row) == 4 else (*row, 1) for row in rows]
    return feeds.from_pandas(frame(full, "price quantity side"), kind="trades", venue=venue, symbol=symbol)


def book(messages: Iterable[tuple[Any, ...]], symbol: str = LINEAR, venue: str = USDM) -> Dataset:
    """Return a book from messages of (time, bids, asks[, is_snapshot]): {price: quantity}, the first is a snapshot.

    Messages are numbered, each follows the one before.
    """
    rows = []
    for number, (when, bids, asks, *whole) in enumerate(messages):
        is_snapshot = int(whole[0]) if whole else int(number == 0)
        for side, levels in ((1, bids), (-1, asks)):
            rows += [(when, number, number - 1, is_snapshot, side, p, q) for p, q in levels.items()]
    made = frame(rows, "seq prev_seq is_snapshot side price quantity")
    return feeds.from_pandas(made, kind="book", venue=venue, symbol=symbol)


def points(kind: str, rows: Iterable[tuple[Any, ...]], symbol: str = LINEAR, venue: str = USDM) -> Dataset:
    """Return mark, index or premium values from rows of (time, value)."""
    return feeds.from_pandas(frame(rows, "price"), kind=kind, venue=venue, symbol=symbol)


def marks(rows: Iterable[tuple[Any, ...]], symbol: str = LINEAR, venue: str = USDM) -> Dataset:
    """Return marks from rows of (time, value)."""
    return points("mark", rows, symbol, venue)


def bars(
    rows: Iterable[tuple[Any, ...]],
    symbol: str = LINEAR,
    venue: str = USDM,
    *,
    timeframe: str = "1h",
    kind: str = "bars",
) -> Dataset:
    """Return bars from rows of (open time, open, high, low, close[, volume])."""
    full = [row if len(row) == 6 else (*row, 1_000_000) for row in rows]
    made = frame(full, "open high low close volume")
    if kind != "bars":
        made = made.drop(columns="volume")
    return feeds.from_pandas(made, kind=kind, venue=venue, symbol=symbol, timeframe=timeframe)


def funding(
    rows: Iterable[tuple[Any, ...]], symbol: str = LINEAR, venue: str = USDM, *, hours: float = 8, mark: bool = False
) -> Dataset:
    """Return settled funding from rows of (time, rate[, mark when `mark`])."""
    made = frame(rows, "rate mark" if mark else "rate")
    made["interval_hours"] = hours
    return feeds.from_pandas(made, kind="funding", venue=venue, symbol=symbol)


def constant(
    price: float, *, start: str | int, end: str | int, step: int = MINUTE, symbol: str = LINEAR, venue: str = USDM
) -> Dataset:
    """Return marks and trades of one price, a step apart, both ends included."""
    rows = [(t, price) for t in range(ns(start), ns(end) + 1, step)]
    return marks(rows, symbol, venue) + trades([(t, price, 1000) for t, _ in rows], symbol, venue)


class Notes(list[Any]):
    """A list that all copies of a strategy share, so that a test sees what the copy of a run has noted."""

    def __deepcopy__(self, memo: object) -> "Notes":
        return self


class Script(Strategy):
    """Carries out (time, action) pairs: each action is called with the strategy, after the market data of its time."""

    def __init__(self, *steps: tuple[str | int, Callable[[Any], object]], notes: Notes | None = None) -> None:
        super().__init__()
        self.steps = [(ns(when), action) for when, action in steps]
        self.notes = Notes() if notes is None else notes

    def on_start(self) -> None:
        """Set a timer for each step."""
        for number, (when, _) in enumerate(self.steps):
            self.once(when - self.now, name=str(number))

    def on_timer(self, timer: Any) -> None:
        """Carry out the step."""
        self.steps[int(timer.name)][1](self)

    def note(self, *what: Any) -> None:
        """Keep something for the test, with the time."""
        self.notes.append((self.now, *what))


class Listener(Script):
    """A script that notes every message of its account as (time, hook, message)."""

    def on_order(self, order: Any) -> None:
        """Note an order's state and reason."""
        self.note("order", order.id, order.status, order.reason, order.filled)

    def on_fill(self, fill: Any) -> None:
        """Note a fill."""
        self.note("fill", fill)

    def on_funding_payment(self, payment: Any) -> None:
        """Note a payment."""
        self.note("funding", payment)

    def on_margin_call(self, event: Any) -> None:
        """Note a margin call."""
        self.note("call", event)

    def on_liquidated(self, event: Any) -> None:
        """Note a step of a forced close."""
        self.note("liquidated", event)


def user_coin(
    symbol: str = USER_COIN,
    *,
    rate: float = 0.005,
    max_leverage: float = 100,
    tiers: Iterable[venues.Tier] | None = None,
    clearance_fee: float | None = 0.0,
    rules: str | venues.VenueRules = USDM,
    **fields: Any,
) -> venues.VenueRules:
    """Return a venue's rules with a contract of the user's, by default of one flat tier and no clearance fee."""
    facts: dict[str, Any] = {"contract": "linear", "tick_size": 0.001, "lot_size": 0.001} | fields
    rows = [venues.Tier(floor=0, maintenance_rate=rate, max_leverage=max_leverage)] if tiers is None else list(tiers)
    made = venues.Instrument(symbol, tiers=rows, clearance_fee=clearance_fee, **facts)
    known = venues.get(rules) if isinstance(rules, str) else rules
    return known.with_instrument(made)


def run(data: Dataset, strategy: Any, *accounts: venues.Venue, **options: Any) -> Result:
    """Run strategies on data through accounts (by default 10,000 USDT at binance_usdm, no costs)."""
    return Backtest(data, strategy, venues=list(accounts) or [account()], **options).run()


def account(rules: Any = USDM, balances: Mapping[str, Any] | None = None, **options: Any) -> venues.Venue:
    """Return an account without costs unless `options` say otherwise."""
    return venues.Venue(rules, balances=balances or {"USDT": 10_000}, **(FREE | options))


def postings(result: Result, kind: str | None = None, *, asset: str | None = None, name: str = USDM) -> Decimal:
    """Return the exact sum of an account's postings of a kind (of all), in units of the asset."""
    total = Decimal(0)
    for amount, row_asset, row_kind, row_account in _rows(result):
        if row_account == name and kind in (None, row_kind) and asset in (None, row_asset):
            total += amount
    return total


def amounts(result: Result, kind: str, *, name: str = USDM) -> list[Decimal]:
    """Return the exact amounts of an account's postings of a kind, in order of time."""
    return [amount for amount, _, row_kind, row_account in _rows(result) if row_kind == kind and row_account == name]


def balance(result: Result, asset: str = "USDT", *, name: str = USDM) -> Decimal:
    """Return an account's exact balance of an asset at the end."""
    return postings(result, asset=asset, name=name)


def _rows(result: Result) -> list[tuple[Decimal, str, str, str]]:
    scales = {entry["name"]: entry["scale"] for entry in result.meta["assets"]}
    raw = result.store.columns("ledger")["amount"].tolist()
    shown = result.ledger
    return [
        (Decimal(atoms).scaleb(-scales[asset]), asset, kind, name)
        for atoms, asset, kind, name in zip(raw, shown["asset"], shown["kind"], shown["account"], strict=True)
    ]


def totals(result: Result) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Return the sum over all accounts (users, venues, outside) of each asset, exact."""
    sums: dict[tuple[str, str], int] = {}
    raw, shown = result.store.columns("ledger"), result.ledger
    for amount, asset, owner, contra in zip(
        raw["amount"].tolist(), shown["asset"], shown["account"], shown["contra"], strict=True
    ):
        sums[asset, owner] = sums.get((asset, owner), 0) + amount
        sums[asset, contra] = sums.get((asset, contra), 0) - amount
    return {asset: sum(v for (a, _), v in sums.items() if a == asset) for asset in set(shown["asset"])}, sums


def forced(result: Result, *more: str) -> list[tuple[Any, ...]]:
    """Return (what, price, quantity) of every forced step, and further columns."""
    table = result.liquidations
    columns = (table["what"], table["price"], table["quantity"].abs(), *(table[name] for name in more))
    return list(zip(*columns, strict=True))


def reasons(result: Result) -> list[str]:
    """Return the final status and reason of every order, in order of submission."""
    final = result.orders
    return [f"{status} {reason}".strip() for status, reason in zip(final["status"], final["reason"], strict=True)]
