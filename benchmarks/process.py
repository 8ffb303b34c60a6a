"""One whole process: wall and CPU seconds, peak memory, and what it printed."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Run:
    """What one run of a process cost.

    Attributes
    ----------
    wall, cpu : float
        Seconds; CPU is user and system.
    peak : float
        Largest resident set, MB of 10^6 bytes.
    rows : int
        Events that the task counts.
    engine : float
        CPU seconds of the task inside the process.
    answer : dict
    more : dict
        What else the process printed.
    """

    wall: float
    cpu: float
    peak: float
    rows: int
    engine: float
    answer: dict[str, Any]
    more: dict[str, Any] = field(default_factory=dict)


class TaskFailed(Exception):
    """A process ended with an error; the message is the end of what it wrote."""


def measure(command: Sequence[str], environment: Mapping[str, str]) -> Run:
    """Run a command and return what it cost.

    Raises
    ------
    TaskFailed
        If it fails or prints no line of JSON.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, env=dict(environment))
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        lines = [line for line in out.read().decode().splitlines() if line.startswith("{")]
        if process.returncode or not lines:
            said = err.read().decode().strip().splitlines()
            raise TaskFailed(f"exit code {process.returncode}: {' | '.join(said[-3:])}")
    printed = json.loads(lines[-1])
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    return Run(
        wall=wall,
        cpu=usage.ru_utime + usage.ru_stime,
        peak=usage.ru_maxrss * unit / 1e6,
        rows=printed.pop("rows"),
        engine=printed.pop("engine"),
        answer=printed.pop("answer"),
        more=printed,
    )
