"""A run that is watched: how far it is, how fast, what the account is worth; and ended by Ctrl-C with what there is."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from backtest.commands import output

if TYPE_CHECKING:
    from backtest.backtest import Backtest


@contextmanager
def watched(backtest: "Backtest", text: str = "running") -> Iterator[None]:
    """Show how far a run in this thread is, and let a first Ctrl-C end it after its present instant."""
    with output.working(text, teller(backtest)), stopped_by_ctrl_c(backtest.stop):
        yield


def teller(backtest: "Backtest") -> Callable[[], tuple[float, str]]:
    """Return a function that says how far a run is: its share of simulated time, and the rest in words."""
    from backtest.result_text import money, percent
    from feeds.times import iso

    begun = time.monotonic()

    def tell() -> tuple[float, str]:
        now = backtest.progress()
        if not now.events:
            return now.share, ""
        rate = now.events / max(time.monotonic() - begun, 1e-9)
        shown = f"{rate / 1e6:,.1f} M" if rate >= 1e5 else f"{rate:,.0f}"
        margin = f", margin ratio {percent(now.ratio, 0)}" if now.ratio else ""
        return now.share, f"{iso(now.time)[:16]}  {shown} events/s  equity {money(now.equity)}{margin}"

    return tell


@contextmanager
def stopped_by_ctrl_c(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the first Ctrl-C; the second interrupts as usual. Only the main thread can be told of either."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = signal.getsignal(signal.SIGINT)

    def handle(_number: int, _frame: Any) -> None:
        signal.signal(signal.SIGINT, usual)
        stop()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
