"""What the figures are held against: answers that must come out, and ratios that are the targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.process import Run

# At scale 1. T4x10: true crosses after bar 240 of ten instruments, as pandas finds them too.
ANSWERS: dict[str, dict[str, Any]] = {
    "t1": {"calls": 5_000_000},
    "t2": {"orders": 2_196},
    "t4": {"orders": 5_616},
    "t4x10": {"orders": 55_867},
}
# At every scale: nothing missed, everything filled.
ALWAYS: dict[str, dict[str, Any]] = {"counted": {"missed": 0}, "held": {"events": 0, "filled": 0}}


@dataclass(frozen=True)
class Row:
    """One line of a table: our job beside another, or beside nothing.

    Attributes
    ----------
    table, label : str
    ours, other : str
        Names of jobs; `other` empty: the figure itself is the ratio.
    what : str
        ``speed`` (events a second of engine CPU, higher is better), ``event`` (engine CPU an event, lower), ``cpu`` and
        ``peak`` (of the whole process), ``wall`` (of the run, an event), ``seconds`` (the engine's own).
    bound : float or None
        At least for ``speed``, at most for the others; None: only shown.
    """

    table: str
    label: str
    ours: str
    other: str
    what: str
    bound: float | None = None


ENGINE, WHOLE, EXTRA = "Engine", "Whole process", "Extra rows"
HELD, MEMORY = "extra.positions", "extra.memory"
HFT, NAUTILUS, BT, VBT = "hftbacktest", "nautilus_trader", "backtesting", "vectorbt"
ROWS = (
    Row(ENGINE, "T1 Python callback", "t1", "limit.t1", "speed", 0.5),
    Row(ENGINE, "T1 Python callback", "t1", f"{HFT}.t1", "speed", 1.4),
    Row(ENGINE, "T1 Python callback", "t1", f"{NAUTILUS}.t1", "speed", 35.0),
    Row(ENGINE, "T2 Python callback", "t2.python", "limit.t2.python", "speed", 0.6),
    Row(ENGINE, "T2 Python callback", "t2.python", f"{NAUTILUS}.t2", "speed"),
    Row(ENGINE, "T2 compiled", "t2.compiled", "limit.l3", "speed", 0.4),
    Row(ENGINE, "T2 compiled", "t2.compiled", f"{HFT}.t2", "speed", 5.0),
    Row(ENGINE, "T2 compiled", "t2.compiled", f"{VBT}.t2", "speed"),
    Row(ENGINE, "T3 compiled, queue on", "t3.compiled", f"{HFT}.t3", "speed", 4.0),
    Row(ENGINE, "T3 compiled, their exchange model", "t3like.compiled", f"{HFT}.t3", "speed", 4.0),
    Row(ENGINE, "T3 Python, queue on", "t3.python", f"{HFT}.t3", "speed", 0.6),
    Row(ENGINE, "T3 Python, queue on", "t3.python", f"{NAUTILUS}.t3", "speed"),
    Row(ENGINE, "book alone, nobody trading", "book", f"{HFT}.book", "speed"),
    Row(ENGINE, "book alone, nobody trading", "book", f"{NAUTILUS}.book", "speed"),
    Row(ENGINE, "T4 Python per bar", "t4.python", f"{BT}.t4", "speed", 13.0),
    Row(ENGINE, "T4 Python per bar", "t4.python", f"{NAUTILUS}.t4", "speed", 45.0),
    Row(ENGINE, "T4 compiled", "t4.compiled", f"{VBT}.t4", "speed", 8.0),
    Row(ENGINE, "T4x10 compiled", "t4x10.compiled", f"{VBT}.t4x10", "speed", 8.0),
    Row(ENGINE, "T4x10 Python", "t4x10.python", f"{VBT}.t4x10", "speed"),
    Row(WHOLE, "T1 from Parquet, CPU s", "t1.whole", "limit.t1", "cpu", 1.3),
    Row(WHOLE, "T1 from Parquet, CPU s", "t1.whole", f"{HFT}.t1", "cpu", 0.5),
    Row(WHOLE, "T1 from Parquet, CPU s", "t1.whole", f"{NAUTILUS}.t1", "cpu"),
    Row(WHOLE, "T2 compiled from Parquet, CPU s", "t2.compiled.whole", "limit.t2.compiled", "cpu", 1.5),
    Row(WHOLE, "T2 compiled from Parquet, CPU s", "t2.compiled.whole", f"{HFT}.t2", "cpu", 0.25),
    Row(WHOLE, "T1 peak memory, MB", "t1.whole", "", "peak", 280.0),
    Row(WHOLE, "T2 compiled peak memory, MB", "t2.compiled.whole", "", "peak", 280.0),
    Row(WHOLE, "T1 peak memory, MB", "t1.whole", f"{HFT}.t1", "peak"),
    Row(EXTRA, "safety on against off, T2 compiled", "t2.compiled", "extra.safety_off", "event", 1.15),
    Row(EXTRA, "200 positions against 1, per mark of 200", f"{HELD}.200.200", f"{HELD}.1.200", "event", 2.0),
    Row(EXTRA, "200 positions and marks against 1", f"{HELD}.200.200", f"{HELD}.1.1", "event", 2.0),
    Row(EXTRA, "10 positions and marks against 1", f"{HELD}.10.10", f"{HELD}.1.1", "event", 2.0),
    Row(EXTRA, "500 streams against 16, per event", "extra.streams.500", "extra.streams.16", "event", 3.0),
    *(
        Row(EXTRA, f"30 days against 1, {n} streams", f"{MEMORY}.{n}.30.30", f"{MEMORY}.{n}.1.30", "peak", 1.1)
        for n in (1, 20, 200)
    ),
    *(Row(EXTRA, f"peak memory, {n} streams, 30 days", f"{MEMORY}.{n}.30.30", "", "peak") for n in (1, 20, 200)),
    Row(EXTRA, "a day of 60 M book updates against 5 M", "extra.books.12", "extra.books.1", "peak", 1.1),
    Row(EXTRA, "a book update, nobody trading, s", "extra.books.12", "", "event"),
    Row(EXTRA, "T1 beside a busy thread against alone, wall", "extra.busy", "t1", "wall"),
    Row(EXTRA, "import backtest, s", "extra.import", "", "seconds", 0.3),
)  # fmt: skip


def value(what: str, runs: Sequence[Run]) -> float:
    """Return a figure of the least disturbed of several runs."""
    if what == "speed":
        return max(run.rows / run.engine for run in runs)
    if what == "event":
        return min(run.engine / run.rows for run in runs)
    if what == "wall":
        return min(run.more["wall"] / run.rows for run in runs)
    if what == "cpu":
        return min(run.cpu for run in runs)
    if what == "seconds":
        return min(run.engine for run in runs)
    return max(run.peak for run in runs)


def wrong(task: str, answer: Mapping[str, Any], others: Mapping[str, Any], scale: float) -> str:
    """Return what is wrong with an answer, empty when it is the one expected.

    Parameters
    ----------
    task : str
    answer, others : mapping
        Of this job; of the jobs of the same task before it, the keys of all together.
    scale : float
    """
    expected = dict(others) | ALWAYS.get(task, {}) | (ANSWERS.get(task, {}) if scale == 1 else {})
    for name, given in answer.items():
        if name in expected and given != expected[name]:
            return f"{name} is {given}, not {expected[name]}"
    if "filled" in answer and "orders" in answer and answer["filled"] != answer["orders"]:
        return f"{answer['filled']} fills of {answer['orders']} orders"
    return ""
