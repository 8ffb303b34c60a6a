"""What our engine does in a process of its own: the tasks, with marks, margin checks, funding and liquidation on."""

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.files import PERPETUAL, VENUE, bar_symbol, load

if TYPE_CHECKING:
    from backtest import Result, Strategy
    from feeds.dataset import Dataset
    from venues.config import Venue

Answer = dict[str, Any]
RUN_MODULES = ("backtest.assembly", "backtest.hooks", "backtest.loop", "backtest.outcome", "backtest.wiring")


def run(task: str, root: Path) -> Answer:
    """Run a task by its name: ``t2.compiled`` in memory, ``t2.compiled.whole`` from the catalog, ``extra.*``.

    ``prepare.workload``, ``prepare.many.STREAMS.DAYS`` and ``prepare.books.TIMES`` write the data.
    """
    if task.startswith("prepare."):
        return _prepare(task.split(".")[1:], root)
    if task.startswith("extra."):
        from benchmarks import extras

        return extras.run(task.removeprefix("extra."), root)
    name, _, source = task.partition(".whole")
    return TASKS[name](root, bool(source or task.endswith(".whole")))


def _prepare(words: list[str], root: Path) -> Answer:
    from benchmarks import books, files, many

    if words[0] == "many":
        many.write_catalog(root, int(words[1]), int(words[2]))
    elif words[0] == "books":
        books.write(root, int(words[1]))
    else:
        files.prepare(root)
    return {}


def account(**options: Any) -> "Venue":
    """Return the account of all tasks: ten million, 5x, 2 and 5 bp."""
    import venues

    given: dict[str, Any] = {"balances": {"USDT": 10_000_000}, "leverage": 5, "fees": (0.0002, 0.0005), "slippage": 0}
    return venues.Venue(options.pop("rules", VENUE), **(given | options))


def bar_rules(instruments: int) -> Any:
    """Return the venue with the instruments of T4: two decimals, three of quantity, one tier table."""
    import venues

    rules = venues.get(VENUE)
    tiers = [
        venues.Tier(floor=0, maintenance_rate=0.01, max_leverage=50),
        venues.Tier(floor=100_000, maintenance_rate=0.025, max_leverage=20),
    ]
    for number in range(instruments):
        rules = rules.with_instrument(
            venues.Instrument(
                bar_symbol(number), contract="linear", contract_size=1.0, tick_size=0.01, lot_size=0.001, tiers=tiers,
                maker_fee=0.0002, taker_fee=0.0002,
            )
        )  # fmt: skip
    return rules


def timed(
    dataset: "Dataset", strategy: "Strategy", venue: "Venue", **options: Any
) -> tuple["Result", dict[str, float]]:
    """Run and return the result and its CPU (``engine``) and wall seconds, reading and building included.

    Importing is not: it belongs to the process, as the compiling of a peer does.
    """
    from backtest import Backtest

    for name in RUN_MODULES:
        importlib.import_module(name)
    begin, wall = time.process_time(), time.perf_counter()
    result = Backtest(dataset, strategy, venues=venue, **options).run()
    return result, {"engine": time.process_time() - begin, "wall": time.perf_counter() - wall}


def tape(root: Path, whole: bool) -> "Dataset":
    """Return the perpetual of T1 and T2, from the catalog or from memory."""
    if whole:
        from feeds.catalog import Catalog

        return Catalog(root / "catalog").dataset(VENUE, PERPETUAL)
    return load(root, [(PERPETUAL, kind, kind) for kind in ("trades", "mark", "funding")])


def bar_data(root: Path, instruments: int) -> "Dataset":
    """Return the bars of T4, a mark bar for each, and their funding."""
    streams = []
    for number in range(instruments):
        symbol = bar_symbol(number)
        streams += [
            (symbol, "bars:1m", f"bars_{number:02d}"),
            (symbol, "mark:1m", f"mark_{number:02d}"),
            (symbol, "funding", f"funding_{number:02d}"),
        ]
    return load(root, streams)


def rows_of(dataset: "Dataset", kind: str) -> int:
    """Return the rows that count as events: trades or bars, marks and funding come on top."""
    return sum(stream.rows for stream in dataset.streams if stream.kind == kind)


class Last:
    """Keeps the copy of a strategy that a run used, which holds its counts."""

    def __init__(self, base: type) -> None:
        self.made: Any = None
        keeper = self

        def on_stop(strategy: Any) -> None:
            keeper.made = strategy

        self.kind = type(base.__name__, (base,), {"on_stop": on_stop})


def filled(result: "Result") -> int:
    """Return how many fills there were, without making a frame of them."""
    return len(result.store.columns("fills")["quantity"])


