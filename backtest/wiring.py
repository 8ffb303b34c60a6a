"""Which hooks a strategy has, what in the data can fire them, and the bars that must be made for it."""

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from backtest.errors import ConfigError
from backtest.run_streams import (
    BAR,
    BOOK,
    FUNDING,
    INDEX,
    LIQUIDATION,
    MARK,
    MARK_BAR,
    OPEN_INTEREST,
    QUOTE,
    TRADE,
    Plan,
)  # fmt: skip

if TYPE_CHECKING:
    from backtest.assembly import Assembly
    from backtest.strategy import Strategy

MARKET = {
    "on_trade": (TRADE,),
    "on_mark": (MARK, MARK_BAR),
    "on_index": (INDEX,),
    "on_funding": (FUNDING,),
    "on_liquidation": (LIQUIDATION,),
    "on_open_interest": (OPEN_INTEREST,),
    "on_quote": (QUOTE,),
    "on_book": (BOOK,),
}
C_HOOKS = {1: TRADE, 4: MARK, 8: INDEX, 16: FUNDING, 32: LIQUIDATION, 64: OPEN_INTEREST, 512: QUOTE, 1024: BOOK}
NOT_BUILT = {
    "on_option": "options are not replayed",
}
DERIVATIVES_ONLY = ("on_funding_payment", "on_margin_call", "on_liquidated")
SOURCES = {
    "on_trade": "trades",
    "on_mark": "mark",
    "on_index": "index",
    "on_funding": "funding",
    "on_liquidation": "liquidations",
    "on_open_interest": "open_interest",
    "on_quote": "quotes",
    "on_book": "book",
}


def hooks_by_kind(strategy: "Strategy") -> dict[int, Callable[[Any], None]]:
    """Return the Python market hooks of a strategy by event kind; bars are called by `backtest.hooks`."""
    present = set(strategy.python_hooks())
    return {kind: getattr(strategy, name) for name, kinds in MARKET.items() if name in present for kind in kinds}


def wanted_kinds(strategies: "Sequence[Strategy]", bound: Iterable[dict[int, Any]]) -> set[int]:
    """Return the event kinds that any strategy listens to."""
    kinds = {kind for hooks in bound for kind in hooks}
    return kinds | {kind for strategy in strategies for bit, kind in C_HOOKS.items() if strategy.c_hooks & bit}


def check_hooks(assembly: "Assembly", strategies: "Sequence[Strategy]") -> None:
    """Refuse hooks that nothing in the run can fire, and names that are no hook.

    Raises
    ------
    ConfigError
        Names the hook, what it would need, and what the data have.
    """
    from backtest.strategy_core import HOOKS

    kinds = {stream.kind for stream in assembly.dataset.streams}
    for strategy in strategies:
        name = type(strategy).__name__
        for attribute in dir(type(strategy)):
            if not attribute.startswith("on_") or attribute in HOOKS or not callable(getattr(strategy, attribute)):
                continue
            if attribute in NOT_BUILT:
                raise ConfigError(f"{name}.{attribute}: {NOT_BUILT[attribute]} yet, so it would never be called")
            near = difflib.get_close_matches(attribute, HOOKS, n=1)
            hint = f", did you mean {near[0]}?" if near else ""
            raise ConfigError(f"{name}.{attribute} is no hook{hint} The hooks are {', '.join(HOOKS)}")
        present = set(strategy.python_hooks()) | {
            hook for bit, hook in ((1, "on_trade"), (2, "on_bar"), (4, "on_mark"), (8, "on_index"), (16, "on_funding"),
                                   (32, "on_liquidation"), (64, "on_open_interest"), (512, "on_quote"),
                                   (1024, "on_book")) if strategy.c_hooks & bit
        }  # fmt: skip
        for hook in sorted(present & set(SOURCES)):
            source = SOURCES[hook]
            if source == "mark" and any(mark != "feed" for mark in assembly.marks.values()):
                continue
            if hook == "on_liquidation" and assembly.exchange.crowd is not None:
                continue
            if source not in kinds and not (source == "book" and "book_orders" in kinds):
                own = "; your own forced closes come to on_liquidated" if hook == "on_liquidation" else ""
                raise ConfigError(
                    f"{name}.{hook} would never be called: the data have no {source} rows "
                    f"(they have {', '.join(sorted(kinds))}); "
                    f"add them or take the hook out{own}"
                )
        if {"on_bar", "on_bars"} & present and "bars" not in kinds and not assembly.context.series:
            raise ConfigError(
                f"{name}.on_bar would never be called: the data have no bars rows; call "
                "self.subscribe_bars(symbol, '1h') in on_start to have bars made from trades"
            )
        if not assembly.marks:
            for hook in sorted(present & set(DERIVATIVES_ONLY)):
                raise ConfigError(f"{name}.{hook} would never be called: the run has no derivative")


def aggregators(assembly: "Assembly", plans: Sequence[Plan]) -> list[tuple[int, int, int, bool, int]]:
    """Return what makes the subscribed bars that the data lack: instrument, timeframe, stream, from trades, latency.

    Finer bars that divide the timeframe are preferred, the largest of them; else trades.

    Raises
    ------
    ConfigError
        If the data have neither.
    """
    out = []
    for instrument, timeframe in sorted(assembly.context.series):
        mine = [
            (number, plan) for number, plan in enumerate(plans) if plan.instrument == instrument and not plan.derived
        ]
        if any(plan.event_kind == BAR and plan.stream.timeframe_ns == timeframe for _, plan in mine):
            continue
        finer = [
            (plan.stream.timeframe_ns, number, plan)
            for number, plan in mine
            if plan.event_kind == BAR and timeframe % plan.stream.timeframe_ns == 0
        ]
        trades = [(number, plan) for number, plan in mine if plan.event_kind == TRADE]
        if finer:
            _, number, plan = max(finer)
            out.append((instrument, timeframe, number, False, plan.latency))
        elif trades:
            number, plan = trades[0]
            out.append((instrument, timeframe, number, True, plan.latency))
        else:
            run = assembly.instruments[instrument]
            have = ", ".join(sorted(s.kind for s in run.streams))
            raise ConfigError(
                f"bars of {run.address} cannot be made: the data have {have}, they need trades or finer bars"
            )
    return out
