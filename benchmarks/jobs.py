"""Every process that a run of the benchmarks starts: which task it answers, and its command."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.install import python

HERE = Path(__file__).parent
PEERS = {
    "hftbacktest": ("hft.py", ("t1", "t2", "t3", "book"), 3),
    "vectorbt": ("vbt.py", ("t2", "t4", "t4x10"), 2),
    "backtesting": ("bt.py", ("t4",), 2),
    "nautilus_trader": ("naut.py", ("t1", "t2", "t3", "t4", "book"), 1),
}
IMPORTED = """
import json, time
begin = time.perf_counter()
import backtest
print(json.dumps({"rows": 1, "engine": time.perf_counter() - begin, "answer": {}}))
"""
DAYS = 30
BOOKS = 12  # times the workload's book in one day: sixty million updates


@dataclass(frozen=True)
class Job:
    """A process to measure.

    Attributes
    ----------
    name : str
    task : str
        Jobs of one task must give the same answer.
    command : tuple of str
    most : int
        Rounds are capped at so many: slow peers, extra rows.
    """

    name: str
    task: str
    command: tuple[str, ...]
    most: int = 100


def limits(root: Path, built: Mapping[str, str]) -> list[Job]:
    """Return the limits of the machine."""
    flat = root / "flat"

    def floor(name: str, task: str, word: str) -> Job:
        command = (
            sys.executable,
            str(HERE / "limits" / "floor.py"),
            word,
            built["calls"],
            str(flat / "trades.parquet"),
        )
        return Job(name, task, command)

    return [
        floor("limit.t1", "t1", "count"),
        floor("limit.t2.python", "t2", "cross"),
        floor("limit.t2.compiled", "t2", "compiled"),
        Job("limit.l3", "t2", (built["merge"], str(flat))),
    ]


def ours(root: Path, built: Mapping[str, str]) -> list[Job]:
    """Return our engine's tasks."""
    tasks = (
        "t1", "t2.python", "t2.compiled", "t2.same_trade", "t3.python", "t3.compiled", "t3like.compiled", "book",
        "t4.python", "t4.compiled", "t4x10.python", "t4x10.compiled",
        "t1.whole", "t2.compiled.whole",
    )  # fmt: skip
    return [_child(name, name.partition(".")[0], root, built) for name in tasks]


def extras(root: Path, built: Mapping[str, str], *, quick: bool) -> list[Job]:
    """Return the extra rows; those about memory over many days only in the full form."""
    tasks = {
        "extra.safety_off": "t2", "extra.positions.200.200": "held", "extra.positions.1.200": "held",
        "extra.positions.10.10": "held", "extra.positions.1.1": "held", "extra.streams.16": "counted",
        "extra.streams.500": "counted", "extra.busy": "t1",
    }  # fmt: skip
    if not quick:
        tasks |= {f"extra.memory.{count}.{days}.{DAYS}": "counted" for count in (1, 20, 200) for days in (1, DAYS)}
        tasks |= {f"extra.books.{times}": "counted" for times in (1, BOOKS)}
    found = [_child(name, task, root, built, most=3) for name, task in tasks.items()]
    return [*found, Job("extra.import", "import", (sys.executable, "-c", IMPORTED))]


def peers(root: Path, cache: Path, present: Mapping[str, str]) -> list[Job]:
    """Return the tasks of the peers that are installed."""
    found = []
    for peer in present:
        script, tasks, most = PEERS[peer]
        for task in tasks:
            command = (str(python(cache, peer)), str(HERE / "peers" / script), task, str(root))
            found.append(Job(f"{peer}.{task}", task, command, most))
    return found


def _child(name: str, task: str, root: Path, built: Mapping[str, str], *, most: int = 100) -> Job:
    return Job(name, task, (sys.executable, str(HERE / "child.py"), name, str(root), built["strategies"]), most)