def cash_of(result: "Result") -> float:
    """Return what all fills moved: minus signed quantity x price."""
    fills = result.store.columns("fills")
    scales = {row: (each["price_scale"], each["quantity_scale"]) for row, each in enumerate(result.meta["instruments"])}
    total = 0.0
    for row, (price_scale, quantity_scale) in scales.items():
        mine = fills["instrument"] == row
        moved = (fills["quantity"][mine] * fills["side"][mine] / 10**quantity_scale) @ fills["price"][mine]
        total -= moved / 10**price_scale
    return round(float(total), 2)


def position_of(result: "Result") -> float:
    """Return the signed sum of all fills."""
    fills = result.store.columns("fills")
    return float((fills["quantity"] * fills["side"]).sum() / 10 ** result.meta["instruments"][0]["quantity_scale"])


def t1(root: Path, whole: bool) -> Answer:
    from benchmarks.strategies import Count

    dataset, keep = tape(root, whole), Last(Count)
    _, seconds = timed(dataset, keep.kind(), account())
    return {"rows": rows_of(dataset, "trades"), **seconds, "answer": {"calls": keep.made.count}}


def t2(root: Path, whole: bool, *, compiled: bool, **options: Any) -> Answer:
    if compiled:
        from compiled import TickCross
    else:
        from benchmarks.strategies import TickCross
    dataset, keep = tape(root, whole), Last(TickCross)
    result, seconds = timed(dataset, keep.kind(), account(**options))
    answer = {"orders": keep.made.sent, "signature": keep.made.signature, "filled": filled(result)}
    if options.get("fills") == "same_trade":
        answer["cash"] = cash_of(result)
    return {"rows": rows_of(dataset, "trades"), **seconds, "answer": answer}


def t3(root: Path, whole: bool, *, compiled: bool, **options: Any) -> Answer:
    """Book and trades, five milliseconds to and from the venue, the feed at once (`t3b`: as late)."""
    if whole:
        raise ValueError("T3 has no form from files")
    if compiled:
        from compiled import TouchMaker
    else:
        from benchmarks.strategies import TouchMaker
    dataset, keep = (
        load(root, [(PERPETUAL, kind, kind) for kind in ("book", "trades", "mark", "funding")]),
        Last(TouchMaker),
    )
    venue = account(**({"latency": ("5ms", "5ms", "0ms"), "queue": "power:2"} | options))
    result, seconds = timed(dataset, keep.kind(), venue)
    answer = {"requests": keep.made.requests, "filled": filled(result), "position": position_of(result)}
    return {"rows": rows_of(dataset, "trades") + rows_of(dataset, "book"), **seconds, "answer": answer}


def book_alone(root: Path, whole: bool) -> Answer:
    """The book and trades of T3, read into the book, nobody trading."""
    from backtest import Strategy

    dataset = load(root, [(PERPETUAL, kind, kind) for kind in ("book", "trades", "mark")])
    _, seconds = timed(dataset, Strategy(), account())
    return {"rows": rows_of(dataset, "trades") + rows_of(dataset, "book"), **seconds, "answer": {}}


def t4(root: Path, whole: bool, *, compiled: bool, instruments: int = 1) -> Answer:
    if whole:
        raise ValueError("T4 has no form from files")
    if compiled:
        from compiled import BarCross
    elif instruments == 1:
        from benchmarks.strategies import BarCross
    else:
        from benchmarks.strategies import BarCrosses as BarCross
    dataset, keep = bar_data(root, instruments), Last(BarCross)
    venue = account(rules=bar_rules(instruments), fees=(0.0002, 0.0002))
    result, seconds = timed(dataset, keep.kind(), venue)
    answer = {"orders": keep.made.sent, "signature": keep.made.signature, "cash": cash_of(result)}
    return {"rows": rows_of(dataset, "bars"), **seconds, "answer": answer | {"filled": filled(result)}}


TASKS: dict[str, Callable[[Path, bool], Answer]] = {
    "t1": t1,
    "t2.python": lambda root, whole: t2(root, whole, compiled=False),
    "t2.compiled": lambda root, whole: t2(root, whole, compiled=True),
    "t2.same_trade": lambda root, whole: t2(root, whole, compiled=True, fills="same_trade"),
    "t3.python": lambda root, whole: t3(root, whole, compiled=False),
    "t3.compiled": lambda root, whole: t3(root, whole, compiled=True),
    "t3like.compiled": lambda root, whole: t3(root, whole, compiled=True, matching="no_partial_fill"),
    "book": book_alone,
    "t3.late_feed": lambda root, whole: t3(root, whole, compiled=True, latency="5ms"),
    "t4.python": lambda root, whole: t4(root, whole, compiled=False),
    "t4.compiled": lambda root, whole: t4(root, whole, compiled=True),
    "t4x10.python": lambda root, whole: t4(root, whole, compiled=False, instruments=10),
    "t4x10.compiled": lambda root, whole: t4(root, whole, compiled=True, instruments=10),
}
