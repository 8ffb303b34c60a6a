"""What the scripts of peers share: they run in environments without our packages, one task a process.

usage of each script: SCRIPT TASK FOLDER_OF_DATA; prints one line of JSON as our own tasks do.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

AVERAGES = (2 / 301, 2 / 3001)  # T2
WARM, PAUSE = 5000, 1000  # trades
FAST, SLOW = 60, 240  # T4, bars
UNITS = 100
BAR_FEE = 0.0002


def arguments() -> tuple[str, Path]:
    """Return the task and the folder of the data."""
    return sys.argv[1], Path(sys.argv[2])


def columns(root: Path, name: str, *names: str) -> list[Any]:
    """Return columns of a flat file as arrays."""
    import pyarrow.parquet as pq

    table = pq.read_table(root / "flat" / f"{name}.parquet", columns=list(names))
    return [table[each].to_numpy() for each in names]


class Clock:
    """CPU seconds of this process since it was made."""

    def __init__(self) -> None:
        self.begin = time.process_time()

    def __call__(self) -> float:
        return time.process_time() - self.begin


def report(rows: int, engine: float, load: float, answer: dict[str, Any], **more: float) -> None:
    """Print what was measured."""
    print(json.dumps({"rows": rows, "engine": engine, "load": load, "answer": answer, **more}), flush=True)
